//! Whose fault it is that a call has no media: that of its description, or the gateways'.

use agw_srtp::Suite;
use agw_tests::{Gateway, Key};

use super::edge::{Edge, VERIFYING};
use super::{CLEAR, REQUESTED, uri};
use crate::party::{Party, talk};
use crate::sip::{Agent, Message};

/// Lines of a description in whose security nothing is that agw has.
pub(super) const UNFIT: [(&str, &[&str]); 3] = [
    ("RTP/SAVP", &[REQUESTED]),
    ("RTP/SAVP", &["a=crypto:1 NEW_512_HMAC_SHA3 inline:MTIzNDU2Nzg5MDEyMzQ1Njc4OTAx", REQUESTED]),
    ("UDP/TLS/RTP/SAVP", &["a=fingerprint:sha-1 4A:AD:B9:B1:3F:82:18:3B:54:02", REQUESTED]),
];

/// A gateway with room for one call.
const ONE: [&str; 3] =
    ["ng.udp=[\"127.0.0.1:0\"]", "limits.contexts=1", "limits.reserve_percent=0"];

fn secured(phone: &Party) -> Vec<u8> {
    phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1), REQUESTED])
}

/// A description under a key of its own.
fn another(phone: &Party) -> Vec<u8> {
    let key = Key::random(Suite::AesCm128HmacSha1_80);
    phone.describe("RTP/SAVP", &[&key.sdes_line(1), REQUESTED])
}

/// Asserts that a description is at fault, and none of the gateways.
fn is_at_fault(refused: &Message) {
    assert!(refused.text().starts_with("SIP/2.0 488"), "{}", refused.text());
    assert!(refused.header("Warning").starts_with("399 "), "{}", refused.text());
    assert_eq!(refused.header("Retry-After"), "");
}

/// Asserts that a gateway is missing.
fn is_missing(refused: &Message) {
    assert!(refused.text().starts_with("SIP/2.0 503"), "{}", refused.text());
    assert_eq!(refused.header("Retry-After"), "5");
    assert_eq!(refused.header("Warning"), "");
}

#[test]
fn a_description_that_the_gateway_refuses_is_not_acceptable_here() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let Some((mut phone, mut core)) = Edge::parties() else { return };
    let ue = edge.ue("alice");
    let route = format!("Route: {}", edge.registers(&ue, "alice", &VERIFYING));
    for (number, (profile, attributes)) in UNFIT.into_iter().enumerate() {
        let offer = phone.describe(profile, attributes);
        ue.offers("INVITE", "bob", &[], (&format!("unfit-{number}"), 1), &offer);
        is_at_fault(&ue.hears("SIP/2.0 4"));
    }
    let nothing = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio x RTP/AVP 8\r\n";
    let to = uri(&ue.contact());
    edge.core.offers("INVITE", &to, &[&route], ("no-port", 1), nothing);
    is_at_fault(&edge.core.hears("SIP/2.0 4"));
    edge.gateway.ledger().await_line("agw_contexts 0");

    // In a call that goes on.
    ue.offers("INVITE", "bob", &[], ("fit", 1), &secured(&phone));
    let invite = edge.core.hears("INVITE");
    assert_eq!(invite.header("Call-ID"), "fit", "an unfit one got through");
    let mut dialog = edge.takes(&invite, &ue, (&mut phone, &mut core));
    for (profile, attributes) in UNFIT {
        ue.requests(&mut dialog, "INVITE", &[], &phone.describe(profile, attributes));
        is_at_fault(&ue.hears("SIP/2.0 4"));
    }
    talk(&mut phone, &mut core);
    edge.core.requests(&mut edge.core.called(&invite), "INVITE", &[], nothing);
    is_at_fault(&edge.core.hears("SIP/2.0 4"));
    talk(&mut phone, &mut core);
    edge.gateway.ledger().await_line("agw_contexts 1");
    ue.hangs_up(&mut dialog, &edge.core);
    edge.ends();
}

/// An edge before a gateway that has room for one call.
fn before_one(site: &str) -> Option<Edge> {
    let gateway = Gateway::with(&ONE);
    let ng = gateway.daemon.ng_udp[0];
    let edge = Edge::before(gateway, &format!("#!define AGW \"udp:{ng}\"\n{site}"))?;
    edge.await_ping();
    Some(edge)
}

/// Asserts that there is no room for a call of a UE and one to it, whatever is in their descriptions.
fn has_no_room(edge: &Edge, ue: &Agent, route: &str, phone: &Party, core: &Party, name: &str) {
    let unfit = phone.describe(UNFIT[0].0, UNFIT[0].1);
    for (number, offer) in [another(phone), unfit].into_iter().enumerate() {
        ue.offers("INVITE", "bob", &[], (&format!("{name}-{number}"), 1), &offer);
        is_missing(&ue.hears("SIP/2.0 5"));
    }
    let offer = core.describe("RTP/AVP", &[]);
    let to = uri(&ue.contact());
    edge.core.offers("INVITE", &to, &[route], (&format!("{name}-to"), 1), &offer);
    is_missing(&edge.core.hears("SIP/2.0 5"));
}

#[test]
fn a_gateway_that_is_full_drains_or_is_gone_is_missing_for_a_while() {
    let Some(edge) = before_one(CLEAR) else { return };
    let Some((phone, core)) = Edge::parties() else { return };
    let ue = edge.ue("alice");
    let route = format!("Route: {}", edge.registers(&ue, "alice", &VERIFYING));
    ue.offers("INVITE", "bob", &[], ("first", 1), &secured(&phone));
    let invite = edge.core.hears("INVITE");
    has_no_room(&edge, &ue, &route, &phone, &core, "full");
    edge.core.answers(&invite, "486 Busy Here", &[], b"");
    ue.hears("486");
    edge.gateway.ledger().await_line("agw_contexts 0");

    let (code, told) = edge.gateway.agwctl(&["service", "drain"]);
    assert_eq!(code, Some(0), "{told}");
    has_no_room(&edge, &ue, &route, &phone, &core, "drains");
    let (code, told) = edge.gateway.agwctl(&["service", "restore"]);
    assert_eq!(code, Some(0), "{told}");
    let unfit = phone.describe(UNFIT[0].0, UNFIT[0].1);
    ue.offers("INVITE", "bob", &[], ("unfit", 1), &unfit);
    is_at_fault(&ue.hears("SIP/2.0 4"));
    edge.gateway.ledger().await_line("agw_contexts 0");

    edge.gateway.daemon.program.signal("KILL");
    has_no_room(&edge, &ue, &route, &phone, &core, "gone");
}
