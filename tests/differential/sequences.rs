//! Sequences of good, forged, repeated, reordered and jumping packets under changing keys.

use agw_srtp::Suite;
use agw_testkit::differential::{Divergence, Tally, search};
use agw_testkit::engines::engines;

use crate::library;

/// Per suite; all suites together run for a few seconds.
const SEQUENCES: u64 = 400;

/// Runs every sequence of a suite with every engine, and checks that they went through every kind of
/// outcome.
fn see_alike(suite: Suite) {
    let Some(library) = library() else { return };
    for engine in engines() {
        let tally = search(library, engine, suite, 0..SEQUENCES).unwrap();
        println!("{suite:?}, {}: {tally:?}", engine.name());
        assert_every_kind_of_outcome(suite, tally);
    }
}

fn assert_every_kind_of_outcome(suite: Suite, tally: Tally) {
    let Tally { sealed, not_sealed, opened, not_opened, rekeyed, divergences } = tally;
    let short_tags = suite.srtp_tag_len() != suite.srtcp_tag_len();
    // A run with short tags ends with its first far jump.
    let enough = if short_tags { SEQUENCES / 5 } else { SEQUENCES };
    for count in [sealed, not_sealed, opened, not_opened, rekeyed] {
        assert!(count > enough, "too few outcomes of a kind to prove anything");
    }
    let seen = |divergence| divergences.contains_key(&divergence);
    assert!(seen(Divergence::GuardForgottenByUpdate));
    assert_eq!(seen(Divergence::JumpUnconfirmed), short_tags);
    assert_eq!(seen(Divergence::SrtcpIdentifierMisplaced), short_tags);
    assert_eq!(seen(Divergence::Aes192Derivation), suite.key_len() == 24);
    let rare = [Divergence::GuardForgottenByUpdate, Divergence::SrtcpIndexPerSource];
    let seen_rarely: u64 = rare.iter().filter_map(|rare| divergences.get(rare)).sum();
    assert!(seen_rarely < sealed / 50, "the exception is the rule");
}

macro_rules! suites {
    ($($name:ident: $suite:ident,)*) => {
        $(
            #[test]
            fn $name() {
                see_alike(Suite::$suite);
            }
        )*

        #[test]
        fn no_suite_is_left_out() {
            // libsrtp has no f8.
            let suites = Suite::ALL.into_iter().filter(|suite| !suite.is_f8());
            assert!(suites.eq([$(Suite::$suite),*]));
        }
    };
}

suites! {
    aes_cm_128_80_is_sealed_and_opened_alike: AesCm128HmacSha1_80,
    aes_cm_128_32_is_sealed_and_opened_alike: AesCm128HmacSha1_32,
    aes_cm_192_80_is_sealed_and_opened_alike: AesCm192HmacSha1_80,
    aes_cm_192_32_is_sealed_and_opened_alike: AesCm192HmacSha1_32,
    aes_cm_256_80_is_sealed_and_opened_alike: AesCm256HmacSha1_80,
    aes_cm_256_32_is_sealed_and_opened_alike: AesCm256HmacSha1_32,
    aes_gcm_128_is_sealed_and_opened_alike: AeadAes128Gcm,
    aes_gcm_256_is_sealed_and_opened_alike: AeadAes256Gcm,
    null_80_is_sealed_and_opened_alike: NullHmacSha1_80,
    null_32_is_sealed_and_opened_alike: NullHmacSha1_32,
}
