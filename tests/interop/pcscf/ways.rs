//! Other ways through the sample: TLS, offers in responses, from UE to UE, two gateways.

use agw_testkit::libsrtp::{self, Libsrtp};
use agw_testkit::peer;
use agw_tests::stage::{self, Backend};
use agw_tests::{Authority, Gateway, Side, Subject, await_listener};
use rcgen::ExtendedKeyUsagePurpose;

use super::edge::{self, Edge, VERIFYING};
use super::{CLEAR, REQUESTED, uri};
use crate::party::{Party, lines, talk};
use crate::sip::Agent;

/// A realm of the core in which the halves of a call meet: by sockets, wherever the test plays.
pub(super) const MEETING: &str = "[[realm]]\nname = \"meeting\"\naddresses = [\"127.0.0.31\"]\n\
                       ports = \"20000-20099\"\nhairpin = true\n";

#[test]
fn tls_protects_the_keys_so_that_e2ae_needs_no_leave() {
    let Some((mut phone, mut core)) = Edge::parties() else { return };
    let authority = Authority::new();
    let files = agw_tests::directory();
    let subject = Subject::named("edge.ims.example", ExtendedKeyUsagePurpose::ServerAuth);
    let (certificate, key) = authority.sign(subject);
    let file = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let (certificate, key) = (file("edge.pem", &certificate), file("edge.key", &key));
    let site = format!(
        "#!define WITH_TLS\n#!define TLS_CERTIFICATE \"{certificate}\"\n\
         #!define TLS_PRIVATE_KEY \"{key}\""
    );
    let Some(edge) = Edge::start(&site) else { return };
    let ue = Agent::tls("alice", edge.tls, &authority);
    let path = edge.registers(&ue, "alice", &VERIFYING);

    let offer = phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1), REQUESTED]);
    ue.offers("INVITE", "bob", &[], ("tls-from", 1), &offer);
    let invite = edge.core.hears("INVITE");
    core.reads(invite.body(), None);
    edge.core.answers(&invite, "200 OK", &[], &core.describe("RTP/AVP", &[]));
    let accepted = ue.hears("200");
    assert!(accepted.body().contains("a=3ge2ae:applied\r\n"), "{}", accepted.body());
    phone.reads(accepted.body(), None);
    ue.requests(&mut accepted.dialog(), "ACK", &[], b"");
    edge.core.hears("ACK");
    talk(&mut phone, &mut core);
    // The core changes it, and ends it: the way to the UE is its connection, which is protected.
    let mut dialog = edge.core.called(&invite);
    edge.core.requests(&mut dialog, "INVITE", &[], &core.describe("RTP/AVP", &["a=sendonly"]));
    let held = ue.hears("INVITE");
    assert_eq!(lines(held.body()).len(), 1, "{}", held.body());
    let answer = phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1), "a=recvonly"]);
    ue.answers(&held, "200 OK", &[], &answer);
    edge.core.hears("200");
    edge.core.requests(&mut dialog, "ACK", &[], b"");
    ue.hears("ACK");
    edge.core.hangs_up(&mut dialog, &ue);
    edge.gateway.ledger().await_line("agw_contexts 0");

    let route = format!("Route: {path}");
    let offer = core.describe("RTP/AVP", &[]);
    edge.core.offers("INVITE", &uri(&ue.contact()), &[&route], ("tls-to", 1), &offer);
    let invite = ue.hears("INVITE");
    assert!(invite.body().contains("a=3ge2ae:applied\r\n"), "{}", invite.body());
    let first = format!("<sip:{};transport=tls;", edge.tls);
    assert!(invite.header("Record-Route").starts_with(&first), "{}", invite.text());
    ue.answers(&invite, "486 Busy Here", &[], b"");
    edge.core.hears("486");
    edge.ends();
}

#[test]
fn an_offer_in_a_response_is_answered_in_the_acknowledgement() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let Some((mut phone, mut core)) = Edge::parties() else { return };
    let ue = edge.ue("alice");
    edge.registers(&ue, "alice", &VERIFYING);
    ue.begins("INVITE", "bob", &[], ("late", 1));
    let invite = edge.core.hears("INVITE");
    edge.core.answers(&invite, "200 OK", &[], &core.describe("RTP/AVP", &[]));
    let accepted = ue.hears("200");
    assert!(accepted.body().contains("a=3ge2ae:applied\r\n"), "{}", accepted.body());
    phone.reads(accepted.body(), Some(1));
    let answer = phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1)]);
    let mut dialog = accepted.dialog();
    ue.requests(&mut dialog, "ACK", &[], &answer);
    let acknowledged = edge.core.hears("ACK");
    assert!(!acknowledged.body().contains("crypto"), "{}", acknowledged.body());
    core.reads(acknowledged.body(), None);
    talk(&mut phone, &mut core);
    ue.hangs_up(&mut dialog, &edge.core);
    edge.ends();
}

#[test]
fn media_of_every_call_is_relayed_where_the_networks_do_not_reach_each_other() {
    let Some(edge) = Edge::start("#!define WITH_ANCHOR_ALL") else { return };
    let ue = edge.ue("carol");
    edge.registers(&ue, "carol", &[]);
    let mut phone = Party::core(Side::Access.peer(), 1);
    let mut core = Party::core(Side::Core.peer(), 2);
    ue.offers("INVITE", "bob", &[], ("anchored", 1), &phone.describe("RTP/AVP", &[REQUESTED]));
    let invite = edge.core.hears("INVITE");
    assert!(!invite.body().contains("3ge2ae"), "{}", invite.body());
    let mut dialog = edge.takes(&invite, &ue, (&mut phone, &mut core));
    talk(&mut phone, &mut core);
    ue.hangs_up(&mut dialog, &edge.core);
    edge.ends();
}

#[test]
fn the_other_gateway_takes_the_calls_of_one_that_is_gone_and_without_any_they_are_refused() {
    // Two gateways cannot have the same queues.
    if stage::backend() == Backend::Xdp {
        return;
    }
    let other = Gateway::with(&["ng.udp=[\"127.0.0.1:0\"]"]);
    let gateway = Gateway::with(&["ng.udp=[\"127.0.0.1:0\"]"]);
    let (one, two) = (gateway.daemon.ng_udp[0], other.daemon.ng_udp[0]);
    let site = format!("#!define AGW \"udp:{one} udp:{two}\"\n{CLEAR}");
    let Some(edge) = Edge::before(gateway, &site) else { return };
    edge.await_ping();
    let Some((phone, _)) = Edge::parties() else { return };
    let ue = edge.ue("alice");
    edge.registers(&ue, "alice", &VERIFYING);
    let offer = phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1), REQUESTED]);
    drop(other);
    for number in 0..4 {
        ue.offers("INVITE", "bob", &[], (&format!("stands-in-{number}"), 1), &offer);
        let invite = edge.core.hears("INVITE");
        assert!(invite.body().contains(" RTP/AVP 8\r\n"), "{}", invite.body());
        edge.core.answers(&invite, "486 Busy Here", &[], b"");
        ue.hears("486");
    }
    edge.gateway.daemon.program.signal("KILL");
    ue.offers("INVITE", "bob", &[], ("nobody-stands-in", 1), &offer);
    ue.hears("503");
}

#[test]
fn a_ue_with_e2ae_calls_one_without_through_the_core_of_the_sample() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let Some((mut alice, mut carol)) = Edge::parties() else { return };
    let core_at = edge.core.address();
    let Edge { proxy: _proxy, access, core, gateway, .. } = edge;
    // The sample's core takes the place of the test's.
    drop(core);
    let local = format!("#!define CORE_LISTEN udp:{core_at}\n");
    let _registrar = edge::start(gateway.daemon.directory.path(), "core", &local);
    await_listener(core_at.port());
    let (caller, callee) = (Agent::new("alice", access), Agent::new("carol", access));
    edge::registers_with_password(&caller, "alice", &VERIFYING);
    edge::registers_with_password(&callee, "carol", &[]);

    let offer = alice.describe("RTP/SAVP", &[&alice.key().sdes_line(1), REQUESTED]);
    caller.offers("INVITE", "carol", &[], ("there-and-back", 1), &offer);
    let invite = callee.hears("INVITE");
    assert!(!invite.body().contains("3ge2ae"), "{}", invite.body());
    carol.reads(invite.body(), None);
    callee.answers(&invite, "200 OK", &[], &carol.describe("RTP/AVP", &[]));
    let accepted = caller.hears("200");
    assert_eq!(accepted.body().matches("a=3ge2ae:applied").count(), 1, "{}", accepted.body());
    assert_eq!(lines(accepted.body()).len(), 1, "{}", accepted.body());
    alice.reads(accepted.body(), None);
    caller.requests(&mut accepted.dialog(), "ACK", &[], b"");
    callee.hears("ACK");
    gateway.ledger().await_line("agw_contexts 1");
    talk(&mut alice, &mut carol);

    callee.hangs_up(&mut callee.called(&invite), &caller);
    gateway.ledger().await_line("agw_contexts 0");
}

#[test]
fn two_ues_at_one_edge_call_each_other_through_the_core_of_the_sample() {
    let Ok(library) = Libsrtp::load() else { return peer::skip(libsrtp::PEER) };
    let gateway = Gateway::with(&["ng.udp=[\"127.0.0.1:0\"]", MEETING]);
    let site = format!(
        "#!define AGW \"udp:{}\"\n#!define CORE_REALM \"meeting\"\n{CLEAR}",
        gateway.daemon.ng_udp[0],
    );
    let Some(edge) = Edge::before(gateway, &site) else { return };
    edge.await_ping();
    let core_at = edge.core.address();
    let Edge { proxy: _proxy, access, core, gateway, .. } = edge;
    // The sample's core takes the place of the test's.
    drop(core);
    let local = format!("#!define CORE_LISTEN udp:{core_at}\n");
    let _registrar = edge::start(gateway.daemon.directory.path(), "core", &local);
    await_listener(core_at.port());
    let mut alice = Party::phone(Side::Access.peer(), 0xAAAA_0001, library);
    let mut bob = Party::phone(Side::Access.peer(), 0xBBBB_0001, library);
    let (caller, callee) = (Agent::new("alice", access), Agent::new("bob", access));
    edge::registers_with_password(&caller, "alice", &VERIFYING);
    edge::registers_with_password(&callee, "bob", &VERIFYING);

    let offer = alice.describe("RTP/SAVP", &[&alice.key().sdes_line(1), REQUESTED]);
    caller.offers("INVITE", "bob", &[], ("there-and-back", 1), &offer);
    let invite = callee.hears("INVITE");
    assert!(invite.body().contains("a=3ge2ae:applied\r\n"), "{}", invite.body());
    bob.reads(invite.body(), Some(1));
    callee.answers(&invite, "200 OK", &[], &bob.describe("RTP/SAVP", &[&bob.key().sdes_line(1)]));
    let accepted = caller.hears("200");
    assert_eq!(accepted.body().matches("a=3ge2ae:applied").count(), 1, "{}", accepted.body());
    assert_eq!(lines(accepted.body()).len(), 1, "{}", accepted.body());
    alice.reads(accepted.body(), None);
    let mut dialog = accepted.dialog();
    caller.requests(&mut dialog, "ACK", &[], b"");
    callee.hears("ACK");
    gateway.ledger().await_line("agw_contexts 2");
    talk(&mut alice, &mut bob);

    caller.hangs_up(&mut dialog, &callee);
    gateway.ledger().await_line("agw_contexts 0");
}
