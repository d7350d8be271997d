//! What goes wrong around the gateway: peers that vanish, ports that run out.

use agw_srtp::Suite;
use agw_tests::{Call, Endpoint, Gateway, Key, Leg, PortBlock, Side, api};
use tonic::Code;

//= tests/spec/relay.md#sockets
//= type=test
//# An ICMP error MUST NOT end a stream.
#[test]
fn a_peer_that_vanishes_and_comes_back_is_heard_and_hears_again() {
    let ports = PortBlock::take();
    let (rtp, rtcp) = (ports.peer(0), ports.peer(0) + 1);
    let gateway = Gateway::start();
    let suite = Suite::AesCm128HmacSha1_80;
    let access = Leg::secured(Side::Access.peer(), &Key::random(suite), &Key::random(suite));
    let mut core = Leg::plain(Side::Core.peer());
    core.endpoint = Endpoint::at(Side::Core.peer(), rtp, rtcp);
    core.stream.remote = Some(core.endpoint.remote());
    let mut call = Call::between(&gateway, access, core);
    call.talk();
    let local = call.core.local();

    // Its sockets are closed: the kernel answers the gateway with port unreachable.
    call.core = Endpoint::plain(Side::Access.peer());
    let before = gateway.ledger().read();
    for _ in 0..50 {
        let packet = call.next_packet(Call::ACCESS);
        call.access.send(&packet);
    }
    let after = gateway.ledger().after(before.received + 50);
    assert_eq!(after.forwarded, before.forwarded + 50);
    call.core = Endpoint::at(Side::Core.peer(), rtp, rtcp);
    call.core.attach(&local);

    for _ in 0..20 {
        call.talk();
    }
    call.report();
}

//= tests/spec/relay.md#ports
//= type=test
//# Reserving and releasing MUST NOT lose ports.
#[test]
fn when_ports_run_out_nothing_is_half_done_and_released_ones_serve_again() {
    let gateway = Gateway::with(&["policy.port_rest_ms=1", "limits.reserve_percent=0"]);
    let endpoint = Endpoint::plain(Side::Access.peer());
    let reserve = || {
        // The core realm's ports are used up before those of the access realm.
        let core = vec![api::plain(1, &endpoint), api::plain(2, &endpoint)];
        let commands = api::call(vec![api::plain(1, &endpoint)], core);
        gateway.wait(gateway.iq.transact(commands))
    };
    for _ in 0..3 {
        for _ in 0..20 {
            let _ = reserve().expect("a call");
        }
        for _ in 0..10 {
            let refused = reserve().expect_err("no ports");
            assert_eq!(refused.code, Code::ResourceExhausted);
            assert_eq!(refused.reason.as_deref(), Some("EXHAUSTED"));
            assert!(refused.overload_percent.is_some(), "{refused:?}");
        }
        let contexts = gateway.wait(gateway.iq.contexts(false)).expect("an audit");
        assert_eq!(contexts.len(), 20);
        let capabilities = gateway.wait(gateway.iq.capabilities()).expect("capabilities");
        let used: Vec<_> = capabilities.realms.iter().map(|realm| realm.ports_used).collect();
        assert_eq!(used, [40, 80]);
        for context in contexts {
            let release = api::release(context.context_id);
            gateway.wait(gateway.iq.release(release)).expect("the end of a call");
        }
        assert_eq!(gateway.daemon.ports.in_use(), Vec::<u16>::new());
    }
}
