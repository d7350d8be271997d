//! T1, T2: packets from addresses that nobody signalled.

use agw_srtp::Suite;
use agw_tests::packet::{rtcp, rtp};
use agw_tests::{Attackers, Call, Endpoint, Key, Side};

use crate::scene::{ROC, Scene};

const BLEED: (&str, &str) = ("T1", "spoofed and foreign sources, bleed, hijacked latches");
/// For each port, before the first genuine packet and after it.
const SPRAYED: u64 = 250;

#[test]
fn a_spray_from_a_third_address_draws_no_media_and_passes_none() {
    for suite in [Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32, Suite::AeadAes128Gcm] {
        let call = |gateway: &_| Call::e2ae_at(gateway, suite, ROC);
        let Some(mut scene) = Scene::with(BLEED.0, BLEED.1, &[], call) else { return };
        let stranger = scene.attackers.socket();
        let heard = scene.attackers.heard();
        let ports = scene.ports();

        for _ in 0..2 {
            for (number, port) in ports.into_iter().enumerate() {
                let packets = spray(suite, number % 2 == 1);
                let send = |packet: &[u8]| {
                    stranger.send_to(packet, port).expect("a datagram sent");
                };
                let reasons: &[&str] = match number {
                    0 => &["authentication", "authentication_limited", "implausible"],
                    1 => {
                        &["authentication", "authentication_limited", "implausible", "unencrypted"]
                    }
                    _ => &["wrong_source"],
                };
                scene.attack(packets, send, reasons);
            }
            scene.goes_on();
        }

        assert_eq!(scene.attackers.heard(), heard, "something came back");
    }
}

#[test]
fn what_a_leg_has_latched_to_is_not_taken_over() {
    let Some(mut scene) = Scene::new(BLEED.0, BLEED.1) else { return };
    scene.call.talk();
    let genuine = scene.call.access.address();
    let stranger = scene.attackers.socket();
    let to = scene.ports()[0];
    // Genuine packets that come again from elsewhere, and forged ones at the genuine address.
    let recorded: Vec<_> = (0..100)
        .map(|_| {
            let packet = scene.call.next_packet(Call::ACCESS);
            let sealed = scene.call.access.seal(&packet);
            scene.call.access.send_octets(&sealed);
            assert_eq!(scene.call.core.receive(), packet);
            sealed
        })
        .collect();
    let send = |packet: &[u8]| {
        stranger.send_to(packet, to).expect("a datagram sent");
    };
    scene.attack(recorded, send, &["replay", "too_old"]);
    let forger = scene.attackers.forger();
    let forged: Vec<_> = (0..400).map(|ahead| scene.forged(1_000 + ahead)).collect();
    scene.attack(
        forged,
        |packet| forger.send(genuine, to, packet),
        &["authentication", "authentication_limited", "implausible"],
    );
    scene.goes_on();
}

#[test]
fn nothing_reaches_the_phone_from_other_sources_than_the_signalled_one() {
    let title = "injection on the plain leg";
    let Some(mut scene) = Scene::new("T2", title) else { return };
    let [.., rtp_port, rtcp_port] = scene.ports();
    let stranger = scene.attackers.socket();
    let forger = scene.attackers.forger();
    let genuine = scene.call.core.address();
    let mut beside = genuine;
    beside.set_port(genuine.port() ^ 1);
    let media = || (0..1_000).map(|number| rtp(Call::CORE, 2_000 + number, number.into()));
    let control = || (0..200).map(|number| rtcp(Call::CORE, number));

    for (packets, port) in
        [(media().collect::<Vec<_>>(), rtp_port), (control().collect(), rtcp_port)]
    {
        let send = |packet: &[u8]| {
            stranger.send_to(packet, port).expect("a datagram sent");
        };
        scene.attack(packets.clone(), send, &["wrong_source"]);
        // The right host and the wrong port; the right port of the wrong host.
        scene.attack(packets.clone(), |p| forger.send(beside, port, p), &["wrong_source"]);
        let elsewhere = (Attackers::ADDRESS, genuine.port()).into();
        scene.attack(packets, |p| forger.send(elsewhere, port, p), &["wrong_source"]);
    }
    scene.goes_on();
}

/// Packets of somebody without the key: sealed with another one, plain, of an unknown source.
fn spray(suite: Suite, is_control: bool) -> Vec<Vec<u8>> {
    let (key, other) = (Key::random(suite), Key::random(suite));
    let mut thief = Endpoint::secured(Side::Access.peer(), &key, &other);
    thief.restart(&key, &other, ROC);
    let count = u16::try_from(SPRAYED).expect("a count");
    (0..count)
        .map(|number| match (is_control, number % 3) {
            (true, _) => {
                let mut packet = rtcp(Call::ACCESS, number.into());
                let at = packet.len() - 4;
                packet.splice(at.., [0x80, 0, 1, 0]);
                packet.extend(rand::random::<[u8; 10]>());
                packet
            }
            (false, 0) => rtp(rand::random(), number, number.into()),
            (false, 1) => rtp(Call::ACCESS, 300 + number, number.into()),
            (false, _) => thief.seal(&rtp(Call::ACCESS, 300 + number, number.into())),
        })
        .collect()
}
