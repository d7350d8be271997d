//! The memory backend keeps the contract of the trait.

#![expect(clippy::tests_outside_test_module, reason = "an integration test is one")]

use std::{io::ErrorKind, net::SocketAddr, thread, time::Duration};

use agw_net::{
    Batch, ErrnoClass, MAX_DATAGRAM, MemoryBackend, MemoryDatagram, PacketIo, PortToken, SendError,
    Transmit,
};

#[test]
fn what_is_injected_arrives_and_what_is_sent_is_on_the_wire() {
    let (mut backend, wire) = MemoryBackend::new().unwrap();
    let [local, remote, stranger] = addresses();
    backend.add_port(PortToken(5), local).unwrap();
    wire.inject(local, remote, b"in");
    wire.inject(stranger, remote, b"to no port");
    wire.inject(local, remote, &[9; MAX_DATAGRAM + 1]);

    let mut batch = Batch::new();
    assert_eq!(backend.receive(&mut batch, None).unwrap(), 2);
    let (mut slots, mut outbox) = batch.split_mut();
    let (first, second) = (slots.next().unwrap(), slots.next().unwrap());
    assert_eq!((first.port, first.source, first.len), (PortToken(5), remote, 2));
    assert_eq!((second.len, second.truncated), (MAX_DATAGRAM, true));
    first.octets[..3].copy_from_slice(b"out");
    let transmit = Transmit {
        port: PortToken(5),
        destination: stranger,
        slot: 0,
        len: 3,
        tag: 1,
        traffic_class: None,
    };
    outbox.push(transmit).unwrap();
    assert_eq!(backend.transmit(&mut batch, |_, error| panic!("{error}")), 1);

    let sent =
        MemoryDatagram { from: local, to: stranger, traffic_class: 0, octets: b"out".to_vec() };
    assert_eq!(wire.take_sent(), [sent]);
    assert_eq!(wire.take_sent(), []);
    assert_eq!(backend.port_counters(PortToken(5)).unwrap().received, 2);
}

#[test]
fn a_send_that_is_to_fail_fails_once_and_is_counted() {
    let (mut backend, wire) = MemoryBackend::new().unwrap();
    let [local, remote, _] = addresses();
    backend.add_port(PortToken(0), local).unwrap();
    wire.inject(local, remote, b"in");
    wire.fail_next_send(ErrnoClass::NoBuffers);
    let mut batch = Batch::new();
    backend.receive(&mut batch, None).unwrap();
    for (port, tag) in [(0, 10), (0, 11), (8, 12)] {
        let transmit = Transmit {
            port: PortToken(port),
            destination: remote,
            slot: 0,
            len: 2,
            tag,
            traffic_class: None,
        };
        batch.outbox().push(transmit).unwrap();
    }

    let mut failures = Vec::new();
    let sent = backend.transmit(&mut batch, |tag, error| failures.push((tag, error)));

    assert_eq!(sent, 1);
    let expected = [(10, SendError::Errno(ErrnoClass::NoBuffers)), (12, SendError::UnknownPort)];
    assert_eq!(failures, expected);
    assert_eq!(backend.counters().send_errors.count(ErrnoClass::NoBuffers), 1);
}

#[test]
fn an_injection_from_another_thread_ends_the_wait() {
    let (mut backend, wire) = MemoryBackend::new().unwrap();
    let [local, remote, _] = addresses();
    backend.add_port(PortToken(0), local).unwrap();
    let mut batch = Batch::new();
    let injecting = thread::spawn(move || wire.inject(local, remote, b"in"));

    while backend.receive(&mut batch, None).unwrap() == 0 {}
    injecting.join().unwrap();

    backend.waker().wake();
    assert_eq!(backend.receive(&mut batch, None).unwrap(), 0);
}

#[test]
fn a_removed_port_counts_what_was_queued_and_its_address_is_free() {
    let (mut backend, wire) = MemoryBackend::new().unwrap();
    let [local, remote, _] = addresses();
    backend.add_port(PortToken(0), local).unwrap();
    let twice = backend.add_port(PortToken(1), local);
    assert_eq!(twice.unwrap_err().kind(), ErrorKind::AddrInUse);
    wire.inject(local, remote, b"never read");

    assert_eq!(backend.remove_port(PortToken(0)).unwrap().discarded_at_removal, 1);

    backend.add_port(PortToken(1), local).unwrap();
    let mut batch = Batch::new();
    assert_eq!(backend.receive(&mut batch, Some(Duration::ZERO)).unwrap(), 0);
}

fn addresses() -> [SocketAddr; 3] {
    [4000, 5000, 6000].map(|port| SocketAddr::from(([192, 0, 2, 1], port)))
}
