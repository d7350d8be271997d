//! The gRPC service: requests in, commands to the gateway, replies out.

mod compare;
mod pipeline;
mod procedures;
mod read;

use std::pin::Pin;
use std::sync::Arc;

use agw_context::Controller;
use prost::Message;
use tokio_stream::Stream;
use tonic::{Request, Status};

use crate::ConnectedPeer;
use crate::backend::{Backend, NewContexts};
use crate::epochs::{Epochs, Stated};
use crate::idempotency::Transactions;
use crate::pb;
use crate::reply::gateway_state;
use crate::status::Failure;
use crate::transaction::{self, Transaction};
use crate::wipe::{Wipe, Wiped};
use read::{Asked, Opening, Reading};

/// Answers that come one after the other.
pub struct Answers<T>(Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>);

impl<T> Answers<T> {
    fn new(answers: impl Stream<Item = Result<T, Status>> + Send + 'static) -> Self {
        Self(Box::pin(answers))
    }
}

impl<T> Stream for Answers<T> {
    type Item = Result<T, Status>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

/// The Iq service before a gateway.
pub struct Iq<B> {
    backend: Arc<B>,
    transactions: Arc<Transactions>,
    epochs: Arc<Epochs>,
}

impl<B> Clone for Iq<B> {
    fn clone(&self) -> Self {
        Self {
            backend: Arc::clone(&self.backend),
            transactions: Arc::clone(&self.transactions),
            epochs: Arc::clone(&self.epochs),
        }
    }
}

impl<B: Backend> Iq<B> {
    /// Makes the service; it remembers transactions for as long as it lives.
    pub fn new(backend: Arc<B>) -> Self {
        Self::fenced_by(backend, Arc::default())
    }

    /// As [`Self::new`]; other services know the same instances of controllers.
    pub(crate) fn fenced_by(backend: Arc<B>, epochs: Arc<Epochs>) -> Self {
        Self { backend, transactions: Arc::new(Transactions::new()), epochs }
    }

    /// Who asks for a change, unless a newer instance of the same controller was here.
    fn admit<M>(&self, request: &Request<M>) -> Result<Controller, Failure> {
        let controller = ConnectedPeer::controller(request.extensions())
            .map_err(|_| Failure::internal("the connection has no identity"))?;
        self.epochs.admit(&controller, Stated::read(request.metadata())?)?;
        Ok(controller)
    }

    fn gateway(&self) -> Option<pb::GatewayState> {
        Some(gateway_state(self.backend.condition()))
    }

    fn status(&self, failure: impl Into<Failure>) -> Status {
        failure.into().into_status(self.backend.condition())
    }

    /// Reads a transaction; the request is wiped when this returns, read or not.
    fn read<M: Message + Wipe>(
        &self,
        controller: Controller,
        request: M,
        reading: Reading<M>,
    ) -> Result<Transaction, Failure> {
        let request = Wiped(request);
        if let Some(opening) = (reading.opening)(&request.0) {
            self.admit_new(&controller, opening)?;
        }
        let Asked { id, commands, places } = (reading.read)(&request.0)?;
        let digest = self.transactions.digest(reading.procedure, &request.0);
        Ok(Transaction { controller, id, digest, commands, places })
    }

    /// Refuses new contexts before anything is done for them, unless they are there already.
    fn admit_new(&self, controller: &Controller, opening: Opening<'_>) -> Result<(), Failure> {
        let Opening { id, priority, realms } = opening;
        match self.backend.admit(&NewContexts { controller, priority, realms }) {
            Ok(()) => Ok(()),
            Err(_) if self.transactions.knows(controller, id) => Ok(()),
            Err(error) => Err(Failure::gateway(&error)),
        }
    }

    /// Carries out a request of any number of commands.
    async fn several<M: Message + Wipe>(
        &self,
        request: Request<M>,
        reading: Reading<M>,
    ) -> Result<Vec<pb::CommandReply>, Status> {
        let started = self
            .admit(&request)
            .and_then(|controller| self.read(controller, request.into_inner(), reading))
            .and_then(|read| transaction::start(&self.backend, &self.transactions, read));
        let outcome = match started {
            Ok(pending) => transaction::finish(pending).await,
            Err(failure) => Err(failure),
        };
        outcome.map(|done| done.replies).map_err(|failure| self.status(failure))
    }

    /// Carries out a request of one command.
    async fn single<M: Message + Wipe>(
        &self,
        request: Request<M>,
        reading: Reading<M>,
    ) -> Result<pb::command_reply::Reply, Status> {
        let mut replies = self.several(request, reading).await?.into_iter();
        match (replies.next(), replies.next()) {
            (Some(pb::CommandReply { reply: Some(reply) }), None) => Ok(reply),
            (Some(_) | None, _) => Err(self.unfit()),
        }
    }

    /// Carries out a request that is answered by a termination.
    async fn termination<M: Message + Wipe>(
        &self,
        request: Request<M>,
        reading: Reading<M>,
    ) -> Result<Option<pb::TerminationReply>, Status> {
        use pb::command_reply::Reply;
        match self.single(request, reading).await? {
            Reply::Termination(termination) => Ok(Some(termination)),
            Reply::Done(_) | Reply::Released(_) => Err(self.unfit()),
        }
    }

    /// Carries out a request that is answered by its context alone.
    async fn done<M: Message + Wipe>(
        &self,
        request: Request<M>,
        reading: Reading<M>,
    ) -> Result<pb::DoneReply, Status> {
        use pb::command_reply::Reply;
        match self.single(request, reading).await? {
            Reply::Done(done) => Ok(done),
            Reply::Termination(_) | Reply::Released(_) => Err(self.unfit()),
        }
    }

    fn unfit(&self) -> Status {
        self.status(Failure::internal("the gateway's answer does not fit the request"))
    }
}
