//! Two proxies behind one address whose processes count their cookies alike.

use agw_tests::{Gateway, Side};
use serde_json::{Value, json};

use super::proxy::{Form, Proxy};
use super::{ON, delete, offer, sdp};
use crate::alg::party::Party;

/// An offer of a party in the core towards phones: what it is answered with has keys.
fn secured(call: &str) -> Value {
    let mut request = offer(call, &Party::core(Side::Core.peer(), 1).describe("RTP/AVP", &[]));
    request["transport-protocol"] = json!("RTP/SAVP");
    request["direction"] = json!(["core", "access"]);
    request
}

//= tests/spec/ng.md#retries
//= type=test
//# Another request under the same cookie MUST be carried out, and counted.
#[test]
fn two_proxies_with_the_same_cookie_each_have_their_own_call() {
    let gateway = Gateway::with(ON);
    let (udp, tcp) = (gateway.daemon.ng_udp[0], gateway.daemon.ng_tcp[0]);
    let mut shared = 0;
    for (number, form) in [Form::Bencode, Form::Json].into_iter().enumerate() {
        for (way, at_once, mut one, mut other) in [
            ("udp", 3, Proxy::udp(udp, form), Proxy::udp(udp, form)),
            ("tcp", 1, Proxy::udp(udp, form), Proxy::tcp(tcp, form)),
        ] {
            let [cookie, end] = ["1_23_7", "1_23_8"].map(|text| format!("{text}_{number}_{way}"));
            let calls = ["of-one", "of-other"].map(|call| format!("{call}-{number}-{way}"));
            let requests = calls.each_ref().map(|call| secured(call));
            // Retries of both, at once: those that come while theirs is carried out wait for it.
            for _ in 0..at_once {
                one.send(&cookie, &requests[0]);
                other.send(&cookie, &requests[1]);
            }
            let told = [one.hear(&cookie), other.hear(&cookie)];
            for _ in 1..at_once {
                assert_eq!([one.hear(&cookie), other.hear(&cookie)], told);
            }
            let again = [one.ask_as(&cookie, &requests[0]), other.ask_as(&cookie, &requests[1])];
            assert_eq!(again, told);
            let keys = told.each_ref().map(|told| {
                let line = sdp(told).lines().find(|line| line.contains("inline:"));
                line.expect("a key").to_owned()
            });
            assert_ne!(keys[0], keys[1], "nobody is told the other one's keys");
            assert_ne!(told[0]["context"], told[1]["context"]);
            gateway.ledger().await_line("agw_contexts 2");

            assert_eq!(one.ask_as(&end, &delete(&calls[0]))["result"], "ok");
            gateway.ledger().await_line("agw_contexts 1");
            assert!(other.ask_as(&end, &delete(&calls[1]))["contexts"].is_array());
            gateway.ledger().await_line("agw_contexts 0");
            shared += 2;
        }
    }
    gateway.ledger().await_line(&format!("agw_ng_shared_cookies_total {shared}"));
    gateway.ledger().await_line("agw_ng_repeated_total 16");
}

//= tests/spec/ng.md#retries
//= type=test
//# Another request under the same cookie MUST be carried out, and counted.
#[test]
fn a_delete_under_a_used_cookie_ends_its_call() {
    let gateway = Gateway::with(ON);
    let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Bencode);
    assert_eq!(proxy.ask_as("used", &secured("used"))["result"], "ok");
    let told = proxy.ask_as("used", &delete("used"));
    assert!(told["contexts"].is_array(), "{told}");
    gateway.ledger().await_line("agw_contexts 0");
    assert_eq!(proxy.ask_as("used", &delete("used")), told, "a retry");
}
