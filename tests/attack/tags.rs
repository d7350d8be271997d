//! T5, T16: tags that are guessed.

use agw_srtp::Suite;
use agw_tests::Call;
use agw_tests::packet::rtp;

use crate::scene::{ROC, SUITE, Scene};

/// What may become of a packet with a wrong tag.
const REFUSED: &[&str] =
    &["authentication", "authentication_limited", "implausible", "too_old", "replay"];

#[test]
fn a_flood_of_wrong_tags_costs_no_genuine_packet() {
    let Some(mut scene) = Scene::new("T5", "floods of packets that do not verify") else { return };
    let to = scene.ports()[0];
    let (forger, stranger) = (scene.attackers.forger(), scene.attackers.socket());
    let phone = scene.call.access.address();
    let template = scene.forged(0);
    // Near enough to be tried, and from everywhere in the range of sequence numbers.
    let flood = |spread: u32| {
        let template = template.clone();
        (0..100_000u32).map(move |number| {
            let mut packet = template.clone();
            let sequence = u16::try_from(number % spread).unwrap_or_default();
            packet.splice(2..4, sequence.to_be_bytes());
            packet.truncate(190);
            packet.splice(180.., number.wrapping_mul(2_654_435_761).to_be_bytes());
            packet
        })
    };
    let from_elsewhere = |packet: &[u8]| {
        stranger.send_to(packet, to).expect("a datagram sent");
    };
    scene.attack(flood(3_000), from_elsewhere, REFUSED);
    scene.attack(flood(65_536), from_elsewhere, REFUSED);
    scene.attack(flood(20_000), |packet| forger.send(phone, to, packet), REFUSED);
    scene.goes_on();
}

#[test]
fn of_a_million_guessed_tags_of_32_bits_every_one_is_counted_and_none_accepted() {
    let title = "brute force of short tags";
    let call = |gateway: &_| Call::e2ae_at(gateway, Suite::AesCm128HmacSha1_32, ROC);
    let Some(mut scene) = Scene::with("T16", title, &[], call) else { return };
    let (forger, phone) = (scene.attackers.forger(), scene.call.access.address());
    let stranger = scene.attackers.socket();
    let to = scene.ports()[0];
    let start = rand::random::<u32>();
    // One packet ahead of the phone, with one tag after the other.
    let mut template = rtp(Call::ACCESS, 40_000, 1);
    template.truncate(40);
    let guesses = |range: std::ops::Range<u32>| {
        let template = template.clone();
        range.map(move |number| {
            let mut packet = template.clone();
            // A little ahead of the phone, whose numbers go on with every packet of the call.
            let near = u16::try_from(number / 32).unwrap_or_default() + 100;
            packet.splice(2..4, near.to_be_bytes());
            packet.extend(start.wrapping_add(number).to_be_bytes());
            packet
        })
    };
    let from_elsewhere = |packet: &[u8]| {
        stranger.send_to(packet, to).expect("a datagram sent");
    };
    scene.attack(guesses(0..960_000), from_elsewhere, REFUSED);
    let from_the_phone = |packet: &[u8]| forger.send(phone, to, packet);
    scene.attack(guesses(960_000..1_000_000), from_the_phone, REFUSED);
    scene.goes_on();
    assert_ne!(SUITE, Suite::AesCm128HmacSha1_32);
}
