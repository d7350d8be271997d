//! A gateway that does what a test says, and the loopback connection to it.

mod counters;
mod released;

use std::collections::VecDeque;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use agw_context::{
    AdoptContexts, Capabilities, Command, CommandError, Confirmation, ContextChoice, ContextId,
    ContextName, Controller, Event, LocalStream, OverloadLevel, RealmView, Reply, Resource,
    ServiceState, StreamId, SupervisionPolicy, TerminationId, TerminationReply,
};
use agw_relay::{EgressSnapshot, IngressSnapshot, LatchSnapshot};
use agw_srtp::Suite;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_stream::{Iter, iter};
use tonic::service::InterceptorLayer;
use tonic::transport::Server;
use tonic::{Request, Status};

use agw_iq::backend::{
    AuditPage, AuditQuery, Backend, Build, Completed, Condition, EventsError, GatewayStatus,
    NewContexts, ServiceChange, ServiceChangeError, ServiceChangeMethod, TransactError,
    Unavailable, WorkerTotals,
};
use agw_iq::client::IqClient;
use agw_iq::server::{Health, services};
use agw_iq::{ConnectedPeer, Role, pb};

pub(crate) use counters::{snapshots, status};
use released::{group_removed, released};

pub(crate) const EPOCH: u64 = 0x1234_5678_9abc_def0;

/// The scripted gateway.
pub(crate) struct Fake {
    state: Mutex<State>,
    /// Each transaction takes one permit before it ends.
    pub(crate) turns: Arc<Semaphore>,
}

#[derive(Default)]
pub(crate) struct State {
    /// Transactions in the order in which they were put in line.
    pub(crate) transactions: Vec<(Controller, Vec<Command>)>,
    /// What the next transactions end with, instead of success.
    pub(crate) errors: VecDeque<TransactError>,
    /// What the next audits end with.
    pub(crate) pages: VecDeque<Result<AuditPage, TransactError>>,
    pub(crate) queries: Vec<(Controller, AuditQuery)>,
    /// What the next subscription tells.
    pub(crate) events: Option<Result<Vec<Result<Event, EventsError>>, EventsError>>,
    pub(crate) subscriptions: Vec<(Controller, Option<u64>)>,
    pub(crate) confirmed: Vec<(Controller, Vec<Confirmation>)>,
    pub(crate) adopted: Vec<(Controller, AdoptContexts)>,
    pub(crate) status: Option<GatewayStatus>,
    pub(crate) service: ServiceState,
    /// The operator's words of the last change of service.
    pub(crate) reason: Option<String>,
    /// What new contexts are refused for before they are read.
    pub(crate) full: Option<Resource>,
    /// Contexts by their names.
    pub(crate) names: Vec<ContextName>,
}

impl Fake {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn transactions(&self) -> usize {
        self.state().transactions.len()
    }

    /// The only command of the only transaction.
    pub(crate) fn command(&self) -> Command {
        let (_, mut commands) = self.state().transactions.pop().expect("a transaction");
        assert_eq!(commands.len(), 1);
        commands.pop().expect("a command")
    }
}

impl Backend for Fake {
    type Events = Iter<std::vec::IntoIter<Result<Event, EventsError>>>;

    fn transact(
        &self,
        controller: Controller,
        commands: Vec<Command>,
    ) -> impl Future<Output = Result<Vec<Completed>, TransactError>> + Send + 'static {
        let completed: Vec<Completed> = commands.iter().map(carried_out).collect();
        let mut state = self.state();
        state.transactions.push((controller, commands));
        let result = match state.errors.pop_front() {
            Some(error) => Err(error),
            None => Ok(completed),
        };
        let turns = Arc::clone(&self.turns);
        async move {
            turns.acquire().await.expect("open").forget();
            result
        }
    }

    async fn audit(
        &self,
        controller: Controller,
        query: AuditQuery,
    ) -> Result<AuditPage, TransactError> {
        let mut state = self.state();
        state.queries.push((controller, query));
        state.pages.pop_front().unwrap_or_else(|| Ok(AuditPage::default()))
    }

    async fn capabilities(&self) -> Result<Capabilities, Unavailable> {
        let realm = RealmView {
            name: "access".to_owned(),
            addresses: vec!["2001:db8::1".parse().unwrap()],
            ports: (20_000, 29_999),
            protection: agw_context::Protection::Required,
            ports_used: 4,
            ports_resting: 2,
            max_ports: 20_000,
            available: false,
            unavailable: vec!["2001:db8::1".parse().unwrap()],
            is_default: true,
            max_streams: Some(9),
        };
        Ok(Capabilities {
            suites: Suite::ALL.to_vec(),
            max_mki_octets: 128,
            realms: vec![realm],
            max_contexts: 10_000,
            contexts: 3,
            reserve_percent: 10,
            max_streams: 64,
            max_terminations: 8,
            max_group_members: 64,
            max_pre_key_packets: 32,
            default_overlap: Duration::from_millis(2_500),
            max_overlap: Duration::from_secs(61),
            max_activation_delay: Duration::from_secs(62),
            ingress_key_return_allowed: true,
            max_sources: 63,
            default_latch_gate: Duration::from_secs(4),
            policing_factor: 5,
            policing_burst: Duration::from_secs(6),
            group_rekey_interval: Duration::from_secs(7),
            share_percent: 80,
            unencrypted_allowed: true,
            supervision: SupervisionPolicy {
                silence: [(Controller("ng".to_owned()), Duration::from_secs(3_600))].into(),
                ..SupervisionPolicy::default()
            },
            restart_epoch: EPOCH,
            draining: false,
        })
    }

    fn build(&self) -> Build {
        Build { version: "0.1.0", commit: "c0ffee" }
    }

    async fn status(&self) -> Result<GatewayStatus, Unavailable> {
        self.state().status.clone().ok_or(Unavailable)
    }

    async fn events(
        &self,
        controller: Controller,
        after: Option<u64>,
    ) -> Result<Self::Events, EventsError> {
        let mut state = self.state();
        state.subscriptions.push((controller, after));
        Ok(iter(state.events.take().unwrap_or_else(|| Ok(Vec::new()))?))
    }

    async fn service_change(
        &self,
        _controller: Controller,
        change: ServiceChange,
    ) -> Result<usize, ServiceChangeError> {
        let mut state = self.state();
        state.service = match change.method {
            ServiceChangeMethod::Graceful => ServiceState::Draining,
            ServiceChangeMethod::Forced => ServiceState::Locked,
            ServiceChangeMethod::Restart => ServiceState::InService,
        };
        state.reason = change.reason;
        Ok(state.names.len())
    }

    async fn names(
        &self,
        _controller: Controller,
        after: Option<ContextId>,
        limit: usize,
    ) -> Result<Vec<ContextName>, Unavailable> {
        let state = self.state();
        let names = state.names.iter().filter(|name| after.is_none_or(|after| name.id > after));
        Ok(names.take(limit).cloned().collect())
    }

    fn admit(&self, asked: &NewContexts<'_>) -> Result<(), CommandError> {
        match self.state().full {
            Some(what) if !asked.priority.is_preferred() => {
                Err(CommandError::Exhausted { what, realm: None })
            }
            Some(_) | None => Ok(()),
        }
    }

    async fn confirm(
        &self,
        controller: Controller,
        words: Vec<Confirmation>,
    ) -> Result<Vec<Confirmation>, Unavailable> {
        let unknown = words.iter().copied().filter(|word| word.context.0 > 7).collect();
        self.state().confirmed.push((controller, words));
        Ok(unknown)
    }

    async fn adopt(
        &self,
        controller: Controller,
        which: AdoptContexts,
    ) -> Result<Vec<ContextId>, TransactError> {
        let mut state = self.state();
        state.adopted.push((controller, which));
        state.errors.pop_front().map_or_else(|| Ok(vec![ContextId(7)]), Err)
    }

    fn condition(&self) -> Condition {
        let service = self.state().service;
        Condition {
            overload_percent: 42,
            overload_level: OverloadLevel::Normal,
            overload_limit: Some(Resource::Ports),
            restart_epoch: EPOCH,
            service,
        }
    }
}

/// The generation of every context.
pub(crate) const GENERATION: u64 = 5;

fn carried_out(command: &Command) -> Completed {
    let termination = |context, termination, streams: Vec<StreamId>| {
        let streams = streams.into_iter().map(local).collect();
        Reply::Termination(TerminationReply { context, termination, streams, released: vec![] })
    };
    let reply = match command {
        Command::Reserve(reserve) => {
            let context = match reserve.context {
                ContextChoice::Existing(context) => context,
                ContextChoice::New | ContextChoice::Latest => ContextId(7),
            };
            let streams = reserve.streams.iter().map(|stream| stream.id).collect();
            termination(context, TerminationId(1), streams)
        }
        Command::Configure(configure) => {
            let streams = configure.streams.iter().map(|stream| stream.id).collect();
            termination(configure.context, configure.termination, streams)
        }
        Command::ChangeThroughConnection(change) => Reply::Done { context: change.context },
        Command::SetTopology(topology) => Reply::Done { context: topology.context },
        Command::StageKey(stage) => Reply::Done { context: stage.slot.context },
        Command::ActivateKey(activate) => Reply::Done { context: activate.slot.context },
        Command::CancelKey(cancel) => Reply::Done { context: cancel.slot.context },
        Command::GroupKey(command) => Reply::Done { context: command.context },
        Command::SetGroup(set) => match set.context {
            ContextChoice::Existing(context) => Reply::Done { context },
            ContextChoice::New | ContextChoice::Latest => Reply::Done { context: ContextId(7) },
        },
        Command::RemoveGroup(remove) => return group_removed(remove.context, remove.group),
        Command::Release(release) => return released(release.context),
        Command::Expecting(expecting) => return carried_out(&expecting.command),
    };
    Completed { reply, generation: GENERATION, statistics: Vec::new(), groups: Vec::new() }
}

fn local(id: StreamId) -> LocalStream {
    let port = 40_000 + 2 * (id.0 % 100);
    LocalStream {
        id,
        rtp: SocketAddr::new([127, 0, 0, 1].into(), port),
        rtcp: Some(SocketAddr::new([127, 0, 0, 1].into(), port + 1)),
    }
}

/// A gateway with a client connected to it.
pub(crate) struct Rig {
    pub(crate) fake: Arc<Fake>,
    pub(crate) client: IqClient,
    pub(crate) address: String,
    pub(crate) health: Health,
}

/// Starts a gateway whose transactions end at once.
pub(crate) async fn rig() -> Rig {
    let rig = held_rig().await;
    rig.fake.turns.add_permits(1_000_000);
    rig
}

/// Starts a gateway whose transactions end only when a permit is added to its turns.
pub(crate) async fn held_rig() -> Rig {
    let fake = Arc::new(Fake { state: Mutex::default(), turns: Arc::new(Semaphore::new(0)) });
    let services = services(Arc::clone(&fake), true).await.expect("descriptors");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("bound"));
    let server = Server::builder()
        .layer(InterceptorLayer::new(name_the_peer))
        .add_routes(services.routes)
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(server);
    let client = IqClient::connect(&address, None).await.expect("connected");
    Rig { fake, client, address, health: services.health }
}

/// The peer of a connection that nobody authenticated.
pub(crate) const NOBODY: &str = "nobody";

/// Stands for authentication: the peer is whoever the metadata `peer` says, else the operator.
pub(crate) fn name_the_peer(mut request: Request<()>) -> Result<Request<()>, Status> {
    let peer = request.metadata().get("peer").and_then(|peer| peer.to_str().ok());
    let controller = peer.map_or_else(Controller::local, |peer| Controller(peer.to_owned()));
    if controller.0 != NOBODY {
        let role = match controller == Controller::local() {
            true => Role::Operator,
            false => role_of(&controller.0),
        };
        request.extensions_mut().insert(ConnectedPeer { role, controller });
    }
    Ok(request)
}

/// The role that the name of a peer begins with; a controller by default.
fn role_of(peer: &str) -> Role {
    match peer.split('-').next() {
        Some("observer") => Role::Observer,
        Some("operator") => Role::Operator,
        Some(_) | None => Role::Controller,
    }
}

/// A request of another controller than the one at this machine.
pub(crate) fn from<M>(peer: &'static str, message: M) -> Request<M> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("peer", peer.parse().unwrap());
    request
}

/// The gateway's condition as every reply has it.
pub(crate) fn gateway() -> Option<pb::GatewayState> {
    Some(pb::GatewayState {
        overload_percent: 42,
        restart_epoch: EPOCH,
        draining: false,
        overload_level: pb::OverloadLevel::Normal.into(),
        overload_limit: "ports".to_owned(),
        service_state: pb::ServiceState::InService.into(),
    })
}

/// A moment ago.
pub(crate) fn ago(duration: Duration) -> Instant {
    Instant::now().checked_sub(duration).expect("the clock is older")
}
