//! A worker by hand: rounds over a memory backend.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use rtrb::{Producer, RingBuffer};
use tokio::sync::{mpsc, oneshot};

use super::{Applied, Assignment, Next, ORDERS_AT_ONCE, Order, Totals, Worker};
use agw_context::ContextId;
use agw_net::{Batch, ErrnoClass, MemoryBackend, MemoryWire};
use agw_relay::{
    Command, EgressId, EgressSpec, Gate, IngressId, IngressSpec, PortId, Relay, Report, RtcpEgress,
    RtcpIngress, SourceRule, Transport,
};
use agw_simd::{AnyEngine, Choice};

pub(super) const RTP: [u8; 20] = [0x80, 8, 0, 1, 0, 0, 0, 160, 0, 0, 0, 7, 1, 2, 3, 4, 5, 6, 7, 8];

/// A worker, its wire and control's ends.
pub(super) struct Rig {
    worker: Worker<MemoryBackend>,
    pub(super) wire: MemoryWire,
    orders: Producer<Order<SocketAddr>>,
    reports: mpsc::Receiver<Report>,
    now: Instant,
}

pub(super) fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

impl Rig {
    pub(super) fn new() -> Self {
        let (io, wire) = MemoryBackend::new().expect("a backend");
        let (orders, ring) = RingBuffer::new(64);
        let (sender, reports) = mpsc::channel(8);
        let worker = Worker {
            index: 0,
            io,
            batch: Batch::new(),
            relay: Relay::new(AnyEngine::new(Choice::Auto).expect("an engine")),
            orders: ring,
            done: ArrayVec::new(),
            reports: sender,
            heartbeat: Arc::new(AtomicU64::new(0)),
        };
        Self { worker, wire, orders, reports, now: Instant::now() }
    }

    pub(super) fn round(&mut self) -> Next {
        self.worker.round(&mut self.now, Duration::ZERO).expect("a round")
    }

    fn order(&mut self, order: Order<SocketAddr>) {
        self.orders.push(order).expect("room");
    }

    pub(super) fn apply(
        &mut self,
        added: &[(u32, u16)],
        steps: Vec<Command>,
        closed: &[u32],
    ) -> Applied {
        let (done, mut acknowledged) = oneshot::channel();
        self.order(Order::Apply(Assignment {
            context: ContextId(1),
            added: added.iter().map(|&(id, port)| (PortId(id), address(port))).collect(),
            steps,
            closed: closed.iter().map(|&id| PortId(id)).collect(),
            done,
        }));
        self.round();
        acknowledged.try_recv().expect("acknowledged within the round")
    }

    pub(super) fn count(&mut self) -> Totals {
        let (answer, mut counted) = oneshot::channel();
        self.order(Order::Count { answer });
        self.round();
        counted.try_recv().expect("counted within the round")
    }

    /// A plain leg on port 4000 for a peer at 5000, and one on 4002 for a peer at 5002.
    fn with_a_call() -> Self {
        let mut rig = Self::new();
        let steps = vec![egress(0, 5000), egress(1, 5002), ingress(0, 5000), ingress(1, 5002)];
        assert!(!rig.apply(&[(0, 4000), (1, 4002)], steps, &[]).failed);
        rig
    }
}

fn ingress(id: u32, peer: u16) -> Command {
    let spec = IngressSpec {
        transport: Transport::Plain,
        gate: Gate::OPEN,
        source: SourceRule::Signalled,
        signalled_rtp: Some(address(peer)),
        signalled_rtcp: None,
        rtp: PortId(id),
        rtcp: RtcpIngress::Off,
        output: Some(EgressId(1 - id)),
        reverse: EgressId(id),
        extras: None,
    };
    Command::SetIngress(IngressId(id), spec)
}

pub(super) fn egress(id: u32, peer: u16) -> Command {
    let spec = EgressSpec {
        transport: Transport::Plain,
        gate: Gate::OPEN,
        via: PortId(id),
        to: Some(address(peer)),
        rtcp: RtcpEgress::Off,
        extras: None,
    };
    Command::SetEgress(EgressId(id), spec)
}

//= tests/spec/iq.md#acknowledgement
//= type=test
//# An acknowledged command MUST be in force in the packet path.
#[test]
fn an_acknowledged_order_is_in_force_for_the_next_packet() {
    let mut rig = Rig::with_a_call();
    rig.wire.inject(address(4000), address(5000), &RTP);
    rig.round();
    let sent = rig.wire.take_sent();
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].from, sent[0].to), (address(4002), address(5002)));
    assert_eq!(sent[0].octets, RTP);
}

//= tests/spec/relay.md#accounting
//= type=test
//# Every datagram received MUST be either forwarded or dropped for one named reason.
#[test]
fn every_datagram_is_forwarded_or_dropped_for_a_reason() {
    let mut rig = Rig::with_a_call();
    for count in 0..200_u16 {
        rig.wire.inject(address(4000 + count % 2 * 2), address(5000 + count % 3), &RTP);
        if count % 50 == 0 {
            rig.round();
        }
    }
    while rig.count().io.received < 200 {}
    let Totals { relay, io, .. } = rig.count();
    assert_eq!(relay.received.packets, io.received);
    assert_eq!(relay.forwarded.packets + relay.dropped.total(), relay.received.packets);
    assert_eq!(io.sent, relay.forwarded.packets);
    assert!(relay.forwarded.packets > 0 && relay.dropped.total() > 0);
}

//= tests/spec/relay.md#sockets
//= type=test
//# Datagrams that the kernel refused to send MUST be counted.
#[test]
fn what_the_kernel_refuses_is_charged_to_the_sending_half() {
    let mut rig = Rig::with_a_call();
    rig.wire.fail_next_send(ErrnoClass::ALL[0]);
    rig.wire.inject(address(4000), address(5000), &RTP);
    rig.round();
    let totals = rig.count();
    assert_eq!((totals.relay.refused, totals.io.send_errors.total()), (1, 1));
    let (answer, mut looked) = oneshot::channel();
    rig.order(Order::Look { legs: vec![(IngressId(0), EgressId(1))], groups: Vec::new(), answer });
    rig.round();
    let legs = looked.try_recv().expect("looked within the round").legs;
    let (ingress, egress) = legs[0].as_ref().expect("a leg");
    assert_eq!((ingress.stats.forwarded.packets, egress.stats.refused), (1, 1));
}

#[test]
fn more_orders_than_are_done_at_once_leave_media_its_rounds_and_are_all_done() {
    let mut rig = Rig::new();
    let (mut waiting, (mut rounds, long)) = (Vec::new(), (0, Duration::from_secs(3_600)));
    for _ in 0..ORDERS_AT_ONCE * 2 + 1 {
        let (done, acknowledged) = oneshot::channel();
        let (context, added) = (ContextId(1), Vec::new());
        let (steps, closed) = (Vec::new(), Vec::new());
        rig.order(Order::Apply(Assignment { context, added, steps, closed, done }));
        waiting.push(acknowledged);
    }
    while !waiting.is_empty() {
        let before = waiting.len();
        // A worker with orders in line must not wait for packets: this would take an hour.
        rig.worker.round(&mut rig.now, long).expect("a round");
        waiting.retain_mut(|acknowledged| acknowledged.try_recv().is_err());
        assert!((1..=ORDERS_AT_ONCE).contains(&(before - waiting.len())));
        rounds += 1;
    }
    assert_eq!(rounds, 3);
}

#[test]
fn removal_tells_the_last_state_and_closes_the_port() {
    let mut rig = Rig::with_a_call();
    rig.wire.inject(address(4000), address(5000), &RTP);
    rig.round();
    let steps = vec![Command::RemoveIngress(IngressId(0)), Command::RemoveEgress(EgressId(0))];
    let applied = rig.apply(&[], steps, &[0]);
    assert_eq!(applied.ingresses[0].0, IngressId(0));
    assert_eq!(applied.ingresses[0].1.stats.received.packets, 1);
    assert_eq!(applied.egresses[0].0, EgressId(0));
    assert!(!rig.apply(&[(0, 4000)], Vec::new(), &[]).failed);
    let (answer, mut looked) = oneshot::channel();
    rig.order(Order::Look { legs: vec![(IngressId(0), EgressId(0))], groups: Vec::new(), answer });
    rig.round();
    assert_eq!(looked.try_recv().expect("looked").legs, [None]);
}

#[test]
fn what_cannot_be_applied_is_said_to_have_failed() {
    let mut rig = Rig::with_a_call();
    assert!(rig.apply(&[(0, 4000)], Vec::new(), &[]).failed);
    assert!(rig.apply(&[], vec![Command::RemoveEgress(EgressId(9))], &[]).failed);
}

#[test]
fn the_heart_beats_once_a_round_until_the_worker_is_stopped() {
    let mut rig = Rig::new();
    rig.round();
    rig.round();
    assert_eq!(rig.worker.heartbeat.load(Ordering::Relaxed), 2);
    rig.order(Order::Stop);
    assert_eq!(rig.round(), Next::Stop);
    assert!(rig.reports.try_recv().is_err());
}
