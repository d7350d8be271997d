//! Calls to several phones as proxies make them that name no branches, and rejections that nobody
//! tells.

use agw_testkit::libsrtp::{self, Libsrtp};
use agw_testkit::peer;
use agw_tests::{Gateway, Side};
use serde_json::{Value, json};

use super::proxy::{Form, Proxy};
use super::{ON, answer, offer, parties, sdp, set_up};
use crate::alg::party::{Party, lines, talk};

/// A peer in the core and two phones; nothing where libsrtp is missing.
fn caller_and_phones() -> Option<(Party, [Party; 2])> {
    let Ok(library) = Libsrtp::load() else {
        peer::skip(libsrtp::PEER);
        return None;
    };
    let caller = Party::core(Side::Core.peer(), 0xCCCC_0001);
    let phone = |ssrc| Party::phone(Side::Access.peer(), ssrc, library);
    Some((caller, [phone(0xAAAA_0001), phone(0xAAAA_0002)]))
}

/// An offer of the caller, towards phones.
fn call(caller: &Party) -> Value {
    json!({
        "command": "offer", "call-id": "fork", "from-tag": "caller",
        "sdp": String::from_utf8_lossy(&caller.describe("RTP/AVP", &[])),
        "transport-protocol": "RTP/SAVP", "direction": ["core", "access"],
    })
}

/// The answer of a phone, towards the caller.
fn answered_by(phone: &Party, tag: &str) -> Value {
    let line = phone.key().sdes_line(1);
    json!({
        "command": "answer", "call-id": "fork", "from-tag": "caller", "to-tag": tag,
        "sdp": String::from_utf8_lossy(&phone.describe("RTP/SAVP", &[&line])),
    })
}

/// A request about the way that a proxy knows by a branch.
fn on_branch(mut request: Value, branch: &str) -> Value {
    request["via-branch"] = json!(branch);
    request
}

//= tests/spec/sdp.md#forking
//= type=test
//# An offer that is made again before its answer MUST show the same keys.
#[test]
fn whichever_phone_answers_an_offer_that_was_made_twice_is_heard_and_hears() {
    let gateway = Gateway::with(ON);
    let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Bencode);
    for answering in [0, 1] {
        let Some((mut caller, mut phones)) = caller_and_phones() else { return };
        for phone in &mut phones {
            let offered = proxy.ask(&call(&caller));
            phone.reads(sdp(&offered), Some(1));
        }
        let answered = proxy.ask(&answered_by(&phones[answering], "phone"));
        caller.reads(sdp(&answered), None);
        talk(&mut caller, &mut phones[answering]);
        proxy.ask(&json!({ "command": "delete", "call-id": "fork" }));
    }
    gateway.ledger().await_line("agw_contexts 0");
}

//= tests/spec/sdp.md#forking
//= type=test
//# Who is called in the place of a callee that answered MUST be offered keys of its own.
//= tests/spec/sdp.md#forking
//= type=test
//# The key of a callee MUST open nothing once another one has answered in its place.
#[test]
fn a_phone_that_is_called_after_another_one_shares_no_key_with_it() {
    let gateway = Gateway::with(ON);
    let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Bencode);
    let Some((mut caller, [mut first, mut second])) = caller_and_phones() else { return };
    let offered = proxy.ask(&call(&caller));
    first.reads(sdp(&offered), Some(1));
    let known = lines(sdp(&offered));
    let early = proxy.ask(&answered_by(&first, "first"));
    caller.reads(sdp(&early), None);
    talk(&mut caller, &mut first);

    // It does not take the call, of which ng tells nothing; the proxy tries the next phone.
    let offered = proxy.ask(&call(&caller));
    let fresh = lines(sdp(&offered));
    assert!(fresh.iter().all(|line| known.iter().all(|known| known.key != line.key)));
    second.reads(sdp(&offered), Some(1));
    let answered = proxy.ask(&answered_by(&second, "second"));
    caller.reads(sdp(&answered), None);
    talk(&mut caller, &mut second);
    first.sends();
    talk(&mut caller, &mut second);
    gateway.ledger().await_line("agw_contexts 1");
}

//= tests/spec/sdp.md#forking
//= type=test
//# A callee that answers again after another one MUST be heard under its key as before.
#[test]
fn of_two_phones_that_ring_the_first_may_be_heard_again_and_nothing_captured_is_at_roc_3() {
    let gateway = Gateway::with(ON);
    let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Bencode);
    let Some((mut caller, [mut first, mut second])) = caller_and_phones() else { return };
    let offered = proxy.ask(&call(&caller));
    for phone in [&mut first, &mut second] {
        phone.reads(sdp(&offered), Some(1));
    }
    let mut answers = |phone: &Party, tag, caller: &mut Party| {
        caller.reads(sdp(&proxy.ask(&answered_by(phone, tag))), None);
    };
    // The 183 of the one and of the other.
    answers(&first, "first", &mut caller);
    talk(&mut caller, &mut first);
    let mut captured = Vec::new();
    for step in 0..12 {
        first.skips(if step < 8 { 0x7000 } else { 0 });
        let packet = first.sends();
        assert_eq!(caller.hears(), packet);
        captured.push(first.last.clone());
    }
    answers(&second, "second", &mut caller);
    talk(&mut caller, &mut second);

    // The 200 of the first one.
    answers(&first, "first", &mut caller);

    let at_roc_3 = &captured[8..];
    at_roc_3.iter().for_each(|sealed| first.endpoint.send_octets(sealed));
    assert!(gateway.ledger().after_drops("replay", 4).closes());
    assert!(caller.endpoint.is_silent());
    talk(&mut first, &mut caller);
    // What the second one sends is nobody's any more.
    second.sends();
    talk(&mut caller, &mut first);
}

//= tests/spec/sdp.md#re-offers
//= type=test
//# An offerer that goes back to a key that it has used before MUST be heard under it.
#[test]
fn a_phone_that_goes_back_to_its_first_key_is_heard_and_nothing_captured_is() {
    let gateway = Gateway::with(ON);
    let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Json);
    let Some((mut phone, mut core)) = parties(Side::Access.peer(), Side::Core.peer()) else {
        return;
    };
    set_up(&mut proxy, "back", &mut phone, &mut core);
    talk(&mut phone, &mut core);
    phone.rolls_over(&mut core);
    let captured = phone.last.clone();
    let keys = [agw_tests::Key::random(phone.key().suite), phone.key().clone()];
    for key in &keys {
        phone.uses(key);
        let line = key.sdes_line(1);
        let mut again = offer("back", &phone.describe("RTP/SAVP", &[&line]));
        again["to-tag"] = json!("core");
        core.reads(sdp(&proxy.ask(&again)), None);
        let answered = proxy.ask(&answer("back", &core.describe("RTP/AVP", &[])));
        phone.reads(sdp(&answered), None);
        talk(&mut phone, &mut core);
    }
    phone.endpoint.send_octets(&captured);
    assert!(gateway.ledger().after_drops("replay", 1).closes());
    assert!(core.endpoint.is_silent());
    talk(&mut phone, &mut core);
}

//= tests/spec/sdp.md#re-offers
//= type=test
//# Where rejections are not told, an offer of the other side MUST end one that waits.
#[test]
fn after_a_rejection_that_nobody_told_the_other_side_may_offer() {
    let gateway = Gateway::with(ON);
    let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Json);
    let Some((mut phone, mut core)) = parties(Side::Access.peer(), Side::Core.peer()) else {
        return;
    };
    set_up(&mut proxy, "rejected", &mut phone, &mut core);
    let line = phone.key().sdes_line(1);
    let mut again = offer("rejected", &phone.describe("RTP/SAVP", &[&line]));
    again["to-tag"] = json!("core");
    assert_eq!(proxy.ask(&again)["result"], "ok");
    talk(&mut phone, &mut core);

    // The core answers 488 and holds the call itself.
    let held = json!({
        "command": "offer", "call-id": "rejected", "from-tag": "core", "to-tag": "phone",
        "sdp": String::from_utf8_lossy(&core.describe("RTP/AVP", &["a=sendonly"])),
        "transport-protocol": "RTP/SAVP", "direction": ["core", "access"],
    });
    let offered = proxy.ask(&held);
    assert!(sdp(&offered).contains("a=sendonly\r\n"), "{offered}");
    phone.reads(sdp(&offered), None);
    let mut taken = answer("rejected", &phone.describe("RTP/SAVP", &[&line, "a=recvonly"]));
    (taken["from-tag"], taken["to-tag"]) = (json!("core"), json!("phone"));
    let answered = proxy.ask(&taken);
    core.reads(sdp(&answered), None);
    let packet = core.sends();
    assert_eq!(phone.hears(), packet);
}

//= tests/spec/ng.md#end
//= type=test
//# The end of the dialogue that is heard MUST be that of its call, with its other branches.
#[test]
fn the_end_of_the_phone_that_is_heard_ends_its_call_and_that_of_another_one_does_not() {
    let gateway = Gateway::with(ON);
    let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Bencode);
    let Some((mut caller, mut phones)) = caller_and_phones() else { return };
    for (phone, branch) in phones.iter_mut().zip(["z1", "z2"]) {
        let offered = proxy.ask(&on_branch(call(&caller), branch));
        phone.reads(sdp(&offered), Some(1));
    }
    for (phone, branch, tag) in [(0, "z1", "first"), (1, "z2", "second")] {
        let answered = proxy.ask(&on_branch(answered_by(&phones[phone], tag), branch));
        caller.reads(sdp(&answered), None);
        talk(&mut caller, &mut phones[phone]);
    }
    // The first phone moves on in its own dialogue, and is heard then.
    let update = |mut request: Value| {
        request["to-tag"] = json!("first");
        request
    };
    let offered = proxy.ask(&update(call(&caller)));
    phones[0].reads(sdp(&offered), None);
    let answered = proxy.ask(&update(answered_by(&phones[0], "first")));
    caller.reads(sdp(&answered), None);
    talk(&mut caller, &mut phones[0]);

    let end = |tag: &str| {
        json!({
            "command": "delete", "call-id": "fork", "from-tag": tag, "to-tag": "caller",
        })
    };
    proxy.ask(&end("second"));
    gateway.ledger().await_line("agw_contexts 1");
    talk(&mut caller, &mut phones[0]);
    let offered = proxy.ask(&on_branch(call(&caller), "z3"));
    phones[1].reads(sdp(&offered), Some(1));
    // A BYE has a branch of its own, which is none of the call's.
    proxy.ask(&on_branch(end("first"), "z9"));
    gateway.ledger().await_line("agw_contexts 0");
    gateway.ledger().await_line("agw_alg_calls 0");
}

//= tests/spec/sdp.md#forking
//= type=test
//# A way MUST end with all its dialogues when a tag that nobody has ends it.
#[test]
fn the_error_of_a_way_ends_it_whoever_answered_there_and_a_cancel_ends_all_whatever_its_branch() {
    let gateway = Gateway::with(ON);
    let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Bencode);
    let end = |to_tag: Option<&str>, branch: &str| {
        let mut request = json!({ "command": "delete", "call-id": "fork", "from-tag": "caller" });
        if let Some(tag) = to_tag {
            request["to-tag"] = json!(tag);
        }
        on_branch(request, branch)
    };
    for ends in [&[(Some("nobody"), "z1"), (Some("nobody"), "z2")][..], &[(None, "z9")]] {
        let Some((mut caller, mut phones)) = caller_and_phones() else { return };
        for (phone, branch) in phones.iter_mut().zip(["z1", "z2"]) {
            let offered = proxy.ask(&on_branch(call(&caller), branch));
            phone.reads(sdp(&offered), Some(1));
        }
        for (phone, branch, tag) in [(1, "z2", "second"), (0, "z1", "first")] {
            let answered = proxy.ask(&on_branch(answered_by(&phones[phone], tag), branch));
            caller.reads(sdp(&answered), None);
            talk(&mut caller, &mut phones[phone]);
        }
        let (last, others) = ends.split_last().unwrap();
        for (tag, branch) in others {
            let unknown = proxy.ask(&end(*tag, "z9"));
            assert!(unknown["warning"].is_string(), "{unknown}");
            proxy.ask(&end(*tag, branch));
            talk(&mut caller, &mut phones[1]);
        }
        proxy.ask(&end(last.0, last.1));
        gateway.ledger().await_line("agw_contexts 0");
        gateway.ledger().await_line("agw_alg_calls 0");
    }
}

//= tests/spec/sdp.md#forking
//= type=test
//# Once a dialogue was confirmed a provisional response of another one MUST NOT take its media.
//= tests/spec/sdp.md#forking
//= type=test
//# The end of the one dialogue that was confirmed MUST be that of the call, and the end of another
//# one MUST NOT, whichever is heard.
#[test]
fn a_phone_that_has_accepted_has_the_call_whatever_others_have_said_early() {
    let gateway = Gateway::with(ON);
    let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Bencode);
    let end = |tag: &str| json!({ "command": "delete", "call-id": "fork", "from-tag": "caller", "to-tag": tag });
    // As a key, as a flag that Kamailio passes on, and not told at all.
    let late = [("sip-code", json!(183)), ("flags", json!("sip-code=183")), ("label", json!("x"))];
    for (key, value) in late {
        let Some((mut caller, mut phones)) = caller_and_phones() else { return };
        let offered = proxy.ask(&call(&caller));
        phones.iter_mut().for_each(|phone| phone.reads(sdp(&offered), Some(1)));
        let mut accepted = answered_by(&phones[0], "first");
        accepted["flags"] = json!(["sip-code=200"]);
        caller.reads(sdp(&proxy.ask(&accepted)), None);
        talk(&mut caller, &mut phones[0]);
        let mut early = answered_by(&phones[1], "second");
        early[key] = value;
        caller.reads(sdp(&proxy.ask(&early)), None);
        let heard = usize::from(key == "label");
        talk(&mut caller, &mut phones[heard]);
        proxy.ask(&end("second"));
        gateway.ledger().await_line("agw_contexts 1");
        let ended = proxy.ask(&end("first"));
        assert!(ended["totals"].is_object(), "{ended}");
        gateway.ledger().await_line("agw_contexts 0");
        gateway.ledger().await_line("agw_alg_calls 0");
    }
}

//= tests/spec/sdp.md#forking
//= type=test
//# An offer within any dialogue of a fork MUST be taken, whichever of them is heard.
#[test]
fn phones_behind_one_offer_each_have_offers_of_their_own_before_one_of_them_takes_the_call() {
    let gateway = Gateway::with(ON);
    let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Bencode);
    let Some((mut caller, mut phones)) = caller_and_phones() else { return };
    let offered = proxy.ask(&call(&caller));
    for (phone, tag) in phones.iter_mut().zip(["first", "second"]) {
        phone.reads(sdp(&offered), Some(1));
        let answered = proxy.ask(&answered_by(phone, tag));
        caller.reads(sdp(&answered), None);
        talk(&mut caller, phone);
    }
    // Each keeps its key, under which it is heard again.
    for (phone, tag) in phones.iter_mut().zip(["first", "second"]) {
        let mut request = call(&caller);
        request["to-tag"] = json!(tag);
        phone.reads(sdp(&proxy.ask(&request)), Some(1));
        let answered = proxy.ask(&answered_by(phone, tag));
        caller.reads(sdp(&answered), None);
        talk(&mut caller, phone);
    }
    proxy.ask(&json!({
        "command": "delete", "call-id": "fork", "from-tag": "caller", "to-tag": "second",
    }));
    gateway.ledger().await_line("agw_contexts 0");
}

//= tests/spec/sdp.md#offer-and-answer
//= type=test
//# An answer that was given before, to an offer before the last one of its dialogue, MUST leave
//# the session as it was agreed on since.
//= tests/spec/sdp.md#forking
//= type=test
//# The first offer MUST be one that other callees can answer, though one of them has gone on.
#[test]
fn a_phone_that_repeats_its_first_answer_is_heard_where_it_went_since() {
    let gateway = Gateway::with(ON);
    let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Bencode);
    let Some((mut caller, mut phones)) = caller_and_phones() else { return };
    let offered = proxy.ask(&call(&caller));
    phones.iter_mut().for_each(|phone| phone.reads(sdp(&offered), Some(1)));
    let ringing = answered_by(&phones[0], "first");
    caller.reads(sdp(&proxy.ask(&ringing)), None);
    // Two UPDATEs: it moves with the first one's answer.
    for moves in [true, false] {
        let mut update = call(&caller);
        update["to-tag"] = json!("first");
        phones[0].reads(sdp(&proxy.ask(&update)), Some(1));
        if moves {
            phones[0].endpoint.moves();
        }
        caller.reads(sdp(&proxy.ask(&answered_by(&phones[0], "first"))), None);
        talk(&mut caller, &mut phones[0]);
    }
    // Its 200 has the description of its 183.
    proxy.ask(&ringing);
    talk(&mut caller, &mut phones[0]);
    // So it is once another phone has rung.
    let rings_too = answered_by(&phones[1], "second");
    proxy.ask(&rings_too);
    talk(&mut caller, &mut phones[1]);
    proxy.ask(&ringing);
    talk(&mut caller, &mut phones[0]);
    proxy.ask(&json!({
        "command": "delete", "call-id": "fork", "from-tag": "caller", "to-tag": "first",
    }));
    gateway.ledger().await_line("agw_contexts 0");
}
