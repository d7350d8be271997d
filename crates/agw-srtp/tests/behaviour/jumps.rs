//! How far one packet may move the highest index: far under a long tag, not under a short one.

use agw_srtp::{Suite, UnprotectError};

use crate::support::{Pair, SSRC, rtp};

const SHORT: Suite = Suite::AesCm128HmacSha1_32;

/// A pair at rollover counter 3 and sequence number 100.
fn pair_at_roc_3(suite: Suite) -> Pair {
    let mut pair = Pair::of(suite);
    for sequence in (0..=3 * 65_536 + 100u32).step_by(500).chain([3 * 65_536 + 100]) {
        let sealed = pair.seal(&rtp(SSRC, sequence as u16)).unwrap();
        pair.open(&sealed).unwrap();
    }
    let state = pair.ingress.sources().next().unwrap();
    assert_eq!((state.roc, state.highest_sequence.map(|highest| highest.0)), (3, Some(100)));
    pair
}

fn highest(pair: &Pair) -> Option<u16> {
    pair.ingress.sources().next()?.highest_sequence.map(|highest| highest.0)
}

//= tests/spec/srtp.md#replay
//= type=test
//# With a tag of 32 bits an index more than 1,000 ahead MUST be confirmed by a second authentic
//# packet before it is remembered.
#[test]
fn under_a_short_tag_a_far_index_takes_two_packets_near_each_other() {
    let mut pair = pair_at_roc_3(SHORT);
    let [near, far, again, lone] =
        [1_100, 2_102, 2_103, 9_000].map(|at| pair.seal(&rtp(SSRC, at)).unwrap());
    assert!(pair.open(&near).is_ok(), "1,000 ahead is near");
    assert_eq!(pair.open(&far), Err(UnprotectError::Unconfirmed));
    assert_eq!(highest(&pair), Some(1_100));
    assert_eq!(pair.open(&far), Err(UnprotectError::Unconfirmed), "it does not confirm itself");
    assert_eq!(pair.open(&lone), Err(UnprotectError::Unconfirmed), "nor does one far from it");
    assert_eq!(pair.open(&far), Err(UnprotectError::Unconfirmed));
    assert!(pair.open(&again).is_ok());
    assert_eq!(highest(&pair), Some(2_103));
    assert!(pair.open(&far).is_ok(), "it was not remembered, so it is no replay");
}

#[test]
fn a_stream_that_was_away_for_long_loses_one_packet_under_a_short_tag() {
    let mut pair = pair_at_roc_3(SHORT);
    let opened = (0..50).filter(|after| {
        let sealed = pair.seal(&rtp(SSRC, 30_000 + after)).unwrap();
        pair.open(&sealed).is_ok()
    });
    assert_eq!(opened.count(), 49);
}

#[test]
fn sources_that_were_away_together_do_not_keep_each_other_out() {
    let mut pair = Pair::of(SHORT);
    let talk = |pair: &mut Pair, sequence: u16| {
        let opens = |ssrc| {
            let sealed = pair.seal(&rtp(ssrc, sequence)).unwrap();
            pair.open(&sealed).is_ok()
        };
        [SSRC, SSRC + 1, SSRC + 2].map(opens)
    };
    assert_eq!(talk(&mut pair, 1), [true; 3]);
    let heard: Vec<_> = (5_000..5_050).map(|sequence| talk(&mut pair, sequence)).collect();
    assert_eq!(heard[49], [true; 3]);
    let lost = heard.iter().flatten().filter(|heard| !**heard).count();
    assert!(lost <= 6, "{lost} packets were lost");
}

#[test]
fn a_source_that_does_not_come_again_gives_way_to_another_one() {
    let mut pair = pair_at_roc_3(SHORT);
    let first = pair.seal(&rtp(SSRC + 1, 1)).unwrap();
    pair.open(&first).unwrap();
    let lone = pair.seal(&rtp(SSRC, 9_000)).unwrap();
    assert_eq!(pair.open(&lone), Err(UnprotectError::Unconfirmed));
    let opened = (0..50).filter(|after| {
        let sealed = pair.seal(&rtp(SSRC + 1, 5_000 + after)).unwrap();
        pair.open(&sealed).is_ok()
    });
    assert!(opened.count() >= 30);
}

#[test]
fn a_long_tag_is_trusted_at_once() {
    for suite in [Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm] {
        let mut pair = pair_at_roc_3(suite);
        let far = pair.seal(&rtp(SSRC, 9_000)).unwrap();
        assert!(pair.open(&far).is_ok(), "{suite:?}");
    }
}
