//! The IMS-ALG as a service: a SIP server without SDP logic, phones that speak SRTP by libsrtp, the
//! core that speaks RTP.

mod adoption;
mod ends;
mod forks;
pub(crate) mod party;
mod registration;
mod scene;

use agw_srtp::Suite;
use agw_tests::{Key, Side};

use party::{Party, lines, talk};
use scene::{REQUESTED, Scene, Way, text};

//= tests/spec/sdp.md#end-to-access-edge
//= type=test
//# Towards the core no crypto line MUST be left.
#[test]
fn a_call_of_a_phone_is_protected_to_the_edge_and_plain_in_the_core() {
    let Some(scene) = Scene::new() else { return };
    let (mut phone, mut core) = scene.parties();
    let way = Way::of("originating@ue.example");
    let offer = phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1), REQUESTED]);

    let (offered, answered) =
        scene.exchange(way, &mut phone, &mut core, (offer, Scene::first_offer));

    assert!(offered.contains(" RTP/AVP 8\r\n"), "{offered}");
    assert!(!offered.contains("crypto") && !offered.contains("3ge2ae"), "{offered}");
    assert!(answered.contains(" RTP/SAVP 8\r\n"), "{answered}");
    assert!(answered.contains("a=3ge2ae:applied\r\n"), "{answered}");
    assert_eq!(lines(&answered).iter().map(|line| line.tag).collect::<Vec<_>>(), [1]);
    assert_ne!(phone.their_key(), phone.key());
    talk(&mut phone, &mut core);
    assert_eq!(scene.query(way).expect("a call").streams.len(), 2);
}

//= tests/spec/sdp.md#end-to-access-edge
//= type=test
//# Every offered line MUST have a key of its own.
//= tests/spec/sdp.md#end-to-access-edge
//= type=test
//# A key of one side MUST NOT leave on the other side.
#[test]
fn a_call_to_a_phone_offers_it_keys_of_which_it_takes_one() {
    let Some(scene) = Scene::new() else { return };
    let (mut phone, mut core) = scene.parties();
    let way = Way::of("terminating@core.example");
    let offer = Scene::first_offer(way, Side::Core, core.describe("RTP/AVP", &[]));

    let offered = text(&scene.offer(offer).expect("an offer").sdp);

    let keys = lines(&offered);
    assert_eq!(keys.iter().map(|line| line.tag).collect::<Vec<_>>(), [1, 2]);
    assert_ne!(keys[0].key.octets, keys[1].key.octets);
    assert!(offered.contains("a=3ge2ae:applied\r\n"), "{offered}");
    phone.uses(&Key::random(Suite::AesCm128HmacSha1_32));
    phone.reads(&offered, Some(2));
    let answer = phone.describe("RTP/SAVP", &[&phone.key().sdes_line(2)]);
    let answered = text(&scene.answer(way, answer).expect("an answer").sdp);
    core.reads(&answered, None);
    for key in [phone.key(), phone.their_key(), &keys[0].key] {
        assert!(!answered.contains(&key.base64()), "{answered}");
    }
    assert!(!answered.contains("crypto") && !answered.contains("3ge2ae"), "{answered}");
    talk(&mut phone, &mut core);
}

//= tests/spec/sdp.md#re-offers
//= type=test
//# When a new offer is rejected the old keys MUST stay.
#[test]
fn a_new_key_takes_effect_with_the_answer_and_not_with_a_rejection() {
    let Some(scene) = Scene::new() else { return };
    let way = Way::of("rekey@ue.example");
    let (mut phone, mut core) = scene.originating(way);
    talk(&mut phone, &mut core);

    let second = Key::random(Suite::AesCm128HmacSha1_80);
    let offer = phone.describe("RTP/SAVP", &[&second.sdes_line(1), REQUESTED]);
    phone.uses(&second);
    scene.exchange(way, &mut phone, &mut core, (offer, Scene::next_offer));
    talk(&mut phone, &mut core);

    let third = Key::random(Suite::AesCm128HmacSha1_80);
    let offer = phone.describe("RTP/SAVP", &[&third.sdes_line(1), REQUESTED]);
    scene.offer(Scene::next_offer(way, Side::Access, offer)).expect("an offer");
    talk(&mut phone, &mut core);
    scene.reject(way);
    talk(&mut phone, &mut core);
}

#[test]
fn a_held_call_is_silent_towards_who_holds_it_and_goes_on_when_resumed() {
    let Some(scene) = Scene::new() else { return };
    let way = Way::of("hold@ue.example");
    let (mut phone, mut core) = scene.originating(way);
    talk(&mut phone, &mut core);
    let line = phone.key().sdes_line(1);
    let exchange = |phone: &mut Party, core: &mut Party, offers: &str, answers: &str| {
        let offer = phone.describe("RTP/SAVP", &[&line, REQUESTED, offers]);
        let offer = Scene::next_offer(way, Side::Access, offer);
        let offered = text(&scene.offer(offer).expect("an offer").sdp);
        core.reads(&offered, None);
        let answer = core.describe("RTP/AVP", &[answers]);
        let answered = text(&scene.answer(way, answer).expect("an answer").sdp);
        phone.reads(&answered, None);
        (offered, answered)
    };

    let (offered, answered) = exchange(&mut phone, &mut core, "a=sendonly", "a=recvonly");

    assert!(offered.contains("a=sendonly\r\n") && answered.contains("a=recvonly\r\n"));
    let music = phone.sends();
    assert_eq!(core.hears(), music);
    core.sends();
    assert!(scene.gateway.ledger().after_drops("ingress_gate", 1).closes());
    assert!(phone.endpoint.is_silent());
    exchange(&mut phone, &mut core, "a=sendrecv", "a=sendrecv");
    talk(&mut phone, &mut core);
    assert_eq!(scene.gateway.ledger().read().drops("ingress_gate"), 1);
}

//= tests/spec/sdp.md#forking
//= type=test
//# Of the branches of a call only the one that answered last MUST be heard.
#[test]
fn two_phones_answer_early_and_each_has_keys_of_its_own() {
    let Some(scene) = Scene::new() else { return };
    let (first, mut core) = scene.parties();
    let mut phones = [first, scene.phone(0xBBBB_0001)];
    let call_id = "fork@core.example";
    let ways = [
        Way { call_id, callee: "first", branch: "z9hG4bK-1" },
        Way { call_id, callee: "second", branch: "z9hG4bK-2" },
    ];
    for (way, phone) in ways.iter().zip(&mut phones) {
        let offer = Scene::first_offer(*way, Side::Core, core.describe("RTP/AVP", &[]));
        phone.reads(&text(&scene.offer(offer).expect("an offer").sdp), Some(1));
    }
    assert_ne!(phones[0].their_key(), phones[1].their_key());

    for (way, phone) in ways.iter().zip(&mut phones) {
        let answer = phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1)]);
        let answered = scene.answer(*way, answer).expect("an answer");
        assert!(answered.rekey_advised);
        core.reads(&text(&answered.sdp), None);
        talk(phone, &mut core);
    }

    let call = scene.query(ways[0]).expect("a call");
    let callees: Vec<&str> = call.dialogues.iter().map(|tags| tags.callee_tag.as_str()).collect();
    assert_eq!((callees, call.streams.len()), (vec!["first", "second"], 3));
    assert!(phones[0].endpoint.is_silent());
}
