//! Out of service and back: drain, lock and restore, as the operator orders them.

use agw_iq::client::CallError;
use agw_iq::pb;
use agw_iq::pb::command::Command;
use agw_iq::pb::event::Kind;
use agw_iq::pb::{ServiceChangeMethod, ServiceState, StreamMode};
use agw_srtp::{RocOnRekey, Suite};
use agw_tests::packet::rtp;
use agw_tests::{Call, Gateway, Key, Leg, Side, api, terminations};
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::draining::{health, reserve};
use crate::events::Listener;

const SUITE: Suite = Suite::AesCm128HmacSha1_80;

/// Orders a change; tells the state afterwards and how many contexts that released.
fn order(gateway: &Gateway, method: ServiceChangeMethod, reason: &str) -> (ServiceState, u64) {
    let changed = gateway.wait(gateway.iq.service_change(method, reason)).expect("a change");
    (changed.gateway.expect("a state").service_state(), changed.released_contexts)
}

fn await_health(gateway: &Gateway, status: ServingStatus, ready: &str) {
    while health(gateway) != status {}
    let page = gateway.ledger().page("/readyz");
    assert!(page.starts_with(&format!("HTTP/1.1 {ready}")), "{page}");
}

fn refused_as(outcome: Result<pb::TerminationReply, CallError>, reason: &str) {
    let refused = outcome.expect_err("no new contexts");
    assert_eq!((refused.code, refused.reason.as_deref()), (Code::Unavailable, Some(reason)));
}

/// Holds a call, resumes it, gives it new keys, and a third leg that feeds its core side for a while.
pub(crate) fn change_everything(gateway: &Gateway, call: &mut Call) {
    for mode in [StreamMode::Inactive, StreamMode::SendReceive] {
        let gates = api::gates(call.context, 1, mode);
        gateway.wait(gateway.iq.change_through_connection(gates)).expect("a hold");
    }
    call.talk();

    let (ingress, egress) = (Key::random(SUITE), Key::random(SUITE));
    let crypto =
        |key: &Key| pb::CryptoContext { roc_on_rekey: pb::RocOnRekey::Keep.into(), ..key.crypto() };
    let change = pb::StreamChange {
        ingress_crypto: Some(crypto(&ingress)),
        egress_crypto: Some(crypto(&egress)),
        ..pb::StreamChange::default()
    };
    gateway.wait(gateway.iq.configure(api::configure(call.context, 1, change))).expect("new keys");
    call.access.sends_with(&ingress, RocOnRekey::Keep);
    call.access.receives_with(&egress, RocOnRekey::Keep);
    call.talk();

    let Leg { endpoint: mut third, stream } = Leg::plain(Side::Access.peer());
    let join = pb::Reserve { context_id: call.context, ..api::reserve("access", vec![stream]) };
    let feeds = api::topology(call.context, vec![api::associated(3, 2, pb::Relation::OneWay)]);
    let commands = vec![Command::Reserve(join), Command::SetTopology(feeds)];
    let replies = gateway.wait(gateway.iq.transact(commands)).expect("a third leg");
    third.attach(&terminations(&replies)[0].streams[0]);
    let packet = rtp(0xDDDD_0001, 7, 7);
    third.send(&packet);
    assert_eq!(call.core.receive(), packet, "from the third leg");
    let release = pb::Release { context_id: call.context, termination_id: 3, ..Default::default() };
    let released = gateway.wait(gateway.iq.release(release)).expect("the end of a leg");
    assert!(!released.context_ended);
    for _ in 0..10 {
        call.talk();
    }
    call.report();
}

//= tests/spec/iq.md#service-change
//= type=test
//# A context MUST take further terminations while the gateway drains.
//= tests/spec/iq.md#service-change
//= type=test
//# A gateway that is restored MUST take new contexts again.
#[test]
fn while_the_gateway_drains_a_call_changes_and_grows_and_a_restore_takes_new_ones() {
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae_at(&gateway, SUITE, 3);
    call.talk();
    let mut events = Listener::from_the_start(&gateway);

    let drained = order(&gateway, ServiceChangeMethod::Graceful, "maintenance");
    assert_eq!(drained, (ServiceState::Draining, 0));
    let event = events.await_kind(&gateway, |kind| matches!(kind, Kind::DrainStarted(_)));
    let Some(Kind::DrainStarted(told)) = event.kind else { unreachable!() };
    assert_eq!(told.reason, "maintenance");
    await_health(&gateway, ServingStatus::NotServing, "503");
    refused_as(reserve(&gateway), "DRAINING");
    change_everything(&gateway, &mut call);
    // Once more changes nothing and tells nothing.
    let again = order(&gateway, ServiceChangeMethod::Graceful, "maintenance");
    assert_eq!(again, (ServiceState::Draining, 0));

    let restored = order(&gateway, ServiceChangeMethod::Restart, "done");
    assert_eq!(restored, (ServiceState::InService, 0));
    let of_service = |kind: &Kind| matches!(kind, Kind::DrainStarted(_) | Kind::ServiceChanged(_));
    let event = events.await_kind(&gateway, of_service);
    let Some(Kind::ServiceChanged(told)) = event.kind else { panic!("{event:?}") };
    assert_eq!((told.state(), told.h248_reason), (ServiceState::InService, 918));
    assert_eq!(told.reason, "done");
    await_health(&gateway, ServingStatus::Serving, "200");
    let (mut new, ..) = Call::e2ae(&gateway, SUITE);
    new.talk();
    call.talk();
}

//= tests/spec/iq.md#service-change
//= type=test
//# A lock MUST release every context and tell its final statistics.
#[test]
fn a_lock_ends_every_call_with_its_final_statistics_and_a_restore_takes_new_ones() {
    let gateway = Gateway::start();
    let mut calls: Vec<Call> = (0..35).map(|_| Call::e2ae(&gateway, SUITE).0).collect();
    for (number, call) in calls.iter_mut().enumerate().take(5) {
        for _ in 0..number {
            call.talk();
        }
    }
    let mut events = Listener::from_the_start(&gateway);

    let locked = order(&gateway, ServiceChangeMethod::Forced, "fire");

    assert_eq!(locked, (ServiceState::Locked, 35));
    assert_eq!(gateway.wait(gateway.iq.contexts(false)).expect("an audit"), []);
    assert_eq!(gateway.daemon.ports.in_use(), Vec::<u16>::new());
    let started = events.next(&gateway);
    assert!(matches!(started.kind, Some(Kind::ServiceChanged(_))), "{started:?}");
    let event = events.await_kind(&gateway, |kind| matches!(kind, Kind::ServiceChanged(_)));
    let Some(Kind::ServiceChanged(told)) = event.kind else { unreachable!() };
    assert_eq!((told.state(), told.h248_reason), (ServiceState::Locked, 905));
    assert_eq!(told.reason, "fire");
    let mut ended: Vec<(u32, [u64; 4])> =
        (0..35).map(|_| next_end(&mut events, &gateway)).collect();
    ended.sort_unstable();
    let expected: Vec<_> = calls
        .iter()
        .enumerate()
        .map(|(number, call)| (call.context, [if number < 5 { number as u64 } else { 0 }; 4]))
        .collect();
    assert_eq!(ended, expected);
    await_health(&gateway, ServingStatus::NotServing, "503");
    refused_as(reserve(&gateway), "LOCKED");
    // A drain is less than a lock.
    assert_eq!(order(&gateway, ServiceChangeMethod::Graceful, "").0, ServiceState::Locked);

    assert_eq!(order(&gateway, ServiceChangeMethod::Restart, "").0, ServiceState::InService);
    let event = events.await_kind(&gateway, |kind| matches!(kind, Kind::ServiceChanged(_)));
    let Some(Kind::ServiceChanged(told)) = event.kind else { unreachable!() };
    assert_eq!((told.state(), told.h248_reason), (ServiceState::InService, 900));
    await_health(&gateway, ServingStatus::Serving, "200");
    let (mut call, ..) = Call::e2ae(&gateway, SUITE);
    call.talk();
}

/// The next context that the gateway ended: packets in and out at its first and second leg.
fn next_end(events: &mut Listener, gateway: &Gateway) -> (u32, [u64; 4]) {
    let event = events.await_kind(gateway, |kind| matches!(kind, Kind::ContextEnded(_)));
    let context = event.subject.expect("a subject").context_id;
    let Some(Kind::ContextEnded(ended)) = event.kind else { unreachable!() };
    assert_eq!(ended.cause(), pb::ReleaseCause::Locked);
    let legs: Vec<_> =
        ended.streams.iter().map(|stream| (stream.termination_id, stream.stream_id)).collect();
    assert_eq!(legs, [(1, 1), (2, 1)]);
    let packets = |traffic: Option<&pb::Traffic>| traffic.map_or(0, |traffic| traffic.packets);
    let both = ended.streams.iter().flat_map(|stream| {
        let statistics = stream.statistics.as_ref().expect("statistics");
        let ingress = statistics.ingress.as_ref().and_then(|half| half.received.as_ref());
        let egress = statistics.egress.as_ref().and_then(|half| half.sent.as_ref());
        [packets(ingress), packets(egress)]
    });
    (context, both.collect::<Vec<_>>().try_into().expect("two legs"))
}
