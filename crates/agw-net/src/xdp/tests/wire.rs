//! Datagrams through the backend as a plain host at either end sees them.

use std::net::{SocketAddr, UdpSocket};

use super::rig::{Rig, Worker};
use crate::{PacketIo, PortToken};

/// Both directions between a phone's socket and a core's; ports 0 and 1 of the gateway.
pub(super) fn relay(
    worker: &mut Worker,
    phone: &UdpSocket,
    core: &UdpSocket,
    local: [SocketAddr; 2],
) {
    let (phone_address, core_address) = (phone.local_addr().unwrap(), core.local_addr().unwrap());
    let way = |port: PortToken| {
        if port.0 == 0 { (PortToken(1), core_address) } else { (PortToken(0), phone_address) }
    };
    for (from, to, near, far) in
        [(phone, core, local[0], local[1]), (core, phone, local[1], local[0])]
    {
        // The first ones go while the next hop is being asked for.
        to.set_nonblocking(true).unwrap();
        let mut octets = [0; 2_000];
        worker.forward_until(way, |_| {
            from.send_to(b"anyone?", near).unwrap();
            to.recv_from(&mut octets).is_ok()
        });
        while to.recv_from(&mut octets).is_ok() {}
        for len in [0, 1, 172, 999, 1_452] {
            let sent: Vec<u8> = (0..len).map(|at| (at * 7 + len) as u8).collect();
            from.send_to(&sent, near).unwrap();
            let mut received = None;
            worker.forward_until(way, |_| {
                let arrived = to.recv_from(&mut octets).ok();
                received = arrived.filter(|(count, _)| octets[..*count] != *b"anyone?");
                received.is_some()
            });
            assert_eq!(received, Some((len, far)));
            assert_eq!(octets[..len], sent);
        }
        to.set_nonblocking(false).unwrap();
    }
}

#[test]
fn datagrams_of_both_families_and_between_them_cross_whole_in_both_directions() {
    let Some(rig) = Rig::new(1) else { return };
    let table = [
        ("10.1.0.1:40000", "10.2.0.1:40000", "10.1.0.2:5000", "10.2.0.2:5000"),
        ("[fd01::1]:40002", "[fd02::1]:40002", "[fd01::2]:5002", "[fd02::2]:5002"),
        ("10.1.0.1:40004", "[fd02::1]:40004", "10.1.0.2:5004", "[fd02::2]:5004"),
        ("[fd01::1]:40006", "10.2.0.1:40006", "[fd01::2]:5006", "10.2.0.2:5006"),
    ];
    let mut worker = rig.backend(&Rig::options());
    for (near, far, phone, core) in table {
        let local = [worker.add(0, near), worker.add(1, far)];
        relay(&mut worker, &rig.phone(phone), &rig.core(core), local);
        for token in [0, 1] {
            worker.backend.remove_port(PortToken(token)).unwrap();
        }
    }
}
