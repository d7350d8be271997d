//! What a port hands out, whatever arrives at it.

#![expect(clippy::tests_outside_test_module, reason = "an integration test is one")]

use std::{collections::BTreeSet, thread, time::Duration};

use agw_net::{
    Batch, MAX_DATAGRAM, PacketIo, PortOptions, PortToken, SocketsBackend, SocketsOptions,
};

use crate::rig::{PATIENCE, V4, V6, add, add_with, backend, drain, peer, round};

#[test]
fn a_round_brings_datagrams_of_all_ports_and_both_families_with_their_sources() {
    let mut backend = backend();
    let ports = [add(&mut backend, 3, V4), add(&mut backend, 0, V6), add(&mut backend, 9, V4)];
    let (v4, v4_address) = peer(V4);
    let (v6, v6_address) = peer(V6);
    v4.send_to(b"to three", ports[0]).unwrap();
    v6.send_to(b"to zero", ports[1]).unwrap();
    v4.send_to(b"", ports[2]).unwrap();

    let mut batch = Batch::new();
    let mut datagrams = round(&mut backend, &mut batch);

    datagrams.sort();
    let expected = [
        (0, v6_address, b"to zero".to_vec()),
        (3, v4_address, b"to three".to_vec()),
        (9, v4_address, Vec::new()),
    ];
    assert_eq!(datagrams, expected);
    assert_eq!(backend.counters().received, 3);
    assert_eq!(backend.counters().received_octets, 15);
}

#[test]
fn datagrams_of_one_port_keep_their_order_over_rounds() {
    let mut backend = backend();
    let port = add(&mut backend, 0, V4);
    let (sender, _) = peer(V4);
    for number in 0..150_u8 {
        sender.send_to(&[number], port).unwrap();
    }

    let mut batch = Batch::new();
    let mut numbers = Vec::new();
    while numbers.len() < 150 {
        numbers.extend(round(&mut backend, &mut batch).into_iter().map(|(_, _, octets)| octets[0]));
    }
    assert_eq!(numbers, (0..150).collect::<Vec<u8>>());
}

#[test]
fn a_datagram_longer_than_a_slot_takes_is_cut_and_flagged_and_its_neighbours_are_whole() {
    let mut backend = backend();
    let port = add(&mut backend, 0, V4);
    let (sender, _) = peer(V4);
    for len in [MAX_DATAGRAM, MAX_DATAGRAM + 1, 9_000, 10] {
        sender.send_to(&vec![7; len], port).unwrap();
    }

    let mut batch = Batch::new();
    let mut seen = Vec::new();
    while seen.len() < 4 {
        backend.receive(&mut batch, Some(PATIENCE)).unwrap();
        seen.extend(batch.slots_mut().map(|slot| (slot.len, slot.truncated)));
    }

    let expected = [(MAX_DATAGRAM, false), (MAX_DATAGRAM, true), (MAX_DATAGRAM, true), (10, false)];
    assert_eq!(seen, expected);
    assert_eq!(backend.counters().truncated, 2);
}

//= tests/spec/relay.md#sockets
//= type=test
//# Datagrams that the kernel dropped for a full queue MUST be counted.
#[test]
fn overflow_of_a_tiny_receive_buffer_is_counted_exactly_when_asked_for() {
    let (mut backend, mut batch) = (backend(), Batch::new());
    let tiny = PortOptions { receive_buffer_octets: Some(1), ..PortOptions::default() };
    let port = add_with(&mut backend, 0, V4, &tiny);
    let (sender, _) = peer(V4);
    for _ in 0..1_000 {
        sender.send_to(&[0; 172], port).unwrap();
    }

    let received = drain(&mut backend, &mut batch).len() as u64;

    let counters = backend.port_counters(PortToken(0)).unwrap();
    assert!(counters.kernel_dropped > 0);
    assert_eq!(counters.received, received);
    assert_eq!(counters.received + counters.kernel_dropped, 1_000);
    assert_eq!(backend.counters().kernel_dropped, counters.kernel_dropped);
    // Asked again, nothing is counted twice.
    assert_eq!(backend.port_counters(PortToken(0)), Some(counters));
}

//= tests/spec/relay.md#sockets
//= type=test
//# Datagrams that the kernel dropped for a full queue MUST be counted.
#[test]
fn overflow_is_told_by_the_next_datagram_without_being_asked_for() {
    let (mut backend, mut batch) = (backend(), Batch::new());
    let tiny = PortOptions { receive_buffer_octets: Some(1), ..PortOptions::default() };
    let port = add_with(&mut backend, 0, V6, &tiny);
    let (sender, _) = peer(V6);
    let mut received = 0;
    for _ in 0..5 {
        for _ in 0..200 {
            sender.send_to(&[0; 172], port).unwrap();
        }
        received += drain(&mut backend, &mut batch).len() as u64;
    }
    sender.send_to(&[0; 172], port).unwrap();
    received += drain(&mut backend, &mut batch).len() as u64;

    let counters = *backend.counters();
    assert!(counters.kernel_dropped > 0);
    assert_eq!(received + counters.kernel_dropped, 1_001);
}

#[test]
fn a_flooded_port_takes_its_budget_and_every_other_ready_port_is_in_the_same_round() {
    let (mut backend, mut batch) = (backend(), Batch::new());
    let flooded = add(&mut backend, 0, V4);
    let quiet: Vec<_> = (1..=40).map(|token| add(&mut backend, token, V4)).collect();
    let (sender, _) = peer(V4);

    for _ in 0..10 {
        for _ in 0..200 {
            sender.send_to(&[0; 20], flooded).unwrap();
        }
        for port in &quiet {
            sender.send_to(&[0; 20], port).unwrap();
        }
        let datagrams = round(&mut backend, &mut batch);

        let tokens: BTreeSet<_> = datagrams.iter().map(|(token, ..)| *token).collect();
        assert_eq!(tokens.len(), 41);
        assert!(datagrams.iter().filter(|(token, ..)| *token == 0).count() <= 16);
    }
}

#[test]
fn more_ready_ports_than_slots_take_turns_and_none_is_forgotten() {
    let (mut backend, mut batch) = (backend(), Batch::new());
    let ports: Vec<_> = (0..150).map(|token| add(&mut backend, token, V4)).collect();
    let (sender, _) = peer(V4);
    for port in ports.iter().chain(&ports).chain(&ports) {
        sender.send_to(&[0; 20], port).unwrap();
    }

    let mut seen = BTreeSet::new();
    for _ in 0..3 {
        seen.extend(round(&mut backend, &mut batch).into_iter().map(|(token, ..)| token));
    }
    assert_eq!(seen.len(), 150);
    let rest = drain(&mut backend, &mut batch);
    assert_eq!(backend.counters().received, 450, "{rest:?}");
}

#[test]
fn bursts_of_junk_do_not_silence_a_port() {
    let (mut backend, mut batch) = (backend(), Batch::new());
    let port = add(&mut backend, 0, V4);
    let (foreign, _) = peer(V4);
    let (genuine, genuine_address) = peer(V4);
    for _ in 0..8 {
        for _ in 0..400 {
            foreign.send_to(&[0xFF; 33], port).unwrap();
        }
        drain(&mut backend, &mut batch);
    }

    for _ in 0..100 {
        genuine.send_to(&[1; 33], port).unwrap();
    }
    let mut arrived = 0;
    while arrived < 100 {
        let datagrams = round(&mut backend, &mut batch);
        assert!(!datagrams.is_empty(), "only {arrived} of 100");
        arrived += datagrams.iter().filter(|(_, from, _)| *from == genuine_address).count();
    }
}

#[test]
fn datagrams_that_come_while_a_round_gathers_are_in_that_round() {
    let options = SocketsOptions { coalesce: Duration::from_secs(1), ..SocketsOptions::default() };
    let mut backend = SocketsBackend::new(options).unwrap();
    let ports: Vec<_> = (0..20).map(|token| add(&mut backend, token, V4)).collect();
    let (sender, _) = peer(V4);
    let mut batch = Batch::new();

    let sending = thread::spawn(move || {
        for port in ports {
            sender.send_to(&[0; 20], port).unwrap();
        }
    });
    let mut received = 0;
    while received < 20 {
        received += backend.receive(&mut batch, Some(PATIENCE)).unwrap();
    }
    sending.join().unwrap();
    assert_eq!(received, 20);
}

#[test]
fn a_wake_from_another_thread_ends_an_endless_wait_and_loses_no_datagram() {
    let (mut backend, mut batch) = (backend(), Batch::new());
    let port = add(&mut backend, 0, V4);
    let (sender, _) = peer(V4);
    let waker = backend.waker();

    let waking = thread::spawn(move || waker.wake());
    assert_eq!(backend.receive(&mut batch, None).unwrap(), 0);
    waking.join().unwrap();
    assert_eq!(backend.counters().wakes, 1);

    backend.waker().wake();
    sender.send_to(b"with the wake", port).unwrap();
    assert_eq!(backend.receive(&mut batch, None).unwrap(), 1);
    assert_eq!(backend.receive(&mut batch, Some(Duration::ZERO)).unwrap(), 0);
    assert_eq!(backend.counters().wakes, 2);
}
