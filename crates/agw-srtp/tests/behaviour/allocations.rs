//! The packet path allocates for nothing but further sources, and for these a few times at most.

use std::ops::RangeInclusive;

use allocation_counter::measure;

use agw_srtp::{EgressKey, IngressKey, Portable, SessionParameters, Suite, UnprotectError};

use crate::support::{Pair, master, rtcp, rtp, with_tail_room};

/// Seals and opens one RTP and one RTCP packet of every source in place.
fn exchange(pair: &mut Pair, buffer: &mut [u8], plain: &[Vec<u8>], reports: &[Vec<u8>]) {
    for packet in plain {
        buffer[..packet.len()].copy_from_slice(packet);
        let octets = pair.egress.protect_srtp(&Portable, buffer, packet.len()).unwrap();
        let octets = pair.ingress.unprotect_srtp(&Portable, buffer, octets, pair.now);
        assert_eq!(octets, Ok(packet.len()));
    }
    for packet in reports {
        buffer[..packet.len()].copy_from_slice(packet);
        let octets = pair.egress.protect_srtcp(&Portable, buffer, packet.len()).unwrap();
        let octets = pair.ingress.unprotect_srtcp(&Portable, buffer, octets, pair.now);
        assert_eq!(octets, Ok(packet.len()));
    }
    assert_eq!(pair.ingress.poll_event(), None);
    assert_eq!(pair.egress.poll_event(), None);
}

fn pair_of(suite: Suite, window: u16) -> Pair {
    let parameters = SessionParameters { window, ..SessionParameters::default() };
    let (egress, ingress) = (EgressKey::new(master(suite, 1)), IngressKey::new(master(suite, 1)));
    Pair::with_parameters(egress, ingress, parameters)
}

/// One RTP packet of each source.
fn packets(sources: RangeInclusive<u32>, sequence: u16) -> Vec<Vec<u8>> {
    sources.map(|ssrc| rtp(ssrc, sequence)).collect()
}

#[test]
fn the_first_source_allocates_nothing_from_its_first_packet_on() {
    for (suite, window) in Suite::ALL.into_iter().zip([64, 128, 256, 4096].into_iter().cycle()) {
        let mut pair = pair_of(suite, window);
        let mut buffer = with_tail_room(&[0; 200]);
        let rounds = [65_535, 0, 1000].map(|sequence| packets(1..=1, sequence));
        let reports = [rtcp(1)];

        let allocations = measure(|| {
            for plain in &rounds {
                exchange(&mut pair, &mut buffer, plain, &reports);
            }
        });

        assert_eq!(allocations.count_total, 0, "{suite:?}");
        assert_eq!(pair.ingress.sources().count(), 1, "{suite:?}");
    }
}

#[test]
fn further_sources_allocate_a_few_times_and_then_no_more() {
    let mut pair = pair_of(Suite::AesCm128HmacSha1_80, 128);
    let mut buffer = with_tail_room(&[0; 200]);
    let (first, second) = (packets(1..=8, 1), packets(1..=8, 2));
    let reports: Vec<Vec<u8>> = (1..=8).map(rtcp).collect();

    let new = measure(|| exchange(&mut pair, &mut buffer, &first, &reports));
    let known = measure(|| exchange(&mut pair, &mut buffer, &second, &reports));

    // Room for two, four and eight, in each direction.
    assert!((1..=6).contains(&new.count_total), "{new:?}");
    assert_eq!(known.count_total, 0);
    assert_eq!(pair.ingress.sources().count(), 8);
}

//= tests/spec/relay.md#memory
//= type=test
//# A flood of unknown SSRCs MUST NOT grow the memory of a leg.
#[test]
fn a_flood_of_unknown_sources_allocates_nothing() {
    let mut pair = pair_of(Suite::AesCm128HmacSha1_80, 128);
    let sealed = pair.seal(&rtp(1, 1)).unwrap();
    pair.open(&sealed).unwrap();
    let mut buffer = sealed.clone();

    let allocations = measure(|| {
        for ssrc in 2..1_000_u32 {
            buffer.copy_from_slice(&sealed);
            buffer[8..12].copy_from_slice(&ssrc.to_be_bytes());
            let octets = buffer.len();
            let refused = pair.ingress.unprotect_srtp(&Portable, &mut buffer, octets, pair.now);
            assert_eq!(refused, Err(UnprotectError::Authentication));
        }
    });

    assert_eq!(allocations.count_total, 0);
    assert_eq!(pair.ingress.sources().count(), 1);
}

#[test]
fn refusing_allocates_nothing() {
    let mut pair = Pair::of(Suite::AesCm128HmacSha1_80);
    let sealed = pair.seal(&rtp(1, 1)).unwrap();
    pair.open(&sealed).unwrap();
    let mut forged = sealed.clone();
    forged[3] ^= 1;
    let octets = sealed.len();

    let allocations = measure(|| {
        for packet in [&sealed[..], &forged[..], &sealed[..20], &[]] {
            let mut buffer = [0; 64];
            buffer[..packet.len()].copy_from_slice(packet);
            let length = packet.len().min(octets);
            let refused = pair.ingress.unprotect_srtp(&Portable, &mut buffer, length, pair.now);
            assert!(refused.is_err());
        }
    });

    assert_eq!(allocations.count_total, 0);
}
