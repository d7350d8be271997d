//! A client for controllers: the procedures as functions, with retries that act once.
//!
//! The example `originating_e2ae` sets up a whole call:
//!
//! ```no_run
//! use agw_iq::client::IqClient;
//! use agw_iq::pb;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let gateway = IqClient::connect("http://127.0.0.1:7400", None).await?;
//! let stream = pb::Stream {
//!     stream_id: 1,
//!     transport: pb::Transport::Plain.into(),
//!     ..pb::Stream::default()
//! };
//! let reserve = pb::Reserve {
//!     realm: "core".to_owned(),
//!     streams: vec![stream],
//!     ..pb::Reserve::default()
//! };
//! let termination = gateway.reserve(reserve).await?;
//! println!("the peer sends to {:?}", termination.streams);
//! # Ok(())
//! # }
//! ```

mod connect;
mod error;
mod keys;
mod supervision;

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};

pub use connect::{ConnectError, Tls};
pub use error::CallError;

use crate::alg::pb::alg_service_client::AlgServiceClient;
use crate::epochs::EPOCH;
use crate::pb;
use crate::pb::iq_service_client::IqServiceClient;
use crate::wipe::{Wipe, Wiped};

/// How long a gateway may take for an answer.
const DEADLINE: Duration = Duration::from_secs(10);
/// The most contexts of a request of a comparison.
const MAX_COMPARED: usize = 1_000;
/// How often a transaction is sent again when the connection broke under it.
const RETRIES: usize = 2;

/// A connection to a gateway; clones share it.
///
/// Every procedure that changes something gets a transaction id of its own. If the connection
/// breaks before the answer, the same request goes out again under the same id, so it acts once.
/// Keys in requests are wiped here when the call is over; what the connection has buffered is not.
#[derive(Clone)]
pub struct IqClient {
    service: IqServiceClient<Channel>,
    alg: AlgServiceClient<Channel>,
    ids: Arc<TransactionIds>,
    epoch: Option<u64>,
}

/// Transaction ids that no other client makes.
struct TransactionIds {
    client: u64,
    next: AtomicU64,
}

impl IqClient {
    /// Connects to `http://host:port`, `https://host:port` or `unix:/path`.
    ///
    /// `tls` is for `https` only, and needed there.
    ///
    /// # Errors
    /// [`ConnectError`] if the address cannot be read or nobody answers there.
    pub async fn connect(address: &str, tls: Option<Tls>) -> Result<Self, ConnectError> {
        Ok(Self::new(connect::connect(address, tls).await?))
    }

    /// Takes a channel that stands already.
    pub fn new(channel: Channel) -> Self {
        let ids =
            TransactionIds { client: RandomState::new().hash_one(0), next: AtomicU64::new(1) };
        let alg = AlgServiceClient::new(channel.clone());
        Self { service: IqServiceClient::new(channel), alg, ids: Arc::new(ids), epoch: None }
    }

    /// States the number of the controller's present instance in every request, so that the
    /// gateway refuses instances with lower ones.
    #[must_use]
    pub fn with_epoch(mut self, epoch: u64) -> Self {
        self.epoch = Some(epoch);
        self
    }

    /// The generated client, for what has no function here, as own transaction ids and streams of
    /// transactions.
    pub fn service(&self) -> IqServiceClient<Channel> {
        self.service.clone()
    }

    /// The generated client of the IMS-ALG over the same connection; its refusals become
    /// [`CallError`] by `into`.
    pub fn alg(&self) -> AlgServiceClient<Channel> {
        self.alg.clone()
    }

    /// A fresh transaction id.
    pub fn transaction_id(&self) -> String {
        let number = self.ids.next.fetch_add(1, Ordering::Relaxed);
        format!("{:016x}-{number}", self.ids.client)
    }

    /// Reserves a connection point whose peer is not known yet (TS 23.334 §8.3).
    ///
    /// # Errors
    /// [`CallError`] says what is wrong; nothing changed then.
    pub async fn reserve(&self, reserve: pb::Reserve) -> Result<pb::TerminationReply, CallError> {
        let transaction_id = self.transaction_id();
        let request = pb::ReserveConnectionPointRequest { transaction_id, reserve: Some(reserve) };
        let answer = self.transaction(request, |mut service, request| async move {
            service.reserve_connection_point(request).await
        });
        answer.await?.termination.ok_or_else(CallError::incomplete)
    }

    /// Reserves a connection point whose peer is known (TS 23.334 §8.2).
    ///
    /// # Errors
    /// [`CallError`] says what is wrong; nothing changed then.
    pub async fn reserve_and_configure(
        &self,
        reserve: pb::Reserve,
    ) -> Result<pb::TerminationReply, CallError> {
        let transaction_id = self.transaction_id();
        let request = pb::ReserveAndConfigureConnectionPointRequest {
            transaction_id,
            reserve: Some(reserve),
        };
        let answer = self.transaction(request, |mut service, request| async move {
            service.reserve_and_configure_connection_point(request).await
        });
        answer.await?.termination.ok_or_else(CallError::incomplete)
    }

    /// Changes a connection point (TS 23.334 §8.4).
    ///
    /// # Errors
    /// [`CallError`] says what is wrong; nothing changed then.
    pub async fn configure(
        &self,
        configure: pb::Configure,
    ) -> Result<pb::TerminationReply, CallError> {
        let transaction_id = self.transaction_id();
        let request =
            pb::ConfigureConnectionPointRequest { transaction_id, configure: Some(configure) };
        let answer = self.transaction(request, |mut service, request| async move {
            service.configure_connection_point(request).await
        });
        answer.await?.termination.ok_or_else(CallError::incomplete)
    }

    /// Opens and closes gates (TS 23.334 §8.5).
    ///
    /// # Errors
    /// [`CallError`] says what is wrong; nothing changed then.
    pub async fn change_through_connection(
        &self,
        change: pb::ChangeThroughConnection,
    ) -> Result<(), CallError> {
        let transaction_id = self.transaction_id();
        let change_through_connection = Some(change);
        let request =
            pb::ChangeThroughConnectionRequest { transaction_id, change_through_connection };
        let answer = self.transaction(request, |mut service, request| async move {
            service.change_through_connection(request).await
        });
        answer.await.map(drop)
    }

    /// Chooses the terminations of a context that hear each other (H.248.1 §7.1.18).
    ///
    /// # Errors
    /// [`CallError`] says what is wrong; nothing changed then.
    pub async fn set_topology(&self, topology: pb::SetTopology) -> Result<(), CallError> {
        let transaction_id = self.transaction_id();
        let request = pb::SetTopologyRequest { transaction_id, set_topology: Some(topology) };
        let answer = self.transaction(request, |mut service, request| async move {
            service.set_topology(request).await
        });
        answer.await.map(drop)
    }

    /// Releases a termination or a context (TS 23.334 §8.6).
    ///
    /// # Errors
    /// [`CallError`] says what is wrong; nothing changed then.
    pub async fn release(&self, release: pb::Release) -> Result<pb::ReleaseReply, CallError> {
        let transaction_id = self.transaction_id();
        let request = pb::ReleaseRequest { transaction_id, release: Some(release) };
        let answer = self.transaction(request, |mut service, request| async move {
            service.release(request).await
        });
        answer.await?.released.ok_or_else(CallError::incomplete)
    }

    /// Carries out several commands, all or none.
    ///
    /// # Errors
    /// [`CallError`] says which command is wrong and how; nothing changed then.
    pub async fn transact(
        &self,
        commands: Vec<pb::command::Command>,
    ) -> Result<Vec<pb::CommandReply>, CallError> {
        let transaction_id = self.transaction_id();
        let commands =
            commands.into_iter().map(|command| pb::Command { command: Some(command) }).collect();
        let request = pb::TransactRequest { transaction_id, commands };
        let answer = self.transaction(request, |mut service, request| async move {
            service.transact(request).await
        });
        Ok(answer.await?.replies)
    }

    /// Takes the gateway out of service: no new contexts.
    ///
    /// # Errors
    /// [`CallError`] if the gateway cannot answer.
    pub async fn drain(&self) -> Result<pb::GatewayState, CallError> {
        let changed = self.service_change(pb::ServiceChangeMethod::Graceful, "").await?;
        changed.gateway.ok_or_else(CallError::incomplete)
    }

    /// Takes the gateway out of service or back, for a reason of at most 128 characters.
    ///
    /// # Errors
    /// [`CallError`] if the gateway ends or cannot answer, or this is not its operator.
    pub async fn service_change(
        &self,
        method: pb::ServiceChangeMethod,
        reason: &str,
    ) -> Result<pb::ServiceChangeResponse, CallError> {
        let request = pb::ServiceChangeRequest {
            transaction_id: self.transaction_id(),
            method: method.into(),
            reason: reason.to_owned(),
        };
        Ok(self.service().service_change(self.request(request)).await?.into_inner())
    }

    /// Compares a list of contexts with the gateway's; tells the differences and how many of the
    /// gateway's contexts were compared. The list may be in any order.
    ///
    /// # Errors
    /// [`CallError`] if a context stands in it twice or the gateway cannot answer.
    pub async fn compare(
        &self,
        mut contexts: Vec<pb::ContextName>,
    ) -> Result<(Vec<pb::ContextDifference>, u64), CallError> {
        contexts.sort_by_key(|context| context.context_id);
        let parts: Vec<_> = contexts
            .chunks(MAX_COMPARED)
            .map(|part| pb::CompareContextsRequest { contexts: part.to_vec() })
            .collect();
        let request = self.stated(tokio_stream::iter(parts));
        let mut answers = self.service().compare_contexts(request).await?.into_inner();
        let (mut differences, mut compared) = (Vec::new(), 0);
        while let Some(answer) = answers.message().await? {
            differences.extend(answer.differences);
            compared = answer.compared.max(compared);
        }
        Ok((differences, compared))
    }

    /// Tells some contexts; go on with `next_page_token`.
    ///
    /// # Errors
    /// [`CallError`] if the request is wrong or the context asked for does not exist.
    pub async fn audit(
        &self,
        request: pb::AuditValueRequest,
    ) -> Result<pb::AuditValueResponse, CallError> {
        Ok(self.service().audit_value(self.request(request)).await?.into_inner())
    }

    /// Tells all contexts, page by page; each page is a moment of its own.
    ///
    /// # Errors
    /// [`CallError`] if the gateway cannot answer.
    pub async fn contexts(
        &self,
        include_statistics: bool,
    ) -> Result<Vec<pb::ContextInfo>, CallError> {
        let mut contexts = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = pb::AuditValueRequest {
                include_statistics,
                page_token,
                ..pb::AuditValueRequest::default()
            };
            let page = self.audit(request).await?;
            contexts.extend(page.contexts);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(contexts);
            }
        }
    }

    /// Tells what the gateway can do.
    ///
    /// # Errors
    /// [`CallError`] if the gateway cannot answer.
    pub async fn capabilities(&self) -> Result<pb::Capabilities, CallError> {
        let request = self.request(pb::AuditCapabilitiesRequest {});
        let answer = self.service().audit_capabilities(request).await?;
        answer.into_inner().capabilities.ok_or_else(CallError::incomplete)
    }

    /// Tells events: those after a number, or new ones only. `restart_epoch` is the gateway's life
    /// in which that number was seen, 0 if it does not matter.
    ///
    /// # Errors
    /// [`CallError`] with reason `EVENTS_GONE` if events after that number are not kept.
    pub async fn events(
        &self,
        after_sequence: Option<u64>,
        restart_epoch: u64,
    ) -> Result<Streaming<pb::SubscribeEventsResponse>, CallError> {
        let request = pb::SubscribeEventsRequest { after_sequence, restart_epoch };
        Ok(self.service().subscribe_events(request).await?.into_inner())
    }

    /// Tells version, age, load and counters of the gateway.
    ///
    /// # Errors
    /// [`CallError`] if the gateway cannot answer.
    pub async fn status(&self) -> Result<pb::GetStatusResponse, CallError> {
        let request = self.request(pb::GetStatusRequest {});
        Ok(self.service().get_status(request).await?.into_inner())
    }

    /// A request for a generated client with all that goes with it: the instance that asks, and how
    /// long an answer may take.
    pub fn request<M>(&self, message: M) -> Request<M> {
        let mut request = self.stated(message);
        request.set_timeout(DEADLINE);
        request
    }

    /// A request that states which instance asks.
    fn stated<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        if let Some(epoch) = self.epoch {
            request.metadata_mut().insert(EPOCH, epoch.into());
        }
        request
    }

    /// Sends a transaction, and sends it again under the same id if the connection broke.
    async fn transaction<M, R, F>(
        &self,
        request: M,
        call: impl Fn(IqServiceClient<Channel>, Request<M>) -> F,
    ) -> Result<R, CallError>
    where
        M: Clone + Wipe,
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let request = Wiped(request);
        let mut retries = RETRIES;
        loop {
            let error = match call(self.service(), self.request(request.0.clone())).await {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(status) => CallError::from(status),
            };
            if retries == 0 || !error.is_of_connection() {
                return Err(error);
            }
            retries -= 1;
        }
    }
}
