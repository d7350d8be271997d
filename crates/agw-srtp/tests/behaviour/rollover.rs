//! The rollover counter over wraps, losses and reordering (RFC 3711 §3.3.1).

use agw_srtp::{Portable, Suite, UnprotectError};
use proptest::prelude::*;

use crate::support::{Pair, SSRC, rtp};

fn roc(pair: &Pair) -> u32 {
    pair.ingress.sources().next().unwrap().roc
}

proptest! {
    #[test]
    fn packets_around_the_wrap_open_in_any_order_after_the_first(
        suite in prop::sample::select(Suite::ALL.to_vec()),
        order in Just((65_531_u32..65_546).collect::<Vec<u32>>()).prop_shuffle(),
    ) {
        let mut pair = Pair::of(suite);
        let mut sealed = |sequence: u32| pair.seal(&rtp(SSRC, sequence as u16)).unwrap();
        let first = sealed(65_530);
        let packets: Vec<Vec<u8>> = (65_531..65_546).map(sealed).collect();
        pair.open(&first).unwrap();
        for sequence in order {
            let opened = pair.open(&packets[(sequence - 65_531) as usize]);
            prop_assert_eq!(opened, Ok(rtp(SSRC, sequence as u16)));
        }
        prop_assert_eq!(roc(&pair), 1);
    }
}

//= tests/spec/srtp.md#replay
//= type=test
//# Packets before the first one MUST be accepted while they are inside the window.
#[test]
fn packets_before_the_first_one_open_while_they_are_within_the_window() {
    let mut pair = Pair::of(Suite::AesCm128HmacSha1_80);
    let sealed: Vec<Vec<u8>> = (0..=128).map(|seq| pair.seal(&rtp(SSRC, seq)).unwrap()).collect();
    pair.open(&sealed[128]).unwrap();
    assert!(pair.open(&sealed[1]).is_ok());
    assert_eq!(pair.open(&sealed[0]), Err(UnprotectError::TooOld));
}

//= tests/spec/srtp.md#packet-index
//= type=test
//# A packet estimated one rollover behind MUST NOT change the rollover counter.
#[test]
fn a_late_packet_from_before_the_wrap_does_not_turn_the_counter_back() {
    let mut pair = Pair::of(Suite::AesCm128HmacSha1_80);
    let sealed: Vec<Vec<u8>> =
        [65_534, 65_535, 0, 1].map(|sequence| pair.seal(&rtp(SSRC, sequence)).unwrap()).into();
    for arrival in [0, 2, 1, 3] {
        pair.open(&sealed[arrival]).unwrap();
    }
    assert_eq!(roc(&pair), 1);
}

//= tests/spec/srtp.md#packet-index
//= type=test
//# The rollover counter MUST NOT go below 0.
#[test]
fn at_counter_0_there_is_nothing_before_0() {
    // A first jump of more than 2^15 would be counter -1 in Appendix A: taken as a jump ahead.
    let mut pair = Pair::of(Suite::AesCm128HmacSha1_80);
    for sequence in [21_845, 65_294] {
        let sealed = pair.seal(&rtp(SSRC, sequence)).unwrap();
        assert!(pair.open(&sealed).is_ok(), "{sequence}");
    }
    assert_eq!(roc(&pair), 0);
}

#[test]
fn several_turns_with_heavy_loss_stay_in_step() {
    let mut pair = Pair::of(Suite::AeadAes256Gcm);
    let mut sequence = 60_000_u16;
    for _ in 0..40 {
        let sealed = pair.seal(&rtp(SSRC, sequence)).unwrap();
        assert!(pair.open(&sealed).is_ok(), "{sequence}");
        sequence = sequence.wrapping_add(32_000);
    }
    assert_eq!(u64::from(roc(&pair)), (60_000 + 39 * 32_000) / 65_536);
}

#[test]
fn a_jump_far_ahead_is_marked_and_a_small_one_is_not() {
    let mut pair = Pair::of(Suite::AesCm128HmacSha1_80);
    let sealed = [0, 3000, 3001].map(|sequence| pair.seal(&rtp(SSRC, sequence)).unwrap());
    let first = pair.ingress.check_srtp(&sealed[0], pair.now).unwrap();
    assert!(first.is_new_source() && !first.is_implausible());
    pair.open(&sealed[0]).unwrap();
    let near = pair.ingress.check_srtp(&sealed[1], pair.now).unwrap();
    assert!(!near.is_new_source() && !near.is_implausible());
    let far = pair.ingress.check_srtp(&sealed[2], pair.now).unwrap();
    assert!(far.is_implausible());
    drop((first, near, far));
}

#[test]
fn a_session_can_start_at_a_given_counter() {
    let parameters = agw_srtp::SessionParameters::default();
    let keys = vec![crate::support::egress_key(1)];
    let mut egress = agw_srtp::Protector::new(&Portable, keys, parameters, 5).unwrap();
    let sealed = crate::support::seal(&mut egress, &rtp(SSRC, 1)).unwrap();
    for (initial, opens) in [(5, true), (4, false), (0, false)] {
        let keys = vec![crate::support::ingress_key(1)];
        let mut ingress = agw_srtp::Unprotector::new(&Portable, keys, parameters, initial).unwrap();
        let opened = crate::support::open(&mut ingress, &sealed, crate::support::start());
        assert_eq!(opened.is_ok(), opens, "{initial}");
    }
}
