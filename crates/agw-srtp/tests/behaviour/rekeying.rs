//! Re-key: the same key again, a new key, a new address, and the old key's overlap.

use std::time::Duration;

use agw_srtp::{
    EgressKey, Engine, IngressKey, KeyError, MAX_RETIRED, Portable, ProtectError, Rekey,
    RocOnRekey, SessionParameters, SpareRooms, Suite, UnprotectError,
};

use crate::support::{
    OVERLAP, Pair, SSRC, SUITE, egress_key, egress_key_with_mki, ingress_key, ingress_key_with_mki,
    lifetime, master, rtcp, rtp,
};

const PARAMETERS: SessionParameters = SessionParameters {
    unencrypted_srtp: false,
    unencrypted_srtcp: false,
    window: 128,
    max_sources: 8,
};

fn rekey_ingress(pair: &mut Pair, keys: Vec<IngressKey>, roc: RocOnRekey) -> Rekey {
    let now = pair.now;
    pair.ingress.rekey(&Portable, keys, PARAMETERS, roc, OVERLAP, now).unwrap()
}

fn rekey_egress(pair: &mut Pair, keys: Vec<EgressKey>, roc: RocOnRekey) -> Result<Rekey, KeyError> {
    pair.egress.rekey(&Portable, keys, PARAMETERS, roc)
}

/// A pair at rollover counter 1, the packet accepted last, and two that are still on their way.
fn pair_after_a_wrap() -> (Pair, Vec<u8>, [Vec<u8>; 2]) {
    let mut pair = Pair::new(egress_key(1), ingress_key(1));
    let mut last = Vec::new();
    for sequence in [65_534, 65_535, 0] {
        last = pair.seal(&rtp(SSRC, sequence)).unwrap();
        pair.open(&last).unwrap();
    }
    let late = [1, 2].map(|sequence| pair.seal(&rtp(SSRC, sequence)).unwrap());
    (pair, last, late)
}

//= tests/spec/srtp.md#new-keys
//= type=test
//# Installing the key that is in force MUST change nothing.
//= tests/spec/srtp.md#new-keys
//= type=test
//# With a new key the rollover counter MUST be kept, reset or set as the controller says.
//= tests/spec/srtp.md#new-keys
//= type=test
//# A replaced ingress key MUST open packets until its overlap ends and MUST NOT open any later.
#[test]
fn what_a_rekey_does_to_counters_windows_and_old_packets() {
    // seed of the key (1 is in force), counters, outcome, rollover counter of the next packet
    let table = [
        (1, RocOnRekey::Keep, Rekey::Unchanged, 1),
        (1, RocOnRekey::Reset, Rekey::Unchanged, 1),
        (1, RocOnRekey::Set(9), Rekey::Unchanged, 1),
        (2, RocOnRekey::Keep, Rekey::Installed, 1),
        (2, RocOnRekey::Reset, Rekey::Installed, 0),
        (2, RocOnRekey::Set(7), Rekey::Installed, 7),
    ];
    for (seed, roc, outcome, roc_after) in table {
        let case = format!("key {seed}, {roc:?}");
        let (mut pair, last, [late, later]) = pair_after_a_wrap();

        assert_eq!(rekey_ingress(&mut pair, vec![ingress_key(seed)], roc), outcome, "{case}");
        assert_eq!(rekey_egress(&mut pair, vec![egress_key(seed)], roc), Ok(outcome), "{case}");

        // What was on its way still opens, what was accepted stays accepted once.
        assert_eq!(pair.open(&late), Ok(rtp(SSRC, 1)), "{case}");
        assert!(pair.open(&late).is_err(), "{case}");
        assert!(pair.open(&last).is_err(), "{case}");
        // The next packet is sealed and opened with the same counter at both ends.
        let next = pair.seal(&rtp(SSRC, 3)).unwrap();
        assert_eq!(pair.open(&next), Ok(rtp(SSRC, 3)), "{case}");
        assert_eq!(pair.ingress.sources().next().unwrap().roc, roc_after, "{case}");
        assert_eq!(pair.egress.sources().next().unwrap().roc, roc_after, "{case}");
        // After the overlap the old key is gone.
        let ends = (outcome == Rekey::Installed).then_some(pair.now + OVERLAP);
        assert_eq!(pair.ingress.poll_timeout(), ends, "{case}");
        pair.now += OVERLAP;
        assert_eq!(pair.open(&later).is_ok(), outcome == Rekey::Unchanged, "{case}");
        pair.ingress.handle_timeout(pair.now);
        assert_eq!(pair.ingress.poll_timeout(), None, "{case}");
    }
}

#[test]
fn with_kept_counters_an_index_is_accepted_once_under_both_keys_together() {
    let (mut pair, _, [late, _]) = pair_after_a_wrap();
    rekey_ingress(&mut pair, vec![ingress_key(2)], RocOnRekey::Keep);
    pair.open(&late).unwrap();
    // The same index, sealed under the new key by a source that does not guard it.
    let mut other = Pair::new(egress_key(2), ingress_key(2));
    for sequence in [65_535, 0] {
        other.seal(&rtp(SSRC, sequence)).unwrap();
    }
    let again = other.seal(&rtp(SSRC, 1)).unwrap();
    assert_eq!(pair.open(&again), Err(UnprotectError::Replay));
}

#[test]
fn a_key_that_is_replaced_without_overlap_takes_no_place_among_those_with_one() {
    let (mut pair, _, [late, _]) = pair_after_a_wrap();
    let most = u8::try_from(MAX_RETIRED).unwrap();
    for seed in 2..2 + most {
        rekey_ingress(&mut pair, vec![ingress_key(seed)], RocOnRekey::Keep);
    }
    let (keys, now) = (vec![ingress_key(99)], pair.now);
    let roc = RocOnRekey::Keep;
    pair.ingress.rekey(&Portable, keys, PARAMETERS, roc, Duration::ZERO, now).unwrap();
    // The first key is the oldest of as many as there may be.
    assert_eq!(pair.open(&late), Ok(rtp(SSRC, 1)));
}

#[test]
fn without_overlap_the_old_key_is_gone_at_once() {
    let (mut pair, _, [late, _]) = pair_after_a_wrap();
    let (keys, now) = (vec![ingress_key(2)], pair.now);
    let roc = RocOnRekey::Keep;
    pair.ingress.rekey(&Portable, keys, PARAMETERS, roc, Duration::ZERO, now).unwrap();
    assert_eq!(pair.ingress.poll_timeout(), None);
    assert_eq!(pair.open(&late), Err(UnprotectError::Authentication));
}

/// A re-key of both ends, and a packet under the new key that is on its way.
fn rekey_both(pair: &mut Pair, seed: u8, roc: RocOnRekey) -> Vec<u8> {
    rekey_ingress(pair, vec![ingress_key(seed)], roc);
    rekey_egress(pair, vec![egress_key(seed)], roc).unwrap();
    pair.seal(&rtp(SSRC, 10 + u16::from(seed))).unwrap()
}

//= tests/spec/srtp.md#new-keys
//= type=test
//# A replaced ingress key MUST open packets until its overlap ends and MUST NOT open any later.
#[test]
fn each_of_several_replaced_keys_has_an_overlap_of_its_own() {
    for reset in [None, Some(3), Some(4)] {
        let mut pair = Pair::at(3, 8);
        let late = [1, 2].map(|sequence| pair.seal(&rtp(SSRC, sequence)).unwrap());
        let mut sealed = vec![];
        for seed in 2..=4 {
            pair.now += OVERLAP / 4;
            let roc = if reset == Some(seed) { RocOnRekey::Reset } else { RocOnRekey::Keep };
            sealed.push(rekey_both(&mut pair, seed, roc));
        }
        // Key 1 was replaced two quarters ago, key 2 one, key 3 just now.
        assert_eq!(pair.open(&late[0]), Ok(rtp(SSRC, 1)), "{reset:?}");
        assert!(pair.open(&late[0]).is_err(), "{reset:?}");
        pair.now += OVERLAP / 2;
        pair.ingress.handle_timeout(pair.now);
        assert_eq!(pair.open(&late[1]), Err(UnprotectError::Authentication), "{reset:?}");
        assert_eq!(pair.open(&sealed[0]), Ok(rtp(SSRC, 12)), "{reset:?}");
        pair.now += OVERLAP / 4;
        pair.ingress.handle_timeout(pair.now);
        assert_eq!(pair.open(&sealed[1]), Ok(rtp(SSRC, 13)), "{reset:?}");
        pair.now += OVERLAP / 4;
        pair.ingress.handle_timeout(pair.now);
        assert_eq!(pair.ingress.poll_timeout(), None, "{reset:?}");
        assert_eq!(pair.open(&sealed[2]), Ok(rtp(SSRC, 14)), "{reset:?}");
        assert_eq!(pair.ingress.keys().count(), 1);
    }
}

#[test]
fn one_replaced_key_too_many_wipes_the_oldest() {
    let mut pair = Pair::at(3, 8);
    let first = pair.seal(&rtp(SSRC, 1)).unwrap();
    let sealed: Vec<Vec<u8>> =
        (2..=6).map(|seed| rekey_both(&mut pair, seed, RocOnRekey::Keep)).collect();
    assert_eq!(pair.ingress.keys().count(), 1 + MAX_RETIRED);
    assert_eq!(pair.open(&first), Err(UnprotectError::Authentication));
    for (sealed, sequence) in sealed.iter().zip(12..) {
        assert_eq!(pair.open(sealed), Ok(rtp(SSRC, sequence)));
    }
}

#[test]
fn what_replaced_keys_open_is_newer_only_until_a_newer_key_has_opened_something() {
    let mut pair = Pair::at(3, 8);
    let oldest = [1, 40].map(|sequence| pair.seal(&rtp(SSRC, sequence)).unwrap());
    let middle = rekey_both(&mut pair, 2, RocOnRekey::Keep);
    let _ = rekey_both(&mut pair, 3, RocOnRekey::Keep);
    let mut newer = |sealed: &[u8]| {
        let mut ticket = pair.ingress.check_srtp(sealed, pair.now).unwrap();
        loop {
            let mut buffer = sealed.to_vec();
            let octets = buffer.len();
            let mut jobs = [pair.ingress.job(&ticket, &mut buffer, octets)];
            Portable.run(&mut jobs);
            if jobs[0].outcome().is_ok() {
                break;
            }
            ticket = pair.ingress.retry(&ticket, sealed, pair.now).unwrap();
        }
        pair.ingress.commit(ticket, pair.now, &mut SpareRooms::new()).unwrap().newer
    };
    assert!(newer(&oldest[0]) && newer(&middle));
    assert!(!newer(&oldest[1]), "higher, and under a key that was replaced before");
}

#[test]
fn an_earlier_ingress_key_may_come_back_during_its_overlap() {
    let (mut pair, last, [late, _]) = pair_after_a_wrap();
    rekey_ingress(&mut pair, vec![ingress_key(2)], RocOnRekey::Keep);
    rekey_ingress(&mut pair, vec![ingress_key(1)], RocOnRekey::Keep);
    assert!(pair.open(&late).is_ok());
    assert_eq!(pair.open(&last), Err(UnprotectError::Replay));
}

#[test]
fn a_new_suite_or_identifier_overlaps_the_old_one() {
    let (mut pair, _, [late, _]) = pair_after_a_wrap();
    let gcm = || IngressKey::new(master(Suite::AeadAes256Gcm, 2));
    rekey_ingress(&mut pair, vec![gcm()], RocOnRekey::Keep);
    let egress = EgressKey::new(master(Suite::AeadAes256Gcm, 2));
    rekey_egress(&mut pair, vec![egress], RocOnRekey::Keep).unwrap();
    assert_eq!(pair.ingress.suite(), Suite::AeadAes256Gcm);
    let next = pair.seal(&rtp(SSRC, 3)).unwrap();
    assert!(pair.open(&next).is_ok());
    assert!(pair.open(&late).is_ok());

    rekey_ingress(&mut pair, vec![ingress_key_with_mki(4, &[0, 4])], RocOnRekey::Keep);
    let late = pair.seal(&rtp(SSRC, 4)).unwrap();
    rekey_egress(&mut pair, vec![egress_key_with_mki(4, &[0, 4])], RocOnRekey::Keep).unwrap();
    let next = pair.seal(&rtp(SSRC, 5)).unwrap();
    assert!(pair.open(&next).is_ok());
    assert!(pair.open(&late).is_ok());
}

#[test]
fn a_new_identifier_or_another_order_is_new_material() {
    let keys = |order: [u8; 2]| order.map(|seed| ingress_key_with_mki(seed, &[seed])).into();
    let mut pair = Pair::new(egress_key(1), ingress_key(1));
    let table: [(Vec<IngressKey>, Rekey); 5] = [
        (vec![ingress_key_with_mki(1, &[1])], Rekey::Installed),
        (vec![ingress_key_with_mki(1, &[1])], Rekey::Unchanged),
        (keys([1, 2]), Rekey::Installed),
        (keys([1, 2]), Rekey::Unchanged),
        (keys([2, 1]), Rekey::Installed),
    ];
    for (keys, expected) in table {
        assert_eq!(rekey_ingress(&mut pair, keys, RocOnRekey::Keep), expected);
    }
}

#[test]
fn refused_keys_change_nothing() {
    let (mut pair, last, [late, _]) = pair_after_a_wrap();
    let now = pair.now;
    let bad_window = SessionParameters { window: 8, ..PARAMETERS };
    let bad_lifetime = IngressKey { lifetime: lifetime(0), ..ingress_key(2) };
    let reset = RocOnRekey::Reset;
    let attempts = [
        (vec![], PARAMETERS, KeyError::NoKey),
        (vec![ingress_key(2)], bad_window, KeyError::Window(8)),
        (vec![bad_lifetime], PARAMETERS, KeyError::Lifetime),
    ];
    for (keys, parameters, expected) in attempts {
        let refused = pair.ingress.rekey(&Portable, keys, parameters, reset, OVERLAP, now);
        assert_eq!(refused, Err(expected));
        assert_eq!(pair.ingress.poll_timeout(), None);
    }
    let refused = pair.egress.rekey(&Portable, vec![egress_key(2)], bad_window, reset);
    assert_eq!(refused, Err(KeyError::Window(8)));

    assert_eq!(pair.open(&last), Err(UnprotectError::Replay));
    assert!(pair.open(&late).is_ok());
    assert_eq!(pair.seal(&rtp(SSRC, 2)), Err(ProtectError::IndexReused));
}

/// A re-key of an egress: seed of the key, counters, outcome.
struct Step(u8, RocOnRekey, Result<Rekey, KeyError>);

//= tests/spec/srtp.md#transmit-guard
//= type=test
//# Two packets MUST NOT be protected with the same key, SSRC and index.
#[test]
fn an_egress_key_does_not_come_back_once_its_counters_are_lost() {
    // Key 1 has sealed a packet.
    let unchanged = Ok(Rekey::Unchanged);
    let installed = Ok(Rekey::Installed);
    let refused = Err(KeyError::KeyReused);
    let (keep, reset) = (RocOnRekey::Keep, RocOnRekey::Reset);
    let table: [&[Step]; 5] = [
        &[Step(1, reset, unchanged), Step(1, keep, unchanged)],
        &[Step(2, keep, installed), Step(1, keep, installed)],
        &[Step(2, keep, installed), Step(1, reset, refused), Step(1, keep, installed)],
        &[
            Step(2, reset, installed),
            Step(1, keep, refused),
            Step(1, reset, refused),
            Step(3, keep, installed),
        ],
        &[Step(2, keep, installed), Step(3, reset, installed), Step(1, keep, refused)],
    ];
    for steps in table {
        let mut pair = Pair::new(egress_key(1), ingress_key(1));
        pair.seal(&rtp(SSRC, 5)).unwrap();
        for (position, Step(seed, roc, expected)) in steps.iter().enumerate() {
            let outcome = rekey_egress(&mut pair, vec![egress_key(*seed)], *roc);
            assert_eq!(outcome, *expected, "step {position} to key {seed}, {roc:?}");
        }
    }
}

#[test]
fn the_same_key_under_another_name_or_suite_is_still_the_same_keystream() {
    let mut pair = Pair::new(egress_key(1), ingress_key(1));
    pair.seal(&rtp(SSRC, 5)).unwrap();
    let short_tag = || {
        let octets = master(SUITE, 1).expose(<[u8]>::to_vec);
        let suite = Suite::AesCm128HmacSha1_32;
        EgressKey::new(agw_srtp::MasterKey::from_concatenated(suite, &octets).unwrap())
    };
    let reset = RocOnRekey::Reset;
    let refused = Err(KeyError::KeyReused);
    assert_eq!(rekey_egress(&mut pair, vec![short_tag()], reset), refused);
    assert_eq!(rekey_egress(&mut pair, vec![egress_key_with_mki(1, &[1])], reset), refused);
    // With counters kept the guard knows the index.
    assert_eq!(rekey_egress(&mut pair, vec![short_tag()], RocOnRekey::Keep), Ok(Rekey::Installed));
    assert_eq!(pair.seal(&rtp(SSRC, 5)), Err(ProtectError::IndexReused));
}

#[test]
fn during_an_overlap_the_old_key_goes_on_encrypted_or_not_as_it_was() {
    for suite in [Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm] {
        for unencrypted in [false, true] {
            let old = SessionParameters {
                unencrypted_srtp: unencrypted,
                unencrypted_srtcp: unencrypted,
                ..PARAMETERS
            };
            let new = SessionParameters {
                unencrypted_srtp: !unencrypted,
                unencrypted_srtcp: !unencrypted,
                ..PARAMETERS
            };
            let keys = |seed| {
                let egress = EgressKey::new(master(suite, seed));
                (egress, IngressKey::new(master(suite, seed)))
            };
            let (egress, ingress) = keys(1);
            let mut pair = Pair::with_parameters(egress, ingress, old);
            let media = pair.seal(&rtp(SSRC, 1)).unwrap();
            let report = pair.seal_rtcp(&rtcp(SSRC)).unwrap();
            let (egress, ingress) = keys(2);
            let (keep, now) = (RocOnRekey::Keep, pair.now);
            pair.egress.rekey(&Portable, vec![egress], new, keep).unwrap();
            pair.ingress.rekey(&Portable, vec![ingress], new, keep, OVERLAP, now).unwrap();

            assert_eq!(pair.open(&media), Ok(rtp(SSRC, 1)), "{suite:?} {unencrypted}");
            assert_eq!(pair.open_rtcp(&report), Ok(rtcp(SSRC)), "{suite:?} {unencrypted}");
            let media = pair.seal(&rtp(SSRC, 2)).unwrap();
            let report = pair.seal_rtcp(&rtcp(SSRC)).unwrap();
            assert_eq!(pair.open(&media), Ok(rtp(SSRC, 2)), "{suite:?} {unencrypted}");
            assert_eq!(pair.open_rtcp(&report), Ok(rtcp(SSRC)), "{suite:?} {unencrypted}");
        }
    }
}

#[test]
fn after_a_reset_no_packet_under_the_old_key_is_newer() {
    for (roc, newer) in [(RocOnRekey::Keep, true), (RocOnRekey::Reset, false)] {
        let (mut pair, _, [late, _]) = pair_after_a_wrap();
        rekey_ingress(&mut pair, vec![ingress_key(2)], roc);
        let first = pair.ingress.check_srtp(&late, pair.now).unwrap();
        let ticket = pair.ingress.retry(&first, &late, pair.now).unwrap();
        assert_eq!(
            pair.ingress.commit(ticket, pair.now, &mut SpareRooms::new()).unwrap().newer,
            newer,
            "{roc:?}"
        );
    }
}

#[test]
fn agreed_encryption_changes_with_a_repeated_key() {
    let (mut pair, ..) = pair_after_a_wrap();
    let parameters = SessionParameters { unencrypted_srtp: true, ..PARAMETERS };
    let (keep, now) = (RocOnRekey::Keep, pair.now);
    pair.egress.rekey(&Portable, vec![egress_key(1)], parameters, keep).unwrap();
    pair.ingress.rekey(&Portable, vec![ingress_key(1)], parameters, keep, OVERLAP, now).unwrap();
    let plain = rtp(SSRC, 3);
    let sealed = pair.seal(&plain).unwrap();
    assert_eq!(sealed[..plain.len()], plain);
    assert_eq!(pair.open(&sealed), Ok(plain));
}
