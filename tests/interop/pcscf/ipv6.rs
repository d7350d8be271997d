//! UEs and cores that speak IPv6, before ones that speak IPv4.

use std::net::Ipv6Addr;

use agw_testkit::libsrtp::{self, Libsrtp};
use agw_testkit::peer;
use agw_tests::{Authority, Gateway, Side, await_listener, directory};

use super::edge::{self, Edge, VERIFYING, over_ipv6};
use super::tables::tls;
use super::unfit::UNFIT;
use super::ways::MEETING;
use super::{CLEAR, REQUESTED, uri};
use crate::party::{Party, lines, talk};
use crate::sip::Agent;

/// What a site says.
const IPV6: &str = "#!define WITH_IPV6\n";

/// A phone with its media on IPv6, and the core's on IPv4; nothing where libsrtp is missing.
fn parties() -> Option<(Party, Party)> {
    let Ok(library) = Libsrtp::load() else {
        peer::skip(libsrtp::PEER);
        return None;
    };
    let phone = Party::phone(Side::Access.peer_v6(), 0xAAAA_0006, library);
    Some((phone, Party::core(Side::Core.peer(), 0xCCCC_0004)))
}

#[test]
fn a_core_may_speak_ipv6_alone() {
    let gateway = Gateway::with(&["ng.udp=[\"127.0.0.1:0\"]"]);
    let ng = gateway.daemon.ng_udp[0];
    let site = format!("#!define AGW \"udp:{ng}\"\n#!define CORE_MEDIA \"IP6\"\n{CLEAR}");
    let Some(edge) = Edge::beside(Ipv6Addr::LOCALHOST.into(), gateway, &site) else { return };
    edge.await_ping();
    let Some((mut phone, _)) = Edge::parties() else { return };
    let mut core = Party::core(Side::Core.peer_v6(), 0xCCCC_0006);
    let ue = edge.ue("bob");
    let path = edge.registers(&ue, "bob", &VERIFYING);
    assert!(path.starts_with("<sip:[::1]:"), "{path}");
    let (to, route) = (uri(&ue.contact()), format!("Route: {path}"));
    let offer = core.describe("RTP/AVP", &[]);
    edge.core.offers("INVITE", &to, &[&route], ("of-ipv6", 1), &offer);
    let invite = ue.hears("INVITE");
    assert!(!invite.body().contains("IP6"), "{}", invite.body());
    phone.reads(invite.body(), Some(1));
    let key = phone.key().sdes_line(1);
    ue.answers(&invite, "200 OK", &[], &phone.describe("RTP/SAVP", &[&key]));
    let accepted = edge.core.hears("200");
    core.reads(accepted.body(), None);
    edge.core.requests(&mut accepted.dialog(), "ACK", &[], b"");
    ue.hears("ACK");
    talk(&mut phone, &mut core);
    let mut dialog = ue.called(&invite);
    ue.requests(&mut dialog, "INVITE", &[], &phone.describe("RTP/SAVP", &[&key, REQUESTED]));
    let again = edge.core.hears("INVITE");
    assert!(!again.body().contains("IP4"), "{}", again.body());
    edge.core.answers(&again, "200 OK", &[], &core.describe("RTP/AVP", &[]));
    assert!(!ue.hears("200").body().contains("IP6"));
    ue.requests(&mut dialog, "ACK", &[], b"");
    edge.core.hears("ACK");
    talk(&mut phone, &mut core);
    ue.hangs_up(&mut dialog, &edge.core);
    edge.ends();
}

/// A UE calls the core, which changes the call; the UE ends it.
fn calls(edge: &Edge, ue: &Agent, phone: &mut Party, core: &mut Party) {
    let offer = phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1), REQUESTED]);
    ue.offers("INVITE", "bob", &[], ("from-ipv6", 1), &offer);
    let invite = edge.core.hears("INVITE");
    assert!(invite.body().contains(" RTP/AVP 8\r\n"), "{}", invite.body());
    assert!(!invite.body().contains("IP6"), "{}", invite.body());
    core.reads(invite.body(), None);
    edge.core.answers(&invite, "200 OK", &[], &core.describe("RTP/AVP", &[]));
    let accepted = ue.hears("200");
    assert!(accepted.body().contains("a=3ge2ae:applied\r\n"), "{}", accepted.body());
    assert!(!accepted.body().contains("IP4"), "{}", accepted.body());
    phone.reads(accepted.body(), None);
    let mut dialog = accepted.dialog();
    ue.requests(&mut dialog, "ACK", &[], b"");
    edge.core.hears("ACK");
    talk(phone, core);

    let mut called = edge.core.called(&invite);
    edge.core.requests(&mut called, "INVITE", &[], &core.describe("RTP/AVP", &["a=sendonly"]));
    let held = ue.hears("INVITE");
    assert!(!held.body().contains("IP4"), "{}", held.body());
    assert_eq!(lines(held.body()).len(), 1, "{}", held.body());
    let answer = phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1), "a=recvonly"]);
    ue.answers(&held, "200 OK", &[], &answer);
    assert!(!edge.core.hears("200").body().contains("IP6"));
    edge.core.requests(&mut called, "ACK", &[], b"");
    ue.hears("ACK");
    ue.hangs_up(&mut dialog, &edge.core);
    edge.gateway.ledger().await_line("agw_contexts 0");
}

/// The core calls a UE, and ends the call.
fn is_called(edge: &Edge, (ue, path): (&Agent, &str), phone: &mut Party, core: &mut Party) {
    let (to, route) = (uri(&ue.contact()), format!("Route: {path}"));
    let offer = core.describe("RTP/AVP", &[]);
    edge.core.offers("INVITE", &to, &[&route], ("to-ipv6", 1), &offer);
    let invite = ue.hears("INVITE");
    assert!(invite.header("Record-Route").starts_with("<sip:[::1]:"), "{}", invite.text());
    assert!(invite.body().contains("a=3ge2ae:applied\r\n"), "{}", invite.body());
    assert!(!invite.body().contains("IP4"), "{}", invite.body());
    phone.reads(invite.body(), Some(1));
    let answer = phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1)]);
    ue.answers(&invite, "200 OK", &[], &answer);
    let accepted = edge.core.hears("200");
    assert!(!accepted.body().contains("IP6"), "{}", accepted.body());
    core.reads(accepted.body(), None);
    let mut dialog = accepted.dialog();
    edge.core.requests(&mut dialog, "ACK", &[], b"");
    ue.hears("ACK");
    talk(phone, core);
    edge.core.hangs_up(&mut dialog, ue);
}

#[test]
fn a_ue_on_ipv6_calls_a_core_on_ipv4_and_is_called_from_it() {
    let Some(edge) = Edge::start(&format!("{IPV6}{CLEAR}")) else { return };
    let Some((mut phone, mut core)) = parties() else { return };
    let ue = Agent::new("alice", over_ipv6(edge.access));
    let path = edge.registers(&ue, "alice", &VERIFYING);
    calls(&edge, &ue, &mut phone, &mut core);
    let Some((mut phone, mut core)) = parties() else { return };
    is_called(&edge, (&ue, &path), &mut phone, &mut core);
    ue.offers("INVITE", "bob", &[], ("unfit", 1), &phone.describe(UNFIT[0].0, UNFIT[0].1));
    ue.hears("488");

    // Another one on IPv4 at the same edge.
    let Some((mut phone, mut core)) = Edge::parties() else { return };
    let other = edge.ue("carol");
    edge.registers(&other, "carol", &VERIFYING);
    let offer = phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1), REQUESTED]);
    other.offers("INVITE", "bob", &[], ("from-ipv4", 1), &offer);
    let invite = edge.core.hears("INVITE");
    let mut dialog = edge.takes(&invite, &other, (&mut phone, &mut core));
    talk(&mut phone, &mut core);
    other.hangs_up(&mut dialog, &edge.core);
    edge.ends();
}

#[test]
fn tls_over_ipv6_protects_keys_as_over_ipv4() {
    let (authority, files) = (Authority::new(), directory());
    let site = format!("{IPV6}{}", tls(&authority, files.path()));
    let Some(edge) = Edge::start(&site) else { return };
    let Some((mut phone, mut core)) = parties() else { return };
    let ue = Agent::tls("alice", over_ipv6(edge.tls), &authority);
    let path = edge.registers(&ue, "alice", &VERIFYING);
    calls(&edge, &ue, &mut phone, &mut core);
    let Some((mut phone, mut core)) = parties() else { return };
    is_called(&edge, (&ue, &path), &mut phone, &mut core);
    edge.ends();
}

#[test]
fn networks_of_both_families_are_protected() {
    let site = format!("{IPV6}#!define PROTECTED_NETWORK 192.0.2.0/24,::1/128");
    let Some(edge) = Edge::start(&site) else { return };
    let Some((mut phone, mut core)) = parties() else { return };
    let ue = Agent::new("alice", over_ipv6(edge.access));
    let path = edge.registers(&ue, "alice", &VERIFYING);
    calls(&edge, &ue, &mut phone, &mut core);
    let Some((mut phone, mut core)) = parties() else { return };
    is_called(&edge, (&ue, &path), &mut phone, &mut core);
    // Another one is in neither.
    let other = edge.ue("carol");
    other.begins("REGISTER", "carol", &VERIFYING[..3], ("outside", 1));
    other.hears("420");
    edge.ends();
}

#[test]
fn two_ues_on_ipv6_call_each_other_through_the_core_of_the_sample() {
    let Ok(library) = Libsrtp::load() else { return peer::skip(libsrtp::PEER) };
    let gateway = Gateway::with(&["ng.udp=[\"127.0.0.1:0\"]", MEETING]);
    let ng = gateway.daemon.ng_udp[0];
    let site = format!("#!define AGW \"udp:{ng}\"\n#!define CORE_REALM \"meeting\"\n{IPV6}{CLEAR}");
    let Some(edge) = Edge::before(gateway, &site) else { return };
    edge.await_ping();
    let core_at = edge.core.address();
    let Edge { proxy: _proxy, access, core, gateway, .. } = edge;
    // The sample's core takes the place of the test's.
    drop(core);
    let local = format!("#!define CORE_LISTEN udp:{core_at}\n");
    let _registrar = edge::start(gateway.daemon.directory.path(), "core", &local);
    await_listener(core_at.port());
    let mut alice = Party::phone(Side::Access.peer_v6(), 0xAAAA_0006, library);
    let mut bob = Party::phone(Side::Access.peer_v6(), 0xBBBB_0006, library);
    let (caller, callee) =
        (Agent::new("alice", over_ipv6(access)), Agent::new("bob", over_ipv6(access)));
    edge::registers_with_password(&caller, "alice", &VERIFYING);
    edge::registers_with_password(&callee, "bob", &VERIFYING);

    let offer = alice.describe("RTP/SAVP", &[&alice.key().sdes_line(1), REQUESTED]);
    caller.offers("INVITE", "bob", &[], ("over-ipv4", 1), &offer);
    let invite = callee.hears("INVITE");
    bob.reads(invite.body(), Some(1));
    callee.answers(&invite, "200 OK", &[], &bob.describe("RTP/SAVP", &[&bob.key().sdes_line(1)]));
    let accepted = caller.hears("200");
    alice.reads(accepted.body(), None);
    let mut dialog = accepted.dialog();
    caller.requests(&mut dialog, "ACK", &[], b"");
    callee.hears("ACK");
    gateway.ledger().await_line("agw_contexts 2");
    talk(&mut alice, &mut bob);
    caller.hangs_up(&mut dialog, &callee);
    gateway.ledger().await_line("agw_contexts 0");
}
