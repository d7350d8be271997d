//! Ingress keys that return within a call: what was captured before is refused, what is new passes.

use agw_iq::pb;
use agw_srtp::{RocOnRekey, Suite};
use agw_tests::{Call, Gateway, Key, api};

const SUITE: Suite = Suite::AesCm128HmacSha1_80;

/// Media and control of the phone, as they passed.
struct Captured {
    media: Vec<Vec<u8>>,
    control: Vec<u8>,
}

fn captured(call: &mut Call) -> Captured {
    let mut media = Vec::new();
    for _ in 0..3 {
        let packet = call.next_packet(Call::ACCESS);
        let sealed = call.access.seal(&packet);
        call.access.send_octets(&sealed);
        assert_eq!(call.core.receive(), packet);
        media.push(sealed);
    }
    let packet = agw_tests::packet::rtcp(Call::ACCESS, 1);
    let control = call.access.seal_control(&packet);
    call.access.send_control_octets(&control);
    assert_eq!(call.core.receive_control(), packet);
    Captured { media, control }
}

impl Captured {
    /// Somebody on the way sends it all again: `refused` replays so far are four more then.
    fn is_refused(&self, gateway: &Gateway, call: &Call, refused: u64) -> u64 {
        self.media.iter().for_each(|sealed| call.access.send_octets(sealed));
        call.access.send_control_octets(&self.control);
        assert!(gateway.ledger().after_drops("replay", refused + 4).closes());
        assert!(call.core.is_silent());
        refused + 4
    }
}

fn install(gateway: &Gateway, call: &Call, key: &Key) {
    let crypto = pb::CryptoContext { overlap_ms: Some(0), ..key.crypto() };
    let change = pb::StreamChange { ingress_crypto: Some(crypto), ..Default::default() };
    let configure = api::configure(call.context, 1, change);
    gateway.wait(gateway.iq.configure(configure)).expect("a key");
}

//= tests/spec/iq.md#keys
//= type=test
//# An ingress key that was replaced MUST be taken on its stream again.
//= tests/spec/srtp.md#keys-that-return
//= type=test
//# Under a key that returns nothing at or below the highest index that was opened under it from a
//# source MUST be opened again.
#[test]
fn a_key_that_was_replaced_returns_and_nothing_captured_passes_at_roc_3() {
    let gateway = Gateway::start();
    let (mut call, first, _) = Call::e2ae_at(&gateway, SUITE, 3);
    call.talk();
    let before = captured(&mut call);
    let mut refused = before.is_refused(&gateway, &call, 0);
    for _ in 0..3 {
        let other = Key::random(SUITE);
        install(&gateway, &call, &other);
        call.access.sends_with(&other, RocOnRekey::Keep);
        call.talk();

        install(&gateway, &call, &first);
        call.access.sends_with(&first, RocOnRekey::Keep);
        refused = before.is_refused(&gateway, &call, refused);
        call.talk();
        call.report();
    }
}

//= tests/spec/relay.md#keys-that-return
//= type=test
//# An ingress key that returns within a call MUST go on where it was, on whichever leg.
#[test]
fn a_leg_that_comes_again_with_its_key_lets_nothing_captured_pass_at_roc_3() {
    let gateway = Gateway::start();
    let (mut call, ingress, _) = Call::e2ae_at(&gateway, SUITE, 3);
    call.talk();
    let before = captured(&mut call);
    let gone =
        pb::Release { context_id: call.context, termination_id: 1, ..pb::Release::default() };
    gateway.wait(gateway.iq.release(gone)).expect("the leg ends");

    // The rejected offer is made once more: the same key, on another port (RFC 4568 §7.1.4).
    let egress = Key::random(SUITE);
    let stream = api::secured(1, &call.access, &ingress.crypto(), &egress.crypto_at(3));
    let again = pb::Reserve { context_id: call.context, ..api::reserve("access", vec![stream]) };
    let leg = gateway.wait(gateway.iq.reserve_and_configure(again)).expect("the leg comes again");
    call.access.attach(&leg.streams[0]);
    call.access.receives_with(&egress, RocOnRekey::Set(3));

    let _ = before.is_refused(&gateway, &call, 0);
    call.talk_outwards();
    call.talk();
    call.report();
}
