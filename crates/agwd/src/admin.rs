//! The admin HTTP server: `/metrics`, `/livez`, `/readyz`, `/log-filter`.
//!
//! | route | method | answer |
//! |---|---|---|
//! | `/metrics` | GET | counters in the text format of Prometheus |
//! | `/livez` | GET | 200 as long as control and workers move, else 503: restart |
//! | `/readyz` | GET | 200 as long as new contexts are welcome, else 503 with the reasons |
//! | `/log-filter` | GET | the log filter in force |
//! | `/log-filter` | PUT | another one, where `admin.set_log_filter` allows it |

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, server::conn::http1};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use agw_context::ServiceState;

use crate::control::{ControlClient, Stopped};
use crate::logging::LogFilter;
use crate::metrics::{self, Metrics, Snapshot};
use crate::monitor::Vitals;

/// Connections at a time.
const CONNECTIONS: usize = 16;
/// A request's head must be complete within this.
const HEAD: Duration = Duration::from_secs(5);
/// A connection is closed after this, however it is used.
const LONGEST: Duration = Duration::from_secs(60);
/// The longest log filter.
const LONGEST_FILTER: usize = 4_096;
/// How long the loop waits when the operating system cannot accept.
const BACK_OFF: Duration = Duration::from_millis(200);

const TEXT: &str = "text/plain; charset=utf-8";

/// What the routes tell.
pub(crate) struct Admin {
    pub(crate) control: ControlClient,
    /// The name of what opens and seals packets.
    pub(crate) engine: &'static str,
    pub(crate) metrics: Metrics,
    pub(crate) vitals: watch::Receiver<Vitals>,
    pub(crate) log_filter: Option<LogFilter>,
    /// Whether any user of this machine may change it.
    pub(crate) may_set_log_filter: bool,
}

impl Admin {
    /// Serves until it is dropped.
    pub(crate) async fn serve(self, listener: TcpListener) {
        let admin = Arc::new(self);
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            // The semaphore is never closed.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    warn!(listener = "admin", %error, "cannot accept connections now");
                    sleep(BACK_OFF).await;
                    continue;
                }
            };
            let admin = Arc::clone(&admin);
            tokio::spawn(async move {
                let service = service_fn(|request| admin.answer(request, peer));
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD)
                    .serve_connection(TokioIo::new(stream), service);
                if let Ok(Err(error)) = timeout(LONGEST, connection).await {
                    debug!(listener = "admin", %peer, %error, "connection ended");
                }
                drop(place);
            });
        }
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let is_read = [Method::GET, Method::HEAD].contains(request.method());
        Ok(match request.uri().path() {
            "/metrics" if is_read => self.metrics().await,
            "/livez" if is_read => self.livez(),
            "/readyz" if is_read => self.readyz(),
            "/log-filter" if is_read => self.log_filter(),
            "/log-filter" if request.method() == Method::PUT => {
                self.set_log_filter(request, peer).await
            }
            "/log-filter" => not_allowed("GET, HEAD, PUT"),
            "/metrics" | "/livez" | "/readyz" => not_allowed("GET, HEAD"),
            _ => text(StatusCode::NOT_FOUND, "/metrics /livez /readyz /log-filter\n"),
        })
    }

    async fn metrics(&self) -> Response<Full<Bytes>> {
        let exposition = match self.snapshot().await {
            Ok(snapshot) => self.metrics.text(&snapshot),
            Err(stopped) => return text(StatusCode::SERVICE_UNAVAILABLE, format!("{stopped}\n")),
        };
        match exposition {
            Ok(exposition) => respond(StatusCode::OK, metrics::CONTENT_TYPE, exposition),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        }
    }

    async fn snapshot(&self) -> Result<Snapshot, Stopped> {
        Ok(Snapshot {
            workers: self.control.count().await?,
            capabilities: self.control.capabilities().await?,
            overview: self.control.overview(),
            engine: self.engine,
        })
    }

    fn livez(&self) -> Response<Full<Bytes>> {
        let vitals = self.vitals.borrow();
        if vitals.are_good() {
            return text(StatusCode::OK, "ok\n");
        }
        let mut reasons: Vec<String> =
            vitals.stalled.iter().map(|worker| format!("worker {worker} is stalled")).collect();
        if vitals.control_is_silent {
            reasons.push("control does not answer".to_owned());
        }
        text(StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n")
    }

    fn readyz(&self) -> Response<Full<Bytes>> {
        let overview = self.control.overview();
        let reasons = [
            (overview.condition.service == ServiceState::Draining, "draining"),
            (overview.condition.service == ServiceState::Locked, "locked"),
            (overview.out_of_ports, "a realm has no ports left"),
            (overview.condition.overload_percent >= 100, "as much load as there may be"),
            (!self.vitals.borrow().are_good(), "stalled"),
        ];
        let reasons: Vec<_> =
            reasons.into_iter().filter_map(|(holds, reason)| holds.then_some(reason)).collect();
        if reasons.is_empty() {
            return text(StatusCode::OK, "ready\n");
        }
        text(StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n")
    }

    fn log_filter(&self) -> Response<Full<Bytes>> {
        match &self.log_filter {
            Some(filter) => text(StatusCode::OK, filter.current() + "\n"),
            None => text(StatusCode::NOT_FOUND, "logging is not this process's own\n"),
        }
    }

    async fn set_log_filter(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Response<Full<Bytes>> {
        if !self.may_set_log_filter {
            let rule = "not allowed: see admin.set_log_filter, or change log.filter and SIGHUP\n";
            return text(StatusCode::FORBIDDEN, rule);
        }
        let Some(filter) = self.log_filter.as_ref().filter(|_| peer.ip().is_loopback()) else {
            return text(StatusCode::FORBIDDEN, "only from this machine\n");
        };
        let body = Limited::new(request.into_body(), LONGEST_FILTER).collect();
        let Ok(Ok(body)) = timeout(HEAD, body).await else {
            return text(StatusCode::BAD_REQUEST, "no filter, or too long a one\n");
        };
        let wanted = String::from_utf8_lossy(&body.to_bytes()).trim().to_owned();
        match filter.set(&wanted) {
            Ok(()) => {
                info!(filter = wanted, %peer, "log filter changed");
                text(StatusCode::OK, filter.current() + "\n")
            }
            Err(error) => text(StatusCode::BAD_REQUEST, format!("{error}\n")),
        }
    }
}

fn not_allowed(methods: &'static str) -> Response<Full<Bytes>> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, format!("{methods}\n"));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    response
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    respond(status, TEXT, body)
}

fn respond(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
