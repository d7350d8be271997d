//! The procedures of `IqService`, one by one.

use std::time::Instant;

use agw_context::ContextId;
use prost::Message;
use tokio_stream::StreamExt;
use tonic::{Request, Response, Status, Streaming};

use super::{Answers, Iq, read};
use crate::ConnectedPeer;
use crate::backend::{
    AuditQuery, Backend, EventsError, ServiceChange, ServiceChangeError, ServiceChangeMethod,
    Unavailable,
};
use crate::convert;
use crate::epochs::Stated;
use crate::invalid::InvalidRequest;
use crate::pb;
use crate::pb::iq_service_server::IqService;
use crate::reply::confirmation;
use crate::report::capabilities::capabilities;
use crate::report::{audit, count, event};
use crate::status::Failure;
use crate::unread::UnreadTransaction;

/// Contexts of a page unless the request says otherwise.
const DEFAULT_PAGE: usize = 100;
/// The most contexts of a page.
const MAX_PAGE: usize = 1_000;
/// A page ends early when it is as large as this, well below the 4 MiB that clients take.
const PAGE_OCTETS: usize = 1 << 20;

#[tonic::async_trait]
impl<B: Backend> IqService for Iq<B> {
    type TransactStreamStream = Answers<pb::TransactStreamResponse>;
    type SubscribeEventsStream = Answers<pb::SubscribeEventsResponse>;
    type CompareContextsStream = Answers<pb::CompareContextsResponse>;

    async fn reserve_connection_point(
        &self,
        request: Request<pb::ReserveConnectionPointRequest>,
    ) -> Result<Response<pb::ReserveConnectionPointResponse>, Status> {
        let termination = self.termination(request, read::RESERVE).await?;
        let gateway = self.gateway();
        Ok(Response::new(pb::ReserveConnectionPointResponse { gateway, termination }))
    }

    async fn configure_connection_point(
        &self,
        request: Request<pb::ConfigureConnectionPointRequest>,
    ) -> Result<Response<pb::ConfigureConnectionPointResponse>, Status> {
        let termination = self.termination(request, read::CONFIGURE).await?;
        let gateway = self.gateway();
        Ok(Response::new(pb::ConfigureConnectionPointResponse { gateway, termination }))
    }

    async fn reserve_and_configure_connection_point(
        &self,
        request: Request<pb::ReserveAndConfigureConnectionPointRequest>,
    ) -> Result<Response<pb::ReserveAndConfigureConnectionPointResponse>, Status> {
        let termination = self.termination(request, read::RESERVE_AND_CONFIGURE).await?;
        let gateway = self.gateway();
        Ok(Response::new(pb::ReserveAndConfigureConnectionPointResponse { gateway, termination }))
    }

    async fn change_through_connection(
        &self,
        request: Request<pb::ChangeThroughConnectionRequest>,
    ) -> Result<Response<pb::ChangeThroughConnectionResponse>, Status> {
        let pb::DoneReply { context_id, generation } =
            self.done(request, read::CHANGE_THROUGH_CONNECTION).await?;
        let gateway = self.gateway();
        Ok(Response::new(pb::ChangeThroughConnectionResponse { gateway, context_id, generation }))
    }

    async fn set_topology(
        &self,
        request: Request<pb::SetTopologyRequest>,
    ) -> Result<Response<pb::SetTopologyResponse>, Status> {
        let pb::DoneReply { context_id, generation } =
            self.done(request, read::SET_TOPOLOGY).await?;
        let gateway = self.gateway();
        Ok(Response::new(pb::SetTopologyResponse { gateway, context_id, generation }))
    }

    async fn release(
        &self,
        request: Request<pb::ReleaseRequest>,
    ) -> Result<Response<pb::ReleaseResponse>, Status> {
        use pb::command_reply::Reply;
        let released = match self.single(request, read::RELEASE).await? {
            Reply::Released(released) => Some(released),
            Reply::Termination(_) | Reply::Done(_) => return Err(self.unfit()),
        };
        let gateway = self.gateway();
        Ok(Response::new(pb::ReleaseResponse { gateway, released }))
    }

    async fn stage_key(
        &self,
        request: Request<pb::StageKeyRequest>,
    ) -> Result<Response<pb::StageKeyResponse>, Status> {
        let pb::DoneReply { context_id, generation } = self.done(request, read::STAGE_KEY).await?;
        let gateway = self.gateway();
        Ok(Response::new(pb::StageKeyResponse { gateway, context_id, generation }))
    }

    async fn activate_key(
        &self,
        request: Request<pb::ActivateKeyRequest>,
    ) -> Result<Response<pb::ActivateKeyResponse>, Status> {
        let pb::DoneReply { context_id, generation } =
            self.done(request, read::ACTIVATE_KEY).await?;
        let gateway = self.gateway();
        Ok(Response::new(pb::ActivateKeyResponse { gateway, context_id, generation }))
    }

    async fn cancel_key(
        &self,
        request: Request<pb::CancelKeyRequest>,
    ) -> Result<Response<pb::CancelKeyResponse>, Status> {
        let pb::DoneReply { context_id, generation } = self.done(request, read::CANCEL_KEY).await?;
        let gateway = self.gateway();
        Ok(Response::new(pb::CancelKeyResponse { gateway, context_id, generation }))
    }

    async fn set_group(
        &self,
        request: Request<pb::SetGroupRequest>,
    ) -> Result<Response<pb::SetGroupResponse>, Status> {
        let pb::DoneReply { context_id, generation } = self.done(request, read::SET_GROUP).await?;
        let gateway = self.gateway();
        Ok(Response::new(pb::SetGroupResponse { gateway, context_id, generation }))
    }

    async fn remove_group(
        &self,
        request: Request<pb::RemoveGroupRequest>,
    ) -> Result<Response<pb::RemoveGroupResponse>, Status> {
        use pb::command_reply::Reply;
        let released = match self.single(request, read::REMOVE_GROUP).await? {
            Reply::Released(released) => released,
            Reply::Termination(_) | Reply::Done(_) => return Err(self.unfit()),
        };
        let pb::ReleaseReply { context_id, generation, groups, .. } = released;
        let (gateway, group) = (self.gateway(), groups.into_iter().next());
        Ok(Response::new(pb::RemoveGroupResponse { gateway, context_id, generation, group }))
    }

    async fn transact(
        &self,
        request: Request<UnreadTransaction>,
    ) -> Result<Response<pb::TransactResponse>, Status> {
        let replies = self.several(request, read::TRANSACT).await?;
        let gateway = self.gateway();
        Ok(Response::new(pb::TransactResponse { gateway, replies }))
    }

    async fn transact_stream(
        &self,
        request: Request<Streaming<UnreadTransaction>>,
    ) -> Result<Response<Self::TransactStreamStream>, Status> {
        let controller = self.admit(&request).map_err(|failure| self.status(failure))?;
        let stated = Stated::read(request.metadata()).map_err(|invalid| self.status(invalid))?;
        Ok(Response::new(self.pipeline(controller, stated, request.into_inner())))
    }

    async fn audit_value(
        &self,
        request: Request<pb::AuditValueRequest>,
    ) -> Result<Response<pb::AuditValueResponse>, Status> {
        let controller = ConnectedPeer::controller(request.extensions())?;
        let query = audit_query(request.get_ref()).map_err(|invalid| self.status(invalid))?;
        let page = self.backend.audit(controller, query).await;
        let page = page.map_err(|error| self.status(Failure::audit(&error)))?;
        let now = Instant::now();
        let (mut contexts, mut octets, mut more) = (Vec::new(), 0, page.more);
        for context in page.contexts {
            if octets > PAGE_OCTETS {
                more = true;
                break;
            }
            let info = audit::context_info(context, now);
            octets += info.encoded_len();
            contexts.push(info);
        }
        let last = contexts.last().filter(|_| more);
        Ok(Response::new(pb::AuditValueResponse {
            gateway: self.gateway(),
            next_page_token: last.map(|last| last.context_id.to_string()).unwrap_or_default(),
            contexts,
        }))
    }

    async fn audit_capabilities(
        &self,
        request: Request<pb::AuditCapabilitiesRequest>,
    ) -> Result<Response<pb::AuditCapabilitiesResponse>, Status> {
        let pb::AuditCapabilitiesRequest {} = request.into_inner();
        let found = self.backend.capabilities().await;
        let found = found.map_err(|_| self.status(Failure::unavailable()))?;
        Ok(Response::new(pb::AuditCapabilitiesResponse {
            gateway: self.gateway(),
            capabilities: Some(capabilities(found, self.backend.build())),
        }))
    }

    async fn subscribe_events(
        &self,
        request: Request<pb::SubscribeEventsRequest>,
    ) -> Result<Response<Self::SubscribeEventsStream>, Status> {
        let controller = ConnectedPeer::controller(request.extensions())?;
        let pb::SubscribeEventsRequest { after_sequence, restart_epoch } = request.into_inner();
        let epoch = self.backend.condition().restart_epoch;
        //= tests/spec/iq.md#audit
        //# A restart MUST be visible as a new epoch.
        if restart_epoch != 0 && restart_epoch != epoch {
            return Err(self.status(Failure::events(EventsError::Gone { oldest: 1 }, epoch)));
        }
        let events = self.backend.events(controller, after_sequence).await;
        let events = events.map_err(|error| self.status(Failure::events(error, epoch)))?;
        let teller = self.clone();
        Ok(Response::new(Answers::new(events.map(move |told| match told {
            Ok(told) => Ok(pb::SubscribeEventsResponse {
                event: Some(event::event(told, epoch)),
                gateway: teller.gateway(),
            }),
            Err(error) => Err(teller.status(Failure::events(error, epoch))),
        }))))
    }

    async fn service_change(
        &self,
        request: Request<pb::ServiceChangeRequest>,
    ) -> Result<Response<pb::ServiceChangeResponse>, Status> {
        let controller = self.admit(&request).map_err(|failure| self.status(failure))?;
        let change = service_change(request.get_ref()).map_err(|invalid| self.status(invalid))?;
        let released = match self.backend.service_change(controller, change).await {
            Ok(released) => released,
            Err(error @ ServiceChangeError::Ending) => {
                return Err(Status::failed_precondition(error.to_string()));
            }
            Err(ServiceChangeError::Unavailable(Unavailable)) => {
                return Err(self.status(Failure::unavailable()));
            }
        };
        Ok(Response::new(pb::ServiceChangeResponse {
            gateway: self.gateway(),
            released_contexts: count(released),
        }))
    }

    async fn get_status(
        &self,
        request: Request<pb::GetStatusRequest>,
    ) -> Result<Response<pb::GetStatusResponse>, Status> {
        let pb::GetStatusRequest {} = request.into_inner();
        let status = self.backend.status().await;
        let status = status.map_err(|_| self.status(Failure::unavailable()))?;
        Ok(Response::new(audit::gateway_status(
            &status,
            self.backend.condition(),
            self.backend.build(),
        )))
    }

    async fn confirm_terminations(
        &self,
        request: Request<pb::ConfirmTerminationsRequest>,
    ) -> Result<Response<pb::ConfirmTerminationsResponse>, Status> {
        let controller = self.admit(&request).map_err(|failure| self.status(failure))?;
        let words = convert::confirmations(request.get_ref());
        let words = words.map_err(|invalid| self.status(invalid))?;
        let unknown = self.backend.confirm(controller, words).await;
        let unknown = unknown.map_err(|_| self.status(Failure::unavailable()))?;
        Ok(Response::new(pb::ConfirmTerminationsResponse {
            gateway: self.gateway(),
            unknown: unknown.into_iter().map(confirmation).collect(),
        }))
    }

    async fn adopt_contexts(
        &self,
        request: Request<pb::AdoptContextsRequest>,
    ) -> Result<Response<pb::AdoptContextsResponse>, Status> {
        let controller = self.admit(&request).map_err(|failure| self.status(failure))?;
        let which = convert::adoption(request.get_ref());
        let which = which.map_err(|invalid| self.status(invalid))?;
        let adopted = self.backend.adopt(controller, which).await;
        let adopted = adopted.map_err(|error| self.status(Failure::audit(&error)))?;
        Ok(Response::new(pb::AdoptContextsResponse {
            gateway: self.gateway(),
            context_ids: adopted.into_iter().map(|context| context.0).collect(),
        }))
    }

    async fn compare_contexts(
        &self,
        request: Request<Streaming<pb::CompareContextsRequest>>,
    ) -> Result<Response<Self::CompareContextsStream>, Status> {
        let controller = self.admit(&request).map_err(|failure| self.status(failure))?;
        Ok(Response::new(self.compare(controller, request.into_inner())))
    }
}

fn audit_query(request: &pb::AuditValueRequest) -> Result<AuditQuery, InvalidRequest> {
    let pb::AuditValueRequest {
        context_id,
        correlation_id,
        include_statistics,
        page_size,
        page_token,
    } = request;
    let limit = match usize::try_from(*page_size) {
        Ok(0) => DEFAULT_PAGE,
        Ok(size) if size <= MAX_PAGE => size,
        Ok(_) | Err(_) => return Err(InvalidRequest::value("page_size", "is 1 to 1000")),
    };
    let after = match page_token.as_str() {
        "" => None,
        token => Some(ContextId(token.parse().map_err(|_| {
            InvalidRequest::value("page_token", "is next_page_token of the reply before")
        })?)),
    };
    Ok(AuditQuery {
        context: Some(ContextId(*context_id)).filter(|id| id.0 != 0),
        correlation: convert::correlation_id(correlation_id)?,
        after,
        limit,
        statistics: *include_statistics,
    })
}

fn service_change(request: &pb::ServiceChangeRequest) -> Result<ServiceChange, InvalidRequest> {
    let pb::ServiceChangeRequest { transaction_id, method, reason } = request;
    // Draining twice is draining: the id has nothing to protect, but must be well-formed.
    convert::transaction_id(transaction_id)?;
    let method = match pb::ServiceChangeMethod::try_from(*method) {
        Ok(pb::ServiceChangeMethod::Unspecified) => return Err(InvalidRequest::missing("method")),
        Ok(pb::ServiceChangeMethod::Graceful) => ServiceChangeMethod::Graceful,
        Ok(pb::ServiceChangeMethod::Forced) => ServiceChangeMethod::Forced,
        Ok(pb::ServiceChangeMethod::Restart) => ServiceChangeMethod::Restart,
        Err(_) => return Err(InvalidRequest::unknown("method", *method)),
    };
    Ok(ServiceChange { method, reason: convert::reason(reason)? })
}
