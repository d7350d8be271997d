//! Counters and snapshots of the packet path.

use std::iter;
use std::net::SocketAddr;
use std::ops::AddAssign;
use std::time::Instant;

use agw_rtp::Ssrc;
use agw_srtp::{KeyUse, SourceState, Suite};
use arrayvec::ArrayVec;

use crate::drop::DropReason;
use crate::group::GroupSnapshot;
use crate::quality::QualitySnapshot;
use crate::refusal::Refusals;
use crate::rewrite::RewriteSnapshot;
use crate::spare::Boxes;

/// Packets and the octets in them: UDP payload, without IP and UDP headers.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// Datagrams.
    pub packets: u64,
    /// Octets of UDP payload.
    pub octets: u64,
}

impl Traffic {
    pub(crate) fn add(&mut self, octets: usize) {
        self.packets += 1;
        self.octets += octets as u64;
    }

    /// Counts one less, which comes again.
    pub(crate) const fn take_back(&mut self, octets: usize) {
        self.packets -= 1;
        self.octets -= octets as u64;
    }
}

/// Dropped datagrams by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drops([u64; DropReason::ALL.len()]);

impl Default for Drops {
    fn default() -> Self {
        Self([0; DropReason::ALL.len()])
    }
}

impl Drops {
    /// The datagrams dropped for `reason`.
    #[must_use]
    pub fn of(&self, reason: DropReason) -> u64 {
        self.0.get(reason as usize).copied().unwrap_or_default()
    }

    /// All dropped datagrams.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Every reason with its count, in counter order.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL.into_iter().zip(self.0.iter().copied())
    }

    pub(crate) fn count(&mut self, reason: DropReason) {
        self.add(reason, 1);
    }

    fn add(&mut self, reason: DropReason, datagrams: u64) {
        if let Some(count) = self.0.get_mut(reason as usize) {
            *count += datagrams;
        }
    }
}

/// What one ingress has seen; `received == forwarded + dropped.total()` at every moment.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct IngressStats {
    /// Datagrams that arrived on the leg's ports.
    pub received: Traffic,
    /// Of these, RTCP.
    pub received_rtcp: Traffic,
    /// Datagrams that went on to the output; octets as they arrived.
    pub forwarded: Traffic,
    /// Datagrams that went no further.
    pub dropped: Drops,
}

/// As [`IngressStats`], in as little memory as goes: most legs drop nothing.
#[derive(Debug, Default)]
pub(crate) struct IngressCounters {
    pub(crate) received: Traffic,
    pub(crate) received_rtcp: Traffic,
    pub(crate) forwarded: Traffic,
    /// The reasons that there were, in order of their first datagrams.
    dropped: Option<Box<DropRoom>>,
}

/// Reasons for which a leg has room at once.
const REASONS: usize = 3;

/// Room for some reasons, and what follows.
#[derive(Debug, Default)]
pub(crate) struct DropRoom {
    counts: ArrayVec<(DropReason, u64), REASONS>,
    next: Option<Box<DropRoom>>,
}

impl IngressCounters {
    /// Counts a drop; a new reason may take its room from `spare`.
    pub(crate) fn count_drop(&mut self, reason: DropReason, spare: &mut Boxes<DropRoom>) {
        let mut at = &mut self.dropped;
        loop {
            let room = at.get_or_insert_with(|| spare.take());
            if let Some((_, count)) = room.counts.iter_mut().find(|(known, _)| *known == reason) {
                *count += 1;
                return;
            }
            // None but the last one has a place.
            if room.counts.try_push((reason, 1)).is_ok() {
                return;
            }
            at = &mut room.next;
        }
    }

    pub(crate) fn snapshot(&self) -> IngressStats {
        let Self { received, received_rtcp, forwarded, ref dropped } = *self;
        let mut stats =
            IngressStats { received, received_rtcp, forwarded, dropped: Drops::default() };
        let rooms = iter::successors(dropped.as_deref(), |room| room.next.as_deref());
        for &(reason, count) in rooms.flat_map(|room| &room.counts) {
            stats.dropped.add(reason, count);
        }
        stats
    }
}

/// What one egress has sent.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct EgressStats {
    /// Datagrams handed to the socket; octets as they left.
    pub sent: Traffic,
    /// Of these, RTCP.
    pub sent_rtcp: Traffic,
    /// Of these, datagrams that the kernel refused ([`EgressSnapshot::refusals`] tells why).
    pub refused: u64,
}

/// What all flows of one relay have seen, removed ones included.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct RelayStats {
    /// Datagrams received, on bound and unbound ports.
    pub received: Traffic,
    /// Datagrams forwarded; octets as they left.
    pub forwarded: Traffic,
    /// Datagrams dropped, by reason.
    pub dropped: Drops,
    /// Copies of these that left to members of groups; octets as they left.
    pub copies: Traffic,
    /// Copies that did not leave, by reason. Each datagram for a group is a copy for each member,
    /// which left or is here.
    pub copies_dropped: Drops,
    /// Forwarded datagrams, or copies of them, that the kernel refused.
    pub refused: u64,
    /// SRTP and SRTCP packets whose tag verified.
    pub unprotected: u64,
    /// SRTP and SRTCP packets sealed.
    pub protected: u64,
    /// Legs whose pre-key buffer found no memory.
    pub pre_key_refused: u64,
}

impl AddAssign for RelayStats {
    /// Adds what another relay has seen, as another worker's.
    fn add_assign(&mut self, other: Self) {
        let Self {
            received,
            forwarded,
            dropped,
            copies,
            copies_dropped,
            refused,
            unprotected,
            protected,
            pre_key_refused,
        } = other;
        for (sum, traffic) in [
            (&mut self.received, received),
            (&mut self.forwarded, forwarded),
            (&mut self.copies, copies),
        ] {
            sum.packets += traffic.packets;
            sum.octets += traffic.octets;
        }
        for (sums, counts) in
            [(&mut self.dropped, dropped), (&mut self.copies_dropped, copies_dropped)]
        {
            for (sum, count) in sums.0.iter_mut().zip(counts.0) {
                *sum += count;
            }
        }
        self.refused += refused;
        self.unprotected += unprotected;
        self.protected += protected;
        self.pre_key_refused += pre_key_refused;
    }
}

/// One SSRC of a secured half of a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceSnapshot {
    /// The source.
    pub ssrc: Ssrc,
    /// Its rollover counter (RFC 3711 §3.3.1).
    pub roc: u32,
    /// The highest sequence number under that counter; `None` before the first SRTP packet.
    pub highest_sequence: Option<u16>,
    /// The highest SRTCP index received; `None` before the first, and for an egress.
    pub srtcp_index: Option<u32>,
}

/// How far latching has come on an ingress (H.248.37).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LatchSnapshot {
    /// It does not latch: it listens to the signalled source.
    Off,
    /// It follows every newer authentic packet.
    Following,
    /// Its time gate starts when media may enter.
    Waiting,
    /// An address can be learnt, until then if there is an end; what was learnt holds until then.
    Open(Option<Instant>),
    /// It listens to what it has learnt and to nothing else.
    Locked,
}

/// Key state of a secured half of a leg; never the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CryptoSnapshot {
    /// The suite in force.
    pub suite: Suite,
    /// The sources known so far.
    pub sources: Vec<SourceSnapshot>,
    /// What the live keys have been used for.
    pub keys: Vec<KeyUse>,
    /// The last SRTCP index sent, which is one for all sources; `None` before the first, and for an
    /// ingress.
    pub srtcp_index: Option<u32>,
}

/// One ingress, copied out for audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngressSnapshot {
    /// Counters.
    pub stats: IngressStats,
    /// Key state, once keys are installed.
    pub crypto: Option<CryptoSnapshot>,
    /// The RTP address learnt from packets.
    pub learnt_rtp: Option<SocketAddr>,
    /// The RTCP address learnt from packets.
    pub learnt_rtcp: Option<SocketAddr>,
    /// When the last packet was accepted.
    pub last_accepted: Option<Instant>,
    /// Datagrams that wait for the key, and are not counted yet.
    pub waiting: usize,
    /// How far latching has come.
    pub latch: LatchSnapshot,
}

/// One egress, copied out for audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgressSnapshot {
    /// Counters.
    pub stats: EgressStats,
    /// Why the kernel refused what it refused.
    pub refusals: Refusals,
    /// Of a group's member, why copies did not leave to it.
    pub copies_dropped: Drops,
    /// Key state, once keys are installed.
    pub crypto: Option<CryptoSnapshot>,
    /// Where RTP goes now: signalled or learnt.
    pub destination_rtp: Option<SocketAddr>,
    /// Where RTCP goes now: signalled or learnt.
    pub destination_rtcp: Option<SocketAddr>,
    /// Of a rewritten stream, whose it is.
    pub rewrite: Option<RewriteSnapshot>,
    /// Of a group, what it knows of its senders.
    pub group: Option<GroupSnapshot>,
    /// How the peer hears what leaves here, once it has reported.
    pub quality: Option<QualitySnapshot>,
}

impl From<SourceState> for SourceSnapshot {
    fn from(state: SourceState) -> Self {
        Self {
            ssrc: state.ssrc,
            roc: state.roc,
            highest_sequence: state.highest_sequence.map(|sequence| sequence.0),
            srtcp_index: state.srtcp_index.map(|index| index.get()),
        }
    }
}
