//! The packet path does not allocate, not even for a source that was never seen before.

use allocation_counter::measure;

use agw_srtp::{EgressKey, IngressKey, Portable, SessionParameters, Suite};

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

#[test]
fn sealing_and_opening_allocate_nothing() {
    for (suite, window) in Suite::ALL.into_iter().zip([64, 128, 256, 4096].into_iter().cycle()) {
        let parameters = SessionParameters { window, ..SessionParameters::default() };
        let egress = EgressKey::new(master(suite, 1));
        let ingress = IngressKey::new(master(suite, 1));
        let mut pair = Pair::with_parameters(egress, ingress, parameters);
        let mut buffer = with_tail_room(&[0; 200]);
        let packets =
            |sequence| -> Vec<Vec<u8>> { (1..=8).map(|ssrc| rtp(ssrc, sequence)).collect() };
        let rounds = [packets(65_535), packets(0), packets(1000)];
        let reports: Vec<Vec<u8>> = (1..=8).map(rtcp).collect();

        let allocations = measure(|| {
            for plain in &rounds {
                exchange(&mut pair, &mut buffer, plain, &reports);
            }
        });

        assert_eq!(allocations.count_total, 0, "{suite:?}");
        assert_eq!(pair.ingress.sources().count(), 8, "{suite:?}");
    }
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
