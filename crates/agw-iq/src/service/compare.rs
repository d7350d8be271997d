//! A controller's list of contexts against the gateway's.
//!
//! Both are in ascending order, so that neither is held as a whole: the controller's list is taken
//! as it comes, the gateway's in pieces, and what is in one only is told.

use std::collections::VecDeque;

use agw_context::{ContextId, ContextName, Controller};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::{Answers, Iq};
use crate::backend::Backend;
use crate::convert::correlation_id;
use crate::invalid::InvalidRequest;
use crate::pb;
use crate::report::timestamp;
use crate::status::Failure;

/// Contexts of the gateway that are asked for at once, and of a request at most.
const CHUNK: usize = 1_000;
/// Answers on their way.
const ANSWERS: usize = 4;

/// Whoever asked has gone.
struct Gone;

/// A comparison under way.
struct Comparison<B> {
    iq: Iq<B>,
    controller: Controller,
    /// Contexts of the gateway that were fetched and not compared yet.
    here: VecDeque<ContextName>,
    /// The last context that was fetched; `None` before the first.
    fetched: Option<ContextId>,
    /// Whether the gateway has no more.
    is_at_end: bool,
    /// The last context of the controller's list.
    last: u32,
    compared: u64,
    differences: Vec<pb::ContextDifference>,
    answers: mpsc::Sender<Result<pb::CompareContextsResponse, Status>>,
}

impl<B: Backend> Iq<B> {
    /// Compares a list with what the gateway has, and tells the differences as they are found.
    pub(super) fn compare(
        &self,
        controller: Controller,
        requests: Streaming<pb::CompareContextsRequest>,
    ) -> Answers<pb::CompareContextsResponse> {
        let (answers, told) = mpsc::channel(ANSWERS);
        let comparison = Comparison {
            iq: self.clone(),
            controller,
            here: VecDeque::new(),
            fetched: None,
            is_at_end: false,
            last: 0,
            compared: 0,
            differences: Vec::new(),
            answers: answers.clone(),
        };
        tokio::spawn(async move {
            if let Err(status) = comparison.run(requests).await {
                // Whoever asked may have gone.
                let _ = answers.send(Err(status)).await;
            }
        });
        Answers::new(ReceiverStream::new(told))
    }
}

impl<B: Backend> Comparison<B> {
    async fn run(
        mut self,
        mut requests: Streaming<pb::CompareContextsRequest>,
    ) -> Result<(), Status> {
        while let Some(request) = requests.next().await {
            let pb::CompareContextsRequest { contexts } = request?;
            if contexts.len() > CHUNK {
                let invalid = InvalidRequest::value("contexts", "are at most 1000");
                return Err(self.iq.status(invalid));
            }
            for (position, name) in contexts.iter().enumerate() {
                let path = |invalid: InvalidRequest| invalid.under(format!("contexts[{position}]"));
                self.check(name).map_err(|invalid| self.iq.status(path(invalid)))?;
                if self.take(name).await?.is_err() {
                    return Ok(());
                }
            }
        }
        while let Some(context) = self.next_here().await? {
            self.compared += 1;
            if self
                .note(Some(&context), context.id, pb::DifferenceKind::UnknownThere)
                .await
                .is_err()
            {
                return Ok(());
            }
        }
        // Whoever asked may have gone.
        let _ = self.tell(self.compared).await;
        Ok(())
    }

    fn check(&mut self, name: &pb::ContextName) -> Result<(), InvalidRequest> {
        let pb::ContextName { context_id, correlation_id: correlation } = name;
        if *context_id <= self.last {
            let rule = "is above the one before it, and above 0";
            return Err(InvalidRequest::value("context_id", rule));
        }
        self.last = *context_id;
        correlation_id(correlation).map(drop)
    }

    /// Compares one context of the controller's list, after all of the gateway's below it.
    async fn take(&mut self, name: &pb::ContextName) -> Result<Result<(), Gone>, Status> {
        let id = ContextId(name.context_id);
        while let Some(here) = self.next_here().await? {
            if here.id > id {
                self.here.push_front(here);
                break;
            }
            self.compared += 1;
            let kind = match here.id == id {
                false => pb::DifferenceKind::UnknownThere,
                true if here.correlation.as_deref().unwrap_or_default() == name.correlation_id => {
                    return Ok(Ok(()));
                }
                true => pb::DifferenceKind::Correlation,
            };
            let told = self.note(Some(&here), here.id, kind).await;
            if told.is_err() || here.id == id {
                return Ok(told);
            }
        }
        Ok(self.note(None, id, pb::DifferenceKind::UnknownHere).await)
    }

    /// The next context of the gateway.
    async fn next_here(&mut self) -> Result<Option<ContextName>, Status> {
        if self.here.is_empty() && !self.is_at_end {
            let names = self.iq.backend.names(self.controller.clone(), self.fetched, CHUNK).await;
            let names = names.map_err(|_| self.iq.status(Failure::unavailable()))?;
            self.is_at_end = names.len() < CHUNK;
            self.fetched = names.last().map(|name| name.id).or(self.fetched);
            self.here = names.into();
        }
        Ok(self.here.pop_front())
    }

    async fn note(
        &mut self,
        here: Option<&ContextName>,
        id: ContextId,
        kind: pb::DifferenceKind,
    ) -> Result<(), Gone> {
        let correlation = here.and_then(|here| here.correlation.as_deref());
        self.differences.push(pb::ContextDifference {
            context_id: id.0,
            kind: kind.into(),
            correlation_id: correlation.unwrap_or_default().to_owned(),
            created: here.map(|here| timestamp(here.created)),
        });
        if self.differences.len() < CHUNK { Ok(()) } else { self.tell(0).await }
    }

    async fn tell(&mut self, compared: u64) -> Result<(), Gone> {
        let answer = pb::CompareContextsResponse {
            gateway: self.iq.gateway(),
            differences: std::mem::take(&mut self.differences),
            compared,
        };
        self.answers.send(Ok(answer)).await.map_err(|_closed| Gone)
    }
}
