//! A phone that changes its network in a call and keeps its key.

use agw_tests::{Gateway, Side};
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
