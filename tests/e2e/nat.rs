//! Phones behind a NAT: what they signal is not where they are (TS 23.334 §5.4).

use agw_iq::pb;
use agw_iq::pb::event::Kind;
use agw_srtp::Suite;
use agw_testkit::peer;
use agw_tests::{Call, Gateway, Key, Leg, Nat, Side, api};

use crate::events::Listener;
use crate::on_stage;

const SUITE: Suite = Suite::AesCm128HmacSha1_80;

/// A leg of a phone behind the NAT, with its private address signalled.
fn behind(nat: &Nat, leg: Leg) -> Leg {
    let Leg { mut endpoint, mut stream } = leg;
    let socket = || nat.socket(Nat::PHONE.into(), 0);
    endpoint.moves_to(socket(), socket());
    stream.remote = Some(endpoint.remote());
    Leg { endpoint, stream }
}

fn secured() -> Leg {
    Leg::secured(Side::Access.peer(), &Key::random(SUITE), &Key::random(SUITE))
}

fn latch(within_ms: u32) -> Option<pb::SourcePolicy> {
    Some(pb::SourcePolicy { rule: pb::SourceRule::Latch.into(), within_ms: Some(within_ms) })
}

/// The next address that was learnt of the RTP of the access side.
fn learnt(listener: &mut Listener, gateway: &Gateway) -> (bool, pb::SocketAddress) {
    let rtp = i32::from(pb::Component::Rtp);
    let is_learnt = |kind: &Kind| {
        matches!(kind, Kind::Latched(at) if at.component == rtp)
            || matches!(kind, Kind::Relatched(at) if at.component == rtp)
    };
    let told = loop {
        let event = listener.await_kind(gateway, is_learnt);
        if event.subject.as_ref().is_some_and(|subject| subject.termination_id == 1) {
            break event.kind;
        }
    };
    if let Some(Kind::Latched(at)) = told {
        return (false, at.address.expect("an address"));
    }
    let Some(Kind::Relatched(at)) = told else { panic!("{told:?}") };
    (true, at.address.expect("an address"))
}

//= tests/spec/relay.md#source
//= type=test
//# On a secured leg the peer's address MUST follow only an authenticated packet with a newer index.
#[test]
fn a_secured_phone_behind_a_nat_is_found_and_found_again_when_the_nat_forgets_it() {
    let Some(stage) = on_stage() else { return };
    let Some(_nft) = peer::program("nft") else { return };
    let nat = Nat::at_access(&stage);
    let gateway = Gateway::start();
    let mut listener = Listener::from_the_start(&gateway);
    let access = behind(&nat, secured());
    let mut call = Call::between(&gateway, access, Leg::plain(Side::Core.peer()));

    call.talk();
    call.report();
    let (again, address) = learnt(&mut listener, &gateway);
    assert_eq!((again, address.ip), (false, Nat::PUBLIC.to_string()));
    assert!((41_000..42_000).contains(&address.port), "{}", address.port);

    nat.reboot("42000-42999");
    call.talk();
    call.report();
    let (again, address) = learnt(&mut listener, &gateway);
    assert_eq!((again, address.ip), (true, Nat::PUBLIC.to_string()));
    assert!((42_000..43_000).contains(&address.port), "{}", address.port);
    for _ in 0..10 {
        call.talk();
    }
    assert!(call.is_silent());
}

#[test]
fn a_multiplexing_phone_behind_a_nat_needs_one_mapping_for_rtp_and_rtcp() {
    let Some(stage) = on_stage() else { return };
    let Some(_nft) = peer::program("nft") else { return };
    let nat = Nat::at_access(&stage);
    let gateway = Gateway::start();
    let access = behind(&nat, secured().multiplexing());
    let mut call = Call::between(&gateway, access, Leg::plain(Side::Core.peer_v6()));
    // RTCP may be the first to come.
    call.report();
    call.talk();
    nat.reboot("42000-42999");
    call.talk();
    call.report();
    assert!(call.is_silent());
}

//= tests/spec/relay.md#source
//= type=test
//# A latched plain leg MUST listen to the first source within the time gate and to no other
//# afterwards.
#[test]
fn a_plain_phone_behind_a_nat_is_found_within_the_gate_and_found_again_when_the_controller_asks() {
    let Some(stage) = on_stage() else { return };
    let Some(_nft) = peer::program("nft") else { return };
    let nat = Nat::at_access(&stage);
    let gateway = Gateway::start();
    let mut access = behind(&nat, Leg::plain(Side::Access.peer()));
    access.stream.source = latch(600_000);
    let mut call = Call::between(&gateway, access, Leg::plain(Side::Core.peer()));
    call.talk();

    // Nothing proves that it is the same phone.
    nat.reboot("42000-42999");
    let packet = call.next_packet(Call::ACCESS);
    call.access.send(&packet);
    let _ = gateway.ledger().after_drops("wrong_source", 1);
    assert!(call.core.is_silent());

    let change = pb::StreamChange { source: latch(600_000), ..pb::StreamChange::default() };
    let configure = api::configure(call.context, 1, change);
    gateway.wait(gateway.iq.configure(configure)).expect("another gate");
    for _ in 0..10 {
        call.talk();
    }
    assert!(call.is_silent());
}

//= tests/spec/relay.md#source
//= type=test
//# The time gate of a plain leg that latches MUST NOT start before media may enter.
//= tests/spec/relay.md#source
//= type=test
//# RTCP of a latched plain leg MUST be claimed by the host that has claimed RTP only, at any time.
#[test]
fn a_plain_phone_behind_a_nat_that_rings_for_long_is_found_and_so_are_its_late_reports() {
    let Some(stage) = on_stage() else { return };
    let Some(_nft) = peer::program("nft") else { return };
    let nat = Nat::at_access(&stage);
    let gateway = Gateway::start();
    let mut access = behind(&nat, Leg::plain(Side::Access.peer()));
    access.stream.source = latch(2_000);
    access.stream.mode = pb::StreamMode::Inactive.into();
    let mut call = Call::between(&gateway, access, Leg::plain(Side::Core.peer()));
    let beyond = std::time::Duration::from_millis(2_100);
    std::thread::sleep(beyond);
    let open = api::gates(call.context, 1, pb::StreamMode::SendReceive);
    gateway.wait(gateway.iq.change_through_connection(open)).expect("an answer");
    call.talk();
    std::thread::sleep(beyond);
    // The phone reports first; only then its mapping is known.
    call.report();
    call.talk();
    assert!(call.is_silent());
}

#[test]
fn a_plain_phone_behind_a_nat_is_not_heard_after_the_gate_or_without_one() {
    let Some(stage) = on_stage() else { return };
    let Some(_nft) = peer::program("nft") else { return };
    let nat = Nat::at_access(&stage);
    let gateway = Gateway::start();
    for (count, source) in [(1, latch(1)), (2, None)] {
        let mut access = behind(&nat, Leg::plain(Side::Access.peer()));
        access.stream.source = source;
        let mut call = Call::between(&gateway, access, Leg::plain(Side::Core.peer()));
        std::thread::sleep(std::time::Duration::from_millis(100));
        let packet = call.next_packet(Call::ACCESS);
        call.access.send(&packet);
        let _ = gateway.ledger().after_drops("wrong_source", count);
        assert!(call.is_silent());
    }
}
