//! Contexts as control remembers them: everything but the keys.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use agw_relay::{
    EgressId, EgressSpec, IngressId, IngressSpec, PortId, RtcpEgress, RtcpIngress, SourceRule,
    Transport,
};

use crate::admission::Priority;
use crate::audit::{ContextView, StreamView, TerminationView};
use crate::command::{Direction, Family, Media, Remote, RtcpMode, SourcePolicy, StreamMode};
use crate::extras::{RtcpGate, StreamExtras};
use crate::few::Few;
use crate::group::Groups;
use crate::held::Keys;
use crate::id::{ContextId, Controller, StreamId, TerminationId};
use crate::reply::LocalStream;
use crate::topology::Topology;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) correlation: Option<Arc<str>>,
    pub(crate) controller: Arc<Controller>,
    pub(crate) created: SystemTime,
    /// Transactions that have changed it, the one that made it included, and whatever else has.
    pub(crate) generation: u64,
    pub(crate) next_termination: u32,
    pub(crate) priority: Priority,
    /// Ingress keys that came to it so far, up to more than may return.
    pub(crate) ingress_keys: u8,
    pub(crate) topology: Topology,
    pub(crate) terminations: Few<TerminationId, Termination>,
    pub(crate) groups: Groups,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Termination {
    /// Position of the realm, and of the address within it.
    pub(crate) at: (u16, u16),
    pub(crate) family: Family,
    /// The address that peers are told.
    pub(crate) outside: IpAddr,
    /// The realm's code point.
    pub(crate) dscp: u8,
    pub(crate) streams: Few<StreamId, Stream>,
    /// What few terminations ask for.
    pub(crate) extras: Option<Box<TerminationExtras>>,
}

/// What few terminations ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct TerminationExtras {
    /// The period of heartbeats.
    pub(crate) heartbeat: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stream {
    /// The number of both halves of the leg.
    pub(crate) leg: u32,
    pub(crate) media: Media,
    pub(crate) transport: Transport,
    pub(crate) mode: StreamMode,
    pub(crate) rtcp: RtcpMode,
    pub(crate) source: SourcePolicy,
    /// When latching was asked for, and for how long a plain leg may.
    pub(crate) latching: Option<Latching>,
    pub(crate) remote: Option<Remote>,
    /// What few streams ask for.
    pub(crate) extras: Option<Box<StreamExtras>>,
    /// The even port of the pair taken from the pool.
    pub(crate) pair: u16,
    pub(crate) rtp_port: PortId,
    pub(crate) rtcp_port: Option<PortId>,
    pub(crate) ingress_keys: Keys,
    pub(crate) egress_keys: Keys,
}

/// What latching goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Latching {
    /// When it was asked for.
    pub(crate) since: Instant,
    /// The time gate of a plain leg, from when media may enter.
    pub(crate) within_ms: u32,
}

impl Context {
    /// Every stream with its place.
    pub(crate) fn streams(&self) -> impl Iterator<Item = (TerminationId, StreamId, &Stream)> {
        self.terminations.iter().flat_map(|(termination, t)| {
            t.streams.iter().map(move |(id, stream)| (termination, id, stream))
        })
    }

    /// What the packet path must know of each leg.
    pub(crate) fn specs(&self) -> BTreeMap<u32, (IngressSpec, EgressSpec)> {
        self.streams()
            .map(|(termination, id, stream)| {
                let (output, copies) = self.way(termination, id, stream);
                let group = self.group_of(stream);
                let of_realm = self.terminations.get(termination).map_or(0, |one| one.dscp);
                let ingress = stream.ingress_spec(output, group, copies);
                (stream.leg, (ingress, stream.egress_spec(of_realm)))
            })
            .collect()
    }

    pub(crate) fn view(
        &self,
        id: ContextId,
        orphaned: Option<SystemTime>,
        realm_name: impl Fn(usize) -> String,
    ) -> ContextView {
        let terminations = self.terminations.iter().map(|(id, termination)| TerminationView {
            id,
            realm: realm_name(termination.realm()),
            heartbeat: termination.heartbeat(),
            streams: termination
                .streams
                .iter()
                .map(|(id, stream)| stream.view(id, termination.outside))
                .collect(),
        });
        ContextView {
            id,
            correlation: self.correlation.clone(),
            controller: Controller::clone(&self.controller),
            created: self.created,
            generation: self.generation,
            orphaned,
            priority: self.priority,
            topology: self.topology.pair(),
            associations: self.topology.associations(),
            terminations: terminations.collect(),
            groups: self.group_views(),
        }
    }
}

impl TerminationExtras {
    /// As a termination keeps it: nothing if nothing is asked for.
    pub(crate) fn kept(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }
}

impl Termination {
    /// Position of its realm.
    pub(crate) fn realm(&self) -> usize {
        self.at.0.into()
    }

    /// Position of its address within the realm.
    pub(crate) fn address(&self) -> usize {
        self.at.1.into()
    }

    /// The period of its heartbeats, if it has any.
    pub(crate) fn heartbeat(&self) -> Option<Duration> {
        self.extras.as_ref().and_then(|extras| extras.heartbeat)
    }

    /// The local addresses of every stream, as peers are told.
    pub(crate) fn locals(&self) -> Vec<LocalStream> {
        self.streams.iter().map(|(id, stream)| stream.local(id, self.outside)).collect()
    }
}

impl Stream {
    pub(crate) const fn keys(&mut self, direction: Direction) -> &mut Keys {
        match direction {
            Direction::Ingress => &mut self.ingress_keys,
            Direction::Egress => &mut self.egress_keys,
        }
    }

    pub(crate) const fn ingress_id(&self) -> IngressId {
        IngressId(self.leg)
    }

    pub(crate) const fn egress_id(&self) -> EgressId {
        EgressId(self.leg)
    }

    fn ingress_spec(
        &self,
        output: Option<EgressId>,
        group: Option<EgressId>,
        copies: bool,
    ) -> IngressSpec {
        let (own, none) = (self.extras.as_deref(), StreamExtras::default());
        let latches_once = self.extras.as_ref().is_some_and(|extras| extras.latch_once);
        let source = match (self.transport, self.source, self.latching) {
            (Transport::Secured, SourcePolicy::Latch { .. }, Some(latching)) if latches_once => {
                SourceRule::AuthenticatedOnce { since: latching.since }
            }
            (Transport::Secured, SourcePolicy::Latch { .. }, _) => SourceRule::Authenticated,
            (_, SourcePolicy::Latch { .. }, Some(Latching { since, within_ms })) => {
                SourceRule::First { since, within_ms }
            }
            (_, SourcePolicy::Latch { .. }, None) | (_, SourcePolicy::Signalled, _) => {
                SourceRule::Signalled
            }
        };
        IngressSpec {
            transport: self.transport,
            gate: self.rtcp_gate().gate(self.mode, self.mode.receives()),
            source,
            signalled_rtp: self.remote.map(|remote| remote.rtp),
            signalled_rtcp: self.remote.and_then(|remote| remote.rtcp_address()),
            rtp: self.rtp_port,
            rtcp: match (self.rtcp, self.rtcp_port) {
                (RtcpMode::Pair, Some(port)) => RtcpIngress::Port(port),
                (RtcpMode::Mux, _) => RtcpIngress::Mux,
                (RtcpMode::Pair, None) | (RtcpMode::Off, _) => RtcpIngress::Off,
            },
            output,
            reverse: self.egress_id(),
            extras: own.unwrap_or(&none).of_ingress(group, copies),
        }
    }

    fn rtcp_gate(&self) -> RtcpGate {
        self.extras.as_ref().map(|extras| extras.rtcp_gate).unwrap_or_default()
    }

    fn egress_spec(&self, of_realm: u8) -> EgressSpec {
        EgressSpec {
            transport: self.transport,
            gate: self.rtcp_gate().gate(self.mode, self.mode.sends()),
            via: self.rtp_port,
            to: self.remote.map(|remote| remote.rtp),
            rtcp: match (self.rtcp, self.rtcp_port) {
                (RtcpMode::Pair, Some(via)) => RtcpEgress::Port {
                    via,
                    to: self.remote.and_then(|remote| remote.rtcp_address()),
                },
                (RtcpMode::Mux, _) => RtcpEgress::Mux,
                (RtcpMode::Pair, None) | (RtcpMode::Off, _) => RtcpEgress::Off,
            },
            extras: self.extras.as_ref().and_then(|extras| extras.of_egress(of_realm, self.media)),
        }
    }

    /// Its local addresses, as peers are told; `outside` is that of its termination.
    fn local(&self, id: StreamId, outside: IpAddr) -> LocalStream {
        let at = |port| SocketAddr::new(outside, port);
        let rtcp = match self.rtcp {
            RtcpMode::Pair => Some(at(self.pair | 1)),
            RtcpMode::Mux => Some(at(self.pair)),
            RtcpMode::Off => None,
        };
        LocalStream { id, rtp: at(self.pair), rtcp }
    }

    fn view(&self, id: StreamId, outside: IpAddr) -> StreamView {
        StreamView {
            id,
            media: self.media,
            transport: self.transport,
            mode: self.mode,
            rtcp: self.rtcp,
            source: match (self.source, self.transport, self.latching) {
                (
                    SourcePolicy::Latch { .. },
                    Transport::Plain | Transport::Transparent,
                    Some(it),
                ) => {
                    SourcePolicy::Latch { within: Some(Duration::from_millis(it.within_ms.into())) }
                }
                (source, ..) => source,
            },
            local: self.local(id, outside),
            remote: self.remote,
            extras: self.extras.as_deref().cloned().unwrap_or_default(),
            ingress_key: self.ingress_keys.view(),
            egress_key: self.egress_keys.view(),
            ingress: self.ingress_id(),
            egress: self.egress_id(),
        }
    }
}

impl SourcePolicy {
    /// The safe default of a transport.
    #[must_use]
    pub const fn default_of(transport: Transport) -> Self {
        match transport {
            Transport::Secured => Self::Latch { within: None },
            Transport::Plain | Transport::Transparent => Self::Signalled,
        }
    }
}

impl StreamMode {
    const fn receives(self) -> bool {
        matches!(self, Self::ReceiveOnly | Self::SendReceive)
    }

    const fn sends(self) -> bool {
        matches!(self, Self::SendOnly | Self::SendReceive)
    }
}
