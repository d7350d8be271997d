//! How much may pass: who sends too much loses it, and nobody else notices.

use agw_iq::pb;
use agw_iq::pb::event::Kind;
use agw_srtp::Suite;
use agw_tests::{Call, Endpoint, Gateway, Key, Leg, Side, api};

use crate::events::Listener;

const SUITE: Suite = Suite::AesCm128HmacSha1_80;

/// What an RTP packet of the tests takes as an SRTP packet over IPv4.
const OCTETS: u64 = 210;
/// What passes at once.
const BURST: u64 = 20;

//= tests/spec/relay.md#policing
//= type=test
//# What exceeds the sustainable data rate by more than the maximum burst size MUST be discarded.
#[test]
fn a_valid_flood_costs_its_sender_and_not_its_neighbour() {
    let gateway = Gateway::start();
    let (mut offender, mut neighbour) = (limited(&gateway), limited(&gateway));

    // All of them authentic; the bucket fills by a packet in many minutes.
    for _ in 0..BURST {
        offender.talk_inwards();
    }
    for _ in 0..50 {
        let packet = offender.next_packet(Call::ACCESS);
        offender.access.send(&packet);
    }
    let entry = gateway.ledger().after_drops("policed", 50);

    assert!(entry.closes(), "{entry:?}");
    for _ in 0..BURST {
        neighbour.talk();
    }
    offender.talk_outwards();
    assert!(offender.is_silent() && neighbour.is_silent());
    let mut listener = Listener::from_the_start(&gateway);
    let event = listener.await_kind(&gateway, |kind| matches!(kind, Kind::PolicingDrops(_)));
    assert_eq!(event.subject.expect("a stream").context_id, offender.context);
    let Some(Kind::PolicingDrops(drops)) = event.kind else { panic!("it was one") };
    assert_eq!((drops.direction(), drops.packets), (pb::Direction::Ingress, 1));
    // The others are told though no further one comes.
    let mut told = 1;
    while told < 50 {
        let event = listener.await_kind(&gateway, |kind| matches!(kind, Kind::PolicingDrops(_)));
        let Some(Kind::PolicingDrops(drops)) = event.kind else { panic!("it was one") };
        told += drops.packets;
    }
    assert_eq!(told, 50);
}

//= tests/spec/relay.md#policing
//= type=test
//# Strangers MUST NOT use up what the peer may send.
#[test]
fn a_forger_cannot_use_up_what_the_phone_may_send() {
    let gateway = Gateway::start();
    let mut call = limited(&gateway);
    call.talk_inwards();
    let mut stranger = Endpoint::plain(Side::Access.peer());
    stranger.attach(&call.access.local());
    let packet = call.next_packet(Call::ACCESS);
    let mut forged = call.access.seal(&packet);
    *forged.last_mut().expect("a tag") ^= 1;

    // What is charged to the phone is given back with the batch: a few at a time.
    for sent in 1..=BURST {
        stranger.send_octets(&forged);
        call.access.send_octets(&forged);
        if sent % 5 == 0 {
            let _ = gateway.ledger().after_drops("authentication", 2 * sent);
        }
    }

    for _ in 1..BURST {
        call.talk_inwards();
    }
    assert!(stranger.is_silent() && call.is_silent());
}

#[test]
fn limits_follow_from_the_signalled_bandwidth_and_are_audited() {
    let gateway = Gateway::with(&["policy.policing_factor=2"]);
    let mut core = Leg::plain(Side::Core.peer());
    core.stream.bandwidth_bps = 80_000;
    let access = Leg::secured(Side::Access.peer(), &Key::random(SUITE), &Key::random(SUITE));
    let mut call = Call::between(&gateway, access, core);
    call.talk();
    call.report();

    let contexts = gateway.wait(gateway.iq.contexts(false)).expect("an audit");

    let stream = &contexts[0].terminations[1].streams[0];
    let limit = |sustained_octets_per_s, burst_octets| {
        let rates = pb::TrafficLimit { sustained_octets_per_s, burst_octets, ..Default::default() };
        Some(rates)
    };
    assert_eq!(
        (stream.ingress_limit, stream.egress_limit),
        (limit(20_000, 40_000), stream.ingress_limit)
    );
    assert_eq!(stream.ingress_rtcp_limit, limit(1_000, 6_000));
    assert_eq!(contexts[0].terminations[0].streams[0].ingress_limit, None);
    let change = pb::StreamChange { bandwidth_bps: Some(0), ..pb::StreamChange::default() };
    let change = api::configure(call.context, 2, change);
    gateway.wait(gateway.iq.configure(change)).expect("a change");
    let contexts = gateway.wait(gateway.iq.contexts(false)).expect("an audit");
    assert_eq!(contexts[0].terminations[1].streams[0].ingress_limit, None);
    call.talk();
}

#[test]
fn what_leaves_is_limited_as_well() {
    let gateway = Gateway::start();
    let mut access = Leg::secured(Side::Access.peer(), &Key::random(SUITE), &Key::random(SUITE));
    access.stream.egress_limit = Some(bucket());
    let mut call = Call::between(&gateway, access, Leg::plain(Side::Core.peer()));
    // As RTP they are ten octets shorter.
    for _ in 0..=BURST {
        call.talk_outwards();
    }
    let packet = call.next_packet(Call::CORE);
    call.core.send(&packet);
    let _ = gateway.ledger().after_drops("egress_policed", 1);
    call.talk_inwards();
    assert!(call.is_silent());
}

/// A call whose access leg takes so many packets at once and then next to nothing.
fn limited(gateway: &Gateway) -> Call {
    let mut access = Leg::secured(Side::Access.peer(), &Key::random(SUITE), &Key::random(SUITE));
    access.stream.ingress_limit = Some(bucket());
    Call::between(gateway, access, Leg::plain(Side::Core.peer()))
}

fn bucket() -> pb::TrafficLimit {
    pb::TrafficLimit {
        sustained_octets_per_s: 1,
        burst_octets: BURST * OCTETS,
        ..pb::TrafficLimit::default()
    }
}
