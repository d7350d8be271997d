//! Who gets in when there is less room than there are calls, and that nobody inside is harmed.

use std::thread;

use agw_iq::client::{CallError, IqClient};
use agw_iq::pb;
use agw_iq::pb::event::Kind;
use agw_iq::pb::{OverloadLevel, Priority};
use agw_srtp::Suite;
use agw_tests::{Authority, Call, Gateway, Key, Leg, Side, api};
use tonic::Code;

use crate::events::Listener;
use crate::mtls::gateway_with;

const SUITE: Suite = Suite::AesCm128HmacSha1_80;

/// What a call without SRTP is asked for with, at that precedence.
fn offer(stream: &pb::Stream, priority: Priority) -> Vec<pb::command::Command> {
    let mut commands = api::call(vec![stream.clone()], vec![stream.clone()]);
    for command in &mut commands {
        if let pb::command::Command::Reserve(reserve) = command {
            reserve.priority = priority.into();
        }
    }
    commands
}

/// Offers a call; tells its context.
fn ask(
    gateway: &Gateway,
    controller: &IqClient,
    stream: &pb::Stream,
    priority: Priority,
) -> Result<u32, CallError> {
    let replies = gateway.wait(controller.transact(offer(stream, priority)))?;
    Ok(agw_tests::terminations(&replies)[0].context_id)
}

fn stream() -> pb::Stream {
    Leg::plain(Side::Core.peer()).stream
}

/// The refusal for want of something.
fn refused(outcome: Result<u32, CallError>) -> Option<&'static str> {
    let refused = outcome.expect_err("there is no room");
    assert_eq!(refused.code, Code::ResourceExhausted, "{refused}");
    assert_eq!(refused.reason.as_deref(), Some("EXHAUSTED"), "{refused}");
    let limit = refused.limit.map(|limit| limit.name());
    let of_contexts = limit.is_some_and(|limit| limit.ends_with("contexts"));
    assert_eq!(refused.h248_code, Some(if of_contexts { 412 } else { 510 }));
    limit
}

fn state(gateway: &Gateway) -> pb::GatewayState {
    gateway.wait(gateway.iq.status()).expect("a status").gateway.expect("a state")
}

/// The next levels of load that are told, with what was used most.
fn levels(
    listener: &mut Listener,
    gateway: &Gateway,
    count: usize,
) -> Vec<(OverloadLevel, String)> {
    let next = |_| {
        let event = listener.await_kind(gateway, |kind| matches!(kind, Kind::OverloadChanged(_)));
        let Some(Kind::OverloadChanged(told)) = event.kind else { unreachable!() };
        (told.level(), told.limit)
    };
    (0..count).map(next).collect()
}

//= tests/spec/iq.md#admission
//= type=test
//# A refusal for want of resources MUST say what ran out.
#[test]
fn at_twice_the_load_a_call_that_stands_loses_nothing_and_room_comes_back() {
    let gateway = Gateway::with(&["limits.contexts=20"]);
    let mut events = Listener::from_the_start(&gateway);
    let (mut call, ..) = Call::e2ae_at(&gateway, SUITE, 3);
    let offered = stream();
    let attempts = || (0..40).map(|_| ask(&gateway, &gateway.iq, &offered, Priority::Normal));

    let outcomes: Vec<_> = thread::scope(|scope| {
        let offering = scope.spawn(|| attempts().collect());
        while !offering.is_finished() {
            call.talk();
        }
        offering.join().expect("outcomes")
    });

    let (inside, outside): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!((inside.len(), outside.len()), (17, 23));
    for outcome in outside {
        let load = outcome.as_ref().err().and_then(|refused| refused.overload_percent);
        assert_eq!(load, Some(90));
        assert_eq!(refused(outcome), Some("contexts"));
    }
    let full = state(&gateway);
    assert_eq!((full.overload_percent, full.overload_level()), (90, OverloadLevel::Shedding));
    assert_eq!(full.overload_limit, "contexts");
    call.talk();
    let entry = gateway.ledger().read();
    assert_eq!(entry.dropped.values().sum::<u64>(), 0, "{entry:?}");
    let up = [OverloadLevel::Elevated, OverloadLevel::High, OverloadLevel::Shedding];
    let told = levels(&mut events, &gateway, 3);
    assert_eq!(told, up.map(|level| (level, "contexts".to_owned())));

    for context in inside {
        let release = api::release(context.expect("a call"));
        gateway.wait(gateway.iq.release(release)).expect("the end of a call");
    }
    let down = [OverloadLevel::High, OverloadLevel::Elevated, OverloadLevel::Normal];
    let told: Vec<_> =
        levels(&mut events, &gateway, 3).into_iter().map(|(level, _)| level).collect();
    assert_eq!(told, down);
    assert_eq!(state(&gateway).overload_level(), OverloadLevel::Normal);
    ask(&gateway, &gateway.iq, &offered, Priority::Normal).expect("room again");
    call.talk();
}

//= tests/spec/iq.md#admission
//= type=test
//# Every reply MUST tell how loaded the gateway is.
#[test]
fn every_reply_tells_how_loaded_the_gateway_is() {
    let gateway = Gateway::with(&["limits.contexts=4", "limits.reserve_percent=25"]);
    let mut service = gateway.iq.service();
    let commands: Vec<_> = offer(&stream(), Priority::Normal)
        .into_iter()
        .map(|command| pb::Command { command: Some(command) })
        .collect();
    let mut told = Vec::new();
    let mut contexts = Vec::new();
    for number in 0..3 {
        let (transaction_id, commands) = (format!("call-{number}"), commands.clone());
        let request = pb::TransactRequest { transaction_id, commands };
        let reply = gateway.wait(service.transact(request)).expect("a call").into_inner();
        contexts.push(agw_tests::terminations(&reply.replies)[0].context_id);
        told.push(reply.gateway);
    }
    let gates = pb::ChangeThroughConnectionRequest {
        transaction_id: "hold".to_owned(),
        change_through_connection: Some(api::gates(contexts[0], 1, pb::StreamMode::Inactive)),
    };
    let reply = gateway.wait(service.change_through_connection(gates)).expect("a hold");
    told.push(reply.into_inner().gateway);
    let page = pb::AuditValueRequest::default();
    told.push(gateway.wait(service.audit_value(page)).expect("an audit").into_inner().gateway);
    let asked = pb::AuditCapabilitiesRequest {};
    let reply = gateway.wait(service.audit_capabilities(asked)).expect("capabilities");
    told.push(reply.into_inner().gateway);
    let nothing = tokio_stream::iter(Vec::<pb::CompareContextsRequest>::new());
    let compared = gateway.wait(service.compare_contexts(nothing)).expect("a comparison");
    let answer = gateway.wait(compared.into_inner().message()).expect("an answer");
    told.push(answer.expect("one").gateway);
    let request = pb::ReleaseRequest {
        transaction_id: "end".to_owned(),
        release: Some(api::release(contexts[0])),
    };
    told.push(gateway.wait(service.release(request)).expect("an end").into_inner().gateway);

    let told: Vec<_> = told.into_iter().map(|state| state.expect("a state")).collect();
    let loads: Vec<_> = told.iter().map(|state| state.overload_percent).collect();
    assert_eq!(loads, [25, 50, 75, 75, 75, 75, 75, 50]);
    let levels: Vec<_> = told.iter().map(pb::GatewayState::overload_level).collect();
    let (normal, shedding) = (OverloadLevel::Normal, OverloadLevel::Shedding);
    assert_eq!(levels[..2], [normal; 2]);
    assert_eq!(levels[2..7], [shedding; 5]);
    assert_eq!(levels[7], normal);
}

//= tests/spec/iq.md#admission
//= type=test
//# A normal call MUST be refused where only the reserve for priority calls is left.
//= tests/spec/iq.md#admission
//= type=test
//# A priority or emergency call MUST be admitted up to the hard limit.
#[test]
fn the_last_contexts_are_for_priority_and_emergency_calls() {
    let gateway = Gateway::with(&["limits.contexts=10", "limits.reserve_percent=20"]);
    let stream = stream();
    let ask = |priority| ask(&gateway, &gateway.iq, &stream, priority);
    let normal: Vec<u32> = (0..8).map(|_| ask(Priority::Normal).expect("a normal call")).collect();
    assert_eq!(refused(ask(Priority::Normal)), Some("contexts"));

    let (access, core) = (Leg::plain(Side::Access.peer()), Leg::plain(Side::Core.peer()));
    let mut commands = api::call(vec![access.stream], vec![core.stream]);
    for command in &mut commands {
        if let pb::command::Command::Reserve(reserve) = command {
            reserve.priority = Priority::Emergency.into();
        }
    }
    let mut emergency = Call::set_up(&gateway, commands, access.endpoint, core.endpoint);
    emergency.talk();
    ask(Priority::Priority).expect("a call of a priority service");

    for priority in [Priority::Normal, Priority::Priority, Priority::Emergency] {
        assert_eq!(refused(ask(priority)), Some("contexts"), "{priority:?}");
    }
    assert_eq!(state(&gateway).overload_level(), OverloadLevel::Critical);
    gateway.wait(gateway.iq.release(api::release(normal[0]))).expect("the end of a call");
    assert_eq!(refused(ask(Priority::Normal)), Some("contexts"));
    ask(Priority::Emergency).expect("the last place");
    emergency.talk();
    let audited = crate::audited(&gateway, emergency.context);
    assert_eq!(audited.priority(), Priority::Emergency);
}

#[test]
fn the_last_ports_of_a_realm_are_for_priority_and_emergency_calls() {
    let gateway = Gateway::with(&["core.max_ports=10", "limits.reserve_percent=20"]);
    let stream = stream();
    let ask = |priority| ask(&gateway, &gateway.iq, &stream, priority);
    for _ in 0..4 {
        ask(Priority::Normal).expect("a normal call");
    }
    assert_eq!(refused(ask(Priority::Normal)), Some("ports"));
    let full = state(&gateway);
    assert_eq!((full.overload_percent, full.overload_limit.as_str()), (80, "ports"));
    ask(Priority::Emergency).expect("an emergency call");
    assert_eq!(refused(ask(Priority::Emergency)), Some("ports"));
    // The other realm has room.
    let reserve = api::reserve("access", vec![stream.clone()]);
    gateway.wait(gateway.iq.reserve_and_configure(reserve)).expect("another realm");
}

//= tests/spec/iq.md#admission
//= type=test
//# A change or release of what exists MUST be carried out whatever the load is.
#[test]
fn a_call_inside_a_full_gateway_is_held_resumed_rekeyed_and_gets_a_third_leg() {
    let gateway = Gateway::with(&["limits.contexts=2", "limits.reserve_percent=0"]);
    let (mut call, ..) = Call::e2ae_at(&gateway, SUITE, 3);
    let other = ask(&gateway, &gateway.iq, &stream(), Priority::Normal).expect("the last one");
    assert_eq!(state(&gateway).overload_level(), OverloadLevel::Critical);
    call.talk();

    crate::service_change::change_everything(&gateway, &mut call);

    let emergency = ask(&gateway, &gateway.iq, &stream(), Priority::Emergency);
    assert_eq!(refused(emergency), Some("contexts"));
    gateway.wait(gateway.iq.release(api::release(other))).expect("the end of a call");
    ask(&gateway, &gateway.iq, &stream(), Priority::Normal).expect("room again");
}

//= tests/spec/iq.md#admission
//= type=test
//# A controller's normal calls MUST NOT get more than its share.
#[test]
fn a_controller_that_takes_all_it_can_leaves_the_share_of_another_one() {
    let authority = Authority::new();
    let limits = ["limits.contexts=10", "limits.controller_share_percent=50"];
    let gateway = gateway_with(agw_tests::directory(), &authority, "alg-1", &limits);
    let address = format!("https://{}", gateway.daemon.iq);
    let tls = authority.controller("alg-2", &authority);
    let second = gateway.wait(IqClient::connect(&address, Some(tls))).expect("a connection");
    let stream = stream();
    let by = |controller: &IqClient| ask(&gateway, controller, &stream, Priority::Normal);

    let (key, other) = (Key::random(SUITE), Key::random(SUITE));
    let access = Leg::secured(Side::Access.peer(), &key, &other);
    let mut call = Call::between(&gateway, access, Leg::plain(Side::Core.peer()));
    for _ in 0..4 {
        by(&gateway.iq).expect("within its share");
    }
    for _ in 0..5 {
        assert_eq!(refused(by(&gateway.iq)), Some("controller_contexts"));
    }
    let emergency = ask(&gateway, &gateway.iq, &stream, Priority::Emergency);
    let emergency = emergency.expect("up to the hard limit");
    gateway.wait(gateway.iq.release(api::release(emergency))).expect("its end");
    let own: Vec<u32> = (0..4).map(|_| by(&second).expect("its own share")).collect();
    // What is left now is for priority calls of either.
    assert_eq!(refused(by(&second)), Some("contexts"));
    call.talk();

    gateway.wait(second.release(api::release(own[0]))).expect("the end of a call");
    assert_eq!(refused(by(&gateway.iq)), Some("controller_contexts"));
    by(&second).expect("its own again");
}

//= tests/spec/iq.md#admission
//= type=test
//# A stream that is added to a termination MUST be held to the limits for new calls.
#[test]
fn streams_that_are_added_to_a_call_are_held_to_what_new_calls_are() {
    let gateway = Gateway::with(&["core.max_ports=10", "limits.reserve_percent=20"]);
    let offered = stream();
    // Each takes one of the five pairs, of which the last one is the reserve.
    let [normal, urgent] = [Priority::Normal, Priority::Emergency].map(|priority| {
        let commands = vec![pb::command::Command::Reserve(pb::Reserve {
            priority: priority.into(),
            ..api::reserve("core", vec![offered.clone()])
        })];
        let replies = gateway.wait(gateway.iq.transact(commands)).expect("room");
        agw_tests::terminations(&replies)[0].context_id
    });
    let grow = |context_id, stream_id| {
        let added = pb::Stream { stream_id, ..offered.clone() };
        let configure = pb::Configure {
            context_id,
            termination_id: 1,
            add_streams: vec![added],
            ..pb::Configure::default()
        };
        gateway.wait(gateway.iq.configure(configure)).map(|reply| reply.context_id)
    };
    grow(normal, 2).expect("room");
    grow(normal, 3).expect("room");
    let limit = refused(grow(normal, 4));
    assert_eq!(limit, refused(ask(&gateway, &gateway.iq, &offered, Priority::Normal)));
    grow(urgent, 2).expect("the reserve is for it");
    assert_eq!(refused(grow(urgent, 3)), limit);
    // One that joins the call has its port all the same, as far as there is any.
    let join = pb::Reserve { context_id: normal, ..api::reserve("core", vec![offered.clone()]) };
    gateway.wait(gateway.iq.reserve_and_configure(join)).expect("a termination that joins");
}
