//! Keys that wear out: a warning, then a hard stop, then a new key.

use agw_iq::pb;
use agw_iq::pb::event::Kind;
use agw_srtp::{RocOnRekey, Suite};
use agw_tests::{Call, Gateway, Key, Leg, Side, api};

use crate::events::Listener;

const SUITE: Suite = Suite::AesCm128HmacSha1_80;
const LIFETIME: u64 = 100;

//= tests/spec/srtp.md#key-lifetime
//= type=test
//# A key MUST NOT protect or open packets beyond its lifetime.
//= tests/spec/srtp.md#key-lifetime
//= type=test
//# A warning MUST be given once when 90 % of a lifetime is used.
#[test]
fn an_ingress_key_warns_at_90_percent_and_stops_at_its_end() {
    let gateway = Gateway::start();
    let ingress = Key::random(SUITE).with_lifetime(LIFETIME);
    let egress = Key::random(SUITE);
    let access = Leg::secured(Side::Access.peer(), &ingress, &egress);
    let mut call = Call::between(&gateway, access, Leg::plain(Side::Core.peer()));
    let mut listener = Listener::from_the_start(&gateway);

    for _ in 1..LIFETIME {
        call.talk_inwards();
    }
    listener.await_kind(&gateway, |kind| matches!(kind, Kind::KeyLifetimeWarning(_)));
    let packet = call.next_packet(Call::ACCESS);
    call.access.send(&packet);
    let _ = gateway.ledger().after_drops("ingress_key_expired", 1);
    listener.await_kind(&gateway, |kind| matches!(kind, Kind::KeyLifetimeExpired(_)));
    assert!(call.is_silent());
    call.talk_outwards();

    let fresh = Key::random(SUITE);
    let change =
        pb::StreamChange { ingress_crypto: Some(fresh.crypto()), ..pb::StreamChange::default() };
    let configure = api::configure(call.context, 1, change);
    gateway.wait(gateway.iq.configure(configure)).expect("a fresh key");
    call.access.sends_with(&fresh, RocOnRekey::Keep);
    call.talk();
}

#[test]
fn an_egress_key_warns_at_90_percent_and_stops_at_its_end() {
    let gateway = Gateway::start();
    let ingress = Key::random(SUITE);
    let egress = Key::random(SUITE).with_lifetime(LIFETIME);
    let access = Leg::secured(Side::Access.peer(), &ingress, &egress);
    let mut call = Call::between(&gateway, access, Leg::plain(Side::Core.peer()));
    let mut listener = Listener::from_the_start(&gateway);

    for _ in 1..LIFETIME {
        call.talk_outwards();
    }
    let warning = listener.await_kind(&gateway, |kind| matches!(kind, Kind::KeyLifetimeWarning(_)));
    assert_eq!(warning.subject.expect("a subject").context_id, call.context);
    let packet = call.next_packet(Call::CORE);
    call.core.send(&packet);

    let _ = gateway.ledger().after_drops("egress_key_expired", 1);
    listener.await_kind(&gateway, |kind| matches!(kind, Kind::KeyLifetimeExpired(_)));
    assert!(call.is_silent());
    call.talk_inwards();
}
