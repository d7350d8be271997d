//! One transaction from its commands to its outcome, whatever becomes of the caller.

use std::sync::Arc;
use std::time::Instant;

use agw_context::{Command, Controller};

use crate::backend::Backend;
use crate::idempotency::{Begun, Digest, Outcome, Pending, Transactions};
use crate::pb;
use crate::reply::command_reply;
use crate::status::{Failure, Places};

/// A transaction as read from a request.
pub(crate) struct Transaction {
    pub(crate) controller: Controller,
    pub(crate) id: Option<String>,
    pub(crate) digest: Digest,
    pub(crate) commands: Vec<Command>,
    pub(crate) places: Places,
}

/// Puts a transaction in line, unless it is a retry, and tells how to wait for its outcome.
///
/// A task of its own carries it through, so that a caller that goes away does not leave it half
/// told.
pub(crate) fn start<B: Backend>(
    backend: &Arc<B>,
    transactions: &Arc<Transactions>,
    transaction: Transaction,
) -> Result<Pending, Failure> {
    let Transaction { controller, id, digest, commands, places } = transaction;
    let (ticket, pending) = match transactions.begin(&controller, id, digest, Instant::now()) {
        Begun::First(ticket, pending) => (ticket, pending),
        Begun::Again(pending) => return Ok(pending),
        Begun::Reused => return Err(Failure::transaction_id_reused()),
        Begun::Full => return Err(Failure::unavailable()),
    };
    let completed = backend.transact(controller, commands);
    tokio::spawn(async move {
        let outcome = completed.await;
        let now = Instant::now();
        let outcome = match outcome {
            Ok(completed) => {
                let replies = completed.into_iter().map(|one| command_reply(one, now)).collect();
                Ok(pb::TransactionReplies { replies })
            }
            Err(error) => Err(Failure::transact(&error, &places)),
        };
        ticket.finish(Outcome(outcome), now);
    });
    Ok(pending)
}

/// Waits for the outcome.
pub(crate) async fn finish(pending: Pending) -> Result<pb::TransactionReplies, Failure> {
    told(pending.outcome().await)
}

/// What an outcome tells; none if the transaction was given up.
pub(crate) fn told(outcome: Option<Outcome>) -> Result<pb::TransactionReplies, Failure> {
    match outcome {
        Some(Outcome(outcome)) => outcome,
        None => Err(Failure::unavailable()),
    }
}
