//! Streams on which nothing happens any more.

use std::thread;
use std::time::{Duration, Instant};

use agw_iq::pb;
use agw_iq::pb::event::Kind;
use agw_srtp::Suite;
use agw_tests::{Call, Gateway, Key, Leg, PATIENCE, Side, api};

use crate::events::Listener;

//= tests/spec/relay.md#inactivity
//= type=test
//# A leg on which nothing was accepted, or nothing left, for the time asked for MUST be told once, and
//# once more when it is active again.
#[test]
fn a_phone_that_falls_silent_is_told_and_told_again_when_it_speaks() {
    let gateway = Gateway::start();
    let mut call = watched(&gateway, pb::InactiveDirection::Ingress, 300);
    call.talk();
    let mut events = gateway.wait(gateway.iq.events(Some(0), 0)).expect("events");
    let mut next = |kind: fn(&Kind) -> bool| loop {
        let event = gateway.wait(events.message()).expect("a stream").expect("an event").event;
        let event = event.expect("its content");
        if event.kind.as_ref().is_some_and(kind) {
            break event;
        }
    };

    let inactive = next(|kind| matches!(kind, Kind::MediaInactive(_)));
    let subject = inactive.subject.expect("a stream");
    assert_eq!(
        (subject.context_id, subject.termination_id, subject.stream_id),
        (call.context, 1, 1)
    );
    let Some(Kind::MediaInactive(told)) = inactive.kind else { panic!("it was one") };
    assert_eq!(told.direction(), pb::InactiveDirection::Ingress);
    assert!(told.inactive_ms >= 300, "{told:?}");

    // What leaves, and what somebody forges, is no activity of the phone.
    call.talk_outwards();
    let mut forged = call.access.seal(&[0x80; 172]);
    *forged.last_mut().expect("a tag") ^= 1;
    call.access.send_octets(&forged);
    let _ = gateway.ledger().after_drops("authentication", 1);
    call.talk_inwards();
    let active = next(|kind| matches!(kind, Kind::MediaActive(_) | Kind::MediaInactive(_)));
    assert!(matches!(active.kind, Some(Kind::MediaActive(_))), "{active:?}");
}

//= tests/spec/relay.md#inactivity
//= type=test
//# While its gates are closed for media a leg MUST NOT become inactive.
#[test]
fn a_call_on_hold_is_not_inactive_until_it_is_resumed() {
    let gateway = Gateway::start();
    let call = watched(&gateway, pb::InactiveDirection::Both, 200);
    let mode = |mode| gateway.iq.change_through_connection(api::gates(call.context, 0, mode));
    gateway.wait(mode(pb::StreamMode::Inactive)).expect("held");
    let held = gateway.wait(gateway.iq.status()).expect("a status");
    thread::sleep(Duration::from_millis(800));

    gateway.wait(mode(pb::StreamMode::SendReceive)).expect("resumed");
    let mut events = gateway.wait(gateway.iq.events(Some(0), 0)).expect("events");
    loop {
        let event = gateway.wait(events.message()).expect("a stream").expect("an event").event;
        if let Some(Kind::MediaInactive(told)) = event.and_then(|event| event.kind) {
            // Only the time since it was resumed counts.
            assert!(told.inactive_ms < 800, "{told:?} {held:?}");
            return;
        }
    }
}

//= tests/spec/relay.md#inactivity
//= type=test
//# Where media alone counts, RTCP MUST NOT keep a leg active.
#[test]
fn a_phone_that_reports_but_has_lost_its_media_is_told_where_media_alone_counts() {
    let gateway = Gateway::start();
    let mut core = Leg::plain(Side::Core.peer());
    let direction = pb::InactiveDirection::Both.into();
    core.stream.inactivity = Some(pb::Inactivity { time_ms: 400, direction, media_only: true });
    let mut call = Call::between(&gateway, Leg::plain(Side::Access.peer()), core);
    call.talk();
    let request = pb::AuditValueRequest { context_id: call.context, ..Default::default() };
    let audit = gateway.wait(gateway.iq.audit(request)).expect("an audit");
    let told = audit.contexts[0].terminations[1].streams[0].inactivity;
    assert!(told.expect("what was asked for").media_only);
    let mut listener = Listener::from_the_start(&gateway);
    let deadline = Instant::now() + PATIENCE;

    // Both ways, four times as often as it would have to be.
    thread::scope(|scope| {
        let told = scope
            .spawn(|| listener.await_kind(&gateway, |kind| matches!(kind, Kind::MediaInactive(_))));
        while !told.is_finished() && Instant::now() < deadline {
            call.report();
            thread::sleep(Duration::from_millis(100));
        }
        let subject = told.join().expect("an event").subject.expect("a stream");
        assert_eq!(subject.termination_id, 2);
    });
    call.talk();
    listener.await_kind(&gateway, |kind| matches!(kind, Kind::MediaActive(_)));
}

/// A call whose phone is watched.
fn watched(gateway: &Gateway, direction: pb::InactiveDirection, time_ms: u32) -> Call {
    let suite = Suite::AesCm128HmacSha1_80;
    let (ingress, egress) = (Key::random(suite), Key::random(suite));
    let mut access = Leg::secured(Side::Access.peer(), &ingress, &egress);
    access.stream.inactivity =
        Some(pb::Inactivity { time_ms, direction: direction.into(), media_only: false });
    Call::between(gateway, access, Leg::plain(Side::Core.peer()))
}
