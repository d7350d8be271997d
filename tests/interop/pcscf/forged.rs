//! What somebody makes up to pass the edge: dialogues, flags of ng, agreements.

use std::net::{SocketAddr, UdpSocket};

use agw_tests::{PATIENCE, Side};

use super::edge::{ASKING, Edge, VERIFYING};
use super::{CLEAR, REQUESTED};
use crate::party::Party;

/// Who writes what it likes.
struct Forger {
    socket: UdpSocket,
    edge: SocketAddr,
    number: u32,
}

impl Forger {
    fn new(edge: &Edge) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self { socket, edge: edge.access, number: 0 }
    }

    /// Sends a request to the core with these fields and this body.
    fn sends(&mut self, method: &str, target: &str, fields: &[String], body: &str) {
        self.number += 1;
        let (own, number) = (self.socket.local_addr().expect("its address"), self.number);
        let text = format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {own};rport;branch=z9hG4bK-f-{number}\r\n\
             Max-Forwards: 70\r\nCSeq: {number} {method}\r\nContact: <sip:mallory@{own}>\r\n\
             P-Asserted-Identity: <sip:boss@ims.example>\r\nContent-Type: application/sdp\r\n\
             {}\r\nContent-Length: {}\r\n\r\n{body}",
            fields.join("\r\n"),
            body.len(),
        );
        self.socket.send_to(text.as_bytes(), self.edge).expect("it is sent");
    }

    /// The response that it hears, which has this status.
    fn hears(&self, status: &str) -> String {
        let mut buffer = [0; 4096];
        loop {
            let length = self.socket.recv(&mut buffer).expect("a response");
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if !text.starts_with("SIP/2.0 100") {
                assert!(text.starts_with(&format!("SIP/2.0 {status}")), "not {status}: {text}");
                return text;
            }
        }
    }
}

/// Fields of a dialogue.
fn within(call: &str, routes: &[String]) -> Vec<String> {
    let mut fields = vec![
        "From: <sip:mallory@ims.example>;tag=mallory".to_owned(),
        "To: <sip:bob@ims.example>;tag=core".to_owned(),
        format!("Call-ID: {call}"),
    ];
    fields.extend(routes.iter().map(|route| format!("Route: {route}")));
    fields
}

/// The values of fields, as they stand.
fn fields_of(text: &str, name: &str) -> Vec<String> {
    text.lines().filter_map(|line| line.strip_prefix(name)).map(str::to_owned).collect()
}

/// A stranger becomes registered.
fn registers(edge: &Edge, mallory: &mut Forger) {
    let fields = ["From: <sip:mallory@ims.example>;tag=m", "To: <sip:mallory@ims.example>"];
    let mut fields = fields.map(str::to_owned).to_vec();
    fields.push("Call-ID: registration".to_owned());
    mallory.sends("REGISTER", "sip:ims.example", &fields, "");
    edge.accepts(&edge.core.hears("REGISTER"), 600);
    mallory.hears("200");
}

#[test]
fn a_dialogue_that_did_not_begin_here_does_not_pass() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let Some((phone, _)) = Edge::parties() else { return };
    let offer = phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1), REQUESTED]);
    let offer = String::from_utf8_lossy(&offer).into_owned();
    let target = format!("sip:bob@{}", edge.core.address());
    let route = |signature| format!("<sip:{};lr;call=o-made;e2ae=on{signature}>", edge.access);
    let mut mallory = Forger::new(&edge);
    for method in ["INVITE", "MESSAGE", "BYE"] {
        mallory.sends(method, &target, &within("made", &[route("")]), &offer);
        mallory.hears("403");
    }
    registers(&edge, &mut mallory);
    for signature in ["", ";sig=", ";sig=d41d8cd98f00b204e9800998ecf8427e"] {
        mallory.sends("INVITE", &target, &within("made", &[route(signature)]), &offer);
        mallory.hears("481");
    }
    mallory.sends("MESSAGE", &target, &within("made", &[]), "");
    mallory.hears("481");
    edge.ends();
}

#[test]
fn what_the_edge_signed_is_good_for_its_dialogue_only_and_as_it_stands() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let Some((phone, _)) = Edge::parties() else { return };
    let offer = phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1), REQUESTED]);
    let offer = String::from_utf8_lossy(&offer).into_owned();
    let target = format!("sip:bob@{}", edge.core.address());
    let mut mallory = Forger::new(&edge);
    registers(&edge, &mut mallory);
    let mut fields = within("true", &[]);
    fields[1] = "To: <sip:bob@ims.example>".to_owned();
    mallory.sends("INVITE", &target, &fields, &offer);
    let invite = edge.core.hears("INVITE");
    edge.core.answers(&invite, "200 OK", &[], b"");
    let accepted = mallory.hears("200");
    let mut routes = fields_of(&accepted, "Record-Route: ");
    routes.reverse();
    let contact = fields_of(&accepted, "Contact: ").concat();
    let target = contact.trim_matches(['<', '>']).to_owned();

    mallory.sends("INVITE", &target, &within("other", &routes), &offer);
    mallory.hears("481");
    let upgraded: Vec<_> = routes.iter().map(|one| one.replace("e2ae=off", "e2ae=on")).collect();
    assert_ne!(upgraded, routes);
    mallory.sends("INVITE", &target, &within("true", &upgraded), &offer);
    mallory.hears("481");
    // As it stands, without the names of others.
    mallory.sends("MESSAGE", &target, &within("true", &routes), "");
    let message = edge.core.hears("MESSAGE");
    assert_eq!(message.header("P-Asserted-Identity"), "");
    edge.ends();
}

#[test]
fn names_of_calls_are_no_flags() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let ue = edge.ue("alice");
    edge.registers(&ue, "alice", &VERIFYING);
    let offer = Party::core(Side::Access.peer(), 1).describe("RTP/AVP", &[]);
    for call in ["a e2ae=pass", "a\te2ae=pass", "a=b"] {
        ue.offers("INVITE", "bob", &[], (call, 1), &offer);
        ue.hears("400");
    }
    let mut mallory = Forger::new(&edge);
    for tag in ["\"a from-tag=b\"", "a%20=b"] {
        let mut fields = within("tags", &[]);
        fields[0] = format!("From: <sip:mallory@ims.example>;tag={tag}");
        mallory.sends("BYE", "sip:bob@ims.example", &fields, "");
        mallory.hears("400");
    }
    edge.ends();
}

#[test]
fn the_agreement_on_media_security_stays_out_of_every_request() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let ue = edge.ue("alice");
    edge.registers(&ue, "alice", &VERIFYING);
    let mut saying = VERIFYING.to_vec();
    saying[0] = "Security-Client: ipsec-3gpp;alg=hmac-sha-1-96, sdes-srtp;mediasec";
    saying[1] = "Require: sec-agree, mediasec";
    ue.begins("INVITE", "bob", &saying, ("agreed", 1));
    let invite = edge.core.hears("INVITE");
    assert!(!invite.text().contains("mediasec"), "{}", invite.text());
    assert_eq!(invite.header("Security-Client"), "ipsec-3gpp;alg=hmac-sha-1-96");
    assert_eq!(invite.header("Require"), "sec-agree");
    edge.core.answers(&invite, "200 OK", &[], b"");
    let mut dialog = ue.hears("200").dialog();
    for method in ["ACK", "INFO"] {
        ue.requests(&mut dialog, method, &ASKING, b"");
        let request = edge.core.hears(method);
        assert!(!request.text().contains("mediasec"), "{}", request.text());
    }
    edge.ends();
}

#[test]
fn indications_do_not_hide_in_parts_or_in_odd_descriptions() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let ue = edge.ue("carol");
    let path = edge.registers(&ue, "carol", &[]);
    let route = format!("Route: {path}");
    let target = ue.contact().trim_matches(['<', '>']).to_owned();
    let odd = [
        (
            "parts",
            "Content-Type: multipart/mixed;boundary=x",
            "--x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\na=3ge2ae:applied\r\n--x--\r\n",
        ),
        ("short", "X-None: 1", "v=0\r\nm=audio 31000 RTP/AVP 8\r\na=3ge2ae:applied\r\n"),
        ("spelt", "X-None: 1", "v=0\r\nm=audio 31000 RTP/AVP 8\r\na= 3GE2AE:applied\r\n"),
    ];
    for (call, header, body) in odd {
        edge.core.offers("INVITE", &target, &[&route, header], (call, 1), body.as_bytes());
        let invite = ue.hears("INVITE");
        assert!(!invite.body().to_lowercase().contains("3ge2ae"), "{}", invite.text());
        ue.answers(&invite, "486 Busy Here", &[], b"");
        edge.core.hears("486");
    }
    edge.ends();
}
