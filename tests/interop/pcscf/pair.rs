//! Two gateways behind one edge, and what the core and UEs ask the edge itself.

use std::path::Path;
use std::time::Instant;
use std::{fs, thread};

use agw_srtp::Suite;
use agw_tests::stage::{self, Backend};
use agw_tests::{Gateway, Key, PATIENCE, directory};

use super::edge::{self, Edge, VERIFYING};
use super::{CLEAR, REQUESTED};
use crate::party::{lines, talk};

/// How many calls each gateway gets at least one of, but for a chance of one in millions.
const CALLS: usize = 24;

fn contexts(gateway: &Gateway) -> usize {
    let page = gateway.ledger().page("/metrics");
    let mut counts = page.lines().filter_map(|line| line.strip_prefix("agw_contexts "));
    counts.next().and_then(|count| count.parse().ok()).expect("a count")
}

/// What a site says of two gateways that have numbers.
fn numbered(gateway: &Gateway, other: &Gateway) -> String {
    let (one, two) = (gateway.daemon.ng_udp[0], other.daemon.ng_udp[0]);
    format!(
        "#!define AGW \"udp:{one} udp:{two}\"\n#!define AGW_1 \"1 == udp:{one}\"\n\
         #!define AGW_2 \"2 == udp:{two}\"\n{CLEAR}"
    )
}

#[test]
fn a_gateway_that_drains_keeps_its_calls_and_gets_no_new_ones() {
    // Two gateways cannot have the same queues.
    if stage::backend() == Backend::Xdp {
        return;
    }
    let gateway = Gateway::with(&["ng.udp=[\"127.0.0.1:0\"]"]);
    let other = Gateway::with(&["ng.udp=[\"127.0.0.1:0\"]"]);
    let (one, two) = (gateway.daemon.ng_udp[0], other.daemon.ng_udp[0]);
    let site = format!("#!define AGW \"udp:{one} udp:{two}\"\n{CLEAR}");
    let Some(edge) = Edge::before(gateway, &site) else { return };
    edge.await_ping();
    let Some((mut phone, mut core)) = Edge::parties() else { return };
    let ue = edge.ue("alice");
    edge.registers(&ue, "alice", &VERIFYING);
    // One call has media, each a key of its own.
    let call = |name: &str, key: &Key| {
        let offer = phone.describe("RTP/SAVP", &[&key.sdes_line(1), REQUESTED]);
        ue.offers("INVITE", "bob", &[], (name, 1), &offer);
        let invite = edge.core.hears("INVITE");
        let answer = core.describe("RTP/AVP", &[]);
        edge.core.answers(&invite, "200 OK", &[], &answer);
        let mut dialog = ue.hears("200").dialog();
        ue.requests(&mut dialog, "ACK", &[], b"");
        edge.core.hears("ACK");
        (dialog, offer)
    };
    let another = || Key::random(Suite::AesCm128HmacSha1_80);
    let mut calls = vec![call("with-media", phone.key())];
    calls.extend((1..CALLS).map(|number| call(&format!("shared-{number}"), &another())));
    let (kept, others) = (contexts(&edge.gateway), contexts(&other));
    assert_eq!(kept + others, CALLS);
    assert!(kept > 0 && others > 0, "{kept} and {others}");

    let (code, told) = edge.gateway.agwctl(&["service", "drain"]);
    assert_eq!(code, Some(0), "{told}");
    calls.extend((0..4).map(|number| call(&format!("elsewhere-{number}"), &another())));
    assert_eq!((contexts(&edge.gateway), contexts(&other)), (kept, others + 4));
    // A change of a call goes to the gateway that has it, and media flows as before.
    for (dialog, offer) in &mut calls {
        ue.requests(dialog, "INVITE", &[], offer);
        let invite = edge.core.hears("INVITE");
        edge.core.answers(&invite, "200 OK", &[], &core.describe("RTP/AVP", &[]));
        let accepted = ue.hears("200");
        assert!(accepted.body().contains("a=3ge2ae:applied"), "{}", accepted.text());
        ue.requests(dialog, "ACK", &[], b"");
        edge.core.hears("ACK");
        if accepted.header("Call-ID") == "with-media" {
            core.reads(invite.body(), None);
            phone.reads(accepted.body(), None);
            talk(&mut phone, &mut core);
        }
    }
    assert_eq!((contexts(&edge.gateway), contexts(&other)), (kept, others + 4));
    for (dialog, _) in &mut calls {
        ue.hangs_up(dialog, &edge.core);
    }
    other.ledger().await_line("agw_contexts 0");
    edge.gateway.ledger().await_line("agw_contexts 0");
    let (code, told) = edge.gateway.agwctl(&["service", "restore"]);
    assert_eq!(code, Some(0), "{told}");
    edge.ends();
}

/// The edge after it has died; it knows who is registered, and has found its gateways.
fn restarted(edge: Edge, memory: &Path) -> Edge {
    let deadline = Instant::now() + PATIENCE;
    while !fs::read_to_string(memory).expect("a table").contains("e2ae") {
        assert!(Instant::now() < deadline, "{}", edge.proxy.output());
        thread::yield_now();
    }
    let edge = edge.restarts();
    let deadline = Instant::now() + PATIENCE;
    while edge.proxy.asked(&["rtpengine.show", "all"]).matches("disabled: 0").count() < 4 {
        assert!(Instant::now() < deadline, "{}", edge.proxy.output());
        edge.proxy.asked(&["rtpengine.ping", "all"]);
    }
    edge
}

#[test]
fn calls_stay_with_their_gateways_when_the_edge_dies_and_comes_back() {
    // Two gateways cannot have the same queues.
    if stage::backend() == Backend::Xdp {
        return;
    }
    let gateway = Gateway::with(&["ng.udp=[\"127.0.0.1:0\"]"]);
    let other = Gateway::with(&["ng.udp=[\"127.0.0.1:0\"]"]);
    let files = directory();
    fs::copy(edge::sample().join("state/ue"), files.path().join("ue")).expect("an empty table");
    let state = format!("#!define STATE \"text://{}\"", files.path().display());
    let site = format!("{}\n{state}", numbered(&gateway, &other));
    let Some(edge) = Edge::before(gateway, &site) else { return };
    edge.await_ping();
    let Some((mut phone, mut core)) = Edge::parties() else { return };
    let ue = edge.ue("alice");
    edge.registers(&ue, "alice", &VERIFYING);
    let call = |edge: &Edge, name: &str, key: &Key| {
        let offer = phone.describe("RTP/SAVP", &[&key.sdes_line(1), REQUESTED]);
        ue.offers("INVITE", "bob", &[], (name, 1), &offer);
        let invite = edge.core.hears("INVITE");
        edge.core.answers(&invite, "200 OK", &[], &core.describe("RTP/AVP", &[]));
        let mut dialog = ue.hears("200").dialog();
        ue.requests(&mut dialog, "ACK", &[], b"");
        edge.core.hears("ACK");
        (dialog, offer)
    };
    let another = || Key::random(Suite::AesCm128HmacSha1_80);
    let mut calls = vec![call(&edge, "with-media", phone.key())];
    calls.extend((0..8).map(|number| call(&edge, &format!("shared-{number}"), &another())));
    // While one drains, the other one has all.
    let (code, told) = edge.gateway.agwctl(&["service", "drain"]);
    assert_eq!(code, Some(0), "{told}");
    calls.extend((0..8).map(|number| call(&edge, &format!("drained-{number}"), &another())));
    let (code, told) = edge.gateway.agwctl(&["service", "restore"]);
    assert_eq!(code, Some(0), "{told}");
    let shared = (contexts(&edge.gateway), contexts(&other));
    assert_eq!(shared.0 + shared.1, 17);

    let edge = restarted(edge, &files.path().join("ue"));
    for (dialog, offer) in &mut calls {
        ue.requests(dialog, "INVITE", &[], offer);
        let invite = edge.core.hears("INVITE");
        edge.core.answers(&invite, "200 OK", &[], &core.describe("RTP/AVP", &[]));
        let accepted = ue.hears("200");
        ue.requests(dialog, "ACK", &[], b"");
        edge.core.hears("ACK");
        if accepted.header("Call-ID") == "with-media" {
            core.reads(invite.body(), None);
            phone.reads(accepted.body(), None);
            talk(&mut phone, &mut core);
        }
    }
    assert_eq!((contexts(&edge.gateway), contexts(&other)), shared);
    for (dialog, _) in &mut calls {
        ue.hangs_up(dialog, &edge.core);
    }
    other.ledger().await_line("agw_contexts 0");
    edge.ends();
}

#[test]
fn what_comes_from_a_protected_network_needs_no_tls() {
    let Some(edge) = Edge::start("#!define PROTECTED_NETWORK 127.0.0.0/8") else { return };
    let Some((mut phone, mut core)) = Edge::parties() else { return };
    let ue = edge.ue("bob");
    let path = edge.registers(&ue, "bob", &VERIFYING);
    let (to, route) = (super::uri(&ue.contact()), format!("Route: {path}"));
    edge.core.offers("INVITE", &to, &[&route], ("inside", 1), &core.describe("RTP/AVP", &[]));
    let invite = ue.hears("INVITE");
    phone.reads(invite.body(), Some(1));
    let key = phone.key().sdes_line(1);
    ue.answers(&invite, "200 OK", &[], &phone.describe("RTP/SAVP", &[&key]));
    let accepted = edge.core.hears("200");
    core.reads(accepted.body(), None);
    edge.core.requests(&mut accepted.dialog(), "ACK", &[], b"");
    ue.hears("ACK");
    talk(&mut phone, &mut core);
    let mut dialog = ue.called(&invite);
    ue.requests(&mut dialog, "INVITE", &[], &phone.describe("RTP/SAVP", &[&key]));
    let again = edge.core.hears("INVITE");
    edge.core.answers(&again, "200 OK", &[], &core.describe("RTP/AVP", &[]));
    assert_eq!(lines(ue.hears("200").body()).len(), 1);
    ue.requests(&mut dialog, "ACK", &[], b"");
    edge.core.hears("ACK");
    ue.hangs_up(&mut dialog, &edge.core);
    edge.ends();
}

#[test]
fn the_edge_says_that_it_is_there_to_whoever_asks() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let ue = edge.ue("alice");
    ue.begins("OPTIONS", &format!("sip:{}", edge.access), &[], ("keepalive", 1));
    ue.hears("200");
    edge.core.begins("OPTIONS", &format!("sip:{}", edge.inside), &[], ("heartbeat", 1));
    edge.core.hears("200");
    // Anybody else is asked of who is registered only.
    for method in ["OPTIONS", "MESSAGE", "SUBSCRIBE", "PUBLISH"] {
        ue.begins(method, "bob", &[], (method, 1));
        ue.hears("403");
        edge.core.begins(method, "bob", &[], (method, 2));
        edge.core.hears("404");
    }
    let path = edge.registers(&ue, "alice", &[]);
    let route = format!("Route: {path}");
    for method in ["OPTIONS", "MESSAGE", "SUBSCRIBE"] {
        edge.core.begins(method, super::uri(&ue.contact()).as_str(), &[&route], (method, 3));
        let request = ue.hears(method);
        ue.answers(&request, "200 OK", &[], b"");
        edge.core.hears("200");
    }
    edge.ends();
}
