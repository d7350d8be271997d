//! Descriptions that are not the whole body: among parts they are served, hidden they are refused.

use super::edge::{Edge, VERIFYING};
use super::{CLEAR, REQUESTED, uri};
use crate::party::{Party, lines, talk};

/// The type of a body of several parts.
const MIXED: &str = "Content-Type: multipart/mixed;boundary=\"part\"";
/// The same with the description as the root.
const RELATED: &str = "Content-Type: multipart/related;type=\"application/sdp\";boundary=\"part\"";
/// Where a caller is (RFC 6442), as a part of its own.
const LOCATION: &str = "Content-Type: application/pidf+xml\r\nContent-ID: <where@ims.example>\r\n\r\n\
    <presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"pres:alice@ims.example\"/>\r\n";

/// A body of these parts.
fn mixed(parts: &[&str]) -> String {
    let parts: String = parts.iter().map(|part| format!("--part\r\n{part}\r\n")).collect();
    format!("{parts}--part--\r\n")
}

/// A description as a part.
fn part(sdp: &[u8]) -> String {
    format!("Content-Type: application/sdp\r\n\r\n{}", String::from_utf8_lossy(sdp))
}

/// The parts of a body.
fn parts(body: &str) -> Vec<&str> {
    body.split("--part").map(str::trim).filter(|part| part.contains("Content-Type")).collect()
}

/// The description among them.
fn description(body: &str) -> String {
    let mut found = parts(body).into_iter().filter(|part| part.contains("application/sdp"));
    let part = found.next().expect("a description");
    format!("{}\r\n", part.split_once("\r\n\r\n").expect("its head").1)
}

fn secured(phone: &Party) -> Vec<u8> {
    phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1), REQUESTED])
}

#[test]
fn a_description_with_what_is_related_to_it_is_protected() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let Some((mut phone, mut core)) = Edge::parties() else { return };
    let ue = edge.ue("alice");
    edge.registers(&ue, "alice", &VERIFYING);
    let body = mixed(&[&part(&secured(&phone)), LOCATION]);
    ue.offers("INVITE", "bob", &[RELATED], ("related", 1), body.as_bytes());
    let invite = edge.core.hears("INVITE");
    assert!(!invite.body().contains("crypto"), "{}", invite.body());
    assert_eq!(format!("Content-Type: {}", invite.header("Content-Type")), RELATED);
    assert_eq!(parts(invite.body())[1], LOCATION.trim());
    core.reads(&description(invite.body()), None);
    let body = mixed(&[&part(&core.describe("RTP/AVP", &[])), LOCATION]);
    edge.core.answers(&invite, "200 OK", &[RELATED], body.as_bytes());
    let accepted = ue.hears("200");
    assert_eq!(format!("Content-Type: {}", accepted.header("Content-Type")), RELATED);
    assert_eq!(parts(accepted.body())[1], LOCATION.trim());
    phone.reads(&description(accepted.body()), None);
    edge.core.answers(&invite, "200 OK", &[RELATED], body.as_bytes());
    // Its fields may stand in another order.
    let again = ue.hears("200");
    assert_eq!(again.body(), accepted.body());
    assert_eq!(again.header("Content-Type"), accepted.header("Content-Type"));
    let mut dialog = accepted.dialog();
    ue.requests(&mut dialog, "ACK", &[], b"");
    edge.core.hears("ACK");
    talk(&mut phone, &mut core);
    ue.hangs_up(&mut dialog, &edge.core);
    edge.ends();
}

#[test]
fn an_emergency_call_with_a_location_is_protected_and_the_location_goes_on() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let Some((mut phone, mut core)) = Edge::parties() else { return };
    let ue = edge.ue("alice");
    edge.registers(&ue, "alice", &VERIFYING);
    let body = mixed(&[&part(&secured(&phone)), LOCATION]);
    ue.offers("INVITE", "urn:service:sos", &[MIXED], ("emergency", 1), body.as_bytes());
    let invite = edge.core.hears("INVITE");
    assert!(!invite.body().contains("crypto"), "{}", invite.body());
    assert_eq!(parts(invite.body())[1], LOCATION.trim());
    let offered = description(invite.body());
    assert!(offered.contains(" RTP/AVP 8\r\n") && !offered.contains("3ge2ae"), "{offered}");
    core.reads(&offered, None);

    // The core has something to add as well.
    let body = mixed(&[
        "Content-Type: text/plain\r\n\r\nhelp comes\r\n",
        &part(&core.describe("RTP/AVP", &[])),
    ]);
    edge.core.answers(&invite, "200 OK", &[MIXED], body.as_bytes());
    let accepted = ue.hears("200");
    assert!(parts(accepted.body())[0].ends_with("help comes"), "{}", accepted.body());
    let answered = description(accepted.body());
    assert!(answered.contains("a=3ge2ae:applied\r\n"), "{answered}");
    assert_eq!(lines(&answered).len(), 1, "{answered}");
    phone.reads(&answered, None);
    let mut dialog = accepted.dialog();
    ue.requests(&mut dialog, "ACK", &[], b"");
    edge.core.hears("ACK");
    talk(&mut phone, &mut core);
    ue.hangs_up(&mut dialog, &edge.core);
    edge.ends();
}

#[test]
fn an_offer_of_the_core_among_parts_is_protected_towards_the_ue() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let Some((mut phone, mut core)) = Edge::parties() else { return };
    let ue = edge.ue("bob");
    let path = edge.registers(&ue, "bob", &VERIFYING);
    let route = format!("Route: {path}");
    let body = mixed(&[LOCATION, &part(&core.describe("RTP/AVP", &[]))]);
    let to = uri(&ue.contact());
    edge.core.offers("INVITE", &to, &[&route, MIXED], ("terminating", 1), body.as_bytes());
    let invite = ue.hears("INVITE");
    let offered = description(invite.body());
    assert!(offered.contains(" RTP/SAVP 8\r\n"), "{offered}");
    phone.reads(&offered, Some(1));
    let body = mixed(&[&part(&phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1)])), LOCATION]);
    ue.answers(&invite, "200 OK", &[MIXED], body.as_bytes());
    let accepted = edge.core.hears("200");
    assert!(!accepted.body().contains("crypto"), "{}", accepted.body());
    core.reads(&description(accepted.body()), None);
    let mut dialog = accepted.dialog();
    edge.core.requests(&mut dialog, "ACK", &[], b"");
    ue.hears("ACK");
    talk(&mut phone, &mut core);
    edge.core.hangs_up(&mut dialog, &ue);
    edge.ends();
}

/// Bodies with what may be a description and cannot be read.
fn odd(sdp: &[u8]) -> Vec<(&'static str, Vec<&'static str>, String)> {
    let text = String::from_utf8_lossy(sdp).into_owned();
    let own = part(sdp);
    let nested =
        format!("Content-Type: multipart/alternative;boundary=in\r\n\r\n--in\r\n{own}--in--\r\n");
    let encoded =
        "Content-Type: application/sdp\r\nContent-Transfer-Encoding: base64\r\n\r\ndj0w\r\n";
    let packed = format!("Content-Encoding: gzip\r\n{own}");
    let plain = format!("Content-Type: text/plain\r\n\r\n{text}");
    let related = "Content-Type: multipart/related;boundary=part";
    let elsewhere = "Content-Type: multipart/related;type=\"application/pidf+xml\";boundary=part";
    let named =
        "Content-Type: multipart/related;type=\"application/sdp\";start=\"<b>\";boundary=part";
    let long = format!("Content-Type: x/y\r\n\r\n\0{}\r\n", "x".repeat(33_000));
    vec![
        ("related", vec![related], mixed(&[&own, LOCATION])),
        ("related-to-another", vec![elsewhere], mixed(&[LOCATION, &own])),
        ("related-to-a-name", vec![named], mixed(&[&own, LOCATION])),
        ("related-before-it", vec![RELATED], mixed(&[LOCATION, &own])),
        ("related-twice", vec![RELATED], mixed(&[&own, &own])),
        ("behind-much", vec![MIXED], mixed(&[&long, &own])),
        ("two", vec![MIXED], mixed(&[&own, &own])),
        ("nested", vec![MIXED], mixed(&[&nested])),
        ("beside", vec![MIXED], mixed(&[&own, &nested])),
        ("encoded", vec![MIXED], mixed(&[encoded])),
        ("packed-part", vec![MIXED], mixed(&[&packed])),
        ("packed", vec!["Content-Encoding: gzip"], text.clone()),
        ("packed-short", vec!["e: gzip"], text.clone()),
        ("called-text", vec!["Content-Type: text/plain"], text),
        ("before", vec![MIXED], mixed(&[&plain, &own])),
        ("after", vec![MIXED], mixed(&[&own, &plain])),
        ("behind-nul", vec![MIXED], mixed(&["Content-Type: x/y\r\n\r\n\0\r\n", &own])),
    ]
}

#[test]
fn a_description_that_cannot_be_read_is_refused_and_no_key_gets_to_the_core() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let Some((phone, _)) = Edge::parties() else { return };
    let ue = edge.ue("alice");
    edge.registers(&ue, "alice", &VERIFYING);
    for (call, headers, body) in odd(&secured(&phone)) {
        ue.offers("INVITE", "bob", &headers, (call, 1), body.as_bytes());
        let refused = ue.hears("SIP/2.0 4");
        assert!(refused.text().starts_with("SIP/2.0 415"), "{call}: {}", refused.text());
        assert_eq!(refused.header("Accept"), "application/sdp, multipart/mixed, multipart/related");
        assert_eq!(refused.header("Accept-Encoding"), "identity");
    }
    // What has none goes on as it is: the core hears nothing before it.
    let body = mixed(&[LOCATION, "Content-Type: text/plain\r\n\r\nm = none\r\n"]);
    ue.offers("INVITE", "bob", &[MIXED], ("none", 1), body.as_bytes());
    let invite = edge.core.hears("INVITE");
    assert_eq!(invite.header("Call-ID"), "none");
    assert_eq!(invite.body(), body);
    edge.core.answers(&invite, "486 Busy Here", &[], b"");
    ue.hears("486");
    edge.ends();
}

#[test]
fn an_answer_that_cannot_be_read_loses_its_description() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let Some((phone, core)) = Edge::parties() else { return };
    let ue = edge.ue("bob");
    let path = edge.registers(&ue, "bob", &VERIFYING);
    let route = format!("Route: {path}");
    let to = uri(&ue.contact());
    let answer = phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1)]);
    for (call, headers, body) in odd(&answer) {
        let offer = core.describe("RTP/AVP", &[]);
        edge.core.offers("INVITE", &to, &[&route], (call, 1), &offer);
        let invite = ue.hears("INVITE");
        ue.answers(&invite, "200 OK", &headers, body.as_bytes());
        let accepted = edge.core.hears("200");
        assert_eq!(accepted.body(), "", "{call}");
        let mut dialog = accepted.dialog();
        edge.core.requests(&mut dialog, "ACK", &[], b"");
        ue.hears("ACK");
        edge.core.hangs_up(&mut dialog, &ue);
    }
    edge.ends();
}
