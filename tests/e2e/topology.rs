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

//= tests/spec/iq.md#topology
//= type=test
//# What was isolated on a stream MUST stay so when the stream goes and comes again.
#[test]
fn video_that_was_isolated_is_not_heard_when_it_is_dropped_and_added_again() {
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae_at(&gateway, Suite::AesCm128HmacSha1_80, 3);
    let configure = |termination_id, add_streams, remove_stream_ids| {
        let configure = pb::Configure {
            context_id: call.context,
            termination_id,
            add_streams,
            remove_stream_ids,
            ..pb::Configure::default()
        };
        gateway.wait(gateway.iq.configure(configure)).expect("a change")
    };
    let [mut camera, mut screen] =
        [Side::Access, Side::Core].map(|side| Endpoint::plain(side.peer()));
    configure(1, vec![api::plain(2, &camera)], vec![]);
    let reply = configure(2, vec![api::plain(2, &screen)], vec![]);
    screen.attach(&reply.streams[1]);
    let apart = pb::Association { stream_id: 2, ..api::associated(1, 2, pb::Relation::Isolate) };
    let topology = api::topology(call.context, vec![apart]);
    gateway.wait(gateway.iq.set_topology(topology)).expect("a topology");

    configure(1, vec![], vec![2]);
    let reply = configure(1, vec![api::plain(2, &camera)], vec![]);
    camera.attach(&reply.streams[1]);

    camera.send(&rtp(7, 1, 1));
    screen.send(&rtp(8, 1, 1));
    let _ = gateway.ledger().after_drops("no_output", 2);
    call.talk();
    assert!(camera.is_silent() && screen.is_silent() && call.is_silent());
}
