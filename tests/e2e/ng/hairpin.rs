//! Two subscribers of one gateway: the halves of their call meet at its own ports in the core.

use agw_testkit::libsrtp::{self, Libsrtp};
use agw_testkit::peer;
use agw_tests::{Gateway, Side};
use serde_json::{Value, json};

use super::proxy::{Form, Proxy};
use super::{ON, answer, offer, sdp};
use crate::alg::party::{Party, lines, talk};

/// The realm in which the halves meet: by sockets without a device, wherever the test plays.
fn meeting(hairpins: bool) -> String {
    format!(
        "[[realm]]\nname = \"meeting\"\naddresses = [\"127.0.0.31\"]\nports = \"20100-20199\"\n\
         hairpin = {hairpins}\n"
    )
}

/// The offer of the other half, which comes from the core.
fn offered_on(offered: &Value) -> Value {
    json!({
        "command": "offer", "call-id": "call;terminating", "from-tag": "phone",
        "sdp": sdp(offered), "transport-protocol": "RTP/SAVP", "direction": ["meeting", "access"],
    })
}

//= tests/spec/iq.md#reservation
//= type=test
//# A media port of the gateway MUST be taken for a peer's only in a realm that hairpins, of the
//# same realm.
#[test]
fn two_phones_of_one_gateway_talk_through_the_core_where_it_hairpins() {
    let Ok(library) = Libsrtp::load() else { return peer::skip(libsrtp::PEER) };
    for hairpins in [false, true] {
        let gateway = Gateway::with(&[ON, &[meeting(hairpins).as_str()]].concat());
        let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Bencode);
        let mut caller = Party::phone(Side::Access.peer(), 0xAAAA_0001, library);
        let mut callee = Party::phone(Side::Access.peer(), 0xAAAA_0002, library);
        let line = caller.key().sdes_line(1);
        let mut first = offer("call", &caller.describe("RTP/SAVP", &[&line]));
        first["direction"] = json!(["access", "meeting"]);
        let first = proxy.ask(&first);
        let second = proxy.ask(&offered_on(&first));
        if !hairpins {
            let why = second["error-reason"].as_str().expect("a refusal");
            assert!(why.contains("the gateway's own"), "{why}");
            continue;
        }
        callee.reads(sdp(&second), Some(1));
        let line = callee.key().sdes_line(1);
        let taken = callee.describe("RTP/SAVP", &[&line]);
        let inner = proxy.ask(&answer("call;terminating", &taken));
        assert!(lines(sdp(&inner)).is_empty());
        let outer = proxy.ask(&answer("call", sdp(&inner).as_bytes()));
        caller.reads(sdp(&outer), None);
        talk(&mut caller, &mut callee);
        talk(&mut callee, &mut caller);
        for call in ["call", "call;terminating"] {
            let ended = proxy.ask(&json!({ "command": "delete", "call-id": call }));
            assert_eq!(ended["totals"]["RTP"]["errors"], 0, "{ended}");
        }
        gateway.ledger().await_line("agw_contexts 0");
    }
}
