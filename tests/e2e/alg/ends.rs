//! How calls end, and what is refused when.

use agw_iq::alg::pb;
use agw_srtp::Suite;
use agw_tests::{Key, Side, api};
use tonic::Code;

use super::party::talk;
use super::scene::{REQUESTED, Scene, Way};
use crate::audited;

#[test]
fn the_end_of_a_call_tells_its_statistics_and_leaves_nothing() {
    let Some(scene) = Scene::new() else { return };
    let way = Way::of("end@ue.example");
    let (mut phone, mut core) = scene.originating(way);
    talk(&mut phone, &mut core);
    let context = scene.query(way).expect("a call").context_id;
    let info = audited(&scene.gateway, context);
    assert_eq!(info.correlation_id, way.call_id);

    let deleted = scene.delete(way).expect("the end");

    assert_eq!(deleted.context_ids, [context]);
    let counts = |side: pb::CallSide| {
        let stream = deleted.streams.iter().find(|stream| stream.side() == side);
        let statistics = stream.and_then(|stream| stream.statistics.clone()).expect("statistics");
        let ingress = statistics.ingress.expect("what arrived");
        (ingress.received.map(|traffic| traffic.packets), ingress.crypto.is_some())
    };
    // With the report.
    assert_eq!(counts(pb::CallSide::Caller), (Some(4), true));
    assert_eq!(counts(pb::CallSide::Callee), (Some(4), false));
    scene.gateway.ledger().await_line("agw_contexts 0");
    scene.gateway.ledger().await_line("agw_alg_calls 0");
    let unknown = scene.delete(way).expect_err("no such call");
    assert_eq!((unknown.code, unknown.sip_status), (Code::NotFound, Some(481)));
    assert_eq!(unknown.reason.as_deref(), Some("UNKNOWN_CALL"));
}

#[test]
fn a_call_goes_on_and_ends_while_the_gateway_drains_and_no_new_one_comes() {
    let Some(scene) = Scene::new() else { return };
    let way = Way::of("drain@ue.example");
    let (mut phone, mut core) = scene.originating(way);
    scene.gateway.wait(scene.gateway.iq.drain()).expect("the drain");

    let offer = phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1), REQUESTED]);
    scene.exchange(way, &mut phone, &mut core, (offer.clone(), Scene::next_offer));
    talk(&mut phone, &mut core);
    let other = Scene::first_offer(Way::of("late@ue.example"), Side::Access, offer);
    let refused = scene.offer(other).expect_err("no new call");

    assert_eq!((refused.code, refused.sip_status), (Code::Unavailable, Some(503)));
    assert_eq!(refused.reason.as_deref(), Some("DRAINING"));
    scene.delete(way).expect("the end");
}

#[test]
fn a_call_whose_context_was_released_is_not_known_any_more() {
    let Some(scene) = Scene::new() else { return };
    let way = Way::of("released@ue.example");
    let (phone, _core) = scene.originating(way);
    let context = scene.query(way).expect("a call").context_id;
    let iq = &scene.gateway.iq;
    scene.gateway.wait(iq.release(api::release(context))).expect("the end");

    scene.gateway.ledger().await_line("agw_alg_calls 0");
    let unknown = scene.query(way).expect_err("no call");
    assert_eq!(unknown.sip_status, Some(481));
    // Its dialogue begins anew with its next offer, as after a restart of the gateway.
    let offer = phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1), REQUESTED]);
    scene.offer(Scene::next_offer(way, Side::Access, offer)).expect("a call");
}

#[test]
fn an_offer_right_after_a_release_begins_a_call_with_media() {
    let Some(scene) = Scene::new() else { return };
    let way = Way::of("anew@ue.example");
    let (mut phone, mut core) = scene.originating(way);
    let before = scene.query(way).expect("a call").context_id;
    scene.gateway.wait(scene.gateway.iq.release(api::release(before))).expect("the end");

    let key = Key::random(Suite::AesCm128HmacSha1_80);
    phone.uses(&key);
    let offer = phone.describe("RTP/SAVP", &[&key.sdes_line(1), REQUESTED]);
    scene.exchange(way, &mut phone, &mut core, (offer, Scene::next_offer));

    assert_ne!(scene.query(way).expect("a call").context_id, before);
    talk(&mut phone, &mut core);
}

#[test]
fn an_offer_that_is_sent_again_acts_once_and_has_the_same_answer() {
    let Some(scene) = Scene::new() else { return };
    let (_, core) = scene.parties();
    let way = Way::of("again@core.example");
    let mut offer = Scene::first_offer(way, Side::Core, core.describe("RTP/AVP", &[]));
    offer.transaction_id = "again".to_owned();

    let first = scene.offer(offer.clone()).expect("an offer");
    let second = scene.offer(offer.clone()).expect("the same answer");

    assert_eq!(first.sdp, second.sdp);
    scene.gateway.ledger().await_line("agw_contexts 1");
    offer.rekey = true;
    let reused = scene.offer(offer.clone()).expect_err("other content");
    assert_eq!(reused.reason.as_deref(), Some("TRANSACTION_ID_REUSED"));
}

//= tests/spec/sdp.md#offer-and-answer
//= type=test
//# While an offer of one side waits, an offer of the other side MUST be refused.
#[test]
fn offers_of_both_sides_at_once_are_told_as_such() {
    let Some(scene) = Scene::new() else { return };
    let (phone, core) = scene.parties();
    let way = Way::of("glare@core.example");
    let offer = Scene::first_offer(way, Side::Core, core.describe("RTP/AVP", &[]));
    scene.offer(offer).expect("an offer");

    let offer = phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1), REQUESTED]);
    let mut offer = Scene::next_offer(way, Side::Access, offer);
    let names = offer.dialogue.as_mut().expect("a dialogue");
    std::mem::swap(&mut names.from_tag, &mut names.to_tag);
    let pending = scene.offer(offer).expect_err("an offer that waits");

    assert_eq!((pending.code, pending.sip_status), (Code::Aborted, Some(491)));
}

//= tests/spec/sdp.md#signalling
//= type=test
//# Keys MUST NOT be exchanged over unprotected signalling unless it is configured.
#[test]
fn keys_are_not_exchanged_over_signalling_of_which_nobody_says_that_it_is_protected() {
    let Some(scene) = Scene::new() else { return };
    let (phone, _) = scene.parties();
    let offer = phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1), REQUESTED]);
    let mut offer = Scene::first_offer(Way::of("clear@ue.example"), Side::Access, offer);
    offer.offerer.as_mut().expect("a side").protected_signalling = None;

    let refused = scene.offer(offer).expect_err("keys in the clear");

    assert_eq!((refused.code, refused.sip_status), (Code::FailedPrecondition, Some(488)));
    assert_eq!(refused.reason.as_deref(), Some("UNPROTECTED_SIGNALLING"));
    assert!(!refused.message.contains(&phone.key().base64()));
    scene.gateway.ledger().await_line("agw_contexts 0");
    scene.gateway.ledger().await_line("agw_alg_calls 0");
    assert!(!scene.gateway.log().contains(&phone.key().base64()));
}
