//! `relay_batch`: arbitrary datagrams through a relay with a secured and a plain leg.

mod ear;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use agw_relay::{
    Command, Datagram, DropReason, EgressCrypto, EgressId, EgressSpec, Gate, IngressCrypto,
    IngressId, IngressSpec, PortId, Relay, RtcpEgress, RtcpIngress, SourceRule, Transport, Verdict,
};
use agw_rtp::Ssrc;
use agw_srtp::{
    EgressKey, IngressKey, MAX_TRAILER, MasterKey, Portable, PortableKeys, Protector, RocOnRekey,
    SessionParameters, Suite,
};

use crate::draw::Draw;
use crate::packet::{self, Shape};
use ear::Ear;

const MAX_ROUNDS: usize = 48;
const ACCESS: usize = 0;
const CORE: usize = 1;
/// The phone's source.
const PHONE: Ssrc = Ssrc(0x0a00_0001);
/// RTP and RTCP, by leg; the last one is bound to nothing.
const PORTS: [u32; 5] = [0, 1, 2, 3, 9];

/// Takes batches of genuine, forged, repeated, misdirected and arbitrary datagrams through a
/// relay, and checks every verdict against what was sent.
///
/// # Panics
/// If a datagram is not counted once, if anything is forwarded that is not an authentic packet of
/// the phone or a packet of the core's own address, if it is forwarded altered, repeated, through
/// a closed gate or to an address that nobody authorised, or if the genuine stream does not go on.
pub fn relay_batch(data: &[u8]) {
    let mut draw = Draw::new(data);
    let mut call = Call::new(draw.one_of(&Suite::ALL));
    for _ in 0..MAX_ROUNDS {
        if draw.is_empty() {
            break;
        }
        match draw.below(12) {
            0 => call.set_gates(draw.octet()),
            1 => call.rekey(),
            2 => call.now += Duration::from_millis(u64::from(draw.octet()) * 8),
            _ => {
                let arrivals = (0..1 + draw.below(8)).map(|_| call.arrival(&mut draw)).collect();
                call.pass(arrivals);
            }
        }
    }
    call.goes_on();
}

/// A datagram as it arrives.
struct Arrival {
    port: u32,
    source: SocketAddr,
    octets: Vec<u8>,
}

/// A packet that the phone sealed.
struct Sealed {
    rtcp: bool,
    plain: Vec<u8>,
    octets: Vec<u8>,
    sources: BTreeSet<SocketAddr>,
    forwarded: bool,
}

struct Call {
    suite: Suite,
    relay: Relay<Portable>,
    gates: [Gate; 2],
    generation: u8,
    phone_out: Protector<PortableKeys>,
    ear: Ear,
    sequence: u16,
    sealed: Vec<Sealed>,
    now: Instant,
}

impl Call {
    fn new(suite: Suite) -> Self {
        let out = vec![EgressKey::new(key(suite, 0, ACCESS))];
        let phone_out = Protector::new(&Portable, out, SessionParameters::default(), 0);
        let Ok(phone_out) = phone_out else { panic!("keys of the right length are refused") };
        let mut call = Self {
            suite,
            relay: Relay::new(Portable),
            gates: [Gate::OPEN; 2],
            generation: 0,
            phone_out,
            ear: Ear::new(suite),
            sequence: 0xfff0,
            sealed: Vec::new(),
            now: Instant::now(),
        };
        call.set_gates(0xff);
        call.install();
        call
    }

    fn command(&mut self, command: Command) {
        let done = self.relay.handle_command(command, self.now);
        assert!(done.is_ok(), "{done:?}");
    }

    fn set_gates(&mut self, bits: u8) {
        for leg in [ACCESS, CORE] {
            let gate = Gate { rtp: bits >> leg & 1 == 1, rtcp: bits >> (leg + 2) & 1 == 1 };
            self.gates[leg] = gate;
            self.command(Command::SetEgress(EgressId(leg as u32), egress(leg, gate)));
            self.command(Command::SetIngress(IngressId(leg as u32), ingress(leg, gate)));
        }
    }

    fn install(&mut self) {
        let parameters = SessionParameters::default();
        let opens = IngressCrypto::Install {
            keys: vec![IngressKey::new(key(self.suite, self.generation, ACCESS))],
            parameters,
            roc: RocOnRekey::Keep,
            overlap: Duration::ZERO,
        };
        let seals = EgressCrypto::Install {
            keys: vec![EgressKey::new(key(self.suite, self.generation, CORE))],
            parameters,
            roc: RocOnRekey::Keep,
        };
        self.command(Command::IngressCrypto(IngressId(ACCESS as u32), opens));
        self.command(Command::EgressCrypto(EgressId(ACCESS as u32), seals));
    }

    fn rekey(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        self.install();
        let out = vec![EgressKey::new(key(self.suite, self.generation, ACCESS))];
        let (parameters, roc) = (SessionParameters::default(), RocOnRekey::Keep);
        let done = self.phone_out.rekey(&Portable, out, parameters, roc);
        assert!(done.is_ok(), "{done:?}");
        self.ear.rekey(self.generation, self.now);
    }

    fn arrival(&mut self, draw: &mut Draw<'_>) -> Arrival {
        match draw.below(10) {
            0..=2 => self.phone(false, u16::from(draw.octet()), phone(draw.one_of(&[0, 0, 0, 7]))),
            3 => self.phone(true, 0, phone(draw.one_of(&[1, 1, 7]))),
            4 => {
                let ssrc = Ssrc(u32::from(draw.octet() % 12));
                let shape = Shape { payload: draw.octet() % 32, ..Shape::default() };
                let octets = packet::rtp(ssrc, draw.word(), shape);
                Arrival { port: 2, source: core(draw.one_of(&[0, 0, 0, 1, 9])), octets }
            }
            5 => {
                let octets =
                    packet::rtcp(Ssrc(u32::from(draw.octet() % 16)), 200, draw.octet() % 8);
                Arrival { port: 3, source: core(draw.one_of(&[1, 1, 1, 0, 9])), octets }
            }
            6 | 7 => self.forged(draw),
            8 => self.again(draw),
            _ => {
                let len = draw.below(120);
                let source = any_source(draw);
                let octets = draw.octets(len).to_vec();
                Arrival { port: draw.one_of(&PORTS), source, octets }
            }
        }
    }

    /// The phone's next packet.
    fn phone(&mut self, rtcp: bool, payload: u16, source: SocketAddr) -> Arrival {
        let shape = Shape { payload: payload as u8, ..Shape::default() };
        let plain = if rtcp {
            packet::rtcp(PHONE, 201, 6)
        } else {
            self.sequence = self.sequence.wrapping_add(1);
            packet::rtp(PHONE, self.sequence, shape)
        };
        let mut octets = with_room(&plain);
        let len = if rtcp {
            self.phone_out.protect_srtcp(&Portable, &mut octets, plain.len())
        } else {
            self.phone_out.protect_srtp(&Portable, &mut octets, plain.len())
        };
        let Ok(len) = len else { panic!("the phone cannot seal: {len:?}") };
        octets.truncate(len);
        let sources = BTreeSet::from([source]);
        let sealed = Sealed { rtcp, plain, octets: octets.clone(), sources, forwarded: false };
        self.sealed.push(sealed);
        Arrival { port: u32::from(rtcp), source, octets }
    }

    /// A packet of the phone with octets changed, cut off or put on.
    fn forged(&mut self, draw: &mut Draw<'_>) -> Arrival {
        let Arrival { port, source, mut octets } = self.again(draw);
        let len = octets.len().max(1);
        if let Some(octet) = octets.get_mut(usize::from(draw.octet()) % len) {
            *octet ^= 1 << draw.below(8);
        }
        if draw.flag() {
            octets.truncate(draw.below(256));
        }
        octets.extend(vec![0; draw.one_of(&[0, 0, 1, 16])]);
        Arrival { port, source, octets }
    }

    /// A packet of the phone, new or once more, from anywhere to anywhere.
    fn again(&mut self, draw: &mut Draw<'_>) -> Arrival {
        let source = any_source(draw);
        let back = usize::from(draw.octet());
        if self.sealed.is_empty() {
            return self.phone(false, 20, source);
        }
        let place = self.sealed.len() - 1 - back % self.sealed.len();
        let sealed = &mut self.sealed[place];
        sealed.sources.insert(source);
        let port = if draw.below(8) == 1 { draw.one_of(&PORTS) } else { u32::from(sealed.rtcp) };
        Arrival { port, source, octets: sealed.octets.clone() }
    }

    fn pass(&mut self, arrivals: Vec<Arrival>) -> Vec<Verdict> {
        let mut slots: Vec<Vec<u8>> =
            arrivals.iter().map(|arrival| with_room(&arrival.octets)).collect();
        let mut batch: Vec<Datagram<'_>> = slots
            .iter_mut()
            .zip(&arrivals)
            .map(|(slot, arrival)| Datagram {
                port: PortId(arrival.port),
                source: arrival.source,
                slot,
                len: arrival.octets.len(),
                traffic_class: 0,
                truncated: false,
                verdict: Verdict::Drop(DropReason::NoFlow),
            })
            .collect();
        self.relay.handle_batch(&mut batch, self.now);
        let verdicts: Vec<Verdict> = batch.iter().map(|datagram| datagram.verdict).collect();
        for ((arrival, slot), verdict) in arrivals.iter().zip(&slots).zip(&verdicts) {
            match *verdict {
                Verdict::Kept => panic!("nothing waits for keys"),
                Verdict::Drop(_) => {}
                Verdict::FanOut(_) => panic!("there is no group"),
                Verdict::Forward { via, to, len, .. } if arrival.port < 2 => {
                    self.left_for_core(arrival, via, to, &slot[..len]);
                }
                Verdict::Forward { via, to, len, .. } => {
                    self.left_for_phone(arrival, via, to, &slot[..len]);
                }
            }
        }
        self.adds_up();
        verdicts
    }

    /// Only what the phone sealed goes on, once, as it was before, to the core's address.
    fn left_for_core(&mut self, arrival: &Arrival, via: PortId, to: SocketAddr, left: &[u8]) {
        let rtcp = arrival.port == 1;
        let genuine = self.sealed.iter_mut().find(|sealed| sealed.octets == arrival.octets);
        let Some(genuine) = genuine else { panic!("forwarded what the phone did not seal") };
        assert!(!std::mem::replace(&mut genuine.forwarded, true), "forwarded a packet twice");
        assert_eq!((genuine.rtcp, &genuine.plain[..]), (rtcp, left));
        assert_eq!((via, to), (PortId(2 + arrival.port), core(u16::from(rtcp))));
        self.gates_are_open(rtcp);
    }

    /// Only what came from the core's address goes on, sealed so that the phone opens it.
    fn left_for_phone(&mut self, arrival: &Arrival, via: PortId, to: SocketAddr, left: &[u8]) {
        let rtcp = arrival.port == 3;
        assert!(matches!(arrival.port, 2 | 3), "forwarded from a port that is bound to nothing");
        assert_eq!(arrival.source, core(u16::from(rtcp)), "forwarded from a stranger");
        let opened = self.ear.hear(rtcp, left, self.now);
        assert_eq!(opened, arrival.octets, "altered on the way");
        let mut authorised = self.sealed.iter().filter(|sealed| sealed.rtcp == rtcp);
        let authorised =
            to == phone(u16::from(rtcp)) || authorised.any(|sealed| sealed.sources.contains(&to));
        assert!(authorised && via == PortId(u32::from(rtcp)), "sent to {to} from {via:?}");
        self.gates_are_open(rtcp);
    }

    fn gates_are_open(&self, rtcp: bool) {
        let open = self.gates.iter().all(|gate| if rtcp { gate.rtcp } else { gate.rtp });
        assert!(open, "forwarded through a closed gate");
    }

    /// Every datagram was forwarded or dropped, for the relay and for each leg.
    fn adds_up(&self) {
        let all = self.relay.stats();
        assert_eq!(all.received.packets, all.forwarded.packets + all.dropped.total());
        for leg in [ACCESS, CORE] {
            let Some(ingress) = self.relay.ingress(IngressId(leg as u32)) else { continue };
            let stats = ingress.stats;
            assert_eq!(stats.received.packets, stats.forwarded.packets + stats.dropped.total());
        }
    }

    /// When everything has calmed down, the phone is heard and hears.
    fn goes_on(&mut self) {
        self.set_gates(0xff);
        self.now += Duration::from_secs(60);
        let from_phone = self.phone(false, 20, phone(0));
        let octets = packet::rtcp(Ssrc(1), 200, 4);
        let from_core = Arrival { port: 3, source: core(1), octets };
        for verdict in self.pass(vec![from_phone, from_core]) {
            assert!(matches!(verdict, Verdict::Forward { .. }), "{verdict:?}");
        }
    }
}

fn ingress(leg: usize, gate: Gate) -> IngressSpec {
    let (transport, source, peer): (_, _, fn(u16) -> SocketAddr) = if leg == ACCESS {
        (Transport::Secured, SourceRule::Authenticated, phone)
    } else {
        (Transport::Plain, SourceRule::Signalled, core)
    };
    IngressSpec {
        transport,
        gate,
        source,
        signalled_rtp: Some(peer(0)),
        signalled_rtcp: Some(peer(1)),
        rtp: PortId(PORTS[leg * 2]),
        rtcp: RtcpIngress::Port(PortId(PORTS[leg * 2 + 1])),
        output: Some(EgressId(1 - leg as u32)),
        reverse: EgressId(leg as u32),
        extras: None,
    }
}

fn egress(leg: usize, gate: Gate) -> EgressSpec {
    let (transport, peer): (_, fn(u16) -> SocketAddr) =
        if leg == ACCESS { (Transport::Secured, phone) } else { (Transport::Plain, core) };
    EgressSpec {
        transport,
        gate,
        via: PortId(PORTS[leg * 2]),
        to: Some(peer(0)),
        rtcp: RtcpEgress::Port { via: PortId(PORTS[leg * 2 + 1]), to: Some(peer(1)) },
        extras: None,
    }
}

/// The phone's address: RTP 0, RTCP 1, another one behind its NAT 7.
fn phone(offset: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 4000 + offset))
}

/// The core's address: RTP 0, RTCP 1, another program there 9.
fn core(offset: u16) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 1], 6000 + offset))
}

fn any_source(draw: &mut Draw<'_>) -> SocketAddr {
    let stranger = SocketAddr::from(([203, 0, 113, 9], 9));
    draw.one_of(&[phone(0), phone(1), core(0), core(1), stranger])
}

/// The key of one direction: the phone's own is that of the access leg.
fn key(suite: Suite, generation: u8, sender: usize) -> MasterKey {
    let mut octets = vec![0x71; suite.key_len() + suite.salt_len()];
    (octets[0], octets[1]) = (generation, sender as u8);
    let Ok(key) = MasterKey::from_concatenated(suite, &octets) else {
        panic!("a key of the right length is refused");
    };
    key
}

fn with_room(packet: &[u8]) -> Vec<u8> {
    let mut slot = packet.to_vec();
    slot.resize(packet.len() + MAX_TRAILER, 0xee);
    slot
}
