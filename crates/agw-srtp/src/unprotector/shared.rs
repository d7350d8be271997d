//! Opening under a key that other sessions use as well.

use std::time::Instant;

use super::Unprotector;
use crate::pool::KeyPool;
use crate::room::SpareRooms;
use crate::{Accepted, KeyStanding, KeyUse, OpenTicket, UnprotectError};

impl<K> Unprotector<K> {
    /// As [`commit`](Self::commit), where the packet counts against the lifetime of a key that the
    /// pool has. Events about that lifetime come from the pool.
    ///
    /// # Errors
    /// As [`commit`](Self::commit); [`UnprotectError::KeyExpired`] as well if all who share the key
    /// have used it up together. Nothing has changed then.
    pub fn commit_shared(
        &mut self,
        ticket: OpenTicket,
        now: Instant,
        spare: &mut SpareRooms,
        pool: &mut KeyPool,
    ) -> Result<Accepted, UnprotectError> {
        let OpenTicket { protocol, index, key: id, .. } = ticket;
        let place = self.find(id).and_then(|key| pool.place(&key.fingerprint));
        //= tests/spec/group.md#key-lifetime
        //# A key that several sessions share MUST have one lifetime over all that is protected under
        //# it, in both directions.
        if !pool.has_room(place, protocol) {
            return Err(UnprotectError::KeyExpired);
        }
        let in_force = self.retired.place(id).is_none();
        let accepted = self.commit(ticket, now, spare)?;
        if let Some(place) = place {
            pool.record(place, protocol, index, in_force);
            self.events.forget_lifetime();
        }
        Ok(accepted)
    }

    /// As [`keys`](Self::keys); of keys that a pool has, what all who share them have used.
    pub fn keys_in(&self, pool: Option<&KeyPool>) -> impl Iterator<Item = KeyUse> {
        let staged = self.staged.iter();
        let staged = staged.flat_map(move |keys| keys.uses(KeyStanding::Staged, pool));
        let retired = self.retired.ends().flat_map(move |(keys, until)| {
            let uses = keys.uses(KeyStanding::Replaced, pool);
            uses.map(move |key| KeyUse { until: Some(until), ..key })
        });
        self.current.uses(KeyStanding::InForce, pool).chain(staged).chain(retired)
    }
}
