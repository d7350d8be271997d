//! T18, T19: more than a stream may send, valid or not.

use agw_srtp::Suite;
use agw_tests::packet::rtp;
use agw_tests::{Call, Gateway, Key, Leg, Side};

use crate::scene::{ROC, SUITE, Scene, since};

/// Calls beside that of the subscriber who floods.
const OTHERS: usize = 8;
/// Packets of the flood: a hundred times what the bandwidth says for the time that it lasts.
const FLOOD: u16 = 20_000;
/// Voice of G.711 with its headers, in bit/s.
const BANDWIDTH: u64 = 80_000;

/// A call whose bandwidth was signalled, at ROC 3.
fn signalled(gateway: &Gateway) -> (Call, Key, Key) {
    let (ingress, egress) = (Key::random(SUITE), Key::random(SUITE));
    let mut access = Leg::secured(Side::Access.peer(), &ingress, &egress);
    access.stream.ingress_crypto = Some(ingress.crypto_at(ROC));
    access.stream.egress_crypto = Some(egress.crypto_at(ROC));
    access.stream.bandwidth_bps = BANDWIDTH;
    access.endpoint.restart(&ingress, &egress, ROC);
    (Call::between(gateway, access, Leg::plain(Side::Core.peer())), ingress, egress)
}

#[test]
fn a_subscriber_who_floods_with_good_packets_loses_them_and_nobody_else_loses_any() {
    let title = "a flood of valid packets by one subscriber";
    let Some(mut scene) = Scene::with("T18", title, &[], signalled) else { return };
    let of = |_| Call::e2ae_at(&scene.gateway, Suite::AeadAes128Gcm, ROC).0;
    let mut others: Vec<Call> = (0..OTHERS).map(of).collect();
    let before = scene.settled();
    let mut genuine = 0;
    for number in 1..=FLOOD {
        scene.call.access.send(&rtp(Call::ACCESS, number, number.into()));
        if number % 50 == 0 {
            others.iter_mut().for_each(Call::talk);
            genuine += 2 * OTHERS as u64;
        }
    }
    others.iter_mut().for_each(Call::report);
    genuine += 2 * OTHERS as u64;
    let flood = u64::from(FLOOD);
    let after = scene.gateway.ledger().after(before.received + flood + genuine);
    let dropped = since(&before, &after);
    assert_eq!(dropped.keys().map(String::as_str).collect::<Vec<_>>(), ["policed"], "{dropped:?}");
    assert!(dropped["policed"] > flood / 2, "{dropped:?}");
    assert_eq!(after.forwarded - before.forwarded, flood + genuine - dropped["policed"]);
    assert!(others.iter().all(Call::is_silent));
    scene.row.tried(flood);
}

#[test]
fn bursts_of_junk_do_not_silence_a_port() {
    let Some(mut scene) = Scene::new("T19", "bursts of junk that silence a port") else { return };
    let stranger = scene.attackers.socket();
    for port in scene.ports() {
        for _ in 0..8 {
            for number in 0..400u16 {
                let junk = [&number.to_be_bytes()[..], &[0x55; 170]].concat();
                stranger.send_to(&junk, port).expect("a datagram sent");
            }
            scene.row.tried(400);
        }
        // What of it found no room before the gateway is the attackers' loss.
        let _ = scene.settled();
        for _ in 0..50 {
            scene.call.talk();
        }
        scene.call.report();
    }
    assert!(scene.call.is_silent());
}
