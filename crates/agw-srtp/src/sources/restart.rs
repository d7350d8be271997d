//! Sources that start anew with a new key.

use agw_rtp::{SequenceNumber, Ssrc};

use super::{SourceTable, Standing};
use crate::ticket::Protocol;
use crate::window::ReplayWindow;
use crate::{PacketIndex, estimate_index};

/// What was opened from a source under the latest key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Opened {
    srtp: bool,
    srtcp: bool,
}

impl Opened {
    pub(super) const fn nothing() -> Self {
        Self { srtp: false, srtcp: false }
    }

    const fn has(self, protocol: Protocol) -> bool {
        match protocol {
            Protocol::Srtp => self.srtp,
            Protocol::Srtcp => self.srtcp,
        }
    }

    pub(super) fn note(&mut self, protocol: Protocol) {
        match protocol {
            Protocol::Srtp => self.srtp = true,
            Protocol::Srtcp => self.srtcp = true,
        }
    }
}

impl SourceTable {
    /// As [`Self::look_srtp`] and [`Self::look_srtcp`], for a source that has started anew with the
    /// latest key; `None` if it cannot have, or if that is no other way to see it.
    #[cold]
    pub(crate) fn look_restarted(
        &self,
        ssrc: Ssrc,
        protocol: Protocol,
        low: u32,
    ) -> Option<Standing> {
        let place = self.find(ssrc).filter(|_| self.may_restart(ssrc, protocol))?;
        let highest = self.window(place, protocol)?.highest()?;
        let index = u64::from(low);
        let is_other = match protocol {
            Protocol::Srtp => {
                let sequence = SequenceNumber(low as u16);
                let highest = PacketIndex::from_window(highest);
                estimate_index(highest, sequence).get() != index
            }
            Protocol::Srtcp => index <= highest,
        };
        is_other.then_some(Standing { index, new_source: false, implausible: false })
    }

    /// A source starts anew with the latest key, under which nothing of this protocol was opened
    /// from it.
    #[cold]
    pub(crate) fn restart(&mut self, ssrc: Ssrc, protocol: Protocol) {
        let Some(place) = self.find(ssrc) else { return };
        let window = match protocol {
            Protocol::Srtp => self.media_at_mut(place).map(|media| &mut media.srtp),
            Protocol::Srtcp => self.srtcp_at_mut(place),
        };
        window.into_iter().for_each(ReplayWindow::clear);
    }

    /// Whether a source that is known has sent nothing of this protocol under the latest key.
    pub(crate) fn may_restart(&self, ssrc: Ssrc, protocol: Protocol) -> bool {
        let media = self.find(ssrc).and_then(|place| self.media(place));
        media.is_some_and(|media| !media.opened.has(protocol))
    }
}
