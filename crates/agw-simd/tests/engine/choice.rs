//! The engine that a gateway runs with.

use agw_simd::{AnyEngine, Choice, Level, Simd};
use agw_srtp::{Portable, Suite};

use crate::rig::{made, open, packet, plain, seal, sessions};

#[test]
fn every_choice_has_a_name_that_leads_back_to_it() {
    for choice in Choice::ALL {
        assert_eq!(choice.to_string().parse(), Ok(choice));
    }
    assert_eq!(Choice::ALL.map(Choice::name), ["auto", "portable", "sha-ni", "avx512"]);
    let unknown = "AVX512".parse::<Choice>().unwrap_err().to_string();
    assert_eq!(unknown, "`AVX512` is none of auto, portable, sha-ni, avx512");
}

#[test]
fn auto_is_the_highest_level_that_the_processor_supports() {
    let auto = AnyEngine::new(Choice::Auto).unwrap();
    let highest = [(Level::Avx512, Choice::Avx512), (Level::ShaNi, Choice::ShaNi)]
        .into_iter()
        .find(|(level, _)| level.is_supported());
    assert_eq!(auto.choice(), highest.map_or(Choice::Portable, |(_, choice)| choice));
    assert_eq!(Simd::detect().map(Simd::level), highest.map(|(level, _)| level));
}

#[test]
fn an_engine_exists_only_where_the_processor_supports_it() {
    for (choice, level) in [(Choice::ShaNi, Level::ShaNi), (Choice::Avx512, Level::Avx512)] {
        assert_eq!(Simd::with(level).is_some(), level.is_supported());
        let engine = AnyEngine::new(choice);
        assert_eq!(engine.is_ok(), level.is_supported());
        if let Ok(engine) = engine {
            assert_eq!((engine.choice(), engine.name()), (choice, choice.name()));
        }
    }
}

#[test]
fn packets_leave_alike_whatever_the_choice() {
    let profiles: Vec<_> = Suite::ALL
        .into_iter()
        .flat_map(|suite| [plain(suite, false), plain(suite, true)])
        .collect();
    let packets: Vec<Vec<u8>> = profiles.iter().map(|profile| packet(*profile, 1, 160)).collect();
    let expected = seal(&Portable, &mut sessions(&Portable, &profiles), &packets);
    for engine in Choice::ALL.into_iter().filter_map(|choice| AnyEngine::new(choice).ok()) {
        let mut sessions = sessions(&engine, &profiles);
        let sealed = seal(&engine, &mut sessions, &packets);
        assert_eq!(sealed, expected, "{engine:?}");
        let sealed: Vec<Vec<u8>> = sealed.iter().map(made).collect();
        let opened: Vec<Vec<u8>> = open(&engine, &sessions, &sealed).iter().map(made).collect();
        assert_eq!(opened, packets, "{engine:?}");
    }
}
