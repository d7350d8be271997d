//! T4, T13: rollover counters and indices that attackers would like to move.

use agw_tests::Call;
use agw_tests::packet::rtp;

use crate::scene::{SUITE, Scene};

#[test]
fn forged_jumps_of_any_width_move_no_rollover_counter() {
    for roc in [0, 1, 3, u32::MAX] {
        let call = |gateway: &_| Call::e2ae_at(gateway, SUITE, roc);
        let title = "rollover counter out of step by forged sequence numbers";
        let Some(mut scene) = Scene::with("T4", title, &[], call) else { return };
        scene.call.talk();
        let (to, phone) = (scene.ports()[0], scene.call.access.address());
        let (forger, stranger) = (scene.attackers.forger(), scene.attackers.socket());
        let reasons =
            ["authentication", "authentication_limited", "implausible", "too_old", "replay"];
        // Each from elsewhere and from the phone's own address.
        let jumps: Vec<_> = (1..=10_000u16)
            .chain((1..=55).map(|thousand| thousand * 1_000 + 9_999))
            .chain([32_766, 32_767, 32_768, 32_769, 65_534, 65_535, 0])
            .map(|ahead| scene.forged(ahead.wrapping_add(2)))
            .collect();
        let from_elsewhere = |packet: &[u8]| {
            stranger.send_to(packet, to).expect("a datagram sent");
        };
        scene.attack(jumps.clone(), from_elsewhere, &reasons);
        scene.attack(jumps, |packet| forger.send(phone, to, packet), &reasons);
        scene.goes_on();
    }
}

#[test]
fn no_index_is_sealed_twice_however_the_core_side_repeats_itself() {
    let Some(mut scene) = Scene::new("T13", "an index of a key stream used twice") else { return };
    for number in 1_000..2_000u16 {
        let packet = rtp(Call::CORE, number, number.into());
        scene.call.core.send(&packet);
        assert_eq!(scene.call.access.receive(), packet);
    }
    let before = scene.settled();
    // Everything again with another payload, forwards and backwards: a source that restarts.
    for (sent, number) in (1_000..2_000u16).chain((1_000..2_000).rev()).enumerate() {
        scene.call.core.send(&rtp(Call::CORE, number, 7));
        if sent % 50 == 0 {
            let _ = scene.settled();
        }
    }
    let after = scene.gateway.ledger().after(before.received + 2_000);
    assert_eq!(after.forwarded, before.forwarded);
    let dropped = crate::scene::since(&before, &after);
    let expected = ["index_reused", "egress_too_old"];
    assert!(dropped.keys().all(|reason| expected.contains(&reason.as_str())), "{dropped:?}");
    // The phone's capture is looked through when the gateway is dropped.
    scene.row.tried(2_000);
    let next = rtp(Call::CORE, 2_000, 1);
    scene.call.core.send(&next);
    assert_eq!(scene.call.access.receive(), next);
}
