//! Calls that were added and removed.

use super::*;

impl AddedView {
    /// From the replies of both terminations, by the number of the stream that was added.
    pub(crate) fn new(replies: &[pb::CommandReply], stream: u32) -> Option<Self> {
        let [access, core] = replies else { return None };
        let (access, core) = (termination(access)?, termination(core)?);
        Some(Self {
            context_id: access.context_id,
            access: AddedLegView::new(access, stream)?,
            core: AddedLegView::new(core, stream)?,
        })
    }

    /// As tables.
    pub(crate) fn tables(&self) -> String {
        let mut legs = table(&["leg", "termination", "stream", "send RTP to", "send RTCP to"], 5);
        for (name, leg) in [("access", &self.access), ("core", &self.core)] {
            legs.add_row([
                name.to_owned(),
                leg.termination_id.to_string(),
                leg.stream_id.to_string(),
                dash(leg.rtp.clone()),
                dash(leg.rtcp.clone()),
            ]);
        }
        format!("context {}\n{legs}", self.context_id)
    }
}

impl AddedLegView {
    fn new(termination: &pb::TerminationReply, stream: u32) -> Option<Self> {
        let stream = termination.streams.iter().find(|one| one.stream_id == stream)?;
        Some(Self {
            termination_id: termination.termination_id,
            stream_id: stream.stream_id,
            rtp: address(stream.rtp.as_ref()),
            rtcp: address(stream.rtcp.as_ref()),
        })
    }
}

fn termination(reply: &pb::CommandReply) -> Option<&pb::TerminationReply> {
    match reply.reply.as_ref()? {
        pb::command_reply::Reply::Termination(termination) => Some(termination),
        pb::command_reply::Reply::Done(_) | pb::command_reply::Reply::Released(_) => None,
    }
}

impl From<pb::ReleaseReply> for RemovedView {
    fn from(released: pb::ReleaseReply) -> Self {
        let streams = released.streams.into_iter().map(RemovedStreamView::from).collect();
        let groups = released.groups.into_iter().map(RemovedGroupView::from).collect();
        Self { context_id: released.context_id, streams, groups }
    }
}

impl From<pb::ReleasedStream> for RemovedStreamView {
    fn from(stream: pb::ReleasedStream) -> Self {
        Self {
            termination_id: stream.termination_id,
            stream_id: stream.stream_id,
            statistics: stream.statistics.unwrap_or_default().into(),
        }
    }
}

impl RemovedView {
    /// From the replies of the terminations that streams were taken from.
    pub(crate) fn of_streams(context_id: u32, replies: &[pb::CommandReply]) -> Self {
        let released = replies.iter().filter_map(termination).flat_map(|reply| &reply.released);
        let streams = released.cloned().map(RemovedStreamView::from).collect();
        Self { context_id, streams, groups: Vec::new() }
    }

    /// As tables.
    pub(crate) fn tables(&self) -> String {
        let mut text = format!("context {} is released\n{}", self.context_id, self.streams());
        for group in &self.groups {
            text.push_str(&format!("\n{}", group.line()));
        }
        text
    }

    /// The streams as a table.
    pub(crate) fn streams(&self) -> String {
        let headings = ["termination", "stream", "received", "forwarded", "dropped", "sent"];
        let mut streams = table(&headings, 0);
        for RemovedStreamView { termination_id, stream_id, statistics } in &self.streams {
            streams.add_row([
                u64::from(*termination_id),
                u64::from(*stream_id),
                statistics.ingress.received.packets,
                statistics.ingress.forwarded.packets,
                statistics.ingress.dropped.values().sum(),
                statistics.egress.sent.packets,
            ]);
        }
        streams.to_string()
    }
}
