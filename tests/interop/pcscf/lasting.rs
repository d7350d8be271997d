//! Calls that outlast a registration, and acceptances that are repeated until they are acknowledged.

use std::thread;
use std::time::Duration;

use agw_tests::{Authority, directory};

use super::edge::{Edge, VERIFYING};
use super::tables::tls;
use super::{CLEAR, REQUESTED, uri};
use crate::party::{Party, talk};
use crate::sip::{Agent, Dialog};

/// When an acceptance is repeated, each time after the one before (RFC 3261 §13.3.1.4): well past the
/// five seconds for which Kamailio remembers a transaction unless it is told otherwise.
const REPETITIONS: [Duration; 5] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(4),
];

fn secured(phone: &Party) -> Vec<u8> {
    phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1), REQUESTED])
}

/// A UE and its call to the core, which talks.
fn call(edge: &Edge, phone: &mut Party, core: &mut Party) -> (Agent, Dialog) {
    let ue = edge.ue("alice");
    edge.registers(&ue, "alice", &VERIFYING);
    ue.offers("INVITE", "bob", &[], ("outlasting", 1), &secured(phone));
    let invite = edge.core.hears("INVITE");
    let dialog = edge.takes(&invite, &ue, (phone, core));
    talk(phone, core);
    (ue, dialog)
}

/// The core registers a UE no more.
fn lapses(edge: &Edge, ue: &Agent) {
    ue.begins("REGISTER", "alice", &["Expires: 0"], ("lapsed", 1));
    let register = edge.core.hears("REGISTER");
    edge.accepts(&register, 0);
    ue.hears("200");
}

#[test]
fn a_call_goes_on_and_ends_when_its_registration_has_not_lasted_as_long() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let Some((mut phone, mut core)) = Edge::parties() else { return };
    let (ue, mut dialog) = call(&edge, &mut phone, &mut core);
    lapses(&edge, &ue);

    ue.requests(&mut dialog, "INVITE", &[], &secured(&phone));
    let invite = edge.core.hears("INVITE");
    edge.core.answers(&invite, "183 Session Progress", &[], b"");
    ue.hears("183");
    ue.requests(&mut dialog, "PRACK", &["RAck: 1 2 INVITE"], b"");
    edge.core.answers(&edge.core.hears("PRACK"), "200 OK", &[], b"");
    ue.hears("200");
    core.reads(invite.body(), None);
    edge.core.answers(&invite, "200 OK", &[], &core.describe("RTP/AVP", &[]));
    phone.reads(ue.hears("200").body(), None);
    ue.requests(&mut dialog, "ACK", &[], b"");
    edge.core.hears("ACK");
    ue.requests(&mut dialog, "UPDATE", &[], &secured(&phone));
    let update = edge.core.hears("UPDATE");
    edge.core.answers(&update, "200 OK", &[], &core.describe("RTP/AVP", &[]));
    ue.hears("200");
    talk(&mut phone, &mut core);

    // It begins nothing, and goes nowhere else.
    for method in ["SUBSCRIBE", "REFER", "MESSAGE", "OPTIONS"] {
        ue.requests(&mut dialog, method, &[], b"");
        ue.hears("403");
    }
    ue.offers("INVITE", "carol", &[], ("anew", 1), &secured(&phone));
    ue.hears("403");
    let mut elsewhere = dialog.clone();
    let (target, _) = elsewhere.way();
    *target = target.replace("core%40", "mallory%40");
    assert!(target.contains("mallory"), "{target}");
    ue.requests(&mut elsewhere, "BYE", &[], b"");
    ue.hears("403");
    let (_, routes) = elsewhere.way();
    routes.clear();
    ue.requests(&mut elsewhere, "BYE", &[], b"");
    ue.hears("403");
    edge.gateway.ledger().await_line("agw_contexts 1");
    ue.hangs_up(&mut dialog, &edge.core);
    edge.ends();
}

#[test]
fn an_acceptance_is_heard_each_time_until_it_is_acknowledged() {
    let (authority, files) = (Authority::new(), directory());
    let site = format!("{CLEAR}\n{}", tls(&authority, files.path()));
    let Some(edge) = Edge::start(&site) else { return };
    let Some((mut phone, mut core)) = Edge::parties() else { return };
    let (alice, bob) = (Agent::tls("alice", edge.tls, &authority), edge.ue("bob"));
    edge.registers(&alice, "alice", &VERIFYING);
    let route = format!("Route: {}", edge.registers(&bob, "bob", &VERIFYING));

    alice.offers("INVITE", "carol", &[], ("from", 1), &secured(&phone));
    let from = edge.core.hears("INVITE");
    core.reads(from.body(), None);
    let of_core = core.describe("RTP/AVP", &[]);
    edge.core.answers(&from, "200 OK", &[], &of_core);
    let to_alice = alice.hears("200");
    let to = uri(&bob.contact());
    edge.core.begins("INVITE", &to, &[&route], ("to", 1));
    let to = bob.hears("INVITE");
    // Of this one the acceptance has the offer.
    let of_bob = secured(&phone);
    bob.answers(&to, "200 OK", &[], &of_bob);
    let to_core = edge.core.hears("200");
    assert!(to_core.body().contains(" RTP/AVP 8\r\n"), "{}", to_core.text());
    for pause in REPETITIONS {
        thread::sleep(pause);
        edge.core.answers(&from, "200 OK", &[], &of_core);
        alice.hears_again(&to_alice);
        bob.answers(&to, "200 OK", &[], &of_bob);
        edge.core.hears_again(&to_core);
    }
    let mut dialog = to_core.dialog();
    edge.core.requests(&mut dialog, "ACK", &[], &of_core);
    bob.hears("ACK");
    edge.core.hangs_up(&mut dialog, &bob);
    phone.reads(to_alice.body(), None);
    let mut dialog = to_alice.dialog();
    alice.requests(&mut dialog, "ACK", &[], b"");
    edge.core.hears("ACK");
    talk(&mut phone, &mut core);
    alice.hangs_up(&mut dialog, &edge.core);
    edge.ends();
}

#[test]
fn an_acceptance_that_is_repeated_answers_no_other_offer() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let Some((mut phone, mut core)) = Edge::parties() else { return };
    let ue = edge.ue("alice");
    edge.registers(&ue, "alice", &VERIFYING);
    ue.offers("INVITE", "bob", &[], ("repeated", 1), &secured(&phone));
    let first = edge.core.hears("INVITE");
    core.reads(first.body(), None);
    let former = core.describe("RTP/AVP", &[]);
    edge.core.answers(&first, "200 OK", &[], &former);
    let accepted = ue.hears("200");
    phone.reads(accepted.body(), None);
    let mut dialog = accepted.dialog();
    // The ACK gets lost beyond the edge, the next offer does not.
    ue.requests(&mut dialog, "ACK", &[], b"");
    edge.core.hears("ACK");
    ue.requests(&mut dialog, "INVITE", &[], &secured(&phone));
    let again = edge.core.hears("INVITE");
    edge.core.answers(&first, "200 OK", &[], &former);
    ue.hears_again(&accepted);
    let mut moved = Party::core(agw_tests::Side::Core.peer(), 0xCCCC_0002);
    moved.reads(again.body(), None);
    edge.core.answers(&again, "200 OK", &[], &moved.describe("RTP/AVP", &[]));
    let changed = ue.hears("200");
    assert!(changed.body().contains("a=3ge2ae:applied\r\n"), "{}", changed.text());
    phone.reads(changed.body(), None);
    ue.requests(&mut dialog, "ACK", &[], b"");
    edge.core.hears("ACK");
    // Nor does it change anything after that.
    edge.core.answers(&first, "200 OK", &[], &former);
    ue.hears_again(&accepted);
    talk(&mut phone, &mut moved);
    ue.hangs_up(&mut dialog, &edge.core);
    edge.ends();
}
