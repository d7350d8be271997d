//! Packets that arrive at another worker's queue than the one that owns the call.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use super::rig::{PATIENCE, Rig, Worker};
use crate::{ErrnoClass, Outgoing, PacketIo, PortToken, SendError, Transmit, XdpPeer};

/// Two workers of four queues, port 0 of each, and the phone's side past the kernel.
fn two_workers(rig: &Rig) -> (Worker, Worker, [SocketAddr; 2], XdpPeer) {
    let mut workers = Worker::of(rig.open(&Rig::options(), 2));
    let (mut second, mut first) = (workers.pop().unwrap(), workers.pop().unwrap());
    let ports = [first.add(0, "10.1.0.1:40000"), second.add(0, "10.1.0.1:40002")];
    let phone = rig.phone.run(|| XdpPeer::open(&Rig::peer("a1", "10.1.0.2"))).unwrap();
    phone.reach("10.1.0.2:1".parse().unwrap(), ports[0], PATIENCE).unwrap();
    (first, second, ports, phone)
}

/// Sends numbered datagrams to a port from four ports, so that they arrive by all four queues.
fn send(phone: &mut XdpPeer, to: SocketAddr, numbers: std::ops::Range<u8>) {
    for number in numbers {
        for port in 6_000..6_004 {
            let datagram = Outgoing { destination: to, octets: &[number; 172] };
            let from = SocketAddr::from(([10, 1, 0, 2], port));
            assert_eq!(phone.send(from, &[datagram]).unwrap(), 1);
        }
    }
}

#[test]
fn every_packet_reaches_the_worker_that_owns_its_port_by_whatever_queue_it_came() {
    let Some(rig) = Rig::new(4) else { return };
    let (mut first, mut second, ports, mut phone) = two_workers(&rig);
    send(&mut phone, ports[0], 0..10);
    send(&mut phone, ports[1], 0..10);

    let mut received = [Vec::new(), Vec::new()];
    let end = Instant::now() + PATIENCE;
    while received[0].len() < 40 || received[1].len() < 40 {
        assert!(Instant::now() < end);
        for (worker, received) in [&mut first, &mut second].into_iter().zip(&mut received) {
            received.extend(worker.round(Duration::ZERO));
        }
    }

    for (worker, received) in [&first, &second].into_iter().zip(&received) {
        for port in 6_000..6_004 {
            let of_flow = received.iter().filter(|(_, source, _)| source.port() == port);
            let numbers: Vec<u8> = of_flow.map(|(_, _, octets)| octets[0]).collect();
            assert_eq!(numbers, (0..10).collect::<Vec<u8>>(), "order within a flow");
        }
        let counters = worker.backend.counters();
        assert_eq!(counters.received, 40);
        // Two of the four queues are the other worker's.
        assert_eq!(counters.handed_over, 20);
        assert_eq!((counters.handover_full, counters.stray), (0, 0));
    }
}

#[test]
fn a_sleeping_worker_is_woken_for_what_another_one_received() {
    let Some(rig) = Rig::new(4) else { return };
    let (mut first, mut second, ports, mut phone) = two_workers(&rig);
    let sleeping = thread::spawn(move || {
        // Woken for every queue: by its own ones for half of them, by mail for the rest.
        let mut received = 0;
        while received < 4 {
            let count = first.backend.receive(&mut first.batch, Some(Duration::from_secs(60)));
            received += count.unwrap();
        }
        first
    });
    send(&mut phone, ports[0], 0..1);
    while !sleeping.is_finished() {
        second.backend.receive(&mut second.batch, Some(Duration::from_millis(10))).unwrap();
    }
    let mut first = sleeping.join().unwrap();
    assert_eq!(second.backend.counters().handed_over, 2);
    assert_eq!(first.backend.port_counters(PortToken(0)).unwrap().received, 4);
}

#[test]
fn what_a_worker_does_not_fetch_is_counted_as_lost_and_the_ledger_closes() {
    let Some(rig) = Rig::new(4) else { return };
    let (mut first, mut second, ports, mut phone) = two_workers(&rig);
    let (mut sent, mut misdirected) = (0_u64, 0);
    while second.backend.counters().handover_full == 0 {
        assert!(sent < 200_000);
        send(&mut phone, ports[0], 0..8);
        sent += 32;
        second.backend.receive(&mut second.batch, Some(Duration::ZERO)).unwrap();
        // Its own two queues are emptied, its mailbox is not: nobody fetches here.
        misdirected = second.backend.counters().handed_over;
    }
    let mut idle = 0;
    while idle < 3 {
        let mut count = 0;
        for worker in [&mut second, &mut first] {
            let wait = Some(Duration::from_millis(20));
            count += worker.backend.receive(&mut worker.batch, wait).unwrap();
        }
        idle = if count == 0 { idle + 1 } else { 0 };
    }
    let (ours, theirs) = (*first.backend.counters(), *second.backend.counters());
    assert!(misdirected > 1_000);
    assert_eq!(
        ours.received + ours.kernel_dropped + theirs.kernel_dropped + theirs.handover_full,
        sent - phone.refused()
    );
}

#[test]
fn ports_of_the_group_are_peers_of_each_other_on_one_worker_and_across_two() {
    let Some(rig) = Rig::new(2) else { return };
    let mut workers = Worker::of(rig.open(&Rig::options(), 2));
    let (mut second, mut first) = (workers.pop().unwrap(), workers.pop().unwrap());
    let near = first.add(1, "10.2.0.1:40000");
    first.add(2, "10.2.0.1:40002");
    second.add(3, "10.2.0.1:40004");
    let sleeping = thread::spawn(move || {
        let received = second.round(Duration::from_secs(60));
        (second, received)
    });
    first.batch.advance(3);
    for slot in first.batch.slots_mut() {
        slot.octets[..172].fill(slot.index as u8);
    }
    for (slot, port) in [40_002, 40_004, 40_006].into_iter().enumerate() {
        let destination = SocketAddr::from(([10, 2, 0, 1], port));
        let transmit = Transmit {
            port: PortToken(1),
            destination,
            slot,
            len: 172,
            tag: 7,
            traffic_class: None,
        };
        first.batch.outbox().push(transmit).unwrap();
    }
    let (mut refused, end) = (Vec::new(), Instant::now() + PATIENCE);
    // The way here is asked for like any other.
    while first.backend.counters().sent < 2 || refused.is_empty() {
        assert!(Instant::now() < end, "{:?} {refused:?}", first.backend.counters());
        first.backend.transmit(&mut first.batch, |_, error| refused.push(error));
    }

    assert_eq!(first.round(PATIENCE), [(2, near, vec![0; 172])]);
    let (second, received) = sleeping.join().unwrap();
    assert_eq!(received, [(3, near, vec![1; 172])]);
    // Nobody has the third.
    assert_eq!(refused, [SendError::Errno(ErrnoClass::ConnectionRefused)]);
    let (ours, theirs) = (first.backend.counters(), second.backend.counters());
    assert_eq!((ours.sent, ours.received, theirs.received), (2, 1, 1));
}
