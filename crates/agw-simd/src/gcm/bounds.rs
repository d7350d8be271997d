//! Texts and associated data at the edge of what may be touched.

use super::tests::Packet;
use crate::aes::tests::levels;
use crate::guarded::Guarded;

/// Seals and opens a packet whose octets are in the given places.
fn check(packet: &Packet, aad: &mut [u8], text: &mut [u8]) {
    aad.copy_from_slice(&packet.aad);
    for level in levels() {
        let what = (level, aad.len(), text.len());
        text.copy_from_slice(&packet.text);
        let tag = packet.seal_in_place(level, aad, text);
        assert_eq!((text.to_vec(), tag), packet.seal_by_peer(), "{what:?}");
        assert_eq!(packet.open_in_place(level, aad, text, &tag), Ok(()), "{what:?}");
        assert_eq!(text, packet.text, "{what:?}");
    }
}

#[test]
fn sealing_and_opening_stay_within_text_and_associated_data() {
    let (mut aads, mut texts) = (Guarded::new(), Guarded::new());
    for text_octets in (0..=300).chain([511, 512, 513, 1200]) {
        for aad_octets in [0, 1, 12, 16, 28, 47, 48, 49, 64, 255, 256, 257] {
            let packet = Packet::noise(16, aad_octets, text_octets);
            check(&packet, aads.first(aad_octets), texts.first(text_octets));
            check(&packet, aads.last(aad_octets), texts.last(text_octets));
        }
    }
}

#[test]
fn what_lies_beside_the_text_stays_as_it_was() {
    for text_octets in 0..=300 {
        let packet = Packet::noise(32, 12, text_octets);
        let mut around = vec![0xa5; 64 + text_octets + 64];
        check(&packet, &mut [0; 12], &mut around[64..64 + text_octets]);
        let (before, behind) = (&around[..64], &around[64 + text_octets..]);
        assert!(before.iter().chain(behind).all(|octet| *octet == 0xa5), "{text_octets}");
    }
}
