//! Latching once, and anew when the controller says so (H.248.37).

use agw_iq::pb;
use agw_iq::pb::event::Kind;
use agw_srtp::Suite;
use agw_tests::{Call, Endpoint, Gateway, Key, Leg, Side, api};

use crate::events::Listener;

const SUITE: Suite = Suite::AesCm128HmacSha1_80;

//= tests/spec/relay.md#source
//= type=test
//# Where latching once was asked for, a secured leg MUST listen to the first address that has
//# proved itself and to no other.
//= tests/spec/relay.md#source
//= type=test
//# A leg that re-latches MUST go on with the address it has until it accepts a packet from
//# another one.
#[test]
fn a_secured_leg_that_latched_once_follows_its_peer_when_it_is_told_to() {
    let gateway = Gateway::start();
    let mut access = Leg::secured(Side::Access.peer(), &Key::random(SUITE), &Key::random(SUITE));
    access.stream.latch_once = true;
    let mut call = Call::between(&gateway, access, Leg::plain(Side::Core.peer()));
    call.talk();
    let mut elsewhere = Endpoint::plain(Side::Access.peer());
    elsewhere.attach(&call.access.local());
    let packet = call.next_packet(Call::ACCESS);
    let sealed = call.access.seal(&packet);
    elsewhere.send_octets(&sealed);
    let _ = gateway.ledger().after_drops("wrong_source", 1);
    call.talk();

    relatch(&gateway, &call, 1);

    call.talk();
    let packet = call.next_packet(Call::ACCESS);
    let sealed = call.access.seal(&packet);
    elsewhere.send_octets(&sealed);
    assert_eq!(call.core.receive(), packet);
    let packet = call.next_packet(Call::CORE);
    call.core.send(&packet);
    assert_eq!(elsewhere.receive_octets().len(), packet.len() + 10);
    let packet = call.next_packet(Call::ACCESS);
    call.access.send(&packet);
    let _ = gateway.ledger().after_drops("wrong_source", 2);
    assert!(elsewhere.is_silent() && call.is_silent());
    assert_eq!(learnt(&gateway), [call.access.address(), elsewhere.address()]);
}

#[test]
fn a_plain_leg_latches_anew_within_a_new_time_gate() {
    let gateway = Gateway::start();
    let mut core = Leg::plain(Side::Core.peer());
    let rule = pb::SourceRule::Latch.into();
    core.stream.source = Some(pb::SourcePolicy { rule, within_ms: Some(600_000) });
    let access = Leg::secured(Side::Access.peer(), &Key::random(SUITE), &Key::random(SUITE));
    let mut call = Call::between(&gateway, access, core);
    call.talk_outwards();
    let before = call.core.address();
    call.core.moves();
    let packet = call.next_packet(Call::CORE);
    call.core.send(&packet);
    let _ = gateway.ledger().after_drops("wrong_source", 1);

    relatch(&gateway, &call, 2);

    call.talk_outwards();
    call.talk();
    assert!(call.is_silent());
    assert_eq!(learnt(&gateway), [before, call.core.address()]);
}

#[test]
fn rtcp_keeps_to_the_gate_that_was_asked_for() {
    let gateway = Gateway::start();
    let access = Leg::secured(Side::Access.peer(), &Key::random(SUITE), &Key::random(SUITE));
    let mut core = Leg::plain(Side::Core.peer());
    core.stream.rtcp_gate = pb::RtcpGate::Closed.into();
    let mut call = Call::between(&gateway, access, core);
    call.talk();
    let report = agw_tests::packet::rtcp(Call::CORE, 1);
    call.core.send_control(&report);
    let _ = gateway.ledger().after_drops("ingress_gate", 1);
    let gate = |gate: pb::RtcpGate| {
        let change = pb::StreamChange { rtcp_gate: gate.into(), ..pb::StreamChange::default() };
        let change = api::configure(call.context, 2, change);
        gateway.wait(gateway.iq.configure(change)).expect("a change");
    };

    gate(pb::RtcpGate::WithMedia);
    let hold = api::gates(call.context, 2, pb::StreamMode::SendOnly);
    gateway.wait(gateway.iq.change_through_connection(hold)).expect("a hold");
    call.core.send_control(&report);
    let _ = gateway.ledger().after_drops("ingress_gate", 2);
    gate(pb::RtcpGate::Open);

    call.core.send_control(&report);
    assert_eq!(call.access.receive_control(), report);
    assert!(call.is_silent());
}

fn relatch(gateway: &Gateway, call: &Call, termination: u32) {
    let change = pb::StreamChange { relatch: true, ..pb::StreamChange::default() };
    let change = api::configure(call.context, termination, change);
    gateway.wait(gateway.iq.configure(change)).expect("a change");
}

/// The RTP addresses of the two events that tell of latching and re-latching.
fn learnt(gateway: &Gateway) -> [std::net::SocketAddr; 2] {
    let mut listener = Listener::from_the_start(gateway);
    let mut address = |again: bool| {
        let event = listener.await_kind(gateway, |kind| {
            matches!((kind, again), (Kind::Latched(_), false) | (Kind::Relatched(_), true))
        });
        let address = match event.kind {
            Some(Kind::Latched(pb::Latched { address, .. })) => address,
            Some(Kind::Relatched(pb::Relatched { address, .. })) => address,
            other => panic!("{other:?}"),
        };
        let pb::SocketAddress { ip, port } = address.expect("an address");
        std::net::SocketAddr::new(ip.parse().expect("an address"), port.try_into().expect("a port"))
    };
    [address(false), address(true)]
}
