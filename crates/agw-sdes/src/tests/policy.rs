//! What may be used, and what never.

use super::fixtures::{KEY_A, KEY_B, RFC_7_1_5_OFFER};
use super::{line, strict};
use crate::{CryptoLines, Mode, Policy, Refusal, StreamRejected};

const CLOSED: Policy = Policy { allow_unencrypted: false, allow_null: false, allow_f8: false };
const OPEN: Policy = Policy { allow_unencrypted: true, allow_null: true, allow_f8: true };

fn with(parameters: &str) -> String {
    line(&format!("inline:{KEY_A} {parameters}")).trim_end().to_owned()
}

#[test]
fn the_default_policy_allows_nothing_unencrypted() {
    assert_eq!(Policy::default(), CLOSED);
}

#[test]
fn harmless_parameters_pass_every_policy() {
    for parameters in ["", "KDR=0", "WSH=64", "FEC_ORDER=FEC_SRTP", "-FOO"] {
        for policy in [CLOSED, OPEN] {
            let attribute = strict(&with(parameters)).unwrap();
            assert_eq!(policy.check(&attribute), Ok(()), "{parameters}");
            attribute.into_egress().unwrap();
        }
    }
}

//= tests/spec/sdes.md#session-parameters
//= type=test
//# UNAUTHENTICATED_SRTP MUST be refused.
//= tests/spec/sdes.md#session-parameters
//= type=test
//# A key derivation rate other than zero MUST be refused by policy.
#[test]
fn what_the_gateway_cannot_do_is_refused_by_every_policy_and_never_installed() {
    for (parameters, refusal) in [
        ("UNAUTHENTICATED_SRTP".to_owned(), Refusal::UnauthenticatedSrtp),
        ("KDR=10".to_owned(), Refusal::KeyDerivationRate),
        ("FEC_ORDER=SRTP_FEC".to_owned(), Refusal::SrtpThenFec),
        (format!("FEC_KEY=inline:{KEY_B}"), Refusal::FecKey),
    ] {
        let text = with(&parameters);
        for policy in [CLOSED, OPEN] {
            assert_eq!(policy.check(&strict(&text).unwrap()), Err(refusal));
        }
        assert_eq!(strict(&text).unwrap().into_ingress().unwrap_err(), refusal);
        assert_eq!(strict(&text).unwrap().into_egress().unwrap_err(), refusal);
    }
    let unsupported = RFC_7_1_5_OFFER[1].replace("F8_128_HMAC_SHA1_80", "SEED_128_CCM_80");
    let unsupported = strict(&unsupported).unwrap();
    assert_eq!(OPEN.check(&unsupported), Err(Refusal::UnsupportedSuite));
    assert_eq!(unsupported.into_ingress().unwrap_err(), Refusal::UnsupportedSuite);
}

//= tests/spec/sdes.md#session-parameters
//= type=test
//# UNENCRYPTED_SRTP and UNENCRYPTED_SRTCP MUST be refused unless policy allows them.
//= tests/spec/srtp.md#suites
//= type=test
//# The NULL cipher MUST be refused unless policy allows it.
//= tests/spec/srtp.md#f8-mode
//= type=test
//# F8_128_HMAC_SHA1_80 MUST be refused unless policy allows it.
#[test]
fn lines_of_weak_or_rare_suites_need_their_own_permission() {
    for (text, refusal, allowing) in [
        (
            with("UNENCRYPTED_SRTP"),
            Refusal::Unencrypted,
            Policy { allow_unencrypted: true, ..CLOSED },
        ),
        (
            with("UNENCRYPTED_SRTCP"),
            Refusal::Unencrypted,
            Policy { allow_unencrypted: true, ..CLOSED },
        ),
        (
            with("").replace("AES_CM_128", "NULL"),
            Refusal::NullSuite,
            Policy { allow_null: true, ..CLOSED },
        ),
        (
            with("").replace("AES_CM_128", "F8_128"),
            Refusal::F8Suite,
            Policy { allow_f8: true, ..CLOSED },
        ),
    ] {
        let attribute = strict(&text).unwrap();
        assert_eq!(CLOSED.check(&attribute), Err(refusal));
        assert_eq!(allowing.check(&attribute), Ok(()));
    }
}

#[test]
fn a_key_of_zeros_is_refused() {
    let zeros = strict(&with("").replace(KEY_A, &"A".repeat(40))).unwrap();
    assert_eq!(OPEN.check(&zeros), Err(Refusal::ZeroKey));
}

//= tests/spec/sdes.md#names-of-suites
//= type=test
//# A line with an unknown suite MUST be skipped.
//= tests/spec/sdes.md#offer-and-answer
//= type=test
//# When no line is acceptable the stream MUST be rejected.
#[test]
fn the_first_acceptable_line_is_chosen() {
    let offer = [
        "a=crypto:9 NULL_HMAC_SHA1_80 inline:WnD7c1ksDGs+dIefCEo8omPg4uO8DYIinNGL5yxQ",
        "a=crypto:8 F8_128_HMAC_SHA1_80 inline:t0r0/apkukU7JjjfR0mY8GEimBq4OiPEm9eKSFOx",
        "a=crypto:7 AES_CM_128_HMAC_SHA1_32 inline:cJOJ7kxQjhFBp2fP6AYjs3vKw7CeBdWZCj0isbJv",
    ];
    let lines = CryptoLines::parse(offer, Mode::Strict).unwrap();
    assert_eq!(lines.choose(&CLOSED).unwrap().tag().get(), 7);
    assert_eq!(lines.choose(&OPEN).unwrap().tag().get(), 9);

    let lines = CryptoLines::parse(offer.into_iter().take(2), Mode::Strict).unwrap();
    let rejected = StreamRejected::NoneAcceptable(Refusal::NullSuite);
    assert_eq!(lines.choose(&CLOSED).unwrap_err(), rejected);
}
