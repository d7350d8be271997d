//! A packet that is refused leaves nothing behind.

use agw_srtp::{SourceState, Suite, UnprotectError};
use proptest::prelude::*;

use crate::support::{Pair, rtcp, rtp};

#[derive(Debug, Clone)]
enum Step {
    Good { ssrc: u32, ahead: u16 },
    Report { ssrc: u32 },
    Forged { ssrc: u32, sequence: u16, bit: usize },
    ForgedReport { ssrc: u32, bit: usize },
    Replay { which: usize },
    Raw(Vec<u8>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1_u32..5, 1_u16..400).prop_map(|(ssrc, ahead)| Step::Good { ssrc, ahead }),
        1 => (1_u32..5).prop_map(|ssrc| Step::Report { ssrc }),
        3 => (1_u32..9, any::<u16>(), any::<usize>())
            .prop_map(|(ssrc, sequence, bit)| Step::Forged { ssrc, sequence, bit }),
        1 => (1_u32..9, any::<usize>()).prop_map(|(ssrc, bit)| Step::ForgedReport { ssrc, bit }),
        2 => any::<usize>().prop_map(|which| Step::Replay { which }),
        1 => prop::collection::vec(any::<u8>(), 0..80).prop_map(Step::Raw),
    ];
    prop::collection::vec(step, 1..60)
}

fn flip(packet: &mut [u8], bit: usize) {
    let bit = bit % (packet.len() * 8);
    packet[bit / 8] ^= 1 << (bit % 8);
}

fn state(pair: &Pair) -> Vec<SourceState> {
    pair.ingress.sources().collect()
}

proptest! {
    //= tests/spec/srtp.md#order-of-checks
    //= type=test
    //# A packet that fails authentication MUST leave the crypto context as it was.
    //= tests/spec/srtp.md#packet-index
    //= type=test
    //# The highest index MUST NOT advance before the packet is authenticated.
    #[test]
    fn whatever_is_refused_changes_nothing_and_whatever_is_good_still_opens(
        suite in prop::sample::select(Suite::ALL.to_vec()),
        steps in steps(),
    ) {
        let mut pair = Pair::of(suite);
        // What forgers start from: sealed under another key.
        let mut stranger = Pair::new(
            agw_srtp::EgressKey::new(crate::support::master(suite, 0xff)),
            agw_srtp::IngressKey::new(crate::support::master(suite, 0xff)),
        );
        let mut next = [0_u16; 5];
        let mut accepted: Vec<Vec<u8>> = Vec::new();
        for step in steps {
            let before = state(&pair);
            let refused = match step {
                Step::Good { ssrc, ahead } => {
                    let sequence = &mut next[ssrc as usize];
                    *sequence = sequence.wrapping_add(ahead);
                    let plain = rtp(ssrc, *sequence);
                    let sealed = pair.seal(&plain).unwrap();
                    prop_assert_eq!(pair.open(&sealed), Ok(plain));
                    accepted.push(sealed);
                    continue;
                }
                Step::Report { ssrc } => {
                    let sealed = pair.seal_rtcp(&rtcp(ssrc)).unwrap();
                    prop_assert_eq!(pair.open_rtcp(&sealed), Ok(rtcp(ssrc)));
                    continue;
                }
                Step::Forged { ssrc, sequence, bit } => {
                    let Ok(mut forged) = stranger.seal(&rtp(ssrc, sequence)) else { continue };
                    flip(&mut forged, bit);
                    pair.open(&forged).is_err()
                }
                Step::ForgedReport { ssrc, bit } => {
                    let mut forged = stranger.seal_rtcp(&rtcp(ssrc)).unwrap();
                    flip(&mut forged, bit);
                    pair.open_rtcp(&forged).is_err()
                }
                Step::Replay { which } => {
                    let Some(old) = accepted.get(which % accepted.len().max(1)) else { continue };
                    pair.open(&old.clone()).is_err()
                }
                Step::Raw(octets) => pair.open(&octets).is_err() && pair.open_rtcp(&octets).is_err(),
            };
            prop_assert!(refused);
            prop_assert_eq!(state(&pair), before);
        }
    }
}

#[test]
fn what_cannot_be_accepted_dies_before_any_mac() {
    for suite in Suite::ALL {
        let mut pair = Pair::of(suite);
        let old = pair.seal(&rtp(1, 1)).unwrap();
        let media = pair.seal(&rtp(1, 500)).unwrap();
        let report = pair.seal_rtcp(&rtcp(1)).unwrap();
        pair.open(&media).unwrap();
        pair.open_rtcp(&report).unwrap();

        let check = |packet: &[u8]| pair.ingress.check_srtp(packet, pair.now).map(drop);
        assert_eq!(check(&media), Err(UnprotectError::Replay), "{suite:?}");
        assert_eq!(check(&old), Err(UnprotectError::TooOld), "{suite:?}");
        let shortest = 12 + suite.srtp_tag_len();
        assert_eq!(check(&media[..shortest - 1]), Err(UnprotectError::Malformed), "{suite:?}");
        let check = |packet: &[u8]| pair.ingress.check_srtcp(packet, pair.now).map(drop);
        assert_eq!(check(&report), Err(UnprotectError::Replay), "{suite:?}");
        let shortest = 8 + 4 + suite.srtcp_tag_len();
        assert_eq!(check(&report[..shortest - 1]), Err(UnprotectError::Malformed), "{suite:?}");
    }
}

//= tests/spec/srtp.md#order-of-checks
//= type=test
//# An SSRC MUST NOT be remembered before one of its packets is authenticated.
//= tests/spec/relay.md#memory
//= type=test
//# A flood of unknown SSRCs MUST NOT harm the genuine stream.
#[test]
fn a_flood_of_forged_sources_does_not_keep_a_good_one_out() {
    let mut pair = Pair::of(Suite::AesCm128HmacSha1_80);
    let sealed = pair.seal(&rtp(1, 1)).unwrap();
    for ssrc in 1..10_000_u32 {
        let mut forged = sealed.clone();
        forged[8..12].copy_from_slice(&ssrc.to_be_bytes());
        forged[15] ^= 1;
        assert!(pair.open(&forged).is_err());
    }
    assert_eq!(pair.ingress.sources().count(), 0);
    assert!(pair.open(&sealed).is_ok());
}
