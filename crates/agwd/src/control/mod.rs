//! One task owns the control model; everyone else asks it.
//!
//! A transaction is decided here and given to the workers in one step, so the order of decisions
//! is the order in force. Waiting for the workers' acknowledgements is left to who asked, so that
//! one transaction does not hold up the next. Requests that are in line together are answered
//! together: their workers are woken once, and everyone is told once how the gateway stands.

mod client;
mod gate;
mod load;
#[cfg(test)]
mod memory;
mod owners;
mod ports;
mod request;
mod service;
mod supervision;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use rand::RngExt;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::yield_now;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use agw_context::{
    Circumstances, Command, ContextId, Controller, EventsGone, Gateway, Outcome, Refused, Work,
};
use agw_iq::backend::Condition;
use agw_net::MediaPort;
use agw_relay::Report;

use crate::overload::Measured;
use crate::presence::Presence;
use crate::realms::Availability;
use crate::refusal_log::RefusalLog;
use crate::worker::{Applied, Assignment, Order, WorkerHandle};
pub(crate) use client::{ControlClient, Stopped};
pub(crate) use load::LoadLimits;
pub(crate) use ports::MediaPorts;
use request::Notice;
pub(crate) use request::{EventPage, Legs, Looking, Request, Task, Underway, Which};
pub(crate) use service::{Change, Told};
pub(crate) use supervision::Released;

use gate::Gate;
use load::Load;
use owners::Owners;
use supervision::until;

/// Requests that may wait; new calls are refused long before, so that changes and releases of those
/// there are find room.
const REQUESTS: usize = 4_096;
/// Requests that are answered together: few enough that workers do not wait for their orders.
const TOGETHER: usize = 16;
/// How often the load is looked at.
const LOAD_EVERY: Duration = Duration::from_secs(1);

/// What everyone may know of the gateway without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Overview {
    /// For every reply.
    pub(crate) condition: Condition,
    /// Contexts now.
    pub(crate) contexts: usize,
    /// The newest event.
    pub(crate) newest_event: u64,
    /// Media ports that have a socket.
    pub(crate) ports_open: usize,
    /// Whether a realm has no port left to give out.
    pub(crate) out_of_ports: bool,
    /// Contexts without a controller.
    pub(crate) orphans: usize,
    /// What the gateway has released on its own account.
    pub(crate) released: Released,
}

/// What control works with.
pub(crate) struct Surroundings {
    /// Where ports come from.
    pub(crate) ports: MediaPorts,
    /// The workers, from worker 0.
    pub(crate) workers: Vec<WorkerHandle<MediaPort>>,
    /// What they report.
    pub(crate) reports: mpsc::Receiver<Report>,
    /// Who has a connection.
    pub(crate) presence: Presence,
}

/// A transaction that was decided, and who asked for it.
struct Decided {
    outcome: Result<Underway, Refused>,
    answer: oneshot::Sender<Result<Underway, Refused>>,
}

/// The owner of the control model.
pub(crate) struct Control {
    gateway: Gateway,
    ports: MediaPorts,
    workers: Vec<WorkerHandle<MediaPort>>,
    owners: Owners,
    requests: mpsc::Receiver<Request>,
    reports: mpsc::Receiver<Report>,
    presence: Presence,
    /// For what is to come back to control; it does not keep control running.
    own: mpsc::WeakSender<Request>,
    released: Released,
    overview: watch::Sender<Overview>,
    restart_epoch: u64,
    gate: Arc<ArcSwap<Gate>>,
    limits: LoadLimits,
    /// Refusals that are told in the log.
    refusals: RefusalLog,
    measured: Measured,
    load: Load,
    /// Whether the process ends when the contexts have.
    ending: bool,
    out_of_ports: bool,
}

impl Control {
    /// Control over a gateway, and the way to ask it.
    pub(crate) fn new(
        gateway: Gateway,
        around: Surroundings,
        event_capacity: usize,
        limits: LoadLimits,
    ) -> (Self, ControlClient) {
        let Surroundings { ports, workers, reports, presence } = around;
        let (sender, requests) = mpsc::channel(REQUESTS);
        let (overview, seen) = watch::channel(Overview::default());
        let capabilities = gateway.capabilities(Instant::now());
        let realms = capabilities.realms.into_iter().map(|realm| realm.name).collect();
        let gate = Arc::new(ArcSwap::from_pointee(Gate::default()));
        let mut control = Self {
            restart_epoch: capabilities.restart_epoch,
            gate: Arc::clone(&gate),
            limits,
            refusals: RefusalLog::new(Instant::now()),
            measured: Measured::default(),
            load: Load::default(),
            ending: false,
            gateway,
            ports,
            workers,
            owners: Owners::new(event_capacity),
            requests,
            reports,
            presence,
            own: sender.downgrade(),
            released: Released::default(),
            overview,
            out_of_ports: false,
        };
        control.announce_start();
        control.publish();
        (control, ControlClient::new(sender, seen, gate, realms))
    }

    /// Answers until `stop`; workers end with it and wipe their keys.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut load = interval(LOAD_EVERY);
        load.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut requests = Vec::with_capacity(TOGETHER);
        let mut decided = Vec::with_capacity(TOGETHER);
        loop {
            let due = self.gateway.poll_timeout();
            let activation = self.gateway.poll_activation();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = load.tick() => {
                    self.gateway.tell_churn(Instant::now(), SystemTime::now());
                    self.look_who_is_there();
                }
                () = self.presence.changed() => self.look_who_is_there(),
                () = until(due) => self.supervise().await,
                () = until(activation) => self.activate().await,
                Some(report) = self.reports.recv() => {
                    self.gateway.handle_report(report, SystemTime::now());
                    self.owners.note(&self.gateway, None);
                }
                count = self.requests.recv_many(&mut requests, TOGETHER) => {
                    if count == 0 {
                        break;
                    }
                    self.gather(&mut requests).await;
                    for request in requests.drain(..) {
                        decided.extend(self.answer(request).await);
                    }
                    self.workers.iter_mut().for_each(WorkerHandle::wake);
                }
            }
            self.publish();
            // Whoever asked may have gone: answers to nobody are dropped.
            decided.drain(..).for_each(|Decided { outcome, answer }| drop(answer.send(outcome)));
        }
        let contexts = self.gateway.context_count();
        info!(contexts, "control ends; contexts that are left end with it");
    }

    /// Lets everybody who is ready get in line as well, once: requests that come from tasks of their
    /// own would wake their worker one by one otherwise, and nobody would gain by it.
    async fn gather(&mut self, requests: &mut Vec<Request>) {
        if requests.len() < TOGETHER {
            yield_now().await;
        }
        while requests.len() < TOGETHER
            && let Ok(request) = self.requests.try_recv()
        {
            requests.push(request);
        }
    }

    /// Answers, except for a transaction: that is told when everyone knows what it has changed.
    ///
    /// Whoever asked may have gone: answers to nobody are dropped.
    async fn answer(&mut self, request: Request) -> Option<Decided> {
        match request {
            Request::Transact { controller, commands, answer } => {
                let outcome = self.transact(&controller, commands).await;
                return Some(Decided { outcome, answer });
            }
            Request::Contexts { controller, which, answer } => {
                let contexts = match which {
                    Which::One(id) => self.gateway.context(&controller, id).into_iter().collect(),
                    Which::After(after, limit) => self.gateway.contexts(&controller, after, limit),
                };
                let _ = answer.send(contexts);
            }
            Request::Look { contexts, answer } => {
                let _ = answer.send(self.look(contexts).await);
            }
            Request::Count { answer } => {
                let mut counts = Vec::with_capacity(self.workers.len());
                for worker in &mut self.workers {
                    let (sender, receiver) = oneshot::channel();
                    worker.give(Order::Count { answer: sender }).await;
                    counts.push(receiver);
                }
                let _ = answer.send(counts);
            }
            Request::Capabilities { answer } => {
                let _ = answer.send(self.gateway.capabilities(Instant::now()));
            }
            Request::Events { controller, after, limit, answer } => {
                let _ = answer.send(self.events(&controller, after, limit));
            }
            Request::Confirm { controller, words, answer } => {
                let _ = answer.send(self.confirm(&controller, &words).await);
            }
            Request::Adopt { controller, which, answer } => {
                let _ = answer.send(self.adopt(&controller, which));
            }
            Request::Judge { suspects } => self.judge(&suspects).await,
            Request::ReleaseUnasked { contexts, cause, answer } => {
                let _ = answer.send(self.release_unasked(&contexts, cause).await);
            }
            Request::Names { controller, after, limit, answer } => {
                let _ = answer.send(self.gateway.names(&controller, after, limit));
            }
            Request::Availability(Availability { up, local }) => {
                self.gateway.handle_availability(&up, SystemTime::now());
                self.gateway.handle_local_addresses(local);
                self.owners.note(&self.gateway, None);
            }
            Request::Notice(notice) => self.take_notice(notice),
        }
        None
    }

    /// Answers what is not about calls.
    fn take_notice(&mut self, notice: Notice) {
        match notice {
            Notice::Service { change, answer } => {
                let changed = self.change_service(change);
                self.publish();
                let _ = answer.send(changed);
            }
            Notice::Reconfigure { policy, limits, keys, answer } => {
                self.reconfigure(*policy, limits, &keys);
                let _ = answer.send(());
            }
            Notice::Measured { measured, answer } => {
                self.measured = measured;
                let _ = answer.send(());
            }
            Notice::Tell { told, answer } => {
                self.tell(*told);
                let _ = answer.send(());
            }
        }
    }

    async fn transact(
        &mut self,
        controller: &Controller,
        commands: Vec<Command>,
    ) -> Result<Underway, Refused> {
        let outcome = self.decide(controller, commands);
        self.owners.note(&self.gateway, Some(controller));
        let outcome = outcome.inspect_err(|refused| {
            self.ports.discard_opened();
            let (controller, reason) = (&controller.0, refused.error.reason().name());
            if let Some(left_out) = self.refusals.line(Instant::now()) {
                info!(controller, reason, error = %refused, left_out, "transaction refused");
            }
        })?;
        let Outcome { replies, generations, work } = outcome;
        let mut tasks = Vec::with_capacity(work.len());
        for work in work {
            let (context, is_new, steps) = (work.context, work.is_new, work.steps.len());
            debug!(%context, controller = controller.0, steps, "context changes");
            tasks.push(Task { context, is_new, acknowledgement: self.assign(work).await });
        }
        self.ports.discard_opened();
        Ok(Underway { replies, generations, tasks })
    }

    /// Puts keys in force whose time has come.
    async fn activate(&mut self) {
        let work = self.gateway.handle_activations(Instant::now(), SystemTime::now());
        self.owners.note(&self.gateway, None);
        for work in work {
            // Nobody waits for it: the event has told.
            drop(self.assign(work).await);
        }
        self.workers.iter_mut().for_each(WorkerHandle::wake);
    }

    fn decide(
        &mut self,
        controller: &Controller,
        commands: Vec<Command>,
    ) -> Result<Outcome, Refused> {
        self.act(controller, |gateway, around| gateway.transact(commands, around))
    }

    /// Has the gateway do something on behalf of a controller.
    fn act<T>(
        &mut self,
        controller: &Controller,
        act: impl FnOnce(&mut Gateway, &mut Circumstances<'_>) -> T,
    ) -> T {
        let now = Instant::now();
        self.ports.begin(now);
        let mut random = rand::rng();
        let mut circumstances = Circumstances {
            controller,
            ports: &mut self.ports,
            random: &mut |below| random.random_range(0..below.max(1)),
            now,
            at: SystemTime::now(),
        };
        act(&mut self.gateway, &mut circumstances)
    }

    /// Gives a context's work to its worker.
    async fn assign(&mut self, work: Work) -> oneshot::Receiver<Applied> {
        let Work { context, is_new: _, steps, closed } = work;
        let (done, acknowledgement) = oneshot::channel();
        let added = self.ports.take_opened(context);
        for &port in &closed {
            self.ports.forget(port);
        }
        if let Some(worker) = self.worker_of(context) {
            let assignment = Assignment { context, added, steps, closed, done };
            worker.give(Order::Apply(assignment)).await;
        }
        acknowledgement
    }

    /// All of a context is on one worker, so that its two directions see each other.
    fn worker_of(&mut self, context: ContextId) -> Option<&mut WorkerHandle<MediaPort>> {
        let count = self.workers.len().max(1);
        self.workers.get_mut(context.0 as usize % count)
    }

    async fn look(&mut self, contexts: Vec<Legs>) -> Vec<Looking> {
        let mut looking = Vec::with_capacity(contexts.len());
        for Legs { context, legs, groups } in contexts {
            let (answer, receiver) = oneshot::channel();
            if let Some(worker) = self.worker_of(context) {
                worker.give(Order::Look { legs, groups, answer }).await;
            }
            looking.push(Looking(receiver));
        }
        looking
    }

    fn events(
        &self,
        controller: &Controller,
        after: Option<u64>,
        limit: usize,
    ) -> Result<EventPage, EventsGone> {
        let newest = self.gateway.newest_event();
        let after = after.unwrap_or(newest);
        if after > newest {
            // A number of an earlier life of the gateway: what followed it is not known here.
            return Err(EventsGone { oldest: newest + 1 });
        }
        let mut events = self.gateway.events_after(after, limit)?;
        let next = events.last().map_or(after, |event| event.sequence);
        events.retain(|event| {
            self.owners.may_see(controller, event) || self.may_adopt(controller, event)
        });
        Ok(EventPage { events, next, more: next < newest })
    }

    /// Tells everyone what has changed.
    fn publish(&mut self) {
        self.take_stock();
        let Load { percent, limit, level } = self.load;
        let overview = Overview {
            condition: Condition {
                overload_percent: percent,
                overload_level: level,
                overload_limit: Some(limit),
                restart_epoch: self.restart_epoch,
                service: self.gateway.service_state(),
            },
            contexts: self.gateway.context_count(),
            newest_event: self.gateway.newest_event(),
            ports_open: self.ports.open_count(),
            out_of_ports: self.out_of_ports,
            orphans: self.gateway.orphan_count(),
            released: self.released,
        };
        self.overview.send_if_modified(|seen| {
            let changed = *seen != overview;
            *seen = overview;
            changed
        });
    }
}
