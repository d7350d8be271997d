//! What a call costs in memory: control and packet path together, counted by the allocator.
//!
//! A call here is an access leg secured by SDES and a plain core leg, audio, RTCP multiplexed.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::time::{Duration, Instant, SystemTime};

use agw_context::{
    Circumstances, Command, ContextChoice, Controller, CryptoContext, Gateway, KeySource, Media,
    RealmAddress, RealmConfig, Remote, Reserve, RtcpMode, StreamExtras, StreamId, StreamMode,
    StreamSpec, Work,
};
use agw_relay::{CallId, Datagram, DropReason, PortId, Relay, Transport, Verdict};
use agw_simd::{AnyEngine, Choice};
use agw_srtp::{
    EgressKey, Engine, IngressKey, MAX_TRAILER, MasterKey, Portable, Protector, SessionParameters,
    Suite,
};

use super::owners::Owners;
use super::ports::MediaPorts;
use crate::config::{Config, RealmBackend};

/// Octets that a call may cost.
const MOST: i64 = 4_096;
/// Octets of these that control may take.
const MOST_OF_CONTROL: i64 = 1_024;
/// Octets that the `xdp` backend keeps for each of a call's two ports: agw-net sees to that.
const BACKEND: i64 = 2 * 112;
/// Calls over which the cost is told: to powers of two, so that tables are as full as they
/// get.
const CALLS: Range<u32> = 1_024..4_096;
/// Events kept: fewer than the first calls make, so that their log has stopped growing.
const EVENTS: usize = 256;
const SUITE: Suite = Suite::AesCm128HmacSha1_80;
const VOICE: usize = 172;

/// A control task and as many workers as asked for, without threads, sockets and a controller.
struct Rig {
    gateway: Gateway,
    ports: MediaPorts,
    owners: Owners,
    controller: Controller,
    workers: Vec<Relay<AnyEngine>>,
    now: Instant,
    dice: u32,
}

impl Rig {
    fn new(workers: u8) -> Self {
        let now = Instant::now();
        let address = RealmAddress { bind: Ipv4Addr::LOCALHOST.into(), advertise: None };
        let realm = |name: &str, ports| RealmConfig {
            name: name.to_owned(),
            addresses: vec![address],
            ports,
            dscp: None,
            max_streams: None,
            is_default: false,
            protection: Default::default(),
            hairpin: false,
        };
        let realms = vec![realm("access", 20_000..=39_999), realm("core", 40_000..=59_999)];
        let policy = agw_context::Policy { event_capacity: EVENTS, ..Default::default() };
        let gateway = Gateway::new(policy, realms, [7; 64].into(), 1, 1).expect("a gateway");
        let mut realm = Config::default().realm.remove(0);
        realm.backend = RealmBackend::Xdp;
        (realm.ports.low, realm.ports.high) = (20_000, 59_999);
        let engine = || AnyEngine::new(Choice::Auto).expect("an engine");
        Self {
            gateway,
            ports: MediaPorts::new(vec![realm], 0, Duration::ZERO, now),
            owners: Owners::new(EVENTS),
            controller: Controller("uri:sip:pcscf-1.example".to_owned()),
            workers: (0..workers).map(|_| Relay::new(engine())).collect(),
            now,
            dice: 1,
        }
    }

    /// Control's part of a call.
    fn decide(&mut self, call: u32) -> Vec<Work> {
        let (access, core) = (reserve(call, Transport::Secured), reserve(call, Transport::Plain));
        let dice = &mut self.dice;
        let mut random = |below: u32| {
            *dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (*dice >> 8) % below
        };
        let mut around = Circumstances {
            controller: &self.controller,
            ports: &mut self.ports,
            random: &mut random,
            now: self.now,
            at: SystemTime::UNIX_EPOCH,
        };
        let commands = vec![Command::Reserve(access), Command::Reserve(core)];
        let outcome = self.gateway.transact(commands, &mut around).expect("a call");
        self.owners.note(&self.gateway, Some(&self.controller));
        for work in &outcome.work {
            self.ports.take_opened(work.context);
        }
        outcome.work
    }

    /// The packet path's part of a call.
    fn apply(&mut self, work: Vec<Work>) {
        let count = self.workers.len();
        for Work { context, steps, .. } in work {
            let relay = &mut self.workers[context.0 as usize % count];
            for step in steps {
                relay.handle_command_of(CallId(context.0), step, self.now).expect("applied");
            }
        }
    }

    /// A packet each way, and one that goes nowhere.
    fn talk(&mut self, worker: usize, ports: [PortId; 2], packets: &mut [Vec<u8>; 3]) {
        let [sealed, plain, noise] = packets;
        let datagram = |port, peer, slot, len| Datagram {
            port,
            source: peer,
            slot,
            len,
            traffic_class: 0,
            truncated: false,
            verdict: Verdict::Drop(DropReason::NoFlow),
        };
        let mut batch = [
            datagram(ports[0], peer(0), &mut sealed[..], VOICE + 10),
            datagram(ports[1], peer(1), &mut plain[..], VOICE),
            datagram(ports[1], peer(1), &mut noise[..], VOICE),
        ];
        self.workers[worker].handle_batch(&mut batch, self.now);
        assert!(matches!(batch[0].verdict, Verdict::Forward { .. }), "{:?}", batch[0].verdict);
        assert!(matches!(batch[1].verdict, Verdict::Forward { .. }), "{:?}", batch[1].verdict);
        assert_eq!(batch[2].verdict, Verdict::Drop(DropReason::NotMedia));
        while self.workers[worker].poll_report().is_some() {}
    }

    /// What a call leaves behind in memory when it is set up and talks, in octets.
    fn cost_of_calls(&mut self) -> i64 {
        let mut cost = 0;
        for call in 0..CALLS.end {
            let ports = [PortId(2 * call), PortId(2 * call + 1)];
            let mut packets = packets(call);
            let taken = allocation_counter::measure(|| {
                let work = self.decide(call);
                let worker = work[0].context.0 as usize % self.workers.len();
                self.apply(work);
                self.talk(worker, ports, &mut packets);
            });
            if CALLS.contains(&call) {
                cost += taken.bytes_current;
            }
        }
        cost / i64::from(CALLS.end - CALLS.start)
    }

    /// What of that is control's.
    fn cost_to_control(&mut self) -> i64 {
        let mut cost = 0;
        for call in 0..CALLS.end {
            let taken = allocation_counter::measure(|| drop(self.decide(call)));
            if CALLS.contains(&call) {
                cost += taken.bytes_current;
            }
        }
        cost / i64::from(CALLS.end - CALLS.start)
    }
}

fn peer(leg: u8) -> SocketAddr {
    (Ipv4Addr::new(127, 0, 0, 2 + leg), 4_000).into()
}

fn reserve(call: u32, transport: Transport) -> Reserve {
    let secured = transport == Transport::Secured;
    let ingress = vec![IngressKey::new(key(call, 1))];
    let egress = vec![EgressKey::new(key(call, 2))];
    let stream = StreamSpec {
        id: StreamId(1),
        media: Media::Audio,
        transport,
        remote: Some(Remote { rtp: peer(u8::from(!secured)), rtcp: None }),
        rtcp: RtcpMode::Mux,
        mode: StreamMode::SendReceive,
        source: None,
        extras: StreamExtras::default(),
        ingress: secured.then(|| crypto(ingress)),
        egress: secured.then(|| crypto(egress)),
    };
    Reserve {
        context: if secured { ContextChoice::New } else { ContextChoice::Latest },
        correlation: secured.then(|| format!("{call:08}@pcscf-1.example")),
        realm: Some(if secured { "access" } else { "core" }.to_owned()),
        family: None,
        heartbeat: None,
        priority: None,
        streams: vec![stream],
    }
}

fn crypto<Key>(keys: Vec<Key>) -> CryptoContext<Key> {
    let parameters = SessionParameters::default();
    CryptoContext { source: KeySource::Sdes, keys, parameters, roc: None, overlap: None }
}

fn key(call: u32, side: u8) -> MasterKey {
    let mut octets = [side; 30];
    octets[..4].copy_from_slice(&call.to_be_bytes());
    MasterKey::from_concatenated(SUITE, &octets).expect("a key")
}

/// What the phone sends, what the core sends, and noise; in slots.
fn packets(call: u32) -> [Vec<u8>; 3] {
    let mut packet = vec![0x5a; VOICE + MAX_TRAILER];
    packet[..12].copy_from_slice(&[0x80, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9]);
    let mut sealed = packet.clone();
    let keys = vec![EgressKey::new(key(call, 1))];
    let mut phone: Protector<<Portable as Engine>::Keys> =
        Protector::new(&Portable, keys, SessionParameters::default(), 0).expect("a session");
    phone.protect_srtp(&Portable, &mut sealed, VOICE).expect("sealed");
    [sealed, packet, vec![0; VOICE + MAX_TRAILER]]
}

#[test]
fn a_call_costs_four_kilooctets_at_most_however_many_workers_there_are() {
    for workers in [1_u8, 4] {
        let cost = Rig::new(workers).cost_of_calls();
        // The backend's tables have a place for every port in each worker, as the relay's have.
        let backend = BACKEND + 2 * 8 * i64::from(workers);
        println!("{workers} workers: {cost} + {backend}");
        assert!((1..=MOST).contains(&(cost + backend)), "{workers} workers: {cost} + {backend}");
    }
}

#[test]
fn control_remembers_a_call_in_one_kilooctet() {
    let cost = Rig::new(1).cost_to_control();
    println!("control: {cost}");
    assert!((1..=MOST_OF_CONTROL).contains(&cost), "{cost}");
}
