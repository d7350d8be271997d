//! Descriptions before a call is accepted: reliable responses, PRACK and UPDATE (RFC 3262, RFC 3311).

use std::time::Instant;

use agw_tests::{PATIENCE, Side};

use super::edge::{Edge, VERIFYING};
use super::{CLEAR, REQUESTED};
use crate::party::{Party, lines, talk};
use crate::sip::{Agent, Dialog, Message};

#[test]
fn an_early_answer_an_update_and_an_acceptance_without_a_description_are_one_call() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let Some((mut phone, mut core)) = Edge::parties() else { return };
    let ue = edge.ue("alice");
    edge.registers(&ue, "alice", &VERIFYING);
    let secured =
        |phone: &Party| phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1), REQUESTED]);
    ue.offers("INVITE", "bob", &[], ("early", 1), &secured(&phone));
    let invite = edge.core.hears("INVITE");
    core.reads(invite.body(), None);
    edge.core.answers(&invite, "183 Session Progress", &[], &core.describe("RTP/AVP", &[]));
    let early = ue.hears("183");
    assert!(early.body().contains("a=3ge2ae:applied\r\n"), "{}", early.body());
    phone.reads(early.body(), None);
    let key = phone.their_key().clone();
    let mut dialog = early.dialog();
    acknowledges(&edge, &ue, &mut dialog, b"");
    talk(&mut phone, &mut core);

    ue.requests(&mut dialog, "UPDATE", &[], &secured(&phone));
    let update = edge.core.hears("UPDATE");
    assert!(update.body().contains(" RTP/AVP 8\r\n"), "{}", update.body());
    edge.core.answers(&update, "200 OK", &[], &core.describe("RTP/AVP", &[]));
    let updated = ue.hears("200");
    assert_eq!(lines(updated.body())[0].key, key, "{}", updated.body());
    assert!(updated.body().contains("a=3ge2ae:applied\r\n"), "{}", updated.body());

    edge.core.answers(&invite, "200 OK", &[], b"");
    ue.hears("200");
    ends(edge, &ue, &mut dialog);
}

#[test]
fn an_early_offer_is_answered_in_its_acknowledgement() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let Some((mut phone, mut core)) = Edge::parties() else { return };
    let ue = edge.ue("alice");
    edge.registers(&ue, "alice", &VERIFYING);
    ue.begins("INVITE", "bob", &[], ("early-offer", 1));
    let invite = edge.core.hears("INVITE");
    edge.core.answers(&invite, "183 Session Progress", &[], &core.describe("RTP/AVP", &[]));
    let early = ue.hears("183");
    assert!(early.body().contains("a=3ge2ae:applied\r\n"), "{}", early.body());
    phone.reads(early.body(), Some(1));
    let answer = phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1)]);
    let mut dialog = early.dialog();
    let answered = acknowledges(&edge, &ue, &mut dialog, &answer);
    assert!(!answered.contains("crypto"), "{answered}");
    core.reads(&answered, None);
    talk(&mut phone, &mut core);
    edge.core.answers(&invite, "200 OK", &[], b"");
    ue.hears("200");
    ends(edge, &ue, &mut dialog);
}

/// A call of a UE that rings at two, the second of whom is heard.
struct Forked {
    edge: Edge,
    ue: Agent,
    invite: Message,
    phone: Party,
    core: Party,
    /// The second one.
    other: (Agent, Party),
    /// The dialogue with the first one.
    dialog: Dialog,
}

impl Forked {
    fn rings() -> Option<Self> {
        let edge = Edge::start(CLEAR)?;
        let (mut phone, mut core) = Edge::parties()?;
        let ue = edge.ue("alice");
        edge.registers(&ue, "alice", &VERIFYING);
        ue.offers("INVITE", "bob", &[], ("rings-at-two", 1), &Self::offer(&phone));
        let invite = edge.core.hears("INVITE");
        let other = Agent::new("other", edge.core.address());
        let mut more = Party::core(Side::Core.peer(), 0xCCCC_0002);
        core.reads(invite.body(), None);
        more.reads(invite.body(), None);
        edge.core.answers(&invite, "183 Session Progress", &[], &core.describe("RTP/AVP", &[]));
        let early = ue.hears("183");
        phone.reads(early.body(), None);
        talk(&mut phone, &mut core);
        other.answers(&invite, "183 Session Progress", &[], &more.describe("RTP/AVP", &[]));
        phone.reads(ue.hears("183").body(), None);
        talk(&mut phone, &mut more);
        let (other, dialog) = ((other, more), early.dialog());
        Some(Self { edge, ue, invite, phone, core, other, dialog })
    }

    fn offer(phone: &Party) -> Vec<u8> {
        phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1), REQUESTED])
    }

    /// The second one repeats what it said.
    fn second_is_heard_again(&mut self) {
        let (other, more) = &mut self.other;
        let again = more.describe("RTP/AVP", &[]);
        other.answers(&self.invite, "183 Session Progress", &["X-Again: 1"], &again);
        self.phone.reads(self.ue.hears("183").body(), None);
        talk(&mut self.phone, more);
    }

    /// The first one accepts and says nothing of media: it has it, to the end, and nothing of the
    /// call is kept.
    fn first_accepts(self) {
        let Self { edge, ue, invite, mut phone, mut core, other, mut dialog } = self;
        edge.core.answers(&invite, "200 OK", &[], b"");
        let accepted = ue.hears("200");
        assert_eq!((accepted.body(), accepted.header("Content-Type")), ("", ""));
        assert_eq!(accepted.header("Content-Length"), "0");
        assert!(accepted.header("Contact").contains(";edge="), "{}", accepted.text());
        ue.requests(&mut dialog, "ACK", &[], b"");
        edge.core.hears("ACK");
        talk(&mut phone, &mut core);
        assert!(edge.proxy.asked(&["htable.dump", "early"]).is_empty(), "descriptions are kept");
        // What the second one says from now on is not of this call.
        other.0.answers(&invite, "200 OK", &[], &other.1.describe("RTP/AVP", &[]));
        let late = ue.hears("200");
        assert_eq!(late.body(), "");
        let mut late = late.dialog();
        ue.requests(&mut late, "ACK", &[], b"");
        other.0.hears("ACK");
        ue.hangs_up(&mut late, &other.0);
        talk(&mut phone, &mut core);
        ue.requests(&mut dialog, "INFO", &[], b"");
        edge.core.answers(&edge.core.hears("INFO"), "200 OK", &[], b"");
        ue.hears("200");
        ue.hangs_up(&mut dialog, &edge.core);
        edge.ends();
    }
}

#[test]
fn who_accepts_without_a_description_has_the_media_as_it_said_before() {
    let Some(call) = Forked::rings() else { return };
    let kept = call.edge.proxy.asked(&["htable.dump", "early"]);
    assert!(kept.contains("m=audio"), "{kept}");
    call.first_accepts();
}

#[test]
fn who_accepts_without_a_description_has_the_media_where_it_moved_to() {
    let Some(mut call) = Forked::rings() else { return };
    let mut moved = Party::core(Side::Core.peer(), 0xCCCC_0003);
    let offer = Forked::offer(&call.phone);
    call.ue.requests(&mut call.dialog, "UPDATE", &[], &offer);
    let update = call.edge.core.hears("UPDATE");
    moved.reads(update.body(), None);
    call.edge.core.answers(&update, "200 OK", &[], &moved.describe("RTP/AVP", &[]));
    call.phone.reads(call.ue.hears("200").body(), None);
    talk(&mut call.phone, &mut moved);
    call.core = moved;
    call.second_is_heard_again();
    call.first_accepts();
}

#[test]
fn who_accepts_without_a_description_has_the_media_where_it_said_that_it_moves() {
    let Some(mut call) = Forked::rings() else { return };
    let mut moved = Party::core(Side::Core.peer(), 0xCCCC_0003);
    let mut dialog = call.edge.core.called(&call.invite);
    call.edge.core.requests(&mut dialog, "UPDATE", &[], &moved.describe("RTP/AVP", &[]));
    let update = call.ue.hears("UPDATE");
    call.phone.reads(update.body(), Some(1));
    let line = call.phone.key().sdes_line(1);
    call.ue.answers(&update, "200 OK", &[], &call.phone.describe("RTP/SAVP", &[&line]));
    moved.reads(call.edge.core.hears("200").body(), None);
    talk(&mut call.phone, &mut moved);
    call.core = moved;
    call.second_is_heard_again();
    call.first_accepts();
}

#[test]
fn a_call_that_rings_at_two_and_is_cancelled_leaves_no_description() {
    let Some(call) = Forked::rings() else { return };
    let Forked { edge, ue, invite, .. } = call;
    ue.cancels("bob", ("rings-at-two", 1));
    ue.hears("200");
    edge.core.answers(&edge.core.hears("CANCEL"), "200 OK", &[], b"");
    edge.core.answers(&invite, "487 Request Terminated", &[], b"");
    ue.hears("487");
    edge.gateway.ledger().await_line("agw_contexts 0");
    let deadline = Instant::now() + PATIENCE;
    while !edge.proxy.asked(&["htable.dump", "early"]).is_empty() {
        assert!(Instant::now() < deadline, "descriptions are kept");
    }
    edge.ends();
}

/// The UE acknowledges a reliable response; tells the description as the core has it.
fn acknowledges(edge: &Edge, ue: &Agent, dialog: &mut Dialog, sdp: &[u8]) -> String {
    ue.requests(dialog, "PRACK", &["RAck: 1 1 INVITE"], sdp);
    let request = edge.core.hears("PRACK");
    edge.core.answers(&request, "200 OK", &[], b"");
    ue.hears("200");
    request.body().to_owned()
}

/// The UE acknowledges that its call was accepted, and ends it.
fn ends(edge: Edge, ue: &Agent, dialog: &mut Dialog) {
    ue.requests(dialog, "ACK", &[], b"");
    edge.core.hears("ACK");
    ue.hangs_up(dialog, &edge.core);
    edge.ends();
}
