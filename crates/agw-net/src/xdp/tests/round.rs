//! Rounds: sockets and `xdp` together, modes, waits, allocations.

use std::{io::ErrorKind, time::Duration};

use super::{
    rig::{PATIENCE, Rig, Worker},
    wire::relay,
};
use crate::{
    AttachMode, AttachedMode, BusyPoll, MediaBackend, MediaPort, PacketIo, PortOptions, PortToken,
    SocketsOptions, Transmit, UdpPort, XdpGroup, XdpMode, XdpOptions, XdpPort,
};

fn udp(rig: &Rig, address: &str) -> UdpPort {
    let address = address.parse().unwrap();
    rig.gateway.run(|| UdpPort::bind(address, &PortOptions::default())).unwrap()
}

#[test]
fn what_is_received_by_a_socket_leaves_by_xdp_and_the_reverse() {
    let Some(rig) = Rig::new(1) else { return };
    let mut worker = rig.backend(&Rig::options());
    let near = worker.add(0, "10.1.0.1:40000");
    let port = udp(&rig, "[fd02::1]:39000");
    let far = port.local_address();
    worker.backend.add_port(PortToken(1), MediaPort::Udp(port)).unwrap();
    relay(&mut worker, &rig.phone("10.1.0.2:5000"), &rig.core("[fd02::2]:5000"), [near, far]);

    for token in [0, 1] {
        let xdp = XdpPort::new(near);
        let taken = worker.backend.add_port(PortToken(token), MediaPort::Xdp(xdp)).unwrap_err();
        assert!(matches!(taken.kind(), ErrorKind::AlreadyExists), "{taken}");
        let port = MediaPort::Udp(udp(&rig, "10.2.0.1:0"));
        let taken = worker.backend.add_port(PortToken(token), port).unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
        assert!(worker.backend.port_counters(PortToken(token)).unwrap().received > 5);
    }
}

#[test]
fn neither_a_flood_by_sockets_nor_one_by_xdp_starves_the_other() {
    let Some(rig) = Rig::new(1) else { return };
    let mut worker = rig.backend(&Rig::options());
    let by_xdp = worker.add(0, "10.1.0.1:40000");
    let ports: Vec<_> = (1..=64)
        .map(|token| {
            let port = udp(&rig, "10.1.0.1:0");
            let local = port.local_address();
            worker.backend.add_port(PortToken(token), MediaPort::Udp(port)).unwrap();
            local
        })
        .collect();
    let phone = rig.phone("10.1.0.2:5000");
    for _ in 0..3 {
        for port in &ports {
            phone.send_to(&[1; 20], port).unwrap();
            phone.send_to(&[2; 20], by_xdp).unwrap();
        }
        // What is sent is there when the call returns: veth delivers on the sender's core, in a
        // soft interrupt that may run a little later.
        std::thread::sleep(Duration::from_millis(20));
        worker.backend.receive(&mut worker.batch, Some(PATIENCE)).unwrap();
        let of_xdp = worker.batch.slots_mut().filter(|slot| slot.port.0 == 0).count();
        assert!((20..=44).contains(&of_xdp), "{of_xdp} of {}", worker.batch.len());
        while worker.backend.receive(&mut worker.batch, Some(Duration::ZERO)).unwrap() > 0 {}
    }
}

#[test]
fn generic_mode_works_too_and_says_so() {
    let Some(rig) = Rig::new(1) else { return };
    let options = XdpOptions { attach: AttachMode::Generic, mode: XdpMode::Auto, ..Rig::options() };
    let group = rig.open(&options, 1);
    for interface in &group.interfaces {
        assert_eq!((interface.attached, interface.zero_copy), (AttachedMode::Generic, false));
        assert!(interface.to_string().contains("GENERIC"), "{interface}");
    }
    let mut worker = Worker::of(group).pop().unwrap();
    let locals = [worker.add(0, "10.1.0.1:40000"), worker.add(1, "[fd02::1]:40000")];
    relay(&mut worker, &rig.phone("10.1.0.2:5000"), &rig.core("[fd02::2]:5000"), locals);
}

#[test]
fn options_that_cannot_be_met_are_refused_with_what_to_do_and_nothing_stays_attached() {
    let Some(rig) = Rig::new(2) else { return };
    let open = |options: &XdpOptions, workers| {
        let opened = rig.gateway.run(|| XdpGroup::open(options, workers));
        opened.err().expect("a refusal")
    };
    let good = Rig::options();
    let zero_copy = XdpOptions { mode: XdpMode::ZeroCopy, ..good.clone() };
    let refused = open(&zero_copy, 1);
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    assert!(refused.to_string().contains("queue 0 of a0"), "{refused}");
    assert!(open(&good, 3).to_string().contains("ethtool -L a0 combined 3"));
    assert_eq!(open(&XdpOptions { ring: 100, ..good.clone() }, 1).kind(), ErrorKind::InvalidInput);
    let nowhere = XdpOptions { realms: Vec::new(), ..good.clone() };
    assert_eq!(open(&nowhere, 1).kind(), ErrorKind::InvalidInput);
    let mut unknown = good.clone();
    unknown.realms[2].device = "no-such".to_owned();
    assert_eq!(open(&unknown, 1).kind(), ErrorKind::NotFound);

    let first = rig.open(&good, 1);
    assert!(open(&good, 1).to_string().contains("another program has this queue"));
    drop(first);
    rig.open(&good, 2);
}

#[test]
fn busy_polled_and_coalescing_rounds_bring_everything() {
    let Some(rig) = Rig::new(1) else { return };
    let busy_poll = Some(BusyPoll { time: Duration::from_micros(20), budget: 64 });
    let group = rig.open(&XdpOptions { busy_poll, ..Rig::options() }, 1);
    let options = SocketsOptions {
        coalesce: Duration::from_micros(200),
        busy_poll: Duration::from_micros(500),
        ..SocketsOptions::default()
    };
    let share = group.workers.into_iter().next();
    let mut backend = MediaBackend::new(options, share).unwrap();
    let batch = backend.new_batch().unwrap();
    let mut worker = Worker { backend, batch };
    let locals = [worker.add(0, "10.1.0.1:40000"), worker.add(1, "10.2.0.1:40000")];
    relay(&mut worker, &rig.phone("10.1.0.2:5000"), &rig.core("10.2.0.2:5000"), locals);

    let phone = rig.phone("10.1.0.2:5001");
    for _ in 0..200 {
        phone.send_to(&[3; 172], locals[0]).unwrap();
    }
    assert_eq!(worker.receive(200).len(), 200);
    worker.backend.waker().wake();
    assert_eq!(worker.backend.receive(&mut worker.batch, None).unwrap(), 0);
}

#[test]
fn receiving_and_sending_by_xdp_allocate_nothing() {
    let Some(rig) = Rig::new(1) else { return };
    let mut worker = rig.backend(&Rig::options());
    let locals = [worker.add(0, "10.1.0.1:40000"), worker.add(1, "[fd02::1]:40000")];
    let (phone, core) = (rig.phone("10.1.0.2:5000"), rig.core("[fd02::2]:5000"));
    relay(&mut worker, &phone, &core, locals);
    let (destination, before) = (core.local_addr().unwrap(), *worker.backend.counters());
    let Worker { backend, batch } = &mut worker;

    let allocations = allocation_counter::measure(|| {
        for _ in 0..100 {
            for _ in 0..20 {
                phone.send_to(&[1; 172], locals[0]).unwrap();
            }
            while backend.receive(batch, Some(Duration::ZERO)).unwrap() > 0 {
                let (slots, mut outbox) = batch.split_mut();
                for slot in slots {
                    let (port, slot, len) = (PortToken(1), slot.index, slot.len + 10);
                    let transmit =
                        Transmit { port, destination, slot, len, tag: 0, traffic_class: None };
                    outbox.push(transmit).unwrap();
                }
                backend.transmit(batch, |_, _| ());
            }
        }
    });

    assert_eq!(allocations.count_total, 0);
    let counters = backend.counters();
    assert!(counters.sent > before.sent + 1_500, "{counters:?}");
}
