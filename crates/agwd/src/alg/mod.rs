//! The IMS-ALG: the calls of every signalling face, and how their requests reach the gateway.
//!
//! A request holds its call, has `agw-sdp` plan it, puts the plan to the gateway as one
//! transaction of its controller, over the same way as the requests of the Iq API, and concludes.
//! So contexts are their controller's in audits, limits and events. Calls whose contexts end
//! otherwise are forgotten ([`ended`]).

mod adopted;
mod ended;
mod later;
mod registrations;
mod request;
mod table;

use std::sync::Arc;

use arc_swap::ArcSwap;

use agw_context::Controller;
use agw_iq::alg::{
    Alg, AlgFailure, Answer, CallName, CallView, Deleted, Offer, Registered, Registration, Which,
};
use agw_sdp::mediasec::{Agreed, Registering};
use agw_sdp::{AlgPolicy, SideOptions, Signalled};

use crate::backend::Gateway;
use crate::metrics::Metrics;
pub(crate) use adopted::Belongings;
pub(crate) use ended::forget_ended;
use later::{Later, Noted};
pub(crate) use registrations::Registrations;
pub(crate) use table::Table;

/// How much of what there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AlgLimits {
    /// Calls at a time.
    pub(crate) calls: usize,
    /// UEs with which something was agreed.
    pub(crate) registrations: usize,
}

/// The calls of every face; clones are the same calls.
#[derive(Clone)]
pub(crate) struct SignalledCalls {
    gateway: Arc<Gateway>,
    table: Table,
    registrations: Registrations,
    policy: Arc<ArcSwap<AlgPolicy>>,
    metrics: Metrics,
    later: Later,
    /// Whether each request has a task of its own.
    in_tasks: bool,
}

impl SignalledCalls {
    /// No calls yet; those and the UEs are the ones that the gateway moves when contexts are
    /// adopted.
    pub(crate) fn new(
        gateway: Arc<Gateway>,
        belongings: Belongings,
        policy: AlgPolicy,
        metrics: Metrics,
    ) -> Self {
        let policy = Arc::new(ArcSwap::from_pointee(policy));
        let Belongings { calls: table, registrations, presence: _ } = belongings;
        let (later, in_tasks) = (Later::default(), true);
        Self { gateway, table, registrations, policy, metrics, later, in_tasks }
    }

    /// The same calls, for a caller that sees every request through: none has a task of its own.
    pub(crate) fn seen_through(self) -> Self {
        Self { in_tasks: false, ..self }
    }

    /// Puts another policy and limits in force, for requests to come.
    pub(crate) fn reconfigure(&self, policy: AlgPolicy, limits: AlgLimits) {
        self.policy.store(Arc::new(policy));
        let AlgLimits { calls, registrations } = limits;
        self.table.set_limit(calls);
        self.registrations.set_limit(registrations);
    }

    /// How many calls there are.
    pub(crate) fn count(&self) -> usize {
        self.table.len()
    }

    /// Notes that something is to end later, by [`Self::end_noted`], unless an offer of its call is
    /// taken until then.
    ///
    /// # Errors
    /// As a delete would be refused now.
    pub(crate) async fn note_end(
        &self,
        controller: Controller,
        which: &Which,
    ) -> Result<Noted, AlgFailure> {
        request::note_end(self, controller, which).await
    }

    /// Ends what was noted and not taken back; tells whether that was all of it.
    ///
    /// # Errors
    /// Why it does not end.
    pub(crate) async fn end_noted(&self, noted: Noted) -> Result<bool, AlgFailure> {
        self.carry("delete", request::end_noted(self.clone(), noted)).await
    }

    /// Carries a request through in a task of its own, so that a caller that goes away does not leave
    /// a call half changed; a caller that never does needs none.
    async fn carry<T: Send + 'static>(
        &self,
        procedure: &'static str,
        request: impl Future<Output = Result<T, AlgFailure>> + Send + 'static,
    ) -> Result<T, AlgFailure> {
        let result = if self.in_tasks {
            let result = tokio::spawn(request).await;
            result.unwrap_or_else(|_panicked| Err(agw_iq::backend::Unavailable.into()))
        } else {
            request.await
        };
        self.metrics.alg().request(procedure, &result);
        self.metrics.alg().calls(self.table.len());
        result
    }
}

impl Alg for SignalledCalls {
    async fn offer(&self, offer: Offer) -> Result<Signalled, AlgFailure> {
        self.carry("offer", request::offer(self.clone(), offer)).await
    }

    async fn answer(&self, answer: Answer) -> Result<Signalled, AlgFailure> {
        self.carry("answer", request::answer(self.clone(), answer)).await
    }

    async fn reject(&self, name: CallName) -> Result<Signalled, AlgFailure> {
        self.carry("reject", request::reject(self.clone(), name)).await
    }

    async fn delete(&self, controller: Controller, which: Which) -> Result<Deleted, AlgFailure> {
        self.carry("delete", request::delete(self.clone(), controller, which)).await
    }

    async fn query(
        &self,
        controller: Controller,
        which: Which,
    ) -> Result<Vec<CallView>, AlgFailure> {
        self.carry("query", request::query(self.clone(), controller, which)).await
    }

    fn list(&self, controller: &Controller, after: Option<&str>, limit: usize) -> Vec<String> {
        self.table.list(controller, after, limit)
    }

    fn seen(
        &self,
        controller: &Controller,
        after: Option<&(Controller, String)>,
        limit: usize,
    ) -> Vec<(Controller, String)> {
        self.table.seen(controller, after, limit)
    }

    fn register(
        &self,
        controller: &Controller,
        registration: &Registration,
    ) -> Result<Registering, AlgFailure> {
        let result = self.registrations.register(controller, registration, &self.policy.load());
        self.metrics.alg().request("register", &result);
        self.metrics.alg().registrations(self.registrations.len());
        result
    }

    fn registered(
        &self,
        controller: &Controller,
        ue: &str,
        registered: Registered,
    ) -> Option<Agreed> {
        let agreed = self.registrations.registered(controller, ue, registered);
        self.metrics.alg().request("register_answer", &Ok(()));
        self.metrics.alg().registrations(self.registrations.len());
        agreed
    }

    fn registration(&self, controller: &Controller, ue: &str) -> Option<Agreed> {
        self.registrations.find(controller, ue)
    }

    fn side(&self, controller: &Controller, ue: &str, realm: Option<String>) -> SideOptions {
        self.registrations.side(controller, ue, realm, &self.policy.load())
    }
}
