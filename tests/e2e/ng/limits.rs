//! Who may speak, how much there is, and in which words it is told that there is no more.

use std::time::Instant;

use agw_tests::{Gateway, PATIENCE, Side};
use serde_json::{Value, json};

use super::proxy::{Form, Proxy};
use super::{ON, delete, offer};
use crate::alg::party::Party;

/// The refusal of an offer, as Kamailio is told it and as OpenSIPS is.
fn refusals(proxy: &mut Proxy, call: &str) -> (Value, Value) {
    let core = Party::core(Side::Core.peer(), 1);
    let mut request = offer(call, &core.describe("RTP/AVP", &[]));
    let kamailio = proxy.ask(&request);
    request.as_object_mut().expect("a dictionary").remove("supports");
    (kamailio, proxy.ask(&request))
}

fn assert_told(gateway: &Gateway, call: &str, words: &str) {
    let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Bencode);
    let (kamailio, opensips) = refusals(&mut proxy, call);
    assert_eq!(kamailio, json!({ "result": "load limit", "message": words }));
    assert_eq!(opensips, json!({ "result": "error", "error-reason": words }));
}

fn take_one(gateway: &Gateway) -> Proxy {
    let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Bencode);
    let core = Party::core(Side::Core.peer(), 1);
    let taken = proxy.ask(&offer("taken", &core.describe("RTP/AVP", &[])));
    assert_eq!(taken["result"], "ok", "{taken}");
    proxy
}

//= tests/spec/ng.md#overload
//= type=test
//# A controller that supports it MUST be told `load limit`, any other one an error.
#[test]
fn a_reply_that_no_datagram_takes_is_told_and_comes_over_a_stream() {
    let gateway = Gateway::with(ON);
    let line = format!("a=fmtp:8 {}\r\n", "x".repeat(5_370));
    let media = |n: u16| format!("m=audio {} RTP/AVP 8\r\n{line}", 20_000 + 2 * n);
    let media: String = (0..12).map(media).collect();
    let core = String::from_utf8(Party::core(Side::Core.peer(), 1).describe("RTP/AVP", &[]));
    let mut request = offer("long", (core.expect("text") + &media).as_bytes());
    request["media-address"] = json!("2001:db8:1111:2222:3333:4444:5555:6666");
    request["rtpp-flags"] = json!("full-rtcp-attribute");

    let refused = Proxy::udp(gateway.daemon.ng_udp[0], Form::Bencode).ask(&request);

    assert_eq!(refused["result"], "error");
    let why = refused["error-reason"].as_str().expect("a reason");
    assert!(why.contains("more than a datagram"), "{why}");
    let told = Proxy::tcp(gateway.daemon.ng_tcp[0], Form::Bencode).ask(&request);
    assert_eq!(told["result"], "ok", "{told}");
}

#[test]
fn a_gateway_full_of_calls_says_so() {
    let gateway = Gateway::with(&[ON, &["limits.contexts=1", "limits.reserve_percent=0"]].concat());
    let mut proxy = take_one(&gateway);
    assert_told(&gateway, "more", "Parallel session limit reached");
    proxy.ask(&delete("taken"));
    gateway.ledger().await_line("agw_contexts 0");
    take_one(&gateway);
}

//= tests/spec/ng.md#overload
//= type=test
//# Want of calls, ports, processor, bandwidth or anything else MUST be told in the words on which controllers go elsewhere.
#[test]
fn a_gateway_without_processor_time_bandwidth_or_memory_says_so() {
    let cases: [(&[&str], &str); 3] = [
        (&["limits.cpu_percent=1"], "CPU usage limit exceeded"),
        (&["limits.packet_rate=20"], "Bandwidth limit exceeded"),
        (&["limits.memory_percent=85", "limits.memory_octets=1048576"], "Load limit exceeded"),
    ];
    for (settings, words) in cases {
        let others = ["limits.reserve_percent=0", "policy.port_rest_ms=0"];
        let gateway = Gateway::with(&[ON, settings, &others].concat());
        let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Bencode);
        let core = Party::core(Side::Core.peer(), 1);
        let mut request = offer("more", &core.describe("RTP/AVP", &[]));
        request.as_object_mut().expect("a dictionary").remove("supports");
        let deadline = Instant::now() + PATIENCE;
        // What is measured reaches the gate within a second or two; the calls that are taken until
        // then are what is measured.
        let refused = loop {
            let told = proxy.ask(&request);
            if told["result"] != "ok" {
                break told;
            }
            let mut phone = Party::core(Side::Access.peer(), 2);
            phone.reads(super::sdp(&told), None);
            (0..200).for_each(|_| drop(phone.sends()));
            assert_eq!(proxy.ask(&delete("more"))["result"], "ok");
            assert!(Instant::now() < deadline, "nothing runs out: {words}");
        };
        assert_eq!(refused, json!({ "result": "error", "error-reason": words }));
    }
}

#[test]
fn a_gateway_without_ports_says_so() {
    let settings = ["core.max_ports=2", "limits.reserve_percent=0"];
    let gateway = Gateway::with(&[ON, &settings].concat());
    let _taken = take_one(&gateway);
    assert_told(&gateway, "more", "Ran out of ports");
}

//= tests/spec/ng.md#overload
//= type=test
//# What one call has too much of MUST be told in words on which no controller goes elsewhere.
#[test]
fn a_call_takes_as_many_ways_as_are_configured_and_no_gateway_is_full_for_one_more() {
    let gateway = Gateway::with(ON);
    let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Bencode);
    let core = Party::core(Side::Core.peer(), 1);
    let mut request = offer("fork", &core.describe("RTP/AVP", &[]));
    for way in 1..=8 {
        request["via-branch"] = json!(format!("way-{way}"));
        let told = proxy.ask(&request);
        assert_eq!(told["result"], "ok", "{way}: {told}");
    }
    request["via-branch"] = json!("way-9");
    let words = "the call has 8 branches, which is the limit";
    assert_eq!(proxy.ask(&request), json!({ "result": "error", "error-reason": words }));

    // Video is added to each of the ways, on their own legs and on the caller's.
    let video = "m=video 20002 RTP/AVP 99\r\n";
    let more = String::from_utf8(core.describe("RTP/AVP", &[])).expect("text") + video;
    let mut request = offer("fork", more.as_bytes());
    for way in 1..=8 {
        request["via-branch"] = json!(format!("way-{way}"));
        let told = proxy.ask(&request);
        assert_eq!(told["result"], "ok", "{way}: {told}");
    }
}

//= tests/spec/ng.md#overload
//= type=test
//# A call that is there MUST be changed and ended whatever the load is.
#[test]
fn a_gateway_that_drains_sends_new_calls_elsewhere_and_ends_old_ones() {
    let gateway = Gateway::with(ON);
    let mut proxy = take_one(&gateway);
    gateway.wait(gateway.iq.drain()).expect("the drain");
    assert_told(&gateway, "more", "Parallel session limit reached");
    assert_eq!(proxy.ask(&json!({ "command": "ping" }))["result"], "pong");
    assert_eq!(proxy.ask(&delete("taken"))["result"], "ok");
    gateway.ledger().await_line("agw_contexts 0");
}

//= tests/spec/ng.md#offer-and-answer
//= type=test
//# A flag that nobody knows MUST be ignored and counted.
#[test]
fn what_agw_does_not_do_is_refused_with_the_reason_and_what_nobody_knows_is_counted() {
    let gateway = Gateway::with(ON);
    let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Json);
    let core = Party::core(Side::Core.peer(), 1);
    let mut request = offer("refused", &core.describe("RTP/AVP", &[]));
    request["flags"] = json!(["transcode-opus"]);
    let refused = proxy.ask(&request);
    let words = "transcode-opus is not supported: agw relays every codec and changes none";
    assert_eq!(refused, json!({ "result": "error", "error-reason": words }));
    gateway.ledger().await_line("agw_contexts 0");
    request["flags"] = json!(["flag-of-tomorrow"]);
    assert_eq!(proxy.ask(&request)["result"], "ok");
    gateway.ledger().await_line("agw_ng_unknown_flags_total 1");
}

//= tests/spec/ng.md#who-may-speak
//= type=test
//# Who is not on the list MUST NOT be heard.
#[test]
fn whoever_is_not_on_the_list_is_not_heard() {
    let gateway = Gateway::with(&[ON, &["ng.allow=[\"192.0.2.99\"]"]].concat());
    let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Json);
    proxy.send("cookie", &json!({ "command": "ping" }));
    gateway.ledger().await_line("agw_ng_ignored_total{reason=\"address\"} 1");
    assert!(Proxy::tcp(gateway.daemon.ng_tcp[0], Form::Json).is_ended());
    gateway.ledger().await_line("agw_ng_ignored_total{reason=\"address\"} 2");
}

//= tests/spec/ng.md#who-may-speak
//= type=test
//# Who speaks faster than configured MUST NOT be heard for as long.
#[test]
fn whoever_speaks_too_fast_is_not_heard_for_a_while() {
    let gateway = Gateway::with(&[ON, &["ng.max_rate=1"]].concat());
    let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Json);
    for number in 0..50 {
        proxy.send(&number.to_string(), &json!({ "command": "ping" }));
    }
    assert_eq!(proxy.reply().1["result"], "pong");
    let ledger = gateway.ledger();
    let ignored = |page: &str| {
        let line = page
            .lines()
            .find_map(|line| line.strip_prefix("agw_ng_ignored_total{reason=\"rate\"} "));
        line.and_then(|count| count.parse::<u64>().ok()).unwrap_or_default()
    };
    let deadline = Instant::now() + PATIENCE;
    while ignored(&ledger.page("/metrics")) == 0 {
        assert!(Instant::now() < deadline, "nothing was ignored");
    }
}

#[test]
fn there_are_as_many_connections_as_configured_and_what_is_no_message_ends_one() {
    let gateway = Gateway::with(&[ON, &["ng.max_connections=1"]].concat());
    let mut first = Proxy::tcp(gateway.daemon.ng_tcp[0], Form::Json);
    assert_eq!(first.ask(&json!({ "command": "ping" }))["result"], "pong");
    assert!(Proxy::tcp(gateway.daemon.ng_tcp[0], Form::Json).is_ended());
    gateway.ledger().await_line("agw_ng_ignored_total{reason=\"connections\"} 1");
    first.send_octets(b"cookie d99999999:");
    assert!(first.is_ended());
    gateway.ledger().await_line("agw_ng_connections 0");
    let mut next = Proxy::tcp(gateway.daemon.ng_tcp[0], Form::Json);
    assert_eq!(next.ask(&json!({ "command": "ping" }))["result"], "pong");
}

//= tests/spec/ng.md#wire
//= type=test
//# What is no message MUST get no reply, and MUST NOT harm other requests.
#[test]
fn octets_that_are_no_message_get_no_reply_and_harm_nobody() {
    let gateway = Gateway::with(ON);
    let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Bencode);
    let deep = format!("c d1:a{}", "l".repeat(60_000));
    for hostile in ["", "x", "c d18446744073709551615:", "c {\"a\":", "c i1e", deep.as_str()] {
        proxy.send_octets(hostile.as_bytes());
    }
    assert_eq!(proxy.ask(&json!({ "command": "ping" }))["result"], "pong");
    gateway.ledger().await_line("agw_ng_ignored_total{reason=\"malformed\"} 6");
}
