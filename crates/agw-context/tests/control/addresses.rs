//! Which addresses may be a peer's, and which are the gateway's or its host's.

use std::net::IpAddr;

use agw_context::{
    Command, Configure, ContextChoice, Policy, RealmAddress, RealmConfig, Reason, StreamChange,
    TerminationId,
};
use agw_relay::Transport;

use crate::streams::unchanged;
use crate::support::{World, realm, remote, reserve};

#[test]
fn off_the_loopback_no_port_of_the_gateways_own_addresses_is_a_peers() {
    let own: IpAddr = "192.0.2.1".parse().unwrap();
    let outside: IpAddr = "198.51.100.1".parse().unwrap();
    let addresses = vec![RealmAddress { bind: own, advertise: Some(outside) }];
    let access = RealmConfig { addresses, ..realm("access", 40_000..=40_099) };
    let mut world = World::of(Policy::default(), vec![access]);
    for (address, is_refused) in [
        ("192.0.2.1:53", true),
        ("192.0.2.1:40010", true),
        ("198.51.100.1:40010", true),
        // Behind the same translation there may be peers.
        ("198.51.100.1:5000", false),
        ("192.0.2.2:53", false),
    ] {
        let mut reserve = reserve(ContextChoice::New, "access", Transport::Plain);
        reserve.streams[0].remote = Some(remote(address));
        let outcome = world.transact(vec![Command::Reserve(reserve)]);
        let reason = outcome.err().map(|refused| refused.error.reason());
        assert_eq!(reason, is_refused.then_some(Reason::AddressRefused), "{address}");
    }
}

//= tests/spec/iq.md#reservation
//= type=test
//# A media port of the gateway MUST be taken for a peer's only in a realm that hairpins, of the
//# same realm.
//= tests/spec/iq.md#reservation
//= type=test
//# Of the terminations of a context at most one MUST send to the gateway itself, RTCP included.
#[test]
fn where_a_realm_hairpins_one_leg_of_a_call_may_end_at_its_own_ports() {
    let at = |name: &str, octet: u8, ports, hairpin| {
        let bind = IpAddr::from([192, 0, 2, octet]);
        let addresses = vec![RealmAddress { bind, advertise: None }];
        RealmConfig { addresses, hairpin, ..realm(name, ports) }
    };
    let realms =
        vec![at("access", 1, 40_000..=40_099, false), at("core", 2, 41_000..=41_099, true)];
    let mut world = World::of(Policy::default(), realms);
    let asks = |world: &mut World, context, realm: &str, address: &str| {
        let mut reserve = reserve(context, realm, Transport::Plain);
        reserve.streams[0].remote = Some(remote(address));
        let outcome = world.transact(vec![Command::Reserve(reserve)]);
        outcome.map_err(|refused| refused.error.reason())
    };
    let refused = Some(Reason::AddressRefused);
    for (realm, address, expected) in [
        ("access", "192.0.2.1:40010", refused),
        ("access", "192.0.2.2:41010", refused),
        ("core", "192.0.2.1:40010", refused),
        // No media port, but that of another program of this host.
        ("core", "192.0.2.2:53", refused),
    ] {
        let outcome = asks(&mut world, ContextChoice::New, realm, address);
        assert_eq!(outcome.err(), expected, "{address} in {realm}");
    }
    let mut half = reserve(ContextChoice::New, "core", Transport::Plain);
    half.streams[0].remote = Some(remote("192.0.2.2:41010"));
    let context = world.reserve(half).context;
    let here = ContextChoice::Existing(context);
    assert_eq!(asks(&mut world, here, "core", "192.0.2.2:41020").err(), refused);
    asks(&mut world, here, "core", "198.51.100.1:5000").unwrap();
    let moved = Configure::of(
        context,
        TerminationId(2),
        vec![StreamChange { remote: Some(remote("192.0.2.2:41020")), ..unchanged(1) }],
    );
    let error = world.transact(vec![Command::Configure(moved)]).unwrap_err().error;
    assert_eq!(error.field(), Some("streams[0].remote.rtp"));
}

//= tests/spec/iq.md#reservation
//= type=test
//# No address of the gateway's host MUST be taken for a peer's, but for loopback in a realm on
//# loopback.
#[test]
fn no_address_of_the_host_is_a_peers_whether_it_is_in_a_realm_or_not() {
    let local = |text: &str| text.parse::<IpAddr>().unwrap();
    let addresses = vec![RealmAddress { bind: local("192.0.2.1"), advertise: None }];
    let access = RealmConfig { addresses, ..realm("access", 40_000..=40_099) };
    let core = realm("core", 41_000..=41_099);
    let mut world = World::of(Policy::default(), vec![access, core]);
    let asks = |world: &mut World, realm, address| {
        let mut reserve = reserve(ContextChoice::New, realm, Transport::Plain);
        reserve.streams[0].remote = Some(remote(address));
        world.transact(vec![Command::Reserve(reserve)]).map(drop).map_err(|refused| refused.error)
    };
    let elsewhere = "198.51.100.9:5000";
    asks(&mut world, "access", elsewhere).unwrap();
    world.gateway.handle_local_addresses(
        ["127.0.0.1", "192.0.2.1", "198.51.100.9"].into_iter().map(local).collect(),
    );
    for realm in ["access", "core"] {
        let refused = asks(&mut world, realm, elsewhere).unwrap_err();
        assert_eq!(refused.reason(), Reason::AddressRefused, "{realm}");
        assert_eq!(refused.field(), Some("streams[0].remote.rtp"));
    }
    asks(&mut world, "core", "127.0.0.1:5000").unwrap();
    world.gateway.handle_local_addresses(Vec::new());
    asks(&mut world, "access", elsewhere).unwrap();
}
