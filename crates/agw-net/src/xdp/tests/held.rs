//! Datagrams whose next hop is not known yet.

use std::time::{Duration, Instant};

use super::rig::{PATIENCE, Rig};
use crate::{ErrnoClass, PacketIo, PortToken, SendError, Transmit, xdp::held::HELD};

#[test]
fn the_first_packets_wait_for_their_neighbour_and_leave_in_their_order() {
    let Some(rig) = Rig::new(1) else { return };
    let mut worker = rig.backend(&Rig::options());
    let open = worker.add(0, "10.1.0.1:40000");
    worker.add(1, "10.2.0.1:40000");
    let (phone, core) = (rig.phone("10.1.0.2:5000"), rig.core("10.2.0.2:5000"));
    let way = |_| (PortToken(1), "10.2.0.2:5000".parse().unwrap());
    for number in 0..20 {
        phone.send_to(&[number; 172], open).unwrap();
    }
    worker.forward_until(way, |worker| worker.backend.counters().sent == 20);

    let mut octets = [0; 400];
    for number in 0..20 {
        assert_eq!(core.recv_from(&mut octets).unwrap().0, 172);
        assert_eq!(octets[..172], [number; 172]);
    }
    assert_eq!(worker.backend.counters().send_errors.total(), 0);
}

#[test]
fn what_finds_no_room_to_wait_is_refused_at_once_and_the_rest_after_some_time() {
    let Some(rig) = Rig::new(1) else { return };
    let mut worker = rig.backend(&Rig::options());
    let open = worker.add(0, "10.1.0.1:40000");
    worker.add(1, "10.2.0.1:40000");
    let phone = rig.phone("10.1.0.2:5000");
    // Nobody is there to answer.
    let destination = "10.2.0.77:5000".parse().unwrap();
    let mut refused = Vec::new();
    for number in 0..u32::try_from(HELD + 5).unwrap() {
        phone.send_to(&[1; 172], open).unwrap();
        worker.receive(1);
        let transmit = Transmit {
            port: PortToken(1),
            destination,
            slot: 0,
            len: 172,
            tag: number,
            traffic_class: None,
        };
        worker.batch.outbox().push(transmit).unwrap();
        worker.backend.transmit(&mut worker.batch, |tag, error| refused.push((tag, error)));
    }
    let error = SendError::Errno(ErrnoClass::Unresolved);
    assert_eq!(refused, [64, 65, 66, 67, 68].map(|tag| (tag, error)));

    let end = Instant::now() + PATIENCE;
    while refused.len() < HELD + 5 {
        assert!(Instant::now() < end, "{} refused", refused.len());
        worker.backend.receive(&mut worker.batch, Some(Duration::from_millis(5))).unwrap();
        worker.backend.transmit(&mut worker.batch, |tag, error| refused.push((tag, error)));
    }
    assert_eq!(worker.backend.counters().send_errors.count(ErrnoClass::Unresolved), 69);
    assert_eq!(worker.backend.counters().sent, 0);
}

#[test]
fn what_waits_at_a_port_that_is_removed_is_refused_and_not_sent_by_the_next_one_of_its_token() {
    let Some(rig) = Rig::new(1) else { return };
    let mut worker = rig.backend(&Rig::options());
    let open = worker.add(0, "10.1.0.1:40000");
    worker.add(1, "10.2.0.1:40000");
    rig.phone("10.1.0.2:5000").send_to(&[1; 172], open).unwrap();
    worker.receive(1);
    // Nobody is there to answer.
    let destination = "10.2.0.77:5000".parse().unwrap();
    let transmit = Transmit {
        port: PortToken(1),
        destination,
        slot: 0,
        len: 172,
        tag: 7,
        traffic_class: None,
    };
    worker.batch.outbox().push(transmit).unwrap();
    assert_eq!(worker.backend.transmit(&mut worker.batch, |_, error| panic!("{error}")), 0);

    worker.backend.remove_port(PortToken(1)).unwrap();
    worker.add(1, "10.2.0.1:40002");
    let mut refused = Vec::new();
    worker.backend.transmit(&mut worker.batch, |tag, error| refused.push((tag, error)));

    assert_eq!(refused, [(7, SendError::Errno(ErrnoClass::Other))]);
    assert_eq!(worker.backend.counters().sent, 0);
}
