//! A phone that changes its network or its key in a call.

use agw_tests::{Gateway, Key, Side};
use serde_json::json;

use super::proxy::{Form, Proxy};
use super::{ON, answer, offer, parties, sdp, set_up};
use crate::alg::party::talk;

//= tests/spec/sdp.md#re-offers
//= type=test
//# A peer that moves and keeps its key MUST be heard under it as before, unless the mode is
//# strict.
#[test]
fn a_phone_that_moves_and_keeps_its_key_is_heard_on_and_answered_with_a_fresh_one() {
    let gateway = Gateway::with(ON);
    let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Bencode);
    let Some((mut phone, mut core)) = parties(Side::Access.peer(), Side::Core.peer()) else {
        return;
    };
    set_up(&mut proxy, "moving", &mut phone, &mut core);
    talk(&mut phone, &mut core);
    let before = phone.their_key().clone();

    phone.endpoint.moves();
    let line = phone.key().sdes_line(1);
    let mut again = offer("moving", &phone.describe("RTP/SAVP", &[&line]));
    again["to-tag"] = json!("core");
    let offered = proxy.ask(&again);
    core.reads(sdp(&offered), None);
    let answered = proxy.ask(&answer("moving", &core.describe("RTP/AVP", &[])));
    phone.reads(sdp(&answered), None);

    assert_ne!(*phone.their_key(), before);
    talk(&mut phone, &mut core);
    talk(&mut core, &mut phone);
}

//= tests/spec/srtp.md#new-keys
//= type=test
//# Where it is not said, the first packet of a source under a new key MUST tell whether its
//# rollover counter or SRTCP index goes on or starts anew, once the replaced keys are gone.
#[test]
fn a_phone_with_a_new_key_is_heard_whether_its_counters_go_on_or_start_anew() {
    let settings = [ON, &["policy.default_overlap_ms=0"]].concat();
    let gateway = Gateway::with(&settings);
    let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Json);
    for starts_anew in [true, false] {
        let Some((mut phone, mut core)) = parties(Side::Access.peer(), Side::Core.peer()) else {
            return;
        };
        set_up(&mut proxy, "anew", &mut phone, &mut core);
        talk(&mut phone, &mut core);
        phone.rolls_over(&mut core);
        let captured = phone.last.clone();
        let key = Key::random(phone.key().suite);
        match starts_anew {
            true => phone.starts_anew(&key),
            false => phone.uses(&key),
        }
        let mut again = offer("anew", &phone.describe("RTP/SAVP", &[&key.sdes_line(1)]));
        again["to-tag"] = json!("core");
        core.reads(sdp(&proxy.ask(&again)), None);
        let answered = proxy.ask(&answer("anew", &core.describe("RTP/AVP", &[])));
        phone.reads(sdp(&answered), None);
        talk(&mut phone, &mut core);
        phone.endpoint.send_octets(&captured);
        phone.repeats();
        talk(&mut phone, &mut core);
        assert!(core.endpoint.is_silent());
        proxy.ask(&json!({ "command": "delete", "call-id": "anew" }));
        gateway.ledger().await_line("agw_contexts 0");
    }
}
