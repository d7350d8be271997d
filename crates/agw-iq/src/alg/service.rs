//! The service `agw.alg.v1`: requests in, descriptions out.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use agw_context::Controller;
use prost::Message;
use tonic::{Request, Response, Status};
use zeroize::Zeroizing;

use super::pb::alg_service_server::AlgService;
use super::{Alg, AlgFailure, convert, pb, register, reply};
use crate::ConnectedPeer;
use crate::backend::Backend;
use crate::convert::transaction_id;
use crate::epochs::{Epochs, Stated};
use crate::idempotency::{Begun, Outcome, Transactions};
use crate::invalid::InvalidRequest;
use crate::reply::gateway_state;
use crate::status::Failure;
use crate::wipe::{Wipe, Wiped};

/// How long an answer is kept for those who ask again: 64*T1, when SIP gives a transaction up
/// (RFC 3261 §17.1.1.2). It has keys: [`Sweeper`] wipes it soon after.
const KEPT: Duration = Duration::from_secs(32);

/// The service of the IMS-ALG before a gateway.
pub(crate) struct AlgFace<B, A> {
    backend: Arc<B>,
    alg: Arc<A>,
    epochs: Arc<Epochs>,
    /// Answers as octets, whatever their message is.
    kept: Arc<Transactions<Vec<u8>>>,
    sweeper: Sweeper,
}

/// Has kept answers forgotten in time, whether or not anybody asks again.
#[derive(Clone, Default)]
struct Sweeper(Arc<AtomicBool>);

impl Sweeper {
    /// Sweeps until nothing is kept; one sweeps at a time.
    fn sweep(&self, kept: &Arc<Transactions<Vec<u8>>>) {
        if self.0.swap(true, Ordering::AcqRel) {
            return;
        }
        let (sweeps, kept) = (Arc::clone(&self.0), Arc::clone(kept));
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(KEPT).await;
                kept.forget_old(Instant::now());
                if !kept.is_empty() {
                    continue;
                }
                sweeps.store(false, Ordering::Release);
                // One that came meanwhile has left it to this one, unless it sweeps itself.
                if kept.is_empty() || sweeps.swap(true, Ordering::AcqRel) {
                    break;
                }
            }
        });
    }
}

/// How a procedure reads its request.
struct Reading<M, Q, A> {
    procedure: &'static str,
    transaction_id: fn(&M) -> &str,
    read: fn(&M, &Controller, &A) -> Result<Q, InvalidRequest>,
}

impl<B: Backend, A: Alg> AlgFace<B, A> {
    pub(crate) fn new(backend: Arc<B>, alg: Arc<A>, epochs: Arc<Epochs>) -> Self {
        let kept = Arc::new(Transactions::keeping(KEPT));
        Self { backend, alg, epochs, kept, sweeper: Sweeper::default() }
    }

    fn gateway(&self) -> Option<crate::pb::GatewayState> {
        Some(gateway_state(self.backend.condition()))
    }

    fn status(&self, failure: impl Into<Failure>) -> Status {
        failure.into().into_alg_status(self.backend.condition())
    }

    /// Who asks for a change, unless a newer instance of the same controller was here.
    fn admit<M>(&self, request: &Request<M>) -> Result<Controller, Failure> {
        let controller = ConnectedPeer::controller(request.extensions())
            .map_err(|_| Failure::internal("the connection has no identity"))?;
        self.epochs.admit(&controller, Stated::read(request.metadata())?)?;
        Ok(controller)
    }

    /// Carries a request out, unless it is a retry, and waits for its answer.
    async fn carry<M, Q, R, W>(
        &self,
        request: Request<M>,
        reading: Reading<M, Q, A>,
        ask: impl FnOnce(Arc<A>, Controller, Q) -> W + Send,
    ) -> Result<R, Status>
    where
        M: Message + Wipe,
        R: Message + Default,
        W: Future<Output = Result<R, AlgFailure>> + Send + 'static,
    {
        let begun = self.admit(&request).and_then(|controller| {
            let request = Wiped(request.into_inner());
            let id = transaction_id((reading.transaction_id)(&request.0))?;
            let digest = self.kept.digest(reading.procedure, &request.0);
            let asked = (reading.read)(&request.0, &controller, &self.alg)?;
            let is_kept = id.is_some();
            let begun = self.kept.begin(&controller, id, digest, Instant::now());
            if is_kept {
                self.sweeper.sweep(&self.kept);
            }
            Ok((begun, controller, asked))
        });
        let pending = match begun {
            Ok((Begun::First(ticket, pending), controller, asked)) => {
                let answer = ask(Arc::clone(&self.alg), controller, asked);
                tokio::spawn(async move {
                    let outcome = answer.await.map(|answer| answer.encode_to_vec());
                    let outcome = outcome.map_err(|failure| Failure::alg(&failure));
                    ticket.finish(Outcome(outcome), Instant::now());
                });
                pending
            }
            Ok((Begun::Again(pending), ..)) => pending,
            Ok((Begun::Reused, ..)) => return Err(self.status(Failure::transaction_id_reused())),
            Ok((Begun::Full, ..)) => return Err(self.status(Failure::unavailable())),
            Err(failure) => return Err(self.status(failure)),
        };
        match pending.outcome().await {
            Some(Outcome(Ok(octets))) => {
                let octets = Zeroizing::new(octets);
                let fault = |_| self.status(Failure::internal("an answer cannot be read again"));
                R::decode(octets.as_slice()).map_err(fault)
            }
            Some(Outcome(Err(failure))) => Err(self.status(failure)),
            None => Err(self.status(Failure::unavailable())),
        }
    }
}

#[tonic::async_trait]
impl<B: Backend, A: Alg> AlgService for AlgFace<B, A> {
    async fn offer(
        &self,
        request: Request<pb::OfferRequest>,
    ) -> Result<Response<pb::OfferResponse>, Status> {
        let reading = Reading {
            procedure: "Offer",
            transaction_id: |request: &pb::OfferRequest| &request.transaction_id,
            read: convert::offer,
        };
        let ask = |alg: Arc<A>, _controller, offer| async move {
            alg.offer(offer).await.map(|signalled| reply::offer(&signalled))
        };
        let response = self.carry(request, reading, ask).await?;
        Ok(Response::new(pb::OfferResponse { gateway: self.gateway(), ..response }))
    }

    async fn answer(
        &self,
        request: Request<pb::AnswerRequest>,
    ) -> Result<Response<pb::AnswerResponse>, Status> {
        let reading = Reading {
            procedure: "Answer",
            transaction_id: |request: &pb::AnswerRequest| &request.transaction_id,
            read: convert::answer,
        };
        let ask = |alg: Arc<A>, _controller, answer| async move {
            alg.answer(answer).await.map(|signalled| reply::answer(&signalled))
        };
        let response = self.carry(request, reading, ask).await?;
        Ok(Response::new(pb::AnswerResponse { gateway: self.gateway(), ..response }))
    }

    async fn reject(
        &self,
        request: Request<pb::RejectRequest>,
    ) -> Result<Response<pb::RejectResponse>, Status> {
        let reading = Reading {
            procedure: "Reject",
            transaction_id: |request: &pb::RejectRequest| &request.transaction_id,
            read: convert::reject,
        };
        let ask = |alg: Arc<A>, _controller, name| async move {
            alg.reject(name).await.map(|signalled| reply::reject(&signalled))
        };
        let response = self.carry(request, reading, ask).await?;
        Ok(Response::new(pb::RejectResponse { gateway: self.gateway(), ..response }))
    }

    async fn delete(
        &self,
        request: Request<pb::DeleteRequest>,
    ) -> Result<Response<pb::DeleteResponse>, Status> {
        let reading = Reading {
            procedure: "Delete",
            transaction_id: |request: &pb::DeleteRequest| &request.transaction_id,
            read: |request: &pb::DeleteRequest, _, _| convert::selector(request.call.as_ref()),
        };
        let ask = |alg: Arc<A>, controller, which| async move {
            let deleted = alg.delete(controller, which).await?;
            Ok(reply::deleted(&deleted, Instant::now()))
        };
        let response = self.carry(request, reading, ask).await?;
        Ok(Response::new(pb::DeleteResponse { gateway: self.gateway(), ..response }))
    }

    async fn query(
        &self,
        request: Request<pb::QueryRequest>,
    ) -> Result<Response<pb::QueryResponse>, Status> {
        let controller = ConnectedPeer::controller(request.extensions())?;
        let pb::QueryRequest { call } = request.into_inner();
        let which = convert::selector(call.as_ref()).map_err(|invalid| self.status(invalid))?;
        let views = self.alg.query(controller, which).await;
        let views = views.map_err(|failure| self.status(Failure::alg(&failure)))?;
        let now = Instant::now();
        let calls = views.iter().map(|view| reply::call(view, now)).collect();
        Ok(Response::new(pb::QueryResponse { gateway: self.gateway(), calls }))
    }

    async fn list(
        &self,
        request: Request<pb::ListRequest>,
    ) -> Result<Response<pb::ListResponse>, Status> {
        let controller = ConnectedPeer::controller(request.extensions())?;
        let asked = convert::list(&request.into_inner());
        let (after, limit) = asked.map_err(|invalid| self.status(invalid))?;
        let calls = self.alg.seen(&controller, after.as_ref(), limit);
        let response = reply::list(calls, limit);
        Ok(Response::new(pb::ListResponse { gateway: self.gateway(), ..response }))
    }

    async fn register(
        &self,
        request: Request<pb::RegisterRequest>,
    ) -> Result<Response<pb::RegisterResponse>, Status> {
        let controller = self.admit(&request).map_err(|failure| self.status(failure))?;
        let asked = register::register(&request.into_inner());
        let asked = asked.map_err(|invalid| self.status(invalid))?;
        let registering = self.alg.register(&controller, &asked);
        let registering = registering.map_err(|failure| self.status(Failure::alg(&failure)))?;
        let response = register::registering(registering, asked.headers);
        Ok(Response::new(pb::RegisterResponse { gateway: self.gateway(), ..response }))
    }

    async fn register_answer(
        &self,
        request: Request<pb::RegisterAnswerRequest>,
    ) -> Result<Response<pb::RegisterAnswerResponse>, Status> {
        let controller = self.admit(&request).map_err(|failure| self.status(failure))?;
        let told = register::answer(&request.into_inner());
        let (ue, registered) = told.map_err(|invalid| self.status(invalid))?;
        let agreed = self.alg.registered(&controller, &ue, registered);
        let registration = agreed.map(|agreed| register::registration(&agreed, Instant::now()));
        let gateway = self.gateway();
        Ok(Response::new(pb::RegisterAnswerResponse { gateway, registration }))
    }

    async fn query_registration(
        &self,
        request: Request<pb::QueryRegistrationRequest>,
    ) -> Result<Response<pb::QueryRegistrationResponse>, Status> {
        let controller = ConnectedPeer::controller(request.extensions())?;
        let ue = register::query(&request.into_inner()).map_err(|invalid| self.status(invalid))?;
        let agreed = self.alg.registration(&controller, &ue);
        let registration = agreed.map(|agreed| register::registration(&agreed, Instant::now()));
        let gateway = self.gateway();
        Ok(Response::new(pb::QueryRegistrationResponse { gateway, registration }))
    }
}
