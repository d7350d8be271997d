//! What a controller can ask for: the procedures of TS 23.334 clause 8.

mod key;

use std::net::SocketAddr;
use std::time::Duration;

use agw_relay::Transport;
use agw_srtp::{EgressKey, IngressKey, RocOnRekey, SessionParameters};

use crate::admission::Priority;
use crate::extras::{StreamExtras, StreamExtrasChange};
use crate::group::{GroupKey, RemoveGroup, SetGroup};
use crate::id::{ContextId, StreamId, TerminationId};
use crate::late::LateChoice;

pub use key::{ActivateKey, CancelKey, DirectedKey, Direction, KeySlot, StageKey};

/// One procedure of the Iq interface.
#[derive(Debug)]
pub enum Command {
    /// Reserve, or Reserve and Configure, an AGW Connection Point (TS 23.334 §8.2, §8.3).
    Reserve(Reserve),
    /// Configure an AGW Connection Point (TS 23.334 §8.4).
    Configure(Configure),
    /// Change Through-Connection (TS 23.334 §8.5).
    ChangeThroughConnection(ChangeThroughConnection),
    /// Change which terminations of a context hear each other (H.248.1 §7.1.18).
    SetTopology(SetTopology),
    /// Release an AGW Termination (TS 23.334 §8.6), or all of a context.
    Release(Release),
    /// Bring a key that waits for its MKI or for activation.
    StageKey(StageKey),
    /// Put the staged key in force.
    ActivateKey(ActivateKey),
    /// Discard the staged key, as when an offer is rejected (RFC 4568 §7.1.4).
    CancelKey(CancelKey),
    /// Bring, put in force or discard a key that waits for a whole group.
    GroupKey(GroupKey),
    /// Make, change or re-key a conference's group (TR 33.829 clause 5).
    SetGroup(Box<SetGroup>),
    /// End a group that has no members.
    RemoveGroup(RemoveGroup),
    /// One of the others, if its context stands as its sender believes.
    Expecting(Box<Expecting>),
}

/// A command that is carried out only if nobody has changed its context meanwhile.
#[derive(Debug)]
pub struct Expecting {
    /// The generation that the context must be at before the transaction.
    pub generation: u64,
    /// What to do then; names a context that exists.
    pub command: Command,
}

/// Which context a reservation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContextChoice {
    /// A new one.
    New,
    /// One that exists.
    Existing(ContextId),
    /// The one that an earlier command of the same transaction created.
    Latest,
}

/// Adds a termination with its streams.
#[derive(Debug)]
pub struct Reserve {
    /// The context.
    pub context: ContextChoice,
    /// The controller's own name for the call, at most 128 octets; only with a new context.
    pub correlation: Option<String>,
    /// The realm; `None` takes the gateway's default realm.
    pub realm: Option<String>,
    /// The address family; `None` takes that of the remote address, else the realm's first.
    pub family: Option<Family>,
    /// How often the controller is asked whether it still knows the termination, 1 s to 24 h;
    /// `None` is never (TS 23.334 §6.2.6).
    pub heartbeat: Option<Duration>,
    /// The precedence of the call (TS 23.334 §8.2); `None` is normal for a new context and leaves
    /// one that exists as it is.
    pub priority: Option<Priority>,
    /// One to 64 streams.
    pub streams: Vec<StreamSpec>,
}

/// Address family of a connection point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// What an `m=` line carries; for audit and statistics, the gateway is media-agnostic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Media {
    /// Audio.
    #[default]
    Audio,
    /// Video.
    Video,
    /// Anything else over RTP.
    Other,
}

/// One stream of a new termination.
#[derive(Debug)]
pub struct StreamSpec {
    /// The stream.
    pub id: StreamId,
    /// What it carries.
    pub media: Media,
    /// What travels on this leg.
    pub transport: Transport,
    /// The peer's address, when signalled already.
    pub remote: Option<Remote>,
    /// Where RTCP goes.
    pub rtcp: RtcpMode,
    /// Which directions are open.
    pub mode: StreamMode,
    /// Whom to listen to; `None` takes the safe default of the transport.
    pub source: Option<SourcePolicy>,
    /// What few streams ask for.
    pub extras: StreamExtras,
    /// Keys with which the peer sends: they open what arrives.
    pub ingress: Option<CryptoContext<IngressKey>>,
    /// Keys with which the gateway sends: they seal what leaves.
    pub egress: Option<CryptoContext<EgressKey>>,
}

/// The peer's signalled addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remote {
    /// Where RTP goes.
    pub rtp: SocketAddr,
    /// Where RTCP goes (RFC 3605); `None` is the RTP port plus one.
    pub rtcp: Option<SocketAddr>,
}

impl Remote {
    /// Where RTCP goes: as signalled, else the port after RTP's (RFC 3550 §11, RFC 3605); `None`
    /// if there is no port after it.
    #[must_use]
    pub fn rtcp_address(&self) -> Option<SocketAddr> {
        let next = || Some(SocketAddr::new(self.rtp.ip(), self.rtp.port().checked_add(1)?));
        self.rtcp.or_else(next)
    }

    /// Both addresses, each by the name of its field. Without one of its own RTCP goes to the next
    /// port, which must be a peer's as well.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = (&'static str, SocketAddr)> {
        let rtcp = self.rtcp_address().map(|address| ("rtcp", address));
        [("rtp", self.rtp)].into_iter().chain(rtcp)
    }
}

/// Where RTCP goes on a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RtcpMode {
    /// A port of its own next to the RTP port.
    #[default]
    Pair,
    /// The RTP port (RFC 5761).
    Mux,
    /// Nowhere.
    Off,
}

/// Which directions of a stream are open, seen from the termination (H.248.1 §7.1.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StreamMode {
    /// Neither media nor RTCP passes.
    #[default]
    Inactive,
    /// Media leaves to the peer only; RTCP passes both ways.
    SendOnly,
    /// Media comes from the peer only; RTCP passes both ways.
    ReceiveOnly,
    /// Media passes both ways.
    SendReceive,
}

/// Whom a leg listens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourcePolicy {
    /// Only the signalled address; the default of plain and transparent legs.
    Signalled,
    /// Secured legs: follow authenticated packets with a newer index (their default).  Plain
    /// legs: the first source within the time gate, then locked (TS 23.334 §5.4).
    Latch {
        /// The time gate of plain legs, at most 600 s; `None` takes the gateway's default of 3 s.
        within: Option<Duration>,
    },
}

/// Which differentiated services code point leaves on a leg (TS 23.334 §6.2.7, H.248.52 `ds`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DscpRule {
    /// The realm's.
    #[default]
    Realm,
    /// This one, 0 to 63.
    Set(u8),
    /// That of the packet as it arrived on the opposite leg.
    Copy,
}

/// What becomes of the ECN field on a leg (TS 23.334 §6.2.14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EcnRule {
    /// What leaves says not-ECT.
    #[default]
    NotEct,
    /// It goes on as it arrived on the opposite leg: ECT and CE are transparent.
    Copy,
}

/// Where keys came from; the gateway treats them alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeySource {
    /// SDES, RFC 4568.
    #[default]
    Sdes,
    /// MIKEY or MIKEY-TICKET, RFC 3830, RFC 6043.
    Mikey,
    /// Derived from the access security association.
    AccessSecurityAssociation,
    /// A conference's group key.
    Group,
}

/// Keys and their parameters for one direction of one stream.
#[derive(Debug)]
pub struct CryptoContext<Key> {
    /// Where the keys came from.
    pub source: KeySource,
    /// One key, or several that differ by MKI.
    pub keys: Vec<Key>,
    /// Session parameters.
    pub parameters: SessionParameters,
    /// What becomes of the rollover counter; `None` keeps it when the peer's address stays and
    /// resets it when the address changes (RFC 3711 §3.3.1, RFC 4568 §7.1.4).
    pub roc: Option<RocOnRekey>,
    /// How long a replaced ingress key still opens packets; `None` takes the gateway's default.
    pub overlap: Option<Duration>,
}

/// Changes streams of a termination.
#[derive(Debug)]
pub struct Configure {
    /// The context.
    pub context: ContextId,
    /// The termination.
    pub termination: TerminationId,
    /// The streams that change; what is `None` stays as it is.
    pub streams: Vec<StreamChange>,
    /// The precedence of the call from now on (TS 23.334 §8.4); `None` leaves it as it is.
    pub priority: Option<Priority>,
    /// The streams that it is given, as in a reservation (H.248.1 §7.2.2).
    pub added: Vec<StreamSpec>,
    /// The streams that end; one has to stay.
    pub removed: Vec<StreamId>,
}

impl Configure {
    /// Changes of streams that stay, and of nothing else.
    #[must_use]
    pub const fn of(
        context: ContextId,
        termination: TerminationId,
        streams: Vec<StreamChange>,
    ) -> Self {
        Self {
            context,
            termination,
            streams,
            priority: None,
            added: Vec::new(),
            removed: Vec::new(),
        }
    }
}

/// The changes of one stream.
#[derive(Debug)]
pub struct StreamChange {
    /// The stream.
    pub id: StreamId,
    /// The peer's address.
    pub remote: Option<Remote>,
    /// What was left open when it was reserved.
    pub late: LateChoice,
    /// Which directions are open.
    pub mode: Option<StreamMode>,
    /// Whom to listen to; a new rule starts latching anew.
    pub source: Option<SourcePolicy>,
    /// Latches anew, and goes on with the learnt address until then (H.248.37 RELATCH).
    pub relatch: bool,
    /// What few streams ask for.
    pub extras: StreamExtrasChange,
    /// Keys with which the peer sends.
    pub ingress: CryptoChange<IngressKey>,
    /// Keys with which the gateway sends.
    pub egress: CryptoChange<EgressKey>,
}

/// What becomes of one direction's keys.
#[derive(Debug)]
pub enum CryptoChange<Key> {
    /// They stay.
    Keep,
    /// These take their place; identical keys change nothing.
    Install(CryptoContext<Key>),
    /// They are removed and wiped.
    Remove,
}

/// Opens and closes gates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeThroughConnection {
    /// The context.
    pub context: ContextId,
    /// The termination; `None` is every one of the context.
    pub termination: Option<TerminationId>,
    /// The stream; `None` is every one.
    pub stream: Option<StreamId>,
    /// Which directions are open.
    pub mode: StreamMode,
}

/// Changes which terminations of a context hear each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetTopology {
    /// The context.
    pub context: ContextId,
    /// What changes.
    pub change: TopologyChange,
}

/// A change of topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopologyChange {
    /// These two hear each other; all others are isolated.
    Connect(TerminationId, TerminationId),
    /// These pairs change, in this order; all others stay as they are.
    Associate(Vec<Association>),
}

/// How two terminations hear each other (H.248.1 §7.1.18).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Association {
    /// One of the two.
    pub from: TerminationId,
    /// The other one.
    pub to: TerminationId,
    /// Who hears whom.
    pub relation: Relation,
    /// The stream; `None` is every one of the two that has no association of its own afterwards.
    pub stream: Option<StreamId>,
}

/// Who of two terminations hears whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// Each hears the other.
    BothWay,
    /// What arrives at the first leaves at the second, and nothing the other way.
    OneWay,
    /// Neither hears the other.
    Isolate,
}

/// Releases a termination or a context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// The context.
    pub context: ContextId,
    /// The termination; `None` releases the context with all of them.
    pub termination: Option<TerminationId>,
}
