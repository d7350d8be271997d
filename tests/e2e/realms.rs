//! Realms: several of them, the default one, and what becomes of one that goes and comes back.

use std::thread;
use std::time::{Duration, Instant};

use agw_iq::client::CallError;
use agw_iq::pb;
use agw_iq::pb::event::Kind;
use agw_srtp::Suite;
use agw_tests::{Call, Endpoint, Gateway, Key, Leg, PATIENCE, Side, api, stage};
use tonic::Code;

use crate::events::Listener;
use crate::on_stage;

const SUITE: Suite = Suite::AesCm128HmacSha1_80;

/// One more realm by sockets.
fn realm(name: &str, address: &str, more: &str) -> String {
    format!(
        "[[realm]]\nname = \"{name}\"\naddresses = [\"{address}\"]\nports = \"20000-20099\"\n{more}\n"
    )
}

fn realm_info(gateway: &Gateway, name: &str) -> pb::RealmInfo {
    let capabilities = gateway.wait(gateway.iq.capabilities()).expect("capabilities");
    capabilities.realms.into_iter().find(|realm| realm.name == name).expect("the realm")
}

fn reserve(gateway: &Gateway, realm: &str, family: pb::AddressFamily) -> Result<u32, CallError> {
    let endpoint = Endpoint::plain(Side::Access.peer());
    let stream = pb::Stream { remote: None, ..api::plain(1, &endpoint) };
    let address_family = family.into();
    let reserve = pb::Reserve { address_family, ..api::reserve(realm, vec![stream]) };
    gateway.wait(gateway.iq.reserve(reserve)).map(|reply| reply.context_id)
}

fn refused_as_unavailable(outcome: Result<u32, CallError>) {
    let refused = outcome.expect_err("a realm that is not available");
    assert_eq!(refused.code, Code::Unavailable, "{refused}");
    assert_eq!(refused.reason.as_deref(), Some("REALM_UNAVAILABLE"), "{refused}");
    assert_eq!(refused.h248_code, Some(510));
}

/// Waits for the event that a realm has gone or come back.
fn await_realm(listener: &mut Listener, gateway: &Gateway, name: &str, up: bool) {
    let _ = listener.await_kind(gateway, |kind| {
        let comes = matches!(kind, Kind::RealmUp(told) if told.realm == name);
        let goes = matches!(kind, Kind::RealmDown(told) if told.realm == name);
        if up { comes } else { goes }
    });
    let event = listener.next(gateway);
    let Some(Kind::CapabilitiesChanged(told)) = event.kind else { panic!("{event:?}") };
    assert_eq!(told.keys, [format!("realm.{name}")]);
    let metrics = gateway.ledger().page("/metrics");
    let sample = format!("agw_realm_available{{realm=\"{name}\"}} {}", u8::from(up));
    assert!(metrics.contains(&sample), "{sample}");
    assert_eq!(realm_info(gateway, name).available, up);
}

/// Sends until something arrives again, each way.
fn until_heard(call: &mut Call) {
    let deadline = Instant::now() + PATIENCE;
    let mut heard = [false; 2];
    while heard != [true; 2] {
        assert!(Instant::now() < deadline, "nothing comes through: {heard:?}");
        let (inwards, outwards) = (call.next_packet(Call::ACCESS), call.next_packet(Call::CORE));
        call.access.send_if_possible(&inwards);
        call.core.send_if_possible(&outwards);
        thread::sleep(Duration::from_millis(20));
        heard[0] |= !call.core.is_silent();
        heard[1] |= !call.access.is_silent();
    }
    while !call.is_silent() {
        thread::sleep(Duration::from_millis(20));
    }
}

//= tests/spec/iq.md#realms
//= type=test
//# A reservation that names no realm MUST be in the default realm.
#[test]
fn four_realms_of_either_family_relay_to_each_other_and_one_of_them_is_the_default() {
    let Some(stage) = on_stage() else { return };
    stage::ip("addr add 192.0.4.1/24 dev access");
    stage::ip("addr add 2001:db8:5::1/64 dev core nodad");
    stage.among_peers(|| {
        stage::ip("addr add 192.0.4.2/24 dev access");
        stage::ip("addr add 2001:db8:5::2/64 dev core nodad");
    });
    let roaming = realm("roaming", "192.0.4.1", "max_streams = 2\nadvertise = [\"203.0.113.9\"]");
    let trunk = realm("trunk", "2001:db8:5::1", "default = true");
    let gateway = Gateway::with(&[&roaming, &trunk]);

    let far = |text: &str| text.parse().expect("an address");
    for (from, to, access, core) in [
        ("access", "core", Side::Access.peer(), Side::Core.peer_v6()),
        ("access", "", Side::Access.peer_v6(), far("2001:db8:5::2")),
        ("core", "trunk", Side::Core.peer(), far("2001:db8:5::2")),
        ("access", "access", Side::Access.peer(), Side::Access.peer_v6()),
    ] {
        let secured = Leg::secured(access, &Key::random(SUITE), &Key::random(SUITE));
        let mut call = Call::in_realms(&gateway, (from, secured), (to, Leg::plain(core)));
        call.talk();
        call.report();
        assert!(call.is_silent());
    }

    let stream = pb::Stream { remote: None, ..Leg::plain(far("192.0.4.2")).stream };
    let reply = gateway.wait(gateway.iq.reserve(api::reserve("roaming", vec![stream])));
    let local = reply.expect("a termination").streams.remove(0).rtp.expect("an address");
    assert_eq!(local.ip, "203.0.113.9");
    let _ = reserve(&gateway, "roaming", pb::AddressFamily::Unspecified).expect("the second one");
    let refused =
        reserve(&gateway, "roaming", pb::AddressFamily::Unspecified).expect_err("a third");
    assert_eq!(refused.reason.as_deref(), Some("EXHAUSTED"));

    let info = realm_info(&gateway, "trunk");
    assert!(info.is_default && info.available && info.max_streams.is_none(), "{info:?}");
    assert_eq!(realm_info(&gateway, "roaming").max_streams, Some(2));
}

//= tests/spec/iq.md#realms
//= type=test
//# A realm that becomes available or unavailable MUST be told as an event.
//= tests/spec/iq.md#realms
//= type=test
//# A reservation in a realm that is not available MUST be refused by that reason.
//= tests/spec/iq.md#realms
//= type=test
//# Calls of a realm that becomes unavailable MUST stay, and go on when it is available again.
#[test]
fn a_realm_whose_link_goes_down_takes_no_calls_and_keeps_those_that_it_has() {
    let Some(_stage) = on_stage() else { return };
    let gateway = Gateway::start();
    let mut listener = Listener::from_the_start(&gateway);
    let (mut call, ..) = Call::e2ae(&gateway, SUITE);
    call.talk();

    stage::ip("link set core down");
    await_realm(&mut listener, &gateway, "core", false);
    refused_as_unavailable(reserve(&gateway, "core", pb::AddressFamily::Unspecified));
    let _ = reserve(&gateway, "access", pb::AddressFamily::Unspecified).expect("the other realm");

    stage::ip("link set core up");
    await_realm(&mut listener, &gateway, "core", true);
    until_heard(&mut call);
    call.talk();
    let _ = reserve(&gateway, "core", pb::AddressFamily::Ipv4).expect("the realm is back");
}

#[test]
fn an_address_that_is_taken_away_costs_its_family_only_until_it_is_there_again() {
    let Some(_stage) = on_stage() else { return };
    let gateway = Gateway::start();
    let await_unavailable = |expected: &[&str]| {
        let deadline = Instant::now() + PATIENCE;
        while realm_info(&gateway, "core").unavailable_addresses != expected {
            assert!(Instant::now() < deadline, "{:?}", realm_info(&gateway, "core"));
            thread::sleep(Duration::from_millis(20));
        }
    };
    stage::ip("addr del 192.0.3.1/24 dev core");
    await_unavailable(&["192.0.3.1"]);
    assert!(realm_info(&gateway, "core").available);
    refused_as_unavailable(reserve(&gateway, "core", pb::AddressFamily::Ipv4));
    for family in [pb::AddressFamily::Ipv6, pb::AddressFamily::Unspecified] {
        let _ = reserve(&gateway, "core", family).expect("the other family");
    }

    stage::ip("addr add 192.0.3.1/24 dev core");
    await_unavailable(&[]);
    let (mut call, ..) = Call::e2ae(&gateway, SUITE);
    until_heard(&mut call);
    call.talk();
}

//= tests/spec/iq.md#realms
//= type=test
//# An address that is not there when the gateway starts MUST NOT keep it from starting.
#[test]
fn a_gateway_starts_without_the_addresses_of_a_realm_and_serves_it_once_they_are_there() {
    let Some(_stage) = on_stage() else { return };
    stage::ip("addr flush dev core");
    let gateway = Gateway::start();
    let mut listener = Listener::from_the_start(&gateway);
    await_realm(&mut listener, &gateway, "core", false);
    refused_as_unavailable(reserve(&gateway, "core", pb::AddressFamily::Unspecified));

    stage::ip("addr add 192.0.3.1/24 dev core");
    await_realm(&mut listener, &gateway, "core", true);
    let (mut call, ..) = Call::e2ae(&gateway, SUITE);
    until_heard(&mut call);
    call.talk();
}
