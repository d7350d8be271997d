//! `sdes_parse`: what is read is printed, and what is printed is read as the same.

use agw_sdes::{CryptoAttribute, CryptoLines, Mode, Policy};

/// Reads text as crypto lines, strictly and tolerantly.
///
/// # Panics
/// If a printed line is not read as what was printed, if a line is strictly valid and means
/// something else when tolerant, or if a line is accepted and cannot be installed.
pub fn sdes_parse(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    for line in text.lines().take(4) {
        let strict = CryptoAttribute::parse(line, Mode::Strict).ok();
        let tolerant = CryptoAttribute::parse(line, Mode::Tolerant).ok();
        if let Some(strict) = &strict
            && strict.known_suite().is_some()
        {
            let tolerant = tolerant.as_ref().map(CryptoAttribute::expose_line);
            assert!(tolerant == Some(strict.expose_line()), "tolerance changes a valid line");
        }
        for (mode, attribute) in [(Mode::Strict, strict), (Mode::Tolerant, tolerant)] {
            if let Some(attribute) = attribute {
                print_and_read(&attribute, mode);
                install(attribute);
            }
        }
    }
    for mode in [Mode::Strict, Mode::Tolerant] {
        if let Ok(lines) = CryptoLines::parse(text.lines(), mode) {
            assert_eq!(lines.results().len(), text.lines().count());
            let mut tags: Vec<_> = lines.attributes().map(CryptoAttribute::tag).collect();
            let valid = tags.len();
            tags.sort();
            tags.dedup();
            assert_eq!(tags.len(), valid, "two lines have the same tag");
        }
    }
}

/// Canonical text is stable, and reads as what was printed.
fn print_and_read(attribute: &CryptoAttribute, mode: Mode) {
    let printed = attribute.expose_line();
    let Ok(again) = CryptoAttribute::parse(&printed, mode) else {
        panic!("a printed line is refused");
    };
    assert!(again.expose_line() == printed, "a printed line is printed differently");
    assert_eq!(again.shares_key_with(attribute), attribute.known_suite().is_some());
}

/// What every policy allows can be installed, with all its keys.
fn install(attribute: CryptoAttribute) {
    let policy = Policy { allow_unencrypted: true, allow_null: true, allow_f8: true };
    if policy.check(&attribute).is_ok() {
        let keys = attribute.keys().len();
        let Ok((installed, _)) = attribute.into_ingress() else {
            panic!("an acceptable line cannot be installed");
        };
        assert_eq!((installed.len(), keys > 0), (keys, true));
    }
}
