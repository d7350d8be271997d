//! Keys that must not be used: twice, weak, of the wrong length, with an old address.

use agw_iq::client::CallError;
use agw_iq::pb;
use agw_srtp::Suite;
use agw_tests::{Call, Endpoint, Gateway, Key, Leg, Side, api};
use tonic::Code;

const SUITE: Suite = Suite::AesCm128HmacSha1_80;

//= tests/spec/iq.md#keys
//= type=test
//# A key for both directions of a stream MUST be refused.
#[test]
fn one_key_for_both_directions_is_refused() {
    let gateway = Gateway::start();
    let key = Key::random(SUITE);
    let leg = Leg::secured(Side::Access.peer(), &key, &key);

    let refused = refusal(&gateway, leg.stream);

    assert_eq!(refused.reason.as_deref(), Some("KEY_REUSE"));
    assert_eq!(refused.code, Code::InvalidArgument);
    assert!(refused.field.is_some_and(|field| field.contains("crypto")));
    assert_eq!(gateway.wait(gateway.iq.contexts(false)).expect("an audit"), []);
}

//= tests/spec/iq.md#keys
//= type=test
//# A key that another stream uses MUST be refused.
#[test]
fn a_key_of_another_stream_is_refused_and_nothing_changes() {
    let gateway = Gateway::start();
    let (mut call, ingress, egress) = Call::e2ae(&gateway, SUITE);
    call.talk();
    let fresh = Key::random(SUITE);
    let endpoint = Endpoint::plain(Side::Access.peer());
    for (one, other) in [(&ingress, &fresh), (&fresh, &ingress), (&egress, &fresh)] {
        let refused = refusal(&gateway, api::secured(1, &endpoint, &one.crypto(), &other.crypto()));
        assert_eq!(refused.reason.as_deref(), Some("KEY_REUSE"));
        assert!(refused.h248_code.is_some_and(|code| code >= 400), "{refused:?}");
    }
    assert_eq!(gateway.wait(gateway.iq.contexts(false)).expect("an audit").len(), 1);

    let swap =
        pb::StreamChange { ingress_crypto: Some(egress.crypto()), ..pb::StreamChange::default() };
    let configure = api::configure(call.context, 1, swap);
    let refused = gateway.wait(gateway.iq.configure(configure)).expect_err("a used key");
    assert_eq!(refused.reason.as_deref(), Some("KEY_REUSE"));
    call.talk();
}

//= tests/spec/iq.md#acknowledgement
//= type=test
//# A refusal MUST carry an H.248 error code, a machine-readable reason and the path of the field.
//= tests/spec/iq.md#keys
//= type=test
//# A key of the wrong length MUST be refused.
//= tests/spec/srtp.md#suites
//= type=test
//# The NULL cipher MUST be refused unless policy allows it.
#[test]
fn weak_and_unfit_keys_are_refused_at_their_field() {
    let gateway = Gateway::start();
    let endpoint = Endpoint::plain(Side::Access.peer());
    let good = Key::random(SUITE).crypto();
    let of = |change: &dyn Fn(&mut pb::MasterKey)| {
        let mut crypto = Key::random(SUITE).crypto();
        change(&mut crypto.keys[0]);
        crypto
    };
    let path = "reserve.streams[0].egress_crypto";
    for (bad, reason, code, field) in [
        (of(&|key| key.key.truncate(15)), "KEY_LENGTH", Code::InvalidArgument, ".keys[0].key"),
        (of(&|key| key.salt.push(0)), "SALT_LENGTH", Code::InvalidArgument, ".keys[0].salt"),
        (
            of(&|key| (key.key, key.salt) = (vec![0; 16], vec![0; 14])),
            "KEY_WEAK",
            Code::InvalidArgument,
            ".keys[0]",
        ),
        (
            Key::random(Suite::NullHmacSha1_80).crypto(),
            "SUITE_REFUSED",
            Code::FailedPrecondition,
            ".suite",
        ),
        (
            pb::CryptoContext { suite: 99, ..of(&|_| ()) },
            "FIELD_VALUE",
            Code::InvalidArgument,
            ".suite",
        ),
    ] {
        let refused = refusal(&gateway, api::secured(1, &endpoint, &good, &bad));
        assert_eq!(refused.reason.as_deref(), Some(reason), "{refused:?}");
        assert_eq!(refused.code, code, "{refused:?}");
        assert!(refused.h248_code.is_some_and(|code| code >= 400), "{refused:?}");
        let at = refused.field.clone().expect("a field");
        assert!(at.starts_with(&format!("{path}{field}")), "{refused:?}");
    }
    assert_eq!(gateway.wait(gateway.iq.contexts(false)).expect("an audit"), []);
}

//= tests/spec/iq.md#keys
//= type=test
//# A new peer address on a secured leg MUST come with a new key.
#[test]
fn a_new_address_needs_new_keys() {
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae_at(&gateway, SUITE, 3);
    call.talk();
    let mut moved = Endpoint::plain(Side::Access.peer());
    let [ingress, egress] = [SUITE; 2].map(Key::random);
    let change = pb::StreamChange { remote: Some(moved.remote()), ..pb::StreamChange::default() };
    let with = |ingress: Option<&Key>, egress: Option<&Key>| pb::StreamChange {
        ingress_crypto: ingress.map(Key::crypto),
        egress_crypto: egress.map(Key::crypto),
        ..change.clone()
    };
    let stopped = pb::StreamChange { remove_ingress_crypto: true, ..change.clone() };
    for old in [with(None, None), with(Some(&ingress), None), with(None, Some(&egress)), stopped] {
        let configure = api::configure(call.context, 1, old);
        let refused = gateway.wait(gateway.iq.configure(configure)).expect_err("old keys");
        assert_eq!(refused.reason.as_deref(), Some("KEY_REQUIRED"));
        assert_eq!(refused.code, Code::FailedPrecondition);
        call.talk();
    }

    moved.attach(&call.access.local());
    let configure = api::configure(call.context, 1, with(Some(&ingress), Some(&egress)));
    gateway.wait(gateway.iq.configure(configure)).expect("a new address");
    moved.restart(&ingress, &egress, 0);
    std::mem::swap(&mut moved, &mut call.access);
    call.talk_outwards();
    call.talk();
}

/// The refusal of a reservation.
fn refusal(gateway: &Gateway, stream: pb::Stream) -> CallError {
    let reserve = api::reserve("access", vec![stream]);
    gateway.wait(gateway.iq.reserve_and_configure(reserve)).expect_err("a refusal")
}
