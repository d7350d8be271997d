//! From replies of the gateway to wire messages.

use std::net::SocketAddr;
use std::time::Instant;

use agw_context::{
    Confirmation, LocalStream, OverloadLevel, ReleaseReply, ReleasedGroup, ReleasedStream, Reply,
    Resource, ServiceState, TerminationReply,
};
use agw_relay::{EgressSnapshot, IngressSnapshot};

use crate::backend::{Completed, Condition};
use crate::pb;
use crate::report::group::released_group;
use crate::report::statistics::stream_statistics;

pub(crate) fn gateway_state(condition: Condition) -> pb::GatewayState {
    let draining = condition.is_draining();
    let Condition { overload_percent, overload_level, overload_limit, restart_epoch, service } =
        condition;
    //= tests/spec/iq.md#admission
    //# Every reply MUST tell how loaded the gateway is.
    pb::GatewayState {
        overload_percent: overload_percent.min(100).into(),
        restart_epoch,
        draining,
        overload_level: level_to_wire(overload_level).into(),
        overload_limit: overload_limit.map(Resource::name).unwrap_or_default().to_owned(),
        service_state: service_to_wire(service).into(),
    }
}

pub(crate) const fn level_to_wire(level: OverloadLevel) -> pb::OverloadLevel {
    match level {
        OverloadLevel::Normal => pb::OverloadLevel::Normal,
        OverloadLevel::Elevated => pb::OverloadLevel::Elevated,
        OverloadLevel::High => pb::OverloadLevel::High,
        OverloadLevel::Shedding => pb::OverloadLevel::Shedding,
        OverloadLevel::Critical => pb::OverloadLevel::Critical,
    }
}

pub(crate) const fn service_to_wire(service: ServiceState) -> pb::ServiceState {
    match service {
        ServiceState::InService => pb::ServiceState::InService,
        ServiceState::Draining => pb::ServiceState::Draining,
        ServiceState::Locked => pb::ServiceState::Locked,
    }
}

pub(crate) fn command_reply(completed: Completed, now: Instant) -> pb::CommandReply {
    use pb::command_reply::Reply as Kind;
    let Completed { reply, generation, statistics, groups } = completed;
    let with_statistics = |stream: &ReleasedStream| {
        let found = statistics.iter().find(|(of, _, _)| of == stream);
        released_stream(stream, found.map(|(_, ingress, egress)| (ingress, egress)), now)
    };
    let released = reply.released().iter().map(with_statistics).collect();
    let of_group = |group: &ReleasedGroup| {
        let found = groups.iter().find(|(of, _)| of == group);
        released_group(group, found.map(|(_, last)| last), reply.released(), now)
    };
    let groups = reply.released_groups().iter().map(of_group).collect();
    let reply = match reply {
        Reply::Termination(TerminationReply { context, termination, streams, released: _ }) => {
            Kind::Termination(pb::TerminationReply {
                context_id: context.0,
                termination_id: termination.0,
                streams: streams.into_iter().map(local_stream).collect(),
                released,
                generation,
            })
        }
        Reply::Done { context } => Kind::Done(pb::DoneReply { context_id: context.0, generation }),
        Reply::Released(ReleaseReply { context, context_ended, streams: _, groups: _ }) => {
            Kind::Released(pb::ReleaseReply {
                context_id: context.0,
                context_ended,
                streams: released,
                generation,
                groups,
            })
        }
    };
    pb::CommandReply { reply: Some(reply) }
}

/// A stream that ended, with its last statistics if they are known.
pub(crate) fn released_stream(
    stream: &ReleasedStream,
    last: Option<(&IngressSnapshot, &EgressSnapshot)>,
    now: Instant,
) -> pb::ReleasedStream {
    pb::ReleasedStream {
        termination_id: stream.termination.0,
        stream_id: stream.stream.0.into(),
        statistics: last.map(|(ingress, egress)| stream_statistics(ingress, egress, now)),
    }
}

pub(crate) fn local_stream(stream: LocalStream) -> pb::LocalStream {
    let LocalStream { id, rtp, rtcp } = stream;
    pb::LocalStream {
        stream_id: id.0.into(),
        rtp: Some(socket_address(rtp)),
        rtcp: rtcp.map(socket_address),
    }
}

pub(crate) fn confirmation(word: Confirmation) -> pb::TerminationConfirmation {
    let Confirmation { context, termination, known } = word;
    pb::TerminationConfirmation { context_id: context.0, termination_id: termination.0, known }
}

pub(crate) fn socket_address(address: SocketAddr) -> pb::SocketAddress {
    pb::SocketAddress { ip: address.ip().to_string(), port: address.port().into() }
}
