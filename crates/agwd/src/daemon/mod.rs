//! Starting and stopping the whole daemon in a process.

mod bind;
mod running;
mod workers;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rand::{Rng, RngExt};
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tracing::{error, info};
use zeroize::Zeroizing;

use agw_context::{Gateway, Policy, SetupError};
use agw_iq::server::{Services, services, services_with_alg};
use agw_simd::AnyEngine;

use crate::admin::Admin;
use crate::alg::{Belongings, Registrations, SignalledCalls, Table};
use crate::backend;
use crate::config::{Config, Host, Invalid};
use crate::control::{Control, ControlClient, MediaPorts, Surroundings};
use crate::exit::Exit;
use crate::listener::{Connection, Limits, UnixSocketError, accept_loop};
use crate::logging::{LogFilter, last_words};
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::monitor::watch_vitals;
use crate::ng::{Desk, Face};
use crate::overload::Meter;
use crate::presence::Presence;
use crate::realms;
use crate::subscriptions::Subscriptions;
use crate::tls::TlsError;
use crate::worker::WorkerHandle;
use crate::xdp::{Carriers, XdpError};

use bind::{Bound, descriptor_budget};
pub use running::Running;
use workers::start_worker;

/// Reports on the way from workers to control.
const REPORTS: usize = 4_096;
/// Connections on the way from the accept loops to the server.
const CONNECTIONS: usize = 16;

/// HTTP/2 settings of the Iq API.
mod http2 {
    use super::Duration;

    /// A silent connection is asked, and ended if it does not answer.
    pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(20);
    /// Connections are renewed, so that their certificates are checked again.
    pub(super) const AGE: Duration = Duration::from_secs(3_600);
    /// What goes on over an old connection may go on for so long.
    pub(super) const AGE_GRACE: Duration = Duration::from_secs(600);
    /// Requests of a connection at a time.
    pub(super) const STREAMS: u32 = 256;
    /// Streams that a peer has opened and reset again before they were looked at; one more ends its
    /// connection.
    pub(super) const RESETS: usize = 64;
    /// The longest list of headers, in octets.
    pub(super) const HEADERS: u32 = 16 << 10;
    /// A request that has no answer after this is given up.
    pub(super) const REQUEST: Duration = Duration::from_secs(2);
}

/// The daemon, started in this process.
#[derive(Debug, Clone, Copy)]
pub struct Daemon;

/// Why the daemon did not start; what it had opened is closed again.
#[derive(Debug, Error)]
pub enum StartError {
    /// Configuration values break rules.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Config(Vec<Invalid>),
    /// The realms do not fit together.
    #[error("realm: {0}")]
    Realms(#[from] SetupError),
    /// Certificates cannot be used.
    #[error("iq.tls: {0}")]
    Tls(#[from] TlsError),
    /// An address cannot be listened at.
    #[error("{key}: {address}: {source}")]
    Listen {
        /// The configuration key.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// The operating system's words.
        source: io::Error,
    },
    /// The unix socket cannot be made.
    #[error("iq.unix_socket: {0}")]
    UnixSocket(#[from] UnixSocketError),
    /// There are not enough descriptors for a single call.
    #[error("the descriptor limit of {limit} leaves no room for media ports")]
    Descriptors {
        /// The limit.
        limit: u64,
    },
    /// A device of a realm with `backend = "xdp"` cannot be had.
    #[error(transparent)]
    Xdp(#[from] XdpError),
    /// The operating system refused something that no configuration asks for.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// The operating system's words.
        source: io::Error,
    },
    /// A fault of this program.
    #[error("{0}")]
    Software(String),
}

impl StartError {
    /// The exit code.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Tls(TlsError::Read { source, .. })
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                Exit::Permission
            }
            Self::Config(_) | Self::Realms(_) | Self::Tls(_) => Exit::Usage,
            Self::Listen { source, .. }
            | Self::Xdp(XdpError { source, .. })
            | Self::UnixSocket(UnixSocketError { source, .. })
            | Self::System { source, .. } => Exit::of(source),
            Self::Descriptors { .. } => Exit::System,
            Self::Software(_) => Exit::Software,
        }
    }
}

impl Daemon {
    /// Starts the daemon in the current runtime; returns when new contexts are welcome.
    ///
    /// # Errors
    /// [`StartError`]; nothing of it runs then.
    pub async fn start(config: Config) -> Result<Running, StartError> {
        Self::start_with(config, None).await
    }

    /// As [`Daemon::start`], with the log filter that the admin server may change.
    ///
    /// # Errors
    /// [`StartError`]; nothing of it runs then.
    pub async fn start_with(
        config: Config,
        log_filter: Option<LogFilter>,
    ) -> Result<Running, StartError> {
        let host = Host::this();
        config.check(&host).map_err(StartError::Config)?;
        let carriers = Carriers::open(&config, &host)?;
        Self::start_over(config, log_filter, carriers).await
    }

    /// As [`Daemon::start_with`], over what was opened before.
    pub(crate) async fn start_over(
        mut config: Config,
        log_filter: Option<LogFilter>,
        mut carriers: Carriers,
    ) -> Result<Running, StartError> {
        let host = Host::this();
        config.check(&host).map_err(StartError::Config)?;
        if config.fit_default_realms(&host) {
            info!("this host has no IPv6 loopback: the built-in realms do without it");
            carriers.realms.clone_from(&config.realm);
        }
        let metrics =
            Metrics::new().map_err(|error| StartError::Software(format!("metrics: {error}")))?;
        let bound = Bound::new(&config).await?;
        if let Some(certificates) = &bound.certificates {
            metrics.certificate_expires(certificates.expiry());
        }
        let stop = CancellationToken::new();
        let stop_on_error = stop.clone().drop_guard();
        metrics.xdp(&carriers.interfaces);
        let media = start_media(&config, carriers, &bound, stop.clone())?;
        let engine = media.engine;
        let (gateway, calls) = gateway(&config, &media, &metrics);
        let services = serving(&config, gateway, calls.clone()).await?;
        services.health.set_serving().await;
        let mut running = Running::new(&bound, &media, stop.clone(), metrics.clone());
        running.serve_calls(calls.clone());
        if !bound.ng.is_empty() {
            let (desk, face) = ng(&config, calls, &media, &metrics);
            running.serve_ng(bound.ng, desk, face, &media.presence);
        }
        running.watch_certificates();
        running.serve_health(services.health.clone());
        let admin = Admin {
            control: media.control,
            engine,
            metrics: metrics.clone(),
            vitals: running.vitals(),
            log_filter,
            may_set_log_filter: config.admin.set_log_filter,
        };
        running.own(admin.serve(bound.admin));
        let (sender, connections) = mpsc::channel(CONNECTIONS);
        let limits = Limits {
            connections: config.iq.max_connections,
            handshake: config.iq.handshake_timeout(),
        };
        for listener in bound.listeners {
            let (metrics, presence) = (metrics.clone(), media.presence.clone());
            running.own(accept_loop(listener, limits, metrics, presence, sender.clone()));
        }
        running.own_unix_socket(bound.unix_socket);
        running.serve(tokio::spawn(serve(services, connections, stop)));
        running.own_control(media.task);
        stop_on_error.disarm();
        Ok(running)
    }
}

/// Where messages of ng come in, and what carries them out.
fn ng(
    config: &Config,
    calls: SignalledCalls,
    media: &MediaPlane,
    metrics: &Metrics,
) -> (Desk, Face) {
    let seed = (rand::rng().random(), config.limits.contexts);
    let face = Face::new(calls, media.control.clone(), metrics.clone(), seed, &config.ng);
    let desk = Desk::new(face.clone(), &config.ng, metrics.clone(), Instant::now());
    (desk, face)
}

/// The gateway, and the calls of signalling faces behind which it stands.
fn gateway(
    config: &Config,
    media: &MediaPlane,
    metrics: &Metrics,
) -> (Arc<backend::Gateway>, SignalledCalls) {
    let limits = config.alg_limits();
    let belongings = Belongings {
        calls: Table::new(limits.calls),
        registrations: Registrations::new(limits.registrations),
        presence: media.presence.clone(),
    };
    let subscriptions = Subscriptions::new(config.iq.max_subscriptions);
    let (control, measured) = (media.control.clone(), metrics.clone());
    let gateway =
        backend::Gateway::new(control, measured, media.engine, subscriptions, belongings.clone());
    let gateway = Arc::new(gateway);
    let (policy, face) = (config.alg_policy(), Arc::clone(&gateway));
    let calls = SignalledCalls::new(face, belongings, policy, metrics.clone());
    (gateway, calls)
}

/// The services that the configuration asks for.
async fn serving(
    config: &Config,
    gateway: Arc<backend::Gateway>,
    calls: SignalledCalls,
) -> Result<Services, StartError> {
    let reflection = config.iq.reflection;
    let services = if config.alg.enabled {
        services_with_alg(gateway, Arc::new(calls), reflection).await
    } else {
        services(gateway, reflection).await
    };
    services.map_err(|error| StartError::Software(format!("reflection: {error}")))
}

/// Control with its workers.
struct MediaPlane {
    control: ControlClient,
    /// Who has a connection.
    presence: Presence,
    /// The name of what opens and seals packets.
    engine: &'static str,
    vitals: watch::Receiver<crate::monitor::Vitals>,
    task: tokio::task::JoinHandle<()>,
}

fn start_media(
    config: &Config,
    carriers: Carriers,
    bound: &Bound,
    stop: CancellationToken,
) -> Result<MediaPlane, StartError> {
    let Carriers { realms: carried, workers, shares, interfaces: _ } = carriers;
    let policy: Policy = config.gateway_policy(bound.addresses());
    let realms = config.realm.iter().map(crate::config::Realm::model).collect();
    let mut random = rand::rng();
    let mut secret = Zeroizing::new([0; 64]);
    random.fill_bytes(secret.as_mut());
    let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let epoch = u64::try_from(epoch).unwrap_or(u64::MAX);
    let first = random.random_range(1..=u32::MAX - 2);
    let mut gateway = Gateway::new(policy, realms, secret, epoch, first)?;
    let availability = realms::availability(&config.realm);
    realms::warn_of_missing(&config.realm, &availability);
    gateway.handle_availability(&availability.up, SystemTime::now());
    gateway.handle_local_addresses(availability.local.clone());
    let budget = descriptor_budget(config, &carried)?;
    let rest = Duration::from_millis(config.policy.port_rest_ms);
    let ports = MediaPorts::new(carried, budget, rest, Instant::now());
    let (reports, received) = mpsc::channel(REPORTS);
    let engine = AnyEngine::new(config.media.engine.0).map_err(|unsupported| {
        let (key, rule) = ("media.engine".to_owned(), unsupported.to_string());
        StartError::Config(vec![Invalid { key, rule }])
    })?;
    info!(engine = engine.name(), workers, "media starts");
    let mut shares = shares.into_iter();
    let own = gateway.own_ports();
    let start = |index| {
        let place = (index, workers);
        start_worker(config, engine, place, shares.next(), own.clone(), reports.clone())
    };
    let workers = (0..workers).map(start).collect::<Result<Vec<_>, _>>()?;
    let heartbeats = workers.iter().map(WorkerHandle::heartbeat).collect();
    let accounts = workers.iter().map(WorkerHandle::account).collect();
    let memory = Memory::of_process(config.limits.memory_octets);
    let memory_octets = memory.as_ref().map(Memory::limit);
    info!(memory_octets, "what limits.memory_percent is a part of");
    let meter = Meter::new(accounts, memory, config.limits.memory_percent);
    let (events, limits) = (config.limits.events, config.load_limits());
    let presence = Presence::default();
    let around = Surroundings { ports, workers, reports: received, presence: presence.clone() };
    let (control, client) = Control::new(gateway, around, events, limits);
    realms::watch(config.realm.clone(), availability, client.clone(), stop.clone())
        .map_err(|source| StartError::System { what: "watching addresses", source })?;
    let (vitals, seen) = watch::channel(crate::monitor::Vitals::default());
    tokio::spawn(watch_vitals(heartbeats, client.clone(), vitals, meter));
    let task = tokio::spawn(control.run(stop));
    Ok(MediaPlane { control: client, presence, engine: engine.name(), vitals: seen, task })
}

async fn serve(
    services: Services,
    connections: mpsc::Receiver<io::Result<Connection>>,
    stop: CancellationToken,
) {
    let served = Server::builder()
        .http2_keepalive_interval(Some(http2::KEEP_ALIVE))
        .http2_keepalive_timeout(Some(http2::KEEP_ALIVE))
        .max_connection_age(http2::AGE)
        .max_connection_age_grace(http2::AGE_GRACE)
        .max_concurrent_streams(http2::STREAMS)
        .http2_max_header_list_size(http2::HEADERS)
        .http2_max_pending_accept_reset_streams(Some(http2::RESETS))
        .timeout(http2::REQUEST)
        .add_routes(services.routes)
        .serve_with_incoming_shutdown(
            ReceiverStream::new(connections),
            stop.clone().cancelled_owned(),
        )
        .await;
    if !stop.is_cancelled() {
        // A gateway that nobody can control is worse than none.
        let error = served.err().map(|error| error.to_string());
        error!(error, "the Iq server ended: agwd ends");
        last_words();
        process::exit(Exit::Software.code().into());
    }
}

/// Where the daemon can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Addresses {
    pub(crate) iq: Option<SocketAddr>,
    pub(crate) admin: SocketAddr,
    pub(crate) unix_socket: Option<PathBuf>,
    pub(crate) ng_udp: Vec<SocketAddr>,
    pub(crate) ng_tcp: Vec<SocketAddr>,
}
