//! What networks answer: refusals of the kernel and ICMP are counted, and cost nobody else anything.

use std::net::IpAddr;
use std::time::Instant;

use agw_iq::pb;
use agw_srtp::Suite;
use agw_testkit::peer;
use agw_tests::stage::Backend;
use agw_tests::{Call, Endpoint, Gateway, Key, Leg, PATIENCE, Side, Wire, nft, stage};

use crate::{audited, on_stage};

const SUITE: Suite = Suite::AesCm128HmacSha1_80;
/// Packets that are refused in a row.
const ROW: u64 = 20;

/// A call over IPv4, and one over IPv6 that must not notice anything.
fn calls(gateway: &Gateway) -> (Call, Call) {
    calls_to(gateway, "core", Side::Core.peer())
}

/// The same with a peer in another realm.
fn calls_to(gateway: &Gateway, realm: &str, peer: IpAddr) -> (Call, Call) {
    let call = |access, realm, core| {
        let access = Leg::secured(access, &Key::random(SUITE), &Key::random(SUITE));
        Call::in_realms(gateway, ("access", access), (realm, Leg::plain(core)))
    };
    let mut four = call(Side::Access.peer(), realm, peer);
    let mut six = call(Side::Access.peer_v6(), "core", Side::Core.peer_v6());
    four.talk();
    six.talk();
    (four, six)
}

/// What the kernel refused of what was to leave to the core side.
fn refusals(gateway: &Gateway, call: &Call) -> Vec<(pb::SendRefusal, u64)> {
    let context = audited(gateway, call.context);
    let core = context.terminations.get(1).and_then(|one| one.streams.first());
    let statistics = core.and_then(|stream| stream.statistics.as_ref()).expect("statistics");
    let egress = statistics.egress.as_ref().expect("what left");
    let counts = egress.refusals.iter().map(|count| (count.reason(), count.packets));
    let counts: Vec<_> = counts.collect();
    assert_eq!(egress.refused, counts.iter().map(|(_, packets)| packets).sum::<u64>());
    counts
}

/// Sends a row of packets to the core side, the other call's between them, and waits until all of
/// the row are refused for this reason.
fn refuse(gateway: &Gateway, (call, other): (&mut Call, &mut Call), reason: pb::SendRefusal) {
    let count = |found: &[(pb::SendRefusal, u64)]| {
        found.iter().find(|(one, _)| *one == reason).map_or(0, |(_, packets)| *packets)
    };
    let before = count(&refusals(gateway, call));
    for _ in 0..ROW {
        let packet = call.next_packet(Call::ACCESS);
        call.access.send(&packet);
        other.talk();
        // The other way is as it was.
        call.talk_outwards();
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = refusals(gateway, call);
        if count(&found) == before + ROW {
            break;
        }
        assert!(Instant::now() < deadline, "{found:?}, not {ROW} more of {reason:?}");
    }
    assert!(call.is_silent() && other.is_silent());
}

//= tests/spec/relay.md#sockets
//= type=test
//# Datagrams that the kernel refused to send MUST be counted.
#[test]
fn a_route_that_refuses_costs_its_packets_only_and_each_is_counted_by_its_reason() {
    let Some(stage) = on_stage() else { return };
    let by_xdp = stage::backend() == Backend::Xdp;
    // For a socket that is bound to a device the kernel takes such destinations for neighbours.
    stage::ip("addr add 192.0.4.1/24 dev core");
    stage.among_peers(|| stage::ip("addr add 192.0.4.2/24 dev core"));
    let open = "[[realm]]\nname = \"open\"\naddresses = [\"192.0.4.1\"]\nports = \"20000-20099\"";
    let gateway = Gateway::with(&[open]);
    let (realm, peer) = if by_xdp { ("core", "192.0.3.2") } else { ("open", "192.0.4.2") };
    let (mut call, mut other) = calls_to(&gateway, realm, peer.parse().expect("an address"));
    for (kind, of_sockets) in [
        ("unreachable", pb::SendRefusal::HostUnreachable),
        ("prohibit", pb::SendRefusal::Forbidden),
        ("blackhole", pb::SendRefusal::Other),
    ] {
        stage::ip(&format!("route add {kind} {peer}/32"));
        // Who finds routes itself knows one way to have none.
        let reason = if by_xdp { pb::SendRefusal::NetworkUnreachable } else { of_sockets };
        if by_xdp {
            settle(&gateway, &mut call, reason);
        }
        refuse(&gateway, (&mut call, &mut other), reason);
        stage::ip(&format!("route del {kind} {peer}/32"));
        until_heard(&mut call);
        call.talk();
    }
}

/// Sends until the first packet is refused: routes are asked for anew a moment after they change.
fn settle(gateway: &Gateway, call: &mut Call, reason: pb::SendRefusal) {
    let count = |found: Vec<(pb::SendRefusal, u64)>| {
        found.into_iter().find(|(one, _)| *one == reason).map_or(0, |(_, packets)| packets)
    };
    let before = count(refusals(gateway, call));
    let deadline = Instant::now() + PATIENCE;
    while count(refusals(gateway, call)) == before {
        assert!(Instant::now() < deadline, "nothing is refused as {reason:?}");
        let packet = call.next_packet(Call::ACCESS);
        call.access.send(&packet);
    }
    let _ = call.core.is_silent();
    while !call.core.is_silent() {}
    // All that is on its way has come to its end.
    for _ in 0..3 {
        call.talk_outwards();
    }
}

/// Sends to the core side until something arrives there.
fn until_heard(call: &mut Call) {
    let deadline = Instant::now() + PATIENCE;
    while call.core.is_silent() {
        assert!(Instant::now() < deadline, "nothing comes through");
        let packet = call.next_packet(Call::ACCESS);
        call.access.send(&packet);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let mut quiet = 0;
    while quiet < 5 {
        quiet = if call.core.is_silent() { quiet + 1 } else { 0 };
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

//= tests/spec/relay.md#sockets
//= type=test
//# A stream of which nothing leaves any more MUST be told once, and one refusal MUST NOT count as that.
#[test]
fn a_bearer_of_which_nothing_leaves_any_more_is_told_and_media_goes_on_when_it_can() {
    let Some(_stage) = on_stage() else { return };
    let gateway = Gateway::start();
    let (mut call, _) = calls(&gateway);
    let mut events = gateway.wait(gateway.iq.events(Some(0), 0)).expect("events");
    stage::ip("link set core down");
    let deadline = Instant::now() + PATIENCE;
    let sender = std::thread::scope(|scope| {
        let (done, is_done) = std::sync::mpsc::channel::<()>();
        let talking = scope.spawn(|| {
            while is_done.try_recv().is_err() && Instant::now() < deadline {
                let packet = call.next_packet(Call::ACCESS);
                call.access.send(&packet);
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            drop(is_done);
        });
        let told = loop {
            let event = gateway.wait(events.message()).expect("a stream").expect("an event").event;
            let event = event.expect("its content");
            if let Some(pb::event::Kind::BearerReleased(released)) = event.kind {
                break (event.subject.expect("a stream"), released.cause());
            }
        };
        let _ = done.send(());
        talking.join().expect("the phone");
        told
    });
    let (subject, cause) = sender;
    assert_eq!(subject.termination_id, 2);
    assert_ne!(cause, pb::SendRefusal::Unspecified);
    stage::ip("link set core up");
    until_heard(&mut call);
}

#[test]
fn a_packet_filter_that_refuses_is_counted_where_packets_pass_it() {
    let Some(_stage) = on_stage() else { return };
    let Some(_nft) = peer::program("nft") else { return };
    let gateway = Gateway::start();
    let (mut call, mut other) = calls(&gateway);
    nft(
        "table ip filter { chain out { type filter hook output priority 0; ip daddr 192.0.3.2 drop; }; }",
    );
    if stage::backend() == Backend::Xdp {
        // It takes no part in what passes the kernel's stack by.
        call.talk();
        return;
    }
    refuse(&gateway, (&mut call, &mut other), pb::SendRefusal::Forbidden);
    nft("flush ruleset");
    call.talk();
    call.report();
}

//= tests/spec/relay.md#sockets
//= type=test
//# An ICMP error MUST NOT end a stream.
#[test]
fn icmp_from_a_closed_port_ends_nothing_and_strangers_get_none_from_ports_in_use() {
    let Some(stage) = on_stage() else { return };
    let gateway = Gateway::start();
    let (mut call, mut other) = calls(&gateway);
    let mut wire = Wire::among_peers(&stage);
    let local = call.core.local();
    let before = call.core.address();
    let rtcp = call.core.remote().rtcp.expect("an address").port;
    call.core = Endpoint::plain(Side::Core.peer());
    for _ in 0..ROW {
        let packet = call.next_packet(Call::ACCESS);
        call.access.send(&packet);
        other.talk();
    }
    let deadline = Instant::now() + PATIENCE;
    while !wire.all().iter().any(agw_tests::Packet::is_icmp_error) {
        assert!(Instant::now() < deadline, "nobody answered with ICMP");
    }
    // A stranger: the address is not the one that was signalled.
    call.core.attach(&local);
    for _ in 0..ROW {
        let packet = call.next_packet(Call::CORE);
        call.core.send(&packet);
        call.core.send_control(&agw_tests::packet::rtcp(Call::CORE, 1));
        call.core.send_octets(b"not media at all");
    }
    let _ = gateway.ledger().until(|entry| entry.drops("wrong_source") >= 2 * ROW);
    let from_gateway = Side::Core.addresses(1).0;
    let answered = wire
        .all()
        .into_iter()
        .any(|packet| packet.is_icmp_error() && packet.source == from_gateway);
    assert!(!answered, "the gateway answered a stranger with ICMP");

    let rtcp = u16::try_from(rtcp).expect("a port");
    call.core = Endpoint::at(before.ip(), before.port(), rtcp);
    call.core.attach(&local);
    for _ in 0..5 {
        call.talk();
    }
    call.report();
}
