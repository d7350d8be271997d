//! What the service needs of a gateway.

use std::future::Future;
use std::time::{Duration, SystemTime};

use agw_context::{
    AdoptContexts, Capabilities, Command, CommandError, Confirmation, ContextId, ContextName,
    ContextView, Controller, Event, GroupId, OverloadLevel, Priority, Refused, ReleasedGroup,
    ReleasedStream, Reply, Resource, ServiceState, StreamId, TerminationId,
};
use agw_relay::{EgressSnapshot, IngressSnapshot, RelayStats};
use thiserror::Error;
use tokio_stream::Stream;

/// The gateway behind the service.
pub trait Backend: Send + Sync + 'static {
    /// Events as they happen; the stream ends only with the gateway.
    type Events: Stream<Item = Result<Event, EventsError>> + Send + 'static;

    /// Whether a new context would have a chance now; asked before anything else is done for it, so
    /// that a refusal costs next to nothing. Must be cheap.
    ///
    /// # Errors
    /// What [`Backend::transact`] would refuse it for.
    fn admit(&self, _asked: &NewContexts<'_>) -> Result<(), CommandError> {
        Ok(())
    }

    /// Carries out all commands, or none.
    ///
    /// The call itself puts the transaction in line, so that transactions take effect in the order
    /// of the calls; the future only waits for the end. When it is ready with `Ok`, the packet path
    /// works by the commands already. Dropping the future does not take the transaction back.
    fn transact(
        &self,
        controller: Controller,
        commands: Vec<Command>,
    ) -> impl Future<Output = Result<Vec<Completed>, TransactError>> + Send + 'static;

    /// Tells contexts that the controller may see, in order of their numbers.
    fn audit(
        &self,
        controller: Controller,
        query: AuditQuery,
    ) -> impl Future<Output = Result<AuditPage, TransactError>> + Send;

    /// Tells what the gateway can do.
    fn capabilities(&self) -> impl Future<Output = Result<Capabilities, Unavailable>> + Send;

    /// Tells version, age, load and counters.
    fn status(&self) -> impl Future<Output = Result<GatewayStatus, Unavailable>> + Send;

    /// Tells events that the controller may see: those kept after number `after`, then new ones;
    /// without `after` new ones only.
    fn events(
        &self,
        controller: Controller,
        after: Option<u64>,
    ) -> impl Future<Output = Result<Self::Events, EventsError>> + Send;

    /// Takes the gateway out of service and back, and tells how many contexts that ended; asking
    /// for what is so already changes nothing.
    fn service_change(
        &self,
        controller: Controller,
        change: ServiceChange,
    ) -> impl Future<Output = Result<usize, ServiceChangeError>> + Send;

    /// Tells the names of contexts that the controller may see, those after a number, in order, at
    /// most `limit`; fewer only if there are no more.
    fn names(
        &self,
        controller: Controller,
        after: Option<ContextId>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<ContextName>, Unavailable>> + Send;

    /// Takes a controller's word on terminations; tells those that it may not speak for.
    fn confirm(
        &self,
        controller: Controller,
        words: Vec<Confirmation>,
    ) -> impl Future<Output = Result<Vec<Confirmation>, Unavailable>> + Send;

    /// Makes a controller the owner of contexts without one; tells which are its now.
    fn adopt(
        &self,
        controller: Controller,
        which: AdoptContexts,
    ) -> impl Future<Output = Result<Vec<ContextId>, TransactError>> + Send;

    /// What runs.
    fn build(&self) -> Build;

    /// The gateway's condition, for every reply: must be cheap.
    fn condition(&self) -> Condition;
}

/// What runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Build {
    /// Its version.
    pub version: &'static str,
    /// The commit that it was built from; empty if that was not told at the build.
    pub commit: &'static str,
}

/// Contexts that a request asks for, before it is read.
#[derive(Debug, Clone)]
pub struct NewContexts<'a> {
    /// Who asks.
    pub controller: &'a Controller,
    /// The lowest precedence among them.
    pub priority: Priority,
    /// Their realms as named, which is not at all for the default one.
    pub realms: Vec<&'a str>,
}

/// One command that was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completed {
    /// Its answer.
    pub reply: Reply,
    /// The generation that its context is at now; 0 if the context has ended.
    pub generation: u64,
    /// The last statistics of the streams that it released; a stream may be missing here.
    pub statistics: Vec<(ReleasedStream, IngressSnapshot, EgressSnapshot)>,
    /// The last statistics of the groups that it ended; a group may be missing here.
    pub groups: Vec<(ReleasedGroup, EgressSnapshot)>,
}

/// Why a transaction or an audit has no answer.
#[derive(Debug, Error)]
pub enum TransactError {
    /// The gateway refused it and changed nothing.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The gateway accepted it and could not carry it out.
    #[error("the packet path could not carry it out; released: {}", numbers(released))]
    Failed {
        /// The contexts that do not exist any more: those that were to change, and those that the
        /// transaction created.
        released: Vec<ContextId>,
    },
    /// The gateway cannot answer now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Contexts as a list.
pub(crate) fn numbers(contexts: &[ContextId]) -> String {
    contexts.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// The gateway stops, or is too busy to take the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the gateway cannot answer now")]
pub struct Unavailable;

/// Why events cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EventsError {
    /// Events after the one asked for are not kept any more, or the subscriber fell behind.
    #[error("events before number {oldest} are gone")]
    Gone {
        /// The first event that is still kept.
        oldest: u64,
    },
    /// The controller has as many subscriptions as it may have.
    #[error("no {what} left")]
    Exhausted {
        /// What ran out.
        what: Resource,
    },
    /// The gateway cannot answer now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Which contexts to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditQuery {
    /// Only this one; if it does not exist, the audit is refused.
    pub context: Option<ContextId>,
    /// Only those with this correlation.
    pub correlation: Option<String>,
    /// Only those with higher numbers.
    pub after: Option<ContextId>,
    /// At most so many, 1 to 1,000.
    pub limit: usize,
    /// Whether to tell counters.
    pub statistics: bool,
}

/// Some contexts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditPage {
    /// The contexts, in order of their numbers.
    pub contexts: Vec<AuditedContext>,
    /// Whether more follow.
    pub more: bool,
}

/// A context with the counters of its streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditedContext {
    /// The context.
    pub view: ContextView,
    /// Counters by stream, if they were asked for; a stream may be missing here.
    pub statistics: Vec<(TerminationId, StreamId, IngressSnapshot, EgressSnapshot)>,
    /// Counters by group, if they were asked for; a group may be missing here.
    pub groups: Vec<(GroupId, EgressSnapshot)>,
}

/// How to take the gateway out of service (H.248.1 §7.2.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceChangeMethod {
    /// No new contexts; those that exist go on until they are released.
    Graceful,
    /// No new contexts; those that exist are released.
    Forced,
    /// Back in service.
    Restart,
}

/// A change of service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceChange {
    /// How.
    pub method: ServiceChangeMethod,
    /// The operator's words.
    pub reason: Option<String>,
}

/// Why service was not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ServiceChangeError {
    /// The process is about to end: there is no way back.
    #[error("the gateway is ending")]
    Ending,
    /// The gateway cannot answer now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The gateway's condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Condition {
    /// Load: 0 is idle, 100 is no more calls.
    pub overload_percent: u8,
    /// The level of that load.
    pub overload_level: OverloadLevel,
    /// What is used most.
    pub overload_limit: Option<Resource>,
    /// A number that is new at every start.
    pub restart_epoch: u64,
    /// Whether the gateway takes new contexts.
    pub service: ServiceState,
}

impl Condition {
    /// Whether the gateway takes no new contexts.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.service != ServiceState::InService
    }
}

/// The gateway as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayStatus {
    /// Its version.
    pub version: String,
    /// The name of what opens and seals packets.
    pub engine: String,
    /// When it started, by the wall clock.
    pub started: SystemTime,
    /// How long it has run.
    pub uptime: Duration,
    /// Contexts now, of all controllers.
    pub contexts: usize,
    /// Of these, contexts without a controller.
    pub orphans: usize,
    /// Counters of all workers.
    pub totals: WorkerTotals,
    /// Counters of each worker, from worker 0.
    pub workers: Vec<WorkerTotals>,
}

/// Counters of one worker, or of all together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkerTotals {
    /// What the relay counted.
    pub relay: RelayStats,
    /// Packets that the kernel refused to send, by class of error, in the words of the metric.
    pub send_errors: Vec<(&'static str, u64)>,
    /// Datagrams that the kernel dropped because a receive queue was full.
    pub kernel_drops: u64,
}
