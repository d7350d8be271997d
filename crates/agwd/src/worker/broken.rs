//! Workers that cannot do as ordered: what becomes of calls, and of the daemon's end.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{StartOptions, start};
use crate::alg::{Belongings, Registrations, Table};
use crate::backend;
use crate::config::Config;
use crate::control::{Control, MediaPorts, Surroundings};
use crate::metrics::Metrics;
use crate::presence::Presence;
use crate::subscriptions::Subscriptions;
use agw_context::{
    Command, ContextChoice, Controller, EventKind, Gateway, Media, ReleaseCause, Reserve, RtcpMode,
    StreamExtras, StreamId, StreamMode, StreamSpec,
};
use agw_iq::Backend;
use agw_iq::backend::TransactError;
use agw_net::{
    Batch, IoCounters, MediaPort, MemoryBackend, PacketIo, PortCounters, PortToken, SendError,
    Waker,
};
use agw_relay::Transport;
use agw_simd::{AnyEngine, Choice};

/// A backend that takes no port, or never comes back from waiting.
struct Broken {
    inner: MemoryBackend,
    hangs: bool,
}

impl Broken {
    fn new(hangs: bool) -> Self {
        Self { inner: MemoryBackend::new().expect("a backend").0, hangs }
    }
}

impl PacketIo for Broken {
    type Port = MediaPort;

    fn add_port(&mut self, _: PortToken, _: MediaPort) -> io::Result<()> {
        Err(io::ErrorKind::OutOfMemory.into())
    }

    fn remove_port(&mut self, token: PortToken) -> io::Result<PortCounters> {
        self.inner.remove_port(token)
    }

    fn watch_traffic_class(&mut self, token: PortToken, watch: bool) -> io::Result<()> {
        self.inner.watch_traffic_class(token, watch)
    }

    fn new_batch(&mut self) -> io::Result<Batch> {
        self.inner.new_batch()
    }

    fn receive(&mut self, batch: &mut Batch, timeout: Option<Duration>) -> io::Result<usize> {
        if !self.hangs {
            return self.inner.receive(batch, timeout);
        }
        loop {
            thread::park();
        }
    }

    fn transmit(&mut self, batch: &mut Batch, on_error: impl FnMut(u32, SendError)) -> usize {
        self.inner.transmit(batch, on_error)
    }

    fn waker(&self) -> Waker {
        self.inner.waker()
    }

    fn counters(&self) -> &IoCounters {
        self.inner.counters()
    }

    fn port_counters(&mut self, token: PortToken) -> Option<PortCounters> {
        self.inner.port_counters(token)
    }
}

fn options() -> StartOptions {
    let engine = AnyEngine::new(Choice::Auto).expect("an engine");
    let own_ports = Vec::new();
    StartOptions { index: 0, core: None, engine, coalesces: false, pre_key_octets: 0, own_ports }
}

fn reserve() -> Command {
    let stream = StreamSpec {
        id: StreamId(1),
        media: Media::Audio,
        transport: Transport::Plain,
        remote: None,
        rtcp: RtcpMode::Mux,
        mode: StreamMode::SendReceive,
        source: None,
        extras: StreamExtras::default(),
        ingress: None,
        egress: None,
    };
    Command::Reserve(Reserve {
        context: ContextChoice::New,
        correlation: None,
        realm: Some("core".to_owned()),
        family: None,
        priority: None,
        heartbeat: None,
        streams: vec![stream],
    })
}

//= tests/spec/iq.md#acknowledgement
//= type=test
//# What the packet path could not carry out MUST be released, and told as failed for good.
#[tokio::test]
async fn a_call_whose_worker_takes_no_port_is_released_and_told_as_failed() {
    let (sender, reports) = mpsc::channel(8);
    let workers = vec![start(options(), Broken::new(false), sender).expect("a worker")];
    let config = Config::default();
    let realms = config.realm.iter().map(crate::config::Realm::model).collect();
    let (policy, limits) = (config.gateway_policy(Vec::new()), config.load_limits());
    let gateway = Gateway::new(policy, realms, [7; 64].into(), 1, 1).expect("a gateway");
    let ports = MediaPorts::new(config.realm, 100, Duration::ZERO, Instant::now());
    let around = Surroundings { ports, workers, reports, presence: Presence::default() };
    let (control, client) = Control::new(gateway, around, 16, limits);
    let stop = CancellationToken::new();
    let task = tokio::spawn(control.run(stop.clone()));
    let metrics = Metrics::new().expect("metrics");
    let (engine, subscriptions) = ("portable", Subscriptions::new(1));
    let (calls, registrations) = (Table::new(1), Registrations::new(1));
    let belongings = Belongings { calls, registrations, presence: Presence::default() };
    let backend = backend::Gateway::new(client.clone(), metrics, engine, subscriptions, belongings);

    let failed = backend.transact(Controller::local(), vec![reserve()]).await.expect_err("broken");

    let TransactError::Failed { released } = failed else { panic!("{failed}") };
    let page = client.events(Controller::local(), Some(0), 16).await.expect("control");
    let events = page.expect("kept").events;
    let subjects = events.iter().filter_map(|event| event.subject.as_ref());
    assert!(subjects.map(|subject| subject.context).all(|context| context == released[0]));
    let of_contexts = events.into_iter().filter(|event| event.subject.is_some());
    let kinds: Vec<_> = of_contexts.map(|event| event.kind).collect();
    let by_gateway = EventKind::ReleasedByGateway { cause: ReleaseCause::Failed };
    let [first @ .., EventKind::ContextEnded(ended)] = &kinds[..] else { panic!("{kinds:?}") };
    assert_eq!(first, [EventKind::ContextAdded, by_gateway, EventKind::ContextReleased]);
    assert_eq!((ended.cause, ended.streams.len()), (ReleaseCause::Failed, 1));
    assert_eq!((client.overview().contexts, client.overview().ports_open), (0, 0));
    stop.cancel();
    task.await.expect("an end");
}

//= tests/spec/iq.md#daemon
//= type=test
//# A worker that does not move MUST NOT keep the daemon from ending.
#[test]
fn a_worker_that_hangs_is_left_behind() {
    let (sender, _reports) = mpsc::channel(8);
    let worker = start(options(), Broken::new(true), sender).expect("a worker");
    drop(worker);
}
