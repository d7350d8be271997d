//! A UE sends within a dialogue to the other party and on the way that it was told, whatever it names.

use super::edge::Edge;
use super::{CLEAR, uri};
use crate::sip::{Agent, Dialog, Message};

/// Proxies of the core, from the far end.
const CORE: [&str; 2] = ["<sip:far@192.0.2.8;lr;x=1>", "<sip:near@192.0.2.7:5062;lr=on;y=\"2\">"];

/// A message that has come by the proxies of the core.
fn by_the_core(message: &Message) -> Message {
    let [far, near] = CORE;
    let fields = format!("Record-Route: {far}\r\nRecord-Route: {near}\r\nRecord-Route:");
    message.altered("Record-Route:", &fields)
}

/// Whether a request of a UE gets to the core, and what of it.
fn sends(edge: &Edge, ue: &Agent, dialog: &mut Dialog) -> Message {
    ue.requests(dialog, "INFO", &[], b"");
    let info = edge.core.hears("INFO");
    edge.core.answers(&info, "200 OK", &[], b"");
    ue.hears("200");
    info
}

/// Asserts that requests of a UE go to the target and on the way that it was told.
fn is_bound(edge: &Edge, ue: &Agent, dialog: &mut Dialog, target: &str, way: &str) {
    let told = dialog.clone();
    let info = sends(edge, ue, dialog);
    assert!(info.text().starts_with(&format!("INFO {target} SIP/2.0")), "{}", info.text());
    assert_eq!(info.headers("Route").join(","), way);
    assert!(!info.text().contains("edge="), "{}", info.text());

    // Routes of its own are not those of the dialogue.
    let (_, routes) = dialog.way();
    routes.truncate(2);
    routes.push("<sip:192.0.2.66;lr>".to_owned());
    let info = sends(edge, ue, dialog);
    assert_eq!(info.headers("Route").join(","), way);
    // What it writes in another order or adds does not matter.
    let (uri, _) = dialog.way();
    *uri = format!("{};z=3", uri.replace(";u=0", ""));
    assert_eq!(sends(edge, ue, dialog).target_of_request(), target);

    for other in ["sip:mallory@192.0.2.66", target] {
        let (uri, routes) = dialog.way();
        *uri = other.to_owned();
        routes.clone_from(told.clone().way().1);
        ue.requests(dialog, "INFO", &[], b"");
        ue.hears("481");
    }
    // Nor is the token of one dialogue, or a part of it, good for another target.
    let (uri, _) = dialog.way();
    *uri = told.clone().way().0.replace("core%40", "mallory%40");
    assert!(uri.contains("mallory"), "{uri}");
    ue.requests(dialog, "INFO", &[], b"");
    ue.hears("481");
    *dialog.way().0 = told.clone().way().0.clone();
}

#[test]
fn a_ue_that_calls_sends_to_whom_it_called_on_the_way_that_it_was_told() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let ue = edge.ue("alice");
    edge.registers(&ue, "alice", &[]);
    ue.begins("INVITE", "bob", &[], ("calling", 1));
    let invite = edge.core.hears("INVITE");
    let target = format!("sip:core@{};u=0", edge.core.address());
    let contact = format!("Contact: \"<a> \\\"b\" <{target}>;q=0.5");
    // The way: what the first proxy of the core is, is the core of this test all the same.
    let near = format!("<sip:near@{};lr=on;y=2>", edge.core.address());
    let by = by_the_core(&invite).altered(CORE[1], &near);
    edge.core.answers(&by, "200 OK", &[&contact], b"");
    let accepted = ue.hears("200");
    assert!(accepted.header("Contact").starts_with("\"<a> \\\"b\" <sip:core@"));
    assert!(accepted.header("Contact").ends_with(">;q=0.5"), "{}", accepted.text());
    let mut dialog = accepted.dialog();
    ue.requests(&mut dialog, "ACK", &[], b"");
    edge.core.hears("ACK");
    let way = format!("{near},{}", CORE[0]);
    is_bound(&edge, &ue, &mut dialog, &target, &way);

    // The other party moves, and sends on the same way.
    let moved = format!("sip:core@{};moved", edge.core.address());
    let contact = format!("Contact: {moved}");
    ue.requests(&mut dialog, "UPDATE", &[], b"");
    edge.core.answers(&edge.core.hears("UPDATE"), "200 OK", &[&contact], b"");
    let updated = ue.hears("200");
    *dialog.way().0 = updated.dialog().way().0.clone();
    assert_eq!(sends(&edge, &ue, &mut dialog).target_of_request(), moved);
    edge.ends();
}

#[test]
fn a_ue_that_is_called_sends_to_the_caller_on_the_way_that_it_was_told() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let ue = edge.ue("bob");
    let path = edge.registers(&ue, "bob", &[]);
    let near = format!("<sip:near@{};lr=on;y=2>", edge.core.address());
    let by = [near.as_str(), CORE[0]].map(|one| format!("Record-Route: {one}"));
    let headers = [&format!("Route: {path}"), by[0].as_str(), by[1].as_str()];
    edge.core.begins("INVITE", &uri(&ue.contact()), &headers, ("called", 1));
    let invite = ue.hears("INVITE");
    assert_eq!(invite.from(), edge.access);
    let first = format!("<sip:{};", edge.access);
    assert!(invite.header("Record-Route").starts_with(&first), "{}", invite.text());
    ue.answers(&invite, "200 OK", &[], b"");
    let mut dialog = edge.core.hears("200").dialog();
    // The core knows the way to the edge: its own proxies come first.
    dialog.way().1.retain(|route| route.contains(";call="));
    edge.core.requests(&mut dialog, "ACK", &[], b"");
    ue.hears("ACK");
    let target = format!("sip:core@{}", edge.core.address());
    let way = format!("{near},{}", CORE[0]);
    is_bound(&edge, &ue, &mut ue.called(&invite), &target, &way);
    edge.core.hangs_up(&mut dialog, &ue);
    edge.ends();
}

#[test]
fn whom_a_ue_met_in_a_dialogue_has_its_own_name_outside_of_it() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let ue = edge.ue("alice");
    edge.registers(&ue, "alice", &[]);
    ue.begins("INVITE", "conference", &[], ("conference", 1));
    let invite = edge.core.hears("INVITE");
    edge.core.answers(&invite, "200 OK", &["Contact: <sip:c1@focus.ims.example>;isfocus"], b"");
    let mut dialog = ue.hears("200").dialog();
    let target = dialog.way().0.clone();
    assert!(target.contains(";edge="), "{target}");
    ue.begins("SUBSCRIBE", &target, &["Event: conference"], ("its-state", 1));
    let subscribe = edge.core.hears("SUBSCRIBE");
    assert_eq!(subscribe.target_of_request(), "sip:c1@focus.ims.example");
    edge.core.answers(&subscribe, "403 Forbidden", &[], b"");
    ue.hears("403");
    let refer = format!("Refer-To: <{target};method=BYE>");
    ue.begins("REFER", "carol", &[&refer], ("invites", 1));
    let refer = edge.core.hears("REFER");
    assert_eq!(refer.header("Refer-To"), "<sip:c1@focus.ims.example;method=BYE>");
    edge.ends();
}

#[test]
fn a_subscription_goes_on_both_ways() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let ue = edge.ue("alice");
    edge.registers(&ue, "alice", &[]);
    ue.begins("SUBSCRIBE", "alice", &["Event: reg"], ("subscription", 1));
    let subscribe = edge.core.hears("SUBSCRIBE");
    edge.core.answers(&subscribe, "200 OK", &["Expires: 600"], b"");
    let mut dialog = ue.hears("200").dialog();
    edge.core.requests(&mut edge.core.called(&subscribe), "NOTIFY", &["Event: reg"], b"");
    let notify = ue.hears("NOTIFY");
    assert!(notify.header("Contact").contains(";edge="), "{}", notify.text());
    ue.answers(&notify, "200 OK", &[], b"");
    edge.core.hears("200");
    // It is renewed.
    ue.requests(&mut dialog, "SUBSCRIBE", &["Event: reg"], b"");
    let renewed = edge.core.hears("SUBSCRIBE");
    edge.core.answers(&renewed, "200 OK", &["Expires: 600"], b"");
    ue.hears("200");
    edge.ends();
}

#[test]
fn a_ue_does_not_name_the_way_to_itself() {
    let Some(edge) = Edge::start(CLEAR) else { return };
    let ue = edge.ue("bob");
    let path = edge.registers(&ue, "bob", &[]);
    let contact = "Contact: <sip:bob@192.0.2.5;alias=192.0.2.66~5060~1>";
    let route = format!("Route: {path}");
    edge.core.begins("INVITE", &uri(&ue.contact()), &[&route], ("alias", 1));
    let invite = ue.hears("INVITE");
    ue.answers(&invite, "200 OK", &[contact], b"");
    let accepted = edge.core.hears("200");
    assert_eq!(accepted.header("Contact"), "");
    ue.requests(&mut ue.called(&invite).clone(), "UPDATE", &[], b"");
    let update = edge.core.hears("UPDATE");
    assert!(!update.header("Contact").contains("192.0.2.66"), "{}", update.text());
    edge.core.answers(&update, "200 OK", &[], b"");
    ue.hears("200");
    edge.ends();
}
