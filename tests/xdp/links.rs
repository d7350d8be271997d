//! Interfaces and neighbours that change under a call.

use std::thread;
use std::time::{Duration, Instant};

use agw_srtp::Suite;
use agw_tests::{Call, Gateway, PATIENCE, Side, stage};

use crate::on_stage;

const SUITE: Suite = Suite::AesCm128HmacSha1_80;

/// Sends from the access side until something arrives at the core side.
fn talk_until_heard(call: &mut Call) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let packet = call.next_packet(Call::ACCESS);
        call.access.send(&packet);
        thread::sleep(Duration::from_millis(20));
        if !call.core.is_silent() {
            return;
        }
        assert!(Instant::now() < deadline, "nothing comes through");
    }
}

/// Takes what has arrived at either side.
fn drain(call: &Call) {
    let deadline = Instant::now() + Duration::from_millis(300);
    while Instant::now() < deadline {
        if call.is_silent() {
            thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn an_interface_that_goes_down_costs_packets_that_are_counted_and_calls_go_on_when_it_is_up() {
    let Some(_stage) = on_stage(&Side::ALL) else { return };
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae(&gateway, SUITE);
    call.talk();
    stage::ip("link set core down");
    let before = gateway.ledger().read();
    for _ in 0..20 {
        let packet = call.next_packet(Call::ACCESS);
        call.access.send(&packet);
    }
    let _ = gateway.ledger().after(before.received + 20);
    assert!(call.is_silent());
    let refused = gateway
        .ledger()
        .page("/metrics")
        .lines()
        .any(|line| line.starts_with("agw_packets_refused_total") && !line.ends_with(" 0"));
    assert!(refused, "packets for a link that is down are told as sent");

    stage::ip("link set core up");
    talk_until_heard(&mut call);
    drain(&call);
    for _ in 0..20 {
        call.talk();
    }
}

#[test]
fn a_neighbour_with_a_new_link_address_gets_its_media_there() {
    let Some(stage) = on_stage(&Side::ALL) else { return };
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae(&gateway, SUITE);
    call.talk();
    stage.among_peers(|| stage::ip("link set core address 02:00:00:00:77:01"));
    // As when the new owner of an address tells that it is there.
    stage::ip("neigh replace 192.0.3.2 lladdr 02:00:00:00:77:01 dev core");
    talk_until_heard(&mut call);
    drain(&call);
    for _ in 0..20 {
        call.talk();
    }
    call.report();
}

#[test]
fn a_peer_behind_a_router_is_reached_by_the_route_in_force() {
    let Some(stage) = on_stage(&Side::ALL) else { return };
    stage.among_peers(|| stage::ip("addr add 198.51.100.9/32 dev lo"));
    stage::ip("route add 198.51.100.0/24 via 192.0.2.2");
    let gateway = Gateway::start();
    let far = "198.51.100.9".parse().expect("an address");
    let access = agw_tests::Leg::plain(far);
    let mut call = Call::between(&gateway, access, agw_tests::Leg::plain(Side::Core.peer()));
    for _ in 0..10 {
        call.talk();
    }
    // Another way there.
    stage::ip("route replace 198.51.100.0/24 via 192.0.3.2");
    for _ in 0..10 {
        call.talk();
    }
}
