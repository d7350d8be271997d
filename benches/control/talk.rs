//! Calls that talk while something else is measured: a packet every 20 ms from one side to the other.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hdrhistogram::Histogram;

use agw_iq::client::IqClient;
use agw_iq::pb;
use agw_iq::pb::command::Command;
use agw_iq::pb::command_reply::Reply;
use agw_srtp::{
    EgressKey, MAX_TRAILER, MasterKey, Portable, PortableKeys, Protector, SessionParameters, Suite,
};

use super::KEY_AND_SALT;

const TICK: Duration = Duration::from_millis(20);
/// Sockets that hear, so that what waits in one does not overflow while the machine is busy.
const EARS: usize = 8;
/// The fixed part of RTP, but for sequence and SSRC.
const HEADER: usize = 12;
/// Octets of a packet of 20 ms G.711.
const PACKET: usize = HEADER + 160;
/// In the place of a time: what was sent only to be in the way.
const UNCOUNTED: u64 = 0;

/// Calls from one socket to some others.
pub(crate) struct Talkers {
    near: UdpSocket,
    far: Vec<UdpSocket>,
    lines: Vec<Arc<Mutex<Line>>>,
}

/// A call as who talks on it sees it.
pub(crate) struct Line {
    /// Where the gateway listens for it.
    pub(crate) to: SocketAddr,
    pub(crate) ssrc: u32,
    pub(crate) sequence: u16,
    seals: Option<Protector<PortableKeys>>,
}

impl Talkers {
    /// Sets so many calls up; with SRTP on the side that talks if they are secured, and with this
    /// much bandwidth signalled, if any.
    pub(crate) async fn set_up(
        client: &IqClient,
        calls: u32,
        is_secured: bool,
        bandwidth_bps: u64,
    ) -> Self {
        let bind = || UdpSocket::bind("127.0.0.2:0").unwrap();
        let (near, far) = (bind(), [(); EARS].map(|()| bind()));
        far.iter().for_each(|far| far.set_read_timeout(Some(TICK)).unwrap());
        let mut lines = Vec::new();
        for (ssrc, far) in (1..=calls).zip(far.iter().cycle()) {
            let line = set_up(client, (&near, far), ssrc, is_secured, bandwidth_bps).await;
            lines.push(Arc::new(Mutex::new(line)));
        }
        let far = far.into();
        Self { near, far, lines }
    }

    /// The first call.
    pub(crate) fn first(&self) -> Arc<Mutex<Line>> {
        Arc::clone(&self.lines[0])
    }

    /// A socket of who talks.
    pub(crate) fn socket(&self) -> UdpSocket {
        self.near.try_clone().unwrap()
    }

    /// Has all calls talk, but for the first so many, until told to end.
    pub(crate) fn talk(&self, but_for: usize) -> Talk {
        let (ends, start) = (Arc::new(AtomicBool::new(false)), Instant::now());
        let near = self.near.try_clone().unwrap();
        let lines: Vec<_> = self.lines.iter().skip(but_for).map(Arc::clone).collect();
        let over = Arc::clone(&ends);
        let sender = thread::spawn(move || send(&near, &lines, start, &over));
        let hearers = self.far.iter().map(|far| {
            let (far, over) = (far.try_clone().unwrap(), Arc::clone(&ends));
            thread::spawn(move || hear(&far, start, &over))
        });
        let hearers = hearers.collect();
        Talk { ends, sender, hearers }
    }
}

impl Line {
    /// The next packet of the call, which says when it was sent.
    pub(crate) fn packet(&mut self, at: u64) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut packet = vec![0; PACKET + MAX_TRAILER];
        packet[0] = 0x80;
        packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        packet[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        packet[HEADER..HEADER + 8].copy_from_slice(&at.to_be_bytes());
        let len = match &mut self.seals {
            Some(seals) => seals.protect_srtp(&Portable, &mut packet, PACKET).unwrap(),
            None => PACKET,
        };
        packet.truncate(len);
        packet
    }

    /// The next packet, of which nobody counts whether it arrives.
    pub(crate) fn uncounted(&mut self) -> Vec<u8> {
        self.packet(UNCOUNTED)
    }
}

/// Calls that talk until they are told to end.
pub(crate) struct Talk {
    ends: Arc<AtomicBool>,
    sender: JoinHandle<u64>,
    hearers: Vec<JoinHandle<Histogram<u64>>>,
}

impl Talk {
    /// Ends it and tells what came of it; yields how many packets were sent.
    pub(crate) fn end(self, when: &str) -> u64 {
        self.ends.store(true, Ordering::Relaxed);
        let sent = self.sender.join().unwrap();
        let heard = self.hearers.into_iter().map(|hearer| hearer.join().unwrap());
        let took = heard.reduce(|all, one| all + one).unwrap();
        let ms = |ns: u64| ns as f64 / 1e6;
        let (p50, p99) = (took.value_at_quantile(0.5), took.value_at_quantile(0.99));
        println!(
            "{when}: {sent} packets sent, {} lost; p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
            sent - took.len(),
            ms(p50),
            ms(p99),
            ms(took.max())
        );
        sent
    }
}

/// Sets a call up between two sockets.
async fn set_up(
    client: &IqClient,
    (near, far): (&UdpSocket, &UdpSocket),
    ssrc: u32,
    is_secured: bool,
    bandwidth_bps: u64,
) -> Line {
    let plain = |peer: &UdpSocket| {
        let peer = peer.local_addr().unwrap();
        let rtp = pb::SocketAddress { ip: peer.ip().to_string(), port: peer.port().into() };
        pb::Stream {
            stream_id: 1,
            transport: pb::Transport::Plain.into(),
            rtcp: pb::RtcpMode::Mux.into(),
            remote: Some(pb::RemoteAddress { rtp: Some(rtp), rtcp: None }),
            mode: pb::StreamMode::SendReceive.into(),
            bandwidth_bps,
            ..pb::Stream::default()
        }
    };
    let mut access = plain(near);
    let mut seals = None;
    if is_secured {
        let (line, key) = fresh_key();
        access.transport = pb::Transport::Secured.into();
        access.ingress_crypto = Some(line);
        access.egress_crypto = Some(fresh_key().0);
        let keys = vec![EgressKey::new(key)];
        seals = Some(Protector::new(&Portable, keys, SessionParameters::default(), 0).unwrap());
    }
    let reserve = |realm: &str, latest_context, stream| {
        let (realm, streams) = (realm.to_owned(), vec![stream]);
        Command::Reserve(pb::Reserve { realm, latest_context, streams, ..Default::default() })
    };
    let commands = vec![reserve("access", false, access), reserve("core", true, plain(far))];
    let replies = client.transact(commands).await.unwrap();
    let Some(Reply::Termination(first)) = &replies[0].reply else {
        panic!("not what was asked for: {replies:?}");
    };
    let local = first.streams[0].rtp.as_ref().unwrap();
    let to = SocketAddr::new(local.ip.parse().unwrap(), u16::try_from(local.port).unwrap());
    Line { to, ssrc, sequence: 0, seals }
}

/// A key that was never used, for the gateway and for who seals.
fn fresh_key() -> (pb::CryptoContext, MasterKey) {
    let mut octets = [0; KEY_AND_SALT];
    rand::fill(&mut octets);
    let inline = BASE64_STANDARD.encode(octets);
    let sdes_line = format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{inline}");
    let key = MasterKey::from_concatenated(Suite::AesCm128HmacSha1_80, &octets).unwrap();
    (pb::CryptoContext { sdes_line, ..Default::default() }, key)
}

/// Sends on every call once a tick; tells how many packets.
fn send(near: &UdpSocket, lines: &[Arc<Mutex<Line>>], start: Instant, ends: &AtomicBool) -> u64 {
    let (mut sent, mut due) = (0, Instant::now());
    while !ends.load(Ordering::Relaxed) {
        for line in lines {
            let at = u64::try_from(start.elapsed().as_nanos()).unwrap();
            let mut line = line.lock().unwrap();
            let packet = line.packet(at.max(1));
            near.send_to(&packet, line.to).unwrap();
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
        let at = packet[HEADER..].first_chunk().map(|at| u64::from_be_bytes(*at)).unwrap();
        if at != UNCOUNTED {
            let now = u64::try_from(start.elapsed().as_nanos()).unwrap();
            heard.record((now - at).max(1)).unwrap();
        }
    }
    heard
}
