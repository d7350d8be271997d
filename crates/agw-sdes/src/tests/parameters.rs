//! Session parameters.

use super::fixtures::{KEY_A, KEY_B, KEY_C};
use super::{BOTH_MODES, line, printed, strict, tolerant};
use crate::{CryptoAttribute, FecOrder, Field, Rule, SessionParameter};

fn with(parameters: &str) -> String {
    line(&format!("inline:{KEY_A} {parameters}"))
}

fn refused(parameters: &str) -> Rule {
    let rules = BOTH_MODES.map(|mode| {
        let error = CryptoAttribute::parse(&with(parameters), mode).unwrap_err();
        assert_eq!(error.field, Field::SessionParameter, "{parameters}");
        error.rule
    });
    assert_eq!(rules[0], rules[1], "{parameters}");
    rules[0]
}

#[test]
fn every_parameter_is_read_and_printed() {
    let all = format!(
        "KDR=24 UNENCRYPTED_SRTP UNENCRYPTED_SRTCP UNAUTHENTICATED_SRTP FEC_ORDER=SRTP_FEC \
         FEC_KEY=inline:{KEY_B}|2^20|1:4;inline:{KEY_C}|2:4 WSH=512"
    );
    let attribute = strict(&with(&all)).unwrap();
    assert_eq!(printed(&attribute), with(&all));
    let [kdr, srtp, srtcp, tags, order, fec, window] = attribute.parameters() else {
        panic!("seven parameters")
    };
    assert!(matches!(kdr, SessionParameter::KeyDerivationRate(24)));
    assert!(matches!(srtp, SessionParameter::UnencryptedSrtp));
    assert!(matches!(srtcp, SessionParameter::UnencryptedSrtcp));
    assert!(matches!(tags, SessionParameter::UnauthenticatedSrtp));
    assert!(matches!(order, SessionParameter::FecOrder(FecOrder::SrtpFec)));
    assert!(matches!(fec, SessionParameter::FecKey(keys) if keys.len() == 2));
    assert!(matches!(window, SessionParameter::WindowSizeHint(512)));
}

//= tests/spec/sdes.md#session-parameters
//= type=test
//# An unknown session parameter MUST make the line invalid.
//= tests/spec/sdes.md#session-parameters
//= type=test
//# An unknown session parameter that starts with a hyphen MUST be ignored.
#[test]
fn an_unknown_parameter_makes_the_line_invalid_unless_it_may_be_ignored() {
    for unknown in [
        "FOO",
        "FOO=1",
        "UNENCRYPTED_SRTP=1",
        "KDR",
        "WSH",
        "FEC_ORDER",
        "FEC_KEY",
        "=",
        "UNENCRYPTED",
    ] {
        assert_eq!(refused(unknown), Rule::UnknownParameter, "{unknown}");
    }
    let attribute = strict(&with("-FOO -FOO=inline:x UNENCRYPTED_SRTP -KDR=99 -")).unwrap();
    assert_eq!(printed(&attribute), with("UNENCRYPTED_SRTP"));
}

#[test]
fn a_key_derivation_rate_is_1_to_24_and_0_means_none() {
    assert!(strict(&with("KDR=0")).unwrap().parameters().is_empty());
    for exponent in 1..=24 {
        let text = with(&format!("KDR={exponent}"));
        assert_eq!(printed(&strict(&text).unwrap()), text);
    }
    for value in ["25", "256", "999", "01", "00", "-1", "", "x", "1.0", "99999999999"] {
        assert_eq!(refused(&format!("KDR={value}")), Rule::KeyDerivationRate, "{value}");
    }
}

//= tests/spec/sdes.md#session-parameters
//= type=test
//# In strict mode a window size hint below 64 MUST make the line invalid.
#[test]
fn a_window_hint_is_at_least_64_and_raised_to_it_when_tolerant() {
    for value in ["64", "65", "128", "999999999"] {
        let text = with(&format!("WSH={value}"));
        assert_eq!(printed(&strict(&text).unwrap()), text);
    }
    for value in ["0", "1", "63"] {
        let text = with(&format!("WSH={value}"));
        assert_eq!(strict(&text).unwrap_err().rule, Rule::WindowSizeHint);
        assert_eq!(printed(&tolerant(&text).unwrap()), with("WSH=64"));
    }
    for value in ["", "064", "-64", "many", "9999999999"] {
        assert_eq!(refused(&format!("WSH={value}")), Rule::WindowSizeHint, "{value}");
    }
}

#[test]
fn the_engine_gets_a_window_between_64_and_4096() {
    for (parameters, window) in
        [("", 128), ("WSH=64", 64), ("WSH=300", 300), ("WSH=4096", 4096), ("WSH=999999999", 4096)]
    {
        let (_, session) = strict(with(parameters).trim_end()).unwrap().into_ingress().unwrap();
        assert_eq!(session.window, window, "{parameters}");
    }
}

#[test]
fn the_engine_is_told_what_is_unencrypted() {
    for (parameters, srtp, srtcp) in [
        ("FEC_ORDER=FEC_SRTP", false, false),
        ("UNENCRYPTED_SRTP", true, false),
        ("UNENCRYPTED_SRTCP", false, true),
        ("UNENCRYPTED_SRTCP UNENCRYPTED_SRTP", true, true),
    ] {
        let (_, session) = strict(&with(parameters)).unwrap().into_egress().unwrap();
        assert_eq!((session.unencrypted_srtp, session.unencrypted_srtcp), (srtp, srtcp));
    }
}

#[test]
fn fec_order_has_two_values() {
    for value in ["", "FEC", "SRTP", "FEC_SRTP_FEC"] {
        assert_eq!(refused(&format!("FEC_ORDER={value}")), Rule::FecOrder, "{value}");
    }
}

#[test]
fn fec_keys_keep_the_rules_of_keys() {
    for (value, rule) in [
        ("inline:QUJD".to_owned(), Rule::KeyLength { expected: 30 }),
        (format!("uri:{KEY_B}"), Rule::KeyMethod),
        (KEY_B.to_owned(), Rule::Missing),
        (format!("inline:{KEY_B};inline:{KEY_C}"), Rule::MkiMissing),
        (format!("inline:{KEY_B}|0"), Rule::LifetimeForm),
    ] {
        assert_eq!(refused(&format!("FEC_KEY={value}")), rule);
    }
    let error = strict(&with(&format!("FEC_KEY=inline:{KEY_A}"))).unwrap_err();
    assert_eq!((error.field, error.rule), (Field::KeyInfo, Rule::KeyRepeated));
}

#[test]
fn a_parameter_occurs_once() {
    for repeated in [
        "KDR=1 KDR=1",
        "KDR=0 KDR=1",
        "UNENCRYPTED_SRTP unencrypted_srtp",
        "WSH=64 UNENCRYPTED_SRTCP WSH=65",
        "FEC_ORDER=FEC_SRTP FEC_ORDER=SRTP_FEC",
    ] {
        assert_eq!(refused(repeated), Rule::RepeatedParameter, "{repeated}");
    }
}
