//! What the gateway can tell of itself: values and capabilities, never keys.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use agw_relay::{EgressId, IngressId, Transport};
use agw_srtp::{Lifetime, RocOnRekey, SessionParameters, Suite};

use crate::admission::Priority;
use crate::command::{Association, KeySource, Media, Remote, RtcpMode, SourcePolicy, StreamMode};
use crate::extras::StreamExtras;
use crate::group::GroupView;
use crate::id::{ContextId, Controller, StreamId, TerminationId};
use crate::realm::Protection;
use crate::reply::LocalStream;
use crate::supervision::SupervisionPolicy;

/// A context as audited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextView {
    /// The context.
    pub id: ContextId,
    /// The controller's own name for the call.
    pub correlation: Option<Arc<str>>,
    /// Who reserved it.
    pub controller: Controller,
    /// When, by the wall clock.
    pub created: SystemTime,
    /// Grows by one with each transaction that was carried out on it, with each adoption, and with
    /// each key that comes in force by itself.
    pub generation: u64,
    /// Since when it has no controller, by the wall clock; `None` if it has one.
    pub orphaned: Option<SystemTime>,
    /// The precedence of the call.
    pub priority: Priority,
    /// The two terminations that hear each other, once there are two.
    pub topology: Option<(TerminationId, TerminationId)>,
    /// Who hears whom, in the order in which it was asked for.
    pub associations: Vec<Association>,
    /// The terminations, in order.
    pub terminations: Vec<TerminationView>,
    /// The groups, in order.
    pub groups: Vec<GroupView>,
}

/// A termination as audited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TerminationView {
    /// The termination.
    pub id: TerminationId,
    /// Its realm.
    pub realm: String,
    /// The period of its heartbeats, if it has any.
    pub heartbeat: Option<Duration>,
    /// Its streams, in order.
    pub streams: Vec<StreamView>,
}

/// A stream as audited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamView {
    /// The stream.
    pub id: StreamId,
    /// What it carries.
    pub media: Media,
    /// What travels on this leg.
    pub transport: Transport,
    /// Which directions are open.
    pub mode: StreamMode,
    /// Where RTCP goes.
    pub rtcp: RtcpMode,
    /// Whom it listens to.
    pub source: SourcePolicy,
    /// Its local addresses.
    pub local: LocalStream,
    /// The peer's signalled address.
    pub remote: Option<Remote>,
    /// What few streams ask for.
    pub extras: StreamExtras,
    /// The keys that open what arrives.
    pub ingress_key: Option<KeyView>,
    /// The keys that seal what leaves.
    pub egress_key: Option<KeyView>,
    /// The receiving half, for its counters.
    pub ingress: IngressId,
    /// The sending half, for its counters.
    pub egress: EgressId,
}

/// A context by its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextName {
    /// The context.
    pub id: ContextId,
    /// The controller's own name for the call.
    pub correlation: Option<Arc<str>>,
    /// When it was created, by the wall clock.
    pub created: SystemTime,
}

/// The keys of one direction as audited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyView {
    /// Where they came from.
    pub source: KeySource,
    /// The suite.
    pub suite: Suite,
    /// Their MKIs, as octets in network order; empty without MKI.
    pub mkis: Vec<Vec<u8>>,
    /// How many packets each of them may serve, in the order in which they were told.
    pub lifetimes: Vec<Lifetime>,
    /// The session parameters in force.
    pub parameters: SessionParameters,
    /// How long the keys that these replaced still open packets, if a command said so.
    pub overlap: Option<Duration>,
    /// The key that waits.
    pub staged: Option<StagedKeyView>,
}

impl KeyView {
    /// When the key that waits comes in force by itself.
    #[must_use]
    pub fn activates_at(&self) -> Option<SystemTime> {
        Some(self.staged.as_ref()?.activation?.at)
    }
}

/// A key that waits, as audited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedKeyView {
    /// Its MKI, as octets in network order.
    pub mki: Option<Vec<u8>>,
    /// How many packets it may serve.
    pub lifetime: Lifetime,
    /// When and how it comes in force by itself.
    pub activation: Option<PutOff>,
}

/// An activation that was put off, as audited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PutOff {
    /// When, by the wall clock as the controller said it.
    pub at: SystemTime,
    /// What becomes of the rollover counter.
    pub roc: RocOnRekey,
    /// How long the replaced ingress keys still open packets.
    pub overlap: Duration,
}

/// What the gateway can do (TS 23.334 §6.1 audit of capabilities, H.248.77).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// The suites that policy allows.
    pub suites: Vec<Suite>,
    /// The longest MKI, in octets.
    pub max_mki_octets: u16,
    /// The realms.
    pub realms: Vec<RealmView>,
    /// The most contexts at a time.
    pub max_contexts: usize,
    /// Contexts now.
    pub contexts: usize,
    /// What of contexts and ports only priority and emergency calls get, in percent.
    pub reserve_percent: u8,
    /// The most streams of a termination.
    pub max_streams: usize,
    /// The most terminations of a context.
    pub max_terminations: usize,
    /// The most members of a group.
    pub max_group_members: usize,
    /// The most packets that may wait for the ingress key of a stream.
    pub max_pre_key_packets: u8,
    /// How long a replaced ingress key opens packets unless a command says otherwise.
    pub default_overlap: Duration,
    /// The longest overlap that a command may ask for.
    pub max_overlap: Duration,
    /// How far ahead the activation of a staged key may be put off.
    pub max_activation_delay: Duration,
    /// Whether a key that opened packets of an ended call may open those of another one.
    pub ingress_key_return_allowed: bool,
    /// The most SSRCs of one secured direction.
    pub max_sources: u8,
    /// The time gate of plain legs that latch unless a command says otherwise.
    pub default_latch_gate: Duration,
    /// How many times its signalled bandwidth a stream may take; 0 is no limit.
    pub policing_factor: u32,
    /// How long it may do so at once.
    pub policing_burst: Duration,
    /// How long changes of a group's membership gather unless a command says otherwise.
    pub group_rekey_interval: Duration,
    /// What one controller may hold of contexts and of each realm's ports, in percent, unless it
    /// has a share of its own.
    pub share_percent: u8,
    /// Whether session parameters UNENCRYPTED_SRTP and UNENCRYPTED_SRTCP are allowed.
    pub unencrypted_allowed: bool,
    /// When calls are asked about and released unasked.
    pub supervision: SupervisionPolicy,
    /// A number that is new at every start, so that a controller knows that state was lost.
    pub restart_epoch: u64,
    /// Whether the gateway drains.
    pub draining: bool,
}

/// A realm as audited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealmView {
    /// Its name.
    pub name: String,
    /// Its addresses as peers see them.
    pub addresses: Vec<IpAddr>,
    /// The lowest and highest port.
    pub ports: (u16, u16),
    /// Which streams may be there.
    pub protection: Protection,
    /// Ports in use.
    pub ports_used: usize,
    /// Ports that were released a short while ago and rest.
    pub ports_resting: usize,
    /// The most ports that may be in use at a time.
    pub max_ports: usize,
    /// Whether reservations are possible: an address is there and its interface is up.
    pub available: bool,
    /// Its addresses, as peers see them, that cannot be used now.
    pub unavailable: Vec<IpAddr>,
    /// Whether it is the realm of reservations that name none.
    pub is_default: bool,
    /// The most streams at a time; `None` is as many as there are ports.
    pub max_streams: Option<usize>,
}

/// The local address of a port, for whoever opens it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalPort {
    /// The address to bind.
    pub address: SocketAddr,
    /// The DSCP of what leaves, 0 to 63.
    pub dscp: Option<u8>,
}
