//! How much may pass a leg: offenders lose, neighbours and the offended do not.

use std::time::Duration;

use agw_relay::{
    Command, DropReason, EgressExtras, EgressId, EgressSpec, Gate, IngressExtras, IngressId,
    IngressSpec, PortId, Report, RtcpEgress, RtcpIngress, SourceRule, TrafficLimit, TrafficLimits,
    Transport,
};
use agw_srtp::Suite;

use crate::support::{
    ACCESS, ACCESS_RTCP, ACCESS_RTP, CORE, CORE_RTP, Call, UE, UE_RTCP, at, egress_spec,
    ingress_spec, receiver_report, rtp,
};

const STRANGER: &str = "203.0.113.9:7000";

/// Ten packets of 100 octets at once, then ten a second; as much RTCP of its own.
const LIMITS: TrafficLimits = {
    let limit = TrafficLimit {
        sustained_octets_per_s: 1_000,
        burst_octets: 1_000,
        peak_octets_per_s: 0,
        peak_tolerance: Duration::ZERO,
    };
    TrafficLimits { rtp: Some(limit), rtcp: Some(limit) }
};

/// The same with a bucket for two hundred of them.
const DEEP: TrafficLimits = {
    let limit = TrafficLimit {
        sustained_octets_per_s: 1_000,
        burst_octets: 20_000,
        peak_octets_per_s: 0,
        peak_tolerance: Duration::ZERO,
    };
    TrafficLimits { rtp: Some(limit), rtcp: None }
};

/// A call whose access leg is limited in what arrives.
fn limited() -> Call {
    let mut call = Call::new(Suite::AesCm128HmacSha1_80);
    limit_ingress(&mut call, LIMITS);
    call
}

fn limit_ingress(call: &mut Call, limits: TrafficLimits) {
    let extras = Some(Box::new(IngressExtras { limits, ..IngressExtras::default() }));
    let spec = IngressSpec { extras, ..ingress_spec(ACCESS, Transport::Secured) };
    call.command(Command::SetIngress(IngressId(ACCESS), spec));
}

fn limit_egress(call: &mut Call, limits: TrafficLimits) {
    let extras = Some(Box::new(EgressExtras { limits, ..EgressExtras::default() }));
    let spec = EgressSpec { extras, ..egress_spec(ACCESS, Transport::Secured) };
    call.command(Command::SetEgress(EgressId(ACCESS), spec));
}

/// What the UE seals: as an IP packet it has 100 octets.
fn voice(call: &mut Call, sequence: u16) -> Vec<u8> {
    let sealed = call.seal(&rtp(7, sequence, &[5; 50]));
    assert_eq!(sealed.len() + 28, 100);
    sealed
}

/// How many of `count` packets of the UE pass that come at once.
fn passed(call: &mut Call, first: u16, count: u16) -> usize {
    let come = |sequence| {
        let sealed = voice(call, sequence);
        call.pass(ACCESS_RTP, UE, &sealed)
    };
    let outcomes: Vec<_> = (first..first + count).map(come).collect();
    let refused = |outcome: &_| *outcome == Err(DropReason::Policed);
    assert!(outcomes.iter().all(|outcome| outcome.is_ok() || refused(outcome)));
    outcomes.iter().filter(|outcome| outcome.is_ok()).count()
}

//= tests/spec/relay.md#policing
//= type=test
//# What exceeds the sustainable data rate by more than the maximum burst size MUST be discarded.
#[test]
fn what_is_too_much_is_dropped_and_told_once_a_second() {
    let mut call = limited();
    assert_eq!(passed(&mut call, 1, 30), 10);
    call.now += Duration::from_millis(500);
    assert_eq!(passed(&mut call, 31, 30), 5);
    call.now += Duration::from_secs(60);
    assert_eq!(passed(&mut call, 61, 30), 10);
    assert_eq!(call.dropped(ACCESS, DropReason::Policed), 65);
    let told: Vec<_> = std::iter::from_fn(|| call.relay.poll_report())
        .filter(|report| matches!(report, Report::Policed { .. }))
        .collect();
    let ingress = IngressId(ACCESS);
    let expected = [1, 45].map(|packets| Report::Policed { ingress, packets });
    assert_eq!(told, expected);
}

//= tests/spec/relay.md#policing
//= type=test
//# All that policing has dropped MUST be told, at the end of its second if nothing else comes.
#[test]
fn the_last_drops_are_told_when_their_second_is_over() {
    let mut call = limited();
    limit_egress(&mut call, LIMITS);
    assert_eq!(passed(&mut call, 1, 30), 10);
    let leaves = |call: &mut Call, sequence| call.pass(CORE_RTP, CORE, &rtp(9, sequence, &[5; 60]));
    assert_eq!((1..=30).filter(|&sequence| leaves(&mut call, sequence).is_ok()).count(), 10);
    let told = |call: &mut Call| -> Vec<_> {
        std::iter::from_fn(|| call.relay.poll_report())
            .filter(|report| !matches!(report, Report::Learnt { .. }))
            .collect()
    };
    let (ingress, egress) = (IngressId(ACCESS), EgressId(ACCESS));
    let both =
        |packets| [Report::Policed { ingress, packets }, Report::EgressPoliced { egress, packets }];
    assert_eq!(told(&mut call), both(1));
    let end = call.now + Duration::from_secs(1);
    assert_eq!(call.relay.poll_timeout(), Some(end));
    call.relay.handle_timeout(end - Duration::from_millis(1));
    assert_eq!(told(&mut call), []);

    call.relay.handle_timeout(end);

    assert_eq!(told(&mut call), both(19));
    assert_eq!(call.relay.poll_timeout(), None);
}

//= tests/spec/relay.md#policing
//= type=test
//# Policing MUST take place before any cryptography.
#[test]
fn a_packet_that_is_too_much_costs_no_tag() {
    let mut call = limited();
    passed(&mut call, 1, 30);
    assert_eq!(call.relay.stats().unprotected, 10);
}

//= tests/spec/relay.md#policing
//= type=test
//# RTCP MUST be limited apart from media.
#[test]
fn too_much_media_leaves_rtcp_alone_and_the_reverse() {
    let mut call = limited();
    assert_eq!(passed(&mut call, 1, 30), 10);
    let report = |call: &mut Call| {
        let sealed = call.seal_rtcp(&receiver_report(7));
        call.pass(ACCESS_RTCP, UE_RTCP, &sealed)
    };
    let outcomes: Vec<_> = (0..40).map(|_| report(&mut call)).collect();
    let passed = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    // 8 octets, and 14 more for SRTCP, in an IP packet of 50.
    assert_eq!(passed, 20);
    assert_eq!(call.dropped(ACCESS, DropReason::RtcpPoliced), 20);
}

//= tests/spec/relay.md#policing
//= type=test
//# Strangers MUST NOT use up what the peer may send.
#[test]
fn neither_a_stranger_nor_one_who_borrows_the_address_uses_up_what_the_peer_may_send() {
    for source in [STRANGER, UE] {
        let mut call = limited();
        assert_eq!(passed(&mut call, 1, 5), 5);
        for sequence in 100..200 {
            let mut forged = rtp(7, sequence, &[6; 60]);
            forged[1] = 8;
            assert!(call.pass(ACCESS_RTP, source, &forged).is_err());
        }
        assert_eq!(passed(&mut call, 6, 5), 5, "flooded from {source}");
        assert_eq!(passed(&mut call, 11, 5), 0, "flooded from {source}");
    }
}

//= tests/spec/relay.md#policing
//= type=test
//# Strangers MUST NOT use up what the peer may send.
#[test]
fn new_sources_that_are_not_even_tried_use_up_nothing_of_what_the_peer_may_send() {
    let mut call = limited();
    assert_eq!(passed(&mut call, 1, 1), 1);
    limit_ingress(&mut call, DEEP);
    let forge = |ssrc| call.pass(ACCESS_RTP, UE, &rtp(ssrc, 1, &[6; 60]));
    let outcomes: Vec<_> = (1_000..1_400).map(forge).collect();
    let untried = outcomes.iter().filter(|outcome| **outcome == Err(DropReason::Implausible));
    assert!(untried.count() > 200);
    assert_eq!(passed(&mut call, 2, 210), 200);
}

#[test]
fn with_another_limit_a_stream_begins_with_a_whole_bucket() {
    let mut call = limited();
    limit_ingress(&mut call, DEEP);
    assert_eq!(passed(&mut call, 1, 150), 150);
    limit_ingress(&mut call, LIMITS);
    assert_eq!(passed(&mut call, 151, 30), 10);

    limit_egress(&mut call, DEEP);
    let sent = |call: &mut Call, from: u16, count: u16| {
        let mut come = |sequence| call.pass(CORE_RTP, CORE, &rtp(9, sequence, &[5; 60]));
        (from..from + count).filter(|&sequence| come(sequence).is_ok()).count()
    };
    assert_eq!(sent(&mut call, 1, 150), 150);
    limit_egress(&mut call, LIMITS);
    assert_eq!(sent(&mut call, 151, 30), 10);
}

#[test]
fn a_neighbour_does_not_notice_a_flood() {
    let mut call = limited();
    let (leg, port) = (5, PortId(5));
    let peer = "198.51.100.7:9000";
    let spec = IngressSpec {
        rtp: port,
        rtcp: RtcpIngress::Off,
        signalled_rtp: Some(at(peer)),
        reverse: EgressId(leg),
        output: Some(EgressId(leg)),
        source: SourceRule::Signalled,
        extras: Some(Box::new(IngressExtras { limits: LIMITS, ..IngressExtras::default() })),
        ..ingress_spec(1, Transport::Plain)
    };
    let out = EgressSpec {
        transport: Transport::Plain,
        gate: Gate::OPEN,
        via: port,
        to: Some(at(peer)),
        rtcp: RtcpEgress::Off,
        extras: None,
    };
    call.command(Command::SetEgress(EgressId(leg), out));
    call.command(Command::SetIngress(IngressId(leg), spec));
    for second in 0..3 {
        assert_eq!(passed(&mut call, 1 + second * 1_000, 1_000), 10);
        for sequence in 0..10 {
            let packet = rtp(9, second * 10 + sequence, &[7; 60]);
            assert!(call.pass(port, peer, &packet).is_ok(), "second {second} packet {sequence}");
        }
        call.now += Duration::from_secs(1);
    }
}

#[test]
fn what_may_leave_is_limited_before_it_is_sealed() {
    let mut call = Call::new(Suite::AesCm128HmacSha1_80);
    limit_egress(&mut call, LIMITS);
    let come = |sequence| call.pass(CORE_RTP, CORE, &rtp(9, sequence, &[5; 60]));
    let outcomes: Vec<_> = (1..=30).map(come).collect();
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 10);
    assert!(outcomes[10..].iter().all(|outcome| *outcome == Err(DropReason::EgressPoliced)));
    assert_eq!(call.relay.stats().protected, 10);
    let told: Vec<_> = std::iter::from_fn(|| call.relay.poll_report()).collect();
    assert_eq!(told, [Report::EgressPoliced { egress: EgressId(ACCESS), packets: 1 }]);
}
