//! What control tells the packet path: the vocabulary of flows.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use agw_srtp::{EgressKey, IngressKey, RocOnRekey, SessionParameters};

use crate::filter::SourceFilter;
use crate::group::GroupSpec;
use crate::inactivity::Inactivity;
use crate::police::TrafficLimits;
use crate::pre_key::PreKeySpec;
use crate::rewrite::RewriteSpec;
use crate::source::replaces;

/// A local media port, as a dense number that control gives out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortId(pub u32);

/// The receiving half of a leg, as a dense number that control gives out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IngressId(pub u32);

/// The sending half of a leg, as a dense number that control gives out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EgressId(pub u32);

/// The call that flows belong to, as a number that control gives out: within it an ingress key may
/// return. All flows of a call are with one relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct CallId(pub u32);

/// RTP or RTCP: the two components of a media stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Component {
    /// Media.
    Rtp,
    /// Control.
    Rtcp,
}

/// What travels on a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Plain RTP and RTCP (RTP/AVP, RTP/AVPF).
    Plain,
    /// SRTP and SRTCP that this gateway opens and seals (e2ae).
    Secured,
    /// SRTP and SRTCP that this gateway forwards untouched (e2e; TS 23.334 §6.2.10.4).
    Transparent,
}

/// Whether RTP and RTCP may pass one half of a leg.
///
/// RTCP is separate because it goes on while media is on hold (RFC 3264 §8.4, RFC 4568 §5.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gate {
    /// RTP passes.
    pub rtp: bool,
    /// RTCP passes.
    pub rtcp: bool,
}

impl Gate {
    /// Both pass.
    pub const OPEN: Self = Self { rtp: true, rtcp: true };
    /// Neither passes.
    pub const CLOSED: Self = Self { rtp: false, rtcp: false };
}

/// Which sources an ingress accepts and whether the peer's address follows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceRule {
    /// Secured legs: any source, and the peer's address follows authenticated packets with a
    /// newer index, nothing else (RFC 4568 §6.4.1).
    Authenticated,
    /// Secured legs: any source until one has sent an authenticated packet with a newer index,
    /// then that one for good.
    AuthenticatedOnce {
        /// When this was asked for: with a later moment the leg latches anew, and holds on to what
        /// it has learnt until then.
        since: Instant,
    },
    /// Only the signalled address and port.
    Signalled,
    /// The first source of RTP within a time gate, then that one for good; the signalled one as well
    /// until then. The time gate starts when the leg's gate first opens for media, and anew when a
    /// leg that has learnt nothing is told the peer's address. RTCP locks to the host that RTP has
    /// locked to, whenever its first packet comes.
    First {
        /// When this was asked for: with another moment the leg latches anew within a new time gate,
        /// and holds on to what it has learnt until then.
        since: Instant,
        /// The length of the time gate in milliseconds: in a `Duration` every leg would be longer.
        within_ms: u32,
    },
}

/// Where RTCP arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RtcpIngress {
    /// On a port of its own.
    Port(PortId),
    /// On the RTP port (RFC 5761).
    Mux,
    /// Nowhere.
    Off,
}

/// Where RTCP leaves and to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RtcpEgress {
    /// From a port of its own.
    Port {
        /// The local port it leaves from.
        via: PortId,
        /// The peer's RTCP address, once known.
        to: Option<SocketAddr>,
    },
    /// From the RTP port to the peer's RTP address (RFC 5761).
    Mux,
    /// Nowhere.
    Off,
}

impl RtcpEgress {
    /// Whether what was learnt of where RTCP goes says nothing about another way.
    pub(crate) fn is_replaced_by(self, other: Self) -> bool {
        match (self, other) {
            (Self::Port { via, to }, Self::Port { via: next_via, to: next }) => {
                via != next_via || replaces(to, next)
            }
            (before, after) => before != after,
        }
    }
}

/// Which differentiated services code point leaves (TS 23.334 §6.2.7, H.248.52 `ds`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CodePoint {
    /// What the local port was opened with.
    #[default]
    OfPort,
    /// This one, 0 to 63 (RFC 2474 §3).
    Set(u8),
    /// That of the packet as it arrived.
    Copied,
}

/// How what leaves is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marking {
    /// The code point.
    pub code_point: CodePoint,
    /// Whether the ECN field goes on as it arrived (RFC 3168 §5, RFC 6679 §7.2); else it says
    /// not-ECT. Not with [`CodePoint::OfPort`], whose code point the packet path does not know.
    pub copies_ecn: bool,
}

impl Marking {
    /// Whether it takes something from the packets that arrive.
    #[must_use]
    pub const fn copies(self) -> bool {
        self.copies_ecn || matches!(self.code_point, CodePoint::Copied)
    }

    /// The traffic class octet of what arrived with another one; `None` leaves it to the port.
    pub(crate) const fn of(self, arrived: u8) -> Option<u8> {
        const ECN: u8 = 0b11;
        //= tests/spec/relay.md#marking
        //# Without a rule for it the ECN field of what leaves MUST say not-ECT.
        let ecn = if self.copies_ecn { arrived & ECN } else { 0 };
        match self.code_point {
            CodePoint::OfPort => None,
            //= tests/spec/relay.md#marking
            //# What leaves a stream MUST carry the code point that was set for it.
            CodePoint::Set(code_point) => Some(code_point << 2 | ecn),
            //= tests/spec/relay.md#marking
            //# With copying, what leaves MUST carry the code point of the packet as it arrived.
            CodePoint::Copied => Some(arrived & !ECN | ecn),
        }
    }
}

/// The receiving half of a leg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngressSpec {
    /// What arrives.
    pub transport: Transport,
    /// What may enter.
    pub gate: Gate,
    /// Whom to listen to.
    pub source: SourceRule,
    /// The signalled RTP source, if any.
    pub signalled_rtp: Option<SocketAddr>,
    /// The signalled RTCP source, if any; with multiplexing the RTP one holds.
    pub signalled_rtcp: Option<SocketAddr>,
    /// The local RTP port.
    pub rtp: PortId,
    /// Where RTCP arrives.
    pub rtcp: RtcpIngress,
    /// Where packets go, by topology; `None` isolates the leg.
    pub output: Option<EgressId>,
    /// The sending half of this same leg, whose destination follows what is learnt here.
    pub reverse: EgressId,
    /// What few legs ask for.
    pub extras: Option<Box<IngressExtras>>,
}

/// What few receiving halves ask for: apart, so that all others pay for a pointer only.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IngressExtras {
    /// Who may send, besides what the source rule says.
    pub source_filter: Option<SourceFilter>,
    /// How much may arrive; what exceeds it costs no cryptography.
    pub limits: TrafficLimits,
    /// The group whose member sends here, under a key that may be the group's.
    pub group: Option<EgressId>,
    /// Whether an egress that packets go to copies from their traffic class, so that whoever
    /// receives them must look.
    pub reads_traffic_class: bool,
    /// When control is told that nothing happens on the leg.
    pub inactivity: Option<Inactivity>,
    /// What waits for the key of a secured leg; without it, it is dropped. A change of it drops what
    /// waits.
    pub pre_key: Option<PreKeySpec>,
}

/// The sending half of a leg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgressSpec {
    /// What leaves.
    pub transport: Transport,
    /// What may leave.
    pub gate: Gate,
    /// The local RTP port it leaves from.
    pub via: PortId,
    /// The peer's RTP address, once known.
    pub to: Option<SocketAddr>,
    /// Where RTCP leaves.
    pub rtcp: RtcpEgress,
    /// What few legs ask for.
    pub extras: Option<Box<EgressExtras>>,
}

/// What few sending halves ask for: apart, so that all others pay for a pointer only.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EgressExtras {
    /// It is no leg's but a group's: what it seals leaves to all members.
    pub group: Option<GroupSpec>,
    /// How what leaves is marked, RTCP as well.
    pub marking: Marking,
    /// How much may leave, before it is sealed.
    pub limits: TrafficLimits,
    /// Sources leave as one stream.
    pub rewrite: Option<RewriteSpec>,
}

impl EgressSpec {
    /// The traffic class octet that leaves for what arrived with another one; `None` is that of
    /// the local port.
    pub(crate) fn traffic_class(&self, arrived: u8) -> Option<u8> {
        self.extras.as_ref().and_then(|extras| extras.marking.of(arrived))
    }

    /// The sending half of a group, which has no address of its own.
    #[must_use]
    pub fn of_group(transport: Transport, group: GroupSpec) -> Self {
        Self {
            transport,
            gate: Gate::OPEN,
            via: PortId(u32::MAX),
            to: None,
            rtcp: RtcpEgress::Mux,
            extras: Some(Box::new(EgressExtras { group: Some(group), ..EgressExtras::default() })),
        }
    }
}

/// A change of a secured ingress's keys.
#[derive(Debug)]
pub enum IngressCrypto {
    /// Installs keys, or replaces those in force.
    Install {
        /// One key, or several that differ by MKI.
        keys: Vec<IngressKey>,
        /// Session parameters.
        parameters: SessionParameters,
        /// What becomes of the rollover counter; the first keys start from 0 or the given value.
        roc: RocOnRekey,
        /// How long replaced keys still open packets.
        overlap: Duration,
    },
    /// Adds a key that waits for its MKI or for [`IngressCrypto::Activate`], under a number that
    /// reports name it by.
    Stage(IngressKey, u32),
    /// Puts the staged key in force.
    Activate {
        /// What becomes of the rollover counter.
        roc: RocOnRekey,
        /// How long replaced keys still open packets.
        overlap: Duration,
    },
    /// Discards the staged key.
    Cancel,
    /// Removes and wipes every key, and drops what it was to open.
    Remove,
}

/// A change of a secured egress's keys.
#[derive(Debug)]
pub enum EgressCrypto {
    /// Installs keys, or replaces those in force; the first one seals.
    Install {
        /// One key, or several that differ by MKI.
        keys: Vec<EgressKey>,
        /// Session parameters.
        parameters: SessionParameters,
        /// What becomes of the rollover counter; the first keys start from 0 or the given value.
        roc: RocOnRekey,
    },
    /// Adds a key that waits for [`EgressCrypto::Activate`].
    Stage(EgressKey),
    /// Puts the staged key in force.
    Activate {
        /// What becomes of the rollover counter.
        roc: RocOnRekey,
    },
    /// Discards the staged key.
    Cancel,
    /// Removes and wipes every key.
    Remove,
}

/// One step that control asks of the packet path; steps are applied between two batches.
#[derive(Debug)]
pub enum Command {
    /// Creates or changes an ingress; keys, replay state and counters stay. With another source
    /// rule, or a signalled source in place of another one, what was learnt is forgotten on both
    /// halves of the leg; with another moment in the same rule, the leg latches anew.
    SetIngress(IngressId, IngressSpec),
    /// Removes an ingress and wipes its keys; what waits for one is dropped. What was opened under
    /// the keys is remembered until the call ends, as with [`IngressCrypto::Remove`].
    RemoveIngress(IngressId),
    /// Creates or changes an egress; keys, indices and counters stay. Members that join a group
    /// are given the keys that members send under: their legs come first.
    SetEgress(EgressId, EgressSpec),
    /// Removes an egress and wipes its keys.
    RemoveEgress(EgressId),
    /// Changes an ingress's keys.
    IngressCrypto(IngressId, IngressCrypto),
    /// Changes an egress's keys.
    EgressCrypto(EgressId, EgressCrypto),
    /// Changes the keys that all members of a group send under.
    GroupIngressCrypto(EgressId, IngressCrypto),
    /// Tells an egress the address that its leg's ingress learnt on another worker.
    Follow(EgressId, Component, SocketAddr),
    /// The call is over: what was opened under its keys is forgotten.
    EndCall,
}

/// The rollover counter with which a first key starts.
pub(crate) const fn initial_roc(roc: RocOnRekey) -> u32 {
    match roc {
        RocOnRekey::Keep | RocOnRekey::Auto | RocOnRekey::Reset => 0,
        RocOnRekey::Set(roc) => roc,
    }
}
