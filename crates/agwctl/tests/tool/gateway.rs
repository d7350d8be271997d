//! A real control model behind a real API, without a packet path; and the tool run against it.

use std::future::Future;
use std::io::Write;
use std::process::{Command as Process, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use agw_context::{
    AdoptContexts, Capabilities, Circumstances, Command, Confirmation, ContextId, ContextName,
    ContextView, Controller, Event, Gateway, LocalPort, Policy, PortError, Ports, RealmAddress,
    RealmConfig, Reply, ServiceCause, ServiceState,
};
use agw_relay::{
    CryptoSnapshot, EgressSnapshot, IngressSnapshot, LatchSnapshot, PortId, QualitySnapshot,
    SourceSnapshot,
};
use agw_rtp::Ssrc;
use agw_srtp::{KeyCount, KeyStanding, KeyUse, Mki, Suite};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_stream::{Iter, iter};
use tonic::service::InterceptorLayer;
use tonic::transport::Server;
use tonic::{Request, Status};

use agw_iq::ConnectedPeer;
use agw_iq::backend::{
    AuditPage, AuditQuery, AuditedContext, Backend, Build, Completed, Condition, EventsError,
    GatewayStatus, ServiceChange, ServiceChangeError, ServiceChangeMethod, TransactError,
    Unavailable, WorkerTotals,
};
use agw_iq::server::services_with_alg;

use crate::desk::Desk;

pub(crate) const EPOCH: u64 = 77;

/// A gateway with the tool pointed at it.
pub(crate) struct Rig {
    endpoint: String,
    _runtime: Runtime,
}

/// What a run of the tool came to.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Rig {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let endpoint = runtime.block_on(async {
            let stand = Arc::new(Stand::new());
            let desk = Arc::new(Desk::new(Arc::clone(&stand)));
            let services = services_with_alg(stand, desk, false).await.expect("descriptors");
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let endpoint = format!("http://{}", listener.local_addr().expect("bound"));
            let incoming = TcpListenerStream::new(listener);
            let server = Server::builder()
                .layer(InterceptorLayer::new(as_operator))
                .add_routes(services.routes);
            tokio::spawn(server.serve_with_incoming(incoming));
            endpoint
        });
        Self { endpoint, _runtime: runtime }
    }

    /// Runs the tool with arguments split at blanks.
    pub(crate) fn agwctl(&self, arguments: &str) -> Run {
        run(&format!("--endpoint {} {arguments}", self.endpoint), "")
    }

    /// Runs the tool with something on its standard input.
    pub(crate) fn agwctl_with(&self, arguments: &str, stdin: &str) -> Run {
        run(&format!("--endpoint {} {arguments}", self.endpoint), stdin)
    }

    /// Runs the tool for JSON, which must come.
    pub(crate) fn json(&self, arguments: &str) -> serde_json::Value {
        let run = self.agwctl(&format!("--output json {arguments}"));
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{arguments}");
        serde_json::from_str(&run.stdout).expect("JSON")
    }
}

/// Runs the tool with arguments split at blanks and something on its standard input.
pub(crate) fn run(arguments: &str, stdin: &str) -> Run {
    let mut child = Process::new(env!("CARGO_BIN_EXE_agwctl"))
        .args(arguments.split(' ').filter(|word| !word.is_empty()))
        .env_remove("AGWCTL_ENDPOINT")
        .env_remove("AGWCTL_OUTPUT")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the tool");
    // The tool may end before it reads.
    let _ = child.stdin.take().expect("piped").write_all(stdin.as_bytes());
    let Output { status, stdout, stderr } = child.wait_with_output().expect("an end");
    Run {
        code: status.code().expect("no signal"),
        stdout: String::from_utf8(stdout).expect("text"),
        stderr: String::from_utf8(stderr).expect("text"),
    }
}

/// Stands for authentication.
fn as_operator(mut request: Request<()>) -> Result<Request<()>, Status> {
    request.extensions_mut().insert(ConnectedPeer::local());
    Ok(request)
}

/// The control model, with ports that nobody opens.
pub(crate) struct Stand {
    gateway: Mutex<Gateway>,
}

struct NoPorts(u32);

impl Ports for NoPorts {
    fn open(&mut self, _context: ContextId, _port: LocalPort) -> Result<PortId, PortError> {
        self.0 += 1;
        Ok(PortId(self.0))
    }

    fn close(&mut self, _port: PortId) {}
}

impl Stand {
    fn new() -> Self {
        let realm = |name: &str, ports| RealmConfig {
            name: name.to_owned(),
            addresses: vec![RealmAddress {
                bind: "127.0.0.1".parse().expect("an address"),
                advertise: None,
            }],
            ports,
            dscp: None,
            max_streams: None,
            is_default: false,
            protection: Default::default(),
            hairpin: false,
        };
        let realms = vec![realm("access", 20_000..=20_099), realm("core", 21_000..=21_099)];
        let policy = Policy { max_contexts: 2, event_capacity: 4, ..Policy::default() };
        let gateway = Gateway::new(policy, realms, [1; 64].into(), EPOCH, 1).expect("realms");
        Self { gateway: Mutex::new(gateway) }
    }

    fn gateway(&self) -> MutexGuard<'_, Gateway> {
        self.gateway.lock().expect("no panic")
    }
}

impl Backend for Stand {
    type Events = Iter<std::vec::IntoIter<Result<Event, EventsError>>>;

    fn transact(
        &self,
        controller: Controller,
        commands: Vec<Command>,
    ) -> impl Future<Output = Result<Vec<Completed>, TransactError>> + Send + 'static {
        let mut around = Circumstances {
            controller: &controller,
            ports: &mut NoPorts(0),
            random: &mut |below| below / 2,
            now: Instant::now(),
            at: SystemTime::now(),
        };
        let outcome = self.gateway().transact(commands, &mut around);
        async move { Ok(outcome?.replies.into_iter().map(completed).collect()) }
    }

    async fn audit(
        &self,
        controller: Controller,
        query: AuditQuery,
    ) -> Result<AuditPage, TransactError> {
        let gateway = self.gateway();
        let views = match query.context {
            Some(id) => gateway.context(&controller, id).into_iter().collect(),
            None => gateway.contexts(&controller, query.after, query.limit),
        };
        if let (Some(id), true) = (query.context, views.is_empty()) {
            let error = agw_context::CommandError::UnknownContext(id);
            return Err(agw_context::Refused { command: 0, error }.into());
        }
        let contexts = views.into_iter().map(|view| audited(view, query.statistics)).collect();
        Ok(AuditPage { contexts, more: false })
    }

    async fn capabilities(&self) -> Result<Capabilities, Unavailable> {
        Ok(self.gateway().capabilities(Instant::now()))
    }

    fn build(&self) -> Build {
        Build { version: "1.2.3", commit: "c0ffee" }
    }

    async fn status(&self) -> Result<GatewayStatus, Unavailable> {
        let gateway = self.gateway();
        Ok(GatewayStatus {
            version: "1.2.3".to_owned(),
            engine: "avx512".to_owned(),
            started: SystemTime::UNIX_EPOCH,
            uptime: Duration::from_millis(61_000),
            contexts: gateway.context_count(),
            orphans: gateway.orphan_count(),
            totals: totals(7),
            workers: vec![totals(7)],
        })
    }

    async fn events(
        &self,
        _controller: Controller,
        after: Option<u64>,
    ) -> Result<Self::Events, EventsError> {
        let gateway = self.gateway();
        let after = after.unwrap_or_else(|| gateway.newest_event());
        let events = gateway.events_after(after, 1_000);
        let events = events.map_err(|gone| EventsError::Gone { oldest: gone.oldest })?;
        Ok(iter(events.into_iter().map(Ok).collect::<Vec<_>>()))
    }

    async fn service_change(
        &self,
        _controller: Controller,
        change: ServiceChange,
    ) -> Result<usize, ServiceChangeError> {
        let (state, cause) = match change.method {
            ServiceChangeMethod::Graceful => (ServiceState::Draining, ServiceCause::Operator),
            ServiceChangeMethod::Forced => (ServiceState::Locked, ServiceCause::Operator),
            ServiceChangeMethod::Restart => (ServiceState::InService, ServiceCause::Restored),
        };
        let mut gateway = self.gateway();
        gateway.set_service(state, cause, change.reason.as_deref(), SystemTime::now());
        Ok(0)
    }

    async fn names(
        &self,
        controller: Controller,
        after: Option<ContextId>,
        limit: usize,
    ) -> Result<Vec<ContextName>, Unavailable> {
        let name = |view: ContextView| ContextName {
            id: view.id,
            correlation: view.correlation,
            created: view.created,
        };
        Ok(self.gateway().contexts(&controller, after, limit).into_iter().map(name).collect())
    }

    async fn confirm(
        &self,
        controller: Controller,
        words: Vec<Confirmation>,
    ) -> Result<Vec<Confirmation>, Unavailable> {
        Ok(self.gateway().confirm(&controller, &words, Instant::now()).0)
    }

    async fn adopt(
        &self,
        controller: Controller,
        which: AdoptContexts,
    ) -> Result<Vec<ContextId>, TransactError> {
        let adopted = self.gateway().adopt(&controller, which, Instant::now(), SystemTime::now());
        adopted.map_err(|error| agw_context::Refused { command: 0, error }.into())
    }

    fn condition(&self) -> Condition {
        let gateway = self.gateway();
        Condition {
            overload_percent: gateway.overload(),
            restart_epoch: EPOCH,
            service: gateway.service_state(),
            ..Condition::default()
        }
    }
}

fn completed(reply: Reply) -> Completed {
    let (ingress, egress) = snapshots();
    let streams = reply.released().iter();
    let statistics = streams.map(|stream| (*stream, ingress.clone(), egress.clone())).collect();
    Completed { reply, generation: 1, statistics, groups: Vec::new() }
}

fn audited(view: ContextView, with_statistics: bool) -> AuditedContext {
    let streams = view.terminations.iter().flat_map(|termination| {
        termination.streams.iter().map(|stream| (termination.id, stream.id))
    });
    let statistics = streams.filter(|_| with_statistics).map(|(termination, stream)| {
        let (ingress, egress) = snapshots();
        (termination, stream, ingress, egress)
    });
    AuditedContext { statistics: statistics.collect(), groups: Vec::new(), view }
}

fn totals(packets: u64) -> WorkerTotals {
    let mut totals = WorkerTotals { kernel_drops: 1, ..WorkerTotals::default() };
    totals.relay.received.packets = packets;
    totals.relay.forwarded.packets = packets;
    totals.send_errors = vec![("ENOBUFS", 2)];
    totals
}

/// Key state of which nothing is null or empty.
fn crypto() -> CryptoSnapshot {
    let (ssrc, suite) = (Ssrc(7), Suite::AesCm128HmacSha1_80);
    let source = SourceSnapshot { ssrc, roc: 3, highest_sequence: Some(9), srtcp_index: Some(2) };
    let count = KeyCount { packets: 95, until_warning: 0, until_stop: 4 };
    let (standing, mki) = (KeyStanding::InForce, Mki::new(&[0, 0x1f]).ok());
    let key = KeyUse { standing, mki, suite, srtp: count, srtcp: count, until: None };
    CryptoSnapshot { suite, sources: vec![source], keys: vec![key], srtcp_index: Some(5) }
}

pub(crate) fn snapshots() -> (IngressSnapshot, EgressSnapshot) {
    let mut ingress = IngressSnapshot {
        stats: Default::default(),
        crypto: None,
        learnt_rtp: "127.0.0.2:30000".parse().ok(),
        learnt_rtcp: None,
        last_accepted: None,
        waiting: 2,
        latch: LatchSnapshot::Following,
    };
    ingress.stats.received.packets = 50;
    ingress.crypto = Some(crypto());
    let egress = EgressSnapshot {
        stats: Default::default(),
        crypto: None,
        destination_rtp: None,
        refusals: agw_relay::Refusals::default(),
        copies_dropped: agw_relay::Drops::default(),
        destination_rtcp: None,
        rewrite: None,
        group: None,
        quality: Some(QualitySnapshot {
            reports: 1,
            fraction_lost: 0,
            lost: 0,
            jitter: 8,
            clock: Some(8_000),
            round_trip: None,
            reported: Instant::now(),
        }),
    };
    (ingress, egress)
}
