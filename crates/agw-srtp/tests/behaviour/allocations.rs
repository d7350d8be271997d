//! The packet path allocates for nothing: room for further sources is made ahead of them.

use std::ops::RangeInclusive;

use allocation_counter::measure;

use agw_srtp::{
    EgressKey, Engine, IngressKey, Portable, RocOnRekey, SessionParameters, SpareRooms, Suite,
    UnprotectError,
};

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

/// Seals and opens an RTP packet of each source, which find their room made.
fn bring(pair: &mut Pair, buffer: &mut [u8], plain: &[Vec<u8>], spare: &mut SpareRooms) {
    for packet in plain {
        let octets = packet.len();
        buffer[..octets].copy_from_slice(packet);
        let ticket = pair.egress.begin_srtp(&buffer[..octets], spare).unwrap();
        let mut sealed = [pair.egress.job(&ticket, buffer, octets)];
        Portable.run(&mut sealed);
        let octets = sealed[0].outcome().unwrap();
        let ticket = pair.ingress.check_srtp(&buffer[..octets], pair.now).unwrap();
        let mut opened = [pair.ingress.job(&ticket, buffer, octets)];
        Portable.run(&mut opened);
        assert_eq!(opened[0].outcome(), Ok(packet.len()));
        pair.ingress.commit(ticket, pair.now, spare).unwrap();
    }
}

#[test]
fn further_sources_take_room_that_was_made_ahead_and_allocate_nothing() {
    for (window, taken) in [(64, 16), (128, 32), (256, 0)] {
        let parameters = SessionParameters { window, max_sources: 64, ..Default::default() };
        let suite = Suite::AesCm128HmacSha1_80;
        let egress = EgressKey::new(master(suite, 1));
        let mut pair = Pair::with_parameters(egress, IngressKey::new(master(suite, 1)), parameters);
        let mut buffer = with_tail_room(&[0; 200]);
        let (first, second) = (packets(1..=64, 1), packets(1..=64, 2));
        let mut spare = SpareRooms::new();
        spare.fill(40);

        let allocations = measure(|| {
            bring(&mut pair, &mut buffer, &first, &mut spare);
            bring(&mut pair, &mut buffer, &second, &mut spare);
        });

        assert_eq!(allocations.count_total, 0, "{window}");
        assert_eq!(pair.ingress.sources().count(), 64);
        // Windows of another size are made with the session.
        assert_eq!(40 - spare.len(), taken, "{window}");
    }
}

#[test]
fn the_packet_that_activates_a_key_and_one_that_takes_an_old_sources_place_allocate_nothing() {
    use crate::support::{OVERLAP, egress_key_with_mki, ingress_key_with_mki};
    let parameters = SessionParameters { max_sources: 2, ..SessionParameters::default() };
    let with = |seed: u8| (egress_key_with_mki(seed, &[seed]), ingress_key_with_mki(seed, &[seed]));
    let (egress, ingress) = with(1);
    let mut pair = Pair::with_parameters(egress, ingress, parameters);
    let mut buffer = with_tail_room(&[0; 200]);
    let mut spare = SpareRooms::new();
    spare.fill(4);
    bring(&mut pair, &mut buffer, &packets(1..=2, 1), &mut spare);
    for seed in 2..=8_u8 {
        let (egress, ingress) = with(seed);
        pair.ingress.stage(&Portable, ingress, seed.into()).unwrap();
        pair.egress.rekey(&Portable, vec![egress], parameters, RocOnRekey::Keep).unwrap();
        let known = packets(2..=2, seed.into());
        let activates = measure(|| bring(&mut pair, &mut buffer, &known, &mut spare));
        assert_eq!(activates.count_total, 0, "{seed}");
        assert_eq!(pair.ingress.keys().count(), usize::from(seed).min(5));
    }
    pair.now += 2 * OVERLAP;
    pair.ingress.handle_timeout(pair.now);
    let new = packets(3..=3, 1);
    let evicts = measure(|| bring(&mut pair, &mut buffer, &new, &mut spare));
    assert_eq!(evicts.count_total, 0);
    assert_eq!(pair.ingress.sources().count(), 2);
}

#[test]
fn without_room_made_ahead_further_sources_make_their_own() {
    let mut pair = pair_of(Suite::AesCm128HmacSha1_80, 128);
    let mut buffer = with_tail_room(&[0; 200]);
    let (first, second) = (packets(1..=8, 1), packets(1..=8, 2));
    let reports: Vec<Vec<u8>> = (1..=8).map(rtcp).collect();

    let new = measure(|| exchange(&mut pair, &mut buffer, &first, &reports));
    let known = measure(|| exchange(&mut pair, &mut buffer, &second, &reports));

    // Two rooms for four in each direction.
    assert_eq!((new.count_total, known.count_total), (4, 0));
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
