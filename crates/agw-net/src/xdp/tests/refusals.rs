//! What does not leave, and why: counted, told by its tag, and nothing else is touched.

use super::rig::{PATIENCE, Rig, Worker};
use crate::{ErrnoClass, PacketIo, PortToken, SendError, Transmit};

/// Sends what port 0 received, cut to `len` octets, and tells what became of it: at once, or when
/// its next hop is known or has not shown itself in time.
fn send(worker: &mut Worker, from: u32, destination: &str, len: usize) -> Result<(), SendError> {
    let transmit = Transmit {
        port: PortToken(from),
        destination: destination.parse().unwrap(),
        slot: 0,
        len,
        tag: 7,
        traffic_class: None,
    };
    worker.batch.outbox().push(transmit).unwrap();
    let end = std::time::Instant::now() + PATIENCE;
    loop {
        let mut result = Ok(());
        let sent = worker.backend.transmit(&mut worker.batch, |tag, error| {
            assert_eq!(tag, 7);
            result = Err(error);
        });
        assert!(sent == 0 || result.is_ok());
        if sent == 1 || result.is_err() {
            return result;
        }
        assert!(std::time::Instant::now() < end);
        std::thread::yield_now();
    }
}

fn errno(class: ErrnoClass) -> Result<(), SendError> {
    Err(SendError::Errno(class))
}

/// Sends until the next hop is known or known not to be.
fn settled(worker: &mut Worker, from: u32, destination: &str, len: usize) -> Result<(), SendError> {
    let end = std::time::Instant::now() + PATIENCE;
    loop {
        let result = send(worker, from, destination, len);
        if result != errno(ErrnoClass::Unresolved) {
            return result;
        }
        assert!(std::time::Instant::now() < end);
        std::thread::yield_now();
    }
}

#[test]
fn each_reason_not_to_send_has_its_own_class_and_the_ledger_closes() {
    let Some(rig) = Rig::new(1) else { return };
    rig.gateway.ip("route add unreachable 10.77.0.0/16");
    rig.gateway.ip("route add 10.78.0.0/16 dev lo");
    let mut worker = rig.backend(&Rig::options());
    let open = worker.add(0, "10.1.0.1:40000");
    worker.add(1, "10.2.0.1:40000");
    worker.add(2, "[fd02::1]:40000");
    let (phone, core) = (rig.phone("10.1.0.2:5000"), rig.core("10.2.0.2:5000"));
    phone.send_to(&[5; 1_472], open).unwrap();
    worker.receive(1);

    assert_eq!(send(&mut worker, 1, "10.2.0.2:5000", 172), Ok(()));
    let table = [
        (1, "10.2.0.2:5000", 1_473, ErrnoClass::MessageTooLong),
        (2, "[fd02::2]:5000", 1_453, ErrnoClass::MessageTooLong),
        (1, "10.77.0.1:5000", 172, ErrnoClass::NetworkUnreachable),
        (1, "10.78.0.1:5000", 172, ErrnoClass::NoDevice),
        (1, "10.2.0.99:5000", 172, ErrnoClass::NetworkUnreachable),
        (1, "[fd02::2]:5000", 172, ErrnoClass::AddressFamily),
        (1, "10.2.0.2:0", 172, ErrnoClass::InvalidArgument),
    ];
    for (from, destination, len, class) in table {
        let expected = Err(SendError::of(class, len));
        assert_eq!(settled(&mut worker, from, destination, len), expected, "{destination}");
        assert!(worker.backend.counters().send_errors.count(class) > 0);
    }
    assert_eq!(send(&mut worker, 9, "10.2.0.2:5000", 172), Err(SendError::UnknownPort));
    // What has left is no longer in its slot.
    phone.send_to(&[6; 1_472], open).unwrap();
    worker.receive(1);
    assert_eq!(settled(&mut worker, 1, "10.2.0.2:5000", 1_472), Ok(()));
    phone.send_to(&[7; 1_472], open).unwrap();
    worker.receive(1);
    assert_eq!(settled(&mut worker, 2, "[fd02::2]:5000", 1_452), Ok(()));

    let mut octets = [0; 2_000];
    for (len, octet) in [(172, 5), (1_472, 6)] {
        assert_eq!(core.recv_from(&mut octets).unwrap().0, len);
        assert_eq!(octets[..len], vec![octet; len]);
    }
    let counters = worker.backend.counters();
    assert_eq!((counters.sent, counters.unknown_port), (3, 1));
    assert_eq!(counters.sent_octets, 172 + 1_472 + 1_452);
}

#[test]
fn a_datagram_sent_twice_leaves_twice_and_whole() {
    let Some(rig) = Rig::new(1) else { return };
    let mut worker = rig.backend(&Rig::options());
    let open = worker.add(0, "10.1.0.1:40000");
    worker.add(1, "10.2.0.1:40000");
    let (phone, core) = (rig.phone("10.1.0.2:5000"), rig.core("10.2.0.2:5000"));
    phone.send_to(&[9; 200], open).unwrap();
    worker.receive(1);
    for (port, destination) in [(1, "10.2.0.2:5000"), (0, "10.1.0.2:5000")] {
        assert_eq!(settled(&mut worker, port, destination, 1), Ok(()));
        phone.send_to(&[9; 200], open).unwrap();
        worker.receive(1);
    }

    for (port, destination) in [(1, "10.2.0.2:5000"), (0, "10.1.0.2:5000"), (1, "10.2.0.2:5000")] {
        let destination = destination.parse().unwrap();
        let transmit = Transmit {
            port: PortToken(port),
            destination,
            slot: 0,
            len: 200,
            tag: 0,
            traffic_class: None,
        };
        worker.batch.outbox().push(transmit).unwrap();
    }
    let sent = worker.backend.transmit(&mut worker.batch, |_, error| panic!("{error}"));

    assert_eq!(sent, 3);
    let mut octets = [0; 400];
    for (socket, expected) in [(&core, &[1, 200, 200][..]), (&phone, &[1, 200])] {
        for len in expected {
            assert_eq!(socket.recv_from(&mut octets).unwrap().0, *len);
            assert!(octets[..*len].iter().all(|octet| *octet == 9));
        }
    }
}

#[test]
fn a_slot_that_is_kept_leaves_again_with_the_next_queue() {
    let Some(rig) = Rig::new(1) else { return };
    let mut worker = rig.backend(&Rig::options());
    let open = worker.add(0, "10.1.0.1:40000");
    worker.add(1, "10.2.0.1:40000");
    let (phone, core) = (rig.phone("10.1.0.2:5000"), rig.core("10.2.0.2:5000"));
    phone.send_to(&[9; 200], open).unwrap();
    worker.receive(1);
    assert_eq!(settled(&mut worker, 1, "10.2.0.2:5000", 1), Ok(()));
    phone.send_to(&[7; 200], open).unwrap();
    worker.receive(1);

    for _ in 0..3 {
        let destination = "10.2.0.2:5000".parse().unwrap();
        let transmit = Transmit {
            port: PortToken(1),
            destination,
            slot: 0,
            len: 200,
            tag: 0,
            traffic_class: None,
        };
        let mut outbox = worker.batch.outbox();
        outbox.keep(0);
        outbox.push(transmit).unwrap();
        assert_eq!(worker.backend.transmit(&mut worker.batch, |_, error| panic!("{error}")), 1);
    }

    let mut octets = [0; 400];
    assert_eq!(core.recv_from(&mut octets).unwrap().0, 1);
    for _ in 0..3 {
        assert_eq!(core.recv_from(&mut octets).unwrap().0, 200);
        assert_eq!(octets[..200], [7; 200]);
    }
}

#[test]
fn a_batch_of_other_memory_is_refused() {
    let Some(rig) = Rig::new(1) else { return };
    let mut worker = rig.backend(&Rig::options());
    let refused = worker.backend.receive(&mut crate::Batch::new(), Some(std::time::Duration::ZERO));
    assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn what_lies_in_memory_of_another_worker_or_of_nobody_leaves_as_a_copy() {
    let Some(rig) = Rig::new(2) else { return };
    let mut workers = Worker::of(rig.open(&Rig::options(), 2));
    let (mut second, mut first) = (workers.pop().unwrap(), workers.pop().unwrap());
    let (open, far) = (first.add(0, "10.1.0.1:40000"), second.add(0, "10.2.0.1:40002"));
    let (phone, core) = (rig.phone("10.1.0.2:5000"), rig.core("10.2.0.2:5000"));
    core.send_to(b"own", far).unwrap();
    while second.round(PATIENCE).is_empty() && first.round(std::time::Duration::ZERO).is_empty() {}
    assert_eq!(settled(&mut second, 0, "10.2.0.2:5000", 3), Ok(()));
    phone.send_to(&[7; 172], open).unwrap();
    while first.round(std::time::Duration::from_millis(10)).is_empty() {
        second.round(std::time::Duration::ZERO);
    }

    for batch in [&mut first.batch, &mut crate::Batch::new()] {
        batch.advance(1 - batch.len());
        let destination = "10.2.0.2:5000".parse().unwrap();
        let transmit = Transmit {
            port: PortToken(0),
            destination,
            slot: 0,
            len: 172,
            tag: 7,
            traffic_class: None,
        };
        batch.outbox().push(transmit).unwrap();
        let sent = second.backend.transmit(batch, |_, error| panic!("{error}"));
        assert_eq!(sent, 1);
    }

    let mut octets = [1; 400];
    for (len, expected) in [(3, b'o'), (172, 7), (172, 0)] {
        assert_eq!(core.recv_from(&mut octets).unwrap().0, len);
        assert_eq!(
            (octets[0], octets[len - 2]),
            (expected, if len == 3 { b'w' } else { expected })
        );
    }
    // The frame is still the first worker's.
    assert!(first.batch.slots_mut().next().unwrap().octets[..172].iter().all(|one| *one == 7));
}
