//! Whose events are whose: a controller sees its own, also after the context has ended.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use agw_context::{ContextId, Controller, Event, EventKind, Gateway};

/// Events that are looked at together.
const CHUNK: usize = 256;

/// The owners of contexts and of the events that are still kept.
pub(crate) struct Owners {
    /// Who owns any, each once.
    controllers: BTreeSet<Arc<Controller>>,
    contexts: BTreeMap<ContextId, Arc<Controller>>,
    /// Number and owner of kept events, in order; the gateway as a whole is nobody's.
    events: VecDeque<(u64, Option<Arc<Controller>>)>,
    capacity: usize,
    seen: u64,
}

impl Owners {
    /// Keeps the owners of as many events as the gateway keeps.
    pub(crate) const fn new(capacity: usize) -> Self {
        Self {
            controllers: BTreeSet::new(),
            contexts: BTreeMap::new(),
            events: VecDeque::new(),
            capacity,
            seen: 0,
        }
    }

    /// Takes note of new events; contexts that they add belong to `controller`.
    pub(crate) fn note(&mut self, gateway: &Gateway, controller: Option<&Controller>) {
        let controller = controller.map(|controller| self.owner(controller));
        while self.seen < gateway.newest_event() {
            match gateway.events_after(self.seen, CHUNK) {
                Ok(events) => {
                    for event in &events {
                        self.note_one(event, controller.as_ref());
                    }
                }
                Err(gone) => self.seen = gone.oldest.saturating_sub(1),
            }
        }
    }

    /// Takes note of new events that belong to `owner`, whatever they are about.
    pub(crate) fn note_of(&mut self, gateway: &Gateway, owner: Option<&Controller>) {
        let first = gateway.newest_event();
        self.note(gateway, None);
        let Some(owner) = owner.map(|owner| self.owner(owner)) else {
            return;
        };
        if let Some((_, of)) = self.events.back_mut().filter(|(number, _)| *number == first) {
            *of = Some(owner);
        }
    }

    /// A controller as its contexts name it; who owns nothing any more is forgotten.
    fn owner(&mut self, controller: &Controller) -> Arc<Controller> {
        if let Some(owner) = self.controllers.get(controller) {
            return Arc::clone(owner);
        }
        self.controllers.retain(|owner| Arc::strong_count(owner) > 1);
        let owner = Arc::new(controller.clone());
        self.controllers.insert(Arc::clone(&owner));
        owner
    }

    fn note_one(&mut self, event: &Event, controller: Option<&Arc<Controller>>) {
        let context = event.subject.as_ref().map(|subject| subject.context);
        if let (EventKind::ContextAdded, Some(context), Some(owner)) =
            (&event.kind, context, controller)
        {
            self.contexts.insert(context, Arc::clone(owner));
        }
        if let (EventKind::ContextAdopted { to, .. }, Some(context)) = (&event.kind, context) {
            let owner = self.owner(to);
            self.contexts.insert(context, owner);
        }
        let owner = context.and_then(|context| self.contexts.get(&context)).cloned();
        if let (EventKind::ContextReleased, Some(context)) = (&event.kind, context) {
            self.contexts.remove(&context);
        }
        if self.events.len() >= self.capacity {
            self.events.pop_front();
        }
        self.events.push_back((event.sequence, owner));
        self.seen = event.sequence;
    }

    /// Whether the controller may see the event.
    pub(crate) fn may_see(&self, controller: &Controller, event: &Event) -> bool {
        if event.subject.is_none() || *controller == Controller::local() {
            return true;
        }
        if let EventKind::ContextAdopted { from, to: _ } = &event.kind
            && controller.may_touch(from)
        {
            return true;
        }
        let place = self.events.binary_search_by_key(&event.sequence, |&(number, _)| number);
        let owner = place.ok().and_then(|place| self.events.get(place));
        owner.and_then(|(_, owner)| owner.as_ref()).is_some_and(|owner| controller.may_touch(owner))
    }
}
