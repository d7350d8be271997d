//! What others lose while somebody is hostile, in one run: calls beside a flood of forged packets at one
//! of them, calls beside a subscriber who sends a hundred times what it may, a controller beside
//! connections that only take room and streams that are reset as soon as they are opened.
//!
//! Generator and gateway share the machine: read what changes from one line to the next, not the
//! figures themselves. The gateway's processor time has what its own threads spend, reception by the
//! kernel's soft interrupts is the sender's on loopback.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use agw_iq::client::IqClient;
use agw_iq::pb;

use super::gateway::Gateway;
use super::talk::{Line, Talkers};
use super::{Options, call};

/// Calls that talk.
const TALKING: u32 = 100;
/// What a call of G.711 with its headers signals, in bits a second.
const BANDWIDTH: u64 = 80_000;
/// A subscriber who may send 50 packets a second sends so many.
const TOO_MANY: u32 = 5_000;
/// Connections that say nothing.
const SILENT: usize = 600;
/// Streams that are opened and reset before anybody looks.
const RESETS: u32 = 100;

pub(crate) async fn measure(gateway: &Gateway, options: &Options) {
    let client = IqClient::connect(&gateway.address, None).await.unwrap();
    forged(gateway, options, &client).await;
    valid(gateway, options, &client).await;
    connections(gateway, options, &client).await;
}

/// Packets of nobody at the address of an established call.
async fn forged(gateway: &Gateway, options: &Options, client: &IqClient) {
    println!("forged packets at one call's address (T5):");
    let talkers = Talkers::set_up(client, TALKING, true, 0).await;
    let alone = beside(gateway, options, &talkers, "calls alone", None);
    let stranger = UdpSocket::bind("127.0.0.9:0").unwrap();
    let (line, rate) = (talkers.first(), options.flood);
    let template = line.lock().unwrap().uncounted();
    let mut wrong = template;
    if let Some(last) = wrong.last_mut() {
        *last ^= 1;
    }
    let flood = Flood::start(rate, move || {
        let Line { to, sequence, .. } = &*line.lock().unwrap();
        // Plausible, so that only the tag tells.
        wrong[2..4].copy_from_slice(&sequence.wrapping_add(1).to_be_bytes());
        drop(stranger.send_to(&wrong, to));
    });
    beside(gateway, options, &talkers, "calls beside it", Some((flood, alone)));
}

/// Packets with good tags, a hundred times as many as was signalled.
async fn valid(gateway: &Gateway, options: &Options, client: &IqClient) {
    println!("a subscriber who sends {TOO_MANY} valid packets a second (T18):");
    let talkers = Talkers::set_up(client, TALKING, true, BANDWIDTH).await;
    let alone = beside(gateway, options, &talkers, "its neighbours alone", None);
    let (line, socket) = (talkers.first(), talkers.socket());
    let flood = Flood::start(TOO_MANY, move || {
        let mut line = line.lock().unwrap();
        let packet = line.uncounted();
        drop(socket.send_to(&packet, line.to));
    });
    beside(gateway, options, &talkers, "its neighbours beside it", Some((flood, alone)));
}

/// Has all calls but the first talk; tells what the gateway spent on a packet of theirs, or on one of
/// the flood beside them.
fn beside(
    gateway: &Gateway,
    options: &Options,
    talkers: &Talkers,
    when: &str,
    flood: Option<(Flood, f64)>,
) -> f64 {
    let (began, before) = (Instant::now(), gateway.on_cpu());
    let talk = talkers.talk(1);
    thread::sleep(Duration::from_secs(options.seconds));
    let flooded = flood.map(|(flood, alone)| (flood.end(), alone));
    let sent = talk.end(&format!("  {when}"));
    let spent = (gateway.on_cpu() - before) as f64 / 1e3;
    let share = spent / began.elapsed().as_micros() as f64 * 100.0;
    let own = spent / sent as f64;
    match flooded {
        None => println!("  gateway: {share:.1} % of a core, {own:.1} us for a packet that passes"),
        Some((packets, alone)) => {
            let more = spent - alone * sent as f64;
            println!(
                "  gateway: {share:.1} % of a core, {:.1} us for each of {packets} packets of the flood",
                more / packets as f64
            );
        }
    }
    own
}

/// Packets at a steady rate, from a thread of their own.
struct Flood {
    ends: Arc<AtomicBool>,
    sender: JoinHandle<u64>,
}

impl Flood {
    fn start(rate: u32, mut send: impl FnMut() + Send + 'static) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&ends);
        let sender = thread::spawn(move || {
            let (started, mut sent) = (Instant::now(), 0);
            while !over.load(Ordering::Relaxed) {
                let due = (started.elapsed().as_secs_f64() * f64::from(rate)) as u64;
                while sent < due {
                    send();
                    sent += 1;
                }
                thread::sleep(Duration::from_millis(1));
            }
            sent
        });
        Self { ends, sender }
    }

    /// Ends it; tells how many packets there were.
    fn end(self) -> u64 {
        self.ends.store(true, Ordering::Relaxed);
        self.sender.join().unwrap()
    }
}

/// Connections and streams that only take room.
async fn connections(gateway: &Gateway, options: &Options, client: &IqClient) {
    println!("a controller that sets calls up and ends them, one after the other (C4, C5):");
    let long = Duration::from_secs(options.seconds);
    control(gateway, client, "alone", long).await;
    let to: SocketAddr = gateway.address.trim_start_matches("http://").parse().unwrap();
    let talkers = Talkers::set_up(client, TALKING, true, 0).await;
    let silent: Vec<_> = (0..SILENT).map(|_| TcpStream::connect(to).unwrap()).collect();
    let talk = talkers.talk(0);
    control(gateway, client, &format!("beside {SILENT} silent connections"), long).await;
    let ends = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&ends);
    let rude = thread::spawn(move || {
        let (mut streams, mut connections) = (0u64, 0u64);
        while !over.load(Ordering::Relaxed) {
            connections += 1;
            streams += reset(to, &over);
        }
        (streams, connections)
    });
    control(gateway, client, "beside them and rapid resets", long).await;
    ends.store(true, Ordering::Relaxed);
    let (streams, connections) = rude.join().unwrap();
    println!("  {streams} streams reset over {connections} connections");
    talk.end("  media meanwhile");
    drop(silent);
}

/// Sets calls up and ends them; tells how long each request took.
async fn control(gateway: &Gateway, client: &IqClient, when: &str, long: Duration) {
    let mut took = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3).unwrap();
    let (began, before, mut number) = (Instant::now(), gateway.on_cpu(), 0);
    while began.elapsed() < long {
        number += 1;
        let at = Instant::now();
        let replies = client.transact(call(number, pb::RtcpMode::Mux)).await.unwrap();
        took.record(u64::try_from(at.elapsed().as_nanos()).unwrap()).unwrap();
        let Some(pb::command_reply::Reply::Termination(reply)) = &replies[0].reply else {
            panic!("not what was asked for: {replies:?}");
        };
        let at = Instant::now();
        let end = pb::Release { context_id: reply.context_id, ..Default::default() };
        client.release(end).await.unwrap();
        took.record(u64::try_from(at.elapsed().as_nanos()).unwrap()).unwrap();
    }
    let spent = (gateway.on_cpu() - before) as f64 / began.elapsed().as_nanos() as f64;
    let [p50, p99, p999] =
        [0.5, 0.99, 0.999].map(|share| took.value_at_quantile(share) as f64 / 1e6);
    println!(
        "  {when}: {} requests, p50 {p50:.2} ms, p99 {p99:.2} ms, p99.9 {p999:.2} ms; gateway {:.1} % \
         of a core",
        took.len(),
        spent * 100.0
    );
}

/// Opens streams and resets them at once until the gateway hangs up; tells how many.
fn reset(to: SocketAddr, over: &AtomicBool) -> u64 {
    let mut stream = TcpStream::connect(to).unwrap();
    let mut said = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    stream.set_read_timeout(Some(Duration::from_micros(1))).unwrap();
    let (mut next, mut streams, mut answers) = (1u32, 0, [0; 1 << 14]);
    while !over.load(Ordering::Relaxed) {
        for _ in 0..RESETS {
            // HEADERS of a POST to `/`, with END_HEADERS; RST_STREAM with CANCEL.
            said.extend([0, 0, 3, 1, 4]);
            said.extend(next.to_be_bytes());
            said.extend([0x83, 0x86, 0x84, 0, 0, 4, 3, 0]);
            said.extend(next.to_be_bytes());
            said.extend(8u32.to_be_bytes());
            next += 2;
        }
        if stream.write_all(&said).is_err() {
            break;
        }
        streams += u64::from(RESETS);
        said.clear();
        match stream.read(&mut answers) {
            Ok(0) => break,
            Err(error)
                if !matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                ) =>
            {
                break;
            }
            Ok(_) | Err(_) => {}
        }
    }
    streams
}
