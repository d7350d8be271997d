//! How many sources a session remembers, and that it never forgets one.

use agw_rtp::{SequenceNumber, Ssrc};
use agw_srtp::{ProtectError, SessionParameters, SrtcpIndex, UnprotectError};

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
