//! The list under one media line.

use super::fixtures::*;
use super::{BOTH_MODES, printed};
use crate::{CryptoLines, CryptoTag, Field, Mode, Rule, StreamRejected};

fn parse(lines: &[&str]) -> Result<CryptoLines, StreamRejected> {
    CryptoLines::parse(lines.iter().copied(), Mode::Strict)
}

//= tests/spec/sdes.md#offer-and-answer
//= type=test
//# An invalid line MUST NOT make the other lines invalid.
#[test]
fn an_invalid_line_leaves_the_others_usable() {
    let broken = RTPENGINE_OFFER[0].replace("inline:c", "inline:");
    let lines = parse(&[&broken, RTPENGINE_OFFER[1], "a=crypto:x", RTPENGINE_OFFER[3]]).unwrap();
    let rules: Vec<_> = lines.results().iter().map(|r| r.as_ref().err().map(|e| e.rule)).collect();
    assert_eq!(rules, [Some(Rule::Base64), None, Some(Rule::TagForm), None]);
    assert_eq!(lines.attributes().map(|line| line.tag().get()).collect::<Vec<_>>(), [2, 4]);
}

//= tests/spec/sdes.md#offer-and-answer
//= type=test
//# When no line is acceptable the stream MUST be rejected.
#[test]
fn a_stream_without_any_valid_line_is_rejected() {
    assert_eq!(parse(&[]).unwrap_err(), StreamRejected::NoLine);
    let rejected = parse(&["a=crypto:x", "a=crypto:1"]).unwrap_err();
    let StreamRejected::NoneValid(first) = rejected else { panic!("{rejected:?}") };
    assert_eq!((first.field, first.rule), (Field::Tag, Rule::TagForm));
}

//= tests/spec/sdes.md#grammar
//= type=test
//# A tag MUST stand only once in a media description.
#[test]
fn a_tag_twice_rejects_the_stream() {
    let rejected = StreamRejected::DuplicateTag(CryptoTag::new(1).unwrap());
    for mode in BOTH_MODES {
        let error = CryptoLines::parse(PJSUA_DUPLICATE_TAG, mode).unwrap_err();
        assert_eq!(error, rejected);
    }
    let unsupported = RFC_7_1_5_OFFER[1].replace("crypto:2", "crypto:1");
    assert_eq!(parse(&[RFC_7_1_5_OFFER[0], &unsupported]).unwrap_err(), rejected);
}

#[test]
fn an_invalid_line_does_not_occupy_its_tag() {
    assert!(parse(&["a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x", PJSUA_LOWER_CASE]).is_ok());
}

//= tests/spec/sdes.md#keys
//= type=test
//# A master key MUST stand only once in a session description.
#[test]
fn a_line_that_repeats_a_key_is_invalid_and_the_earlier_one_is_not() {
    let again = RTPENGINE_OFFER[0].replace("crypto:1", "crypto:7").replace("_80", "_32");
    let lines = parse(&[RTPENGINE_OFFER[0], &again]).unwrap();
    let [Ok(first), Err(second)] = lines.results() else { panic!("{lines:?}") };
    assert_eq!(first.tag().get(), 1);
    assert_eq!((second.field, second.rule), (Field::KeyInfo, Rule::KeyRepeated));

    let as_fec_key =
        format!("a=crypto:8 AES_CM_128_HMAC_SHA1_80 inline:{KEY_A} FEC_KEY=inline:{KEY_C}");
    let lines = parse(&[RTPENGINE_OFFER[0], &as_fec_key]).unwrap();
    assert!(lines.results()[1].is_err());
}

//= tests/spec/sdes.md#keys
//= type=test
//# A master key MUST stand only once in a session description.
#[test]
fn keys_are_compared_between_media_lines() {
    let audio = parse(&RTPENGINE_OFFER).unwrap();
    let video = parse(&TELEKOM_OFFER).unwrap();
    assert!(!audio.shares_key_with(&video));
    let copied = RTPENGINE_OFFER[2].replace("crypto:3", "crypto:1").replace("_80", "_32");
    let video = parse(&[&copied, TELEKOM_OFFER[1]]).unwrap();
    assert!(audio.shares_key_with(&video));
    assert!(video.shares_key_with(&audio));
}

#[test]
fn the_same_key_with_another_salt_is_the_same_key() {
    let other_salt = RTPENGINE_OFFER[0].replace("isbJv", "AAAAA");
    let lines = [&[RTPENGINE_OFFER[0]], &[other_salt.as_str()]].map(|one| parse(one).unwrap());
    assert!(lines[0].shares_key_with(&lines[1]));
}

#[test]
fn a_line_is_found_and_taken_by_its_tag() {
    let lines = parse(&RTPENGINE_OFFER).unwrap();
    let tag = CryptoTag::new(3).unwrap();
    assert_eq!(printed(lines.find(tag).unwrap()), RTPENGINE_OFFER[2]);
    assert!(lines.find(CryptoTag::new(9).unwrap()).is_none());
    assert_eq!(printed(&lines.into_chosen(tag).unwrap()), RTPENGINE_OFFER[2]);
}

#[test]
fn a_media_line_has_at_most_64_crypto_lines() {
    let error = CryptoLines::parse(["a=crypto:x"; 65], Mode::Strict).unwrap_err();
    assert_eq!(error, StreamRejected::TooManyLines { limit: 64 });
}
