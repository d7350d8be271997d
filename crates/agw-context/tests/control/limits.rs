//! Gates of RTCP, latching once and anew, and how much may pass: from command to packet path.

use std::time::Duration;

use agw_context::{
    Change, Command, Configure, ContextChoice, ContextId, CryptoChange, EventKind, Outcome, Policy,
    Reason, RtcpGate, SourcePolicy, StreamChange, StreamMode, StreamSpec, TerminationId,
};
use agw_relay::{
    Command as Step, EgressSpec, Gate, Half, IngressId, IngressSpec, Report, SourceRule, Ssrc,
    TrafficLimit,
};

use crate::streams::{specs, unchanged};
use crate::support::{World, access, core, remote};

const LIMIT: TrafficLimit = TrafficLimit {
    sustained_octets_per_s: 5_000,
    burst_octets: 6_000,
    peak_octets_per_s: 0,
    peak_tolerance: Duration::ZERO,
};

fn configure(
    world: &mut World,
    context: ContextId,
    set: impl FnOnce(&mut StreamChange),
) -> Result<Outcome, agw_context::Refused> {
    let mut change = unchanged(1);
    set(&mut change);
    let termination = TerminationId(1);
    let configure = Configure::of(context, termination, vec![change]);
    world.transact(vec![Command::Configure(configure)])
}

fn both(outcome: &Outcome) -> (Option<IngressSpec>, Option<EgressSpec>) {
    specs(&outcome.work).remove(&0).unwrap_or_default()
}

//= tests/spec/relay.md#gates
//= type=test
//# RTCP MUST follow the rule that the controller has asked for.
#[test]
fn rtcp_has_the_gate_that_is_asked_for_in_every_mode() {
    let modes = [
        (StreamMode::Inactive, [false, false]),
        (StreamMode::SendOnly, [false, true]),
        (StreamMode::ReceiveOnly, [true, false]),
        (StreamMode::SendReceive, [true, true]),
    ];
    for (mode, media) in modes {
        let table = [
            (RtcpGate::UnlessInactive, [mode != StreamMode::Inactive; 2]),
            (RtcpGate::WithMedia, media),
            (RtcpGate::Open, [true; 2]),
            (RtcpGate::Closed, [false; 2]),
        ];
        for (gate, rtcp) in table {
            let mut world = World::new(Policy::default());
            let mut reserve = access(ContextChoice::New);
            reserve.streams[0].mode = mode;
            reserve.streams[0].extras.rtcp_gate = gate;
            let outcome = world.transact(vec![Command::Reserve(reserve)]).unwrap();
            let (ingress, egress) = both(&outcome);
            let expected = [0, 1].map(|half: usize| Gate { rtp: media[half], rtcp: rtcp[half] });
            assert_eq!(
                [ingress.unwrap().gate, egress.unwrap().gate],
                expected,
                "{mode:?} {gate:?}"
            );
        }
    }
}

#[test]
fn a_leg_that_latches_once_latches_anew_at_the_moment_it_is_told_to() {
    let mut world = World::new(Policy::default());
    let mut reserve = access(ContextChoice::New);
    reserve.streams[0].extras.latch_once = true;
    let outcome = world.transact(vec![Command::Reserve(reserve)]).unwrap();
    let first = both(&outcome).0.unwrap().source;
    assert!(matches!(first, SourceRule::AuthenticatedOnce { .. }));
    let context = ContextId(1);
    world.later(Duration::from_secs(1));

    let outcome = configure(&mut world, context, |change| change.relatch = true).unwrap();

    let (ingress, egress) = both(&outcome);
    let again = ingress.unwrap().source;
    assert!(matches!(again, SourceRule::AuthenticatedOnce { .. }) && again != first);
    assert_eq!(egress, None, "where media goes is left alone");
}

#[test]
fn only_a_leg_that_latches_can_latch_anew_and_only_a_secured_one_by_proof() {
    let mut world = World::new(Policy::default());
    let context = world.reserve(core(ContextChoice::New)).context;
    let refused = configure(&mut world, context, |change| change.relatch = true).unwrap_err();
    assert_eq!(refused.error.field(), Some("streams[0].relatch"));
    let once = |change: &mut StreamChange| change.extras.latch_once = Some(true);
    let refused = configure(&mut world, context, once).unwrap_err();
    assert_eq!(refused.error.field(), Some("streams[0].latch_once"));
    assert_eq!(refused.error.reason(), Reason::FieldValue);
    let latch = |change: &mut StreamChange| {
        change.source = Some(SourcePolicy::Latch { within: None });
        change.remote = Some(remote("127.0.0.1:5000"));
    };
    configure(&mut world, context, latch).unwrap();
    world.later(Duration::from_secs(60));
    let outcome = configure(&mut world, context, |change| change.relatch = true).unwrap();
    let rule = SourceRule::First { since: world.now, within_ms: 3_000 };
    assert_eq!(both(&outcome).0.unwrap().source, rule);
}

#[test]
fn limits_follow_from_the_bandwidth_by_policy_until_others_are_asked_for() {
    let mut world = World::new(Policy::default());
    let mut reserve = access(ContextChoice::New);
    reserve.streams[0].extras.bandwidth.media_bps = 80_000;
    let outcome = world.transact(vec![Command::Reserve(reserve)]).unwrap();
    let (ingress, egress) = both(&outcome);
    let (ingress, egress) = (ingress.unwrap().extras.unwrap(), egress.unwrap().extras.unwrap());
    let limit = |sustained_octets_per_s, burst_octets| {
        Some(TrafficLimit { sustained_octets_per_s, burst_octets, ..LIMIT })
    };
    for limits in [ingress.limits, egress.limits] {
        assert_eq!(limits.rtp, limit(30_000, 60_000), "three times, two seconds at once");
        assert_eq!(limits.rtcp, limit(1_500, 6_000), "a twentieth, and four packets at once");
    }
    let context = ContextId(1);
    let asked = |change: &mut StreamChange| change.extras.ingress = Change::Set(LIMIT);
    let (ingress, egress) = both(&configure(&mut world, context, asked).unwrap());
    assert_eq!((ingress.unwrap().extras.unwrap().limits.rtp, egress), (Some(LIMIT), None));
    let none = |change: &mut StreamChange| {
        change.extras.ingress = Change::Clear;
        change.extras.media_bps = Some(0);
    };
    let (ingress, egress) = both(&configure(&mut world, context, none).unwrap());
    assert_eq!((ingress.unwrap().extras, egress.unwrap().extras), (None, None));
}

#[test]
fn a_policy_without_a_factor_limits_nothing() {
    let mut world = World::new(Policy { policing_factor: 0, ..Policy::default() });
    let mut reserve = access(ContextChoice::New);
    reserve.streams[0].extras.bandwidth.media_bps = 80_000;
    let outcome = world.transact(vec![Command::Reserve(reserve)]).unwrap();
    let extras = both(&outcome).0.unwrap().extras;
    assert_eq!(extras, None);
}

#[test]
fn a_limit_that_makes_no_sense_is_refused() {
    let table = [
        (TrafficLimit { sustained_octets_per_s: 0, ..LIMIT }, "sustained_octets_per_s"),
        (TrafficLimit { burst_octets: 1_499, ..LIMIT }, "burst_octets"),
        (TrafficLimit { sustained_octets_per_s: 0, peak_octets_per_s: 1, ..LIMIT }, "burst_octets"),
        (TrafficLimit { peak_tolerance: Duration::from_micros(1), ..LIMIT }, "peak_tolerance_us"),
    ];
    for (limit, field) in table {
        let mut world = World::new(Policy::default());
        let mut reserve = access(ContextChoice::New);
        reserve.streams[0].extras.bandwidth.egress = Some(limit);
        let refused = world.transact(vec![Command::Reserve(reserve)]).unwrap_err();
        let expected = format!("streams[0].egress_limit.{field}");
        assert_eq!(refused.error.field(), Some(expected.as_str()));
    }
}

#[test]
fn what_the_packet_path_reports_of_a_flood_becomes_an_event_of_the_stream() {
    let mut world = World::new(Policy::default());
    world.reserve(access(ContextChoice::New));
    let (ingress, packets) = (IngressId(0), 7);
    let reports = [
        Report::Policed { ingress, packets },
        Report::EgressPoliced { egress: agw_relay::EgressId(0), packets },
        Report::AuthenticationFailures { ingress, packets, deaf: Some(Duration::from_secs(2)) },
        Report::Replays { ingress, packets },
        Report::SourceLimit { half: Half::Ingress(ingress), ssrc: Ssrc(77), sources: 8 },
        Report::SourceLimit {
            half: Half::Egress(agw_relay::EgressId(0)),
            ssrc: Ssrc(78),
            sources: 9,
        },
    ];
    let newest = world.gateway.newest_event();
    for report in reports {
        world.gateway.handle_report(report, std::time::SystemTime::UNIX_EPOCH);
    }
    let events = world.gateway.events_after(newest, 10).unwrap();
    let kinds: Vec<_> = events.into_iter().map(|event| event.kind).collect();
    let policed = |direction| EventKind::PolicingDrops { direction, packets };
    let refused = |direction, ssrc, sources| EventKind::SourceLimitReached {
        direction,
        ssrc,
        sources,
        group: None,
    };
    let expected = [
        policed(agw_context::Direction::Ingress),
        policed(agw_context::Direction::Egress),
        EventKind::AuthenticationFailures { packets, deaf: Some(Duration::from_secs(2)) },
        EventKind::Replays { packets },
        refused(agw_context::Direction::Ingress, 77, 8),
        refused(agw_context::Direction::Egress, 78, 9),
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn a_stream_that_asks_for_nothing_costs_the_packet_path_nothing() {
    let mut world = World::new(Policy::default());
    let outcome = world.transact(vec![Command::Reserve(access(ContextChoice::New))]).unwrap();
    let (ingress, egress) = both(&outcome);
    assert!(ingress.unwrap().extras.is_none() && egress.unwrap().extras.is_none());
    assert!(outcome.work[0].steps.iter().all(|step| !matches!(step, Step::Follow(..))));
}

#[test]
fn what_would_be_without_effect_is_refused_by_its_field() {
    let mut world = World::new(Policy::default());
    let refused = |world: &mut World, change: &dyn Fn(&mut StreamSpec)| {
        let mut reserve = access(ContextChoice::New);
        change(&mut reserve.streams[0]);
        let refused = world.transact(vec![Command::Reserve(reserve)]).unwrap_err();
        refused.error.field().map(str::to_owned)
    };
    let within = Some(SourcePolicy::Latch { within: Some(Duration::from_secs(1)) });
    let timed = refused(&mut world, &|stream| stream.source = within);
    assert_eq!(timed.as_deref(), Some("streams[0].source.within_ms"));
    let once = refused(&mut world, &|stream| {
        stream.source = Some(SourcePolicy::Signalled);
        stream.extras.latch_once = true;
    });
    assert_eq!(once.as_deref(), Some("streams[0].latch_once"));

    let context = world.reserve(access(ContextChoice::New)).context;
    let plain = world.reserve(core(ContextChoice::New)).context;
    let mut field = |context, change: &dyn Fn(&mut StreamChange)| {
        let refused = configure(&mut world, context, change).unwrap_err();
        refused.error.field().map(str::to_owned)
    };
    let timed = field(context, &|change| change.source = within);
    assert_eq!(timed.as_deref(), Some("streams[0].source.within_ms"));
    let once = field(context, &|change| {
        change.source = Some(SourcePolicy::Signalled);
        change.extras.latch_once = Some(true);
    });
    assert_eq!(once.as_deref(), Some("streams[0].latch_once"));
    let ingress = field(plain, &|change| change.ingress = CryptoChange::Remove);
    assert_eq!(ingress.as_deref(), Some("streams[0].remove_ingress_crypto"));
    let egress = field(plain, &|change| change.egress = CryptoChange::Remove);
    assert_eq!(egress.as_deref(), Some("streams[0].remove_egress_crypto"));
}
