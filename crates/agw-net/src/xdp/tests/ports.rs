//! Which datagrams become whose.

use std::{io::ErrorKind, time::Duration};

use super::rig::{PATIENCE, Rig, socket};
use crate::{MediaPort, PacketIo, PortToken, XdpPort, descriptors_open};

#[test]
fn what_is_to_no_open_port_is_counted_and_what_is_outside_the_range_is_the_kernels() {
    let Some(rig) = Rig::new(1) else { return };
    let mut worker = rig.backend(&Rig::options());
    let open = worker.add(5, "10.1.0.1:40100");
    let ordinary = socket(&rig.gateway, "10.1.0.1:39999");
    let phone = rig.phone("10.1.0.2:5000");
    for _ in 0..3 {
        phone.send_to(b"nobody has it", "10.1.0.1:40102").unwrap();
        phone.send_to(b"not media", "10.1.0.1:39999").unwrap();
    }
    phone.send_to(b"media", open).unwrap();

    let datagrams = worker.receive(1);

    assert_eq!(datagrams, [(5, phone.local_addr().unwrap(), b"media".to_vec())]);
    for _ in 0..3 {
        let mut octets = [0; 100];
        assert_eq!(ordinary.recv_from(&mut octets).unwrap().0, 9);
    }
    let counters = *worker.backend.counters();
    assert_eq!((counters.received, counters.stray, counters.malformed), (1, 3, 0));
    assert_eq!(worker.backend.port_counters(PortToken(5)).unwrap().received, 1);
}

#[test]
fn a_removed_port_hears_nothing_and_its_address_is_free_for_another_token() {
    let Some(rig) = Rig::new(1) else { return };
    let mut worker = rig.backend(&Rig::options());
    let address = worker.add(0, "[fd01::1]:40100");
    let phone = rig.phone("[fd01::2]:5000");
    let port = || MediaPort::Xdp(XdpPort::new(address));
    let taken = worker.backend.add_port(PortToken(1), port());
    assert_eq!(taken.unwrap_err().kind(), ErrorKind::AddrInUse);

    worker.backend.remove_port(PortToken(0)).unwrap();
    phone.send_to(b"too late", address).unwrap();
    let end = std::time::Instant::now() + PATIENCE;
    while worker.backend.counters().stray == 0 {
        assert!(std::time::Instant::now() < end);
        assert_eq!(worker.round(Duration::from_millis(50)), []);
    }

    worker.backend.add_port(PortToken(1), port()).unwrap();
    phone.send_to(b"again", address).unwrap();
    assert_eq!(worker.receive(1), [(1, phone.local_addr().unwrap(), b"again".to_vec())]);
}

#[test]
fn a_port_outside_the_realms_or_with_a_wrong_code_point_is_refused() {
    let Some(rig) = Rig::new(1) else { return };
    let mut worker = rig.backend(&Rig::options());
    for (address, dscp) in [
        ("10.1.0.1:39999", 0),
        ("10.9.0.1:40000", 0),
        ("[fd01::1]:41000", 0),
        ("10.1.0.1:40000", 64),
    ] {
        let port = XdpPort { dscp, ..XdpPort::new(address.parse().unwrap()) };
        let refused = worker.backend.add_port(PortToken(0), MediaPort::Xdp(port));
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput, "{address}");
    }
    worker.add(0, "10.1.0.1:40000");
}

#[test]
fn a_thousand_ports_take_no_descriptor() {
    let Some(rig) = Rig::new(1) else { return };
    let mut worker = rig.backend(&Rig::options());
    // Other tests open descriptors meanwhile, but not a thousand.
    let before = descriptors_open().unwrap();
    for token in 0..1_000 {
        worker.add(token, &format!("10.1.0.1:{}", 40_000 + token));
    }
    assert!(descriptors_open().unwrap() < before + 500);
    let phone = rig.phone("10.1.0.2:5000");
    phone.send_to(b"the last", "10.1.0.1:40999").unwrap();
    assert_eq!(worker.receive(1)[0].0, 999);
}
