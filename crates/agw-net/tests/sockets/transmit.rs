//! What leaves a backend, and what does not and why.

#![expect(clippy::tests_outside_test_module, reason = "an integration test is one")]

use std::{
    mem::size_of,
    net::{SocketAddr, UdpSocket},
    os::fd::{AsFd, AsRawFd},
    time::Duration,
};

use agw_net::{
    Batch, ErrnoClass, PAYLOAD_ROOM, PacketIo, PortOptions, PortToken, SendError, SocketsBackend,
    Transmit, UdpPort,
};

use crate::rig::{PATIENCE, V4, V6, add, backend, peer, round};

/// A backend with port 0, and a batch that holds `count` datagrams received there.
fn backend_with_a_full_batch(count: usize, address: SocketAddr) -> (SocketsBackend, Batch) {
    let (mut backend, mut batch) = (backend(), Batch::new());
    let locals: Vec<_> = (0..count).map(|n| add(&mut backend, n as u32, address)).collect();
    let (sender, _) = peer(address);
    for (number, local) in locals.iter().enumerate() {
        sender.send_to(&[number as u8; 172], local).unwrap();
    }
    assert_eq!(backend.receive(&mut batch, Some(PATIENCE)).unwrap(), count);
    (backend, batch)
}

/// Sends slot n with tag n from port 0 to the nth destination; the tags and reasons of failures.
fn send(
    backend: &mut SocketsBackend,
    batch: &mut Batch,
    destinations: &[SocketAddr],
) -> (usize, Vec<(u32, SendError)>) {
    for (slot, destination) in destinations.iter().enumerate() {
        let transmit = Transmit {
            port: PortToken(0),
            destination: *destination,
            slot,
            len: 172,
            tag: slot as u32,
            traffic_class: None,
        };
        batch.outbox().push(transmit).unwrap();
    }
    let mut failures = Vec::new();
    let sent = backend.transmit(batch, |tag, error| failures.push((tag, error)));
    assert!(batch.outbox().is_empty());
    (sent, failures)
}

/// A port nobody listens at, of a loopback address that no other test uses.
fn closed_port(last_octet: u8) -> SocketAddr {
    peer(SocketAddr::from(([127, 0, 0, last_octet], 0))).1
}

fn errno(class: ErrnoClass) -> SendError {
    SendError::Errno(class)
}

#[test]
fn a_batch_of_mixed_ports_leaves_from_the_right_ports_to_the_right_places() {
    for address in [V4, V6] {
        let (mut backend, mut batch) = backend_with_a_full_batch(10, address);
        let (near, near_address) = peer(address);
        let (far, far_address) = peer(address);
        let (slots, mut outbox) = batch.split_mut();
        for slot in slots {
            let even = slot.octets[0] % 2 == 0;
            let number = slot.octets[0];
            slot.octets[172..182].fill(number);
            let transmit = Transmit {
                port: PortToken(u32::from(slot.octets[0] / 4)),
                destination: if even { near_address } else { far_address },
                slot: slot.index,
                len: 182,
                tag: 0,
                traffic_class: None,
            };
            outbox.push(transmit).unwrap();
        }

        let sent = backend.transmit(&mut batch, |tag, error| panic!("{tag}: {error}"));

        assert_eq!(sent, 10);
        assert_eq!(backend.counters().sent_octets, 1_820);
        assert_eq!(backend.port_counters(PortToken(0)).unwrap().sent, 4);
        assert_eq!(backend.port_counters(PortToken(2)).unwrap().sent, 2);
        let mut octets = [0; 2_000];
        for (receiver, parity) in [(near, 0), (far, 1)] {
            let mut numbers: Vec<u8> = (0..5)
                .map(|_| {
                    assert_eq!(receiver.recv_from(&mut octets).unwrap().0, 182);
                    assert!(octets[..182].iter().all(|octet| *octet == octets[0]));
                    octets[0]
                })
                .collect();
            numbers.sort_unstable();
            assert_eq!(numbers, (0..5).map(|n| 2 * n + parity).collect::<Vec<u8>>());
        }
    }
}

#[test]
fn a_full_slot_with_all_its_tail_room_can_be_sent() {
    let (mut backend, mut batch) = backend_with_a_full_batch(1, V4);
    let (receiver, destination) = peer(V4);
    let port = PortToken(0);
    let transmit =
        Transmit { port, destination, slot: 0, len: PAYLOAD_ROOM, tag: 0, traffic_class: None };
    batch.outbox().push(transmit).unwrap();

    assert_eq!(backend.transmit(&mut batch, |_, error| panic!("{error}")), 1);
    assert_eq!(receiver.recv_from(&mut [0; 4_000]).unwrap().0, PAYLOAD_ROOM);
}

//= tests/spec/relay.md#sockets
//= type=test
//# Datagrams that the kernel refused to send MUST be counted.
#[test]
fn a_refused_datagram_is_told_by_its_tag_and_its_neighbours_go_out() {
    let (mut backend, mut batch) = backend_with_a_full_batch(6, V4);
    let (receiver, good) = peer(V4);
    let port_zero = SocketAddr::new(good.ip(), 0);
    let broadcast: SocketAddr = "127.255.255.255:9".parse().unwrap();

    let (sent, failures) =
        send(&mut backend, &mut batch, &[port_zero, good, broadcast, V6, good, port_zero]);

    let expected = [
        (0, errno(ErrnoClass::InvalidArgument)),
        (2, errno(ErrnoClass::AccessDenied)),
        (3, errno(ErrnoClass::AddressFamily)),
        (5, errno(ErrnoClass::InvalidArgument)),
    ];
    assert_eq!(failures, expected);
    assert_eq!(sent, 2);
    for _ in 0..2 {
        assert_eq!(receiver.recv_from(&mut [0; 200]).unwrap().0, 172);
    }
    let counters = backend.counters();
    assert_eq!(counters.sent, 2);
    assert_eq!(counters.send_errors.count(ErrnoClass::InvalidArgument), 2);
    assert_eq!(counters.send_errors.total(), 4);
}

//= tests/spec/relay.md#sockets
//= type=test
//# Datagrams that the kernel refused to send MUST be counted.
#[test]
fn a_datagram_longer_than_the_interface_takes_is_counted_as_emsgsize() {
    let (mut backend, mut batch) = backend_with_a_full_batch(2, V6);
    let port = UdpPort::bind(V6, &PortOptions::default()).unwrap();
    // Loopback takes 65,536 octets; make this port believe in 1,280, and not fragment.
    for (name, value) in [(libc::IPV6_MTU, 1_280), (libc::IPV6_DONTFRAG, 1)] {
        // SAFETY: the descriptor is open while `port` lives; pointer and length describe `value`,
        // which outlives the call; the kernel only reads it.
        let result = unsafe {
            libc::setsockopt(
                port.as_fd().as_raw_fd(),
                libc::IPPROTO_IPV6,
                name,
                (&raw const value).cast(),
                size_of::<i32>() as libc::socklen_t,
            )
        };
        assert_eq!(result, 0);
    }
    backend.add_port(PortToken(7), port).unwrap();
    let (receiver, destination) = peer(V6);
    for (slot, len) in [(0, 1_500), (1, 1_200)] {
        let transmit = Transmit {
            port: PortToken(7),
            destination,
            slot,
            len,
            tag: slot as u32,
            traffic_class: None,
        };
        batch.outbox().push(transmit).unwrap();
    }

    let mut failures = Vec::new();
    backend.transmit(&mut batch, |tag, error| failures.push((tag, error)));

    assert_eq!(failures, [(0, SendError::TooLong { octets: 1_500 })]);
    assert_eq!(backend.counters().send_errors.count(ErrnoClass::MessageTooLong), 1);
    assert_eq!(receiver.recv_from(&mut [0; 2_000]).unwrap().0, 1_200);
}

//= tests/spec/relay.md#sockets
//= type=test
//# An ICMP error MUST NOT end a stream.
#[test]
fn icmp_port_unreachable_is_not_even_seen_by_a_port() {
    let (mut backend, mut batch) = backend_with_a_full_batch(3, V4);
    let closed = closed_port(77);
    // That the kernel answers at all: a connected socket is told.
    let witness = UdpSocket::bind(V4).unwrap();
    witness.connect(closed).unwrap();
    witness.send(b"anyone?").unwrap();
    assert_eq!(witness.send(b"anyone?").unwrap_err().raw_os_error(), Some(libc::ECONNREFUSED));

    for _ in 0..5 {
        assert_eq!(send(&mut backend, &mut batch, &[closed; 3]), (3, Vec::new()));
    }

    let (live, live_address) = peer(V4);
    assert_eq!(send(&mut backend, &mut batch, &[live_address]), (1, Vec::new()));
    let (_, port) = live.recv_from(&mut [0; 200]).unwrap();
    live.send_to(b"still there", port).unwrap();
    let arrived = round(&mut backend, &mut batch);
    assert_eq!(arrived, [(0, live_address, b"still there".to_vec())]);
    assert_eq!(backend.counters().send_errors.total(), 0);
    assert_eq!(backend.counters().receive_errors.total(), 0);
    assert_eq!(backend.counters().retried_sends, 0);
}

//= tests/spec/relay.md#sockets
//= type=test
//# An ICMP error MUST NOT end a stream.
#[test]
fn a_refusal_that_does_reach_a_port_costs_no_datagram_and_ends_no_stream() {
    let (mut backend, mut batch) = backend_with_a_full_batch(3, V4);
    let port = UdpPort::bind(V4, &PortOptions::default()).unwrap();
    let local = port.local_address();
    // Connected behind the backend's back, which no port ever is.
    let behind = UdpSocket::from(port.as_fd().try_clone_to_owned().unwrap());
    let closed = closed_port(78);
    behind.connect(closed).unwrap();
    backend.remove_port(PortToken(0)).unwrap();
    backend.add_port(PortToken(0), port).unwrap();
    let (live, live_address) = peer(V4);

    assert_eq!(send(&mut backend, &mut batch, &[closed]), (1, Vec::new()));
    let destinations = [live_address, live_address, closed];
    assert_eq!(send(&mut backend, &mut batch, &destinations), (3, Vec::new()));
    assert_eq!(backend.counters().retried_sends, 1);
    for _ in 0..2 {
        assert_eq!(live.recv_from(&mut [0; 200]).unwrap(), (172, local));
    }

    // The last of these was refused too, and now it is the receiving side that is told.
    assert_eq!(backend.receive(&mut batch, Some(Duration::ZERO)).unwrap(), 0);
    assert_eq!(backend.counters().receive_errors.count(ErrnoClass::ConnectionRefused), 1);
    let opened = UdpSocket::bind(closed).unwrap();
    opened.send_to(b"open now", local).unwrap();
    assert_eq!(round(&mut backend, &mut batch), [(0, closed, b"open now".to_vec())]);
}

#[test]
fn sends_of_a_port_that_is_gone_are_counted_and_told() {
    let (mut backend, mut batch) = backend_with_a_full_batch(2, V4);
    let (_receiver, destination) = peer(V4);
    backend.remove_port(PortToken(0)).unwrap();

    let (sent, failures) = send(&mut backend, &mut batch, &[destination; 2]);

    assert_eq!(sent, 0);
    assert_eq!(failures, [(0, SendError::UnknownPort), (1, SendError::UnknownPort)]);
    assert_eq!(backend.counters().unknown_port, 2);
}
