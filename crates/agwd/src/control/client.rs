//! How the daemon's tasks ask control.

use std::future::Future;
use std::sync::Arc;

use arc_swap::ArcSwap;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};

use agw_context::{
    AdoptContexts, Capabilities, Command, CommandError, Confirmation, ContextId, ContextName,
    ContextView, Controller, EventsGone, Policy, Refused, ReleaseCause, ServiceState,
};
use agw_iq::backend::NewContexts;

use super::Overview;
use super::gate::Gate;
use super::load::LoadLimits;
use super::request::{EventPage, Legs, Looking, Notice, Request, Underway, Which};
use super::service::{Change, Ending, Told};
use crate::overload::Measured;
use crate::realms::Availability;
use crate::worker::Totals;

/// Asks control; clones ask the same one.
#[derive(Clone)]
pub(crate) struct ControlClient {
    requests: mpsc::Sender<Request>,
    overview: watch::Receiver<Overview>,
    gate: Arc<ArcSwap<Gate>>,
    /// The names of the realms, in the order of configuration.
    realms: Arc<[String]>,
}

/// Control has ended, or has more requests in line than it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("control does not answer")]
pub(crate) struct Stopped;

impl ControlClient {
    pub(super) const fn new(
        requests: mpsc::Sender<Request>,
        overview: watch::Receiver<Overview>,
        gate: Arc<ArcSwap<Gate>>,
        realms: Arc<[String]>,
    ) -> Self {
        Self { requests, overview, gate, realms }
    }

    /// What is known without asking.
    pub(crate) fn overview(&self) -> Overview {
        *self.overview.borrow()
    }

    /// What is known without asking, as it changes.
    pub(crate) fn watch(&self) -> watch::Receiver<Overview> {
        self.overview.clone()
    }

    /// Refuses a new call that would have no chance, without asking control.
    pub(crate) fn admit(&self, asked: &NewContexts<'_>) -> Result<(), CommandError> {
        let waiting = self.requests.max_capacity() - self.requests.capacity();
        self.gate.load().admit(asked, &self.realms, waiting)
    }

    /// Puts a transaction in line at once; the future waits for control's decision.
    pub(crate) fn transact(
        &self,
        controller: Controller,
        commands: Vec<Command>,
    ) -> impl Future<Output = Result<Result<Underway, Refused>, Stopped>> + Send + use<> {
        let (answer, decided) = oneshot::channel();
        let request = Request::Transact { controller, commands, answer };
        let in_line = self.requests.try_send(request).map_err(|_full_or_closed| Stopped);
        async move {
            in_line?;
            decided.await.map_err(|_closed| Stopped)
        }
    }

    /// Tells which addresses there are and can be used; to be called from a thread that may wait.
    pub(crate) fn tell_availability(&self, found: Availability) -> Result<(), Stopped> {
        self.requests.blocking_send(Request::Availability(found)).map_err(|_closed| Stopped)
    }

    /// Tells contexts that the controller may see.
    pub(crate) async fn contexts(
        &self,
        controller: Controller,
        which: Which,
    ) -> Result<Vec<ContextView>, Stopped> {
        self.ask(|answer| Request::Contexts { controller, which, answer }).await
    }

    /// Asks the workers for the state of legs.
    pub(crate) async fn look(&self, contexts: Vec<Legs>) -> Result<Vec<Looking>, Stopped> {
        self.ask(|answer| Request::Look { contexts, answer }).await
    }

    /// The counters of every worker, from worker 0.
    pub(crate) async fn count(&self) -> Result<Vec<Totals>, Stopped> {
        let counts = self.ask(|answer| Request::Count { answer }).await?;
        let mut totals = Vec::with_capacity(counts.len());
        for count in counts {
            totals.push(count.await.map_err(|_closed| Stopped)?);
        }
        Ok(totals)
    }

    /// Tells capabilities.
    pub(crate) async fn capabilities(&self) -> Result<Capabilities, Stopped> {
        self.ask(|answer| Request::Capabilities { answer }).await
    }

    /// Tells events after a number, or where "now" is.
    pub(crate) async fn events(
        &self,
        controller: Controller,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Result<EventPage, EventsGone>, Stopped> {
        self.ask(|answer| Request::Events { controller, after, limit, answer }).await
    }

    /// Takes a controller's word on terminations; tells those that it may not speak for.
    pub(crate) async fn confirm(
        &self,
        controller: Controller,
        words: Vec<Confirmation>,
    ) -> Result<Vec<Confirmation>, Stopped> {
        self.ask(|answer| Request::Confirm { controller, words, answer }).await
    }

    /// Makes a controller the owner of orphans; tells which contexts are its now.
    pub(crate) async fn adopt(
        &self,
        controller: Controller,
        which: AdoptContexts,
    ) -> Result<Result<Vec<ContextId>, CommandError>, Stopped> {
        self.ask(|answer| Request::Adopt { controller, which, answer }).await
    }

    /// Releases those of the contexts that exist on the gateway's own account, and waits until
    /// they are gone and told; tells how many those are.
    pub(crate) async fn release_unasked(
        &self,
        contexts: Vec<ContextId>,
        cause: ReleaseCause,
    ) -> Result<usize, Stopped> {
        let ask = |answer| Request::ReleaseUnasked { contexts, cause, answer };
        let (released, gone) = self.ask(ask).await?;
        gone.await.map_err(|_closed| Stopped)?;
        Ok(released)
    }

    /// Takes no new contexts from now on, for the process is about to end.
    pub(crate) async fn drain(&self) -> Result<(), Stopped> {
        let change = Change { state: ServiceState::Draining, reason: None, ending: true };
        self.change_service(change).await.map(drop)
    }

    /// Changes the state of service.
    pub(crate) async fn change_service(
        &self,
        change: Change,
    ) -> Result<Result<(), Ending>, Stopped> {
        self.ask(|answer| Request::Notice(Notice::Service { change, answer })).await
    }

    /// Tells the names of contexts that the controller may see.
    pub(crate) async fn names(
        &self,
        controller: Controller,
        after: Option<ContextId>,
        limit: usize,
    ) -> Result<Vec<ContextName>, Stopped> {
        self.ask(|answer| Request::Names { controller, after, limit, answer }).await
    }

    /// Puts other limits and permissions in force; `keys` are what has changed.
    pub(crate) async fn reconfigure(
        &self,
        policy: Policy,
        limits: LoadLimits,
        keys: String,
    ) -> Result<(), Stopped> {
        let policy = Box::new(policy);
        self.ask(|answer| Request::Notice(Notice::Reconfigure { policy, limits, keys, answer }))
            .await
    }

    /// Tells control what was measured.
    pub(crate) async fn measured(&self, measured: Measured) -> Result<(), Stopped> {
        self.ask(|answer| Request::Notice(Notice::Measured { measured, answer })).await
    }

    /// Tells an event that did not happen in the control model.
    pub(crate) async fn tell(&self, told: Told) -> Result<(), Stopped> {
        let told = Box::new(told);
        self.ask(|answer| Request::Notice(Notice::Tell { told, answer })).await
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> Request,
    ) -> Result<T, Stopped> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(request(answer)).await.map_err(|_closed| Stopped)?;
        answered.await.map_err(|_closed| Stopped)
    }
}
