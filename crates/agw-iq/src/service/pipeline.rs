//! Transactions on a stream: put in line as they come, answered in their order.

use agw_context::Controller;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
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
        let answerer = self.clone();
        let answers = ReceiverStream::new(started).then(move |started| {
            let answerer = answerer.clone();
            async move { Ok(answerer.answer(started?).await) }
        });
        Answers::new(answers)
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

    async fn answer(&self, started: Started) -> pb::TransactStreamResponse {
        use pb::transact_stream_response::Outcome;
        let Started { transaction_id, pending } = started;
        let outcome = match pending {
            Ok(pending) => transaction::finish(pending).await,
            Err(failure) => Err(failure),
        };
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
