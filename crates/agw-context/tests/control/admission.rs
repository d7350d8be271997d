//! Who still gets in when the gateway is nearly full.

use std::time::SystemTime;

use agw_context::{
    Admission, Command, CommandError, Configure, ContextChoice, Controller, EventKind, Policy,
    Priority, Reason, Release, Reserve, Resource, ServiceCause, ServiceState, TerminationReply,
};
use agw_relay::Transport;

use crate::support::{World, access, core, stream};

fn world(max_contexts: usize, admission: Admission) -> World {
    World::new(Policy { max_contexts, admission, ..Policy::default() })
}

fn asked(priority: Priority) -> Reserve {
    Reserve { priority: Some(priority), ..access(ContextChoice::New) }
}

/// What ran out.
fn refusal(world: &mut World, reserve: Reserve) -> Resource {
    let refused = world.transact(vec![Command::Reserve(reserve)]).unwrap_err();
    assert_eq!(refused.error.reason(), Reason::Exhausted);
    refused.error.limit().unwrap()
}

//= tests/spec/iq.md#admission
//= type=test
//# A normal call MUST be refused where only the reserve for priority calls is left.
//= tests/spec/iq.md#admission
//= type=test
//# A priority or emergency call MUST be admitted up to the hard limit.
#[test]
fn the_last_tenth_of_contexts_is_for_priority_and_emergency_calls() {
    let mut world = world(20, Admission::default());
    for _ in 0..18 {
        world.reserve(access(ContextChoice::New));
    }
    assert_eq!(refusal(&mut world, access(ContextChoice::New)), Resource::Contexts);
    world.reserve(asked(Priority::Priority));
    let last = world.reserve(asked(Priority::Emergency));
    assert_eq!(refusal(&mut world, asked(Priority::Emergency)), Resource::Contexts);
    let view = world.gateway.context(&world.controller, last.context).unwrap();
    assert_eq!(view.priority, Priority::Emergency);

    let release = Release { context: last.context, termination: None };
    world.transact(vec![Command::Release(release)]).unwrap();
    assert_eq!(refusal(&mut world, access(ContextChoice::New)), Resource::Contexts);
    world.reserve(asked(Priority::Emergency));
}

#[test]
fn the_last_tenth_of_a_realms_ports_is_for_priority_calls_and_for_those_that_exist() {
    let mut world = world(1_000, Admission::default());
    let first = world.reserve(access(ContextChoice::New));
    for _ in 1..90 {
        world.reserve(access(ContextChoice::New));
    }
    assert_eq!(refusal(&mut world, access(ContextChoice::New)), Resource::Ports);
    world.reserve(access(ContextChoice::Existing(first.context)));
    for _ in 0..9 {
        world.reserve(asked(Priority::Emergency));
    }
    assert_eq!(refusal(&mut world, asked(Priority::Emergency)), Resource::Ports);
}

#[test]
fn a_realm_gives_out_no_more_ports_than_the_operator_says() {
    let realm_ports = [("access".to_owned(), 40)].into();
    let mut world = world(1_000, Admission { realm_ports, ..Admission::default() });
    for _ in 0..18 {
        world.reserve(access(ContextChoice::New));
    }
    assert_eq!(refusal(&mut world, access(ContextChoice::New)), Resource::Ports);
    world.reserve(asked(Priority::Priority));
    let last = world.reserve(asked(Priority::Priority));
    assert_eq!(refusal(&mut world, asked(Priority::Priority)), Resource::Ports);
    world.reserve(access(ContextChoice::Existing(last.context)));
    let rooms: Vec<_> =
        world.gateway.realm_rooms().map(|room| (room.for_normal, room.for_any)).collect();
    assert_eq!(rooms, [(false, false), (true, true)]);
}

/// Gives a termination another stream; tells what ran out.
fn growth(world: &mut World, at: &TerminationReply, id: u16) -> Option<Resource> {
    let mut configure = Configure::of(at.context, at.termination, Vec::new());
    configure.added = vec![stream(id, Transport::Secured)];
    let refused = world.transact(vec![Command::Configure(configure)]).err()?;
    assert_eq!(refused.error.reason(), Reason::Exhausted);
    refused.error.limit()
}

//= tests/spec/iq.md#admission
//= type=test
//# A stream that is added to a termination MUST be held to the limits for new calls.
#[test]
fn streams_that_a_call_is_given_later_leave_the_reserve_to_priority_calls() {
    let realm_ports = [("access".to_owned(), 40)].into();
    let mut world = world(1_000, Admission { realm_ports, ..Admission::default() });
    let normal = world.reserve(access(ContextChoice::New));
    let urgent = world.reserve(asked(Priority::Emergency));
    for id in 2..=17 {
        assert_eq!(growth(&mut world, &normal, id), None, "{id}");
    }
    assert_eq!(growth(&mut world, &normal, 18), Some(Resource::Ports), "the reserve is left");
    assert_eq!(growth(&mut world, &urgent, 2), None);
    assert_eq!(growth(&mut world, &urgent, 3), None);
    assert_eq!(growth(&mut world, &urgent, 4), Some(Resource::Ports), "max_ports");
    world.reserve(access(ContextChoice::Existing(normal.context)));
}

//= tests/spec/iq.md#admission
//= type=test
//# A controller's normal calls MUST NOT get more than its share.
#[test]
fn streams_that_a_call_is_given_later_are_within_the_share_of_its_controller() {
    let mut world = world(1_000, Admission { share_percent: 5, ..Admission::default() });
    let first = world.reserve(access(ContextChoice::New));
    // A realm of two addresses with a hundred pairs each: a twentieth is ten.
    for id in 2..=10 {
        assert_eq!(growth(&mut world, &first, id), None, "{id}");
    }
    assert_eq!(growth(&mut world, &first, 11), Some(Resource::ControllerPorts));
    let mut raised = Configure::of(first.context, first.termination, Vec::new());
    raised.priority = Some(Priority::Emergency);
    world.transact(vec![Command::Configure(raised)]).unwrap();
    assert_eq!(growth(&mut world, &first, 11), None);
    world.controller = Controller("pcscf-2".to_owned());
    let other = world.reserve(access(ContextChoice::New));
    assert_eq!(growth(&mut world, &other, 2), None);
}

//= tests/spec/iq.md#admission
//= type=test
//# A controller's normal calls MUST NOT get more than its share.
#[test]
fn a_controller_gets_its_share_and_others_theirs() {
    let shares = [("pcscf-2".to_owned(), 30)].into();
    let mut world = world(20, Admission { share_percent: 50, shares, ..Admission::default() });
    for _ in 0..10 {
        world.reserve(access(ContextChoice::New));
    }
    assert_eq!(refusal(&mut world, access(ContextChoice::New)), Resource::ControllerContexts);
    world.reserve(asked(Priority::Emergency));
    assert_eq!(refusal(&mut world, access(ContextChoice::New)), Resource::ControllerContexts);
    world.controller = Controller("pcscf-2".to_owned());
    let six: Vec<_> = (0..6).map(|_| world.reserve(access(ContextChoice::New))).collect();
    assert_eq!(refusal(&mut world, access(ContextChoice::New)), Resource::ControllerContexts);
    let release = Release { context: six[0].context, termination: None };
    world.transact(vec![Command::Release(release)]).unwrap();
    world.reserve(access(ContextChoice::New));
}

#[test]
fn a_controller_gets_its_share_of_ports() {
    let mut world = world(1_000, Admission { share_percent: 20, ..Admission::default() });
    let two = |world: &mut World| {
        let latest = Reserve { ..access(ContextChoice::Latest) };
        let commands = vec![Command::Reserve(access(ContextChoice::New)), Command::Reserve(latest)];
        world.transact(commands).map(drop).map_err(|refused| refused.error)
    };
    // A realm of two addresses with a hundred pairs each: a fifth is forty.
    for _ in 0..20 {
        two(&mut world).unwrap();
    }
    let refused = two(&mut world).unwrap_err();
    assert!(
        matches!(refused, CommandError::Exhausted { what: Resource::ControllerPorts, .. }),
        "{refused}"
    );
    let emergency = |context| Reserve { priority: Some(Priority::Emergency), ..access(context) };
    let commands = [ContextChoice::New, ContextChoice::Latest].map(emergency);
    world.transact(commands.map(Command::Reserve).into()).unwrap();
    world.controller = Controller("pcscf-2".to_owned());
    two(&mut world).unwrap();
}

#[test]
fn the_priority_of_a_call_can_be_changed_and_is_told() {
    let mut world = world(20, Admission::default());
    let made = world.reserve(access(ContextChoice::New));
    let priority =
        |world: &World| world.gateway.context(&world.controller, made.context).unwrap().priority;
    assert_eq!(priority(&world), Priority::Normal);
    let raise = Configure {
        context: made.context,
        termination: made.termination,
        streams: Vec::new(),
        priority: Some(Priority::Emergency),
        added: Vec::new(),
        removed: Vec::new(),
    };
    world.transact(vec![Command::Configure(raise)]).unwrap();
    assert_eq!(priority(&world), Priority::Emergency);
    world.reserve(core(ContextChoice::Existing(made.context)));
    assert_eq!(priority(&world), Priority::Emergency);
}

//= tests/spec/iq.md#service-change
//= type=test
//# A gateway that is restored MUST take new contexts again.
#[test]
fn a_locked_gateway_takes_nothing_and_a_restored_one_everything() {
    let mut world = world(20, Admission::default());
    let at = SystemTime::UNIX_EPOCH;
    let gateway = &mut world.gateway;
    gateway.set_service(ServiceState::Locked, ServiceCause::Operator, Some("works"), at);
    let refused = world.transact(vec![Command::Reserve(asked(Priority::Emergency))]).unwrap_err();
    assert_eq!((refused.error.reason(), refused.error.h248_code()), (Reason::Locked, 503));
    let gateway = &mut world.gateway;
    for _ in 0..2 {
        gateway.set_service(ServiceState::InService, ServiceCause::Restored, None, at);
    }
    world.reserve(access(ContextChoice::New));
    let kinds: Vec<_> =
        world.gateway.events_after(0, 10).unwrap().into_iter().map(|event| event.kind).collect();
    let [locked, restored, EventKind::ContextAdded] = &kinds[..] else { panic!("{kinds:?}") };
    let changed = |state, cause, reason: Option<&str>| EventKind::ServiceChanged {
        state,
        cause,
        reason: reason.map(Into::into),
    };
    assert_eq!(*locked, changed(ServiceState::Locked, ServiceCause::Operator, Some("works")));
    assert_eq!(*restored, changed(ServiceState::InService, ServiceCause::Restored, None));
    assert_eq!(ServiceCause::Restored.h248_reason(), 900);
}
