//! Offer against answer.

use agw_srtp::{Mki, Suite};

use super::fixtures::{KEY_A, KEY_B, KEY_C};
use super::{printed, strict};
use crate::{AnswerError, CryptoLines, CryptoTag, InlineKey, Mode, Negotiated, Rule, SdesError};

const SUITE: &str = "AES_CM_128_HMAC_SHA1_80";

fn lines(text: &[String]) -> CryptoLines {
    CryptoLines::parse(text.iter().map(String::as_str), Mode::Strict).unwrap()
}

/// Offered under the tags 1 and 2; both lines have `parameters`.
fn offer(parameters: &str) -> CryptoLines {
    lines(&[
        format!("a=crypto:1 {SUITE} inline:{KEY_A} {parameters}").trim_end().to_owned(),
        format!("a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:{KEY_B} {parameters}")
            .trim_end()
            .to_owned(),
    ])
}

fn key(suite: Suite, octet: u8) -> InlineKey {
    InlineKey::generate(suite, &mut |octets: &mut [u8]| octets.fill(octet)).unwrap()
}

fn tag(number: u32) -> CryptoTag {
    CryptoTag::new(number).unwrap()
}

//= tests/spec/sdes.md#offer-and-answer
//= type=test
//# An answer MUST carry tag and suite of one offered line.
//= tests/spec/sdes.md#offer-and-answer
//= type=test
//# An answer MUST repeat the negotiated session parameters of the offered line.
#[test]
fn an_answer_has_the_tag_the_suite_and_the_negotiated_parameters_of_the_offer() {
    let offer = offer("UNENCRYPTED_SRTCP WSH=256 UNENCRYPTED_SRTP FEC_ORDER=FEC_SRTP");
    let fresh = key(Suite::AesCm128HmacSha1_32, 7)
        .with_lifetime(1 << 20)
        .unwrap()
        .with_mki(Mki::new(&[0, 9]).unwrap());
    let answer = offer.answer(tag(2), fresh).unwrap();
    // 30 octets of value 7, encoded with Python's `base64` module.
    let expected = "a=crypto:2 AES_CM_128_HMAC_SHA1_32 \
        inline:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH|2^20|9:2 UNENCRYPTED_SRTP UNENCRYPTED_SRTCP";
    assert_eq!(printed(&answer), expected);
    let parsed = lines(&[expected.to_owned()]);
    assert_eq!(offer.verify_answer(&parsed).unwrap().tag(), tag(2));
}

//= tests/spec/sdes.md#keys
//= type=test
//# The key of an answer MUST differ from the key of the offer.
#[test]
fn an_answer_is_not_made_with_a_key_of_the_offer() {
    let offer = offer("");
    let reflected = |text: &str| {
        let mut octets = Vec::new();
        let line = strict(&format!("a=crypto:1 {SUITE} inline:{text}")).unwrap();
        line.keys()[0].master().expose(|key| octets.extend_from_slice(key));
        let mut fill = |to: &mut [u8]| to.copy_from_slice(&octets);
        InlineKey::generate(Suite::AesCm128HmacSha1_80, &mut fill).unwrap()
    };
    // The key of the answered line, and that of another one.
    for text in [KEY_A, KEY_B] {
        let error = offer.answer(tag(1), reflected(text)).unwrap_err();
        assert_eq!(error, AnswerError::KeyReflected);
    }
    assert!(offer.answer(tag(1), reflected(KEY_C)).is_ok());
}

#[test]
fn an_answer_is_not_made_for_another_tag_or_suite() {
    let offer = offer("");
    let suite = Suite::AesCm128HmacSha1_80;
    let error = offer.answer(tag(3), key(suite, 1)).unwrap_err();
    assert_eq!(error, AnswerError::TagNotOffered(tag(3)));
    let error = offer.answer(tag(2), key(suite, 1)).unwrap_err();
    assert_eq!(error, AnswerError::SuiteChanged(tag(2)));
    let unsupported = strict("a=crypto:4 SEED_128_CCM_80 inline:x").unwrap();
    let error = unsupported.answer(key(suite, 1)).unwrap_err();
    assert_eq!(error, AnswerError::UnsupportedSuite(tag(4)));
}

//= tests/spec/sdes.md#keys
//= type=test
//# The key of an answer MUST differ from the key of the offer.
//= tests/spec/sdes.md#offer-and-answer
//= type=test
//# An answer MUST carry tag and suite of one offered line.
#[test]
fn an_answer_is_verified_line_by_line() {
    let offer = offer("");
    for (text, expected) in [
        (format!("a=crypto:1 {SUITE} inline:{KEY_C}"), None),
        (format!("a=crypto:1 {SUITE} inline:{KEY_C} WSH=64 FEC_ORDER=FEC_SRTP"), None),
        (format!("a=crypto:3 {SUITE} inline:{KEY_C}"), Some(AnswerError::TagNotOffered(tag(3)))),
        (format!("a=crypto:2 {SUITE} inline:{KEY_C}"), Some(AnswerError::SuiteChanged(tag(2)))),
        (format!("a=crypto:1 {SUITE} inline:{KEY_A}"), Some(AnswerError::KeyReflected)),
        (format!("a=crypto:1 {SUITE} inline:{KEY_B}"), Some(AnswerError::KeyReflected)),
        (
            format!("a=crypto:1 {SUITE} inline:{KEY_C}|1:1;inline:{KEY_A}|2:1"),
            Some(AnswerError::KeyReflected),
        ),
        (format!("a=crypto:1 F8_80 inline:{KEY_C}"), Some(AnswerError::SuiteChanged(tag(1)))),
    ] {
        assert_eq!(offer.verify_answer(&lines(&[text])).err(), expected);
    }
}

//= tests/spec/sdes.md#offer-and-answer
//= type=test
//# An answer MUST repeat the negotiated session parameters of the offered line.
#[test]
fn negotiated_parameters_are_repeated_and_not_added() {
    for negotiated in Negotiated::ALL {
        let name = negotiated.name();
        let bare = lines(&[format!("a=crypto:1 {SUITE} inline:{KEY_C}")]);
        let with = lines(&[format!("a=crypto:1 {SUITE} inline:{KEY_C} {name}")]);
        let error = offer(name).verify_answer(&bare).unwrap_err();
        assert_eq!(error, AnswerError::NotRepeated(negotiated));
        let error = offer("").verify_answer(&with).unwrap_err();
        assert_eq!(error, AnswerError::Added(negotiated));
        assert!(offer(name).verify_answer(&with).is_ok());
        assert!(offer("").verify_answer(&bare).is_ok());
    }
}

#[test]
fn an_answer_has_one_valid_line() {
    let offer = offer("");
    let two = [
        format!("a=crypto:1 {SUITE} inline:{KEY_C}"),
        format!("a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:{KEY_B}"),
    ];
    let error = offer.verify_answer(&lines(&two)).unwrap_err();
    assert_eq!(error, AnswerError::NotOneLine { found: 2 });
    let broken = [two[0].clone(), "a=crypto:2".to_owned()];
    let error = offer.verify_answer(&lines(&broken)).unwrap_err();
    assert_eq!(error, AnswerError::NotOneLine { found: 2 });
}

#[test]
fn an_unsupported_suite_that_was_offered_cannot_be_accepted() {
    let text = [format!("a=crypto:1 SEED_128_CCM_80 inline:{KEY_A}")];
    let error = lines(&text).verify_answer(&lines(&text)).unwrap_err();
    assert_eq!(error, AnswerError::UnsupportedSuite(tag(1)));
}

#[test]
fn errors_say_which_parameter_and_which_clause() {
    let text = AnswerError::NotRepeated(Negotiated::UnencryptedSrtcp).to_string();
    assert_eq!(text, "the answer does not repeat UNENCRYPTED_SRTCP (RFC 4568 §6.3)");
    let SdesError { field, rule } = strict("a=crypto:1").unwrap_err();
    assert_eq!((field.name(), rule), ("suite", Rule::Missing));
}
