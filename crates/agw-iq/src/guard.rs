//! Which procedures a role may use: asked before a request is read.

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::task::{Context, Poll};

use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::codegen::{BoxFuture, Service};
use tonic::server::NamedService;

use crate::backend::Backend;
use crate::status::Failure;
use crate::{ConnectedPeer, Role};

/// What an observer may use: procedures that only tell. A procedure that is not here is refused.
const OBSERVING: [&str; 8] = [
    "AuditValue",
    "AuditCapabilities",
    "SubscribeEvents",
    "GetStatus",
    "CompareContexts",
    "Query",
    "List",
    "QueryRegistration",
];
/// What is the operator's alone.
const OPERATING: [&str; 1] = ["ServiceChange"];

impl Role {
    //= tests/spec/iq.md#access
    //# A procedure that the role of the peer does not include MUST be refused.
    /// Whether the role includes a procedure of the services.
    pub(crate) fn may_use(self, procedure: &str) -> bool {
        match self {
            Self::Operator => true,
            Self::Controller => !OPERATING.contains(&procedure),
            Self::Observer => OBSERVING.contains(&procedure),
        }
    }
}

/// A service behind the question who may use what.
pub(crate) struct Guarded<S, B> {
    service: S,
    backend: Arc<B>,
}

impl<S, B> Guarded<S, B> {
    pub(crate) fn new(service: S, backend: Arc<B>) -> Self {
        Self { service, backend }
    }
}

impl<S: Clone, B> Clone for Guarded<S, B> {
    fn clone(&self) -> Self {
        Self { service: self.service.clone(), backend: Arc::clone(&self.backend) }
    }
}

impl<S: NamedService, B> NamedService for Guarded<S, B> {
    const NAME: &'static str = S::NAME;
}

impl<S, B> Service<Request<Body>> for Guarded<S, B>
where
    S: Service<
            Request<Body>,
            Response = Response<Body>,
            Error = Infallible,
            Future = BoxFuture<Response<Body>, Infallible>,
        >,
    B: Backend,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        //= tests/spec/iq.md#access
        //# A request of a connection without an identity MUST be refused.
        let Some(role) = ConnectedPeer::role(request.extensions()) else {
            let refusal = Status::unauthenticated("the connection has no identity");
            return Box::pin(ready(Ok(refusal.into_http())));
        };
        let path = request.uri().path();
        let procedure = path.rsplit_once('/').map_or(path, |(_, procedure)| procedure);
        if role.may_use(procedure) {
            return self.service.call(request);
        }
        let refusal = Failure::not_permitted(role).into_status(self.backend.condition());
        Box::pin(ready(Ok(refusal.into_http())))
    }
}
