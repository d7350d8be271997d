//! The gateway as the Iq service sees it.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Instant, SystemTime};

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use agw_context::{
    AdoptContexts, Capabilities, Command, CommandError, Confirmation, ContextId, ContextName,
    ContextView, Controller, Event, Refused, ReleaseCause, Resource, StreamView, TerminationView,
};
use agw_iq::Backend;
use agw_iq::backend::{
    AuditPage, AuditQuery, AuditedContext, Build, Completed, Condition, EventsError, GatewayStatus,
    NewContexts, ServiceChange, ServiceChangeError, TransactError, Unavailable, WorkerTotals,
};
use agw_relay::RelayStats;

use crate::alg::Belongings;
use crate::control::{ControlClient, EventPage, Legs, Looking, Stopped, Task, Underway, Which};
use crate::last::Last;
use crate::metrics::Metrics;
use crate::service_change;
use crate::subscriptions::Subscriptions;
use crate::worker::{Applied, Seen, Totals};

/// Contexts that are looked at together, so that an audit does not hold up calls.
const AUDIT_CHUNK: usize = 128;
/// Events on the way to one subscriber.
const EVENT_CHUNK: usize = 256;

/// The gateway behind the service.
pub(crate) struct Gateway {
    control: ControlClient,
    metrics: Metrics,
    /// The name of what opens and seals packets.
    engine: &'static str,
    subscriptions: Subscriptions,
    /// What the IMS-ALG has beside contexts, which goes with them.
    belongings: Belongings,
    started: Instant,
    started_at: SystemTime,
}

impl Gateway {
    pub(crate) fn new(
        control: ControlClient,
        metrics: Metrics,
        engine: &'static str,
        subscriptions: Subscriptions,
        belongings: Belongings,
    ) -> Self {
        let (started, started_at) = (Instant::now(), SystemTime::now());
        Self { control, metrics, engine, subscriptions, belongings, started, started_at }
    }

    /// The contexts that a query asks for, one more than its limit if there are more.
    async fn find(
        &self,
        controller: &Controller,
        query: &AuditQuery,
    ) -> Result<Vec<ContextView>, TransactError> {
        if let Some(id) = query.context {
            let which = Which::One(id);
            let found = self.control.contexts(controller.clone(), which).await?;
            if found.is_empty() {
                let error = CommandError::UnknownContext(id);
                return Err(Refused { command: 0, error }.into());
            }
            return Ok(found);
        }
        let (mut found, mut after) = (Vec::new(), query.after);
        while found.len() <= query.limit {
            let which = Which::After(after, AUDIT_CHUNK);
            let chunk = self.control.contexts(controller.clone(), which).await?;
            after = chunk.last().map(|view| view.id);
            let is_last = chunk.len() < AUDIT_CHUNK;
            let wanted = |view: &ContextView| {
                query.correlation.is_none()
                    || view.correlation.as_deref() == query.correlation.as_deref()
            };
            found.extend(chunk.into_iter().filter(wanted));
            if is_last {
                break;
            }
        }
        Ok(found)
    }

    async fn add_statistics(&self, contexts: &mut [AuditedContext]) -> Result<(), Unavailable> {
        let asked = contexts.iter().map(|audited| Legs {
            context: audited.view.id,
            legs: streams(&audited.view)
                .map(|(_, stream)| (stream.ingress, stream.egress))
                .collect(),
            groups: audited.view.groups.iter().map(|group| group.egress).collect(),
        });
        let looking = self.control.look(asked.collect()).await?;
        for (audited, Looking(seen)) in contexts.iter_mut().zip(looking) {
            let Seen { legs, groups } = seen.await.map_err(|_closed| Unavailable)?;
            let found =
                streams(&audited.view).zip(legs).filter_map(|((termination, stream), leg)| {
                    let (ingress, egress) = leg?;
                    Some((termination.id, stream.id, ingress, egress))
                });
            audited.statistics = found.collect();
            let groups = audited.view.groups.iter().zip(groups);
            audited.groups = groups.filter_map(|(group, seen)| Some((group.id, seen?))).collect();
        }
        Ok(())
    }
}

impl Backend for Gateway {
    type Events = ReceiverStream<Result<Event, EventsError>>;

    fn admit(&self, asked: &NewContexts<'_>) -> Result<(), CommandError> {
        self.control.admit(asked).inspect_err(|error| self.metrics.shed(error))
    }

    fn transact(
        &self,
        controller: Controller,
        commands: Vec<Command>,
    ) -> impl Future<Output = Result<Vec<Completed>, TransactError>> + Send + 'static {
        let decided = self.control.transact(controller, commands);
        let (metrics, begun) = (self.metrics.clone(), Instant::now());
        let control = self.control.clone();
        async move {
            let result = match decided.await {
                Ok(Ok(underway)) => complete(underway, &control).await,
                Ok(Err(refused)) => Err(refused.into()),
                Err(stopped) => Err(Unavailable::from(stopped).into()),
            };
            metrics.transaction(&result, begun.elapsed());
            result
        }
    }

    async fn audit(
        &self,
        controller: Controller,
        query: AuditQuery,
    ) -> Result<AuditPage, TransactError> {
        let mut found = self.find(&controller, &query).await?;
        let more = found.len() > query.limit;
        found.truncate(query.limit);
        let mut contexts: Vec<_> = found
            .into_iter()
            .map(|view| AuditedContext { view, statistics: Vec::new(), groups: Vec::new() })
            .collect();
        if query.statistics {
            self.add_statistics(&mut contexts).await?;
        }
        Ok(AuditPage { contexts, more })
    }

    async fn capabilities(&self) -> Result<Capabilities, Unavailable> {
        Ok(self.control.capabilities().await?)
    }

    fn build(&self) -> Build {
        Build {
            version: env!("CARGO_PKG_VERSION"),
            commit: option_env!("AGW_COMMIT").unwrap_or_default(),
        }
    }

    async fn status(&self) -> Result<GatewayStatus, Unavailable> {
        let workers = self.control.count().await?;
        Ok(GatewayStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            engine: self.engine.to_owned(),
            started: self.started_at,
            uptime: self.started.elapsed(),
            contexts: self.control.overview().contexts,
            orphans: self.control.overview().orphans,
            totals: worker_totals(&workers),
            workers: workers
                .iter()
                .map(|totals| worker_totals(std::slice::from_ref(totals)))
                .collect(),
        })
    }

    async fn events(
        &self,
        controller: Controller,
        after: Option<u64>,
    ) -> Result<Self::Events, EventsError> {
        let control = self.control.clone();
        let what = Resource::Subscriptions;
        let subscription =
            self.subscriptions.open(&controller).ok_or(EventsError::Exhausted { what })?;
        let first = page(&control, &controller, after).await?;
        let (sender, receiver) = mpsc::channel(EVENT_CHUNK);
        tokio::spawn(async move {
            // The subscriber has gone, which ends the stream as well.
            let _ = follow(control, controller, first, sender).await;
            drop(subscription);
        });
        Ok(ReceiverStream::new(receiver))
    }

    async fn service_change(
        &self,
        _controller: Controller,
        change: ServiceChange,
    ) -> Result<usize, ServiceChangeError> {
        service_change::change(self.control.clone(), change).await
    }

    async fn names(
        &self,
        controller: Controller,
        after: Option<ContextId>,
        limit: usize,
    ) -> Result<Vec<ContextName>, Unavailable> {
        Ok(self.control.names(controller, after, limit).await?)
    }

    async fn confirm(
        &self,
        controller: Controller,
        words: Vec<Confirmation>,
    ) -> Result<Vec<Confirmation>, Unavailable> {
        Ok(self.control.confirm(controller, words).await?)
    }

    async fn adopt(
        &self,
        controller: Controller,
        which: AdoptContexts,
    ) -> Result<Vec<ContextId>, TransactError> {
        let from = match &which {
            AdoptContexts::OrphansOf(from) => Some(from.clone()),
            AdoptContexts::These(_) => None,
        };
        let adopted = self.control.adopt(controller.clone(), which).await?;
        let adopted = adopted.map_err(|error| Refused { command: 0, error })?;
        // Carried through, whether or not the new controller waits for it.
        let (belongings, moved) = (self.belongings.clone(), adopted.clone());
        let metrics = self.metrics.clone();
        let moving = tokio::spawn(async move {
            belongings.adopt(&moved, from.as_ref(), &controller, &metrics).await;
        });
        moving.await.map_err(|_panicked| Unavailable)?;
        Ok(adopted)
    }

    fn condition(&self) -> Condition {
        self.control.overview().condition
    }
}

impl From<Stopped> for Unavailable {
    fn from(Stopped: Stopped) -> Self {
        Self
    }
}

impl From<Stopped> for TransactError {
    fn from(stopped: Stopped) -> Self {
        Self::Unavailable(stopped.into())
    }
}

/// Waits for the workers and adds the last statistics to what was released.
///
/// If a worker could not do something, its contexts are released, and those that the transaction
/// created: the controller is told once and for all, and a retry acts on nothing.
pub(crate) async fn complete(
    underway: Underway,
    control: &ControlClient,
) -> Result<Vec<Completed>, TransactError> {
    let mut last = Last::default();
    let (mut failed, mut added) = (Vec::new(), Vec::new());
    for Task { context, is_new, acknowledgement } in underway.tasks {
        let applied: Applied = acknowledgement.await.map_err(|_closed| Unavailable)?;
        if applied.failed {
            failed.push(context);
        } else if is_new {
            added.push(context);
        }
        last.add(applied);
    }
    if !failed.is_empty() {
        failed.extend(added);
        //= tests/spec/iq.md#acknowledgement
        //# What the packet path could not carry out MUST be released, and told as failed for good.
        control.release_unasked(failed.clone(), ReleaseCause::Failed).await?;
        return Err(TransactError::Failed { released: failed });
    }
    let replies = underway.replies.into_iter().zip(underway.generations);
    let completed = replies.map(|(reply, generation)| {
        let statistics = last.take(reply.released());
        let groups = last.take_groups(reply.released_groups());
        Completed { reply, generation, statistics, groups }
    });
    Ok(completed.collect())
}

/// Why a subscription ended: its subscriber has gone.
struct Gone;

/// Tells events as they come, until the subscriber or control ends.
async fn follow(
    control: ControlClient,
    controller: Controller,
    first: EventPage,
    sender: mpsc::Sender<Result<Event, EventsError>>,
) -> Result<(), Gone> {
    let mut overview = control.watch();
    let EventPage { mut events, mut next, mut more } = first;
    loop {
        for event in events {
            sender.send(Ok(event)).await.map_err(|_closed| Gone)?;
        }
        if !more {
            tokio::select! {
                () = sender.closed() => return Err(Gone),
                changed = overview.wait_for(|seen| seen.newest_event > next) => {
                    changed.map_err(|_closed| Gone)?;
                }
            }
        }
        match page(&control, &controller, Some(next)).await {
            Ok(page) => EventPage { events, next, more } = page,
            Err(error) => {
                let _ = sender.send(Err(error)).await;
                return Err(Gone);
            }
        }
    }
}

async fn page(
    control: &ControlClient,
    controller: &Controller,
    after: Option<u64>,
) -> Result<EventPage, EventsError> {
    match control.events(controller.clone(), after, EVENT_CHUNK).await {
        Ok(Ok(page)) => Ok(page),
        Ok(Err(gone)) => Err(EventsError::Gone { oldest: gone.oldest }),
        Err(stopped) => Err(Unavailable::from(stopped).into()),
    }
}

/// Every stream of a context, in order.
fn streams(view: &ContextView) -> impl Iterator<Item = (&TerminationView, &StreamView)> {
    view.terminations
        .iter()
        .flat_map(|termination| termination.streams.iter().map(move |stream| (termination, stream)))
}

/// The sum of some workers' counters, in the words of the API.
fn worker_totals(workers: &[Totals]) -> WorkerTotals {
    let mut relay = RelayStats::default();
    let mut send_errors: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut kernel_drops = 0;
    for worker in workers {
        relay += worker.relay;
        for (class, count) in worker.io.send_errors.iter().filter(|&(_, count)| count > 0) {
            *send_errors.entry(class.name()).or_default() += count;
        }
        kernel_drops += worker.io.kernel_dropped;
    }
    WorkerTotals { relay, send_errors: send_errors.into_iter().collect(), kernel_drops }
}
