//! What the sample leaves alone, takes away or refuses.

use std::fs;
use std::process::Command;

use agw_testkit::peer;
use agw_tests::{Daemon, Program, Side, directory};

use super::edge::{self, ASKING, Edge, VERIFYING};
use super::{CLEAR, REQUESTED, uri};
use crate::party::Party;

#[test]
fn phones_without_e2ae_are_left_alone_but_for_indications_that_are_not_theirs() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let ue = edge.ue("carol");
    let path = edge.registers(&ue, "carol", &[]);
    let media = Party::core(Side::Access.peer(), 1);
    let key = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkw";

    for (number, attributes) in [(1, &[][..]), (2, &[key, REQUESTED])] {
        let profile = if attributes.is_empty() { "RTP/AVP" } else { "RTP/SAVP" };
        let offer = media.describe(profile, attributes);
        let plain = text(&media.describe(profile, &attributes[..attributes.len() / 2]));
        ue.offers("INVITE", "bob", &[], (&format!("from-{number}"), 1), &offer);
        let invite = edge.core.hears("INVITE");
        assert_eq!(invite.body(), plain);
        edge.core.answers(&invite, "200 OK", &[], &offer);
        let accepted = ue.hears("200");
        assert_eq!(accepted.body(), plain);
        ue.requests(&mut accepted.dialog(), "ACK", &[], b"");
        edge.core.hears("ACK");

        let route = format!("Route: {path}");
        let to = uri(&ue.contact());
        edge.core.offers("INVITE", &to, &[&route], (&format!("to-{number}"), 1), &offer);
        let invite = ue.hears("INVITE");
        assert_eq!(invite.body(), plain);
        ue.answers(&invite, "486 Busy Here", &[], b"");
        edge.core.hears("486");
    }
    assert!(!edge.gateway.ledger().page("/metrics").contains("command=\"offer\",result=\"ok\"} 1"));
    edge.ends();
}

#[test]
fn a_ue_that_did_not_verify_what_it_was_told_has_no_e2ae() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let ue = edge.ue("carol");
    let path = edge.registers(&ue, "carol", &ASKING);
    let media = Party::core(Side::Core.peer(), 1);
    let offer = media.describe("RTP/AVP", &[]);
    let route = format!("Route: {path}");
    edge.core.offers("INVITE", &uri(&ue.contact()), &[&route], ("unverified", 1), &offer);
    assert_eq!(ue.hears("INVITE").body(), text(&offer));
    edge.gateway.ledger().await_line("agw_contexts 0");
}

#[test]
fn srtp_from_end_to_end_passes_a_ue_with_e2ae_and_is_not_claimed() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let Some((mut phone, _)) = Edge::parties() else { return };
    let Some((mut far, _)) = Edge::parties() else { return };
    let ue = edge.ue("bob");
    let path = edge.registers(&ue, "bob", &VERIFYING);

    // `requested` of the core would have the gateway end it, were it not taken away.
    let line = far.key().sdes_line(1);
    let offer = far.describe("RTP/SAVP", &[&line, REQUESTED]);
    let route = format!("Route: {path}");
    edge.core.offers("INVITE", &uri(&ue.contact()), &[&route], ("end-to-end", 1), &offer);
    let invite = ue.hears("INVITE");
    assert!(invite.body().contains(&line), "{}", invite.body());
    assert!(!invite.body().contains("3ge2ae"), "{}", invite.body());
    phone.reads(invite.body(), None);
    let line = phone.key().sdes_line(1);
    ue.answers(&invite, "200 OK", &[], &phone.describe("RTP/SAVP", &[&line]));
    let accepted = edge.core.hears("200");
    assert!(accepted.body().contains(&line), "{}", accepted.body());
    assert!(!accepted.body().contains("3ge2ae"), "{}", accepted.body());
    far.reads(accepted.body(), None);
    edge.core.requests(&mut accepted.dialog(), "ACK", &[], b"");
    ue.hears("ACK");
    let packet = far.sends();
    assert_eq!(phone.hears(), packet);
    let packet = phone.sends();
    assert_eq!(far.hears(), packet);
    let mut dialog = accepted.dialog();
    edge.core.hangs_up(&mut dialog, &ue);
    edge.ends();
}

#[test]
fn nothing_is_claimed_where_keys_would_travel_in_the_clear() {
    let Some(edge) = Edge::start("") else { return };
    let ue = edge.ue("alice");
    ue.begins("REGISTER", "alice", &ASKING, ("clear", 1));
    let refused = ue.hears("420");
    assert_eq!(refused.header("Unsupported"), "mediasec");
    // Without the demand it is registered, and no more.
    edge.registers(&ue, "alice", &[ASKING[0], VERIFYING[3]]);
    let media = Party::core(Side::Access.peer(), 1);
    let offer = media.describe("RTP/AVP", &[REQUESTED]);
    ue.offers("INVITE", "bob", &[], ("clear-call", 1), &offer);
    let invite = edge.core.hears("INVITE");
    assert_eq!(invite.body(), text(&media.describe("RTP/AVP", &[])));
    edge.gateway.ledger().await_line("agw_contexts 0");
}

#[test]
fn nobody_who_is_not_registered_calls_or_is_called() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let ue = edge.ue("mallory");
    let offer = Party::core(Side::Access.peer(), 1).describe("RTP/AVP", &[]);
    ue.offers("INVITE", "bob", &[], ("stranger", 1), &offer);
    ue.hears("403");
    edge.core.offers("INVITE", &uri(&ue.contact()), &[], ("nobody", 1), &offer);
    edge.core.hears("404");
    let path = edge.registers(&ue, "mallory", &[]);
    ue.begins("REGISTER", "mallory", &["Expires: 0"], ("gone", 1));
    let register = edge.core.hears("REGISTER");
    edge.accepts(&register, 0);
    ue.hears("200");
    let route = format!("Route: {path}");
    edge.core.offers("INVITE", &uri(&ue.contact()), &[&route], ("gone", 2), &offer);
    edge.core.hears("404");
    edge.ends();
}

#[test]
fn a_call_that_is_refused_or_given_up_leaves_nothing() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let Some((phone, _)) = Edge::parties() else { return };
    let ue = edge.ue("alice");
    edge.registers(&ue, "alice", &VERIFYING);
    let offer = phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1), REQUESTED]);
    ue.offers("INVITE", "bob", &[], ("refused", 1), &offer);
    let invite = edge.core.hears("INVITE");
    edge.gateway.ledger().await_line("agw_contexts 1");
    edge.core.answers(&invite, "486 Busy Here", &[], b"");
    ue.hears("486");
    edge.gateway.ledger().await_line("agw_contexts 0");
    edge.ends();
}

#[test]
fn an_answer_that_the_gateway_refuses_does_not_go_on_with_its_keys() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let Some((phone, core)) = Edge::parties() else { return };
    let ue = edge.ue("bob");
    let path = edge.registers(&ue, "bob", &VERIFYING);
    let route = format!("Route: {path}");
    let offer = core.describe("RTP/AVP", &[]);
    edge.core.offers("INVITE", &uri(&ue.contact()), &[&route], ("odd", 1), &offer);
    let invite = ue.hears("INVITE");
    // A tag that was not offered (RFC 4568 §5.1.2).
    let answer = phone.describe("RTP/SAVP", &[&phone.key().sdes_line(9)]);
    ue.answers(&invite, "200 OK", &[], &answer);
    let accepted = edge.core.hears("200");
    assert_eq!(accepted.body(), "");
    let mut dialog = accepted.dialog();
    edge.core.requests(&mut dialog, "ACK", &[], b"");
    ue.hears("ACK");
    edge.core.hangs_up(&mut dialog, &ue);
    edge.ends();
}

#[test]
fn kamailio_takes_the_scripts_with_every_choice_and_the_gateway_its_configuration() {
    let Some(kamailio) = peer::program("kamailio") else { return };
    let choices = "#!define WITH_TLS\n#!define WITH_CLEAR_E2AE\n#!define WITH_ANCHOR_ALL\n\
                   #!define WITH_IPV6\n\
                   #!define PROTECTED_NETWORK 10.0.0.0/8,2001:db8::/32\n#!define SECRET \"known\"\n";
    let directory = directory();
    let memory = directory.path().display();
    let choices = format!("{choices}#!define STATE \"text://{memory}\"\n");
    fs::copy(edge::sample().join("state/ue"), directory.path().join("ue")).expect("a table");
    let own = |script: &str| edge::sample().join(script);
    let chosen = edge::copied(directory.path(), "pcscf", &choices);
    for script in [own("pcscf.cfg"), own("core.cfg"), chosen] {
        let mut command = Command::new(&kamailio);
        command.arg("-c").arg("-f").arg(&script);
        let finished = Program::start(&mut command, directory.path()).finish();
        assert!(finished.status.success(), "{}", finished.output);
        assert!(!finished.output.contains("WARNING"), "{}", finished.output);
    }
    let unsigned = edge::copied(directory.path(), "pcscf", "#!define WITH_CLEAR_E2AE\n");
    let mut command = Command::new(&kamailio);
    let started = Program::start(command.arg("-c").arg("-f").arg(unsigned), directory.path());
    assert!(!started.finish().status.success(), "anybody could sign");
    let fragment = edge::sample().join("agwd.toml");
    let output = Command::new(Daemon::executable())
        .args(["--check-config", "--config"])
        .arg(&fragment)
        .output()
        .expect("the daemon");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // What one side names is what the other has.
    let script = fs::read_to_string(edge::sample().join("pcscf.cfg")).expect("the script");
    let fragment = fs::read_to_string(fragment).expect("the configuration");
    for (define, key) in
        [("ACCESS_REALM", "name = "), ("CORE_REALM", "name = "), ("AGW", "udp = [")]
    {
        let mut defaults = script.lines().filter_map(|line| line.strip_prefix("#!trydef "));
        let value = defaults.find_map(|line| line.strip_prefix(define)?.strip_prefix(' '));
        let value = value.expect("a default").replace("udp:", "");
        assert!(fragment.contains(&format!("{key}{value}")), "{define} {value}");
    }
}

fn text(sdp: &[u8]) -> String {
    String::from_utf8_lossy(sdp).into_owned()
}
