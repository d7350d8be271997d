//! Reserving and releasing connection points.

use std::time::Duration;

use crate::support::{World, access, core, egress, ingress, realm, remote, reserve, stream};
use agw_context::{
    Admission, Command, CommandError, ContextChoice, ContextId, Controller, EventKind, Family,
    Policy, PortError, RealmConfig, Reason, Release, Reply, RtcpMode, ServiceCause, ServiceState,
};
use agw_relay::{Command as Step, EgressId, RtcpIngress, Transport};

//= tests/spec/relay.md#ports
//= type=test
//# An RTP port MUST be even and its RTCP port MUST be the next one unless they share one port.
#[test]
fn a_reservation_tells_an_even_port_and_the_odd_one_after_it() {
    let mut world = World::new(Policy::default());
    let reply = world.reserve(access(ContextChoice::New));
    let local = reply.streams[0];
    assert_eq!(local.rtp.port() % 2, 0);
    assert_eq!(local.rtcp.unwrap().port(), local.rtp.port() + 1);
    assert!((40_000..=40_199).contains(&local.rtp.port()));
    let open: Vec<_> = world.ports.open.values().copied().collect();
    assert_eq!(open, [local.rtp, local.rtcp.unwrap()]);
}

//= tests/spec/relay.md#ports
//= type=test
//# An RTP port MUST be even and its RTCP port MUST be the next one unless they share one port.
#[test]
fn rtcp_multiplexed_or_off_takes_one_port_only() {
    let mut world = World::new(Policy::default());
    for (mode, told) in [(RtcpMode::Mux, true), (RtcpMode::Off, false)] {
        let mut reserve = access(ContextChoice::New);
        reserve.streams[0].rtcp = mode;
        let local = world.reserve(reserve).streams[0];
        assert_eq!(local.rtcp, told.then_some(local.rtp));
    }
    assert_eq!(world.ports.open.len(), 2);
}

#[test]
fn the_family_is_that_of_the_remote_address() {
    let mut world = World::new(Policy::default());
    let mut reserve = access(ContextChoice::New);
    reserve.streams[0].remote = Some(remote("[::1]:5000"));
    assert!(world.reserve(reserve).streams[0].rtp.is_ipv6());
    let mut asked = core(ContextChoice::New);
    asked.family = Some(Family::V6);
    assert!(world.reserve(asked).streams[0].rtp.is_ipv6());
}

//= tests/spec/iq.md#reservation
//= type=test
//# A context MUST connect two or more terminations.
#[test]
fn two_terminations_are_connected_stream_by_stream() {
    let mut world = World::new(Policy::default());
    let first = world.reserve(access(ContextChoice::New));
    let mut second = core(ContextChoice::Existing(first.context));
    second.streams.push(stream(2, Transport::Plain));
    let outcome = world.transact(vec![Command::Reserve(second)]).unwrap();
    let outputs: Vec<_> = outcome.work[0]
        .steps
        .iter()
        .filter_map(|step| {
            if let Step::SetIngress(id, spec) = step { Some((id.0, spec.output)) } else { None }
        })
        .collect();
    assert_eq!(outputs, [(0, Some(EgressId(1))), (1, Some(EgressId(0))), (2, None)]);
}

//= tests/spec/iq.md#transactions
//= type=test
//# The commands of a transaction MUST be carried out all or none.
#[test]
fn a_whole_call_in_one_transaction() {
    let mut world = World::new(Policy::default());
    let mut first = access(ContextChoice::New);
    first.correlation = Some("call-1@pcscf".to_owned());
    first.streams[0].ingress = Some(ingress(1));
    first.streams[0].egress = Some(egress(2));
    let commands = vec![Command::Reserve(first), Command::Reserve(core(ContextChoice::Latest))];
    let outcome = world.transact(commands).unwrap();
    assert_eq!(outcome.work.len(), 1);
    let keys = outcome.work[0]
        .steps
        .iter()
        .filter(|step| matches!(step, Step::IngressCrypto(..) | Step::EgressCrypto(..)));
    assert_eq!(keys.count(), 2);
    let view = world.gateway.context(&world.controller, ContextId(1)).unwrap();
    assert_eq!(view.correlation.as_deref(), Some("call-1@pcscf"));
    assert_eq!(view.terminations.len(), 2);
    assert_eq!(view.topology.map(|(a, b)| (a.0, b.0)), Some((1, 2)));
}

//= tests/spec/iq.md#transactions
//= type=test
//# The commands of a transaction MUST be carried out all or none.
//= tests/spec/iq.md#acknowledgement
//= type=test
//# A refused command MUST change nothing.
#[test]
fn a_refused_transaction_leaves_nothing_behind() {
    let mut world = World::new(Policy::default());
    let mut bad = core(ContextChoice::Latest);
    bad.streams[0].remote = Some(remote("0.0.0.0:5000"));
    let mut good = access(ContextChoice::New);
    good.streams[0].ingress = Some(ingress(1));
    let refused = world.transact(vec![Command::Reserve(good), Command::Reserve(bad)]).unwrap_err();
    assert_eq!(refused.command, 1);
    assert_eq!(refused.error.field(), Some("streams[0].remote.rtp"));
    assert_eq!(refused.error.reason(), Reason::AddressRefused);
    assert!(world.ports.open.is_empty());
    assert_eq!(world.gateway.context_count(), 0);
    assert_eq!(world.gateway.newest_event(), 0);
    assert!(world.gateway.capabilities(world.now).realms.iter().all(|realm| realm.ports_used == 0));

    let mut again = access(ContextChoice::New);
    again.streams[0].ingress = Some(ingress(1));
    world.reserve(again);
}

#[test]
fn release_closes_ports_lets_them_rest_and_frees_keys() {
    let mut world = World::new(Policy { allow_ingress_key_return: true, ..Policy::default() });
    let mut reserve = access(ContextChoice::New);
    reserve.streams[0].ingress = Some(ingress(1));
    let reply = world.reserve(reserve);
    let release = Release { context: reply.context, termination: None };
    let outcome = world.transact(vec![Command::Release(release)]).unwrap();
    let Reply::Released(released) = &outcome.replies[0] else {
        panic!("{outcome:?}");
    };
    assert!(released.context_ended);
    assert_eq!(released.streams.len(), 1);
    assert!(world.ports.open.is_empty());
    let realm = &world.gateway.capabilities(world.now).realms[0];
    assert_eq!((realm.ports_used, realm.ports_resting), (0, 2));

    let mut again = access(ContextChoice::New);
    again.streams[0].ingress = Some(ingress(1));
    world.reserve(again);
}

//= tests/spec/relay.md#ports
//= type=test
//# Reserving and releasing MUST NOT lose ports.
#[test]
fn a_hundred_thousand_calls_leak_nothing() {
    let mut world = World::new(Policy::default());
    for _ in 0..100_000 {
        let (access, _) = world.call();
        let release = Release { context: access.context, termination: None };
        world.transact(vec![Command::Release(release)]).unwrap();
        world.later(Duration::from_secs(1));
    }
    assert!(world.ports.open.is_empty());
    assert_eq!(world.gateway.context_count(), 0);
    world.later(Duration::from_secs(60));
    let (access, core) = world.call();
    let view = world.gateway.context(&world.controller, access.context).unwrap();
    assert!(view.terminations.iter().all(|t| t.streams[0].ingress.0 < 64), "numbers stay dense");
    assert_ne!(access.streams[0].rtp, core.streams[0].rtp);
}

#[test]
fn a_realm_without_free_ports_says_so_and_recovers() {
    let mut world = World::new(unreserved());
    let mut replies = Vec::new();
    for _ in 0..100 {
        replies.push(world.reserve(access(ContextChoice::New)));
    }
    let more = vec![Command::Reserve(access(ContextChoice::New))];
    let refused = world.transact(more).unwrap_err();
    assert!(matches!(refused.error, CommandError::Exhausted { .. }), "{refused}");
    assert_eq!(refused.error.h248_code(), 510);
    assert_eq!(world.gateway.context_count(), 100);

    let release = Release { context: replies[0].context, termination: None };
    world.transact(vec![Command::Release(release)]).unwrap();
    world.later(Policy::default().port_rest);
    world.reserve(access(ContextChoice::New));
}

#[test]
fn another_programs_port_is_passed_over() {
    let mut world = World::new(unreserved());
    for number in 0..90u32 {
        let taken = u16::try_from(number).unwrap() * 2 + 40_001;
        let id = agw_relay::PortId(1_000 + number);
        world.ports.open.insert(id, (std::net::Ipv4Addr::LOCALHOST, taken).into());
    }
    let mut reserve = access(ContextChoice::New);
    reserve.streams[0].rtcp = RtcpMode::Pair;
    for _ in 0..20 {
        if let Ok(outcome) = world.transact(vec![Command::Reserve(access(ContextChoice::New))]) {
            let local = crate::support::termination(&outcome.replies[0]).streams[0];
            assert!(local.rtcp.unwrap().port() > 40_180, "{local:?}");
            return;
        }
    }
    panic!("ten pairs are free");
}

#[test]
fn out_of_descriptors_is_told_as_such() {
    let mut world = World::new(Policy::default());
    world.ports.refuse = Some(PortError::Descriptors);
    let refused = world.transact(vec![Command::Reserve(access(ContextChoice::New))]).unwrap_err();
    assert_eq!(refused.error.to_string(), "no descriptors left");
    assert_eq!(world.gateway.context_count(), 0);
}

//= tests/spec/iq.md#reservation
//= type=test
//# A reservation in an unknown realm MUST be refused.
#[test]
fn what_is_not_there_is_named() {
    let mut world = World::new(Policy::default());
    let mut reserve = access(ContextChoice::New);
    reserve.realm = Some("mars".to_owned());
    let refused = world.transact(vec![Command::Reserve(reserve)]).unwrap_err();
    assert_eq!(refused.error.reason(), Reason::UnknownRealm);

    let missing = access(ContextChoice::Existing(ContextId(99)));
    let refused = world.transact(vec![Command::Reserve(missing)]).unwrap_err();
    assert_eq!((refused.error.reason(), refused.error.h248_code()), (Reason::UnknownContext, 411));
}

#[test]
fn a_controller_sees_its_own_contexts_only_and_the_operator_all() {
    let mut world = World::new(Policy::default());
    let (access_reply, _) = world.call();
    world.controller = Controller("pcscf-2".to_owned());
    assert_eq!(world.gateway.context(&world.controller, access_reply.context), None);
    assert!(world.gateway.contexts(&world.controller, None, 10).is_empty());
    let release = Release { context: access_reply.context, termination: None };
    let refused = world.transact(vec![Command::Release(release)]).unwrap_err();
    assert_eq!(refused.error.reason(), Reason::UnknownContext);

    world.controller = Controller::local();
    assert_eq!(world.gateway.contexts(&world.controller, None, 10).len(), 1);
    world.transact(vec![Command::Release(release)]).unwrap();
}

#[test]
fn a_draining_gateway_takes_no_new_contexts_but_finishes_what_it_has() {
    let mut world = World::new(Policy::default());
    let first = world.reserve(access(ContextChoice::New));
    let at = std::time::SystemTime::UNIX_EPOCH;
    world.gateway.set_service(ServiceState::Draining, ServiceCause::Operator, None, at);
    let refused = world.transact(vec![Command::Reserve(core(ContextChoice::New))]).unwrap_err();
    assert_eq!(refused.error.reason(), Reason::Draining);
    world.reserve(core(ContextChoice::Existing(first.context)));
    let kinds: Vec<_> =
        world.gateway.events_after(0, 10).unwrap().into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::ContextAdded, EventKind::Draining { reason: None }]);
}

#[test]
fn the_most_contexts_are_the_most() {
    let mut world = World::new(Policy { max_contexts: 2, ..Policy::default() });
    let three = (0..3).map(|_| Command::Reserve(access(ContextChoice::New))).collect();
    let refused = world.transact(three).unwrap_err();
    assert_eq!((refused.command, refused.error.h248_code()), (2, 412));
    assert_eq!(world.gateway.context_count(), 0);
    world.reserve(access(ContextChoice::New));
    assert_eq!(world.gateway.overload(), 50);
}

#[test]
fn rtcp_of_a_secured_leg_arrives_on_its_own_port() {
    let mut world = World::new(Policy::default());
    let outcome = world.transact(vec![Command::Reserve(access(ContextChoice::New))]).unwrap();
    let spec = outcome.work[0]
        .steps
        .iter()
        .find_map(|step| if let Step::SetIngress(_, spec) = step { Some(spec) } else { None });
    let RtcpIngress::Port(rtcp) = spec.unwrap().rtcp else {
        panic!("{spec:?}");
    };
    assert!(world.ports.open.contains_key(&rtcp));
}

/// Nothing is kept for priority calls.
fn unreserved() -> Policy {
    Policy {
        admission: Admission { reserve_percent: 0, ..Admission::default() },
        ..Policy::default()
    }
}

//= tests/spec/iq.md#reservation
//= type=test
//# A stream without the protection that its realm demands MUST be refused.
#[test]
fn a_realm_admits_only_streams_with_the_protection_that_it_demands() {
    use agw_context::Protection::{Optional, Required, Terminated};
    use agw_relay::Transport::{Plain, Secured, Transparent};
    let table = [
        (Optional, [true, true, true]),
        (Required, [false, true, true]),
        (Terminated, [false, false, true]),
    ];
    for (protection, admitted) in table {
        let demanding = RealmConfig { protection, ..realm("access", 40_000..=40_199) };
        let mut world = World::of(Policy::default(), vec![demanding]);
        for (transport, admitted) in [Plain, Transparent, Secured].into_iter().zip(admitted) {
            let reserve = reserve(ContextChoice::New, "access", transport);
            let outcome = world.transact(vec![Command::Reserve(reserve)]);
            assert_eq!(outcome.is_ok(), admitted, "{protection:?} {transport:?}");
            if let Err(refused) = outcome {
                assert_eq!(refused.error.reason(), Reason::PlainRefused);
                assert_eq!(refused.error.field(), Some("streams[0].transport"));
            }
        }
    }
}
