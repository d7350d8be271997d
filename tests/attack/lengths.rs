//! T6, T7: datagrams whose lengths lie.

use agw_tests::Call;
use agw_tests::packet::rtp;

use crate::scene::{SUITE, Scene, multiplexing};

/// The longest datagram that passes in one piece.
const LONGEST: u16 = 1_472;
/// Everything that a datagram may be dropped for that has no good tag.
const UNFIT: &[&str] = &[
    "authentication",
    "authentication_limited",
    "malformed",
    "not_media",
    "wrong_component",
    "implausible",
    "too_old",
    "unencrypted",
    "replay",
];
/// Second octets: RTP, RTCP-like RTP, RTP with the marker, RTCP.
const CLASSES: [u8; 4] = [8, 72, 0xE0, 200];
/// A field of filling is larger than any header with all its lists.
const FILLING: usize = 1_500;

#[test]
fn datagrams_of_every_length_first_octet_and_class_are_dropped() {
    let title = "malformed lengths of RTP and RTCP";
    let Some(mut scene) = Scene::new("T6", title) else { return };
    let to = scene.ports()[0];
    let stranger = scene.attackers.socket();
    let filling: Vec<u8> = (0..FILLING).map(|_| rand::random()).collect();
    let send = |packet: &[u8]| {
        stranger.send_to(packet, to).expect("a datagram sent");
    };
    let packets = (0..=LONGEST).flat_map(|length| {
        let filling = &filling;
        (0..=255).flat_map(move |first| {
            CLASSES.into_iter().map(move |second| {
                let mut packet = filling.get(..length.into()).unwrap_or_default().to_vec();
                packet.iter_mut().zip([first, second]).for_each(|(octet, value)| *octet = value);
                packet
            })
        })
    });
    scene.attack(packets, send, UNFIT);
    scene.goes_on();
}

#[test]
fn control_packets_of_every_length_and_claimed_length_are_dropped() {
    let title = "malformed lengths of RTP and RTCP";
    let call = |gateway: &_| multiplexing(gateway);
    let Some(mut scene) = Scene::with("T6", title, &[], call) else { return };
    let [to, ..] = scene.ports();
    let stranger = scene.attackers.socket();
    let filling: Vec<u8> = (0..FILLING).map(|_| rand::random()).collect();
    // Version 2 with every count, and padding; lengths of zero, a little, too much.
    let packets = (0..=300u16).flat_map(|length| {
        let filling = &filling;
        [0x80, 0x81, 0x9F, 0xA0, 0xBF].into_iter().flat_map(move |first| {
            [0u16, 1, 6, 74, 75, 0xFFFF].into_iter().map(move |words| {
                let mut packet = filling.get(..length.into()).unwrap_or_default().to_vec();
                let [high, low] = words.to_be_bytes();
                let header = [first, 201, high, low];
                packet.iter_mut().zip(header).for_each(|(octet, value)| *octet = value);
                packet
            })
        })
    });
    let send = |packet: &[u8]| {
        stranger.send_to(packet, to).expect("a datagram sent");
    };
    scene.attack(packets, send, UNFIT);
    scene.goes_on();
}

#[test]
fn contributing_sources_and_extensions_that_run_over_the_end_are_dropped() {
    let title = "CSRC lists and header extensions that overrun";
    let Some(mut scene) = Scene::new("T7", title) else { return };
    let to = scene.ports()[0];
    let stranger = scene.attackers.socket();
    let words =
        [0u16, 1, 2, 3, 9, 10, 30, 40, 41, 100, 300, 0x3FFF, 0x4000, 0x7FFF, 0x8000, 0xFFFF];
    let profiles = [0xBEDEu16, 0x1000, 0xC0DE, 0xC2DE];
    let packets = (0..16u8).flat_map(|sources| {
        words.into_iter().flat_map(move |words| {
            profiles.into_iter().flat_map(move |profile| {
                [0usize, 1, 3, 4, 10, 60, 160]
                    .into_iter()
                    .map(move |behind| extended(sources, profile, words, behind, 500))
            })
        })
    });
    let send = |packet: &[u8]| {
        stranger.send_to(packet, to).expect("a datagram sent");
    };
    scene.attack(packets, send, UNFIT);
    scene.goes_on();
}

#[test]
fn contributing_sources_and_extensions_that_fit_pass_unchanged() {
    let title = "CSRC lists and header extensions that overrun";
    let call = |gateway: &_| Call::e2ae_at(gateway, SUITE, 3);
    let Some(mut scene) = Scene::with("T7", title, &[], call) else { return };
    let mut sequence = 1_000;
    for sources in 0..16 {
        for words in [0usize, 1, 2, 5, 17, 64, 200] {
            for profile in [0xBEDEu16, 0x1000, 0xC0DE, 0xC2DE] {
                let claimed = u16::try_from(words).expect("words");
                let packet = extended(sources, profile, claimed, 4 * words + 20, sequence);
                sequence += 1;
                scene.call.access.send(&packet);
                assert_eq!(scene.call.core.receive(), packet, "{sources} {words} {profile:x}");
                scene.call.core.send(&packet);
                assert_eq!(scene.call.access.receive(), packet, "{sources} {words} {profile:x}");
                scene.row.tried(2);
            }
        }
    }
}

/// A packet with CSRCs, an extension that claims `words`, and `behind` octets after its header.
fn extended(sources: u8, profile: u16, words: u16, behind: usize, sequence: u16) -> Vec<u8> {
    let mut packet = rtp(Call::ACCESS, sequence, 0);
    packet.truncate(12);
    if let Some(first) = packet.first_mut() {
        *first |= 0x10 | sources;
    }
    packet.resize(12 + 4 * usize::from(sources), 0x5C);
    packet.extend(profile.to_be_bytes());
    packet.extend(words.to_be_bytes());
    packet.resize(packet.len() + behind, 0xA5);
    packet
}
