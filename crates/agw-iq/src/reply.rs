//! From replies of the gateway to wire messages.

use std::net::SocketAddr;
use std::time::Instant;

use agw_context::{
    Confirmation, LocalStream, ReleaseReply, ReleasedStream, Reply, TerminationReply,
};

use crate::backend::{Completed, Condition};
use crate::pb;
use crate::report::statistics::stream_statistics;

pub(crate) fn gateway_state(condition: Condition) -> pb::GatewayState {
    let Condition { overload_percent, restart_epoch, draining } = condition;
    pb::GatewayState { overload_percent: overload_percent.min(100).into(), restart_epoch, draining }
}

pub(crate) fn command_reply(completed: Completed, now: Instant) -> pb::CommandReply {
    use pb::command_reply::Reply as Kind;
    let Completed { reply, statistics } = completed;
    let reply = match reply {
        Reply::Termination(reply) => Kind::Termination(termination(reply)),
        Reply::Done { context } => Kind::Done(pb::DoneReply { context_id: context.0 }),
        Reply::Released(ReleaseReply { context, context_ended, streams }) => {
            let with_statistics = |stream: &ReleasedStream| {
                let found = statistics.iter().find(|(of, _, _)| of == stream);
                pb::ReleasedStream {
                    termination_id: stream.termination.0,
                    stream_id: stream.stream.0.into(),
                    statistics: found
                        .map(|(_, ingress, egress)| stream_statistics(ingress, egress, now)),
                }
            };
            Kind::Released(pb::ReleaseReply {
                context_id: context.0,
                context_ended,
                streams: streams.iter().map(with_statistics).collect(),
            })
        }
    };
    pb::CommandReply { reply: Some(reply) }
}

fn termination(reply: TerminationReply) -> pb::TerminationReply {
    let TerminationReply { context, termination, streams } = reply;
    pb::TerminationReply {
        context_id: context.0,
        termination_id: termination.0,
        streams: streams.into_iter().map(local_stream).collect(),
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
