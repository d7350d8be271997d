//! What ends, with what is told of it.

use agw_context::{
    ContextId, GroupId, ReleaseReply, ReleasedGroup, ReleasedStream, Reply, StreamId, TerminationId,
};
use agw_relay::{EgressId, IngressId, Traffic};

use agw_iq::backend::Completed;

use super::{GENERATION, snapshots};

pub(super) fn released(context: ContextId) -> Completed {
    let (ingress, egress) = (IngressId(3), EgressId(3));
    let stream =
        ReleasedStream { termination: TerminationId(2), stream: StreamId(1), ingress, egress };
    let (mut received, sent) = snapshots();
    received.stats.received = Traffic { packets: 500, octets: 91_000 };
    Completed {
        reply: Reply::Released(ReleaseReply {
            context,
            context_ended: true,
            streams: vec![stream],
            groups: Vec::new(),
        }),
        generation: 0,
        statistics: vec![(stream, received, sent)],
        groups: Vec::new(),
    }
}

pub(super) fn group_removed(context: ContextId, group: GroupId) -> Completed {
    let (stream, focus) = (StreamId(1), TerminationId(2));
    let group = ReleasedGroup { group, stream, focus, egress: EgressId(4) };
    let (_, mut last) = snapshots();
    last.stats.sent = Traffic { packets: 70, octets: 9_000 };
    Completed {
        reply: Reply::Released(ReleaseReply {
            context,
            context_ended: false,
            streams: Vec::new(),
            groups: vec![group],
        }),
        generation: GENERATION,
        statistics: Vec::new(),
        groups: vec![(group, last)],
    }
}
