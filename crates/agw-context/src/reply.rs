//! What commands answer.

use std::net::SocketAddr;

use agw_relay::{EgressId, IngressId};

use crate::id::{ContextId, GroupId, StreamId, TerminationId};

/// The answer to one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A termination with its local addresses.
    Termination(TerminationReply),
    /// Done; nothing to tell.
    Done {
        /// The context.
        context: ContextId,
    },
    /// Terminations were released, or a group was removed.
    Released(ReleaseReply),
}

impl Reply {
    /// The context that it is about.
    #[must_use]
    pub const fn context(&self) -> ContextId {
        match self {
            Self::Termination(TerminationReply { context, .. })
            | Self::Done { context }
            | Self::Released(ReleaseReply { context, .. }) => *context,
        }
    }

    /// The streams that it ended.
    #[must_use]
    pub fn released(&self) -> &[ReleasedStream] {
        match self {
            Self::Termination(reply) => &reply.released,
            Self::Released(reply) => &reply.streams,
            Self::Done { .. } => &[],
        }
    }

    /// The groups that it ended.
    #[must_use]
    pub fn released_groups(&self) -> &[ReleasedGroup] {
        match self {
            Self::Released(reply) => &reply.groups,
            Self::Termination(_) | Self::Done { .. } => &[],
        }
    }
}

/// What a release, or the removal of a group, ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseReply {
    /// The context.
    pub context: ContextId,
    /// Whether the context itself ended.
    pub context_ended: bool,
    /// The streams of the released terminations.
    pub streams: Vec<ReleasedStream>,
    /// The groups that ended.
    pub groups: Vec<ReleasedGroup>,
}

/// One stream that ended; its halves give their last statistics when removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReleasedStream {
    /// The termination.
    pub termination: TerminationId,
    /// The stream.
    pub stream: StreamId,
    /// The receiving half that was removed.
    pub ingress: IngressId,
    /// The sending half that was removed.
    pub egress: EgressId,
}

/// A group that ended; its sending state gives its last statistics when removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReleasedGroup {
    /// The group.
    pub group: GroupId,
    /// Its stream.
    pub stream: StreamId,
    /// The termination of the focus.
    pub focus: TerminationId,
    /// The sending state that was removed.
    pub egress: EgressId,
}

/// The local addresses of a termination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TerminationReply {
    /// The context.
    pub context: ContextId,
    /// The termination.
    pub termination: TerminationId,
    /// Its streams.
    pub streams: Vec<LocalStream>,
    /// The streams that were taken from it.
    pub released: Vec<ReleasedStream>,
}

/// The local addresses of a stream, as the peer must use them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalStream {
    /// The stream.
    pub id: StreamId,
    /// Where the peer sends RTP.
    pub rtp: SocketAddr,
    /// Where the peer sends RTCP; `None` if RTCP is off.
    pub rtcp: Option<SocketAddr>,
}
