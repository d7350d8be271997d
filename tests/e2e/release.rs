//! The end of a call: last statistics, closed ports, nothing left.

use std::net::UdpSocket;

use agw_srtp::Suite;
use agw_tests::{Call, Gateway, api};
use tonic::Code;

//= tests/spec/iq.md#release
//= type=test
//# A release MUST return the final statistics of its streams.
//= tests/spec/iq.md#release
//= type=test
//# A released context MUST be unknown afterwards.
#[test]
fn a_release_tells_the_last_statistics_and_closes_the_ports() {
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae(&gateway, Suite::AesCm128HmacSha1_80);
    for _ in 0..30 {
        call.talk();
    }
    call.report();
    let packet = call.next_packet(Call::ACCESS);
    let mut forged = call.access.seal(&packet);
    *forged.last_mut().expect("a tag") ^= 0x80;
    call.access.send_octets(&forged);
    let _ = gateway.ledger().after_drops("authentication", 1);

    let released = gateway.wait(gateway.iq.release(api::release(call.context))).expect("the end");

    assert!(released.context_ended);
    let [access, core] = released.streams.as_slice() else { panic!("{released:?}") };
    for (stream, received, sent) in [(access, 32, 31), (core, 31, 31)] {
        let statistics = stream.statistics.as_ref().expect("statistics");
        let ingress = statistics.ingress.as_ref().expect("what arrived");
        let egress = statistics.egress.as_ref().expect("what left");
        let packets = |traffic: &Option<agw_iq::pb::Traffic>| traffic.as_ref().unwrap().packets;
        assert_eq!((packets(&ingress.received), packets(&ingress.received_rtcp)), (received, 1));
        assert_eq!((packets(&egress.sent), packets(&egress.sent_rtcp)), (sent, 1));
        let dropped: u64 = ingress.dropped.iter().map(|drop| drop.packets).sum();
        assert_eq!(received, packets(&ingress.forwarded) + dropped);
        assert_eq!(egress.refused, 0);
    }
    let refused = gateway
        .wait(gateway.iq.release(api::release(call.context)))
        .expect_err("the context has ended");
    assert_eq!(
        (refused.code, refused.reason.as_deref()),
        (Code::NotFound, Some("UNKNOWN_CONTEXT"))
    );
    for endpoint in [&call.access, &call.core] {
        UdpSocket::bind(endpoint.gateway()).expect("a port that is free again");
    }
    assert_eq!(gateway.wait(gateway.iq.contexts(true)).expect("an audit"), []);
}

#[test]
fn a_termination_is_released_without_the_other() {
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae(&gateway, Suite::AesCm128HmacSha1_80);
    call.talk();
    let of = |termination_id| agw_iq::pb::Release {
        context_id: call.context,
        termination_id,
        ..Default::default()
    };
    let released = gateway.wait(gateway.iq.release(of(2))).expect("the core leg ends");
    assert!(!released.context_ended);
    let packet = agw_tests::packet::rtp(Call::ACCESS, 500, 500);
    call.access.send(&packet);
    let _ = gateway.ledger().after_drops("no_output", 1);
    let released = gateway.wait(gateway.iq.release(of(1))).expect("the last leg ends");
    assert!(released.context_ended);
}
