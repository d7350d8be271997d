//! Three terminations: who hears whom, and the change of it while the remote leg goes on.

use agw_iq::pb;
use agw_srtp::Suite;
use agw_tests::packet::rtp;
use agw_tests::{Call, Endpoint, Gateway, Side, api};

//= tests/spec/iq.md#reservation
//= type=test
//# A context MUST connect two or more terminations.
#[test]
fn the_remote_leg_goes_on_when_another_leg_takes_over() {
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae_at(&gateway, Suite::AesCm128HmacSha1_80, 3);
    call.talk();
    let mut third = Endpoint::plain(Side::Access.peer());
    let reserve = pb::Reserve {
        context_id: call.context,
        ..api::reserve("core", vec![api::plain(1, &third)])
    };
    let reply = gateway.wait(gateway.iq.reserve_and_configure(reserve)).expect("a third leg");
    assert_eq!((reply.context_id, reply.termination_id), (call.context, 3));
    third.attach(&reply.streams[0]);

    // The new one is isolated until the topology says otherwise.
    third.send(&rtp(7, 1, 1));
    let _ = gateway.ledger().after_drops("no_output", 1);
    call.talk();
    assert!(third.is_silent());

    connect(&gateway, call.context, 1, 3);
    std::mem::swap(&mut call.core, &mut third);
    for _ in 0..20 {
        call.talk();
    }
    call.report();
    third.send(&rtp(8, 1, 1));
    let _ = gateway.ledger().after_drops("no_output", 2);
    assert!(third.is_silent() && call.is_silent());

    connect(&gateway, call.context, 2, 1);
    std::mem::swap(&mut call.core, &mut third);
    call.talk();
    assert!(third.is_silent() && call.is_silent());
}

fn connect(gateway: &Gateway, context_id: u32, from: u32, to: u32) {
    let topology = pb::SetTopology {
        context_id,
        from_termination_id: from,
        to_termination_id: to,
        ..pb::SetTopology::default()
    };
    gateway.wait(gateway.iq.set_topology(topology)).expect("a topology");
}
