//! Batches of every size, with everything in them at once.

use agw_srtp::{CryptoFailure, Portable};

use crate::rig::{Profile, engines, made, open, packet, profiles, seal, sessions, with_room};

/// The sizes that one piece of a batch may have, and some that take several.
fn sizes() -> impl Iterator<Item = usize> {
    (0..=64).chain([65, 127, 128, 129, 200])
}

/// Payload lengths that share kernels, and lengths that do not.
fn length(place: usize, size: usize) -> usize {
    match size % 3 {
        0 => 160,
        1 => 150 + place % 30,
        _ => place * 331 % 1_400,
    }
}

fn mixture(size: usize) -> Vec<Profile> {
    let all = profiles();
    (0..size).map(|place| all[(place * 7 + size) % all.len()]).collect()
}

#[test]
fn a_mixed_batch_of_any_size_leaves_as_from_the_portable_engine_and_opens_again() {
    for engine in engines() {
        for size in sizes() {
            let profiles = mixture(size);
            let packets: Vec<Vec<u8>> = (0..)
                .zip(&profiles)
                .map(|(place, profile)| packet(*profile, 1, length(place, size)))
                .collect();
            let mut ours = sessions(&engine, &profiles);
            let mut reference = sessions(&Portable, &profiles);
            let sealed = seal(&engine, &mut ours, &packets);
            assert_eq!(sealed, seal(&Portable, &mut reference, &packets), "{engine:?} {size}");

            let sealed: Vec<Vec<u8>> = sealed.iter().map(made).collect();
            let opened = open(&engine, &ours, &sealed);
            assert_eq!(opened, open(&Portable, &reference, &sealed), "{engine:?} {size}");
            let opened: Vec<Vec<u8>> = opened.iter().map(made).collect();
            assert_eq!(opened, packets, "{engine:?} {size}");
        }
    }
}

#[test]
fn a_packet_with_a_wrong_tag_stays_as_it_was_and_disturbs_no_other() {
    for engine in engines() {
        for size in sizes() {
            let profiles = mixture(size);
            let mut ours = sessions(&engine, &profiles);
            let packets: Vec<Vec<u8>> = (0..)
                .zip(&profiles)
                .map(|(place, profile)| packet(*profile, 1, length(place, size)))
                .collect();
            let sealed = seal(&engine, &mut ours, &packets);
            let mut arriving: Vec<Vec<u8>> = sealed.iter().map(made).collect();
            let is_forged = |place: usize| (place + size).is_multiple_of(3);
            for (place, (packet, profile)) in arriving.iter_mut().zip(&profiles).enumerate() {
                if is_forged(place) {
                    forge(packet, *profile, place);
                }
            }
            for (place, after) in open(&engine, &ours, &arriving).iter().enumerate() {
                if is_forged(place) {
                    let as_it_was = with_room(&arriving[place]);
                    let refused = (Err(CryptoFailure::Authentication), as_it_was);
                    assert_eq!(*after, refused, "{engine:?} {size} {:?}", profiles[place]);
                } else {
                    assert_eq!(made(after), packets[place], "{engine:?} {size}");
                }
            }
        }
    }
}

/// Changes one bit of the tag, or of what it covers.
fn forge(packet: &mut [u8], profile: Profile, place: usize) {
    let word = if profile.rtcp { 4 } else { 0 };
    let tag =
        if profile.rtcp { profile.suite.srtcp_tag_len() } else { profile.suite.srtp_tag_len() };
    let behind = if profile.suite.is_aead() { word + profile.mki_octets } else { 0 };
    let at = match place % 3 {
        0 => packet.len() - behind - 1,
        1 => packet.len() - behind - tag,
        _ => 7,
    };
    packet[at] ^= 1 << (place % 8);
}
