//! IPv4, IPv6, and one on each side.

use agw_srtp::Suite;
use agw_tests::{Call, Gateway, Key, Leg, Side};

//= tests/spec/relay.md#ports
//= type=test
//# Legs of different address families MUST be relayed to each other.
#[test]
fn a_call_goes_over_ipv4_ipv6_and_from_one_to_the_other() {
    let gateway = Gateway::start();
    let access = [Side::Access.peer(), Side::Access.peer_v6()];
    let core = [Side::Core.peer(), Side::Core.peer_v6()];
    for (access, core) in access.into_iter().flat_map(|one| core.map(|other| (one, other))) {
        let suite = Suite::AesCm128HmacSha1_80;
        let (ingress, egress) = (Key::random(suite), Key::random(suite));
        let access = Leg::secured(access, &ingress, &egress);
        let mut call = Call::between(&gateway, access, Leg::plain(core));
        for _ in 0..20 {
            call.talk();
        }
        call.report();
        assert!(call.is_silent());
    }
    let entry = gateway.ledger().after(4 * 42);
    assert_eq!(entry.forwarded, entry.received, "{entry:?}");
}

//= tests/spec/relay.md#ports
//= type=test
//# An RTP port MUST be even and its RTCP port MUST be the next one unless they share one port.
//= tests/spec/relay.md#ports
//= type=test
//# Each realm MUST give out only its own addresses and ports.
#[test]
fn each_realm_gives_out_even_ports_of_its_own_range() {
    let gateway = Gateway::start();
    let ports = &gateway.daemon.ports;
    for (realm, range) in [("access", ports.access()), ("core", ports.core())] {
        for _ in 0..10 {
            let leg = Leg::plain(Side::Core.peer());
            let reserve = agw_tests::api::reserve(realm, vec![leg.stream]);
            let reply = gateway.wait(gateway.iq.reserve_and_configure(reserve)).expect("a leg");
            let local = &reply.streams[0];
            let port = |address: &Option<agw_iq::pb::SocketAddress>| {
                u16::try_from(address.as_ref().expect("an address").port).expect("a port")
            };
            let (rtp, rtcp) = (port(&local.rtp), port(&local.rtcp));
            assert_eq!((rtp % 2, rtcp), (0, rtp + 1));
            assert!(range.contains(&rtp) && range.contains(&rtcp), "{rtp} is not of {realm}");
        }
    }
}
