//! Many transactions outstanding on one stream, answered in their order.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use agw_iq::client::IqClient;
use agw_iq::pb;
use agw_iq::pb::transact_stream_response::Outcome;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;

use super::{call_error, no_answer};
use crate::target::TargetError;

type Answer = Result<Vec<pb::CommandReply>, TargetError>;

/// A stream of transactions; clones share it.
#[derive(Clone)]
pub(super) struct Pipeline {
    line: Arc<Mutex<Line>>,
    client: IqClient,
}

/// What is sent, and who waits for the answers, in the same order.
#[derive(Debug)]
struct Line {
    requests: mpsc::UnboundedSender<pb::TransactStreamRequest>,
    waiting: VecDeque<oneshot::Sender<Answer>>,
}

impl Pipeline {
    /// Opens the stream.
    pub(super) async fn open(client: &IqClient) -> Result<Self, TargetError> {
        let (requests, sent) = mpsc::unbounded_channel();
        let line = Arc::new(Mutex::new(Line { requests, waiting: VecDeque::new() }));
        let stream = UnboundedReceiverStream::new(sent);
        let opened = client.service().transact_stream(stream).await;
        let mut answers = opened.map_err(|status| call_error(status.into()))?.into_inner();
        let answered = Arc::downgrade(&line);
        tokio::spawn(async move {
            let mut last = no_answer("the stream of transactions has ended".to_owned());
            while let Some(answer) = answers.next().await {
                let Some(line) = answered.upgrade() else { return };
                let answer = match answer {
                    Ok(answer) => answer,
                    Err(status) => {
                        last = call_error(status.into());
                        break;
                    }
                };
                let waiting = lock(&line).waiting.pop_front();
                if let Some(waiting) = waiting {
                    // Whoever does not wait any more does not want it.
                    let _ = waiting.send(outcome(answer));
                }
            }
            if let Some(line) = answered.upgrade() {
                for waiting in lock(&line).waiting.drain(..) {
                    let _ = waiting.send(Err(last.clone()));
                }
            }
        });
        Ok(Self { line, client: client.clone() })
    }

    /// Sends a transaction and waits for its answer.
    pub(super) async fn transact(&self, commands: Vec<pb::command::Command>) -> Answer {
        let command = |command| pb::Command { command: Some(command) };
        let request = pb::TransactStreamRequest {
            transaction_id: self.client.transaction_id(),
            commands: commands.into_iter().map(command).collect(),
        };
        let (answer, answered) = oneshot::channel();
        {
            // Both under one lock, so that their order is the same.
            let mut line = lock(&self.line);
            line.requests.send(request).map_err(|_| no_answer("the stream is gone".to_owned()))?;
            line.waiting.push_back(answer);
        }
        answered.await.map_err(|_| no_answer("the stream is gone".to_owned()))?
    }
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipeline").finish_non_exhaustive()
    }
}

fn lock(line: &Mutex<Line>) -> std::sync::MutexGuard<'_, Line> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}

fn outcome(answer: pb::TransactStreamResponse) -> Answer {
    match answer.outcome {
        Some(Outcome::Done(done)) => Ok(done.replies),
        Some(Outcome::Refused(refusal)) => {
            let reason = if refusal.reason.is_empty() { refusal.message } else { refusal.reason };
            Err(TargetError::Refused { reason })
        }
        None => Err(no_answer("an answer without an outcome".to_owned())),
    }
}
