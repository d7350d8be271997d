//! What the edge remembers of UEs: over a restart, for as long as they are there, and no more than it
//! has room for.

use std::fs;
use std::net::UdpSocket;
use std::time::Instant;

use agw_tests::{Authority, PATIENCE, Side, Subject, directory};
use rcgen::ExtendedKeyUsagePurpose;

use super::edge::{self, ASKING, Edge, MEDIASEC, VERIFYING, over_ipv6};
use super::{CLEAR, REQUESTED, uri};
use crate::party::Party;
use crate::sip::Agent;

/// What a site says for TLS, with a certificate in this directory.
pub(super) fn tls(authority: &Authority, files: &std::path::Path) -> String {
    let subject = Subject::named("edge.ims.example", ExtendedKeyUsagePurpose::ServerAuth);
    let (certificate, key) = authority.sign(subject);
    fs::write(files.join("edge.pem"), certificate).expect("a certificate");
    fs::write(files.join("edge.key"), key).expect("a key");
    let files = files.display();
    format!(
        "#!define WITH_TLS\n#!define TLS_CERTIFICATE \"{files}/edge.pem\"\n\
         #!define TLS_PRIVATE_KEY \"{files}/edge.key\""
    )
}

/// Waits until Kamailio says something else of one of its tables.
fn awaits(edge: &Edge, table: &str, is_so: impl Fn(&str) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let told = edge.proxy.asked(&["htable.dump", table]);
        if is_so(&told) {
            return;
        }
        assert!(Instant::now() < deadline, "{told}");
    }
}

/// How often a table has a name.
fn entries(told: &str) -> usize {
    told.matches("name: ").count()
}

#[test]
fn who_is_registered_stays_so_when_the_edge_dies_and_comes_back() {
    let files = directory();
    let (table, memory) = (edge::sample().join("state/ue"), files.path().join("ue"));
    fs::copy(table, &memory).expect("an empty table");
    let site = format!(
        "{CLEAR}\n#!define WITH_IPV6\n#!define STATE \"text://{}\"",
        files.path().display()
    );
    let Some(edge) = Edge::start(&site) else { return };
    let Some((phone, _)) = Edge::parties() else { return };
    let (other, ue) = (Agent::new("bob", over_ipv6(edge.access)), edge.ue("alice"));
    edge.registers(&other, "bob", &VERIFYING);
    edge.registers(&ue, "alice", &VERIFYING);
    let deadline = Instant::now() + PATIENCE;
    while fs::read_to_string(&memory).expect("a table").matches("e2ae").count() < 2 {
        assert!(Instant::now() < deadline, "{}", edge.proxy.output());
        std::thread::yield_now();
    }
    let edge = edge.restarts();
    awaits(&edge, "ue", |told| entries(told) == 2);
    let offer = phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1), REQUESTED]);
    for (ue, call) in [(&ue, "after"), (&other, "after-over-ipv6")] {
        ue.offers("INVITE", "carol", &[], (call, 1), &offer);
        let invite = edge.core.hears("INVITE");
        assert!(!invite.body().contains("crypto"), "{}", invite.body());
        edge.core.answers(&invite, "486 Busy Here", &[], b"");
        ue.hears("486");
    }
    edge.ends();
}

#[test]
fn a_connection_that_closes_takes_its_registration_along() {
    let (authority, files) = (Authority::new(), directory());
    let Some(edge) = Edge::start(&tls(&authority, files.path())) else { return };
    let ue = Agent::tls("alice", edge.tls, &authority);
    edge.registers(&ue, "alice", &VERIFYING);
    awaits(&edge, "ue", |told| told.contains("transport=tls"));
    drop(ue);
    awaits(&edge, "ue", str::is_empty);
    edge.ends();
}

#[test]
fn who_moves_is_registered_no_more_where_it_was() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let ue = edge.ue("alice");
    let path = edge.registers(&ue, "alice", &[]);
    awaits(&edge, "ue", |told| entries(told) == 1);
    // The same contact from elsewhere.
    let moved = edge.ue("alice");
    let contact = ue.contact();
    moved.registers_at(&contact, ("moved", 1));
    let register = edge.core.hears("REGISTER");
    edge.accepts(&register, 600);
    moved.hears("200");
    awaits(&edge, "ue", |told| {
        entries(told) == 1 && told.contains(&format!(":{}", moved.address().port()))
    });
    let offer = Party::core(Side::Core.peer(), 1).describe("RTP/AVP", &[]);
    let route = format!("Route: {path}");
    edge.core.offers("INVITE", &uri(&contact), &[&route], ("former", 1), &offer);
    edge.core.hears("404");
    edge.ends();
}

#[test]
fn keys_go_only_over_signalling_that_is_protected() {
    let (authority, files) = (Authority::new(), directory());
    let Some(edge) = Edge::start(&tls(&authority, files.path())) else { return };
    let Some((phone, core)) = Edge::parties() else { return };
    let ue = Agent::tls("alice", edge.tls, &authority);
    edge.registers(&ue, "alice", &VERIFYING);
    let offer = phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1), REQUESTED]);
    ue.offers("INVITE", "bob", &[], ("protected", 1), &offer);
    let invite = edge.core.hears("INVITE");
    edge.core.answers(&invite, "200 OK", &[], &core.describe("RTP/AVP", &[]));
    let mut dialog = ue.hears("200").dialog();
    ue.requests(&mut dialog, "ACK", &[], b"");
    edge.core.hears("ACK");
    // It goes on in the clear, where it is registered as well: without e2ae.
    let clear = edge.ue("alice");
    edge.registers(&clear, "alice", &[]);
    clear.requests(&mut dialog.clone(), "INVITE", &[], &offer);
    clear.hears("488");
    edge.core.requests(&mut edge.core.called(&invite), "BYE", &[], b"");
    let bye = ue.hears("BYE");
    ue.answers(&bye, "200 OK", &[], b"");
    edge.ends();
}

#[test]
fn strangers_fill_no_table_and_a_flood_of_them_does_not_get_to_the_core() {
    let site = format!("{CLEAR}\n#!define STRANGERS 20");
    let Some(edge) = Edge::start(&site) else { return };
    let ue = edge.ue("alice");
    edge.registers(&ue, "alice", &VERIFYING);
    let mut heard = 0;
    for number in 0..200 {
        let stranger = edge.ue(&format!("stranger-{number}"));
        stranger.begins("REGISTER", "stranger", &ASKING, (&format!("flood-{number}"), 1));
    }
    // Its turn comes after all of them, from the same host.
    ue.begins("OPTIONS", "bob", &[], ("after", 1));
    loop {
        let request = edge.core.hears("sip:");
        if request.text().starts_with("OPTIONS") {
            break;
        }
        heard += 1;
    }
    assert!(heard < 100, "{heard}");
    let asked = edge.proxy.asked(&["htable.dump", "asked"]);
    assert!(entries(&asked) < 100, "{asked}");
    assert!(!asked.contains("name: sip:"), "named by who sends: {asked}");
    edge.ends();
}

#[test]
fn a_ue_does_not_say_on_which_way_the_core_finds_it() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let ue = edge.ue("alice");
    let elsewhere = "<sip:192.0.2.99;lr>";
    let own = ["Path", "Route", "Service-Route", "Record-Route", "P-Asserted-Identity"];
    let own = own.map(|field| format!("{field}: {elsewhere}"));
    ue.begins("REGISTER", "alice", &own.each_ref().map(String::as_str), ("ways", 1));
    let register = edge.core.hears("REGISTER");
    assert!(!register.text().contains(elsewhere), "{}", register.text());
    assert_eq!(register.headers("Path").len(), 1, "{}", register.text());
    edge.accepts(&register, 600);
    ue.hears("200");
    for method in ["INVITE", "SUBSCRIBE", "MESSAGE", "OPTIONS"] {
        ue.begins(method, "bob", &own.each_ref().map(String::as_str), (method, 1));
        let request = edge.core.hears(method);
        assert!(!request.text().contains(elsewhere), "{}", request.text());
        edge.core.answers(&request, "486 Busy Here", &[], b"");
        ue.hears("486");
    }
    edge.ends();
}

#[test]
fn whoever_lists_something_else_last_has_no_e2ae() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let ue = edge.ue("alice");
    edge.registers(&ue, "alice", &VERIFYING);
    awaits(&edge, "ue", |told| told.contains("value: e2ae"));
    // A registration that is renewed verifies and lists nothing new.
    ue.begins("REGISTER", "alice", &VERIFYING[1..], ("renewed", 1));
    let register = edge.core.hears("REGISTER");
    edge.accepts(&register, 600);
    ue.hears("200");
    awaits(&edge, "ue", |told| told.contains("value: e2ae"));
    let other = ["Security-Client: msrp-tls;mediasec", VERIFYING[3]];
    ue.begins("REGISTER", "alice", &other, ("other", 1));
    let register = edge.core.hears("REGISTER");
    edge.accepts(&register, 600);
    ue.hears("200");
    awaits(&edge, "ue", |told| told.contains("value: plain"));
    assert_eq!(MEDIASEC, "sdes-srtp;mediasec");
    edge.ends();
}

#[test]
fn what_is_no_sip_or_too_much_of_it_harms_nobody() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let ue = edge.ue("alice");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let long = "x;mediasec,".repeat(5_000);
    for security in [";;;,,,=\"", "sdes-srtp;mediasec;mediasec;q=\"\\", long.as_str(), "\u{fffd}"] {
        for field in ["Security-Client", "Security-Verify", "Security-Server", "Contact", "Path"] {
            let text = format!(
                "REGISTER sip:ims.example SIP/2.0\r\n\
                 Via: SIP/2.0/UDP {own};branch=z9hG4bK{field}{}\r\nMax-Forwards: 70\r\n\
                 From: <sip:m@ims.example>;tag=m\r\nTo: <sip:m@ims.example>\r\nCall-ID: odd\r\n\
                 CSeq: 1 REGISTER\r\n{field}: {security}\r\nContent-Length: 0\r\n\r\n",
                security.len(),
                own = socket.local_addr().expect("its address"),
            );
            let sent = socket.send_to(text.as_bytes(), edge.access);
            assert!(sent.is_ok(), "{}", text.len());
        }
    }
    // Whoever comes after it is heard.
    ue.begins("REGISTER", "alice", &VERIFYING, ("alice", 1));
    let register = loop {
        let register = edge.core.hears("REGISTER");
        if register.header("Call-ID") == "alice" {
            break register;
        }
        let mut agreements = register.head().filter(|line| line.starts_with("Security-"));
        assert!(!agreements.any(|line| line.contains("mediasec")), "{}", register.text());
    };
    edge.accepts(&register, 600);
    ue.hears("200");
    awaits(&edge, "ue", |told| entries(told) == 1);
    assert!(!edge.proxy.output().contains("core dumped"), "{}", edge.proxy.output());
    edge.ends();
}
