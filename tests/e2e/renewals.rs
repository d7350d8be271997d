//! What new keys do to what was before them: overlaps, counters, sources, lifetimes.

use agw_iq::pb;
use agw_srtp::{RocOnRekey, Suite};
use agw_tests::packet::rtp_at;
use agw_tests::{Call, Gateway, Key, Leg, Side, api};

const SUITE: Suite = Suite::AesCm128HmacSha1_80;
const OTHER: u32 = 0xAAAA_0002;

fn change(gateway: &Gateway, call: &Call, change: pb::StreamChange) {
    let configure = api::configure(call.context, 1, change);
    gateway.wait(gateway.iq.configure(configure)).expect("a change");
}

/// Tells the keys with which the phone sends.
fn install(gateway: &Gateway, call: &Call, ingress: pb::CryptoContext) {
    let ingress_crypto = Some(ingress);
    change(gateway, call, pb::StreamChange { ingress_crypto, ..Default::default() });
}

/// The live keys that open what the phone sends, as audited.
fn live(gateway: &Gateway) -> Vec<pb::KeyUse> {
    let contexts = gateway.wait(gateway.iq.contexts(true)).expect("an audit");
    let statistics = contexts[0].terminations[0].streams[0].statistics.clone();
    let ingress = statistics.and_then(|statistics| statistics.ingress);
    ingress.and_then(|ingress| ingress.crypto).expect("key state").keys
}

//= tests/spec/srtp.md#new-keys
//= type=test
//# A replaced ingress key MUST open packets until its overlap ends and MUST NOT open any later.
#[test]
fn keys_that_were_replaced_one_after_the_other_all_open_what_is_late() {
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae_at(&gateway, SUITE, 3);
    call.talk();
    let mut late = Vec::new();
    for index in 0..3_u64 {
        let packet = rtp_at(Call::ACCESS, (3 << 16) + 1000 + index);
        late.push((call.access.seal(&packet), packet));
        let next = Key::random(SUITE);
        let ingress = pb::CryptoContext { overlap_ms: Some(60_000), ..next.crypto() };
        install(&gateway, &call, ingress);
        call.access.sends_with(&next, RocOnRekey::Keep);
    }
    let keys = live(&gateway);
    let left: Vec<_> = keys.iter().filter_map(|key| key.opens_for_ms).collect();
    assert_eq!((keys.len(), left.len()), (4, 3), "{keys:?}");
    assert!(left.iter().all(|left| (1..=60_000).contains(left)), "{left:?}");
    assert!(left.is_sorted_by(|newer, older| newer >= older), "the newest first: {left:?}");

    for (sealed, packet) in &late {
        call.access.send_octets(sealed);
        assert_eq!(call.core.receive(), *packet);
    }
    let newest = rtp_at(Call::ACCESS, (3 << 16) + 1010);
    call.access.send(&newest);
    assert_eq!(call.core.receive(), newest);
    call.access.send_octets(&late[0].0);
    let _ = gateway.ledger().after_drops("replay", 1);
    call.talk_outwards();
    assert!(call.is_silent());
}

//= tests/spec/srtp.md#new-keys
//= type=test
//# With a new key the rollover counter MUST be kept, reset or set as the controller says.
#[test]
fn a_session_goes_on_at_another_address_at_the_counter_that_is_told() {
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae_at(&gateway, SUITE, 3);
    call.talk();
    call.access.moves();
    let [ingress, egress] = [SUITE; 2].map(Key::random);
    call.access.restart(&ingress, &egress, 5);

    let moved = pb::StreamChange {
        remote: Some(call.access.remote()),
        ingress_crypto: Some(ingress.crypto_at(5)),
        egress_crypto: Some(egress.crypto_at(5)),
        ..pb::StreamChange::default()
    };
    change(&gateway, &call, moved);

    for _ in 0..5 {
        call.talk_outwards();
        call.talk_inwards();
    }
    call.report();
    assert!(call.is_silent());
}

#[test]
fn a_source_takes_the_place_of_one_that_is_gone_with_its_keys() {
    let gateway = Gateway::start();
    let [ingress, egress] = [SUITE; 2].map(Key::random);
    let mut access = Leg::secured(Side::Access.peer(), &ingress, &egress);
    let parameters = Some(pb::SessionParameters { max_sources: 1, ..Default::default() });
    access.stream.ingress_crypto = Some(pb::CryptoContext { parameters, ..ingress.crypto_at(3) });
    access.endpoint.restart(&ingress, &egress, 3);
    let mut call = Call::between(&gateway, access, Leg::plain(Side::Core.peer()));
    call.talk();
    call.access.send(&rtp_at(OTHER, 10));
    let _ = gateway.ledger().after_drops("source_limit", 1);

    let next = Key::random(SUITE);
    let ingress = pb::CryptoContext { overlap_ms: Some(0), parameters, ..next.crypto() };
    install(&gateway, &call, ingress);
    call.access.sends_with(&next, RocOnRekey::Keep);

    let packet = rtp_at(OTHER, 11);
    call.access.send(&packet);
    assert_eq!(call.core.receive(), packet);
    call.access.send(&rtp_at(Call::ACCESS, (3 << 16) + 20));
    let _ = gateway.ledger().after_drops("source_limit", 2);
    assert!(call.is_silent());
}

//= tests/spec/srtp.md#key-lifetime
//= type=test
//# A key that is used up MUST stay so whatever lifetime it is told again with.
#[test]
fn a_used_up_key_is_not_revived_by_a_longer_lifetime() {
    let gateway = Gateway::start();
    let ingress = Key::random(SUITE).with_lifetime(10);
    let access = Leg::secured(Side::Access.peer(), &ingress, &Key::random(SUITE));
    let mut call = Call::between(&gateway, access, Leg::plain(Side::Core.peer()));
    for _ in 1..10 {
        call.talk_inwards();
    }
    let refused = call.next_packet(Call::ACCESS);
    call.access.send(&refused);
    let _ = gateway.ledger().after_drops("ingress_key_expired", 1);

    install(&gateway, &call, ingress.clone().with_lifetime(1_000_000).crypto());

    let refused = call.next_packet(Call::ACCESS);
    call.access.send(&refused);
    let _ = gateway.ledger().after_drops("ingress_key_expired", 2);
    assert!(call.is_silent());
    let fresh = Key::random(SUITE);
    install(&gateway, &call, fresh.crypto());
    call.access.sends_with(&fresh, RocOnRekey::Keep);
    call.talk_inwards();
}
