//! Tickets: what was decided about a packet before its tag is known, carried to where it counts.

use agw_rtp::Ssrc;

use crate::{PacketIndex, SrtcpIndex};

/// SRTP or SRTCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Srtp,
    Srtcp,
}

/// Names a live key of one session; never reused within the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyId(pub(crate) u32);

impl KeyId {
    /// Marks the names of keys that were staged under a number of control's.
    const STAGED: u32 = 1 << 31;

    /// The name of a staged key.
    pub(crate) const fn of_staged(number: u32) -> Self {
        Self(number | Self::STAGED)
    }

    /// The number under which the key was staged, if it was.
    pub(crate) fn staged_number(self) -> Option<u32> {
        (self.0 & Self::STAGED != 0).then_some(self.0 & !Self::STAGED)
    }
}

/// A packet that looks acceptable; nothing is remembered about it yet.
///
/// Made by a check, used for the job, and spent by a commit once the tag has verified.
#[derive(Debug)]
#[must_use = "an authentic packet has to be committed"]
pub struct OpenTicket {
    pub(crate) protocol: Protocol,
    pub(crate) ssrc: Ssrc,
    pub(crate) index: u64,
    pub(crate) key: KeyId,
    pub(crate) clear_octets: u32,
    pub(crate) encrypted: bool,
    pub(crate) srtcp_word: u32,
    pub(crate) new_source: bool,
    pub(crate) implausible: bool,
    /// Whether its source has started anew with the key.
    pub(crate) restarts: bool,
    /// How often another way to read the packet was taken.
    pub(crate) retries: u8,
}

impl OpenTicket {
    /// The packet's source; of a compound, the first packet's.
    #[must_use]
    pub fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// Whether no packet was accepted from the source before, of either protocol.
    #[must_use]
    pub fn is_new_source(&self) -> bool {
        self.new_source
    }

    /// Whether the index is more than 3,000 ahead of the highest accepted one, as far as
    /// RFC 3550 A.1 lets a source jump.
    #[must_use]
    pub fn is_implausible(&self) -> bool {
        self.implausible
    }

    /// The estimated index of an SRTP packet; `None` for SRTCP.
    #[must_use]
    pub fn packet_index(&self) -> Option<PacketIndex> {
        match self.protocol {
            Protocol::Srtp => Some(PacketIndex::from_window(self.index)),
            Protocol::Srtcp => None,
        }
    }

    /// The index of an SRTCP packet; `None` for SRTP.
    #[must_use]
    pub fn srtcp_index(&self) -> Option<SrtcpIndex> {
        match self.protocol {
            Protocol::Srtp => None,
            Protocol::Srtcp => Some(SrtcpIndex::from_word(self.srtcp_word)),
        }
    }
}

/// An index that is reserved for a packet; no other packet will get it.
#[derive(Debug)]
pub struct SealTicket {
    pub(crate) protocol: Protocol,
    pub(crate) ssrc: Ssrc,
    pub(crate) index: u64,
    pub(crate) key: KeyId,
    pub(crate) clear_octets: u32,
    pub(crate) encrypted: bool,
}

impl SealTicket {
    /// The packet's source; of a compound, the first packet's.
    #[must_use]
    pub fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// The reserved index of an SRTP packet; `None` for SRTCP.
    #[must_use]
    pub fn packet_index(&self) -> Option<PacketIndex> {
        match self.protocol {
            Protocol::Srtp => Some(PacketIndex::from_window(self.index)),
            Protocol::Srtcp => None,
        }
    }
}

/// A packet that was authenticated and remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The packet's source; of a compound, the first packet's.
    pub ssrc: Ssrc,
    /// The index is above every index accepted from the source before: only such a packet may
    /// move a latch. Never true under an old key whose counters were reset by a re-key.
    pub newer: bool,
    /// The first packet of this protocol from the source.
    pub new_source: bool,
}
