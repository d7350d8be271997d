//! Registrations with `mediasec`, and what they allow in calls.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use agw_sdp::mediasec::{
    Access, CapabilityStore, Header, MechanismError, MediaMechanism, Registering, strip_mediasec,
};
use agw_sdp::{AlgPolicy, OfferedSrtp, Protection};

const UE: &&str = &"sip:alice@example.net;instance=1";
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
fn register(
    store: &mut CapabilityStore<&'static str>,
    ue: &&'static str,
    access: &Access<'_>,
    until: Instant,
    now: Instant,
) {
    let first = headers(&[
        ("Security-Client", "sdes-srtp;mediasec"),
        ("Proxy-Require", "mediasec"),
        ("Require", "mediasec"),
    ]);
    let goes_on = Registering::GoesOn { security_server: told() };
    assert_eq!(store.on_register(ue, &first, access, now), Ok(goes_on.clone()));
    let second = headers(&[
        ("security-client", "sdes-srtp;mediasec"),
        ("Security-Verify", "msrp-tls;mediasec"),
        ("Security-Verify", "sdes-srtp;mediasec"),
    ]);
    assert_eq!(store.on_register(ue, &second, access, now), Ok(goes_on));
    store.on_registered(ue, until, now);
}

//= tests/spec/sdp.md#registration
//= type=test
//# Only what both sides have told each other MUST be used.
#[test]
fn e2ae_is_for_a_ue_that_asked_was_told_and_said_so() {
    let (now, mut store) = (now(), CapabilityStore::new(10, 10));
    let until = now + Duration::from_secs(600);
    let policy = AlgPolicy::default();
    let is_e2ae = |store: &CapabilityStore<&str>, now| {
        let side = store.side(UE, None, &policy, now);
        side.protection == Protection::Secured
            && side.offered_srtp == OfferedSrtp::TerminateOnRequest
            && side.indicates_e2ae
    };
    assert!(!is_e2ae(&store, now));
    let client = headers(&[("Security-Client", "sdes-srtp;mediasec")]);
    store.on_register(UE, &client, &TLS, now).unwrap();
    store.on_registered(UE, until, now);
    assert!(!is_e2ae(&store, now), "it was not told");
    register(&mut store, UE, &TLS, until, now);
    assert!(is_e2ae(&store, now));
    assert!(store.allows(UE, MediaMechanism::SdesSrtp, now));
    assert!(!store.allows(UE, MediaMechanism::MsrpTls, now), "it did not ask for it");
    assert!(!is_e2ae(&store, until), "its registration has run out");
    store.expire(until);
    assert!(store.is_empty());
    register(&mut store, UE, &TLS, until, now);
    store.on_register(UE, &[], &TLS, now).unwrap();
    store.on_registered(UE, until, now);
    assert!(!is_e2ae(&store, now), "it registered anew without");
    register(&mut store, UE, &TLS, until, now);
    store.on_deregistered(UE);
    assert!(!is_e2ae(&store, now));
}

//= tests/spec/sdp.md#signalling
//= type=test
//# Keys MUST NOT be exchanged over unprotected signalling unless it is configured.
#[test]
fn a_ue_that_registered_in_clear_is_protected_only_if_that_is_configured() {
    let (now, mut store) = (now(), CapabilityStore::new(10, 10));
    let clear = Access { protected_signalling: false, ..TLS };
    register(&mut store, UE, &clear, now + Duration::from_secs(1), now);
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
    let (now, mut store) = (now(), CapabilityStore::new(10, 10));
    let disagrees = Registering::Disagrees { security_server: told() };
    for verify in ["msrp-tls;mediasec", "dtls-srtp;mediasec, sdes-srtp;mediasec"] {
        let fields =
            headers(&[("Security-Client", "sdes-srtp;mediasec"), ("Security-Verify", verify)]);
        assert_eq!(store.on_register(UE, &fields, &TLS, now), Ok(disagrees.clone()), "{verify}");
    }
    assert_eq!((store.len(), store.unfinished()), (0, 0));
    let broken = headers(&[("Security-Client", "sdes-srtp;;mediasec")]);
    assert!(store.on_register(UE, &broken, &TLS, now).is_err());
}

#[test]
fn a_full_store_serves_others_as_if_they_had_not_asked_and_those_it_knows_as_before() {
    let (now, mut store) = (now(), CapabilityStore::new(1, 10));
    let until = now + Duration::from_secs(600);
    register(&mut store, UE, &TLS, until, now);
    let client = headers(&[("Security-Client", "sdes-srtp;mediasec")]);
    let untold = Registering::GoesOn { security_server: Vec::new() };
    assert_eq!(store.on_register(&"sip:bob@example.net", &client, &TLS, now), Ok(untold));
    assert_eq!((store.len(), store.unfinished()), (1, 0));
    register(&mut store, UE, &TLS, until, now);
    assert!(store.allows(UE, MediaMechanism::SdesSrtp, now));
    register(&mut store, &"sip:bob@example.net", &TLS, until + UNFINISHED, until);
    assert_eq!(store.len(), 1, "the first one has run out");
}

/// TS 24.229, timer `reg-await-auth`.
const UNFINISHED: Duration = Duration::from_secs(240);

const NAMES: [&str; 6] = ["one", "two", "three", "four", "five", "six"];

//= tests/spec/sdp.md#registration
//= type=test
//# Registrations that are not completed MUST NOT take unbounded memory.
#[test]
fn registrations_that_nobody_completes_are_few_and_short() {
    let (start, mut store) = (now(), CapabilityStore::new(10, 3));
    register(&mut store, UE, &TLS, start + 2 * UNFINISHED, start);
    let client = headers(&[("Security-Client", "sdes-srtp;mediasec")]);
    for (name, second) in NAMES.iter().zip(1..) {
        let at = start + Duration::from_secs(second);
        store.on_register(name, &client, &TLS, at).unwrap();
    }
    assert_eq!((store.len(), store.unfinished()), (1, 3));
    let answers = headers(&[("Security-Verify", "msrp-tls;mediasec, sdes-srtp;mediasec")]);
    for (name, is_kept) in NAMES.iter().zip([false, false, false, true, true, true]) {
        let mut store = CapabilityStore::new(10, 3);
        for (name, second) in NAMES.iter().zip(1..) {
            let at = start + Duration::from_secs(second);
            store.on_register(name, &client, &TLS, at).unwrap();
        }
        // One that only verifies, as after 494, was remembered or it was not.
        let at = start + Duration::from_secs(10);
        store.on_register(name, &answers, &TLS, at).unwrap();
        store.on_registered(name, start + UNFINISHED, at);
        assert_eq!(store.len(), usize::from(is_kept), "{name}");
    }
    for second in 0..100 {
        store.on_register(&"one", &client, &TLS, start + Duration::from_secs(second)).unwrap();
        assert!(store.unfinished() <= 3, "one of each UE");
    }
    store.expire(start + Duration::from_secs(99) + UNFINISHED);
    assert_eq!((store.len(), store.unfinished()), (1, 0));
    assert!(store.allows(UE, MediaMechanism::SdesSrtp, start + UNFINISHED));
}

#[test]
fn a_ue_that_is_registered_keeps_what_was_agreed_until_its_next_registration_is_accepted() {
    let (now, mut store) = (now(), CapabilityStore::new(10, 1));
    let until = now + Duration::from_secs(600);
    let later = until + Duration::from_secs(600);
    register(&mut store, UE, &TLS, until, now);
    // A flood of strangers leaves no room.
    store.set_limits(10, 0);
    let client = headers(&[("Security-Client", "sdes-srtp;mediasec")]);
    store.on_register(UE, &client, &TLS, now).unwrap();
    assert!(store.allows(UE, MediaMechanism::SdesSrtp, now), "it is challenged");
    let verify = headers(&[("Security-Verify", "msrp-tls;mediasec, sdes-srtp;mediasec")]);
    store.on_register(UE, &verify, &TLS, now).unwrap();
    store.on_registered(UE, later, now);
    store.on_registered(UE, later, now);
    assert!(store.allows(UE, MediaMechanism::SdesSrtp, until), "it has refreshed");
    store.on_register(UE, &[], &TLS, until).unwrap();
    assert!(store.allows(UE, MediaMechanism::SdesSrtp, until), "that was not accepted");
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

//= tests/spec/sdp.md#registration
//= type=test
//# A message that lists more mechanisms than any registration does, in all its fields together,
//# MUST be refused.
#[test]
fn a_message_lists_so_many_mechanisms_in_all_its_fields_together() {
    let many = |count: usize| vec!["tls"; count].join(", ");
    let mut fields = headers(&[("Security-Client", &many(32)), ("Security-Verify", &many(32))]);
    let mut store = CapabilityStore::new(10, 10);
    let goes_on = Registering::GoesOn { security_server: Vec::new() };
    assert_eq!(store.on_register(UE, &fields, &TLS, now()), Ok(goes_on));
    fields.push(Header::new("security-client", "tls"));
    let refused = Err(MechanismError::TooMany { limit: 64 });
    assert_eq!(store.on_register(UE, &fields, &TLS, now()), refused);
    strip_mediasec(&mut fields);
    assert_eq!(fields.len(), 2, "what was not read does not go on");
}

/// A field as anybody may write it: known names and mechanisms in any order, and what is none.
fn field() -> impl Strategy<Value = Header> {
    let name = prop::sample::select(vec![
        "Security-Client",
        "security-verify",
        "Security-Server ",
        "REQUIRE",
        "Proxy-Require",
        "Via",
    ]);
    let part = prop::sample::select(vec![
        "sdes-srtp;mediasec",
        "SDES-SRTP ; MediaSec",
        "msrp-tls;mediasec;q=0.1",
        "ipsec-3gpp;alg=hmac-sha-1-96;spi-c=1",
        "tls",
        "mediasec",
        "sec-agree",
        "\"",
        "a;\"b,c\"",
        "ä",
        "",
    ]);
    let value = prop::collection::vec(part, 0..5).prop_map(|parts| parts.join(", "));
    (name, value).prop_map(|(name, value)| Header::new(name, &value))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    //= tests/spec/sdp.md#registration
    //= type=test
    //# What the edge and the UE tell each other of media security MUST NOT reach the core.
    //= tests/spec/sdp.md#registration
    //= type=test
    //# Only what both sides have told each other MUST be used.
    #[test]
    fn whatever_a_stranger_sends_the_store_is_bounded_and_nothing_of_it_reaches_the_core(
        requests in prop::collection::vec(
            (0..4_usize, prop::collection::vec(field(), 0..4), any::<bool>()),
            1..24,
        ),
    ) {
        let (start, mut store) = (now(), CapabilityStore::new(2, 2));
        for ((ue, fields, is_accepted), second) in requests.into_iter().zip(0..) {
            let at = start + Duration::from_secs(second);
            let taken = store.on_register(&NAMES[ue], &fields, &TLS, at);
            if is_accepted {
                store.on_registered(&NAMES[ue], at + Duration::from_secs(3), at);
            }
            prop_assert!(store.len() <= 2 && store.unfinished() <= 2);
            for name in NAMES {
                // It was told of MSRP and SRTP, and of nothing else.
                prop_assert!(!store.allows(&name, MediaMechanism::DtlsSrtp, at));
            }
            let mut left = fields;
            strip_mediasec(&mut left);
            let is_security = |field: &&Header| {
                field.name.to_ascii_lowercase().starts_with("security-")
            };
            let of_media = |field: &Header| field.value.to_ascii_lowercase().contains(";mediasec");
            prop_assert!(!left.iter().filter(is_security).any(of_media), "{taken:?} {left:?}");
            let requires = left.iter().filter(|field| {
                field.name.to_ascii_lowercase().ends_with("require")
            });
            let mut tags = requires.flat_map(|field| field.value.split(','));
            prop_assert!(!tags.any(|tag| tag.trim() == "mediasec"));
        }
    }
}
