//! Controllers that are connected, gone for a moment, or lost.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::heartbeat::LOOK_AGAIN;
use super::queue::Orphan;
use super::{ReleaseCause, Suspect};
use crate::event::EventKind;
use crate::gateway::Gateway;
use crate::id::{ContextId, Controller};

impl Gateway {
    //= tests/spec/iq.md#supervision
    //# Media MUST go on when a controller is lost.
    /// Takes note of who has a connection: owners of contexts without one are lost after a while,
    /// and those who are back get their contexts again. Saying the same again changes nothing.
    pub fn handle_presence(
        &mut self,
        connected: &BTreeSet<Controller>,
        now: Instant,
        at: SystemTime,
    ) {
        let due = now + self.policy.supervision.controller_lost;
        let owners = self.controllers.iter().filter(|owner| Arc::strong_count(owner) > 1);
        let owners: BTreeSet<&Controller> = owners.map(AsRef::as_ref).collect();
        for owner in &owners {
            if !connected.contains(owner) && !self.supervisor.absent.contains_key(owner) {
                self.supervisor.add_absent(owner, due);
            }
        }
        let absent = self.supervisor.absent.keys();
        let over = absent.filter(|absent| connected.contains(absent) || !owners.contains(absent));
        let over: Vec<Controller> = over.cloned().collect();
        for controller in over {
            self.supervisor.remove_absent(&controller);
            self.regain(&controller, at);
        }
    }

    /// How many contexts have no controller.
    #[must_use]
    pub fn orphan_count(&self) -> usize {
        self.supervisor.orphan_count()
    }

    /// A controller has been without a connection for too long.
    pub(super) fn lose(&mut self, controller: &Controller, now: Instant, at: SystemTime) {
        let due = now + self.first_look();
        for context in self.contexts_of(controller) {
            if self.supervisor.orphan(context).is_some() {
                continue;
            }
            self.supervisor.add_orphan(context, Orphan { at, since: now, due });
            let controller = controller.clone();
            self.tell(context, None, EventKind::ContextOrphaned { controller }, at);
        }
    }

    /// A controller that was gone has a connection again.
    fn regain(&mut self, controller: &Controller, at: SystemTime) {
        if self.supervisor.orphan_count() == 0 {
            return;
        }
        for context in self.contexts_of(controller) {
            if self.supervisor.remove_orphan(context) {
                let (from, to) = (controller.clone(), controller.clone());
                self.tell(context, None, EventKind::ContextAdopted { from, to }, at);
            }
        }
    }

    /// It is time to look at an orphan.
    pub(super) fn orphan_due(&mut self, context: ContextId, now: Instant) -> Option<Suspect> {
        let &Orphan { since, .. } = self.supervisor.orphan(context)?;
        self.supervisor.set_orphan(context, now + LOOK_AGAIN);
        let is_over = now.saturating_duration_since(since) >= self.policy.supervision.orphan_limit;
        let (cause, ingresses) = if is_over {
            (ReleaseCause::OrphanedTooLong, Vec::new())
        } else {
            let streams = self.contexts.get(&context)?.streams();
            let ingresses = streams.map(|(_, _, stream)| stream.ingress_id()).collect();
            (ReleaseCause::Orphaned, ingresses)
        };
        Some(Suspect { context, termination: None, cause, ingresses, since })
    }

    /// From being an orphan to the first look at its media.
    fn first_look(&self) -> std::time::Duration {
        let policy = &self.policy.supervision;
        policy.orphan_silence.min(policy.orphan_limit)
    }

    /// The contexts of a controller.
    pub(super) fn contexts_of(&self, controller: &Controller) -> Vec<ContextId> {
        let own = self.contexts.iter().filter(|(_, one)| one.controller.as_ref() == controller);
        own.map(|(&id, _)| id).collect()
    }
}
