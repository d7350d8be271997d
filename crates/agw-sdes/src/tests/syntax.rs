//! Envelope, blanks, case, tags and suite names.

use agw_srtp::Suite;

use super::fixtures::{KEY_A, RFC_6_1_FIRST};
use super::{BOTH_MODES, line, printed, strict, tolerant};
use crate::{CryptoAttribute, CryptoTag, Field, Rule, SuiteName};

#[test]
fn the_envelope_may_be_a_whole_sdp_line_or_the_attribute_alone() {
    let value = RFC_6_1_FIRST.strip_prefix("a=").unwrap();
    for end in ["", "\n", "\r\n", "\r"] {
        for start in ["", "a="] {
            let attribute = strict(&format!("{start}{value}{end}")).unwrap();
            assert_eq!(printed(&attribute), RFC_6_1_FIRST);
        }
    }
}

#[test]
fn another_attribute_is_no_crypto_line() {
    for text in
        ["", "a=", "a=rtpmap:0 PCMU/8000", "A=crypto:1", "a=Crypto:1", "a=crypto", "b=crypto:"]
    {
        for mode in BOTH_MODES {
            let error = CryptoAttribute::parse(text, mode).unwrap_err();
            assert_eq!((error.field, error.rule), (Field::Attribute, Rule::NotCrypto), "{text}");
        }
    }
}

//= tests/spec/sdes.md#grammar
//= type=test
//# One or more blanks or tabs between fields MUST be accepted.
#[test]
fn any_number_of_blanks_and_tabs_separates_fields() {
    let spaced = RFC_6_1_FIRST.replace(' ', "  \t ") + "\t KDR=0";
    assert_eq!(printed(&strict(&spaced).unwrap()), RFC_6_1_FIRST);
}

#[test]
fn blanks_around_the_value_need_the_tolerant_mode() {
    let after_colon = RFC_6_1_FIRST.replace("crypto:1", "crypto: 1");
    let at_the_end = format!("{RFC_6_1_FIRST} \r\n");
    for text in [after_colon, at_the_end] {
        let error = strict(&text).unwrap_err();
        assert_eq!((error.field, error.rule), (Field::Attribute, Rule::StrayBlank));
        assert_eq!(printed(&tolerant(&text).unwrap()), RFC_6_1_FIRST);
    }
}

#[test]
fn control_characters_and_other_alphabets_are_refused() {
    for inserted in ["\0", "\u{7f}", "\n", "\r", "\u{a0}", "é", "\u{2028}"] {
        for mode in BOTH_MODES {
            let text = RFC_6_1_FIRST.replace("inline", &format!("in{inserted}line"));
            let error = CryptoAttribute::parse(&text, mode).unwrap_err();
            assert_eq!((error.field, error.rule), (Field::Attribute, Rule::NotVisible));
        }
    }
}

//= tests/spec/sdes.md#grammar
//= type=test
//# Names MUST be compared without regard to case.
//= tests/spec/sdes.md#grammar
//= type=test
//# The text of a key MUST be taken with regard to case.
#[test]
fn everything_but_the_key_is_case_insensitive() {
    let lower = line(&format!("inline:{KEY_A} unencrypted_srtp fec_order=fec_srtp kdr=3 wsh=70"));
    let lower = lower.replace("AES_CM_128_HMAC_SHA1_80 inline", "aEs_cM_128_hmac_sha1_80 InLine");
    let upper = line(&format!("inline:{KEY_A} UNENCRYPTED_SRTP FEC_ORDER=FEC_SRTP KDR=3 WSH=70"));
    assert_eq!(printed(&strict(&lower).unwrap()), upper);
}

//= tests/spec/sdes.md#grammar
//= type=test
//# In strict mode the tag MUST be a decimal number of 1 to 9 digits without a leading zero.
#[test]
fn a_tag_is_one_to_nine_digits() {
    let with = |tag: &str| RFC_6_1_FIRST.replace("crypto:1", &format!("crypto:{tag}"));
    for (tag, number) in
        [("1", 1), ("9", 9), ("123456789", 123_456_789), ("999999999", 999_999_999)]
    {
        assert_eq!(strict(&with(tag)).unwrap().tag().get(), number);
    }
    for tag in ["1000000000", "-1", "+1", "1a", "0x1", "1,", "½"] {
        for mode in BOTH_MODES {
            let error = CryptoAttribute::parse(&with(tag), mode).unwrap_err();
            let expected = if tag == "½" { Rule::NotVisible } else { Rule::TagForm };
            assert_eq!(error.rule, expected, "{tag}");
        }
    }
    for (tag, number) in [("0", 0), ("01", 1), ("000000007", 7)] {
        assert_eq!(strict(&with(tag)).unwrap_err().rule, Rule::TagForm);
        assert_eq!(tolerant(&with(tag)).unwrap().tag().get(), number);
    }
}

#[test]
fn a_made_tag_is_never_zero() {
    for refused in [0, 1_000_000_000, u32::MAX] {
        assert_eq!(CryptoTag::new(refused).unwrap_err().field, Field::Tag);
    }
    assert_eq!(CryptoTag::new(999_999_999).unwrap().get(), CryptoTag::MAX);
}

//= tests/spec/sdes.md#grammar
//= type=test
//# An error MUST name the field that is wrong.
#[test]
fn missing_fields_are_named() {
    for (text, field, rule) in [
        ("a=crypto:", Field::Tag, Rule::Missing),
        ("a=crypto:1", Field::Suite, Rule::Missing),
        ("a=crypto:1 AES_CM_128_HMAC_SHA1_80", Field::KeyMethod, Rule::Missing),
        ("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline", Field::KeyMethod, Rule::Missing),
        ("a=crypto:1 SEED_128_CCM_80", Field::KeyMethod, Rule::Missing),
        ("a=crypto:1 SEED_128_CCM_80 inline", Field::KeyMethod, Rule::Missing),
        ("a=crypto:1 AES-CM inline:x", Field::Suite, Rule::SuiteForm),
    ] {
        for mode in BOTH_MODES {
            let error = CryptoAttribute::parse(text, mode).unwrap_err();
            assert_eq!((error.field, error.rule), (field, rule), "{text}");
        }
    }
}

//= tests/spec/sdes.md#names-of-suites
//= type=test
//# Known aliases of a suite MUST be accepted.
//= tests/spec/sdes.md#names-of-suites
//= type=test
//# Under an alias the registered name of the suite MUST be printed.
#[test]
fn aliases_come_in_and_canonical_names_go_out() {
    for (alias, suite) in [
        ("AES_CM_192_HMAC_SHA1_80", Suite::AesCm192HmacSha1_80),
        ("AES_CM_192_HMAC_SHA1_32", Suite::AesCm192HmacSha1_32),
        ("AES_CM_256_HMAC_SHA1_80", Suite::AesCm256HmacSha1_80),
        ("aes_cm_256_hmac_sha1_32", Suite::AesCm256HmacSha1_32),
        ("NULL_HMAC_SHA1_80", Suite::NullHmacSha1_80),
        ("NULL_HMAC_SHA1_32", Suite::NullHmacSha1_32),
    ] {
        let key = "A".repeat((suite.key_len() + suite.salt_len()) * 4 / 3 + 1);
        let key = key.get(..((suite.key_len() + suite.salt_len()) * 8).div_ceil(6)).unwrap();
        let attribute = strict(&format!("a=crypto:1 {alias} inline:{key}")).unwrap();
        assert_eq!(attribute.suite(), &SuiteName::Known(suite));
        assert_eq!(printed(&attribute).split(' ').nth(1), Some(suite.name()));
    }
}

//= tests/spec/sdes.md#names-of-suites
//= type=test
//# A line with an unknown suite MUST NOT make the description invalid.
#[test]
fn other_suites_make_an_unsupported_line_and_not_an_invalid_one() {
    for (name, recognised) in [
        ("SEED_128_CCM_80", true),
        ("F8_128_HMAC_SHA1_32", true),
        ("SEED_CTR_128_HMAC_SHA1_80", true),
        ("ARIA_CM_192_HMAC_SHA1_80", true),
        // The tag of these has 8 octets: they are not RFC 7714's suites under another name.
        ("AEAD_AES_128_GCM_8", true),
        ("aead_aes_256_gcm_8", true),
        ("AES_CM_128_HMAC_SHA1_8", false),
        ("ROT_13", false),
    ] {
        for mode in BOTH_MODES {
            let text = format!("a=crypto:7 {name} inline:whatever|this;is  -OPT MANDATORY");
            let attribute = CryptoAttribute::parse(&text, mode).unwrap();
            let SuiteName::Unsupported(unsupported) = attribute.suite() else { panic!("{name}") };
            assert_eq!(unsupported.as_str(), name.to_ascii_uppercase());
            assert_eq!(unsupported.is_recognised(), recognised);
            assert_eq!(attribute.known_suite(), None);
            assert!(attribute.keys().is_empty() && attribute.parameters().is_empty());
            assert_eq!(printed(&attribute), text.replace(name, unsupported.as_str()));
        }
    }
}

#[test]
fn a_line_is_not_read_beyond_8192_octets() {
    let text = line(&format!("inline:{KEY_A}{}", " -X".repeat(3000)));
    let error = strict(&text).unwrap_err();
    assert_eq!((error.field, error.rule), (Field::Attribute, Rule::LineTooLong { limit: 8192 }));
}
