//! The full audit, with statistics and page by page, beside media.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use agw_iq::client::IqClient;
use agw_iq::pb;
use agw_iq::pb::command::Command;
use agw_iq::pb::command_reply::Reply;

use super::gateway::Gateway;
use super::{Controller, context_of};

/// Calls that talk, a packet every 20 ms from one side to the other.
const TALKING: u64 = 100;
/// Descriptors of the gateway that are no media ports.
const OTHER_DESCRIPTORS: u64 = 600;
const TICK: Duration = Duration::from_millis(20);
/// How long they are heard without an audit.
const ALONE: Duration = Duration::from_secs(3);
const AUDITS: usize = 7;
/// The fixed part of RTP.
const HEADER: [u8; 12] = [0x80, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1];

pub(crate) async fn measure(gateway: &Gateway, controller: &mut Controller, contexts: u64) {
    let silent = contexts.saturating_sub(TALKING);
    let ports = agw_net::descriptor_limit().unwrap().saturating_sub(OTHER_DESCRIPTORS);
    // A termination takes a descriptor.
    let calls = ports.saturating_sub(2 * TALKING + silent).min(silent);
    for (terminations, contexts) in [(2, calls), (1, silent - calls)] {
        controller.terminations = terminations;
        controller.offer(contexts, |answer| assert_ne!(context_of(answer), 0)).await;
        println!("{contexts} silent contexts of {terminations} terminations");
    }
    let client = IqClient::connect(&gateway.address, None).await.unwrap();
    let [near, far] = [(); 2].map(|()| UdpSocket::bind("127.0.0.2:0").unwrap());
    far.set_read_timeout(Some(TICK)).unwrap();
    let mut ports = Vec::new();
    for _ in 0..TALKING {
        ports.push(call(&client, &near, &far).await);
    }
    let ports = Arc::new(ports);
    let talk = Talk::start(&near, &far, &ports);
    tokio::time::sleep(ALONE).await;
    talk.end("media alone");

    let (talk, before) = (Talk::start(&near, &far, &ports), gateway.on_cpu());
    let mut times = Vec::new();
    for _ in 0..AUDITS {
        let started = Instant::now();
        let audited = client.contexts(true).await.unwrap();
        times.push(started.elapsed());
        assert_eq!(audited.len() as u64, contexts);
    }
    let cost = Duration::from_nanos((gateway.on_cpu() - before) / AUDITS as u64);
    talk.end("media beside audits");
    times.sort_unstable();
    let (median, worst) = (times[AUDITS / 2], times[AUDITS - 1]);
    println!(
        "audit of {contexts} contexts (wanted: 10,000 in 2 s): median {median:.0?}, worst {worst:.0?}, \
         {cost:.0?} of a core"
    );
}

/// Sets a plain call up between two sockets; tells where the near one sends.
async fn call(client: &IqClient, near: &UdpSocket, far: &UdpSocket) -> SocketAddr {
    let reserve = |realm: &str, latest_context, peer: &UdpSocket| {
        let peer = peer.local_addr().unwrap();
        let rtp = pb::SocketAddress { ip: peer.ip().to_string(), port: peer.port().into() };
        let stream = pb::Stream {
            stream_id: 1,
            transport: pb::Transport::Plain.into(),
            rtcp: pb::RtcpMode::Mux.into(),
            remote: Some(pb::RemoteAddress { rtp: Some(rtp), rtcp: None }),
            mode: pb::StreamMode::SendReceive.into(),
            ..pb::Stream::default()
        };
        let (realm, streams) = (realm.to_owned(), vec![stream]);
        Command::Reserve(pb::Reserve { realm, latest_context, streams, ..Default::default() })
    };
    let commands = vec![reserve("access", false, near), reserve("core", true, far)];
    let replies = client.transact(commands).await.unwrap();
    let Some(Reply::Termination(first)) = &replies[0].reply else {
        panic!("not what was asked for: {replies:?}");
    };
    let local = first.streams[0].rtp.as_ref().unwrap();
    SocketAddr::new(local.ip.parse().unwrap(), u16::try_from(local.port).unwrap())
}

/// Calls that talk until they are told to end.
struct Talk {
    ends: Arc<AtomicBool>,
    sender: JoinHandle<u64>,
    hearer: JoinHandle<Histogram<u64>>,
}

impl Talk {
    fn start(near: &UdpSocket, far: &UdpSocket, ports: &Arc<Vec<SocketAddr>>) -> Self {
        let (ends, start) = (Arc::new(AtomicBool::new(false)), Instant::now());
        let (near, far) = (near.try_clone().unwrap(), far.try_clone().unwrap());
        let (ports, over) = (Arc::clone(ports), Arc::clone(&ends));
        let sender = thread::spawn(move || send(&near, &ports, start, &over));
        let over = Arc::clone(&ends);
        let hearer = thread::spawn(move || hear(&far, start, &over));
        Self { ends, sender, hearer }
    }

    fn end(self, when: &str) {
        self.ends.store(true, Ordering::Relaxed);
        let (sent, heard) = (self.sender.join().unwrap(), self.hearer.join().unwrap());
        let ms = |ns: u64| ns as f64 / 1e6;
        let (p50, p99) = (heard.value_at_quantile(0.5), heard.value_at_quantile(0.99));
        println!(
            "{when}: {sent} packets sent, {} lost; p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
            sent - heard.len(),
            ms(p50),
            ms(p99),
            ms(heard.max())
        );
    }
}

/// Sends on every call once a tick; tells how many packets.
fn send(near: &UdpSocket, ports: &[SocketAddr], start: Instant, ends: &AtomicBool) -> u64 {
    let (mut sent, mut due) = (0, Instant::now());
    while !ends.load(Ordering::Relaxed) {
        for port in ports {
            let at = u64::try_from(start.elapsed().as_nanos()).unwrap();
            let packet = [HEADER.as_slice(), &at.to_be_bytes(), &[0; 160]].concat();
            near.send_to(&packet, port).unwrap();
            sent += 1;
        }
        due += TICK;
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    sent
}

/// Hears until nothing comes any more; tells how long each packet took.
fn hear(far: &UdpSocket, start: Instant, ends: &AtomicBool) -> Histogram<u64> {
    let mut heard = Histogram::new_with_bounds(1, 60_000_000_000, 3).unwrap();
    let mut quiet = 0;
    let mut packet = [0; 256];
    while quiet < 10 {
        let Ok(_length) = far.recv(&mut packet) else {
            quiet += u32::from(ends.load(Ordering::Relaxed));
            continue;
        };
        let at = packet[HEADER.len()..].first_chunk().map(|at| u64::from_be_bytes(*at)).unwrap();
        let now = u64::try_from(start.elapsed().as_nanos()).unwrap();
        heard.record((now - at).max(1)).unwrap();
    }
    heard
}
