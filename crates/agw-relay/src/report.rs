//! What the packet path tells control: changes, never packets.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use agw_rtp::Ssrc;
use agw_srtp::KeyEvent;

use crate::inactivity::ActiveDirection;
use crate::refusal::Refusal;
use crate::spec::{Component, EgressId, IngressId};

/// Reports that may wait before further ones are lost; only a peer that holds a valid key and
/// changes its address with every packet comes near it.
const CAPACITY: usize = 4096;

/// Something that control wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// The peer's address was learnt, or learnt anew. Further moves of one ingress are told eight
    /// at once and then one a second; a snapshot has the address in any case.
    Learnt {
        /// Where it was learnt.
        ingress: IngressId,
        /// The sending half that follows it.
        reverse: EgressId,
        /// Which component; with multiplexing RTP stands for both.
        component: Component,
        /// The address.
        address: SocketAddr,
        /// Whether another had been learnt before.
        again: bool,
    },
    /// A key that opens packets came near its end, reached it, or came in force. Of a group's number,
    /// which is no leg's: a key that its members share.
    IngressKey(IngressId, KeyEvent),
    /// The staged key of this number, which a packet could have activated, was discarded before any
    /// did.
    StagedKeyDiscarded(IngressId, u32),
    /// A key that seals packets came near its end, reached it, or came in force.
    EgressKey(EgressId, KeyEvent),
    /// A packet would have used an index twice, or one so old that nobody knows whether it was
    /// used, and was dropped: its source repeats itself or has started anew.
    IndexReused(EgressId),
    /// A datagram was longer than the path to the peer takes, and was dropped.
    TooBig {
        /// Where it was to leave.
        egress: EgressId,
        /// Octets of its UDP payload.
        octets: usize,
    },
    /// Two senders use one SSRC under the same key of a group (RFC 3711 §9.1); told four times at
    /// once for a group and then once a second.
    SsrcCollision {
        /// Where the packet of the second one arrived; for the gateway's own sending, that of the
        /// focus.
        ingress: IngressId,
        /// The SSRC.
        ssrc: Ssrc,
        /// The member whose it is; `None` if it is the gateway's own or a former member's.
        with: Option<IngressId>,
        /// Whether the packet was dropped.
        dropped: bool,
        /// The SSRC that the second one's packets leave under from now on.
        fresh: Option<Ssrc>,
    },
    /// All that was to leave on a leg was refused for some seconds; told once until something leaves.
    Released {
        /// Where it was to leave.
        egress: EgressId,
        /// Why the last one was refused.
        refusal: Refusal,
    },
    /// Nothing has happened on a leg for the time that its spec names.
    MediaInactive {
        /// The leg.
        ingress: IngressId,
        /// What did not happen.
        direction: ActiveDirection,
        /// For how long.
        since: Duration,
    },
    /// Something happens again on a leg that was told inactive.
    MediaActive {
        /// The leg.
        ingress: IngressId,
        /// What counts.
        direction: ActiveDirection,
    },
    /// More arrived than the leg's limit; told at most once a second for a leg.
    Policed {
        /// Where it arrived.
        ingress: IngressId,
        /// Datagrams that were dropped since the last report.
        packets: u32,
    },
    /// More was to leave than the leg's limit; told at most once a second for a leg.
    EgressPoliced {
        /// Where it was to leave.
        egress: EgressId,
        /// Datagrams that were dropped since the last report.
        packets: u32,
    },
    /// So many tags failed on a leg within a second, told once in that second; or every packet has
    /// failed for some seconds, told once until one is right, and at most once a minute.
    AuthenticationFailures {
        /// Where the packets arrived.
        ingress: IngressId,
        /// Tags that had failed when it was told.
        packets: u32,
        /// For how long every packet has failed, if that is what is told.
        deaf: Option<Duration>,
    },
    /// A source was refused, because its half of the leg has as many as it may have, or the group of
    /// its member; told at most once a second for a half.
    SourceLimit {
        /// Which half; of a group, the receiving one under the group's number.
        half: Half,
        /// The SSRC that was refused.
        ssrc: Ssrc,
        /// How many there are.
        sources: usize,
    },
    /// So many packets came again on a leg within a second; told once in that second.
    Replays {
        /// Where the packets arrived.
        ingress: IngressId,
        /// Packets that had come again when it was told.
        packets: u32,
    },
}

/// One half of a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// What arrives on it.
    Ingress(IngressId),
    /// What leaves on it; of a group what leaves to all members.
    Egress(EgressId),
}

#[derive(Debug)]
pub(crate) struct Reports {
    waiting: VecDeque<Report>,
    lost: u64,
}

impl Reports {
    /// Room for all that may wait is made once, not on the packet path.
    pub(crate) fn new() -> Self {
        Self { waiting: VecDeque::with_capacity(CAPACITY), lost: 0 }
    }

    pub(crate) fn push(&mut self, report: Report) {
        if self.waiting.len() < CAPACITY {
            self.waiting.push_back(report);
        } else {
            self.lost += 1;
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Report> {
        self.waiting.pop_front()
    }

    pub(crate) const fn lost(&self) -> u64 {
        self.lost
    }
}
