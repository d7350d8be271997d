//! Where RTCP goes: a port of its own, an explicit one, the RTP port, nowhere.

use agw_iq::pb;
use agw_srtp::Suite;
use agw_tests::packet::{rtcp, rtp};
use agw_tests::{Call, Endpoint, Gateway, Key, Leg, PortBlock, Side, api};

const SUITE: Suite = Suite::AesCm128HmacSha1_32;

//= tests/spec/relay.md#rtcp
//= type=test
//# RTCP MUST be relayed on a port of its own, on an explicit port or on the RTP port, as each leg asks.
#[test]
fn rtcp_goes_to_the_next_port_unless_another_one_is_signalled() {
    let ports = PortBlock::take();
    let gateway = Gateway::start();
    let mut core = Leg::plain(Side::Core.peer());
    core.endpoint = Endpoint::at(Side::Core.peer(), ports.peer(0), ports.peer(0) + 1);
    core.stream.remote = Some(pb::RemoteAddress { rtcp: None, ..core.endpoint.remote() });
    let explicit = secured();
    assert_ne!(explicit.endpoint.remote().rtcp, None);

    let mut call = Call::between(&gateway, explicit, core);

    call.report();
    call.talk();
    assert!(call.is_silent());
}

#[test]
fn rtcp_is_multiplexed_on_one_leg_and_not_on_the_other() {
    let gateway = Gateway::start();
    for (access, core) in [
        (secured().multiplexing(), Leg::plain(Side::Core.peer())),
        (secured(), Leg::plain(Side::Core.peer()).multiplexing()),
        (secured().multiplexing(), Leg::plain(Side::Core.peer()).multiplexing()),
    ] {
        let mut call = Call::between(&gateway, access, core);
        for _ in 0..5 {
            call.talk();
            call.report();
        }
        assert!(call.is_silent());
    }
}

#[test]
fn rtcp_on_the_rtp_port_is_refused_without_multiplexing() {
    let gateway = Gateway::start();
    let mut call =
        Call::between(&gateway, Leg::plain(Side::Core.peer()), Leg::plain(Side::Core.peer()));

    call.access.send_octets(&rtcp(Call::ACCESS, 1));

    let _ = gateway.ledger().after_drops("wrong_component", 1);
    call.talk();
    assert!(call.is_silent());
}

//= tests/spec/relay.md#rtcp
//= type=test
//# RTCP MUST NOT pass where it is off.
#[test]
fn rtcp_has_no_port_and_does_not_pass_where_it_is_off() {
    let gateway = Gateway::start();
    let mut access = secured();
    access.stream.rtcp = pb::RtcpMode::Off.into();
    access.stream.remote = Some(pb::RemoteAddress { rtcp: None, ..access.endpoint.remote() });
    let core = Leg::plain(Side::Core.peer());
    let (mut of_access, mut of_core) = (access.endpoint, core.endpoint);
    let commands = api::call(vec![access.stream], vec![core.stream]);
    let replies = gateway.wait(gateway.iq.transact(commands)).expect("a call");
    let legs = agw_tests::terminations(&replies);
    assert_eq!(legs[0].streams[0].rtcp, None);
    of_access.attach(&legs[0].streams[0]);
    of_core.attach(&legs[1].streams[0]);

    of_core.send_control(&rtcp(Call::CORE, 1));

    let _ = gateway.ledger().after_drops("rtcp_off", 1);
    of_core.send(&rtp(Call::CORE, 1, 1));
    assert_eq!(of_access.receive(), rtp(Call::CORE, 1, 1));
    assert!(of_access.is_silent());
}

fn secured() -> Leg {
    Leg::secured(Side::Access.peer(), &Key::random(SUITE), &Key::random(SUITE))
}
