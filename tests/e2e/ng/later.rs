//! Calls that end a while after they were told to.

use std::thread::sleep;
use std::time::{Duration, Instant};

use agw_tests::{Gateway, PATIENCE, Side};
use serde_json::{Value, json};

use super::proxy::{Form, Proxy};
use super::{ON, answer, delete, offer};
use crate::alg::party::Party;

fn offered(call: &str) -> Value {
    offer(call, &Party::core(Side::Access.peer(), 1).describe("RTP/AVP", &[]))
}

fn answered(call: &str, callee: &str) -> Value {
    let mut request = answer(call, &Party::core(Side::Core.peer(), 2).describe("RTP/AVP", &[]));
    request["to-tag"] = json!(callee);
    request["rtpp-flags"] = json!("RTP/AVP");
    request
}

fn later(mut delete: Value) -> Value {
    delete["delete-delay"] = json!(1);
    delete
}

fn ask(proxy: &mut Proxy, request: &Value) -> Value {
    let told = proxy.ask(request);
    assert_eq!(told["result"], "ok", "{told}");
    assert_eq!(told["warning"], Value::Null, "{told}");
    told
}

/// Waits until every end was due that was told before.
fn await_ends(gateway: &Gateway, proxy: &mut Proxy, left: usize) {
    ask(proxy, &offered("last"));
    ask(proxy, &later(delete("last")));
    let deadline = Instant::now() + PATIENCE;
    while proxy.ask(&json!({ "command": "query", "call-id": "last" }))["result"] == "ok" {
        assert!(Instant::now() < deadline, "the last call goes on");
        sleep(Duration::from_millis(50));
    }
    gateway.ledger().await_line(&format!("agw_contexts {left}"));
}

//= tests/spec/ng.md#end
//= type=test
//# An offer that is taken MUST take the delayed ends of its call back.
#[test]
fn an_offer_takes_the_delayed_end_of_its_call_back() {
    let gateway = Gateway::with(ON);
    let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Bencode);
    let failed = json!({
        "command": "delete", "call-id": "fork", "from-tag": "phone", "to-tag": "busy",
        "via-branch": "elsewhere",
    });
    let by_callee = json!({ "command": "delete", "call-id": "callee", "from-tag": "first" });
    let ends = [("whole", delete("whole")), ("fork", failed), ("callee", by_callee)];
    for (call, end) in ends {
        ask(&mut proxy, &offered(call));
        if call == "callee" {
            ask(&mut proxy, &answered(call, "first"));
        }
        ask(&mut proxy, &later(end));
        ask(&mut proxy, &offered(call));
        ask(&mut proxy, &answered(call, "second"));
    }
    await_ends(&gateway, &mut proxy, 3);
    for call in ["whole", "fork", "callee"] {
        let told = ask(&mut proxy, &delete(call));
        assert!(told["contexts"].is_array(), "{told}");
    }
    gateway.ledger().await_line("agw_contexts 0");
}

//= tests/spec/ng.md#end
//= type=test
//# A delayed end MUST end the call that was told, and no later one of the same name.
#[test]
fn a_delayed_end_is_not_that_of_the_next_call_of_its_name() {
    let gateway = Gateway::with(ON);
    let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Json);
    ask(&mut proxy, &offered("again"));
    ask(&mut proxy, &later(delete("again")));
    ask(&mut proxy, &delete("again"));
    ask(&mut proxy, &offered("again"));
    // Of two calls with one identifier the one that was offered to goes on.
    for tag in ["phone", "other"] {
        let mut request = offered("two");
        request["from-tag"] = json!(tag);
        ask(&mut proxy, &request);
    }
    ask(&mut proxy, &later(json!({ "command": "delete", "call-id": "two" })));
    ask(&mut proxy, &offered("two"));

    await_ends(&gateway, &mut proxy, 2);

    ask(&mut proxy, &delete("again"));
    let mut other = delete("two");
    other["from-tag"] = json!("other");
    assert!(proxy.ask(&other)["warning"].is_string());
    ask(&mut proxy, &delete("two"));
    gateway.ledger().await_line("agw_contexts 0");
}

//= tests/spec/ng.md#end
//= type=test
//# A delayed end MUST end the call that was told, and no later one of the same name.
#[test]
fn an_offer_that_is_refused_does_not_keep_a_call_that_is_to_end() {
    let gateway = Gateway::with(ON);
    let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Bencode);
    ask(&mut proxy, &offered("refused"));
    ask(&mut proxy, &later(delete("refused")));
    let mut refused = offered("refused");
    refused["sdp"] = json!("no description");
    assert_eq!(proxy.ask(&refused)["result"], "error");
    gateway.ledger().await_line("agw_contexts 0");
    gateway.ledger().await_line("agw_alg_calls 0");
}
