//! T3, T15: what was recorded is sent again, after all that may happen to a call.

use agw_iq::pb;
use agw_srtp::RocOnRekey;
use agw_tests::packet::{rtcp, rtp};
use agw_tests::{Call, Key, api};

use crate::scene::{ROC, SUITE, Scene, with_keys};

const REPLAY: (&str, &str) = ("T3", "replay of SRTP and SRTCP");
const REINSTALL: (&str, &str) = ("T15", "the same key installed again");
const OLD: &[&str] = &["replay", "too_old"];

/// A genuine packet from the phone at a sequence number, which arrives; as it was on the wire.
fn record(scene: &mut Scene, sequence: u16) -> Vec<u8> {
    let packet = rtp(Call::ACCESS, sequence, sequence.into());
    let sealed = scene.call.access.seal(&packet);
    scene.call.access.send_octets(&sealed);
    assert_eq!(scene.call.core.receive(), packet);
    sealed
}

/// The recorded packets again: from the phone's address and from another one.
fn play(scene: &mut Scene, recorded: &[Vec<u8>], port: usize, reasons: &[&str]) {
    let to = scene.ports()[port];
    let phone = scene.call.access.address();
    let forger = scene.attackers.forger();
    let stranger = scene.attackers.socket();
    let heard = scene.attackers.heard();
    quietly(scene, recorded, |packet| forger.send(phone, to, packet), reasons);
    let send = |packet: &[u8]| {
        stranger.send_to(packet, to).expect("a datagram sent");
    };
    quietly(scene, recorded, send, reasons);
    assert_eq!(scene.attackers.heard(), heard, "media followed a replay");
}

/// As [`Scene::attack`], without genuine packets: those would be at other sequence numbers.
fn quietly(scene: &mut Scene, packets: &[Vec<u8>], mut send: impl FnMut(&[u8]), reasons: &[&str]) {
    let before = scene.settled();
    for burst in packets.chunks(64) {
        burst.iter().for_each(|packet| send(packet));
        let _ = scene.settled();
    }
    let sent = packets.len() as u64;
    let after = scene.gateway.ledger().after(before.received + sent);
    let dropped = crate::scene::since(&before, &after);
    assert_eq!(after.forwarded, before.forwarded, "{dropped:?}");
    assert_eq!(dropped.values().sum::<u64>(), sent, "{dropped:?}");
    assert!(dropped.keys().all(|reason| reasons.contains(&reason.as_str())), "{dropped:?}");
    assert!(scene.call.is_silent());
    scene.row.tried(sent);
}

/// Opens or closes both legs.
fn gates(scene: &Scene, mode: pb::StreamMode) {
    for termination in [1, 2] {
        let change = api::gates(scene.call.context, termination, mode);
        let change = scene.gateway.iq.change_through_connection(change);
        scene.gateway.wait(change).expect("another mode");
    }
}

/// Sequence numbers around a wrap.
fn around_the_wrap() -> impl Iterator<Item = u16> {
    (65_400..=65_535).chain(0..=200)
}

#[test]
fn what_was_recorded_around_a_wrap_is_refused_whatever_its_distance() {
    let Some(mut scene) = Scene::new(REPLAY.0, REPLAY.1) else { return };
    let recorded: Vec<_> = around_the_wrap().map(|number| record(&mut scene, number)).collect();
    // The last one, the one before, at the edge of the window and behind it, before the wrap.
    let last = recorded.len() - 1;
    for behind in [0, 1, 126, 127, 128, 129, 200, 201, 300] {
        play(&mut scene, &recorded[last - behind..=last - behind], 0, OLD);
    }
    play(&mut scene, &recorded, 0, OLD);
    let backwards: Vec<_> = recorded.iter().rev().cloned().collect();
    play(&mut scene, &backwards, 0, OLD);
    // Again and again the same one.
    play(&mut scene, &vec![recorded[last].clone(); 500], 0, OLD);
    let _ = record(&mut scene, 201);
}

#[test]
fn control_packets_are_refused_the_second_time() {
    let Some(mut scene) = Scene::new(REPLAY.0, REPLAY.1) else { return };
    scene.call.report();
    let to = scene.ports()[1];
    let recorded: Vec<_> = (0..200)
        .map(|number| {
            let packet = rtcp(Call::ACCESS, number);
            let sealed = scene.call.access.seal_control(&packet);
            let forger = scene.attackers.forger();
            forger.send(scene.call.access.address(), to, &sealed);
            assert_eq!(scene.call.core.receive_control(), packet);
            sealed
        })
        .collect();
    play(&mut scene, &recorded, 1, OLD);
    scene.call.talk();
    scene.call.report();
}

#[test]
fn hold_and_resume_forget_nothing() {
    let Some(mut scene) = Scene::new(REPLAY.0, REPLAY.1) else { return };
    let before: Vec<_> = (300..400).map(|number| record(&mut scene, number)).collect();
    gates(&scene, pb::StreamMode::Inactive);
    let held: Vec<_> = (400..450u16)
        .map(|number| {
            let sealed = scene.call.access.seal(&rtp(Call::ACCESS, number, number.into()));
            scene.call.access.send_octets(&sealed);
            sealed
        })
        .collect();
    let _ = scene.gateway.ledger().after_drops("ingress_gate", 50);
    play(&mut scene, &before, 0, OLD);
    gates(&scene, pb::StreamMode::SendReceive);
    // What came during hold was not forwarded, but it was there.
    play(&mut scene, &held, 0, OLD);
    play(&mut scene, &before, 0, OLD);
    let _ = record(&mut scene, 450);
}

#[test]
fn a_new_key_opens_nothing_of_the_old_one_again() {
    let Some(mut scene) = Scene::new(REPLAY.0, REPLAY.1) else { return };
    let before: Vec<_> = (300..400).map(|number| record(&mut scene, number)).collect();
    let next = Key::random(SUITE);
    let stage = api::stage_ingress(scene.call.context, &next);
    scene.gateway.wait(scene.gateway.iq.stage_key(stage)).expect("a staged key");
    let activate = api::activate(scene.call.context, pb::Direction::Ingress);
    scene.gateway.wait(scene.gateway.iq.activate_key(activate)).expect("a new key");
    // During the overlap both keys open; neither opens anything twice.
    play(&mut scene, &before, 0, OLD);
    scene.call.access.sends_with(&next, RocOnRekey::Keep);
    let after: Vec<_> = (400..500).map(|number| record(&mut scene, number)).collect();
    play(&mut scene, &before, 0, OLD);
    play(&mut scene, &after, 0, OLD);
    let _ = record(&mut scene, 500);
}

#[test]
fn the_same_keys_once_more_reset_nothing_in_either_direction() {
    let Some(mut scene) = Scene::new(REINSTALL.0, REINSTALL.1) else { return };
    let recorded: Vec<_> = around_the_wrap().map(|number| record(&mut scene, number)).collect();
    for number in 300..400 {
        scene.call.core.send(&rtp(Call::CORE, number, number.into()));
        assert_eq!(scene.call.access.receive(), rtp(Call::CORE, number, number.into()));
    }
    for round in 0..5u16 {
        let same = with_keys(&scene.ingress, &scene.egress);
        let configure = api::configure(scene.call.context, 1, same);
        scene.gateway.wait(scene.gateway.iq.configure(configure)).expect("the same keys");
        play(&mut scene, &recorded, 0, OLD);
        // The core side repeats itself with other payloads: nothing is sealed a second time.
        let before = scene.settled();
        for number in 300..400 {
            scene.call.core.send(&rtp(Call::CORE, number, 7));
        }
        let after = scene.gateway.ledger().after(before.received + 100);
        assert_eq!(after.forwarded, before.forwarded);
        scene.row.tried(100);
        let _ = record(&mut scene, 201 + round);
        let next = rtp(Call::CORE, 400 + round, 1);
        scene.call.core.send(&next);
        assert_eq!(scene.call.access.receive(), next);
    }
    assert!(ROC > 0 && scene.call.is_silent());
}
