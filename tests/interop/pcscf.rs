//! The sample of a P-CSCF in `deploy/kamailio`: UEs register with and without media security, their
//! calls are protected to the edge or left alone, and nobody but the edge says so.

mod bodies;
mod bound;
mod early;
mod edge;
mod endings;
mod forged;
mod ipv6;
mod lasting;
mod load;
mod pair;
mod phones;
mod refusals;
mod tables;
mod unfit;
mod ways;

use crate::party::{lines, talk};
use edge::{ASKING, Edge, MEDIASEC, VERIFYING};

/// The line of a description that asks for protection to the edge.
const REQUESTED: &str = "a=3ge2ae:requested";
/// A laboratory: keys may travel in the clear.
const CLEAR: &str = "#!define WITH_CLEAR_E2AE";

#[test]
fn a_ue_and_the_edge_agree_on_media_security_and_the_core_sees_nothing_of_it() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let ue = edge.ue("alice");
    let asking = [
        "Security-Client: ipsec-3gpp;alg=hmac-sha-1-96, SDES-SRTP ; mediasec",
        "Require: sec-agree, mediasec",
        "Proxy-Require: mediasec",
    ];
    ue.begins("REGISTER", "alice", &asking, ("agreement", 1));
    let register = edge.core.hears("REGISTER");
    assert!(!register.text().contains("mediasec"), "{}", register.text());
    assert_eq!(register.header("Security-Client"), "ipsec-3gpp;alg=hmac-sha-1-96");
    assert_eq!(register.header("Require"), "sec-agree");
    assert!(register.header("Path").contains(";lr;ue="), "{}", register.text());
    let challenge = ["WWW-Authenticate: Digest realm=\"ims.example\", nonce=\"1\""];
    edge.core.answers(&register, "401 Unauthorized", &challenge, b"");
    let challenged = ue.hears("401");
    assert_eq!(challenged.headers("Security-Server"), [MEDIASEC]);

    let wrong = ["dtls-srtp;mediasec", "sdes-srtp;mediasec, dtls-srtp;mediasec"];
    for (wrong, call) in wrong.into_iter().zip(["other", "more"]) {
        let wrong = format!("Security-Verify: {wrong}");
        ue.begins("REGISTER", "alice", &[&ASKING[..], &[&wrong]].concat(), (call, 2));
        let refused = ue.hears("494");
        assert_eq!(refused.headers("Security-Server"), [MEDIASEC]);
    }
    // It lists nothing after a 494, and verifies.
    let verifying = ["Require: mediasec", "Proxy-Require: mediasec", VERIFYING[3]];
    ue.begins("REGISTER", "alice", &verifying, ("agreement", 3));
    let register = edge.core.hears("REGISTER");
    assert!(register.header("CSeq").starts_with("3 "), "a refused one got through");
    assert!(!register.text().contains("mediasec"), "{}", register.text());
    edge.accepts(&register, 600);
    assert!(!ue.hears("200").text().contains("mediasec"));
    edge.ends();
}

#[test]
fn an_originating_call_is_srtp_to_the_edge_and_rtp_in_the_core() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let Some((mut phone, mut core)) = Edge::parties() else { return };
    let ue = edge.ue("alice");
    edge.registers(&ue, "alice", &VERIFYING);

    let offer = phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1), REQUESTED]);
    ue.offers("INVITE", "bob", &[], ("originating", 1), &offer);
    let invite = edge.core.hears("INVITE");
    let offered = invite.body();
    assert!(offered.contains(" RTP/AVP 8\r\n"), "{offered}");
    assert!(!offered.contains("crypto") && !offered.contains("3ge2ae"), "{offered}");
    core.reads(offered, None);
    let forged = core.describe("RTP/AVP", &["a=3ge2ae:applied"]);
    edge.core.answers(&invite, "200 OK", &[], &forged);
    let accepted = ue.hears("200");
    let answered = accepted.body();
    assert!(answered.contains(" RTP/SAVP 8\r\n"), "{answered}");
    assert_eq!(answered.matches("a=3ge2ae:applied\r\n").count(), 1, "{answered}");
    assert_eq!(lines(answered).len(), 1, "{answered}");
    phone.reads(answered, None);
    let mut dialog = accepted.dialog();
    ue.requests(&mut dialog, "ACK", &[], b"");
    edge.core.hears("ACK");
    talk(&mut phone, &mut core);
    edge.gateway.ledger().await_line("agw_contexts 1");

    // Hold and resume: the same keys, and the counters go on.
    let key = phone.their_key().clone();
    let offer = phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1), REQUESTED, "a=sendonly"]);
    ue.requests(&mut dialog, "INVITE", &[], &offer);
    let invite = edge.core.hears("INVITE");
    assert!(invite.body().contains(" RTP/AVP 8\r\n"), "{}", invite.body());
    edge.core.answers(&invite, "200 OK", &[], &core.describe("RTP/AVP", &["a=recvonly"]));
    let held = ue.hears("200");
    assert_eq!(lines(held.body())[0].key, key, "{}", held.body());
    ue.requests(&mut dialog, "ACK", &[], b"");
    edge.core.hears("ACK");

    ue.hangs_up(&mut dialog, &edge.core);
    edge.ends();
}

#[test]
fn a_terminating_call_is_offered_srtp_to_a_ue_that_agreed_to_it() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let Some((mut phone, mut core)) = Edge::parties() else { return };
    let ue = edge.ue("bob");
    let path = edge.registers(&ue, "bob", &VERIFYING);

    let route = format!("Route: {path}");
    // Whatever the core says of protection to the edge is not its to say.
    let offer = core.describe("RTP/AVP", &["a=3ge2ae:requested"]);
    edge.core.offers("INVITE", &uri(&ue.contact()), &[&route], ("terminating", 1), &offer);
    let invite = ue.hears("INVITE");
    let offered = invite.body();
    assert!(offered.contains(" RTP/SAVP 8\r\n"), "{offered}");
    assert_eq!(offered.matches("3ge2ae").count(), 1, "{offered}");
    assert!(offered.contains("a=3ge2ae:applied\r\n"), "{offered}");
    phone.reads(offered, Some(1));
    let answer = phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1)]);
    ue.answers(&invite, "200 OK", &[], &answer);
    let accepted = edge.core.hears("200");
    let answered = accepted.body();
    assert!(answered.contains(" RTP/AVP 8\r\n"), "{answered}");
    assert!(!answered.contains("crypto") && !answered.contains("3ge2ae"), "{answered}");
    core.reads(answered, None);
    edge.core.requests(&mut accepted.dialog(), "ACK", &[], b"");
    ue.hears("ACK");
    talk(&mut phone, &mut core);

    // The UE ends it.
    ue.hangs_up(&mut ue.called(&invite), &edge.core);
    edge.ends();
}

/// The URI of a name-addr.
fn uri(contact: &str) -> String {
    contact.trim_matches(['<', '>']).to_owned()
}
