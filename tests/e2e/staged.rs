//! Keys that wait: for their MKI, for a command, or to be discarded.

use agw_iq::pb;
use agw_iq::pb::event::Kind;
use agw_srtp::{RocOnRekey, Suite};
use agw_tests::{Call, Gateway, Key, Leg, Side, api};

use crate::events::Listener;

const SUITE: Suite = Suite::AesCm128HmacSha1_80;

//= tests/spec/srtp.md#new-keys
//= type=test
//# A staged key MUST come in force at the first authenticated packet with its MKI.
//= tests/spec/iq.md#generations
//= type=test
//# The generation of a context MUST grow when a staged key comes in force by its time, or as soon as
//# the packet path has told that its identifier came.
#[test]
fn a_staged_key_comes_in_force_with_its_mki() {
    let gateway = Gateway::start();
    let ingress = Key::random(SUITE).with_mki(&[1]);
    let egress = Key::random(SUITE);
    let access = Leg::secured(Side::Access.peer(), &ingress, &egress);
    let mut call = Call::between(&gateway, access, Leg::plain(Side::Core.peer()));
    let mut listener = Listener::from_the_start(&gateway);
    call.talk();
    let fresh = Key::random(SUITE).with_mki(&[2]);

    stage(&gateway, api::stage_ingress(call.context, &fresh));
    let looked = crate::audited(&gateway, call.context).generation;
    call.talk();
    call.access.sends_with(&fresh, RocOnRekey::Keep);

    call.talk();
    call.report();
    let event = listener.await_kind(&gateway, |kind| matches!(kind, Kind::KeyActivated(_)));
    assert_eq!(event.subject.expect("a subject").context_id, call.context);
    assert_eq!(crate::audited(&gateway, call.context).generation, looked + 1);
    let cancel = api::cancel(call.context, pb::Direction::Ingress);
    let late = pb::CancelKey { expected_generation: looked, ..cancel };
    let refused = gateway.wait(gateway.iq.cancel_key(late)).expect_err("it is in force");
    assert_eq!(refused.reason.as_deref(), Some("GENERATION_MISMATCH"));
    let unknown = Key::random(SUITE).with_mki(&[3]);
    call.access.sends_with(&unknown, RocOnRekey::Keep);
    let packet = call.next_packet(Call::ACCESS);
    call.access.send(&packet);
    let _ = gateway.ledger().after_drops("unknown_mki", 1);
    assert!(call.is_silent());
}

//= tests/spec/iq.md#keys
//= type=test
//# A staged key MUST NOT be used for sending before it is activated.
#[test]
fn staged_keys_come_in_force_by_command_and_not_before() {
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae_at(&gateway, SUITE, 3);
    call.talk();
    let [ingress, egress] = [SUITE; 2].map(Key::random);

    stage(&gateway, api::stage_ingress(call.context, &ingress));
    stage(&gateway, api::stage_egress(call.context, &egress));
    call.talk();
    call.report();
    for direction in [pb::Direction::Ingress, pb::Direction::Egress] {
        let activate = api::activate(call.context, direction);
        gateway.wait(gateway.iq.activate_key(activate)).expect("the staged key");
    }
    call.access.sends_with(&ingress, RocOnRekey::Keep);
    call.access.receives_with(&egress, RocOnRekey::Keep);

    for _ in 0..20 {
        call.talk();
    }
    call.report();
    assert!(call.is_silent());
}

//= tests/spec/iq.md#keys
//= type=test
//# A cancelled key MUST be wiped.
#[test]
fn a_cancelled_key_is_gone() {
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae(&gateway, SUITE);
    call.talk();
    let [ingress, egress] = [SUITE; 2].map(Key::random);
    stage(&gateway, api::stage_ingress(call.context, &ingress));
    stage(&gateway, api::stage_egress(call.context, &egress));

    for direction in [pb::Direction::Ingress, pb::Direction::Egress] {
        let cancel = api::cancel(call.context, direction);
        gateway.wait(gateway.iq.cancel_key(cancel)).expect("no staged key any more");
        let activate = api::activate(call.context, direction);
        let refused = gateway.wait(gateway.iq.activate_key(activate)).expect_err("no key");
        assert_eq!(refused.reason.as_deref(), Some("NOTHING_STAGED"));
        assert_eq!(refused.field.as_deref(), Some("activate_key.direction"));
    }

    call.talk();
    // The daemon keeps it nowhere, or it would know that the key is in use.
    stage(&gateway, api::stage_ingress(call.context, &egress));
    stage(&gateway, api::stage_egress(call.context, &ingress));
}

#[test]
fn of_several_live_keys_the_mki_chooses() {
    let gateway = Gateway::start();
    let one = Key::random(SUITE).with_mki(&[0, 1]);
    let other = Key::random(SUITE).with_mki(&[0, 2]);
    let egress = Key::random(SUITE).with_mki(&[7; 128]);
    let mut access = Leg::secured(Side::Access.peer(), &one, &egress);
    let mut crypto = one.crypto();
    crypto.keys.extend(other.crypto().keys);
    access.stream.ingress_crypto = Some(crypto);
    let mut call = Call::between(&gateway, access, Leg::plain(Side::Core.peer()));

    for key in [&one, &other, &one, &other] {
        call.access.sends_with(key, RocOnRekey::Keep);
        call.talk();
        call.report();
    }
    assert!(call.is_silent());
}

fn stage(gateway: &Gateway, stage: pb::StageKey) {
    gateway.wait(gateway.iq.stage_key(stage)).expect("a staged key");
}
