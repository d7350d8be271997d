//! New keys in the middle of a call.

use agw_iq::pb;
use agw_srtp::{RocOnRekey, Suite};
use agw_tests::packet::rtp_at;
use agw_tests::{Call, Gateway, Key, api};

const SUITE: Suite = Suite::AesCm128HmacSha1_80;

//= tests/spec/srtp.md#new-keys
//= type=test
//# Installing the key that is in force MUST change nothing.
#[test]
fn the_same_keys_again_change_nothing_at_roc_3() {
    let gateway = Gateway::start();
    let (mut call, ingress, egress) = Call::e2ae_at(&gateway, SUITE, 3);
    call.talk();
    let packet = call.next_packet(Call::ACCESS);
    let recorded = call.access.seal(&packet);
    call.access.send_octets(&recorded);
    assert_eq!(call.core.receive(), packet);

    for _ in 0..3 {
        install(&gateway, &call, ingress.crypto(), egress.crypto());
        let again = reset(&ingress);
        install(&gateway, &call, again, reset(&egress));
    }

    call.access.send_octets(&recorded);
    let _ = gateway.ledger().after_drops("replay", 1);
    for _ in 0..20 {
        call.talk();
    }
    call.report();
    assert!(call.is_silent());
}

//= tests/spec/srtp.md#new-keys
//= type=test
//# With a new key the rollover counter MUST be kept, reset or set as the controller says.
#[test]
fn new_keys_keep_reset_or_set_the_rollover_counter() {
    let gateway = Gateway::start();
    for (wire, here) in [
        (pb::RocOnRekey::Unspecified, RocOnRekey::Keep),
        (pb::RocOnRekey::Keep, RocOnRekey::Keep),
        (pb::RocOnRekey::Reset, RocOnRekey::Reset),
        (pb::RocOnRekey::Value, RocOnRekey::Set(9)),
    ] {
        let (mut call, ..) = Call::e2ae_at(&gateway, SUITE, 3);
        call.talk();
        let (ingress, egress) = (Key::random(SUITE), Key::random(SUITE));
        let crypto = |key: &Key| pb::CryptoContext {
            roc_on_rekey: wire.into(),
            initial_roc: (wire == pb::RocOnRekey::Value).then_some(9),
            ..key.crypto()
        };

        install(&gateway, &call, crypto(&ingress), crypto(&egress));
        call.access.sends_with(&ingress, here);
        call.access.receives_with(&egress, here);

        for _ in 0..20 {
            call.talk();
        }
        call.report();
        assert!(call.is_silent(), "{wire:?}");
    }
}

#[test]
fn new_keys_may_bring_a_new_suite() {
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae_at(&gateway, SUITE, 3);
    call.talk();
    let [ingress, egress] = [Suite::AeadAes256Gcm; 2].map(Key::random);

    install(&gateway, &call, reset(&ingress), reset(&egress));
    call.access.restart(&ingress, &egress, 0);

    for _ in 0..20 {
        call.talk();
    }
    call.report();
}

//= tests/spec/srtp.md#new-keys
//= type=test
//# A replaced ingress key MUST open packets until its overlap ends and MUST NOT open any later.
#[test]
fn a_replaced_key_opens_packets_during_the_overlap_and_not_without_one() {
    let gateway = Gateway::start();
    for (overlap_ms, opens) in [(60_000, true), (0, false)] {
        let (mut call, _, egress) = Call::e2ae_at(&gateway, SUITE, 3);
        call.talk();
        let late = [1000, 1001, 1002].map(|number| rtp_at(Call::ACCESS, number));
        let sealed = late.clone().map(|packet| call.access.seal(&packet));
        let fresh = Key::random(SUITE);
        let ingress = pb::CryptoContext { overlap_ms: Some(overlap_ms), ..fresh.crypto() };

        install(&gateway, &call, ingress, egress.crypto());
        call.access.sends_with(&fresh, RocOnRekey::Keep);

        for (packet, octets) in late.iter().zip(&sealed) {
            call.access.send_octets(octets);
            if opens {
                assert_eq!(call.core.receive(), *packet);
            }
        }
        if !opens {
            let _ = gateway.ledger().after_drops("authentication", 3);
        }
        let newer = rtp_at(Call::ACCESS, 1003);
        call.access.send(&newer);
        assert_eq!(call.core.receive(), newer);
        call.talk_outwards();
        assert!(call.is_silent());
    }
}

#[test]
fn keys_that_are_removed_pass_nothing_until_others_come() {
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae(&gateway, SUITE);
    call.talk();
    let change = pb::StreamChange {
        remove_ingress_crypto: true,
        remove_egress_crypto: true,
        ..pb::StreamChange::default()
    };
    let remove = api::configure(call.context, 1, change);
    gateway.wait(gateway.iq.configure(remove)).expect("no keys");

    let packet = call.next_packet(Call::ACCESS);
    call.access.send(&packet);
    let packet = call.next_packet(Call::CORE);
    call.core.send(&packet);
    let _ = gateway.ledger().after_drops("no_ingress_key", 1);
    let _ = gateway.ledger().after_drops("no_egress_key", 1);

    let [ingress, egress] = [SUITE; 2].map(Key::random);
    install(&gateway, &call, ingress.crypto(), egress.crypto());
    call.access.restart(&ingress, &egress, 0);
    call.talk();
    assert!(call.is_silent());
}

fn reset(key: &Key) -> pb::CryptoContext {
    pb::CryptoContext { roc_on_rekey: pb::RocOnRekey::Reset.into(), ..key.crypto() }
}

fn install(gateway: &Gateway, call: &Call, ingress: pb::CryptoContext, egress: pb::CryptoContext) {
    let change = pb::StreamChange {
        ingress_crypto: Some(ingress),
        egress_crypto: Some(egress),
        ..pb::StreamChange::default()
    };
    let configure = api::configure(call.context, 1, change);
    gateway.wait(gateway.iq.configure(configure)).expect("new keys");
}
