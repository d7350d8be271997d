//! Key text, lifetimes and master key identifiers.

use agw_srtp::{Mki, Suite};

use super::fixtures::{KEY_A, KEY_B, KEY_C};
use super::{BOTH_MODES, line, printed, strict, tolerant};
use crate::{CryptoAttribute, Field, InlineKey, Rule, SdesError};

/// 2^1024 - 1, computed with Python.
const WIDEST_MKI: &str = "17976931348623159077293051907890247336179769789423065727343008115773267\
    58055009631327084773224075360211201138798713933576587897688144166224928474306394741243777678934\
    24865485276302219601246094119453082952085005768838150682342462881473913110540827237163350510684\
    586298239947245938479716304835356329624224137215";

fn refused(rest: &str) -> (Field, Rule) {
    let SdesError { field, rule } = strict(&line(rest)).unwrap_err();
    (field, rule)
}

//= tests/spec/sdes.md#keys
//= type=test
//# The decoded length MUST equal key plus salt of the suite.
#[test]
fn the_key_has_exactly_the_length_of_its_suite() {
    for suite in Suite::ALL {
        let expected = suite.key_len() + suite.salt_len();
        let full = "A".repeat(80);
        for length in 0..=80 {
            let text = full.get(..length).unwrap();
            let result = strict(&format!("a=crypto:1 {} inline:{text}", suite.name()));
            // Text of n characters is n * 6 / 8 octets; 1 modulo 4 is no base64 at all.
            let fits = length * 6 / 8 == expected && length % 4 != 1;
            assert_eq!(result.is_ok(), fits, "{suite:?} with {length} characters");
        }
    }
    assert_eq!(refused("inline:QUJD"), (Field::KeyInfo, Rule::KeyLength { expected: 30 }));
    assert_eq!(refused("inline:"), (Field::KeyInfo, Rule::KeyLength { expected: 30 }));
    let long = "QUJD".repeat(500);
    let long = refused(&format!("inline:{long}"));
    assert_eq!(long, (Field::KeyInfo, Rule::KeyLength { expected: 30 }));
}

#[test]
fn the_key_is_base64() {
    for character in ['-', '_', '=', '!', '.', ':'] {
        let text = KEY_A.replace('D', &character.to_string());
        assert_eq!(refused(&format!("inline:{text}")), (Field::KeyInfo, Rule::Base64));
    }
}

#[test]
fn set_bits_beyond_the_key_need_the_tolerant_mode() {
    let text = "a=crypto:1 AEAD_AES_128_GCM inline:bQJXGzEPXJPClrd78xwALdaZDs/dLttBLfLE5R==";
    assert_eq!(strict(text).unwrap_err().rule, Rule::Base64);
    assert_eq!(printed(&tolerant(text).unwrap()), text.replace("5R==", "5Q=="));
}

#[test]
fn only_the_method_inline_exists() {
    for method in ["uri", "prompt", "inlin", "inlinee", ""] {
        let error = refused(&format!("{method}:{KEY_A}"));
        assert_eq!(error.0, Field::KeyMethod, "{method}");
    }
    assert_eq!(refused(&format!("inline:{KEY_A};")), (Field::KeyMethod, Rule::Missing));
    assert_eq!(refused(&format!("inline:{KEY_A}|1:1;{KEY_B}|2:1")).0, Field::KeyMethod);
}

//= tests/spec/sdes.md#lifetime
//= type=test
//# A lifetime MUST be accepted as a decimal number and as a power of two.
//= tests/spec/sdes.md#lifetime
//= type=test
//# A lifetime of zero MUST be refused.
//= tests/spec/sdes.md#lifetime
//= type=test
//# A lifetime above the maximum of the suite MUST make the line invalid.
#[test]
fn a_lifetime_is_a_number_or_a_power_of_two_up_to_the_maximum() {
    for (text, packets, shown) in [
        ("1", 1, "1"),
        ("2^0", 1, "1"),
        ("2", 2, "2^1"),
        ("1066", 1066, "1066"),
        ("1048576", 1 << 20, "2^20"),
        ("2^31", 1 << 31, "2^31"),
        ("2^48", 1 << 48, "2^48"),
        ("281474976710656", 1 << 48, "2^48"),
    ] {
        let attribute = strict(&line(&format!("inline:{KEY_A}|{text}"))).unwrap();
        assert_eq!(attribute.keys()[0].lifetime(), Some(packets));
        assert_eq!(printed(&attribute), line(&format!("inline:{KEY_A}|{shown}")));
    }
    let too_long = (Field::Lifetime, Rule::LifetimeTooLong { maximum: 1 << 48 });
    for text in
        ["2^49", "2^63", "2^64", "2^999999999999", "281474976710657", "99999999999999999999999"]
    {
        assert_eq!(refused(&format!("inline:{KEY_A}|{text}")), too_long, "{text}");
    }
    for text in ["0", "00", "010", "2^", "2^01", "2^-1", "2^1.5", "3^4", "-5", "+5", "1e6", "", "x"]
    {
        let error = refused(&format!("inline:{KEY_A}|{text}"));
        assert_eq!(error, (Field::Lifetime, Rule::LifetimeForm), "{text}");
    }
}

#[test]
fn srtp_and_srtcp_each_get_the_lifetime_of_the_line() {
    for (text, srtp, srtcp) in
        [("|2^20", 1 << 20, 1 << 20), ("|2^40", 1_u64 << 40, 1 << 31), ("", 1 << 48, 1 << 31)]
    {
        let attribute = strict(&line(&format!("inline:{KEY_A}{text}"))).unwrap();
        let (keys, _) = attribute.into_ingress().unwrap();
        assert_eq!((keys[0].lifetime.srtp, keys[0].lifetime.srtcp), (srtp, srtcp));
        let attribute = strict(&line(&format!("inline:{KEY_A}{text}"))).unwrap();
        let (keys, _) = attribute.into_egress().unwrap();
        assert_eq!((keys[0].lifetime.srtp, keys[0].lifetime.srtcp), (srtp, srtcp));
    }
}

//= tests/spec/sdes.md#lifetime
//= type=test
//# The first optional field MUST be read as an MKI when it has a colon.
#[test]
fn a_colon_tells_an_mki_from_a_lifetime() {
    for (text, lifetime, mki) in [
        ("", None, None),
        ("|7", Some(7), None),
        ("|7:1", None, Some([7])),
        ("|9|7:1", Some(9), Some([7])),
    ] {
        let attribute = strict(&line(&format!("inline:{KEY_A}{text}"))).unwrap();
        let [key] = attribute.keys() else { panic!("one key") };
        assert_eq!(key.lifetime(), lifetime);
        assert_eq!(key.mki(), mki.map(|octets| Mki::new(&octets).unwrap()));
    }
    let disordered = (Field::KeyInfo, Rule::KeyInfoOrder);
    assert_eq!(refused(&format!("inline:{KEY_A}|7:1|9")), disordered);
    assert_eq!(refused(&format!("inline:{KEY_A}|7:1|8:1")), disordered);
    assert_eq!(refused(&format!("inline:{KEY_A}|9|7:1|")), disordered);
    assert_eq!(refused(&format!("inline:{KEY_A}|9|9")), (Field::Mki, Rule::MkiForm));
    assert_eq!(refused(&format!("inline:{KEY_A}||7:1")), (Field::Lifetime, Rule::LifetimeForm));
}

//= tests/spec/sdes.md#mki
//= type=test
//# An MKI MUST be read as a decimal integer of any size that fits its length.
#[test]
fn an_mki_is_a_decimal_number_sent_big_endian() {
    for (text, octets) in [
        ("1:1", vec![1]),
        ("255:1", vec![255]),
        ("256:2", vec![1, 0]),
        ("1066:4", vec![0, 0, 4, 42]),
        // Computed with Python: (12345678901234567890123).to_bytes(10, "big").
        (
            "12345678901234567890123:10",
            vec![2, 0x9d, 0x42, 0xb6, 0x4e, 0x76, 0x71, 0x42, 0x44, 0xcb],
        ),
        (&format!("{WIDEST_MKI}:128"), vec![255; 128]),
    ] {
        let text = line(&format!("inline:{KEY_A}|{text}"));
        let attribute = strict(&text).unwrap();
        assert_eq!(attribute.keys()[0].mki().unwrap().as_slice(), octets);
        assert_eq!(printed(&attribute), text);
    }
}

//= tests/spec/sdes.md#mki
//= type=test
//# The length of an MKI MUST be 1 to 128 octets.
//= tests/spec/sdes.md#mki
//= type=test
//# A value that does not fit the length MUST make the line invalid.
#[test]
fn an_mki_fits_its_length_and_the_length_its_limits() {
    let wider = WIDEST_MKI.replace("7215", "7216");
    let huge = "9".repeat(7000);
    for (text, rule) in [
        ("256:1", Rule::MkiTooWide),
        ("65536:2", Rule::MkiTooWide),
        (&format!("{wider}:128"), Rule::MkiTooWide),
        (&format!("{huge}:128"), Rule::MkiTooWide),
        ("1:0", Rule::MkiLength),
        ("1:129", Rule::MkiLength),
        ("1:", Rule::MkiLength),
        ("1:04", Rule::MkiLength),
        ("1:1:1", Rule::MkiLength),
        ("1:4x", Rule::MkiLength),
        ("1:99999999999", Rule::MkiLength),
        (":4", Rule::MkiForm),
        ("01:4", Rule::MkiForm),
        ("00:4", Rule::MkiForm),
        ("-1:4", Rule::MkiForm),
        ("0x1:4", Rule::MkiForm),
        ("2^4:4", Rule::MkiForm),
    ] {
        assert_eq!(refused(&format!("inline:{KEY_A}|{text}")), (Field::Mki, rule), "{text}");
    }
}

#[test]
fn an_mki_of_zero_needs_the_tolerant_mode() {
    let text = line(&format!("inline:{KEY_A}|0:2"));
    assert_eq!(strict(&text).unwrap_err().rule, Rule::MkiForm);
    let attribute = tolerant(&text).unwrap();
    assert_eq!(attribute.keys()[0].mki().unwrap().as_slice(), [0, 0]);
    assert_eq!(printed(&attribute), text);
}

//= tests/spec/sdes.md#mki
//= type=test
//# With several keys every key MUST have an MKI of the same length.
#[test]
fn several_keys_are_told_apart_by_mkis_of_one_length() {
    let three = format!("inline:{KEY_A}|1:1;inline:{KEY_B}|2^20|2:1;INLINE:{KEY_C}|3:1");
    for mode in BOTH_MODES {
        let attribute = CryptoAttribute::parse(&line(&three), mode).unwrap();
        assert_eq!(attribute.keys().len(), 3);
        assert_eq!(printed(&attribute), line(&three.replace("INLINE", "inline")));
    }
    for (rest, rule) in [
        (format!("inline:{KEY_A};inline:{KEY_B}"), Rule::MkiMissing),
        (format!("inline:{KEY_A}|1:1;inline:{KEY_B}"), Rule::MkiMissing),
        (format!("inline:{KEY_A}|1:1;inline:{KEY_B}|2:2"), Rule::MkiLengthsDiffer),
        (format!("inline:{KEY_A}|1:1;inline:{KEY_B}|1:1"), Rule::MkiRepeated),
    ] {
        assert_eq!(refused(&rest), (Field::Mki, rule));
    }
    let same_key = format!("inline:{KEY_A}|1:1;inline:{KEY_A}|2:1");
    assert_eq!(refused(&same_key), (Field::KeyInfo, Rule::KeyRepeated));
}

#[test]
fn a_line_has_at_most_16_keys() {
    let keys = |count: u8| {
        let key = |n: u8| {
            let text =
                format!("{}{}", KEY_A.get(..38).unwrap(), char::from(b'A' + n).to_string() + "A");
            format!("inline:{text}|{}:1", n + 1)
        };
        line(&(0..count).map(key).collect::<Vec<_>>().join(";"))
    };
    // Only the salts differ here, which does not make the master keys unique.
    assert_eq!(strict(&keys(16)).unwrap_err().rule, Rule::KeyRepeated);
    assert_eq!(strict(&keys(17)).unwrap_err().rule, Rule::TooManyKeys { limit: 16 });
}

#[test]
fn made_lines_keep_the_same_rules() {
    let suite = Suite::AeadAes256Gcm;
    let mut counter = 0_u8;
    let mut random = |octets: &mut [u8]| {
        counter += 1;
        octets.fill(counter);
    };
    let key = InlineKey::generate(suite, &mut random).unwrap();
    assert_eq!(key.with_lifetime(0).unwrap_err().rule, Rule::LifetimeForm);
    let key = InlineKey::generate(suite, &mut random).unwrap();
    let error = key.with_lifetime((1 << 48) + 1).unwrap_err();
    assert_eq!(error.rule, Rule::LifetimeTooLong { maximum: 1 << 48 });

    let tag = crate::CryptoTag::new(5).unwrap();
    let other = InlineKey::generate(Suite::AesCm128HmacSha1_80, &mut random).unwrap();
    let error = CryptoAttribute::new(tag, suite, vec![other], Vec::new()).unwrap_err();
    assert_eq!(error.rule, Rule::SuiteMismatch);
    let error = CryptoAttribute::new(tag, suite, Vec::new(), Vec::new()).unwrap_err();
    assert_eq!(error.rule, Rule::Missing);

    let line = CryptoAttribute::generate(tag, suite, &mut random).unwrap();
    // 44 octets of value 4, encoded with Python's `base64` module.
    let expected = "BAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ=";
    assert_eq!(printed(&line), format!("a=crypto:5 AEAD_AES_256_GCM inline:{expected}"));
}
