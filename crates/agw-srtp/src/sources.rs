//! What is remembered about each source (SSRC): highest index and windows.

use agw_rtp::{SequenceNumber, Ssrc};

use crate::ticket::Protocol;
use crate::window::Stale;
use crate::{PacketIndex, ReplayWindow, SrtcpIndex, estimate_index};

/// How far RFC 3550 A.1 lets a source jump ahead before it doubts it (`MAX_DROPOUT`).
const MAX_DROPOUT: u64 = 3000;

/// One source, for audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceState {
    /// The source.
    pub ssrc: Ssrc,
    /// Its rollover counter (RFC 3711 §3.3.1).
    pub roc: u32,
    /// Its highest sequence number under that counter; `None` before its first SRTP packet.
    pub highest_sequence: Option<SequenceNumber>,
    /// Its highest SRTCP index; `None` before its first SRTCP packet, and for an egress, which
    /// has one index for all sources.
    pub srtcp_index: Option<SrtcpIndex>,
}

/// All sources of a session, in the order of their first packets. Room for all of them is made
/// when the table is, so that a new source does not allocate on the packet path.
///
/// A source is never evicted: forgetting its window would open it to replays and, on an egress,
/// to a reused keystream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceTable {
    initial_roc: u32,
    used: usize,
    slots: Vec<Source>,
}

//= tests/spec/srtp.md#replay
//# Each SSRC MUST have a window of its own.
//= tests/spec/srtp.md#replay
//# SRTP and SRTCP MUST have separate windows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    ssrc: Ssrc,
    srtp: ReplayWindow,
    srtcp: ReplayWindow,
}

/// Where a packet stands among those of its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) index: u64,
    pub(crate) new_source: bool,
    pub(crate) implausible: bool,
}

/// What a remembered packet was for its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Remembered {
    pub(crate) newer: bool,
    pub(crate) new_source: bool,
}

/// Why a packet has no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Replay,
    TooOld,
    Full,
}

impl SourceTable {
    pub(crate) fn new(initial_roc: u32, window: u16, max_sources: u8) -> Self {
        let vacant = || Source {
            ssrc: Ssrc(0),
            srtp: ReplayWindow::new(window),
            srtcp: ReplayWindow::new(window),
        };
        Self {
            initial_roc,
            used: 0,
            //= tests/spec/relay.md#memory
            //# A flood of unknown SSRCs MUST NOT grow the memory of a leg.
            slots: std::iter::repeat_with(vacant).take(usize::from(max_sources)).collect(),
        }
    }

    /// Estimates the index of an SRTP packet and looks whether it is fresh.
    pub(crate) fn look_srtp(
        &self,
        ssrc: Ssrc,
        sequence: SequenceNumber,
    ) -> Result<Standing, Refusal> {
        let highest =
            self.find(ssrc).and_then(|source| source.srtp.highest()).map(PacketIndex::from_window);
        let index = match highest {
            Some(highest) => estimate_index(highest, sequence),
            None => PacketIndex::new(self.initial_roc, sequence.0),
        };
        self.look(ssrc, Protocol::Srtp, index.get())
    }

    /// Looks whether an SRTCP index is fresh.
    pub(crate) fn look_srtcp(&self, ssrc: Ssrc, index: SrtcpIndex) -> Result<Standing, Refusal> {
        self.look(ssrc, Protocol::Srtcp, u64::from(index.get()))
    }

    /// Remembers an index.
    pub(crate) fn remember(
        &mut self,
        ssrc: Ssrc,
        protocol: Protocol,
        index: u64,
    ) -> Result<Remembered, Refusal> {
        let window = self.window_mut(ssrc, protocol)?;
        let new_source = window.highest().is_none();
        let fresh = window.check(index)?;
        let newer = window.commit(fresh)?;
        Ok(Remembered { newer, new_source })
    }

    pub(crate) fn states(&self) -> impl Iterator<Item = SourceState> {
        self.slots.iter().take(self.used).map(|source| {
            let highest = source.srtp.highest().map(PacketIndex::from_window);
            SourceState {
                ssrc: source.ssrc,
                roc: highest.map_or(self.initial_roc, PacketIndex::roc),
                highest_sequence: highest.map(PacketIndex::sequence),
                srtcp_index: source
                    .srtcp
                    .highest()
                    .map(|index| SrtcpIndex::from_word(index as u32)),
            }
        })
    }

    fn look(&self, ssrc: Ssrc, protocol: Protocol, index: u64) -> Result<Standing, Refusal> {
        let Some(source) = self.find(ssrc) else {
            if self.used == self.slots.len() {
                //= tests/spec/srtp.md#order-of-checks
                //# The number of SSRCs in a crypto context MUST be bounded.
                return Err(Refusal::Full);
            }
            return Ok(Standing { index, new_source: true, implausible: false });
        };
        let window = source.window(protocol);
        // Looking only: the index is checked again when it is remembered.
        drop(window.check(index)?);
        let highest = window.highest();
        Ok(Standing {
            index,
            new_source: highest.is_none(),
            implausible: highest.is_some_and(|highest| index > highest + MAX_DROPOUT),
        })
    }

    fn find(&self, ssrc: Ssrc) -> Option<&Source> {
        self.slots.iter().take(self.used).find(|source| source.ssrc == ssrc)
    }

    fn window_mut(&mut self, ssrc: Ssrc, protocol: Protocol) -> Result<&mut ReplayWindow, Refusal> {
        let known = self.slots.iter().take(self.used).position(|source| source.ssrc == ssrc);
        let slot = self.slots.get_mut(known.unwrap_or(self.used)).ok_or(Refusal::Full)?;
        if known.is_none() {
            slot.ssrc = ssrc;
            self.used += 1;
        }
        Ok(match protocol {
            Protocol::Srtp => &mut slot.srtp,
            Protocol::Srtcp => &mut slot.srtcp,
        })
    }
}

impl Source {
    fn window(&self, protocol: Protocol) -> &ReplayWindow {
        match protocol {
            Protocol::Srtp => &self.srtp,
            Protocol::Srtcp => &self.srtcp,
        }
    }
}

impl From<Stale> for Refusal {
    fn from(stale: Stale) -> Self {
        match stale {
            Stale::Replay => Self::Replay,
            Stale::TooOld => Self::TooOld,
        }
    }
}
