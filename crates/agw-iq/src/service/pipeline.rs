//! Transactions on a stream: put in line as they come, answered in their order.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use agw_context::Controller;
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt};
use tonic::{Status, Streaming};

use super::read::TRANSACT;
use super::{Answers, Iq};
use crate::backend::Backend;
use crate::epochs::Stated;
use crate::idempotency::Pending;
use crate::pb;
use crate::status::Failure;
use crate::transaction;
use crate::unread::UnreadTransaction;

/// Transactions of one stream that wait for their answers; beyond these the stream is not read.
const DEPTH: usize = 256;

/// A transaction that was put in line, or could not be.
struct Started {
    transaction_id: String,
    pending: Result<Pending, Failure>,
}

impl<B: Backend> Iq<B> {
    /// Answers every request of a stream, in order; ends with it.
    pub(super) fn pipeline(
        &self,
        controller: Controller,
        stated: Stated,
        mut requests: Streaming<UnreadTransaction>,
    ) -> Answers<pb::TransactStreamResponse> {
        let (line, started) = mpsc::channel::<Result<Started, Status>>(DEPTH);
        let reader = self.clone();
        tokio::spawn(async move {
            // A place in the line first: what was put in line must be answered.
            while let Ok(place) = line.reserve().await {
                match requests.next().await {
                    None => return,
                    Some(Ok(request)) => {
                        place.send(Ok(reader.start(&controller, stated, request)));
                    }
                    Some(Err(status)) => return place.send(Err(status)),
                }
            }
        });
        Answers::new(Answering { started, answerer: self.clone(), waiting: None })
    }

    fn start(
        &self,
        controller: &Controller,
        stated: Stated,
        request: UnreadTransaction,
    ) -> Started {
        let transaction_id = request.transaction_id.clone();
        // For each anew: a newer instance may have come while the stream was open.
        let pending = self
            .epochs
            .admit(controller, stated)
            .and_then(|()| self.read(controller.clone(), request, TRANSACT))
            .and_then(|read| transaction::start(&self.backend, &self.transactions, read));
        Started { transaction_id, pending }
    }

    fn answer(
        &self,
        transaction_id: String,
        outcome: Result<pb::TransactionReplies, Failure>,
    ) -> pb::TransactStreamResponse {
        use pb::transact_stream_response::Outcome;
        let outcome = match outcome {
            Ok(replies) => Outcome::Done(replies),
            Err(failure) => Outcome::Refused(failure.into_refusal()),
        };
        pb::TransactStreamResponse {
            transaction_id,
            gateway: self.gateway(),
            outcome: Some(outcome),
        }
    }
}

/// The answers to what was started, in its order. By hand, because what is refused already is to
/// cost no more than telling it.
struct Answering<B> {
    started: mpsc::Receiver<Result<Started, Status>>,
    answerer: Iq<B>,
    /// The transaction whose turn it is, while it is carried out.
    waiting: Option<(String, Pending)>,
}

impl<B: Backend> Stream for Answering<B> {
    type Item = Result<pb::TransactStreamResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some((_, pending)) = &mut self.waiting {
                let outcome = ready!(pending.poll_outcome(context));
                let transaction_id = self.waiting.take().map(|(id, _)| id).unwrap_or_default();
                let outcome = transaction::told(outcome);
                return Poll::Ready(Some(Ok(self.answerer.answer(transaction_id, outcome))));
            }
            let Started { transaction_id, pending } = match ready!(self.started.poll_recv(context))
            {
                None => return Poll::Ready(None),
                Some(Err(status)) => return Poll::Ready(Some(Err(status))),
                Some(Ok(started)) => started,
            };
            match pending {
                Ok(pending) => self.waiting = Some((transaction_id, pending)),
                Err(failure) => {
                    let answer = self.answerer.answer(transaction_id, Err(failure));
                    return Poll::Ready(Some(Ok(answer)));
                }
            }
        }
    }
}
