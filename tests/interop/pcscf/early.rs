//! Descriptions before a call is accepted: reliable responses, PRACK and UPDATE (RFC 3262, RFC 3311).

use super::edge::{Edge, VERIFYING};
use super::{CLEAR, REQUESTED};
use crate::party::{Party, lines, talk};
use crate::sip::{Agent, Dialog};

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
