//! What control orders of a worker, and how the worker answers.

use std::time::Instant;

use tokio::sync::oneshot;

use agw_context::ContextId;
use agw_net::IoCounters;
use agw_relay::{
    Command, EgressId, EgressSnapshot, IngressId, IngressSnapshot, PortId, RelayStats,
};

/// An order, done between two rounds; `Port` is what the packet backend takes.
pub(crate) enum Order<Port> {
    /// Change flows and ports.
    Apply(Assignment<Port>),
    /// Copy out the state of legs and groups.
    Look { legs: Vec<(IngressId, EgressId)>, groups: Vec<EgressId>, answer: oneshot::Sender<Seen> },
    /// Tell when any of these accepted a packet last.
    Heard { ingresses: Vec<IngressId>, answer: oneshot::Sender<Option<Instant>> },
    /// Copy out the counters.
    Count { answer: oneshot::Sender<Totals> },
    /// End the thread; keys are wiped with the flows.
    Stop,
}

/// All that a transaction means for one context.
pub(crate) struct Assignment<Port> {
    /// The context, for the log.
    pub(crate) context: ContextId,
    /// Ports to take over first.
    pub(crate) added: Vec<(PortId, Port)>,
    /// Steps for the relay, in order.
    pub(crate) steps: Vec<Command>,
    /// Ports to close last.
    pub(crate) closed: Vec<PortId>,
    /// Told when all is in force.
    pub(crate) done: oneshot::Sender<Applied>,
}

/// The state of legs and groups in the order asked for; what is not there any more is `None`.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) legs: Vec<Option<(IngressSnapshot, EgressSnapshot)>>,
    pub(crate) groups: Vec<Option<EgressSnapshot>>,
}

/// What came of an [`Assignment`].
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// The last state of removed receiving halves.
    pub(crate) ingresses: Vec<(IngressId, IngressSnapshot)>,
    /// The last state of removed sending halves.
    pub(crate) egresses: Vec<(EgressId, EgressSnapshot)>,
    /// Whether something of it could not be done; the log has it.
    pub(crate) failed: bool,
}

/// A worker's counters.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Totals {
    /// Of the relay.
    pub(crate) relay: RelayStats,
    /// Of the sockets.
    pub(crate) io: IoCounters,
    /// Reports that control never got.
    pub(crate) reports_lost: u64,
}
