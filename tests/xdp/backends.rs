//! Modes, workers, and realms on different backends.

use agw_srtp::Suite;
use agw_tests::{Call, Gateway, Key, Leg, Side, stage};

use crate::on_stage;

const SUITE: Suite = Suite::AesCm128HmacSha1_80;

#[test]
fn calls_go_on_in_every_mode_and_the_metrics_tell_which() {
    let Some(_stage) = on_stage(&Side::ALL) else { return };
    for (mode, got, shown) in [
        ("generic", "generic", "xdpgeneric"),
        ("native", "native", "xdp"),
        ("auto", "native", "xdp"),
    ] {
        let gateway = Gateway::with(&[&format!("media.xdp.mode={mode}")]);
        let (mut call, ..) = Call::e2ae(&gateway, SUITE);
        for _ in 0..20 {
            call.talk();
        }
        call.report();
        let metrics = gateway.ledger().page("/metrics");
        for side in Side::ALL {
            let name = side.name();
            let sample = format!(
                "agw_xdp_queues{{device=\"{name}\",mode=\"{got}\",zero_copy=\"false\"}} {}",
                stage::QUEUES
            );
            assert!(metrics.contains(&sample), "{sample}");
            let link = stage::ip(&format!("link show {name}"));
            assert!(link.contains(&format!("> mtu 1500 {shown} ")), "{link}");
        }
    }
}

#[test]
fn a_realm_on_sockets_and_one_on_xdp_relay_to_each_other() {
    for xdp in [Side::Access, Side::Core] {
        let Some(_stage) = on_stage(&[xdp]) else { return };
        let gateway = Gateway::start();
        for (access, core) in [
            (Side::Access.peer(), Side::Core.peer()),
            (Side::Access.peer_v6(), Side::Core.peer()),
            (Side::Access.peer(), Side::Core.peer_v6()),
        ] {
            let access = Leg::secured(access, &Key::random(SUITE), &Key::random(SUITE));
            let mut call = Call::between(&gateway, access, Leg::plain(core));
            for _ in 0..20 {
                call.talk();
            }
            call.report();
            assert!(call.is_silent());
        }
        let entry = gateway.ledger().after(3 * 42);
        assert_eq!(entry.forwarded, entry.received, "{entry:?}");
        let ports = &gateway.daemon.ports;
        let sockets = if xdp == Side::Access { ports.core() } else { ports.access() };
        let in_use = ports.in_use();
        assert!(
            !in_use.is_empty() && in_use.iter().all(|port| sockets.contains(port)),
            "{in_use:?}"
        );
    }
}

#[test]
fn calls_of_every_worker_go_on_whichever_queue_their_packets_come_by() {
    let Some(_stage) = on_stage(&Side::ALL) else { return };
    for workers in 1..=stage::QUEUES {
        let gateway = Gateway::with(&[&format!("media.workers={workers}")]);
        let mut calls: Vec<_> = (0..15).map(|_| Call::e2ae(&gateway, SUITE).0).collect();
        for _ in 0..10 {
            calls.iter_mut().for_each(Call::talk);
        }
        calls.iter_mut().for_each(Call::report);
        assert!(calls.iter().all(Call::is_silent));
        let entry = gateway.ledger().after(15 * 22);
        assert_eq!((entry.received, entry.forwarded), (15 * 22, 15 * 22), "{entry:?}");
    }
}

#[test]
fn a_call_takes_no_descriptor() {
    let Some(_stage) = on_stage(&Side::ALL) else { return };
    let gateway = Gateway::start();
    let open = || {
        let files = format!("/proc/{}/fd", gateway.daemon.program.id());
        std::fs::read_dir(files).expect("its descriptors").count()
    };
    let (mut first, ..) = Call::e2ae(&gateway, SUITE);
    first.talk();
    let before = open();
    let mut calls: Vec<_> = (0..15).map(|_| Call::e2ae(&gateway, SUITE).0).collect();
    calls.iter_mut().for_each(Call::talk);
    assert_eq!(open(), before);
}
