//! How many sources a session remembers, and that it never forgets one under the same key.

use agw_rtp::{SequenceNumber, Ssrc};
use agw_srtp::{
    KeyError, Portable, ProtectError, Rekey, RocOnRekey, SessionParameters, SrtcpIndex,
    UnprotectError,
};

use crate::support::{Pair, egress_key, ingress_key, rtcp, rtp};

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
