//! The ng protocol: a SIP proxy with an rtpengine module, phones that speak SRTP by libsrtp, the
//! core that speaks RTP.

mod choices;
mod cookies;
mod forks;
mod hairpin;
mod later;
mod limits;
mod moving;
mod proxy;
mod silence;

use std::net::IpAddr;

use agw_testkit::libsrtp::{self, Libsrtp};
use agw_testkit::peer;
use agw_tests::{Gateway, Side};
use serde_json::{Value, json};

use crate::alg::party::{Party, lines, talk};
use proxy::{Form, Proxy};

const ON: &[&str] =
    &["ng.udp=[\"127.0.0.1:0\", \"[::1]:0\"]", "ng.tcp=[\"127.0.0.1:0\", \"[::1]:0\"]"];

/// An offer of a phone, towards the core.
fn offer(call: &str, sdp: &[u8]) -> Value {
    json!({
        "command": "offer", "call-id": call, "from-tag": "phone",
        "sdp": String::from_utf8_lossy(sdp), "supports": ["load limit"],
        "transport-protocol": "RTP/AVP", "replace": ["origin", "session-connection"],
        "ICE": "remove", "rtcp-mux": ["demux"], "direction": ["access", "core"],
    })
}

/// The core's answer, towards the phone, as Kamailio writes it.
fn answer(call: &str, sdp: &[u8]) -> Value {
    json!({
        "command": "answer", "call-id": call, "from-tag": "phone", "to-tag": "core",
        "sdp": String::from_utf8_lossy(sdp),
        "rtpp-flags": "RTP/SAVP replace-origin replace-session-connection ICE=remove",
    })
}

fn delete(call: &str) -> Value {
    json!({ "command": "delete", "call-id": call, "from-tag": "phone" })
}

fn sdp(reply: &Value) -> &str {
    assert_eq!(reply["result"], "ok", "{reply}");
    reply["sdp"].as_str().expect("a description")
}

/// A phone and a peer in the core; nothing where libsrtp is missing.
fn parties(access: IpAddr, core: IpAddr) -> Option<(Party, Party)> {
    match Libsrtp::load() {
        Ok(library) => {
            Some((Party::phone(access, 0xAAAA_0001, library), Party::core(core, 0xCCCC_0001)))
        }
        Err(_) => {
            peer::skip(libsrtp::PEER);
            None
        }
    }
}

/// Sets a call of a phone up; tells its context.
fn set_up(proxy: &mut Proxy, call: &str, phone: &mut Party, core: &mut Party) -> u64 {
    let description = phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1)]);
    let offered = proxy.ask(&offer(call, &description));
    assert!(sdp(&offered).contains(" RTP/AVP 8\r\n") && !sdp(&offered).contains("crypto"));
    core.reads(sdp(&offered), None);
    let answered = proxy.ask(&answer(call, &core.describe("RTP/AVP", &[])));
    assert!(sdp(&answered).contains(" RTP/SAVP 8\r\n"), "{answered}");
    assert_eq!(lines(sdp(&answered)).len(), 1);
    phone.reads(sdp(&answered), None);
    assert_eq!(offered["context"], answered["context"]);
    answered["context"].as_u64().expect("a context")
}

//= tests/spec/ng.md#offer-and-answer
//= type=test
//# An offer towards RTP MUST leave without the sender's keys, and its SRTP MUST end at the gateway.
#[test]
fn calls_are_made_over_both_transports_in_both_forms_and_families() {
    let gateway = Gateway::with(ON);
    let v4 = (Side::Access.peer(), Side::Core.peer());
    let v6 = (Side::Access.peer_v6(), Side::Core.peer_v6());
    let mut number = 0;
    for (udp, tcp) in gateway.daemon.ng_udp.iter().zip(&gateway.daemon.ng_tcp) {
        for form in [Form::Bencode, Form::Json] {
            for mut proxy in [Proxy::udp(*udp, form), Proxy::tcp(*tcp, form)] {
                assert_eq!(proxy.ask(&json!({ "command": "ping" }))["result"], "pong");
                number += 1;
                let (access, core) = if number % 2 == 0 { v4 } else { v6 };
                let Some((mut phone, mut core)) = parties(access, core) else { return };
                let call = format!("call-{number}");
                let context = set_up(&mut proxy, &call, &mut phone, &mut core);
                talk(&mut phone, &mut core);
                let told = proxy.ask(&delete(&call));
                assert_eq!(told["result"], "ok");
                assert_eq!(told["contexts"], json!([context]));
                assert_eq!(told["totals"]["RTP"]["errors"], 0, "{told}");
            }
        }
    }
    assert_eq!(number, 8);
    gateway.ledger().await_line("agw_contexts 0");
    gateway.ledger().await_line("agw_alg_calls 0");
}

//= tests/spec/ng.md#reports
//= type=test
//# A query MUST tell what was received from each party, and the sum of it.
#[test]
fn a_query_tells_what_was_heard_and_the_context_is_that_of_iq() {
    let gateway = Gateway::with(ON);
    let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Json);
    let Some((mut phone, mut core)) = parties(Side::Access.peer(), Side::Core.peer()) else {
        return;
    };
    let context = set_up(&mut proxy, "query", &mut phone, &mut core);
    talk(&mut phone, &mut core);

    let told = proxy.ask(&json!({ "command": "query", "call-id": "query" }));

    assert_eq!(told["contexts"], json!([context]));
    let stream = |tag: &str| told["tags"][tag]["medias"][0]["streams"][0].clone();
    assert_eq!(stream("phone")["SSRC"], 0xAAAA_0001_u32, "{told}");
    assert_eq!(stream("core")["SSRC"], 0xCCCC_0001_u32, "{told}");
    assert_eq!(told["tags"]["phone"]["in dialogue with"], "core");
    let heard = |tag: &str| stream(tag)["stats"]["packets"].as_u64().expect("a count");
    assert!(heard("phone") > 0 && heard("core") > 0, "{told}");
    let total = told["totals"]["RTP"]["packets"].as_u64();
    assert_eq!(total, Some(heard("phone") + heard("core")));
    assert!(told["srtp"]["opened"].as_u64() > Some(0) && told["srtp"]["replays"] == 0);
    let (code, shown) = gateway.agwctl(&["contexts", "show", &context.to_string()]);
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("query"), "{shown}");

    assert_eq!(proxy.ask(&json!({ "command": "list" }))["calls"], json!(["query"]));
    let statistics = proxy.ask(&json!({ "command": "statistics" }));
    let statistics = &statistics["statistics"];
    assert_eq!(statistics["currentstatistics"]["sessionsown"], 1, "{statistics}");
    assert_eq!(statistics["controlstatistics"]["offer"], 1, "{statistics}");
}

//= tests/spec/ng.md#retries
//= type=test
//# The same request under the same cookie from the same address within a minute MUST get the same reply, and nothing MUST be done twice.
//= tests/spec/ng.md#retries
//= type=test
//# A retry that comes while its request is carried out MUST wait for the one reply.
#[test]
fn the_same_cookie_is_the_same_request_however_often_it_comes() {
    let gateway = Gateway::with(ON);
    let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Bencode);
    let core = Party::core(Side::Core.peer(), 1);
    let request = offer("again", &core.describe("RTP/AVP", &[]));
    // All at once: those that come while the first is carried out wait for it.
    for _ in 0..8 {
        proxy.send("cookie", &request);
    }
    let first = proxy.hear("cookie");
    for _ in 1..8 {
        assert_eq!(proxy.hear("cookie"), first);
    }
    assert_eq!(first["result"], "ok");
    let mut other = Proxy::tcp(gateway.daemon.ng_tcp[0], Form::Bencode);
    assert_eq!(other.ask_as("cookie", &request), first, "whatever way it comes");
    gateway.ledger().await_line("agw_contexts 1");
    gateway.ledger().await_line("agw_ng_repeated_total 8");
    let ended = proxy.ask_as("end", &delete("again"));
    assert_eq!(proxy.ask_as("end", &delete("again")), ended, "not a warning");
    gateway.ledger().await_line("agw_contexts 0");
}

//= tests/spec/ng.md#end
//= type=test
//# Either party's tag MUST end the call.
//= tests/spec/ng.md#end
//= type=test
//# To end an unknown call MUST be a warning, unless the request says that it is fatal.
//= tests/spec/ng.md#end
//= type=test
//# The reply to a delete MUST tell the call's last counters.
#[test]
fn either_party_ends_a_call_and_an_unknown_one_is_a_warning_unless_it_is_fatal() {
    let gateway = Gateway::with(ON);
    let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Json);
    let Some((mut phone, mut core)) = parties(Side::Access.peer(), Side::Core.peer()) else {
        return;
    };
    set_up(&mut proxy, "ended", &mut phone, &mut core);
    let by_callee = json!({ "command": "delete", "call-id": "ended", "from-tag": "core" });
    assert!(proxy.ask(&by_callee)["totals"].is_object());
    gateway.ledger().await_line("agw_contexts 0");

    let again = proxy.ask(&by_callee);
    assert_eq!(again["result"], "ok");
    assert!(again["warning"].is_string(), "{again}");
    let fatal = json!({ "command": "delete", "call-id": "ended", "flags": ["fatal"] });
    let refused = proxy.ask(&fatal);
    assert_eq!(
        (&refused["result"], &refused["error-reason"]),
        (&json!("error"), &json!("Unknown call-id"))
    );
}

#[test]
fn a_delayed_end_comes_later() {
    let gateway = Gateway::with(ON);
    let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Json);
    let core = Party::core(Side::Core.peer(), 1);
    proxy.ask(&offer("later", &core.describe("RTP/AVP", &[])));
    // Without a tag, as OpenSIPS writes it.
    let later = json!({ "command": "delete", "call-id": "later", "delete delay": "1" });
    assert!(proxy.ask(&later)["totals"].is_object());
    gateway.ledger().await_line("agw_contexts 1");
    gateway.ledger().await_line("agw_contexts 0");
}

//= tests/spec/ng.md#end
//= type=test
//# To end an unknown call MUST be a warning, unless the request says that it is fatal.
#[test]
fn a_delayed_end_of_what_is_not_there_is_told_as_one_without_delay() {
    let gateway = Gateway::with(ON);
    let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Json);
    let Some((mut phone, mut core)) = parties(Side::Access.peer(), Side::Core.peer()) else {
        return;
    };
    set_up(&mut proxy, "later", &mut phone, &mut core);
    let tags = [("phone", "nobody"), ("nobody", "phone"), ("nobody", "core"), ("phone", "core")];
    for (from, to) in tags {
        for fatal in [&[][..], &["fatal"]] {
            let mut end = json!({
                "command": "delete", "call-id": "later", "from-tag": from, "to-tag": to,
                "flags": fatal, "delete delay": 3_600,
            });
            let later = proxy.ask(&end);
            if (from, to) == ("phone", "core") {
                assert!(later["totals"].is_object(), "{later}");
                continue;
            }
            end["delete delay"] = json!(0);
            let now = proxy.ask(&end);
            assert_eq!(later, now, "{from} {to}");
            assert_eq!(now["result"] == "error", !fatal.is_empty(), "{now}");
        }
    }
    talk(&mut phone, &mut core);
}

#[test]
fn a_phone_that_asked_is_told_that_its_protection_is_applied() {
    let gateway = Gateway::with(ON);
    let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Json);
    let Some((mut phone, mut core)) = parties(Side::Access.peer(), Side::Core.peer()) else {
        return;
    };
    let line = phone.key().sdes_line(1);
    let description = phone.describe("RTP/SAVP", &[&line, "a=3ge2ae:requested"]);
    let mut request = offer("e2ae", &description);
    request["e2ae"] = json!("applied");
    let offered = proxy.ask(&request);
    assert!(!sdp(&offered).contains("3ge2ae"), "{offered}");
    core.reads(sdp(&offered), None);
    let answered = proxy.ask(&answer("e2ae", &core.describe("RTP/AVP", &[])));
    assert!(sdp(&answered).contains("a=3ge2ae:applied\r\n"), "{answered}");
    phone.reads(sdp(&answered), None);
    talk(&mut phone, &mut core);
}

#[test]
fn keys_of_descriptions_are_found_nowhere() {
    let gateway = Gateway::with(&[ON, &["log.filter=debug,agwd=trace"]].concat());
    let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Bencode);
    let Some((mut phone, mut core)) = parties(Side::Access.peer(), Side::Core.peer()) else {
        return;
    };
    set_up(&mut proxy, "secret", &mut phone, &mut core);
    let line = phone.key().sdes_line(1);
    let mut refused = offer("refused", &phone.describe("RTP/SAVP", &[&line]));
    refused["flags"] = json!(["transcode-opus"]);
    let mut told = proxy.ask(&refused).to_string();
    refused["flags"] = json!(["SDES-only-ROT13", line]);
    told += &proxy.ask(&refused).to_string();
    // Keys where none belong are told to who wrote them alone.
    refused["flags"] = json!([format!("SDES-only-{line}")]);
    assert_eq!(proxy.ask(&refused)["result"], "error");
    refused["flags"] = json!([format!("codec-transcode-{line}"), format!("transcode={line}")]);
    assert_eq!(proxy.ask(&refused)["result"], "error");
    refused["command"] = json!(line);
    assert_eq!(proxy.ask(&refused)["result"], "error");
    told += &proxy.ask(&json!({ "command": "query", "call-id": "secret" })).to_string();
    told += &gateway.ledger().page("/metrics");
    told += &gateway.log();
    for key in [phone.key(), phone.their_key()] {
        assert!(!told.contains(&key.base64()), "{told}");
    }
}
