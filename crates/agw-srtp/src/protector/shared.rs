//! Sealing under a key that other sessions use as well.

use subtle::ConstantTimeEq;

use super::Protector;
use crate::live::Fingerprint;
use crate::pool::KeyPool;
use crate::room::SpareRooms;
use crate::ticket::Protocol;
use crate::{KeyStanding, KeyUse, ProtectError, SealTicket};

impl<K> Protector<K> {
    /// As [`begin_srtp`](Self::begin_srtp), where the packet counts against the lifetime of a key that
    /// the pool has. Events about that lifetime come from the pool.
    ///
    /// # Errors
    /// As [`begin_srtp`](Self::begin_srtp); [`ProtectError::KeyExpired`] as well if all who share the
    /// key have used it up together. Nothing has changed then.
    pub fn begin_srtp_shared(
        &mut self,
        packet: &[u8],
        spare: &mut SpareRooms,
        pool: &mut KeyPool,
    ) -> Result<SealTicket, ProtectError> {
        self.begin_shared(Protocol::Srtp, pool, |this| this.begin_srtp(packet, spare))
    }

    /// As [`begin_srtcp`](Self::begin_srtcp), with a pool as
    /// [`begin_srtp_shared`](Self::begin_srtp_shared) has it.
    ///
    /// # Errors
    /// As [`begin_srtcp`](Self::begin_srtcp); [`ProtectError::KeyExpired`] as well if all who share
    /// the key have used it up together. Nothing has changed then.
    pub fn begin_srtcp_shared(
        &mut self,
        packet: &[u8],
        pool: &mut KeyPool,
    ) -> Result<SealTicket, ProtectError> {
        self.begin_shared(Protocol::Srtcp, pool, |this| this.begin_srtcp(packet))
    }

    fn begin_shared(
        &mut self,
        protocol: Protocol,
        pool: &mut KeyPool,
        begin: impl FnOnce(&mut Self) -> Result<SealTicket, ProtectError>,
    ) -> Result<SealTicket, ProtectError> {
        //= tests/spec/group.md#key-lifetime
        //# A key that several sessions share MUST have one lifetime over all that is protected under
        //# it, in both directions.
        if !pool.has_room(pool.sealing, protocol) {
            return Err(ProtectError::KeyExpired);
        }
        let ticket = begin(self)?;
        if let Some(place) = pool.sealing {
            pool.record(place, protocol, ticket.index, true);
            self.events.forget_lifetime();
        }
        Ok(ticket)
    }

    /// As [`keys`](Self::keys); of keys that a pool has, what all who share them have used.
    pub fn keys_in(&self, pool: Option<&KeyPool>) -> impl Iterator<Item = KeyUse> {
        let staged = self.staged.iter();
        let staged = staged.flat_map(move |keys| keys.uses(KeyStanding::Staged, pool));
        self.current.uses(KeyStanding::InForce, pool).chain(staged)
    }

    /// Tells a pool what was used of its keys here, and which of them seals. Of keys that were
    /// replaced here the pool knows all but what is `new` to it.
    pub(crate) fn tell_pool(&self, pool: &mut KeyPool, new: &[Fingerprint]) {
        for (fingerprint, spent) in self.history.spent() {
            if new.iter().any(|new| bool::from(new.ct_eq(fingerprint))) {
                pool.take_over(fingerprint, spent, None);
            }
        }
        for key in self.current.iter().chain(self.staged.iter().flat_map(|staged| staged.iter())) {
            pool.take_over(&key.fingerprint, key.usage.spent(), Some(key.usage.limit()));
        }
        pool.sealing = pool.place(&self.current.first.fingerprint);
    }
}
