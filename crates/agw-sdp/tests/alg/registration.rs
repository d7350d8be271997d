//! Registrations with `mediasec`, and what they allow in calls.

use std::time::{Duration, Instant};

use agw_sdp::mediasec::{
    Access, CapabilityStore, Header, MediaMechanism, Registering, strip_mediasec,
};
use agw_sdp::{AlgPolicy, OfferedSrtp, Protection};

const UE: &str = "sip:alice@example.net;instance=1";
const TLS: Access<'_> = Access {
    mechanisms: &[MediaMechanism::MsrpTls, MediaMechanism::SdesSrtp],
    protected_signalling: true,
};

fn headers(fields: &[(&str, &str)]) -> Vec<Header> {
    fields.iter().map(|(name, value)| Header::new(name, value)).collect()
}

#[expect(clippy::disallowed_methods, reason = "an Instant cannot be made from a number")]
fn now() -> Instant {
    Instant::now()
}

fn told() -> Vec<String> {
    vec!["msrp-tls;mediasec".to_owned(), "sdes-srtp;mediasec".to_owned()]
}

/// The registration of linphone-desktop issue 362, which is that of Deutsche Telekom's IMS.
fn register(store: &mut CapabilityStore, access: &Access<'_>, until: Instant) {
    let first = headers(&[
        ("Security-Client", "sdes-srtp;mediasec"),
        ("Proxy-Require", "mediasec"),
        ("Require", "mediasec"),
    ]);
    let goes_on = Registering::GoesOn { security_server: told() };
    assert_eq!(store.on_register(UE, &first, access), Ok(goes_on.clone()));
    let second = headers(&[
        ("security-client", "sdes-srtp;mediasec"),
        ("Security-Verify", "msrp-tls;mediasec"),
        ("Security-Verify", "sdes-srtp;mediasec"),
    ]);
    assert_eq!(store.on_register(UE, &second, access), Ok(goes_on));
    store.on_registered(UE, access, until);
}

//= tests/spec/sdp.md#registration
//= type=test
//# Only what both sides have told each other MUST be used.
#[test]
fn e2ae_is_for_a_ue_that_asked_was_told_and_said_so() {
    let (now, mut store) = (now(), CapabilityStore::new(10));
    let until = now + Duration::from_secs(600);
    let policy = AlgPolicy::default();
    let is_e2ae = |store: &CapabilityStore, now| {
        let side = store.side(UE, None, &policy, now);
        side.protection == Protection::Secured
            && side.offered_srtp == OfferedSrtp::TerminateOnRequest
            && side.indicates_e2ae
    };
    assert!(!is_e2ae(&store, now));
    let client = headers(&[("Security-Client", "sdes-srtp;mediasec")]);
    store.on_register(UE, &client, &TLS).unwrap();
    store.on_registered(UE, &TLS, until);
    assert!(!is_e2ae(&store, now), "it was not told");
    register(&mut store, &TLS, until);
    assert!(is_e2ae(&store, now));
    assert!(store.allows(UE, MediaMechanism::SdesSrtp, now));
    assert!(!store.allows(UE, MediaMechanism::MsrpTls, now), "it did not ask for it");
    assert!(!is_e2ae(&store, until), "its registration has run out");
    store.expire(until);
    assert!(store.is_empty());
    register(&mut store, &TLS, until);
    store.on_register(UE, &[], &TLS).unwrap();
    store.on_registered(UE, &TLS, until);
    assert!(!is_e2ae(&store, now), "it registered anew without");
    register(&mut store, &TLS, until);
    store.on_deregistered(UE);
    assert!(!is_e2ae(&store, now));
}

//= tests/spec/sdp.md#signalling
//= type=test
//# Keys MUST NOT be exchanged over unprotected signalling unless it is configured.
#[test]
fn a_ue_that_registered_in_clear_is_protected_only_if_that_is_configured() {
    let (now, mut store) = (now(), CapabilityStore::new(10));
    register(
        &mut store,
        &Access { protected_signalling: false, ..TLS },
        now + Duration::from_secs(1),
    );
    let mut policy = AlgPolicy::default();
    assert_eq!(store.side(UE, None, &policy, now).protection, Protection::Plain);
    policy.allow_unprotected_signalling = true;
    assert_eq!(store.side(UE, None, &policy, now).protection, Protection::Secured);
}

//= tests/spec/sdp.md#registration
//= type=test
//# A Security-Verify that is not what the edge told MUST be answered with 494.
#[test]
fn a_ue_that_was_told_something_else_is_answered_with_494() {
    let mut store = CapabilityStore::new(10);
    let disagrees = Registering::Disagrees { security_server: told() };
    for verify in ["msrp-tls;mediasec", "dtls-srtp;mediasec, sdes-srtp;mediasec"] {
        let fields =
            headers(&[("Security-Client", "sdes-srtp;mediasec"), ("Security-Verify", verify)]);
        assert_eq!(store.on_register(UE, &fields, &TLS), Ok(disagrees.clone()), "{verify}");
    }
    assert!(store.is_empty());
    let broken = headers(&[("Security-Client", "sdes-srtp;;mediasec")]);
    assert!(store.on_register(UE, &broken, &TLS).is_err());
}

#[test]
fn a_full_store_serves_others_as_if_they_had_not_asked() {
    let (now, mut store) = (now(), CapabilityStore::new(0));
    register(&mut store, &TLS, now + Duration::from_secs(1));
    assert!(store.is_empty() && !store.allows(UE, MediaMechanism::SdesSrtp, now));
}

//= tests/spec/sdp.md#registration
//= type=test
//# What the edge and the UE tell each other of media security MUST NOT reach the core.
#[test]
fn only_what_protects_signalling_goes_on() {
    let mut fields = headers(&[
        ("Security-Client", "ipsec-3gpp;alg=hmac-sha-1-96, sdes-srtp;mediasec"),
        ("Security-Verify", "sdes-srtp;mediasec"),
        ("Security-Verify", "broken;\""),
        ("Require", "sec-agree, MediaSec"),
        ("Proxy-Require", "mediasec"),
        ("Supported", "mediasec"),
    ]);
    strip_mediasec(&mut fields);
    let expected = headers(&[
        ("Security-Client", "ipsec-3gpp;alg=hmac-sha-1-96"),
        ("Require", "sec-agree"),
        ("Supported", "mediasec"),
    ]);
    assert_eq!(fields, expected);
}
