//! The call of a protected phone that forks: what one leg for all early dialogues keeps out.

use agw_iq::alg::pb;
use agw_iq::client::CallError;
use agw_iq::pb as iq;
use agw_tests::{Key, Side};

use super::party::{Party, lines, talk};
use super::scene::{REQUESTED, Scene, Way, text};

const CALL: &str = "fork@ue.example";
const WAYS: [Way; 2] = [
    Way { call_id: CALL, callee: "first", branch: "z9hG4bK-1" },
    Way { call_id: CALL, callee: "second", branch: "z9hG4bK-2" },
];

/// The phone and two in the core who took the same SSRC, as they may (RFC 4568 §7.3); both are
/// offered the call, the first one has answered.
fn forked(scene: &Scene) -> (Party, [Party; 2], String) {
    let mut phone = scene.phone(0xAAAA_0001);
    let mut core = [0, 1].map(|_| Party::core(Side::Core.peer(), 0xCCCC_0001));
    let offer = phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1), REQUESTED]);
    for (way, callee) in WAYS.into_iter().zip(&mut core) {
        let offered = scene.offer(Scene::first_offer(way, Side::Access, offer.clone()));
        callee.reads(&text(&offered.expect("an offer").sdp), None);
    }
    let answered = answers(scene, WAYS[0], &core[0]);
    phone.reads(&answered, None);
    (phone, core, answered)
}

fn answers(scene: &Scene, way: Way, callee: &Party) -> String {
    text(&scene.answer(way, callee.describe("RTP/AVP", &[])).expect("an answer").sdp)
}

/// What a description tells of address and key.
fn shown(sdp: &str) -> Vec<&str> {
    sdp.lines().filter(|line| ["m=", "c=", "a=c"].iter().any(|s| line.starts_with(s))).collect()
}

/// A try to have what the phone sends opened on one more leg of its call.
fn one_more_leg(scene: &Scene, key: &Key) -> CallError {
    let stream = iq::Stream {
        stream_id: 1,
        transport: iq::Transport::Secured.into(),
        ingress_crypto: Some(key.crypto()),
        ..iq::Stream::default()
    };
    let reserve = iq::Reserve {
        context_id: scene.query(WAYS[0]).expect("a call").context_id,
        realm: Side::Access.name().to_owned(),
        streams: vec![stream],
        ..iq::Reserve::default()
    };
    scene.gateway.wait(scene.gateway.iq.reserve(reserve)).expect_err("a key in use")
}

//= tests/spec/sdp.md#forking
//= type=test
//# Every answer to one offer MUST give a protected caller the same address and key.
//= tests/spec/sdp.md#forking
//= type=test
//# Of the branches of a call only the one that answered last MUST be heard.
#[test]
fn a_protected_phone_hears_whoever_answered_last_under_one_key_and_the_loser_is_released() {
    let Some(scene) = Scene::new() else { return };
    let (mut phone, [mut first, mut second], told) = forked(&scene);
    talk(&mut phone, &mut first);

    let again = answers(&scene, WAYS[1], &second);
    phone.reads(&again, None);

    assert_eq!((shown(&told), lines(&again).len()), (shown(&again), 1));
    // What the first one sealed counts: its indices are not used a second time.
    for used in 1..=3 {
        second.sends();
        assert!(scene.gateway.ledger().after_drops("index_reused", used).closes());
    }
    talk(&mut phone, &mut second);
    first.sends();
    assert!(scene.gateway.ledger().after_drops("no_output", 1).closes());
    assert!(first.endpoint.is_silent() && phone.endpoint.is_silent());

    // The first one's 200, and the other's CANCEL.
    phone.reads(&answers(&scene, WAYS[0], &first), None);
    let mut ended = WAYS[1].selector().expect("a call");
    (ended.from_tag, ended.to_tag) = (super::scene::CALLER.to_owned(), "second".to_owned());
    let request = pb::DeleteRequest { call: Some(ended), ..<_>::default() };
    let deleted = scene.gateway.wait(scene.gateway.iq.alg().delete(request));
    assert_eq!(deleted.expect("an end").into_inner().streams.len(), 1);
    assert_eq!(scene.query(WAYS[0]).expect("a call").streams.len(), 2);
    // It goes on behind what the other one sealed.
    for _ in 0..2 {
        first.sends();
    }
    let _ = scene.gateway.ledger().after_drops("index_reused", 5);
    talk(&mut phone, &mut first);
}

//= tests/spec/sdp.md#forking
//= type=test
//# Once a dialogue was confirmed a provisional response of another one MUST NOT take its media.
#[test]
fn a_callee_that_has_accepted_is_heard_whatever_another_one_has_said_early() {
    let Some(scene) = Scene::new() else { return };
    let (mut phone, [mut first, second], told) = forked(&scene);
    let with = |way: Way, callee: &Party, status| {
        let request = pb::AnswerRequest { status, ..way.answer(callee.describe("RTP/AVP", &[])) };
        let answered = scene.gateway.wait(scene.gateway.iq.alg().answer(request));
        text(&answered.expect("an answer").into_inner().sdp)
    };
    phone.reads(&with(WAYS[0], &first, 200), None);
    talk(&mut phone, &mut first);
    let early = with(WAYS[1], &second, 183);
    assert_eq!(shown(&early), shown(&told));
    talk(&mut phone, &mut first);
    // It accepts as well.
    let accepted = with(WAYS[1], &second, 200);
    phone.reads(&accepted, None);
    first.sends();
    assert!(scene.gateway.ledger().after_drops("no_output", 1).closes());
}

//= tests/spec/iq.md#keys
//= type=test
//# A key that another stream uses MUST be refused.
#[test]
fn what_one_early_dialogue_has_heard_of_a_phone_is_replayed_to_no_other() {
    let Some(scene) = Scene::new() else { return };
    let (mut phone, [mut first, second], _) = forked(&scene);
    let packet = phone.sends();
    assert_eq!(first.hears(), packet);
    phone.reads(&answers(&scene, WAYS[1], &second), None);

    // Whoever is on the way sends it again, now that another one is heard.
    phone.repeats();

    assert!(scene.gateway.ledger().after_drops("replay", 1).closes());
    assert!(second.endpoint.is_silent());
    let refused = one_more_leg(&scene, phone.key());
    assert_eq!(refused.reason.as_deref(), Some("KEY_REUSE"));
    assert!(!refused.message.contains(&phone.key().base64()));
}
