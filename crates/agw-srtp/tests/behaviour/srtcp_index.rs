//! The gateway's own SRTCP index (RFC 3711 §3.4).

use agw_srtp::{Portable, RocOnRekey, SessionParameters};

use crate::support::{Pair, SUITE, egress_key, rtcp, rtp};

/// The 31-bit index of a sealed packet.
fn index_of(sealed: &[u8]) -> u32 {
    let end = sealed.len() - SUITE.srtcp_tag_len();
    u32::from_be_bytes(sealed[end - 4..end].try_into().unwrap()) & 0x7fff_ffff
}

//= tests/spec/srtp.md#srtcp-index
//= type=test
//# The SRTCP index MUST start at 1 and grow by one with each SRTCP packet sent, whatever its SSRC.
#[test]
fn it_starts_at_1_and_is_one_counter_over_all_sources() {
    let mut pair = Pair::of(SUITE);
    assert_eq!(pair.egress.srtcp_index(), None);
    let indices: Vec<u32> =
        [1, 2, 1, 3, 3].map(|ssrc| index_of(&pair.seal_rtcp(&rtcp(ssrc)).unwrap())).into();
    assert_eq!(indices, [1, 2, 3, 4, 5]);
    assert_eq!(pair.egress.srtcp_index().unwrap().get(), 5);
}

//= tests/spec/srtp.md#srtcp-index
//= type=test
//# A new key for the same crypto context MUST NOT set the SRTCP index back when the rollover
//# counter is kept.
#[test]
fn a_rekey_goes_on_with_it_unless_counters_start_anew() {
    let parameters = SessionParameters::default();
    // new key, what happens to counters, next index
    let table = [
        (1, RocOnRekey::Keep, 3),
        (1, RocOnRekey::Reset, 3),
        (2, RocOnRekey::Keep, 3),
        (2, RocOnRekey::Reset, 1),
        (2, RocOnRekey::Set(7), 1),
    ];
    for (seed, roc, expected) in table {
        let mut pair = Pair::new(egress_key(1), crate::support::ingress_key(1));
        pair.seal_rtcp(&rtcp(1)).unwrap();
        pair.seal_rtcp(&rtcp(1)).unwrap();
        pair.egress.rekey(&Portable, vec![egress_key(seed)], parameters, roc).unwrap();
        let sealed = pair.seal_rtcp(&rtcp(1)).unwrap();
        assert_eq!(index_of(&sealed), expected, "key {seed}, {roc:?}");
    }
}

#[test]
fn media_does_not_move_it_nor_does_a_malformed_report() {
    let mut pair = Pair::of(SUITE);
    pair.seal(&rtp(1, 1)).unwrap();
    assert!(pair.seal_rtcp(&[0x80, 201, 0]).is_err());
    assert_eq!(index_of(&pair.seal_rtcp(&rtcp(1)).unwrap()), 1);
}
