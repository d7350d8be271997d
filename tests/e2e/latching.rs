//! Whom a leg listens to, and where it sends what it has.

use std::thread;
use std::time::Duration;

use agw_iq::pb;
use agw_srtp::Suite;
use agw_tests::{Call, Endpoint, Gateway, Key, Leg, Side, api, packet};

use crate::on_stage;

//= tests/spec/relay.md#source
//= type=test
//# On a secured leg the peer's address MUST follow only an authenticated packet with a newer index.
#[test]
fn media_follows_a_peer_that_moves_once_it_has_proven_itself() {
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae(&gateway, Suite::AesCm128HmacSha1_80);
    call.talk();
    call.report();

    call.access.moves();

    call.talk();
    call.report();
    call.talk();
    assert!(call.is_silent());
}

//= tests/spec/relay.md#source
//= type=test
//# A replayed or forged packet MUST NOT move the peer's address.
#[test]
fn media_does_not_follow_what_is_old_replayed_or_forged() {
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae(&gateway, Suite::AesCm128HmacSha1_80);
    call.talk();
    let packet = call.next_packet(Call::ACCESS);
    let delayed = call.access.seal(&packet);
    let next = call.next_packet(Call::ACCESS);
    let recorded = call.access.seal(&next);
    call.access.send_octets(&recorded);
    assert_eq!(call.core.receive(), next);
    let mut stranger = Endpoint::plain(Side::Access.peer());
    stranger.attach(&call.access.local());

    stranger.send_octets(&recorded);
    let _ = gateway.ledger().after_drops("replay", 1);
    call.talk_outwards();
    let newer = call.next_packet(Call::ACCESS);
    let mut forged = call.access.seal(&newer);
    *forged.last_mut().expect("a tag") ^= 1;
    stranger.send_octets(&forged);
    let _ = gateway.ledger().after_drops("authentication", 1);
    call.talk_outwards();
    // It is genuine and arrives for the first time, but it says nothing about where the peer is.
    stranger.send_octets(&delayed);
    assert_eq!(call.core.receive(), packet);
    call.talk_outwards();

    assert!(stranger.is_silent() && call.is_silent());
}

//= tests/spec/relay.md#source
//= type=test
//# A short tag alone MUST NOT move the peer's address.
#[test]
fn a_short_tag_has_to_be_right_three_times_before_media_follows() {
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae(&gateway, Suite::AesCm128HmacSha1_32);
    for _ in 0..3 {
        call.talk_inwards();
    }
    call.talk_outwards();
    let mut elsewhere = Endpoint::plain(Side::Access.peer());
    elsewhere.attach(&call.access.local());

    for confirmed in [false, false, true] {
        let packet = call.next_packet(Call::ACCESS);
        let sealed = call.access.seal(&packet);
        elsewhere.send_octets(&sealed);
        assert_eq!(call.core.receive(), packet);
        let packet = call.next_packet(Call::CORE);
        call.core.send(&packet);
        let reached = if confirmed { &elsewhere } else { &call.access };
        assert_eq!(reached.receive_octets().len(), packet.len() + 4);
        assert!(elsewhere.is_silent() && call.is_silent());
    }
}

//= tests/spec/relay.md#source
//= type=test
//# A latched plain leg MUST listen to the first source within the time gate and to no other afterwards.
#[test]
fn a_plain_leg_locks_to_the_first_source_within_the_gate() {
    let gateway = Gateway::start();
    let mut call = latching(&gateway, 600_000);
    let mut stranger = Endpoint::plain(Side::Access.peer());
    stranger.attach(&call.core.local());
    call.core.moves();

    call.talk_outwards();
    call.talk();

    let packet = call.next_packet(Call::CORE);
    stranger.send(&packet);
    let _ = gateway.ledger().after_drops("wrong_source", 1);
    call.talk();
    assert!(call.is_silent() && stranger.is_silent());
}

#[test]
fn a_plain_leg_that_nobody_claimed_in_time_keeps_its_signalled_source() {
    let gateway = Gateway::start();
    let mut call = latching(&gateway, 1);
    let mut stranger = Endpoint::plain(Side::Access.peer());
    stranger.attach(&call.core.local());
    thread::sleep(Duration::from_millis(100));

    let packet = call.next_packet(Call::CORE);
    stranger.send(&packet);

    let _ = gateway.ledger().after_drops("wrong_source", 1);
    call.talk();
    assert!(call.is_silent() && stranger.is_silent());
}

//= tests/spec/relay.md#source
//= type=test
//# On a plain leg a packet from any but the signalled source MUST be discarded unless latching was asked for.
#[test]
fn a_plain_leg_listens_to_nobody_but_its_signalled_source() {
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae(&gateway, Suite::AesCm128HmacSha1_80);
    let mut stranger = Endpoint::plain(Side::Access.peer());
    stranger.attach(&call.core.local());

    let packet = call.next_packet(Call::CORE);
    stranger.send(&packet);

    let _ = gateway.ledger().after_drops("wrong_source", 1);
    call.talk();
    assert!(call.is_silent() && stranger.is_silent());
}

/// A call whose core leg latches within a gate.
fn latching(gateway: &Gateway, within_ms: u32) -> Call {
    latching_as(gateway, within_ms, |_| {})
}

/// A call whose core leg latches within a gate, with more said of it.
fn latching_as(gateway: &Gateway, within_ms: u32, say: impl FnOnce(&mut pb::Stream)) -> Call {
    let suite = Suite::AesCm128HmacSha1_80;
    let access = Leg::secured(Side::Access.peer(), &Key::random(suite), &Key::random(suite));
    let mut core = Leg::plain(Side::Core.peer());
    let rule = pb::SourceRule::Latch.into();
    core.stream.source = Some(pb::SourcePolicy { rule, within_ms: Some(within_ms) });
    say(&mut core.stream);
    Call::between(gateway, access, core)
}

//= tests/spec/relay.md#source
//= type=test
//# The time gate of a plain leg that latches MUST NOT start before media may enter.
#[test]
fn a_leg_that_rings_for_longer_than_the_gate_latches_when_it_is_answered() {
    let gateway = Gateway::start();
    let mut call = latching_as(&gateway, 2_000, |stream| {
        stream.mode = pb::StreamMode::Inactive.into();
    });
    call.core.moves();
    let keepalive = packet::rtp(Call::CORE, 1, 1);
    call.core.send_octets(keepalive.get(..12).expect("a header"));
    let _ = gateway.ledger().after_drops("ingress_gate", 1);
    thread::sleep(Duration::from_millis(2_100));

    let open = api::gates(call.context, 2, pb::StreamMode::SendReceive);
    gateway.wait(gateway.iq.change_through_connection(open)).expect("an answer");

    call.talk_outwards();
    call.talk();
    assert!(call.is_silent());
}

//= tests/spec/relay.md#source
//= type=test
//# What a leg has learnt MUST hold when its peer's address is signalled for the first time.
#[test]
fn an_answer_with_a_private_address_leaves_a_leg_that_talks_as_it_is() {
    let gateway = Gateway::start();
    let mut plain = latching_as(&gateway, 2_000, |stream| stream.remote = None);
    plain.talk_outwards();
    plain.talk();
    let suite = Suite::AesCm128HmacSha1_80;
    let mut access = Leg::secured(Side::Access.peer(), &Key::random(suite), &Key::random(suite));
    access.stream.remote = None;
    let mut secured = Call::between(&gateway, access, Leg::plain(Side::Core.peer()));
    secured.talk();
    thread::sleep(Duration::from_millis(2_100));

    let nowhere = Endpoint::plain(Side::Core.peer());
    answers(&gateway, &plain, 2, &nowhere);
    let nobody = Endpoint::plain(Side::Access.peer());
    answers(&gateway, &secured, 1, &nobody);

    for call in [&mut plain, &mut secured] {
        let packet = call.next_packet(Call::ACCESS);
        call.access.send(&packet);
        assert_eq!(call.core.receive(), packet);
        let packet = call.next_packet(Call::CORE);
        call.core.send(&packet);
        assert_eq!(call.access.receive(), packet);
    }
    assert!(nowhere.is_silent() && nobody.is_silent());
}

#[test]
fn whom_nobody_has_claimed_latches_within_a_new_gate_once_the_answer_brings_an_address() {
    let gateway = Gateway::start();
    let mut call = latching_as(&gateway, 2_000, |stream| stream.remote = None);
    let nowhere = Endpoint::plain(Side::Core.peer());
    thread::sleep(Duration::from_millis(2_100));
    let packet = call.next_packet(Call::CORE);
    call.core.send(&packet);
    let _ = gateway.ledger().after_drops("wrong_source", 1);

    answers(&gateway, &call, 2, &nowhere);

    call.talk_outwards();
    call.talk();
    assert!(call.is_silent() && nowhere.is_silent());
}

//= tests/spec/relay.md#source
//= type=test
//# When another peer is signalled on a latched plain leg, the former one MUST NOT claim the leg
//# within the time gate.
//= tests/spec/relay.md#source
//= type=test
//# A peer that was signalled in place of another one MUST be listened to whoever has claimed its
//# plain leg before.
#[test]
fn of_two_early_answers_on_one_leg_the_last_one_is_heard_though_both_go_on_talking() {
    let gateway = Gateway::start();
    let mut call = latching(&gateway, 600_000);
    call.talk();
    let mut next = Endpoint::plain(Side::Core.peer());
    next.attach(&call.core.local());

    answers(&gateway, &call, 2, &next);

    let packet = call.next_packet(Call::CORE);
    call.core.send(&packet);
    let _ = gateway.ledger().after_drops("wrong_source", 1);
    let packet = call.next_packet(Call::ACCESS);
    call.access.send(&packet);
    assert_eq!(next.receive(), packet, "the former peer has not taken it");
    let mut stranger = Endpoint::plain(Side::Core.peer());
    stranger.attach(&call.core.local());
    for talker in [&mut stranger, &mut next] {
        let packet = call.next_packet(Call::CORE);
        talker.send(&packet);
        assert_eq!(call.access.receive(), packet);
        let packet = call.next_packet(Call::ACCESS);
        call.access.send(&packet);
        assert_eq!(talker.receive(), packet);
    }
    for (count, talker) in [(2, &mut call.core), (3, &mut stranger)] {
        talker.send(&packet::rtp(Call::CORE, 1_000, 1));
        let _ = gateway.ledger().after_drops("wrong_source", count);
    }
    assert!(call.is_silent() && stranger.is_silent() && next.is_silent());
}

//= tests/spec/relay.md#source
//= type=test
//# RTCP of a latched plain leg MUST be claimed by the host that has claimed RTP only, at any time.
#[test]
fn rtcp_that_comes_long_after_the_gate_finds_its_way_and_what_comes_later_from_elsewhere_does_not()
{
    let gateway = Gateway::start();
    let mut call = latching(&gateway, 2_000);
    call.core.moves();
    call.talk_outwards();
    thread::sleep(Duration::from_millis(2_100));
    let report = packet::rtcp(Call::CORE, 1);
    call.core.send_control(&report);

    assert_eq!(call.access.receive_control(), report);
    call.report();
    let mut neighbour = Endpoint::plain(Side::Core.peer());
    neighbour.attach(&call.core.local());
    neighbour.send_control(&report);
    let _ = gateway.ledger().after_drops("wrong_source", 1);
    call.report();
    assert!(call.is_silent() && neighbour.is_silent());
}

//= tests/spec/relay.md#source
//= type=test
//# RTCP of a latched plain leg MUST be claimed by the host that has claimed RTP only, at any time.
#[test]
fn another_hosts_rtcp_claims_nothing_within_the_gate_or_later() {
    // Elsewhere all peers are one host.
    let Some(_stage) = on_stage() else { return };
    let gateway = Gateway::start();
    let mut call = latching(&gateway, 2_000);
    call.talk_outwards();
    let mut stranger = Endpoint::plain(Side::Access.peer());
    stranger.attach(&call.core.local());
    let report = packet::rtcp(Call::CORE, 1);
    for count in 1..=2 {
        stranger.send_control(&report);
        let _ = gateway.ledger().after_drops("wrong_source", count);
        thread::sleep(Duration::from_millis(2_100));
    }
    call.report();
    assert!(call.is_silent() && stranger.is_silent());
}

/// Tells the gateway a peer's address.
fn answers(gateway: &Gateway, call: &Call, termination: u32, peer: &Endpoint) {
    let change = pb::StreamChange { remote: Some(peer.remote()), ..pb::StreamChange::default() };
    let change = api::configure(call.context, termination, change);
    gateway.wait(gateway.iq.configure(change)).expect("an answer");
}
