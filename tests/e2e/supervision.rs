//! Heartbeats, lost controllers, orphans and who takes them over.

use std::time::{Duration, Instant};

use agw_iq::client::IqClient;
use agw_iq::pb::event::Kind;
use agw_iq::pb::{self, ReleaseCause};
use agw_srtp::Suite;
use agw_tests::packet::rtp;
use agw_tests::{Authority, Call, Gateway, Key, Leg, PATIENCE, Side, api};
use tonic::Code;
use tonic::transport::Endpoint;

use crate::events::Listener;
use crate::mtls::gateway_with;

const SUITE: Suite = Suite::AesCm128HmacSha1_80;
/// A controller is lost soon; orphans stay unless a test says otherwise.
pub(crate) const LOST_SOON: [&str; 2] =
    ["supervision.controller_lost_ms=200", "supervision.adoption=[\"spiffe://ims.example\"]"];
pub(crate) const FIRST: &str = "spiffe://ims.example/alg-1";
pub(crate) const SECOND: &str = "spiffe://ims.example/alg-2";

/// A gateway whose operator watches over its unix socket.
pub(crate) struct Watched {
    authority: Authority,
    pub(crate) gateway: Gateway,
    operator: IqClient,
}

impl Watched {
    pub(crate) fn new(settings: &[&str]) -> Self {
        let authority = Authority::new();
        let directory = agw_tests::directory();
        let socket = directory.path().join("iq.sock");
        let path = format!("iq.unix_socket={}", socket.display());
        let settings: Vec<&str> = settings.iter().copied().chain([path.as_str()]).collect();
        let gateway = gateway_with(directory, &authority, FIRST, &settings);
        let address = format!("unix:{}", socket.display());
        let operator = gateway.wait(IqClient::connect(&address, None)).expect("the operator");
        Self { authority, gateway, operator }
    }

    pub(crate) fn controller(&self, name: &str) -> IqClient {
        let address = format!("https://{}", self.gateway.daemon.iq);
        let tls = self.authority.controller(name, &self.authority);
        self.gateway.wait(IqClient::connect(&address, Some(tls))).expect("a connection")
    }

    fn events(&self) -> Listener {
        let events = self.gateway.wait(self.operator.events(Some(0), 0));
        Listener::new(events.expect("a subscription"))
    }

    /// A call from SRTP to RTP that talks.
    fn call(&self) -> Call {
        let (ingress, egress) = (Key::random(SUITE), Key::random(SUITE));
        let access = Leg::secured(Side::Access.peer(), &ingress, &egress);
        let mut call = Call::between(&self.gateway, access, Leg::plain(Side::Core.peer()));
        call.talk();
        call
    }

    /// Ends the controller's connection and waits until its calls are orphans.
    pub(crate) fn lose_controller(&mut self, calls: usize) {
        let mut events = self.events();
        let nowhere = Endpoint::from_static("http://127.0.0.1:1");
        // With its last client the connection ends.
        self.gateway.iq = self.gateway.wait(async { IqClient::new(nowhere.connect_lazy()) });
        for _ in 0..calls {
            let event =
                events.await_kind(&self.gateway, |kind| matches!(kind, Kind::ContextOrphaned(_)));
            let Some(Kind::ContextOrphaned(orphaned)) = event.kind else { unreachable!() };
            assert_eq!(orphaned.controller, FIRST);
        }
    }
}

fn cause(event: &pb::Event) -> Option<ReleaseCause> {
    match &event.kind {
        Some(Kind::ReleasedByGateway(released)) => Some(released.cause()),
        _ => None,
    }
}

//= tests/spec/iq.md#supervision
//= type=test
//# Media MUST go on when a controller is lost.
//= tests/spec/iq.md#supervision
//= type=test
//# A context that was adopted MUST be unknown to its controller before.
#[test]
fn media_goes_on_without_a_controller_and_another_one_takes_the_calls_over() {
    let mut watched = Watched::new(&LOST_SOON);
    let mut calls = [watched.call(), watched.call()];
    watched.lose_controller(2);
    calls.iter_mut().for_each(Call::talk);
    let gateway = &watched.gateway;
    let status = gateway.wait(watched.operator.status()).expect("a status");
    assert_eq!((status.contexts, status.orphans), (2, 2));
    gateway.ledger().await_line("agw_orphans 2");

    let second = watched.controller(SECOND);
    assert_eq!(gateway.wait(second.contexts(false)).expect("an audit"), []);
    let mut events = Listener::new(gateway.wait(second.events(Some(0), 0)).expect("events"));
    events.await_kind(gateway, |kind| matches!(kind, Kind::ContextOrphaned(_)));
    let adopted = gateway.wait(second.adopt_orphans_of(FIRST)).expect("an adoption");
    assert_eq!(adopted, [calls[0].context, calls[1].context]);
    let event = events.await_kind(gateway, |kind| matches!(kind, Kind::ContextAdopted(_)));
    let Some(Kind::ContextAdopted(adopted)) = event.kind else { unreachable!() };
    assert_eq!((adopted.from_controller.as_str(), adopted.to_controller.as_str()), (FIRST, SECOND));
    calls.iter_mut().for_each(Call::talk);

    let first = watched.controller(FIRST);
    assert_eq!(gateway.wait(first.contexts(false)).expect("an audit"), []);
    let release = first.release(api::release(calls[0].context));
    let refused = gateway.wait(release).expect_err("another one's");
    assert_eq!(refused.code, Code::NotFound);
    for call in &calls {
        gateway.wait(second.release(api::release(call.context))).expect("its own");
    }
}

#[test]
fn a_controller_of_another_trust_domain_gets_nothing_and_the_first_one_its_own() {
    let mut watched = Watched::new(&LOST_SOON);
    let mut call = watched.call();
    watched.lose_controller(1);
    let gateway = &watched.gateway;
    let stranger = watched.controller("spiffe://elsewhere.example/alg-1");
    let refused = gateway.wait(stranger.adopt_orphans_of(FIRST)).expect_err("not allowed");
    assert_eq!(refused.reason.as_deref(), Some("ADOPTION_REFUSED"));
    let refused = gateway.wait(stranger.adopt(vec![call.context])).expect_err("not allowed");
    assert_eq!(refused.reason.as_deref(), Some("UNKNOWN_CONTEXT"));

    let first = watched.controller(FIRST);
    watched.events().await_kind(gateway, |kind| matches!(kind, Kind::ContextAdopted(_)));
    call.talk();
    let contexts = gateway.wait(first.contexts(false)).expect("an audit");
    assert_eq!((contexts.len(), contexts[0].orphaned), (1, None));
    let refused = gateway.wait(watched.controller(SECOND).adopt(vec![call.context]));
    assert_eq!(refused.expect_err("it has one").reason.as_deref(), Some("NOT_ORPHANED"));
}

//= tests/spec/iq.md#supervision
//= type=test
//# An orphan MUST be released only when nothing authentic has arrived for the configured time, or
//# at the limit of its age.
#[test]
fn of_two_orphans_the_silent_one_is_released_and_the_other_one_talks_on() {
    let settings = [LOST_SOON[0], "supervision.orphan_silence_ms=1000"];
    let mut watched = Watched::new(&settings);
    let mut talks = watched.call();
    let silent = watched.call();
    watched.lose_controller(2);
    let gateway = &watched.gateway;
    let deadline = Instant::now() + PATIENCE;
    let mut listed = 2;
    while listed == 2 {
        assert!(Instant::now() < deadline, "nothing is released");
        talks.talk();
        // Junk is no sign of life.
        silent.access.send_octets(&rtp(Call::ACCESS, 9, 9));
        let status = gateway.wait(watched.operator.status()).expect("a status");
        listed = status.contexts;
        std::thread::sleep(Duration::from_millis(20));
    }
    let event =
        watched.events().await_kind(gateway, |kind| matches!(kind, Kind::ReleasedByGateway(_)));
    assert_eq!(cause(&event), Some(ReleaseCause::Orphaned));
    assert_eq!(event.subject.expect("a subject").context_id, silent.context);
    talks.talk();
    let left = gateway.wait(watched.operator.contexts(false)).expect("an audit");
    assert_eq!(left.iter().map(|left| left.context_id).collect::<Vec<_>>(), [talks.context]);
    assert!(gateway.log().contains("released on the gateway's own account"));
}

#[test]
fn an_orphan_that_talks_is_released_at_the_limit_of_its_age() {
    let settings =
        [LOST_SOON[0], "supervision.orphan_silence_ms=1000", "supervision.orphan_limit_ms=1500"];
    let mut watched = Watched::new(&settings);
    let mut call = watched.call();
    let mut events = watched.events();
    watched.lose_controller(1);
    let gateway = &watched.gateway;
    let deadline = Instant::now() + PATIENCE;
    while gateway.wait(watched.operator.status()).expect("a status").contexts == 1 {
        assert!(Instant::now() < deadline, "nothing is released");
        let packet = call.next_packet(Call::ACCESS);
        call.access.send(&packet);
        std::thread::sleep(Duration::from_millis(20));
    }
    let event = events.await_kind(gateway, |kind| matches!(kind, Kind::ReleasedByGateway(_)));
    assert_eq!(cause(&event), Some(ReleaseCause::OrphanedTooLong));
}

//= tests/spec/iq.md#supervision
//= type=test
//# A termination that its controller does not know MUST be released by policy.
#[test]
fn a_termination_that_nobody_answers_for_is_released_and_one_that_is_confirmed_stays() {
    let settings = [
        "supervision.hanging=release",
        "supervision.heartbeat_answer_ms=500",
        "supervision.heartbeat_misses=2",
    ];
    let gateway = Gateway::with(&settings);
    let mut contexts = [0; 2];
    for context in &mut contexts {
        let stream = Leg::plain(Side::Core.peer()).stream;
        let reserve = pb::Reserve { heartbeat_ms: 1_000, ..api::reserve("core", vec![stream]) };
        let reserved = gateway.wait(gateway.iq.reserve_and_configure(reserve));
        *context = reserved.expect("a context").context_id;
    }
    let [known, forgotten] = contexts;
    let mut events = Listener::from_the_start(&gateway);
    let (mut heartbeats, mut released) = (0, None);
    while heartbeats < 3 || released.is_none() {
        let event = events.next(&gateway);
        let subject = event.subject.clone().unwrap_or_default();
        if let Some(Kind::TerminationHeartbeat(_)) = event.kind
            && subject.context_id == known
        {
            let (context_id, termination_id) = (known, subject.termination_id);
            let word = pb::TerminationConfirmation { context_id, termination_id, known: true };
            assert_eq!(gateway.wait(gateway.iq.confirm(vec![word])).expect("heard"), []);
            heartbeats += 1;
        }
        if let Some(cause) = cause(&event) {
            released = Some((subject.context_id, subject.termination_id, cause));
        }
    }
    assert_eq!(released, Some((forgotten, 1, ReleaseCause::Hanging)));
    let left = gateway.wait(gateway.iq.contexts(false)).expect("an audit");
    assert_eq!(left.iter().map(|left| left.context_id).collect::<Vec<_>>(), [known]);
    let word = pb::TerminationConfirmation { context_id: known, termination_id: 1, known: false };
    gateway.wait(gateway.iq.confirm(vec![word])).expect("heard");
    gateway.ledger().await_line("agw_released_by_gateway_total{cause=\"hanging\"} 1");
    gateway.ledger().await_line("agw_released_by_gateway_total{cause=\"rejected\"} 1");
    assert_eq!(gateway.wait(gateway.iq.contexts(false)).expect("an audit"), []);
}

//= tests/spec/iq.md#release
//= type=test
//# What the gateway itself releases MUST be told with its final statistics.
#[test]
fn a_call_that_its_controller_does_not_know_goes_at_once_though_it_talks_and_is_told_whole() {
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae_at(&gateway, Suite::AesCm128HmacSha1_80, 3);
    for _ in 0..7 {
        call.talk();
    }
    let mut events = Listener::from_the_start(&gateway);
    let context_id = call.context;
    let words = [1, 2].map(|termination_id| pb::TerminationConfirmation {
        context_id,
        termination_id,
        known: false,
    });

    assert_eq!(gateway.wait(gateway.iq.confirm(words.into())).expect("heard"), []);

    for termination in [1, 2] {
        let event = events.await_kind(&gateway, |kind| matches!(kind, Kind::ContextEnded(_)));
        let subject = event.subject.expect("a subject");
        assert_eq!((subject.context_id, subject.termination_id), (context_id, termination));
        let Some(Kind::ContextEnded(ended)) = event.kind else { unreachable!() };
        assert_eq!(ended.cause(), ReleaseCause::Rejected);
        let [stream] = &ended.streams[..] else { panic!("{ended:?}") };
        let statistics = stream.statistics.as_ref().expect("statistics");
        let received = statistics.ingress.as_ref().and_then(|half| half.received.as_ref());
        assert_eq!(received.map(|traffic| traffic.packets), Some(7));
    }
    assert_eq!(gateway.wait(gateway.iq.contexts(false)).expect("an audit"), []);
}

#[test]
fn the_older_instance_of_a_controller_is_fenced_off() {
    let gateway = Gateway::start();
    let reserve = || api::reserve("core", vec![Leg::plain(Side::Core.peer()).stream]);
    let (old, new) = (gateway.iq.clone().with_epoch(1), gateway.iq.clone().with_epoch(2));
    let context = gateway.wait(old.reserve_and_configure(reserve())).expect("a context");
    gateway.wait(new.reserve_and_configure(reserve())).expect("a context");
    let release = api::release(context.context_id);
    let refused = gateway.wait(old.release(release)).expect_err("it is over for it");
    assert_eq!(refused.reason.as_deref(), Some("STALE_CONTROLLER"));
    assert_eq!(gateway.wait(new.contexts(false)).expect("an audit").len(), 2);
    gateway.wait(new.release(release)).expect("the new one is heard");
}
