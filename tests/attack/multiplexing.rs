//! T8: what may be taken for RTCP on an RTP port, and the reverse.

use agw_tests::packet::rtp;
use agw_tests::{Call, Endpoint, Side};

use crate::scene::{ROC, Scene, multiplexing, since};

const TITLE: &str = "RTCP and RTP confused on one port";
/// Second octets of RTCP (RFC 5761 §4).
const CONTROL: std::ops::RangeInclusive<u8> = 192..=223;

/// A source besides the call's own, whose sequence numbers go on after the sweep.
const SWEPT: u32 = 0x5555_0001;

/// A packet that is well-formed as RTP and as RTCP: eight words in all.
fn ambiguous(ssrc: u32, second: u8, sequence: u16) -> Vec<u8> {
    let mut packet = rtp(ssrc, sequence, sequence.into());
    packet.truncate(32);
    if let Some(octet) = packet.get_mut(1) {
        *octet = second;
    }
    if CONTROL.contains(&second) {
        // Version 2, no reports; then the SSRC where RTCP has it.
        packet.splice(2..8, [0, 7].into_iter().chain(ssrc.to_be_bytes()));
    }
    packet
}

#[test]
fn without_multiplexing_every_second_octet_of_rtcp_is_dropped_on_the_rtp_port() {
    let Some(mut scene) = Scene::new("T8", TITLE) else { return };
    let before = scene.settled();
    let mut forwarded = 0;
    for second in 0..=255 {
        let packet = ambiguous(SWEPT, second, 1_000 + u16::from(second));
        scene.call.core.send(&packet);
        if !CONTROL.contains(&second) {
            assert_eq!(scene.call.access.receive(), packet, "{second}");
            forwarded += 1;
        }
        scene.row.tried(1);
    }
    let after = scene.gateway.ledger().after(before.received + 256);
    let dropped = since(&before, &after);
    assert_eq!(after.forwarded, before.forwarded + forwarded);
    assert_eq!(dropped.get("wrong_component"), Some(&(256 - forwarded)), "{dropped:?}");
    // The reverse: media on the RTCP port.
    let [.., to] = scene.ports();
    let forger = scene.attackers.forger();
    let mut control = scene.call.core.address();
    control.set_port(scene.call.core.control_address().port());
    let media = (0..=255).filter(|second| !CONTROL.contains(second));
    let media: Vec<_> = media.map(|second| ambiguous(Call::CORE, second, 5_000)).collect();
    scene.attack(media, |packet| forger.send(control, to, packet), &["wrong_component"]);
    scene.goes_on();
}

#[test]
fn with_multiplexing_the_second_octet_decides_and_nothing_else() {
    let Some(mut scene) = Scene::with("T8", TITLE, &[], multiplexing) else { return };
    for second in 0..=255 {
        let number = 1_000 + u16::from(second);
        let outwards = ambiguous(SWEPT, second, number);
        let inwards = outwards.clone();
        if CONTROL.contains(&second) {
            scene.call.core.send_control(&outwards);
            assert_eq!(scene.call.access.receive_control(), outwards, "{second}");
            scene.call.access.send_control(&inwards);
            assert_eq!(scene.call.core.receive_control(), inwards, "{second}");
        } else {
            scene.call.core.send(&outwards);
            assert_eq!(scene.call.access.receive(), outwards, "{second}");
            scene.call.access.send(&inwards);
            assert_eq!(scene.call.core.receive(), inwards, "{second}");
        }
        scene.row.tried(2);
    }
    // Sealed as the one, sent as the other: the second octet is under the tag.
    let (forger, phone) = (scene.attackers.forger(), scene.call.access.address());
    let to = scene.ports()[0];
    // Sealed by a twin, so that the phone itself stays where it is.
    let mut twin = Endpoint::plain(Side::Access.peer());
    twin.restart(&scene.ingress, &scene.egress, ROC);
    let turned: Vec<_> = (0..200u16)
        .map(|number| {
            let mut sealed = twin.seal(&rtp(Call::ACCESS, 2_000 + number, 1));
            if let Some(octet) = sealed.get_mut(1) {
                *octet = 200;
            }
            sealed
        })
        .collect();
    let reasons =
        ["authentication", "authentication_limited", "malformed", "unencrypted", "implausible"];
    scene.attack(turned, |packet| forger.send(phone, to, packet), &reasons);
}
