//! Never two packets with the same key, source and index, whatever the core side sends.

use std::collections::{BTreeMap, BTreeSet};

use agw_rtp::SequenceNumber;
use agw_srtp::{PacketIndex, ProtectError, SessionParameters, SpareRooms, Suite, estimate_index};
use proptest::prelude::*;

use crate::support::{Pair, SSRC, egress_key, ingress_key, rtp};

const GUARD: u64 = 128;

/// Sequence numbers of a few sources: mostly forward, some repeated, some restarted.
fn sendings() -> impl Strategy<Value = Vec<(u32, u16)>> {
    let step = prop_oneof![
        8 => 0_i32..4,
        3 => -5_i32..5,
        2 => -200_i32..200,
        1 => -70_000_i32..70_000,
    ];
    prop::collection::vec((1_u32..4, step), 1..300).prop_map(|steps| {
        let mut sequences = [0_i32, 10, 40_000, 65_500];
        let send = |(ssrc, step): (u32, i32)| {
            let sequence = &mut sequences[ssrc as usize];
            *sequence += step;
            (ssrc, *sequence as u16)
        };
        steps.into_iter().map(send).collect()
    })
}

/// What the guard must say, from the set of every index ever used.
fn expected(used: &mut BTreeSet<u64>, sequence: u16) -> Result<u64, ProtectError> {
    let highest = used.last().copied();
    let index = match highest {
        None => u64::from(sequence),
        Some(highest) => {
            let highest = PacketIndex::new((highest >> 16) as u32, highest as u16);
            estimate_index(highest, SequenceNumber(sequence)).get()
        }
    };
    if highest.is_some_and(|highest| index + GUARD <= highest) {
        return Err(ProtectError::TooOld);
    }
    if !used.insert(index) {
        return Err(ProtectError::IndexReused);
    }
    Ok(index)
}

proptest! {
    //= tests/spec/srtp.md#transmit-guard
    //= type=test
    //# Two packets MUST NOT be protected with the same key, SSRC and index.
    #[test]
    fn an_index_is_reserved_once_or_refused(sendings in sendings()) {
        let mut pair = Pair::new(egress_key(1), ingress_key(1));
        let mut used: BTreeMap<u32, BTreeSet<u64>> = BTreeMap::new();
        for (ssrc, sequence) in sendings {
            let reserved = pair.egress.begin_srtp(&rtp(ssrc, sequence), &mut SpareRooms::new());
            let index = reserved.map(|ticket| ticket.packet_index().unwrap().get());
            prop_assert_eq!(index, expected(used.entry(ssrc).or_default(), sequence));
        }
    }

    #[test]
    fn a_receiver_opens_everything_that_the_guard_let_pass(
        suite in prop::sample::select(vec![Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm]),
        sendings in sendings(),
    ) {
        let mut pair = Pair::of(suite);
        for (ssrc, sequence) in sendings {
            if let Ok(sealed) = pair.seal(&rtp(ssrc, sequence)) {
                prop_assert_eq!(pair.open(&sealed), Ok(rtp(ssrc, sequence)));
            }
        }
    }
}

//= tests/spec/srtp.md#transmit-guard
//= type=test
//# Two packets MUST NOT be protected with the same key, SSRC and index.
#[test]
fn a_duplicate_with_another_payload_is_refused() {
    let mut pair = Pair::new(egress_key(1), ingress_key(1));
    pair.seal(&rtp(SSRC, 7)).unwrap();
    let mut other = rtp(SSRC, 7);
    other[15] ^= 0xff;
    assert_eq!(pair.seal(&other), Err(ProtectError::IndexReused));
    assert_eq!(pair.seal(&rtp(SSRC, 7)), Err(ProtectError::IndexReused));
}

//= tests/spec/srtp.md#transmit-guard
//= type=test
//# A packet behind the transmit window MUST NOT be protected.
#[test]
fn a_restarted_source_is_refused_until_it_has_caught_up() {
    let mut pair = Pair::new(egress_key(1), ingress_key(1));
    for sequence in 1000..1300 {
        pair.seal(&rtp(SSRC, sequence)).unwrap();
    }
    assert_eq!(pair.seal(&rtp(SSRC, 500)), Err(ProtectError::TooOld));
    assert_eq!(pair.seal(&rtp(SSRC, 1299)), Err(ProtectError::IndexReused));
    assert!(pair.seal(&rtp(SSRC, 1300)).is_ok());
}

//= tests/spec/srtp.md#transmit-guard
//= type=test
//# A packet behind the transmit window MUST NOT be protected.
#[test]
fn the_guard_looks_back_128_packets_even_if_the_window_is_64() {
    let parameters = SessionParameters { window: 64, ..SessionParameters::default() };
    let mut pair = Pair::with_parameters(egress_key(1), ingress_key(1), parameters);
    pair.seal(&rtp(SSRC, 1000)).unwrap();
    assert!(pair.seal(&rtp(SSRC, 1000 - 127)).is_ok());
    assert_eq!(pair.seal(&rtp(SSRC, 1000 - 128)), Err(ProtectError::TooOld));
}

#[test]
fn an_index_stays_used_when_sealing_fails() {
    let mut pair = Pair::new(egress_key(1), ingress_key(1));
    let mut no_room = rtp(SSRC, 1);
    let octets = no_room.len();
    let outcome = pair.egress.protect_srtp(&agw_srtp::Portable, &mut no_room, octets);
    assert_eq!(outcome, Err(ProtectError::NoRoom));
    assert_eq!(pair.seal(&rtp(SSRC, 1)), Err(ProtectError::IndexReused));
}
