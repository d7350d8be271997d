//! The tools' end of the wire, against the backend.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::rig::{PATIENCE, Rig};
use crate::{Outgoing, PacketIo, PortToken, XdpPeer};

#[test]
fn a_load_of_many_flows_crosses_two_queues_and_the_ledger_closes() {
    let Some(rig) = Rig::new(2) else { return };
    let mut worker = rig.backend(&Rig::options());
    let mut phone = rig.phone.run(|| XdpPeer::open(&Rig::peer("a1", "10.1.0.2"))).unwrap();
    let mut core = rig.core.run(|| XdpPeer::open(&Rig::peer("c1", "fd02::2"))).unwrap();
    let locals: Vec<SocketAddr> =
        (0..50).map(|n| worker.add(n, &format!("10.1.0.1:{}", 40_000 + 2 * n))).collect();
    worker.add(50, "[fd02::1]:40000");
    let from: SocketAddr = "10.1.0.2:6000".parse().unwrap();
    let to: SocketAddr = "[fd02::2]:7000".parse().unwrap();
    phone.reach(from, locals[0], PATIENCE).unwrap();
    core.reach(to, "[fd02::1]:40000".parse().unwrap(), PATIENCE).unwrap();

    let way = |_: PortToken| (PortToken(50), to);
    let (mut sent, mut received) = (0, 0);
    let end = Instant::now() + PATIENCE;
    while worker.backend.counters().sent == 0 {
        assert!(Instant::now() < end);
        let first = Outgoing { destination: locals[0], octets: &[0; 172] };
        sent += phone.send(from, &[first]).unwrap() as u64;
        worker.forward(way);
    }
    for burst in 0..100 {
        let octets = &[burst; 172];
        let datagrams = locals.iter().map(|&destination| Outgoing { destination, octets });
        let datagrams: Vec<_> = datagrams.collect();
        sent += phone.send(from, &datagrams).unwrap() as u64;
        worker.forward(way);
        received += core.receive(|local, incoming| {
            assert_eq!((local, incoming.octets.len()), (to, 172));
            assert_eq!(incoming.source, "[fd02::1]:40000".parse().unwrap());
        }) as u64;
    }
    let settled = |worker: &super::rig::Worker, received: u64| {
        let counters = worker.backend.counters();
        let arrived = counters.received + counters.kernel_dropped;
        arrived == sent && received == counters.sent
    };
    while !settled(&worker, received) {
        assert!(Instant::now() < end, "{sent} {received} {:?}", worker.backend.counters());
        worker.forward(way);
        received += core.receive(|_, _| ()) as u64;
        std::thread::sleep(Duration::from_millis(1));
    }
    let counters = worker.backend.counters();
    assert_eq!(counters.received, counters.sent + counters.send_errors.total());
    assert!(received > 4_000, "{counters:?}");
    assert_eq!((phone.refused(), core.kernel_drops().unwrap()), (0, 0));
}
