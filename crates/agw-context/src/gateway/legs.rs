//! Numbers of legs, and whose they are.

use super::*;

impl Gateway {
    pub(crate) fn take_leg(
        &mut self,
        owner: (ContextId, TerminationId, StreamId),
        now: Instant,
    ) -> u32 {
        let leg = self.legs.take(now);
        let place = leg as usize;
        if place >= self.leg_owners.len() {
            self.leg_owners.resize(place + 1, None);
        }
        self.own_leg(leg, owner);
        leg
    }

    /// Makes somebody the owner of a leg, whom its events are about.
    pub(crate) fn own_leg(&mut self, leg: u32, owner: (ContextId, TerminationId, StreamId)) {
        if let Some(entry) = self.leg_owners.get_mut(leg as usize) {
            *entry = Some(owner);
        }
    }

    pub(crate) fn forget_leg(&mut self, leg: u32, now: Instant) {
        if let Some(entry) = self.leg_owners.get_mut(leg as usize) {
            *entry = None;
        }
        self.legs.release(leg, now);
    }
}
