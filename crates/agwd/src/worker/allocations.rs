//! The whole packet path over real sockets allocates nothing once it runs.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use rtrb::RingBuffer;
use tokio::sync::mpsc;

use super::Worker;
use agw_net::{PacketIo, PortOptions, PortToken, SocketsBackend, SocketsOptions, UdpPort};
use agw_relay::{
    Command, EgressCrypto, EgressId, EgressSpec, Gate, IngressCrypto, IngressId, IngressSpec,
    PortId, Relay, RtcpEgress, RtcpIngress, SourceRule, Transport,
};
use agw_simd::{AnyEngine, Choice};
use agw_srtp::{
    EgressKey, Engine, IngressKey, MAX_TRAILER, MasterKey, Portable, Protector, RocOnRekey,
    SessionParameters, Suite,
};

/// Octets of a packet of 20 ms G.711.
const VOICE: usize = 172;
/// Packets each way between two looks.
const BURST: u16 = 8;

/// Leg 0 is secured and faces `access`, leg 1 is plain and faces `core`.
struct Rig {
    worker: Worker<SocketsBackend>,
    ports: [SocketAddr; 2],
    access: UdpSocket,
    core: UdpSocket,
    sealed: Vec<Vec<u8>>,
    plain: Vec<Vec<u8>>,
    now: Instant,
}

impl Rig {
    fn new(choice: Choice, suite: Suite, bursts: u16) -> Option<Self> {
        let engine = AnyEngine::new(choice).ok()?;
        let mut io = SocketsBackend::new(SocketsOptions::default()).expect("a backend");
        let [access, core] =
            [0, 1].map(|_| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket"));
        let ports = [0, 1].map(|leg| {
            let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let port = UdpPort::bind(anywhere, &PortOptions::default()).expect("a port");
            let address = port.local_address();
            io.add_port(PortToken(leg), port).expect("room");
            address
        });
        let (now, mut relay) = (Instant::now(), Relay::new(engine));
        for (leg, peer) in [(0, &access), (1, &core)] {
            for step in steps(leg, peer.local_addr().expect("bound"), suite) {
                relay.handle_command(step, now).expect("applied");
            }
        }
        let worker = Worker {
            index: 0,
            batch: io.new_batch().expect("a batch"),
            io,
            relay,
            orders: RingBuffer::new(1).1,
            done: ArrayVec::new(),
            reports: mpsc::channel(8).0,
            heartbeat: Arc::new(AtomicU64::new(0)),
        };
        let (sealed, plain) = (sealed(suite, bursts), packets(7, bursts));
        Some(Self { worker, ports, access, core, sealed, plain, now })
    }

    /// Sends a burst each way and runs rounds until both have left.
    fn pass(&mut self, burst: u16) {
        let before = self.worker.relay.stats().forwarded.packets;
        let burst = usize::from(burst * BURST)..usize::from((burst + 1) * BURST);
        for (sealed, plain) in self.sealed[burst.clone()].iter().zip(&self.plain[burst]) {
            self.access.send_to(sealed, self.ports[0]).expect("sent");
            self.core.send_to(plain, self.ports[1]).expect("sent");
        }
        while self.worker.relay.stats().forwarded.packets < before + 2 * u64::from(BURST) {
            self.worker.round(&mut self.now, Duration::from_secs(10)).expect("a round");
        }
    }

    fn drain(&self) -> u16 {
        let mut buffer = [0; 2 * VOICE];
        for _ in 0..BURST {
            self.access.recv(&mut buffer).expect("from core to access");
            assert_eq!(self.core.recv(&mut buffer).expect("from access to core"), VOICE);
        }
        2 * BURST
    }
}

fn steps(leg: u32, peer: SocketAddr, suite: Suite) -> Vec<Command> {
    let secured = leg == 0;
    let transport = if secured { Transport::Secured } else { Transport::Plain };
    let ingress = IngressSpec {
        transport,
        gate: Gate::OPEN,
        source: if secured { SourceRule::Authenticated } else { SourceRule::Signalled },
        signalled_rtp: Some(peer),
        signalled_rtcp: None,
        rtp: PortId(leg),
        rtcp: RtcpIngress::Mux,
        output: Some(EgressId(1 - leg)),
        reverse: EgressId(leg),
        extras: None,
    };
    let (gate, via, to) = (Gate::OPEN, PortId(leg), Some(peer));
    let egress = EgressSpec { transport, gate, via, to, rtcp: RtcpEgress::Mux, extras: None };
    let (parameters, roc) = (SessionParameters::default(), RocOnRekey::Keep);
    let mut steps = vec![
        Command::SetEgress(EgressId(leg), egress),
        Command::SetIngress(IngressId(leg), ingress),
    ];
    if secured {
        let keys = vec![IngressKey::new(key(suite, 1))];
        let install = IngressCrypto::Install { keys, parameters, roc, overlap: Duration::ZERO };
        steps.push(Command::IngressCrypto(IngressId(leg), install));
        let keys = vec![EgressKey::new(key(suite, 2))];
        let install = EgressCrypto::Install { keys, parameters, roc };
        steps.push(Command::EgressCrypto(EgressId(leg), install));
    }
    steps
}

fn key(suite: Suite, seed: u8) -> MasterKey {
    let octets: Vec<u8> = (seed..).take(suite.key_len() + suite.salt_len()).collect();
    MasterKey::from_concatenated(suite, &octets).expect("a key")
}

fn packets(ssrc: u8, bursts: u16) -> Vec<Vec<u8>> {
    let packet = |sequence: u16| {
        let [high, low] = sequence.to_be_bytes();
        let mut packet = vec![0x5a; VOICE];
        packet[..12].copy_from_slice(&[0x80, 8, high, low, 0, 0, 0, 0, 0, 0, 0, ssrc]);
        packet
    };
    (1..=bursts * BURST).map(packet).collect()
}

/// What a phone sends, sealed by the portable engine.
fn sealed(suite: Suite, bursts: u16) -> Vec<Vec<u8>> {
    let keys = vec![EgressKey::new(key(suite, 1))];
    let mut phone: Protector<<Portable as Engine>::Keys> =
        Protector::new(&Portable, keys, SessionParameters::default(), 0).expect("a session");
    let seal = |mut packet: Vec<u8>| {
        packet.resize(VOICE + MAX_TRAILER, 0);
        let len = phone.protect_srtp(&Portable, &mut packet, VOICE).expect("sealed");
        packet.truncate(len);
        packet
    };
    packets(6, bursts).into_iter().map(seal).collect()
}

//= tests/spec/relay.md#accounting
//= type=test
//# No packet MUST allocate memory, whatever arrives.
#[test]
fn a_round_allocates_nothing_whatever_the_engine() {
    const BURSTS: u16 = 50;
    for choice in Choice::ALL {
        for suite in [Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm] {
            let Some(mut rig) = Rig::new(choice, suite, BURSTS) else {
                continue;
            };
            // The first packets of a source are remembered in memory that stays.
            rig.pass(0);
            let mut passed = rig.drain();
            for burst in 1..BURSTS {
                let allocations = allocation_counter::measure(|| rig.pass(burst));
                assert_eq!(allocations.count_total, 0, "{choice}, {}", suite.name());
                passed += rig.drain();
            }
            assert_eq!(passed, 2 * BURSTS * BURST);
        }
    }
}
