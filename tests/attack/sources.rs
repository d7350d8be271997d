//! T12: sources by the million.

use agw_tests::Call;
use agw_tests::packet::rtp;

use crate::scene::{ROC, SUITE, Scene, since};

const TITLE: &str = "memory by very many SSRCs";
const STORM: u32 = 1_000_000;
/// Memory that a daemon may take more after the storm, in octets.
const FLAT: u64 = 1 << 20;

#[test]
fn a_million_forged_sources_take_no_memory() {
    let Some(mut scene) = Scene::new("T12", TITLE) else { return };
    let (forger, phone) = (scene.attackers.forger(), scene.call.access.address());
    let to = scene.ports()[0];
    let storm = |scene: &mut Scene, sources: std::ops::Range<u32>| {
        let packets = sources.map(|number| {
            let mut packet = rtp(0x1000_0000 ^ number.wrapping_mul(2_654_435_761), 7, 1);
            packet.truncate(60);
            packet
        });
        let send = |packet: &[u8]| forger.send(phone, to, packet);
        scene.attack(packets, send, &["authentication", "authentication_limited", "implausible"])
    };
    let _ = storm(&mut scene, 0..20_000);
    let before = scene.resident();

    let dropped = storm(&mut scene, 20_000..STORM);

    let grown = scene.resident().saturating_sub(before);
    assert!(grown < FLAT, "{grown} octets more");
    // Strangers are tried at a rate, not as they come.
    assert!(dropped["implausible"] > dropped["authentication"], "{dropped:?}");
    scene.goes_on();
}

#[test]
fn of_a_thousand_genuine_sources_the_first_ones_go_on_and_the_others_are_capped() {
    let limit: u64 = 8;
    let setting = format!("limits.sources={limit}");
    let call = |gateway: &_| Call::e2ae_at(gateway, SUITE, ROC);
    let Some(mut scene) = Scene::with("T12", TITLE, &[&setting], call) else { return };
    let ssrc = |number: u32| 0x0A00_0000 + number;
    let mut kept = 0;
    let before = scene.settled();
    for number in 0..1_000 {
        let packet = rtp(ssrc(number), 100, number.into());
        // Only the first source of a session starts at ROC 3: one session for each of them.
        scene.restart_phone(ROC);
        scene.call.access.send(&packet);
        if u64::from(number) < limit {
            assert_eq!(scene.call.core.receive(), packet);
            kept += 1;
        }
        if number % 50 == 0 {
            let _ = scene.settled();
        }
    }
    let after = scene.gateway.ledger().after(before.received + 1_000);
    let dropped = since(&before, &after);
    assert_eq!(after.forwarded, before.forwarded + kept, "{dropped:?}");
    assert_eq!(dropped.values().sum::<u64>(), 1_000 - kept, "{dropped:?}");
    let expected = ["source_limit", "implausible"];
    assert!(dropped.keys().all(|reason| expected.contains(&reason.as_str())), "{dropped:?}");
    for number in 0..u32::try_from(limit).expect("a limit") {
        let packet = rtp(ssrc(number), 101, 1);
        scene.restart_phone(ROC);
        scene.call.access.send(&packet);
        assert_eq!(scene.call.core.receive(), packet, "source {number} goes on");
    }
    scene.row.tried(1_000);
}
