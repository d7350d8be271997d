//! Contexts change hands: a controller takes over what another one has left behind.

use std::time::{Instant, SystemTime};

use super::heartbeat::{Beat, Stage};
use crate::error::CommandError;
use crate::event::EventKind;
use crate::gateway::Gateway;
use crate::id::{ContextId, Controller, TerminationId};

/// Which contexts a controller takes over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdoptContexts {
    /// These; all of them or none.
    These(Vec<ContextId>),
    /// All orphans of a controller.
    OrphansOf(Controller),
}

impl Gateway {
    /// Makes a controller the owner of orphans; tells which contexts are its now. Those that are
    /// its own already stay so.
    ///
    /// # Errors
    /// [`CommandError::UnknownContext`] for what does not exist or the controller may not see,
    /// [`CommandError::NotOrphaned`] for what has a controller, and
    /// [`CommandError::AdoptionRefused`] if policy does not let it take over from that controller;
    /// nothing has changed then.
    pub fn adopt(
        &mut self,
        controller: &Controller,
        which: AdoptContexts,
        now: Instant,
        at: SystemTime,
    ) -> Result<Vec<ContextId>, CommandError> {
        let adopted = match which {
            AdoptContexts::These(contexts) => {
                for &context in &contexts {
                    self.check_adoption(controller, context)?;
                }
                contexts
            }
            AdoptContexts::OrphansOf(from) => {
                if !self.policy.supervision.may_adopt(controller, &from) {
                    return Err(CommandError::AdoptionRefused(from));
                }
                let orphaned = |context: &ContextId| self.supervisor.orphan(*context).is_some();
                self.contexts_of(&from).into_iter().filter(orphaned).collect()
            }
        };
        for &context in &adopted {
            self.take_over(controller, context, now, at);
        }
        Ok(adopted)
    }

    /// Whether a controller may take over contexts of another one, should they be orphans.
    #[must_use]
    pub fn may_adopt(&self, controller: &Controller, from: &Controller) -> bool {
        self.policy.supervision.may_adopt(controller, from)
    }

    fn check_adoption(&self, controller: &Controller, id: ContextId) -> Result<(), CommandError> {
        let context = self.contexts.get(&id).ok_or(CommandError::UnknownContext(id))?;
        let owner = context.controller.as_ref();
        if !self.policy.supervision.may_adopt(controller, owner) {
            return Err(CommandError::UnknownContext(id));
        }
        if controller != owner && self.supervisor.orphan(id).is_none() {
            return Err(CommandError::NotOrphaned(id));
        }
        Ok(())
    }

    /// Ownership moves, and with it the heartbeats.
    fn take_over(&mut self, controller: &Controller, id: ContextId, now: Instant, at: SystemTime) {
        let to = self.owner(controller);
        let silence = self.policy.supervision.silence.get(controller).copied();
        let Some(context) = self.contexts.get_mut(&id) else {
            return;
        };
        self.usage.change(Some(context), None);
        let from = std::mem::replace(&mut context.controller, to);
        self.usage.change(None, Some(context));
        let was_orphan = self.supervisor.remove_orphan(id);
        self.supervisor.note_silence(id, silence, now);
        if !was_orphan && *from == *controller {
            return;
        }
        //= tests/spec/iq.md#generations
        //# The generation of a context MUST grow with each accepted change and be told with it.
        if let Some(context) = self.contexts.get_mut(&id) {
            context.generation += 1;
        }
        let all = (id, TerminationId(0))..=(id, TerminationId(u32::MAX));
        let beats =
            self.supervisor.beats.range(all).map(|(&place, &Beat { period, .. })| (place, period));
        let beats: Vec<_> = beats.collect();
        for (place, period) in beats {
            self.supervisor.set_beat(place, Stage::Resting, now + period);
        }
        let (from, to) = (Controller::clone(&from), controller.clone());
        self.tell(id, None, EventKind::ContextAdopted { from, to }, at);
    }
}
