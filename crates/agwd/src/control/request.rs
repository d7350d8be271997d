//! What the tasks of the daemon ask of control.

use tokio::sync::oneshot;

use agw_context::{
    AdoptContexts, Capabilities, Command, CommandError, Confirmation, ContextId, ContextName,
    ContextView, Controller, Event, EventsGone, Policy, Refused, ReleaseCause, Reply,
};
use agw_relay::{EgressId, IngressId};

use super::load::LoadLimits;
use super::service::{Change, Ending, Told};
use super::supervision::Looked;
use crate::overload::Measured;
use crate::realms::Availability;
use crate::worker::{Applied, Seen, Totals};

/// A request with the place for its answer.
pub(crate) enum Request {
    /// Carry out a transaction.
    Transact {
        controller: Controller,
        commands: Vec<Command>,
        answer: oneshot::Sender<Result<Underway, Refused>>,
    },
    /// Tell contexts.
    Contexts { controller: Controller, which: Which, answer: oneshot::Sender<Vec<ContextView>> },
    /// Ask workers for the state of legs.
    Look { contexts: Vec<Legs>, answer: oneshot::Sender<Vec<Looking>> },
    /// Ask all workers for their counters.
    Count { answer: oneshot::Sender<Vec<oneshot::Receiver<Totals>>> },
    /// Tell capabilities.
    Capabilities { answer: oneshot::Sender<Capabilities> },
    /// Tell events after a number, or from now on.
    Events {
        controller: Controller,
        after: Option<u64>,
        limit: usize,
        answer: oneshot::Sender<Result<EventPage, EventsGone>>,
    },
    /// Take a controller's word on terminations; tell those that it may not speak for.
    Confirm {
        controller: Controller,
        words: Vec<Confirmation>,
        answer: oneshot::Sender<Vec<Confirmation>>,
    },
    /// Make a controller the owner of orphans.
    Adopt {
        controller: Controller,
        which: AdoptContexts,
        answer: oneshot::Sender<Result<Vec<ContextId>, CommandError>>,
    },
    /// Release those of the suspects whose time is up.
    Judge { suspects: Vec<Looked> },
    /// Release contexts on the gateway's own account; tells how many, and how to wait for that.
    ReleaseUnasked {
        contexts: Vec<ContextId>,
        cause: ReleaseCause,
        answer: oneshot::Sender<(usize, oneshot::Receiver<()>)>,
    },
    /// Tell the names of contexts after a number, so many at most.
    Names {
        controller: Controller,
        after: Option<ContextId>,
        limit: usize,
        answer: oneshot::Sender<Vec<ContextName>>,
    },
    /// Which addresses there are, or can be used, has changed.
    Availability(Availability),
    /// What is not about calls.
    Notice(Notice),
}

/// What is not about calls.
pub(crate) enum Notice {
    /// Change the state of service.
    Service { change: Change, answer: oneshot::Sender<Result<(), Ending>> },
    /// Put other limits and permissions in force.
    Reconfigure {
        policy: Box<Policy>,
        limits: LoadLimits,
        keys: String,
        answer: oneshot::Sender<()>,
    },
    /// Take note of what was measured.
    Measured { measured: Measured, answer: oneshot::Sender<()> },
    /// Tell an event.
    Tell { told: Box<Told>, answer: oneshot::Sender<()> },
}

/// Which contexts to tell.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Which {
    /// One.
    One(ContextId),
    /// Those after a number, so many at most.
    After(Option<ContextId>, usize),
}

/// A transaction that control has accepted and workers are carrying out.
pub(crate) struct Underway {
    /// The answers, true once the workers are done.
    pub(crate) replies: Vec<Reply>,
    /// For each answer the generation that its context is at then.
    pub(crate) generations: Vec<u64>,
    /// One for each context that changes.
    pub(crate) tasks: Vec<Task>,
}

/// What a worker has been given for a context.
pub(crate) struct Task {
    /// The context.
    pub(crate) context: ContextId,
    /// Whether the transaction created it.
    pub(crate) is_new: bool,
    /// Told when it is done.
    pub(crate) acknowledgement: oneshot::Receiver<Applied>,
}

/// The legs of a context.
#[derive(Debug)]
pub(crate) struct Legs {
    /// The context.
    pub(crate) context: ContextId,
    /// Its legs.
    pub(crate) legs: Vec<(IngressId, EgressId)>,
    /// The sending states of its groups.
    pub(crate) groups: Vec<EgressId>,
}

/// The state of a context's legs and groups, in the order asked for, once its worker has looked.
pub(crate) struct Looking(pub(crate) oneshot::Receiver<Seen>);

/// Some events.
#[derive(Debug)]
pub(crate) struct EventPage {
    /// Those that the controller may see.
    pub(crate) events: Vec<Event>,
    /// Where to go on.
    pub(crate) next: u64,
    /// Whether there are more at once.
    pub(crate) more: bool,
}
