//! Calls that do not come about, changes that fail, forks: what is over leaves nothing, what goes on
//! is not harmed.

use std::time::Instant;

use agw_tests::{PATIENCE, Side};

use super::edge::{Edge, VERIFYING};
use super::{CLEAR, REQUESTED, uri};
use crate::party::{Party, talk};
use crate::sip::{Agent, Dialog, Message};

/// Who says nothing is not waited for.
const IMPATIENT: &str =
    "#!define WITH_CLEAR_E2AE\n#!define NO_RESPONSE_MS 1500\n#!define NO_ANSWER_MS 1500";

fn secured(phone: &Party) -> Vec<u8> {
    phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1), REQUESTED])
}

/// A call of a UE that the core accepts.
fn calls(edge: &Edge, ue: &Agent, phone: &mut Party, core: &mut Party) -> Dialog {
    let (_, dialog) = accepted(edge, ue, phone, core);
    talk(phone, core);
    dialog
}

/// The same before anybody talks, with what the core was asked.
fn accepted(edge: &Edge, ue: &Agent, phone: &mut Party, core: &mut Party) -> (Message, Dialog) {
    ue.offers("INVITE", "bob", &[], ("a-call", 1), &secured(phone));
    let invite = edge.core.hears("INVITE");
    let dialog = edge.takes(&invite, ue, (phone, core));
    (invite, dialog)
}

/// Asserts that neither agw nor Kamailio has anything of a call left.
fn leaves_nothing(edge: &Edge) {
    edge.gateway.ledger().await_line("agw_contexts 0");
    edge.gateway.ledger().await_line("agw_alg_calls 0");
    let left = || {
        let tables =
            ["late", "several", "early"].map(|table| edge.proxy.asked(&["htable.dump", table]));
        format!("{}{}", edge.proxy.asked(&["rtpengine.get_hash_total"]).trim(), tables.concat())
    };
    let deadline = Instant::now() + PATIENCE;
    while left() != "0" {
        assert!(Instant::now() < deadline, "{}", left());
    }
}

#[test]
fn a_change_that_fails_leaves_the_session_as_it_was() {
    let Some(edge) = Edge::start(IMPATIENT) else { return };
    let Some((mut phone, mut core)) = Edge::parties() else { return };
    let ue = edge.ue("alice");
    edge.registers(&ue, "alice", &VERIFYING);
    let mut dialog = calls(&edge, &ue, &mut phone, &mut core);
    for status in ["488 Not Acceptable Here", "491 Request Pending", "500 Server Error"] {
        ue.requests(&mut dialog, "INVITE", &[], &secured(&phone));
        let invite = edge.core.hears("INVITE");
        edge.core.answers(&invite, status, &[], b"");
        ue.hears(status);
        talk(&mut phone, &mut core);
    }
    ue.requests(&mut dialog, "UPDATE", &[], &secured(&phone));
    let update = edge.core.hears("UPDATE");
    edge.core.answers(&update, "504 Server Time-out", &[], b"");
    ue.hears("504");
    talk(&mut phone, &mut core);
    // Nobody says anything.
    ue.requests(&mut dialog, "INVITE", &[], &secured(&phone));
    ue.hears("408");
    talk(&mut phone, &mut core);
    edge.gateway.ledger().await_line("agw_contexts 1");
    ue.hangs_up(&mut dialog, &edge.core);
    leaves_nothing(&edge);
}

#[test]
fn a_call_that_is_never_answered_or_is_cancelled_leaves_nothing() {
    let Some(edge) = Edge::start(IMPATIENT) else { return };
    let Some((phone, core)) = Edge::parties() else { return };
    let ue = edge.ue("alice");
    edge.registers(&ue, "alice", &VERIFYING);
    ue.offers("INVITE", "bob", &[], ("silence", 1), &secured(&phone));
    edge.core.hears("INVITE");
    edge.gateway.ledger().await_line("agw_contexts 1");
    ue.hears("408");
    leaves_nothing(&edge);

    let early = core.describe("RTP/AVP", &[]);
    ue.offers("INVITE", "bob", &[], ("ringing", 1), &secured(&phone));
    edge.core.answers(&edge.core.hears("INVITE"), "183 Session Progress", &[], &early);
    ue.hears("183");
    // It stops ringing at the other end.
    edge.core.hears("CANCEL");
    ue.hears("408");
    leaves_nothing(&edge);

    for (call, final_one) in [("cancelled", true), ("cancelled-in-silence", false)] {
        ue.offers("INVITE", "bob", &[], (call, 1), &secured(&phone));
        let invite = edge.core.hears("INVITE");
        edge.core.answers(&invite, "183 Session Progress", &[], &early);
        ue.hears("183");
        ue.cancels("bob", (call, 1));
        ue.hears("200");
        let cancel = edge.core.hears("CANCEL");
        edge.core.answers(&cancel, "200 OK", &[], b"");
        if final_one {
            edge.core.answers(&invite, "487 Request Terminated", &[], b"");
        }
        ue.hears("SIP/2.0 4");
        leaves_nothing(&edge);
    }
    ue.cancels("bob", ("no-such-call", 1));
    ue.hears("481");
}

#[test]
fn a_call_to_a_ue_that_is_gone_leaves_nothing() {
    let Some(edge) = Edge::start(IMPATIENT) else { return };
    let Some((_, core)) = Edge::parties() else { return };
    let ue = edge.ue("bob");
    let path = edge.registers(&ue, "bob", &VERIFYING);
    let to = uri(&ue.contact());
    drop(ue);
    let offer = core.describe("RTP/AVP", &[]);
    edge.core.offers("INVITE", &to, &[&format!("Route: {path}")], ("gone", 1), &offer);
    edge.core.hears("SIP/2.0 4");
    leaves_nothing(&edge);
}

#[test]
fn an_offer_that_comes_after_the_end_leaves_nothing() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let Some((mut phone, mut core)) = Edge::parties() else { return };
    let ue = edge.ue("alice");
    edge.registers(&ue, "alice", &VERIFYING);
    let (invite, mut dialog) = accepted(&edge, &ue, &mut phone, &mut core);
    edge.core.requests(&mut edge.core.called(&invite), "BYE", &[], b"");
    let bye = ue.hears("BYE");
    edge.gateway.ledger().await_line("agw_contexts 0");
    ue.requests(&mut dialog, "INVITE", &[], &secured(&phone));
    let again = edge.core.hears("INVITE");
    edge.gateway.ledger().await_line("agw_contexts 1");
    edge.core.answers(&again, "481 Call Does Not Exist", &[], b"");
    ue.hears("481");
    ue.answers(&bye, "200 OK", &[], b"");
    edge.core.hears("200");
    leaves_nothing(&edge);
}

#[test]
fn nobody_ends_the_call_of_another_by_its_call_id() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let Some((mut phone, mut core)) = Edge::parties() else { return };
    let Some((other, _)) = Edge::parties() else { return };
    // It says the same of itself, even.
    let (ue, mallory) = (edge.ue("alice"), edge.ue("alice"));
    edge.registers(&ue, "alice", &VERIFYING);
    edge.registers(&mallory, "mallory", &VERIFYING);
    let mut dialog = calls(&edge, &ue, &mut phone, &mut core);
    // Mallory was called, and knows it.
    mallory.offers("INVITE", "nobody", &["X-None: 1"], ("a-call", 7), &secured(&other));
    let invite = edge.core.hears("INVITE");
    edge.core.answers(&invite, "404 Not Found", &[], b"");
    mallory.hears("404");
    edge.gateway.ledger().await_line("agw_contexts 1");
    talk(&mut phone, &mut core);
    ue.hangs_up(&mut dialog, &edge.core);
    leaves_nothing(&edge);
}

#[test]
fn a_call_that_comes_on_two_ways_is_refused_once_and_goes_on() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let Some((mut phone, mut core)) = Edge::parties() else { return };
    let ue = edge.ue("bob");
    let route = format!("Route: {}", edge.registers(&ue, "bob", &VERIFYING));
    let (to, offer) = (uri(&ue.contact()), core.describe("RTP/AVP", &[]));
    edge.core.offers("INVITE", &to, &[&route], ("merged", 1), &offer);
    let first = ue.hears("INVITE");
    edge.core.offers("INVITE", &to, &[&route], ("merged", 2), &offer);
    let second = ue.hears("INVITE");
    edge.gateway.ledger().await_line("agw_contexts 2");
    ue.answers(&second, "482 Loop Detected", &[], b"");
    edge.core.hears("482");
    edge.gateway.ledger().await_line("agw_contexts 1");
    phone.reads(first.body(), Some(1));
    ue.answers(&first, "200 OK", &[], &phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1)]));
    let accepted = edge.core.hears("200");
    core.reads(accepted.body(), None);
    let mut dialog = accepted.dialog();
    edge.core.requests(&mut dialog, "ACK", &[], b"");
    ue.hears("ACK");
    talk(&mut phone, &mut core);
    edge.core.hangs_up(&mut dialog, &ue);
    leaves_nothing(&edge);
}

#[test]
fn a_call_is_that_of_the_first_who_accepts_it() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let Some((mut phone, mut core)) = Edge::parties() else { return };
    let ue = edge.ue("alice");
    edge.registers(&ue, "alice", &VERIFYING);
    let (invite, mut first) = accepted(&edge, &ue, &mut phone, &mut core);
    let other = Agent::new("other", edge.core.address());
    let more = Party::core(Side::Core.peer(), 0xCCCC_0002);
    other.answers(&invite, "200 OK", &[], &more.describe("RTP/AVP", &[]));
    let accepted = ue.hears("200");
    assert_eq!(accepted.body(), "");
    let mut second = accepted.dialog();
    assert_ne!(second.peer(), first.peer());
    ue.requests(&mut second, "ACK", &[], b"");
    other.hears("ACK");
    ue.hangs_up(&mut second, &other);
    talk(&mut phone, &mut core);
    edge.gateway.ledger().await_line("agw_contexts 1");
    ue.requests(&mut first, "INFO", &[], b"");
    edge.core.answers(&edge.core.hears("INFO"), "200 OK", &[], b"");
    ue.hears("200");
    ue.hangs_up(&mut first, &edge.core);
    leaves_nothing(&edge);
}

#[test]
fn a_response_to_nothing_does_not_pass() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let Some((phone, core)) = Edge::parties() else { return };
    let ue = edge.ue("alice");
    edge.registers(&ue, "alice", &VERIFYING);
    ue.offers("INVITE", "bob", &[], ("stray", 1), &secured(&phone));
    let invite = edge.core.hears("INVITE");
    let stray = invite.altered("branch=z9hG4bK", "branch=z9hG4bKx");
    edge.core.answers(&stray, "200 Stray", &[], &core.describe("RTP/AVP", &[]));
    edge.core.answers(&invite, "486 Busy Here", &[], b"");
    let refused = ue.hears("SIP/2.0 ");
    let refused =
        if refused.text().contains("SIP/2.0 100") { ue.hears("SIP/2.0 ") } else { refused };
    assert!(refused.text().starts_with("SIP/2.0 486"), "{}", refused.text());
    leaves_nothing(&edge);
}
