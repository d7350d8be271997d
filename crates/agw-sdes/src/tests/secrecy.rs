//! Keys come out of `expose_line` and nowhere else.

use super::fixtures::{KEY_A, KEY_B, KEY_C};
use super::{line, strict, tolerant};
use crate::{CryptoLines, Mode};

/// Any eight characters of a key in a text.
fn leaks(text: &str, key: &str) -> bool {
    (0..=key.len() - 8).any(|start| {
        let part = key.get(start..start + 8).unwrap();
        text.to_ascii_uppercase().contains(&part.to_ascii_uppercase())
    })
}

#[test]
fn debug_output_has_no_key() {
    let text =
        line(&format!("inline:{KEY_A}|2^20|1:4;inline:{KEY_B}|2:4 FEC_KEY=inline:{KEY_C} WSH=64"));
    let known = strict(&text).unwrap();
    let unsupported = strict(&text.replace("AES_CM", "F8")).unwrap();
    let lines = CryptoLines::parse([text.as_str()], Mode::Strict).unwrap();
    for shown in [format!("{known:#?}"), format!("{unsupported:?}"), format!("{lines:?}")] {
        for key in [KEY_A, KEY_B, KEY_C] {
            assert!(!leaks(&shown, key), "{shown}");
        }
    }
}

#[test]
fn errors_have_no_text_of_the_line() {
    let misplaced = [
        format!("a=crypto:{KEY_A} AES_CM_128_HMAC_SHA1_80 inline:x"),
        format!("a=crypto:1 {KEY_A} inline:x"),
        line(KEY_A),
        line(&format!("{KEY_A}:inline")),
        line(&format!("inline:{KEY_A}x")),
        line(&format!("inline:{KEY_B}|{KEY_A}")),
        line(&format!("inline:{KEY_B}|{KEY_A}:4")),
        line(&format!("inline:{KEY_B}|1:{KEY_A}")),
        line(&format!("inline:{KEY_B} {KEY_A}")),
        line(&format!("inline:{KEY_B} KDR={KEY_A}")),
        line(&format!("inline:{KEY_B} WSH={KEY_A}")),
        line(&format!("inline:{KEY_B} FEC_ORDER={KEY_A}")),
        line(&format!("inline:{KEY_B} FEC_KEY={KEY_A}")),
        KEY_A.to_owned(),
    ];
    for text in misplaced {
        for result in [strict(&text), tolerant(&text)] {
            let error = result.unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(!leaks(&shown, KEY_A) && !leaks(&shown, KEY_B), "{shown}");
        }
    }
}

#[test]
fn a_key_in_the_place_of_the_suite_is_not_shown() {
    let key = "cJOJ7kxQjhFBp2fP6AYjs3vKw7CeBdWZCj0isbJv";
    let attribute = strict(&format!("a=crypto:1 {key} inline:x")).unwrap();
    let shown = format!("{attribute:?} {}", attribute.suite());
    assert!(!leaks(&shown, key), "{shown}");
}

#[test]
fn printing_never_grows_its_buffer_and_so_leaves_no_copy() {
    let widest = "9".repeat(308);
    let keys = |from: u8| {
        let key = |n: u8| {
            let text = KEY_A.replace('W', &char::from(b'a' + from + n).to_string());
            format!("inline:{text}|281474976710655|{}{widest}:128", n + 1)
        };
        (0..8).map(key).collect::<Vec<_>>().join(";")
    };
    let parameters = "KDR=24 UNENCRYPTED_SRTP UNENCRYPTED_SRTCP UNAUTHENTICATED_SRTP \
        FEC_ORDER=SRTP_FEC WSH=999999999";
    let text = format!(
        "a=crypto:999999999 AES_CM_128_HMAC_SHA1_80 {} FEC_KEY={} {parameters}",
        keys(0).replace("9:128", ":128"),
        keys(9).replace("9:128", ":128"),
    );
    let attribute = strict(&text).unwrap();
    let exposed = attribute.expose_line();
    assert_eq!(exposed.len(), text.len());
    // A buffer that had grown would have doubled.
    let allowed = 21 + 23 + 16 * 407 + 7 * 33;
    assert!(exposed.capacity() <= allowed, "{} of {allowed}", exposed.capacity());
}
