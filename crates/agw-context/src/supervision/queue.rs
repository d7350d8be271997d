//! What is due when: one ordered queue for all that is supervised.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime};

use super::heartbeat::{Beat, LOOK_AGAIN, Stage};
use super::silence::Vigil;
use crate::id::{ContextId, Controller, TerminationId};
use crate::model::Context;

/// Who is due.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Watched {
    /// A termination that has heartbeats.
    Termination(ContextId, TerminationId),
    /// A context without a controller.
    Orphan(ContextId),
    /// A controller without a connection.
    Controller(Controller),
    /// A context that may not be silent for ever.
    Silence(ContextId),
}

/// A context without a controller.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Orphan {
    /// Since when, by the wall clock.
    pub(crate) at: SystemTime,
    pub(super) since: Instant,
    pub(super) due: Instant,
}

/// Everything that is supervised.
#[derive(Debug, Default)]
pub(crate) struct Supervisor {
    pub(super) queue: BTreeSet<(Instant, Watched)>,
    pub(super) beats: BTreeMap<(ContextId, TerminationId), Beat>,
    pub(super) orphans: BTreeMap<ContextId, Orphan>,
    /// Controllers that own contexts and have no connection, and when they are lost.
    pub(super) absent: BTreeMap<Controller, Instant>,
    pub(super) vigils: BTreeMap<ContextId, Vigil>,
}

impl Supervisor {
    /// When the next one is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.queue.first().map(|&(due, _)| due)
    }

    /// A context without a controller, if it is one.
    pub(crate) fn orphan(&self, context: ContextId) -> Option<&Orphan> {
        self.orphans.get(&context)
    }

    /// How many contexts have no controller.
    pub(crate) fn orphan_count(&self) -> usize {
        self.orphans.len()
    }

    /// Takes note of a context that a transaction has changed.
    pub(crate) fn note(
        &mut self,
        id: ContextId,
        before: Option<&Context>,
        after: Option<&Context>,
        now: Instant,
    ) {
        let terminations = |context: Option<&Context>| {
            let all = context.into_iter().flat_map(|context| context.terminations.iter());
            all.filter_map(|(id, termination)| Some((id, termination.heartbeat()?)))
                .collect::<BTreeMap<TerminationId, Duration>>()
        };
        let (old, new) = (terminations(before), terminations(after));
        for &termination in old.keys().filter(|id| !new.contains_key(id)) {
            if let Some(beat) = self.beats.remove(&(id, termination)) {
                self.queue.remove(&(beat.due, Watched::Termination(id, termination)));
            }
        }
        for (&termination, &period) in new.iter().filter(|(id, _)| !old.contains_key(id)) {
            let due = now + period;
            self.beats.insert((id, termination), Beat { period, due, stage: Stage::Resting });
            self.queue.insert((due, Watched::Termination(id, termination)));
        }
        match (before, after) {
            (None, Some(new)) => self.doubt_absence(&new.controller, now),
            (_, None) => {
                self.remove_orphan(id);
            }
            (Some(_), Some(_)) => {}
        }
    }

    /// A lost controller has made a context: what was its before is back when its connection is
    /// noticed; if that was too short to be, the new one is an orphan soon.
    fn doubt_absence(&mut self, controller: &Controller, now: Instant) {
        if self.absent.get(controller).is_some_and(|&lost| lost <= now) {
            self.remove_absent(controller);
            self.add_absent(controller, now + LOOK_AGAIN);
        }
    }

    /// The next one that is due.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Watched> {
        self.queue.first().filter(|(due, _)| *due <= now)?;
        self.queue.pop_first().map(|(_, watched)| watched)
    }

    /// Changes the stage of a termination and when it is due.
    pub(super) fn set_beat(
        &mut self,
        (context, termination): (ContextId, TerminationId),
        stage: Stage,
        due: Instant,
    ) {
        if let Some(beat) = self.beats.get_mut(&(context, termination)) {
            let watched = Watched::Termination(context, termination);
            self.queue.remove(&(beat.due, watched.clone()));
            self.queue.insert((due, watched));
            (beat.stage, beat.due) = (stage, due);
        }
    }

    /// A context has no controller from now on.
    pub(super) fn add_orphan(&mut self, context: ContextId, orphan: Orphan) {
        self.remove_orphan(context);
        self.queue.insert((orphan.due, Watched::Orphan(context)));
        self.orphans.insert(context, orphan);
    }

    /// When to look at an orphan again.
    pub(super) fn set_orphan(&mut self, context: ContextId, due: Instant) {
        if let Some(orphan) = self.orphans.get_mut(&context) {
            self.queue.remove(&(orphan.due, Watched::Orphan(context)));
            self.queue.insert((due, Watched::Orphan(context)));
            orphan.due = due;
        }
    }

    /// A context has a controller again, or has ended; tells whether it had none.
    pub(super) fn remove_orphan(&mut self, context: ContextId) -> bool {
        let Some(orphan) = self.orphans.remove(&context) else {
            return false;
        };
        self.queue.remove(&(orphan.due, Watched::Orphan(context)));
        true
    }

    /// A controller has no connection; it is lost at `due`.
    pub(super) fn add_absent(&mut self, controller: &Controller, due: Instant) {
        self.queue.insert((due, Watched::Controller(controller.clone())));
        self.absent.insert(controller.clone(), due);
    }

    /// A controller has a connection again, or nothing is its any more.
    pub(super) fn remove_absent(&mut self, controller: &Controller) {
        if let Some(due) = self.absent.remove(controller) {
            self.queue.remove(&(due, Watched::Controller(controller.clone())));
        }
    }
}
