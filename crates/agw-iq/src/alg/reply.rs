//! Answers of the IMS-ALG as messages, without the gateway's condition.

use std::time::Instant;

use agw_context::{ContextId, Controller};
use agw_sdp::{Side, Signalled, SignalledStream};

use super::{CallView, CountedStream, Deleted, pb};
use crate::reply::local_stream;
use crate::report::audit::transport;
use crate::report::statistics::stream_statistics;
use crate::report::timestamp;

pub(super) fn offer(signalled: &Signalled) -> pb::OfferResponse {
    let Signalled { sdp, context, streams, rekey_advised: _ } = signalled;
    pb::OfferResponse {
        gateway: None,
        sdp: sdp.to_vec(),
        context_id: number(*context),
        streams: signalled_streams(streams),
    }
}

pub(super) fn answer(signalled: &Signalled) -> pb::AnswerResponse {
    let Signalled { sdp, context, streams, rekey_advised } = signalled;
    pb::AnswerResponse {
        gateway: None,
        sdp: sdp.to_vec(),
        context_id: number(*context),
        streams: signalled_streams(streams),
        rekey_advised: *rekey_advised,
    }
}

pub(super) fn reject(signalled: &Signalled) -> pb::RejectResponse {
    let Signalled { sdp: _, context, streams, rekey_advised: _ } = signalled;
    let streams = signalled_streams(streams);
    pb::RejectResponse { gateway: None, context_id: number(*context), streams }
}

pub(super) fn deleted(deleted: &Deleted, now: Instant) -> pb::DeleteResponse {
    let Deleted { dialogues: _, contexts, streams } = deleted;
    pb::DeleteResponse {
        gateway: None,
        context_ids: contexts.iter().map(|context| context.0).collect(),
        streams: streams.iter().map(|stream| counted(stream, now)).collect(),
    }
}

pub(super) fn call(view: &CallView, now: Instant) -> pb::Call {
    let CallView { call_id, dialogues, context, created, streams } = view;
    let tags = |(caller, callee): &(String, Option<String>)| pb::DialogueTags {
        caller_tag: caller.clone(),
        callee_tag: callee.clone().unwrap_or_default(),
    };
    pb::Call {
        call_id: call_id.clone(),
        dialogues: dialogues.iter().map(tags).collect(),
        context_id: number(*context),
        created: created.map(timestamp),
        streams: streams.iter().map(|stream| counted(stream, now)).collect(),
    }
}

/// Some calls after others; more may come if these are as many as were asked for.
pub(super) fn list(calls: Vec<(Controller, String)>, limit: usize) -> pb::ListResponse {
    let last = calls.last().filter(|_| calls.len() >= limit);
    let next_page_token = last.map(|(Controller(controller), id)| format!("{controller} {id}"));
    let name = |(Controller(controller), call_id)| pb::CallName { controller, call_id };
    pb::ListResponse {
        gateway: None,
        next_page_token: next_page_token.unwrap_or_default(),
        calls: calls.into_iter().map(name).collect(),
    }
}

fn number(context: Option<ContextId>) -> u32 {
    context.map_or(0, |context| context.0)
}

fn signalled_streams(streams: &[SignalledStream]) -> Vec<pb::CallStream> {
    streams.iter().map(signalled).collect()
}

fn signalled(stream: &SignalledStream) -> pb::CallStream {
    let SignalledStream { side, line, media: _, termination, local, transport: speaks } = *stream;
    let side = match side {
        Side::Caller => pb::CallSide::Caller,
        Side::Callee => pb::CallSide::Callee,
    };
    pb::CallStream {
        side: side.into(),
        media_line: u32::try_from(line + 1).unwrap_or(u32::MAX),
        termination_id: termination.0,
        local: Some(local_stream(local)),
        transport: transport(speaks).into(),
        statistics: None,
    }
}

fn counted(stream: &CountedStream, now: Instant) -> pb::CallStream {
    let CountedStream { stream, counters } = stream;
    let counters = counters.as_ref();
    let statistics = counters.map(|(ingress, egress)| stream_statistics(ingress, egress, now));
    pb::CallStream { statistics, ..signalled(stream) }
}
