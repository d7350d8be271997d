//! How many sources a session remembers, and that it never forgets one under the same key.

use agw_rtp::{SequenceNumber, Ssrc};
use agw_srtp::{
    KeyError, Portable, ProtectError, Rekey, RocOnRekey, SessionParameters, SrtcpIndex,
    UnprotectError,
};

use crate::support::{
    OVERLAP, Pair, egress_key, egress_key_with_mki, ingress_key, ingress_key_with_mki, rtcp, rtp,
    seal,
};

fn pair_of_two_sources(unlimited_egress: bool) -> Pair {
    let parameters = SessionParameters { max_sources: 2, ..SessionParameters::default() };
    let mut pair = Pair::with_parameters(egress_key(1), ingress_key(1), parameters);
    if unlimited_egress {
        pair.egress = Pair::new(egress_key(1), ingress_key(1)).egress;
    }
    pair
}

//= tests/spec/srtp.md#replay
//= type=test
//# Each SSRC MUST have a window of its own.
//= tests/spec/srtp.md#order-of-checks
//= type=test
//# The number of SSRCs in a crypto context MUST be bounded.
#[test]
fn one_source_too_many_is_refused_and_the_others_go_on() {
    let mut pair = pair_of_two_sources(true);
    let sealed: Vec<Vec<u8>> = (1..=3).map(|ssrc| pair.seal(&rtp(ssrc, 1)).unwrap()).collect();
    assert!(pair.open(&sealed[0]).is_ok());
    assert!(pair.open(&sealed[1]).is_ok());
    assert_eq!(pair.open(&sealed[2]), Err(UnprotectError::SourceLimit));
    let sealed = pair.seal_rtcp(&rtcp(3)).unwrap();
    assert_eq!(pair.open_rtcp(&sealed), Err(UnprotectError::SourceLimit));
    let sealed = pair.seal(&rtp(1, 2)).unwrap();
    assert!(pair.open(&sealed).is_ok());
}

#[test]
fn the_transmit_guard_has_the_same_limit() {
    let mut pair = pair_of_two_sources(false);
    assert!(pair.seal(&rtp(1, 1)).is_ok());
    assert!(pair.seal(&rtp(2, 1)).is_ok());
    assert_eq!(pair.seal(&rtp(3, 1)), Err(ProtectError::SourceLimit));
    assert_eq!(pair.seal(&rtp(1, 1)), Err(ProtectError::IndexReused));
}

//= tests/spec/srtp.md#replay
//= type=test
//# SRTP and SRTCP MUST have separate windows.
#[test]
fn srtp_and_srtcp_of_a_source_have_their_own_windows() {
    let mut pair = Pair::new(egress_key(1), ingress_key(1));
    let report = pair.seal_rtcp(&rtcp(1)).unwrap();
    let media = pair.seal(&rtp(1, 1)).unwrap();
    assert!(pair.open_rtcp(&report).is_ok());
    assert!(pair.open(&media).is_ok());
    assert_eq!(pair.open(&media), Err(UnprotectError::Replay));
    assert_eq!(pair.open_rtcp(&report), Err(UnprotectError::Replay));
}

#[test]
fn sources_are_listed_with_their_indices_in_order_of_appearance() {
    let mut pair = Pair::new(egress_key(1), ingress_key(1));
    for plain in [rtp(9, 65_535), rtp(9, 0)] {
        let sealed = pair.seal(&plain).unwrap();
        pair.open(&sealed).unwrap();
    }
    let report = pair.seal_rtcp(&rtcp(4)).unwrap();
    pair.open_rtcp(&report).unwrap();

    let sources: Vec<_> = pair.ingress.sources().collect();
    assert_eq!((sources[0].ssrc, sources[0].roc), (Ssrc(9), 1));
    assert_eq!(sources[0].highest_sequence, Some(SequenceNumber(0)));
    assert_eq!(sources[0].srtcp_index, None);
    assert_eq!((sources[1].ssrc, sources[1].highest_sequence), (Ssrc(4), None));
    assert_eq!(sources[1].srtcp_index, Some(SrtcpIndex::from_word(1)));
    assert_eq!(sources.len(), 2);
}

fn seal_with_new_key(pair: &mut Pair, key: u8, parameters: SessionParameters) {
    let rekey = pair.egress.rekey(&Portable, vec![egress_key(key)], parameters, RocOnRekey::Keep);
    assert_eq!(rekey, Ok(Rekey::Installed));
}

//= tests/spec/srtp.md#transmit-guard
//= type=test
//# A source that only replaced keys have sealed MUST give way to a new one when there is no other
//# room.
#[test]
fn what_only_a_replaced_key_has_sealed_makes_room_for_new_sources() {
    let parameters = SessionParameters { max_sources: 3, ..SessionParameters::default() };
    let mut pair = Pair::with_parameters(egress_key(1), ingress_key(1), parameters);
    (1..=3).for_each(|ssrc| drop(pair.seal(&rtp(ssrc, 9)).unwrap()));

    seal_with_new_key(&mut pair, 2, parameters);
    pair.seal(&rtp(2, 10)).unwrap();
    pair.seal(&rtp(4, 1)).unwrap();
    pair.seal(&rtp(5, 1)).unwrap();

    let sources: Vec<u32> = pair.egress.sources().map(|source| source.ssrc.0).collect();
    assert_eq!(sources, [2, 4, 5]);
    // All of these are under the key in force: nothing of them may be forgotten.
    assert_eq!(pair.seal(&rtp(1, 10)), Err(ProtectError::SourceLimit));
    for (ssrc, sequence) in [(2, 10), (4, 1), (5, 1)] {
        assert_eq!(pair.seal(&rtp(ssrc, sequence)), Err(ProtectError::IndexReused));
    }
    let again = vec![egress_key(1)];
    let rekey = pair.egress.rekey(&Portable, again, parameters, RocOnRekey::Keep);
    assert_eq!(rekey, Err(KeyError::KeyReused), "its first source is forgotten");
}

//= tests/spec/srtp.md#transmit-guard
//= type=test
//# Two packets MUST NOT be protected with the same key, SSRC and index.
#[test]
fn no_source_makes_room_when_a_key_comes_back() {
    let mut pair = pair_of_two_sources(false);
    let parameters = SessionParameters { max_sources: 2, ..SessionParameters::default() };
    pair.seal(&rtp(1, 9)).unwrap();
    pair.seal(&rtp(2, 9)).unwrap();
    seal_with_new_key(&mut pair, 2, parameters);
    pair.seal(&rtp(2, 10)).unwrap();

    seal_with_new_key(&mut pair, 1, parameters);

    assert_eq!(pair.seal(&rtp(3, 1)), Err(ProtectError::SourceLimit));
    assert_eq!(pair.seal(&rtp(1, 9)), Err(ProtectError::IndexReused));
}

fn open_with_new_key(pair: &mut Pair, key: u8, parameters: SessionParameters) {
    let (keys, now) = (vec![ingress_key(key)], pair.now);
    let done = pair.ingress.rekey(&Portable, keys, parameters, RocOnRekey::Keep, OVERLAP, now);
    assert_eq!(done, Ok(Rekey::Installed));
    seal_with_new_key(pair, key, parameters);
}

//= tests/spec/srtp.md#order-of-checks
//= type=test
//# A source that was seen under keys only that are gone MUST give way to a new one when there is no
//# other room.
#[test]
fn a_source_of_a_key_that_is_gone_makes_room_for_a_new_one_and_others_do_not() {
    let parameters = SessionParameters { max_sources: 3, ..SessionParameters::default() };
    let mut pair = Pair::at(3, 3);
    pair.egress = Pair::at(3, 8).egress;
    for ssrc in 1..=2 {
        let sealed = pair.seal(&rtp(ssrc, 9)).unwrap();
        pair.open(&sealed).unwrap();
    }
    let report = pair.seal_rtcp(&rtcp(3)).unwrap();
    pair.open_rtcp(&report).unwrap();
    open_with_new_key(&mut pair, 2, SessionParameters { max_sources: 8, ..parameters });
    pair.ingress
        .rekey(&Portable, vec![ingress_key(2)], parameters, RocOnRekey::Keep, OVERLAP, pair.now)
        .unwrap();
    let known = pair.seal(&rtp(2, 10)).unwrap();
    pair.open(&known).unwrap();

    let new = pair.seal(&rtp(4, 1)).unwrap();
    let newer = pair.seal(&rtp(5, 1)).unwrap();
    let too_many = pair.seal(&rtp(6, 1)).unwrap();
    assert_eq!(pair.open(&new), Err(UnprotectError::SourceLimit), "the old key may open packets");
    pair.now += OVERLAP;
    pair.ingress.handle_timeout(pair.now);
    assert_eq!(pair.open(&new), Ok(rtp(4, 1)));
    assert_eq!(pair.open(&newer), Ok(rtp(5, 1)));

    let sources: Vec<u32> = pair.ingress.sources().map(|source| source.ssrc.0).collect();
    assert_eq!(sources, [2, 4, 5]);
    assert_eq!(pair.open(&too_many), Err(UnprotectError::SourceLimit));
    for replayed in [&known, &new, &newer] {
        assert_eq!(pair.open(replayed), Err(UnprotectError::Replay));
    }
}

#[test]
fn an_ingress_with_a_new_source_under_every_key_never_goes_deaf() {
    let parameters = SessionParameters { max_sources: 2, ..SessionParameters::default() };
    let mut pair = Pair::at(3, 2);
    for key in 1..=200_u8 {
        for plain in [rtp(0, 100 + u16::from(key)), rtp(key.into(), 1)] {
            let sealed = pair.seal(&plain).unwrap();
            assert_eq!(pair.open(&sealed), Ok(plain), "{key}");
        }
        open_with_new_key(&mut pair, key + 1, parameters);
        pair.now += OVERLAP;
        pair.ingress.handle_timeout(pair.now);
    }
    assert_eq!(pair.ingress.sources().next().unwrap().roc, 3);
}

#[test]
fn a_source_seen_under_a_key_that_stays_among_others_is_not_forgotten() {
    let parameters = SessionParameters { max_sources: 1, ..SessionParameters::default() };
    let (one, two) = (|| ingress_key_with_mki(1, &[1]), || ingress_key_with_mki(2, &[2]));
    let mut pair = Pair::with_parameters(egress_key_with_mki(1, &[1]), one(), parameters);
    pair.egress = Pair::new(egress_key_with_mki(1, &[1]), ingress_key(9)).egress;
    let sealed = pair.seal(&rtp(1, 1)).unwrap();
    pair.open(&sealed).unwrap();
    let (keys, now) = (vec![two(), one()], pair.now);
    let none = std::time::Duration::ZERO;
    pair.ingress.rekey(&Portable, keys, parameters, RocOnRekey::Keep, none, now).unwrap();
    let other = pair.seal(&rtp(2, 1)).unwrap();
    assert_eq!(pair.open(&other), Err(UnprotectError::SourceLimit));
    assert_eq!(pair.open(&sealed), Err(UnprotectError::Replay));
}

#[test]
fn more_sources_and_other_windows_are_taken_with_a_new_key_and_forget_nothing() {
    for window in [64, 128, 256, 4096] {
        let mut pair = Pair::at(3, 2);
        for sequence in [1, 100, 101] {
            let sealed = pair.seal(&rtp(1, sequence)).unwrap();
            pair.open(&sealed).unwrap();
        }
        let late = pair.seal(&rtp(1, 99)).unwrap();
        let other = pair.seal(&rtp(2, 7)).unwrap();
        pair.open(&other).unwrap();
        let report = pair.seal_rtcp(&rtcp(2)).unwrap();
        pair.open_rtcp(&report).unwrap();
        open_with_new_key(
            &mut pair,
            2,
            SessionParameters { max_sources: 12, window, ..SessionParameters::default() },
        );
        assert_eq!(pair.open(&late), Ok(rtp(1, 99)), "{window}");
        assert!(pair.open(&late).is_err(), "{window}");
        for (ssrc, sequence) in [(1, 101), (1, 100), (1, 99), (2, 7)] {
            let again = pair.seal(&rtp(ssrc, sequence));
            assert_eq!(again, Err(ProtectError::IndexReused), "{window} {ssrc} {sequence}");
        }
        assert!(pair.open_rtcp(&report).is_err(), "{window}");
        for ssrc in 1..=12 {
            let sealed = pair.seal(&rtp(ssrc, 6000)).unwrap();
            assert_eq!(pair.open(&sealed), Ok(rtp(ssrc, 6000)), "{window} {ssrc}");
            assert_eq!(pair.open(&sealed), Err(UnprotectError::Replay), "{window} {ssrc}");
        }
        assert_eq!(pair.seal(&rtp(13, 1)), Err(ProtectError::SourceLimit), "{window}");
        let within = pair.seal(&rtp(1, 6000 - window.max(128) + 1));
        assert!(within.is_ok(), "{window}");
        let behind = pair.seal(&rtp(1, 6000u16.wrapping_sub(window.max(128))));
        assert_eq!(behind, Err(ProtectError::TooOld), "{window}");
    }
}

//= tests/spec/srtp.md#packet-index
//= type=test
//# Each SSRC MUST have a rollover counter of its own: that to start with is the first source's, and
//# further ones start at 0.
#[test]
fn a_further_source_of_a_session_that_was_joined_starts_at_0() {
    let mut pair = Pair::at(3, 8);
    for (ssrc, roc) in [(1, 3), (2, 0), (3, 0)] {
        let sealed = pair.seal(&rtp(ssrc, 5)).unwrap();
        assert_eq!(pair.open(&sealed), Ok(rtp(ssrc, 5)));
        let of = |source: &agw_srtp::SourceState| (source.ssrc, source.roc);
        assert_eq!(pair.egress.sources().last().as_ref().map(of), Some((Ssrc(ssrc), roc)));
        assert_eq!(pair.ingress.sources().last().as_ref().map(of), Some((Ssrc(ssrc), roc)));
    }
}

#[test]
fn sources_that_a_session_was_joined_with_are_found_at_either_rollover_counter() {
    for first in [0, 3] {
        let mut pair = Pair::at(3, 8);
        for (ssrc, roc) in [(1, first), (2, 3), (3, 0), (4, 3)] {
            let mut sender = Pair::at(roc, 8).egress;
            let plain = rtp(ssrc, 5);
            let sealed = seal(&mut sender, &plain).unwrap();
            assert_eq!(pair.open(&sealed), Ok(plain), "{ssrc} at {roc}");
            assert_eq!(pair.ingress.sources().last().unwrap().roc, roc);
        }
        let mut stranger = Pair::at(2, 8).egress;
        let sealed = seal(&mut stranger, &rtp(9, 5)).unwrap();
        assert_eq!(pair.open(&sealed), Err(UnprotectError::Authentication));
    }
}

#[test]
fn two_hundred_keys_with_a_new_source_each_never_run_out_of_room() {
    let mut pair = pair_of_two_sources(false);
    let parameters = SessionParameters { max_sources: 2, ..SessionParameters::default() };
    for key in 1..=200_u8 {
        pair.seal(&rtp(0, 100 + u16::from(key))).unwrap();
        pair.seal(&rtp(key.into(), 1)).unwrap();
        seal_with_new_key(&mut pair, key + 1, parameters);
    }
    // The one that every key has sealed is still known with all its numbers.
    assert_eq!(pair.seal(&rtp(0, 300)), Err(ProtectError::IndexReused));
    assert!(pair.seal(&rtp(0, 301)).is_ok());
}
