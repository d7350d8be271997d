//! Peers that start anew with a new key.
//!
//! RFC 3711 §3.3.1 has the rollover counter and the SRTCP index go on under a new key. Many a phone
//! makes its SRTP session anew instead, so that one or both start at 0 again. Nobody says which; the
//! tag of the first packet under the key tells, of each source and each protocol.
//!
//! Nothing can come twice by that: it is for keys that were never in force before, for sources from
//! which nothing of the protocol was opened under them, and only once replaced keys are gone, which
//! share the windows.

use std::time::Instant;

use agw_rtp::Ssrc;

use super::Unprotector;
use super::reading::Header;
use crate::OpenTicket;
use crate::ticket::{KeyId, Protocol};

impl<K> Unprotector<K> {
    //= tests/spec/srtp.md#new-keys
    //# Where it is not said, the first packet of a source under a new key MUST tell whether its
    //# rollover counter or SRTCP index goes on or starts anew, once the replaced keys are gone.
    /// A packet of a source that has started anew, if that is another way to read it.
    #[cold]
    pub(super) fn read_restarted(
        &self,
        header: &Header,
        packet: &[u8],
        now: Instant,
    ) -> Option<OpenTicket> {
        if !self.is_alone() {
            return None;
        }
        let keys = self.candidates(header, packet, now).map(|(key, _)| key);
        // What another session has told of it since has to hold.
        let mut keys = keys.filter(|key| key.horizon.is_none());
        keys.find_map(|key| self.read_anew(header, packet, key))
    }

    /// Whether a packet that was read so still may be, now that its tag has verified.
    pub(super) fn restarts_now(&self, ssrc: Ssrc, protocol: Protocol, id: KeyId) -> bool {
        let is_current = self.current.find(id).is_some();
        self.is_alone() && is_current && self.sources.may_restart(ssrc, protocol)
    }

    /// Whether sources may start anew: no other keys share their windows.
    fn is_alone(&self) -> bool {
        self.may_restart && self.retired.is_empty() && self.staged.is_none()
    }
}
