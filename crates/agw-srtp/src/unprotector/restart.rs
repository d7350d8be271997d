//! Peers that start anew with a new key.
//!
//! RFC 3711 §3.3.1 has the rollover counter and the SRTCP index go on under a new key. Many a phone
//! makes its SRTP session anew instead, so that both start at 0 again. Nobody says which; the tag of
//! the first packet under the key tells. Nothing can come twice by that: under a key that was never in
//! force nothing was opened, and replaced keys go on with the windows that they had.

use std::time::Instant;

use super::reading::Header;
use super::{Unprotector, table};
use crate::live::LiveKey;
use crate::ticket::{KeyId, Protocol};
use crate::{OpenTicket, RocOnRekey};

/// What may still start anew with the keys in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Restarts {
    /// Nothing was opened under them.
    All,
    /// SRTP was, as it went on.
    Srtcp,
    Nothing,
}

impl Restarts {
    /// After a packet under the keys in force.
    pub(super) const fn after(self, protocol: Protocol) -> Self {
        match (self, protocol) {
            (Self::All | Self::Srtcp, Protocol::Srtp) => Self::Srtcp,
            (Self::All | Self::Srtcp, Protocol::Srtcp) | (Self::Nothing, _) => Self::Nothing,
        }
    }
}

impl<K> Unprotector<K> {
    //= tests/spec/srtp.md#new-keys
    //# Where it is not said, the first packet under a new key MUST tell whether the rollover counter
    //# and the SRTCP index go on or start anew.
    /// Makes ready for a peer that starts anew with keys that have just come in force; `was_known`
    /// if one of them was live before, in whatever form.
    pub(super) fn make_fresh(&mut self, roc: RocOnRekey, was_known: bool) {
        let is_new = |key: &LiveKey<K>| key.usage.spent().is_zero() && key.horizon.is_none();
        let are_new = !was_known && self.current.iter().all(is_new);
        let may_restart = roc == RocOnRekey::Auto && are_new;
        if may_restart {
            let fresh = Box::new(table(self.parameters, 0));
            self.aside.get_or_insert_default().fresh = Some(fresh);
        }
        self.restarts = if may_restart { Restarts::All } else { Restarts::Nothing };
    }

    /// A packet of a source that has started anew, if that is another way to read it.
    #[cold]
    pub(super) fn read_restarted(
        &self,
        header: &Header,
        packet: &[u8],
        now: Instant,
    ) -> Option<OpenTicket> {
        let is_srtcp = header.protocol() == Protocol::Srtcp;
        let is_alone = self.retired.is_empty() && self.staged.is_none();
        match self.restarts {
            Restarts::All => {}
            // The windows are in one table with those of replaced keys.
            Restarts::Srtcp if is_srtcp && is_alone => {}
            Restarts::Srtcp | Restarts::Nothing => return None,
        }
        let fresh = self.aside.as_ref()?.fresh.as_deref()?;
        let mut candidates = self.candidates(header, packet, now).filter(|(key, _)| {
            // Another session may have told of it since.
            self.current.find(key.id).is_some() && key.horizon.is_none()
        });
        candidates.find_map(|(key, sources)| {
            let ticket = self.read(header, packet, key, fresh).ok()?;
            let natural = self.read(header, packet, key, sources).ok();
            let is_other = natural.is_none_or(|natural| natural.index != ticket.index);
            is_other.then_some(OpenTicket { restarts: true, ..ticket })
        })
    }

    /// A packet under a key has shown that its peer has started anew.
    #[cold]
    pub(super) fn start_anew(&mut self, protocol: Protocol, id: KeyId) {
        if self.current.find(id).is_none() {
            return;
        }
        match (self.restarts, protocol) {
            (Restarts::All, _) => {
                let Some(aside) = &mut self.aside else { return };
                let Some(mut fresh) = aside.fresh.take() else { return };
                std::mem::swap(&mut self.sources, &mut *fresh);
                // What nobody takes is freed later: no packet gives memory back.
                aside.fresh = self.retired.leave_with(fresh);
                self.hold_sources();
                self.jump = None;
                self.restarts = Restarts::Nothing;
            }
            (Restarts::Srtcp, Protocol::Srtcp) => {
                self.sources.restart_srtcp();
                self.restarts = Restarts::Nothing;
            }
            (Restarts::Srtcp, Protocol::Srtp) | (Restarts::Nothing, _) => {}
        }
    }
}
