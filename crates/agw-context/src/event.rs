//! What the gateway tells controllers unasked, numbered so that a stream can be resumed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use agw_relay::{ActiveDirection, Component, EgressSnapshot, IngressSnapshot, Refusal};

use crate::command::Direction;
use crate::error::Resource;
use crate::id::{ContextId, Controller, GroupId, StreamId, TerminationId};
use crate::reply::{ReleasedGroup, ReleasedStream};
use crate::service::{OverloadLevel, ServiceCause, ServiceState};
use crate::supervision::ReleaseCause;

/// One event; `sequence` grows by one from 1 at every restart of the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The event's number.
    pub sequence: u64,
    /// When it happened, by the wall clock.
    pub at: SystemTime,
    /// What it is about; `None` is the gateway as a whole.
    pub subject: Option<Subject>,
    /// What happened.
    pub kind: EventKind,
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The context.
    pub context: ContextId,
    /// The controller's name for the call.
    pub correlation: Option<Arc<str>>,
    /// The termination, unless it is about the whole context.
    pub termination: Option<TerminationId>,
    /// The stream, unless it is about the whole termination.
    pub stream: Option<StreamId>,
}

/// How a context or termination ended that nobody released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Why.
    pub cause: ReleaseCause,
    /// Its streams with their last statistics; a stream may be missing here.
    pub streams: Vec<(ReleasedStream, IngressSnapshot, EgressSnapshot)>,
    /// Its groups with their last statistics, as its streams.
    pub groups: Vec<(ReleasedGroup, EgressSnapshot)>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// A context came to be.
    ContextAdded,
    /// A context ended.
    ContextReleased,
    /// The first peer address was learnt (H.248.37).
    Latched {
        /// RTP or RTCP.
        component: Component,
        /// The address.
        address: SocketAddr,
    },
    /// Another peer address took the place of the one learnt before.
    Relatched {
        /// RTP or RTCP.
        component: Component,
        /// The address.
        address: SocketAddr,
    },
    /// A key has used 90 % of its lifetime (H.248.77).
    KeyLifetimeWarning {
        /// Whose key.
        direction: Direction,
        /// The group whose key it is.
        group: Option<GroupId>,
    },
    /// A key has reached its lifetime and is not used any more (RFC 3711 §9.2).
    KeyLifetimeExpired {
        /// Whose key.
        direction: Direction,
        /// The group whose key it is.
        group: Option<GroupId>,
    },
    /// A staged key came in force: its MKI came, or its time.
    KeyActivated {
        /// Whose key.
        direction: Direction,
        /// The group whose key it is: with its MKI it came in force for this member alone.
        group: Option<GroupId>,
    },
    /// Keys were refused because they are or were in use. Told at most once a second.
    KeyReuseBlocked {
        /// What the last of them was to be used for.
        direction: Direction,
        /// Commands refused for it since this was told last.
        refused: u32,
    },
    /// A packet would have used a (key, SSRC, index) twice, or one so old that nobody knows whether
    /// it was used, and was dropped (RFC 3711 §9.1): its source repeats itself or has started
    /// anew. Told at most once a second for a stream; the counters have them all.
    TransmitIndexReused,
    /// Two senders use one SSRC under the same key of a group (TR 33.829 §5.3.2.1.1).
    SsrcCollision {
        /// The SSRC.
        ssrc: u32,
        /// The member whose it is; `None` if it is the gateway's own or a former member's.
        other: Option<TerminationId>,
        /// Whether the packet was dropped.
        dropped: bool,
        /// The SSRC that the second sender's packets leave under from now on, by the group's rule.
        fresh: Option<u32>,
    },
    /// A datagram was longer than the path to the peer takes, and was dropped. Told at most once a
    /// second for a stream; the counters have them all.
    MtuExceeded {
        /// Octets of its UDP payload, as it was to leave.
        octets: usize,
    },
    /// Nothing that was to leave on a stream left for some seconds (TS 23.334 "IP Bearer Released").
    BearerReleased {
        /// Why the last datagram was refused.
        cause: Refusal,
    },
    /// Nothing has happened on a stream for the time asked for (TS 23.334 §6.2.8).
    MediaInactive {
        /// What did not happen.
        direction: ActiveDirection,
        /// For how long.
        since: Duration,
    },
    /// Something happens again on a stream that was told inactive.
    MediaActive {
        /// What counts.
        direction: ActiveDirection,
    },
    /// More passed a stream than its limit, and was dropped (TS 23.334 §6.2.5). Told at most once a
    /// second for a stream and direction; the counters have them all.
    PolicingDrops {
        /// Arriving at or leaving the gateway.
        direction: Direction,
        /// Packets that were dropped since the event before.
        packets: u32,
    },
    /// Many tags failed within a second, told at most once a second for a stream; or every packet
    /// has failed for some seconds, told once until one is right and at most once a minute. The
    /// counters have them all.
    AuthenticationFailures {
        /// Tags that had failed when it was told: in this second, or since the last right one.
        packets: u32,
        /// For how long every packet has failed, if that is what is told.
        deaf: Option<Duration>,
    },
    /// A source was refused because the stream has as many as it may have in this direction. Told at
    /// most once a second for a stream and direction; the counters have all of its packets.
    SourceLimitReached {
        /// Arriving at or leaving the gateway.
        direction: Direction,
        /// The SSRC that was refused.
        ssrc: u32,
        /// How many there are.
        sources: usize,
        /// The group to whose members it was to leave.
        group: Option<GroupId>,
    },
    /// Many packets came again within a second. Told at most once a second for a stream; the
    /// counters have them all.
    Replays {
        /// Packets that had come again in this second when it was told.
        packets: u32,
    },
    /// Members of a group have joined or left and it was not re-keyed since: those who manage its
    /// keys may want to (TR 33.829 §5.1.2).
    GroupRekeyWanted {
        /// The group.
        group: GroupId,
        /// Members that joined.
        joined: u32,
        /// Members that left.
        left: u32,
    },
    /// A realm can be used again: one of its addresses is there and its interface is up (TS 23.334
    /// "Realm Availability", H.248 `ipra`).
    RealmUp {
        /// Its name.
        realm: String,
    },
    /// A realm cannot be used any more; its calls stay.
    RealmDown {
        /// Its name.
        realm: String,
    },
    /// Does the controller still know this termination? It confirms it, or the termination hangs
    /// (TS 23.334 §6.2.6, H.248.36).
    TerminationHeartbeat,
    /// The gateway itself releases the context or termination.
    ReleasedByGateway {
        /// Why.
        cause: ReleaseCause,
    },
    /// The context's controller is lost; media goes on.
    ContextOrphaned {
        /// The controller.
        controller: Controller,
    },
    /// Another controller took the context over, or its own came back.
    ContextAdopted {
        /// Whose it was.
        from: Controller,
        /// Whose it is now.
        to: Controller,
    },
    /// The gateway began to drain: no new contexts.
    Draining {
        /// The operator's words.
        reason: Option<Arc<str>>,
    },
    /// The gateway came into service, or was locked (H.248.1 §7.2.8).
    ServiceChanged {
        /// How it is now.
        state: ServiceState,
        /// Why.
        cause: ServiceCause,
        /// The operator's words.
        reason: Option<Arc<str>>,
    },
    /// Another level of load.
    OverloadChanged {
        /// The level.
        level: OverloadLevel,
        /// The load, 0 to 100.
        percent: u8,
        /// What is used most.
        limit: Resource,
    },
    /// The gateway itself ended a context or termination: what it was at the end.
    ContextEnded(Box<Ended>),
    /// What the gateway can do is not what it was: audit its capabilities.
    CapabilitiesChanged {
        /// The configuration keys that changed, and `realm.NAME` of realms that became available or
        /// unavailable; comma-separated.
        keys: Arc<str>,
    },
    /// The certificate of the Iq listener expires soon.
    CertificateExpires {
        /// Whole days that are left; 0 is less than one, or none.
        days: u16,
    },
}
