//! Events: numbered, resumable, with an end that is told.

use agw_iq::pb;
use agw_iq::pb::event::Kind;
use agw_srtp::Suite;
use agw_tests::{Call, Gateway, Key, Leg, Side, api};
use tonic::{Code, Streaming};

/// A subscription to events.
pub(crate) struct Listener {
    events: Streaming<pb::SubscribeEventsResponse>,
}

impl Listener {
    /// All events since the gateway started.
    pub(crate) fn from_the_start(gateway: &Gateway) -> Self {
        Self::after(gateway, Some(0), 0)
    }

    /// A subscription that stands.
    pub(crate) const fn new(events: Streaming<pb::SubscribeEventsResponse>) -> Self {
        Self { events }
    }

    fn after(gateway: &Gateway, after: Option<u64>, epoch: u64) -> Self {
        let events = gateway.wait(gateway.iq.events(after, epoch)).expect("a subscription");
        Self { events }
    }

    /// The next event.
    pub(crate) fn next(&mut self, gateway: &Gateway) -> pb::Event {
        let message = gateway.wait(self.events.message()).expect("a subscription");
        message.expect("an event").event.expect("its content")
    }

    /// The next event of a kind.
    pub(crate) fn await_kind(
        &mut self,
        gateway: &Gateway,
        wanted: impl Fn(&Kind) -> bool,
    ) -> pb::Event {
        loop {
            let event = self.next(gateway);
            if event.kind.as_ref().is_some_and(&wanted) {
                return event;
            }
        }
    }
}

//= tests/spec/iq.md#events
//= type=test
//# Events MUST be numbered without gaps.
//= tests/spec/iq.md#events
//= type=test
//# A subscriber that resumes MUST get every event after the number that it names.
#[test]
fn a_subscriber_resumes_where_it_stopped() {
    let gateway = Gateway::start();
    let contexts: Vec<u32> = (0..6).map(|_| reserve(&gateway)).collect();
    let mut listener = Listener::from_the_start(&gateway);
    let started = listener.next(&gateway);
    assert!(matches!(started.kind, Some(Kind::ServiceChanged(_))), "{started:?}");
    let seen: Vec<_> = (0..3).map(|_| listener.next(&gateway)).collect();
    drop(listener);
    for context in &contexts {
        gateway.wait(gateway.iq.release(api::release(*context))).expect("a release");
    }

    let epoch = seen[2].restart_epoch;
    let mut listener = Listener::after(&gateway, Some(seen[2].sequence), epoch);
    let rest: Vec<_> = (0..9).map(|_| listener.next(&gateway)).collect();

    let all: Vec<_> = seen.iter().chain(&rest).collect();
    let numbers: Vec<_> = all.iter().map(|event| event.sequence).collect();
    assert_eq!(numbers, (2..=13).collect::<Vec<_>>());
    let subjects: Vec<_> =
        all.iter().map(|event| event.subject.as_ref().expect("a subject").context_id).collect();
    assert_eq!(subjects, [contexts.clone(), contexts].concat());
    let added = all.iter().filter(|event| matches!(event.kind, Some(Kind::ContextAdded(_))));
    assert_eq!(added.count(), 6);
}

//= tests/spec/iq.md#events
//= type=test
//# A subscriber whose number is no longer kept MUST be told so.
//= tests/spec/iq.md#audit
//= type=test
//# A restart MUST be visible as a new epoch.
#[test]
fn a_subscriber_is_told_when_events_are_gone() {
    let gateway = Gateway::with(&["limits.events=16"]);
    for _ in 0..20 {
        let context = reserve(&gateway);
        gateway.wait(gateway.iq.release(api::release(context))).expect("a release");
    }
    let epoch = state(&gateway).restart_epoch;
    for (after, of_epoch) in [(1, 0), (1, epoch), (40, epoch.wrapping_add(1))] {
        let refused = match gateway.wait(gateway.iq.events(Some(after), of_epoch)) {
            Err(refused) => refused,
            Ok(mut events) => {
                gateway.wait(events.message()).expect_err("events that are gone").into()
            }
        };
        assert_eq!(refused.reason.as_deref(), Some("EVENTS_GONE"), "{after} of {of_epoch}");
        assert_eq!(refused.code, Code::OutOfRange);
    }
    drop(gateway);
    assert_ne!(state(&Gateway::start()).restart_epoch, epoch);
}

#[test]
fn learnt_addresses_are_told() {
    let gateway = Gateway::start();
    let suite = Suite::AesCm128HmacSha1_80;
    let access = Leg::secured(Side::Access.peer(), &Key::random(suite), &Key::random(suite));
    let mut call = Call::between(&gateway, access, Leg::plain(Side::Core.peer()));
    let mut listener = Listener::from_the_start(&gateway);

    call.talk_inwards();
    let event = listener.await_kind(&gateway, |kind| matches!(kind, Kind::Latched(_)));
    let Some(Kind::Latched(latched)) = event.kind else { unreachable!() };
    assert_eq!(latched.address, call.access.remote().rtp);

    call.access.moves();
    call.talk_inwards();
    let event = listener.await_kind(&gateway, |kind| matches!(kind, Kind::Relatched(_)));
    let Some(Kind::Relatched(relatched)) = event.kind else { unreachable!() };
    assert_eq!(relatched.address, call.access.remote().rtp);
    assert_eq!(event.subject.expect("a subject").context_id, call.context);
}

fn reserve(gateway: &Gateway) -> u32 {
    let leg = Leg::plain(Side::Core.peer());
    let reserve = api::reserve("core", vec![leg.stream]);
    gateway.wait(gateway.iq.reserve_and_configure(reserve)).expect("a context").context_id
}

fn state(gateway: &Gateway) -> pb::GatewayState {
    gateway.wait(gateway.iq.status()).expect("a status").gateway.expect("a state")
}
