//! Lines of the standards and of products read as their authors meant them.

use agw_srtp::Suite;

use super::fixtures::*;
use super::{BOTH_MODES, printed, strict, tolerant};
use crate::{
    CryptoAttribute, CryptoLines, FecOrder, Field, Mode, Rule, SessionParameter, SuiteName,
};

fn hex(attribute: &CryptoAttribute) -> String {
    let octets = |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02x}")).collect();
    attribute.keys()[0].master().expose(octets)
}

#[test]
fn the_rfc_key_examples_decode_to_their_octets() {
    let first = strict(RFC_6_1_FIRST).unwrap();
    assert_eq!(hex(&first), RFC_6_1_FIRST_OCTETS);
    assert_eq!(first.keys()[0].lifetime(), Some(1_048_576));
    assert_eq!(first.keys()[0].mki().unwrap().as_slice(), [0, 0, 0, 1]);

    let second = strict(RFC_6_1_SECOND).unwrap();
    assert_eq!(second.keys()[0].lifetime(), None);
    assert_eq!(second.keys()[0].mki().unwrap().as_slice(), [0, 0, 4, 42]);
}

#[test]
fn the_rfc_session_description_has_mkis_of_32_octets() {
    for line in RFC_4_5 {
        let attribute = strict(line).unwrap();
        let mki = attribute.keys()[0].mki().unwrap();
        assert_eq!(mki.as_slice().len(), 32);
        assert_eq!(mki.as_slice()[31], 1);
        assert_eq!(printed(&attribute), line);
    }
}

#[test]
fn the_rfc_offer_and_answer_fit_together() {
    for mode in BOTH_MODES {
        let offer = CryptoLines::parse(RFC_7_1_5_OFFER, mode).unwrap();
        let answer = CryptoLines::parse([RFC_7_1_5_ANSWER], mode).unwrap();
        assert_eq!(offer.attributes().count(), 2);
        let accepted = offer.verify_answer(&answer).unwrap();
        assert_eq!(printed(accepted), RFC_7_1_5_OFFER[0]);
        let [parameter] = accepted.parameters() else { panic!("one parameter") };
        assert!(matches!(parameter, SessionParameter::FecOrder(FecOrder::FecSrtp)));
    }
}

#[test]
fn the_f8_line_of_the_rfc_offer_with_its_two_keys_is_read_and_printed_alike() {
    let second = strict(RFC_7_1_5_OFFER[1]).unwrap();
    assert_eq!(*second.suite(), SuiteName::Known(Suite::AesF8128HmacSha1_80));
    assert_eq!(printed(&second), RFC_7_1_5_OFFER[1]);
}

#[test]
fn the_two_keys_of_the_rfc_offer_work_under_a_supported_suite() {
    let line = RFC_7_1_5_OFFER[1].replace("F8_128", "AES_CM_128");
    let attribute = strict(&line).unwrap();
    let identifiers = attribute.keys().iter().map(|key| key.mki().unwrap().as_slice()[3]);
    assert_eq!(identifiers.collect::<Vec<_>>(), [1, 2]);
    let (ingress, _) = attribute.into_ingress().unwrap();
    assert_eq!(ingress.len(), 2);
}

#[test]
fn the_conformance_lines_need_the_tolerant_mode() {
    let invite = tolerant(TS_34_229_1_INVITE).unwrap();
    assert_eq!(printed(&invite), RFC_7_1_5_OFFER[0]);
    let progress = tolerant(TS_34_229_1_PROGRESS).unwrap();
    assert_eq!(printed(&progress), RFC_7_1_5_ANSWER);

    for line in [TS_34_229_1_INVITE, TS_34_229_1_PROGRESS] {
        let error = strict(line).unwrap_err();
        assert_eq!((error.field, error.rule), (Field::Suite, Rule::MissingBlank));
    }
}

#[test]
fn the_telekom_offer_has_two_plain_lines() {
    let lines = CryptoLines::parse(TELEKOM_OFFER, Mode::Strict).unwrap();
    let suites = lines.attributes().map(|line| line.known_suite().unwrap());
    let expected = [Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32];
    assert_eq!(suites.collect::<Vec<_>>(), expected);
    for (attribute, line) in lines.attributes().zip(TELEKOM_OFFER) {
        assert!(attribute.keys()[0].mki().is_none());
        assert!(attribute.keys()[0].lifetime().is_none());
        assert_eq!(printed(attribute), line.trim_end());
    }
}

//= tests/spec/sdes.md#keys
//= type=test
//# Base64 with and without padding MUST be accepted.
//= tests/spec/sdes.md#keys
//= type=test
//# Base64 MUST be printed with padding.
#[test]
fn the_rtpengine_offer_reads_the_same_with_and_without_padding() {
    for line in RTPENGINE_OFFER {
        for mode in BOTH_MODES {
            let padded = CryptoAttribute::parse(line, mode).unwrap();
            let bare = CryptoAttribute::parse(line.trim_end_matches('='), mode).unwrap();
            assert_eq!(printed(&padded), line);
            assert_eq!(printed(&bare), line);
        }
    }
    assert_eq!(hex(&strict(RTPENGINE_OFFER[2]).unwrap()), RTPENGINE_THIRD_OCTETS);
}

#[test]
fn gcm_lines_have_keys_with_12_octets_of_salt() {
    for (line, octets) in DAVIS_GCM.into_iter().zip([44, 28]) {
        let attribute = strict(line).unwrap();
        assert_eq!(attribute.keys()[0].master().expose(<[u8]>::len), octets);
        assert_eq!(printed(&attribute), line);
    }
}

#[test]
fn the_pjsua_line_in_lower_case_is_printed_in_upper_case() {
    let upper = PJSUA_LOWER_CASE.replace("aes_cm_128_hmac_sha1_80", "AES_CM_128_HMAC_SHA1_80");
    assert_eq!(printed(&strict(PJSUA_LOWER_CASE).unwrap()), upper);
}

#[test]
fn the_invalid_lines_of_resiprocate_are_invalid() {
    for mode in BOTH_MODES {
        let error = CryptoAttribute::parse(RESIP_MKI_LENGTHS, mode).unwrap_err();
        assert_eq!((error.field, error.rule), (Field::Mki, Rule::MkiLengthsDiffer));
    }
    let error = strict(RESIP_FEC_KEY).unwrap_err();
    assert_eq!((error.field, error.rule), (Field::SessionParameter, Rule::WindowSizeHint));
    let error = tolerant(RESIP_FEC_KEY).unwrap_err();
    assert_eq!((error.field, error.rule), (Field::KeyInfo, Rule::KeyRepeated));
}
