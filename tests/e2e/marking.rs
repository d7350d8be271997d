//! DSCP, ECN and hop limit of what leaves, read off the wire.

use std::net::IpAddr;

use agw_iq::pb;
use agw_srtp::Suite;
use agw_tests::{Call, Gateway, Key, Leg, Side, Wire, api};

use crate::{audited, on_stage};

const SUITE: Suite = Suite::AesCm128HmacSha1_80;
/// Expedited forwarding.
const EF: u8 = 46;
/// ECN-capable, and congestion experienced (RFC 3168 §5).
const ECT0: u8 = 0b10;
const ECT1: u8 = 0b01;
const CE: u8 = 0b11;

fn set(code_point: u8) -> Option<pb::DiffServ> {
    let rule = pb::DscpRule::Set.into();
    Some(pb::DiffServ { rule, code_point: Some(code_point.into()) })
}

fn by(rule: pb::DscpRule) -> Option<pb::DiffServ> {
    Some(pb::DiffServ { rule: rule.into(), code_point: None })
}

/// SRTP in the access realm, RTP in the core realm.
fn legs(access: IpAddr, core: IpAddr) -> (Leg, Leg) {
    let access = Leg::secured(access, &Key::random(SUITE), &Key::random(SUITE));
    (access, Leg::plain(core))
}

/// Every combination of families.
fn families() -> [(IpAddr, IpAddr); 3] {
    let (access, core) = (Side::Access, Side::Core);
    [
        (access.peer(), core.peer()),
        (access.peer_v6(), core.peer_v6()),
        (access.peer_v6(), core.peer()),
    ]
}

/// The traffic class that a packet arrives with which leaves the peer with this one.
fn inwards(call: &mut Call, wire: &mut Wire, sent: u8) -> u8 {
    call.access.marks(sent);
    call.talk_inwards();
    wire.datagram_to(call.core.address()).traffic_class
}

/// The same in the other direction.
fn outwards(call: &mut Call, wire: &mut Wire, sent: u8) -> u8 {
    call.core.marks(sent);
    call.talk_outwards();
    wire.datagram_to(call.access.address()).traffic_class
}

//= tests/spec/relay.md#marking
//= type=test
//# What leaves a stream MUST carry the code point that was set for it.
//= tests/spec/relay.md#marking
//= type=test
//# With copying, what leaves MUST carry the code point of the packet as it arrived.
//= tests/spec/relay.md#marking
//= type=test
//# With copying, ECT and CE of a packet MUST leave as they arrived.
//= tests/spec/relay.md#marking
//= type=test
//# Without a rule for it the ECN field of what leaves MUST say not-ECT.
#[test]
fn what_leaves_has_the_code_point_that_was_set_or_copied_and_ecn_only_where_it_was_asked_for() {
    let Some(stage) = on_stage() else { return };
    let mut wire = Wire::among_peers(&stage);
    let gateway = Gateway::start();
    for (access, core) in families() {
        let (mut access, mut core) = legs(access, core);
        access.stream.dscp = set(EF);
        core.stream.dscp = by(pb::DscpRule::Copy);
        core.stream.ecn = pb::EcnRule::Copy.into();
        let mut call = Call::between(&gateway, access, core);

        for class in [0, 10 << 2 | ECT0, 63 << 2 | ECT1, EF << 2 | CE, 8 << 2] {
            assert_eq!(inwards(&mut call, &mut wire, class), class);
            assert_eq!(outwards(&mut call, &mut wire, class), EF << 2, "{class:#x}");
        }
    }
}

//= tests/spec/relay.md#marking
//= type=test
//# Without a rule for it what leaves MUST carry the code point of its realm.
#[test]
fn a_stream_has_the_code_point_of_its_realm_until_it_is_given_another_rule() {
    let Some(stage) = on_stage() else { return };
    let mut wire = Wire::among_peers(&stage);
    let gateway = Gateway::with(&["core.dscp=26"]);
    for (access, core) in families() {
        let (access, core) = legs(access, core);
        let mut call = Call::between(&gateway, access, core);
        let sent = 10 << 2 | CE;
        assert_eq!(inwards(&mut call, &mut wire, sent), 26 << 2);
        assert_eq!(outwards(&mut call, &mut wire, sent), 0);

        // In force with the next packet, each time.
        let none = pb::EcnRule::Unspecified;
        for (dscp, ecn, expected) in [
            (None, pb::EcnRule::Copy, 26 << 2 | CE),
            (by(pb::DscpRule::Copy), none, sent),
            (None, pb::EcnRule::NotEct, 10 << 2),
            (set(63), none, 63 << 2),
            (None, pb::EcnRule::Copy, 63 << 2 | CE),
            (by(pb::DscpRule::Realm), pb::EcnRule::NotEct, 26 << 2),
        ] {
            let change = pb::StreamChange { dscp, ecn: ecn.into(), ..Default::default() };
            let configure = api::configure(call.context, 2, change);
            gateway.wait(gateway.iq.configure(configure)).expect("another marking");
            assert_eq!(inwards(&mut call, &mut wire, sent), expected, "{dscp:?} {ecn:?}");
        }
        assert_eq!(outwards(&mut call, &mut wire, sent), 0);
    }
}

#[test]
fn rtcp_is_marked_as_the_media_and_an_audit_tells_how() {
    let Some(stage) = on_stage() else { return };
    let mut wire = Wire::among_peers(&stage);
    let gateway = Gateway::start();
    let (access, mut core) = legs(Side::Access.peer(), Side::Core.peer_v6());
    core.stream.dscp = by(pb::DscpRule::Copy);
    core.stream.ecn = pb::EcnRule::Copy.into();
    let mut call = Call::between(&gateway, access, core);
    call.access.marks(EF << 2 | ECT1);
    call.report();
    let rtcp = call.core.remote().rtcp.expect("a port for RTCP");
    let to = (Side::Core.peer_v6(), u16::try_from(rtcp.port).expect("a port")).into();
    assert_eq!(wire.datagram_to(to).traffic_class, EF << 2 | ECT1);

    let context = audited(&gateway, call.context);
    let streams: Vec<_> = context.terminations.iter().flat_map(|one| &one.streams).collect();
    let told: Vec<_> = streams.iter().map(|one| (one.dscp, one.ecn())).collect();
    let expected = [
        (by(pb::DscpRule::Realm), pb::EcnRule::NotEct),
        (by(pb::DscpRule::Copy), pb::EcnRule::Copy),
    ];
    assert_eq!(told, expected);
}

//= tests/spec/relay.md#marking
//= type=test
//# What leaves MUST carry the hop limit of its realm, which is never 0.
#[test]
fn what_leaves_has_the_hop_limit_of_its_realm_whatever_it_came_with() {
    let Some(stage) = on_stage() else { return };
    let mut wire = Wire::among_peers(&stage);
    let gateway = Gateway::with(&["core.hop_limit=7"]);
    for (access, core) in families() {
        let (access, core) = legs(access, core);
        let mut call = Call::between(&gateway, access, core);
        call.talk();
        assert_eq!(wire.datagram_to(call.core.address()).hop_limit, 7);
        assert_eq!(wire.datagram_to(call.access.address()).hop_limit, 64);
    }
}
