//! What a request asks of the gateway, and what waits for its replies.

use agw_context::{Command, ContextId, LocalStream, Media, TerminationId};
use zeroize::Zeroizing;

use crate::call::Pair;
use crate::description::{Fingerprint, SessionDescription, Text};
use crate::dialogues::Located;
use crate::exchange::Exchange;
use crate::needed::Streams;
use crate::settle::Settled;
use crate::slot::Slot;

/// What the gateway must do before a request is answered.
///
/// Give the commands to the gateway as one transaction. When it has carried them out, give its
/// replies with the rest of the plan to [`crate::Call::conclude`]; when it refuses, drop the rest:
/// nothing has changed.
#[derive(Debug)]
#[must_use]
pub struct Plan {
    pub(crate) commands: Vec<Command>,
    pub(crate) pending: Pending,
}

impl Plan {
    /// The commands for the gateway, in order, and what waits for their replies. There may be no
    /// command: then there are no replies to wait for.
    pub fn into_parts(self) -> (Vec<Command>, Pending) {
        (self.commands, self.pending)
    }
}

/// The half of a plan that waits for the gateway.
#[derive(Debug)]
#[must_use]
pub struct Pending {
    pub(crate) generation: u64,
    pub(crate) step: Step,
}

/// What becomes true when the gateway has done its part.
#[derive(Debug)]
pub(crate) enum Step {
    Offer(Box<OfferStep>),
    Answer(Box<AnswerStep>),
    Reject {
        place: Slot,
        needed: Streams,
    },
    /// A dialogue or a branch ends, and others stay.
    Leave(LeaveStep),
    /// Everything ends.
    Delete,
}

/// The end of a part of a call.
#[derive(Debug)]
pub(crate) struct LeaveStep {
    /// The callee that leaves, wherever it is remembered.
    pub(crate) callee: Option<String>,
    /// The branches that end, in their order.
    pub(crate) ends: Vec<usize>,
    pub(crate) connected: Vec<Pair>,
    pub(crate) needed: Streams,
}

/// An offer whose ports are being reserved.
#[derive(Debug)]
pub(crate) struct OfferStep {
    pub(crate) at: Located,
    pub(crate) exchange: Exchange,
    /// The positions of the reservations among the commands: near, far.
    pub(crate) near: Option<usize>,
    pub(crate) far: Option<usize>,
    /// What stays of what there was.
    pub(crate) needed: Streams,
    /// The offer, to be shown to the answerer.
    pub(crate) description: SessionDescription,
    pub(crate) hides_origin: bool,
    pub(crate) dropping: bool,
}

/// An answer whose keys are being installed.
#[derive(Debug)]
pub(crate) struct AnswerStep {
    /// What is in force from then on, if anything changes.
    pub(crate) effect: Option<Effect>,
    /// The callee whose dialogue is confirmed with it.
    pub(crate) confirms: Option<String>,
    /// What the offerer is told.
    pub(crate) sdp: Text,
    pub(crate) rekey_advised: bool,
    pub(crate) dropping: bool,
}

/// What an answer has agreed on.
#[derive(Debug)]
pub(crate) struct Effect {
    pub(crate) place: Slot,
    pub(crate) callee_tag: Option<String>,
    /// What was said, unless it is in force again; its text if it was within a dialogue.
    pub(crate) said: Option<(Fingerprint, Option<Text>)>,
    pub(crate) settled: Vec<Option<Settled>>,
    pub(crate) connected: Vec<Pair>,
}

/// What a request leads to: the description to send on, **with its keys**.
pub struct Signalled {
    /// The description to send on; empty when nothing is to be sent.
    pub sdp: Zeroizing<Vec<u8>>,
    /// The gateway's context, by which the call is found over Iq; `None` if media goes past the
    /// gateway or the call has ended.
    pub context: Option<ContextId>,
    /// The streams that the gateway has for the call, in their order.
    pub streams: Vec<SignalledStream>,
    /// Whether keys may be known to somebody who is not in the call any more, so that a new offer
    /// with fresh keys is advised (RFC 4568 §7.3; diversion and forking).
    pub rekey_advised: bool,
}

/// A stream of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignalledStream {
    /// Which side.
    pub side: crate::Side,
    /// The media line, from 0.
    pub line: usize,
    /// What it carries.
    pub media: Media,
    /// The termination.
    pub termination: TerminationId,
    /// The stream with the addresses that this side was or will be told.
    pub local: LocalStream,
    /// What the gateway speaks there.
    pub transport: agw_relay::Transport,
}

impl std::fmt::Debug for Signalled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signalled")
            .field("sdp", &format_args!("redacted, {} octets", self.sdp.len()))
            .field("context", &self.context)
            .field("streams", &self.streams)
            .field("rekey_advised", &self.rekey_advised)
            .finish()
    }
}
