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

/// Where RTCP goes on a leg of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The next port, which nobody signals.
    Next,
    /// A port of its own choice (`a=rtcp`).
    Explicit,
    /// The RTP port.
    Mux,
    /// Nowhere.
    Off,
}

impl Place {
    const ALL: [Self; 4] = [Self::Next, Self::Explicit, Self::Mux, Self::Off];

    /// The leg with RTCP there, at a pair of ports if it needs one.
    fn of(self, leg: Leg, pair: u16) -> Leg {
        let Leg { mut endpoint, mut stream } = leg;
        match self {
            Self::Next => {
                endpoint = endpoint.moved_to(pair, pair + 1);
                stream.remote = Some(pb::RemoteAddress { rtcp: None, ..endpoint.remote() });
            }
            Self::Explicit => assert_ne!(endpoint.remote().rtcp, None),
            Self::Mux => return Leg { endpoint, stream }.multiplexing(),
            Self::Off => {
                stream.rtcp = pb::RtcpMode::Off.into();
                stream.remote = Some(pb::RemoteAddress { rtcp: None, ..endpoint.remote() });
            }
        }
        Leg { endpoint, stream }
    }
}

//= tests/spec/relay.md#rtcp
//= type=test
//# RTCP MUST be relayed on a port of its own, on an explicit port or on the RTP port, as each leg asks.
#[test]
fn rtcp_goes_from_every_place_on_one_leg_to_every_place_on_the_other() {
    let ports = PortBlock::take();
    let gateway = Gateway::start();
    let mut refused = 0;
    for of_access in Place::ALL {
        for of_core in Place::ALL {
            let access = of_access.of(secured(), ports.peer(0));
            let core = of_core.of(Leg::plain(Side::Core.peer()), ports.peer(4));
            let mut call = Call::between(&gateway, access, core);
            call.talk();
            match (of_access, of_core) {
                (Place::Off, Place::Off) => {}
                (Place::Off, _) => {
                    call.core.send_control(&rtcp(Call::CORE, 1));
                    refused += 1;
                }
                (_, Place::Off) => {
                    call.access.send_control(&rtcp(Call::ACCESS, 1));
                    refused += 1;
                }
                (_, _) => call.report(),
            }
            let _ = gateway.ledger().after_drops("rtcp_off", refused);
            call.talk();
            assert!(call.is_silent(), "{of_access:?} to {of_core:?}");
            gateway.wait(gateway.iq.release(api::release(call.context))).expect("a release");
        }
    }
    assert_eq!(refused, 6);
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
