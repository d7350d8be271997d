//! More sources than a leg may have: who is refused is told, and let in when there is room.

use agw_iq::pb;
use agw_iq::pb::event::Kind;
use agw_srtp::Suite;
use agw_tests::packet::rtp;
use agw_tests::{Call, Gateway, Key, Leg, Side, api};

use crate::events::Listener;

const SUITE: Suite = Suite::AesCm128HmacSha1_80;
const ROC: u32 = 3;
const SOURCES: u32 = 2;

fn crypto(key: &Key, max_sources: u32) -> pb::CryptoContext {
    let parameters = pb::SessionParameters { max_sources, ..pb::SessionParameters::default() };
    pb::CryptoContext { parameters: Some(parameters), ..key.crypto_at(ROC) }
}

/// A source of each side says something; the other side hears it.
fn hears(call: &mut Call, ssrc: u32, sequence: u16) {
    let [inwards, outwards] = [ssrc, 0x100 + ssrc].map(|ssrc| rtp(ssrc, sequence, 0));
    call.access.send(&inwards);
    assert_eq!(call.core.receive(), inwards);
    call.core.send(&outwards);
    assert_eq!(call.access.receive(), outwards);
}

/// What is told of the next source that is refused in a direction.
fn refused(
    listener: &mut Listener,
    gateway: &Gateway,
    direction: pb::Direction,
) -> (u32, pb::SourceLimitReached) {
    let is_it =
        |kind: &Kind| matches!(kind, Kind::SourceLimitReached(at) if at.direction() == direction);
    let event = listener.await_kind(gateway, is_it);
    let Some(Kind::SourceLimitReached(told)) = event.kind else { panic!("{event:?}") };
    (event.subject.expect("a subject").termination_id, told)
}

//= tests/spec/relay.md#memory
//= type=test
//# A source that a leg refuses because it has as many as it may have MUST be told, at most once a
//# second for each direction.
#[test]
fn a_third_source_is_told_in_either_direction_and_let_in_by_a_larger_limit() {
    let gateway = Gateway::start();
    let [ingress, egress] = [Key::random(SUITE), Key::random(SUITE)];
    let mut access = Leg::secured(Side::Access.peer(), &ingress, &egress);
    access.stream.ingress_crypto = Some(crypto(&ingress, SOURCES));
    access.stream.egress_crypto = Some(crypto(&egress, SOURCES));
    access.endpoint.restart(&ingress, &egress, ROC);
    let mut call = Call::between(&gateway, access, Leg::plain(Side::Core.peer()));
    let mut listener = Listener::from_the_start(&gateway);
    (1..=SOURCES).for_each(|ssrc| hears(&mut call, ssrc, 1));

    for sequence in 1..=20 {
        call.access.send(&rtp(3, sequence, 0));
    }
    let _ = gateway.ledger().after_drops("source_limit", 20);
    let (direction, group_id) = (pb::Direction::Ingress.into(), 0);
    let told = pb::SourceLimitReached { direction, ssrc: 3, sources: SOURCES, group_id };
    assert_eq!(refused(&mut listener, &gateway, pb::Direction::Ingress), (1, told));
    for sequence in 1..=20 {
        call.core.send(&rtp(0x103, sequence, 0));
    }
    let _ = gateway.ledger().after_drops("egress_source_limit", 20);
    let direction = pb::Direction::Egress.into();
    let told = pb::SourceLimitReached { direction, ssrc: 0x103, ..told };
    assert_eq!(refused(&mut listener, &gateway, pb::Direction::Egress), (1, told));
    (1..=SOURCES).for_each(|ssrc| hears(&mut call, ssrc, 2));
    assert!(call.is_silent());

    let change = pb::StreamChange {
        ingress_crypto: Some(crypto(&ingress, SOURCES + 1)),
        egress_crypto: Some(crypto(&egress, SOURCES + 1)),
        ..pb::StreamChange::default()
    };
    let configure = api::configure(call.context, 1, change);
    gateway.wait(gateway.iq.configure(configure)).expect("the same keys");
    (1..=SOURCES + 1).for_each(|ssrc| hears(&mut call, ssrc, 30));
}
