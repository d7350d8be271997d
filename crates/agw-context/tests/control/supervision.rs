//! Heartbeats, lost controllers, orphans and their adoption.

mod orphans;
mod silence;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime};

use agw_context::{
    AdoptContexts, Circumstances, Command, Confirmation, ContextChoice, ContextId, Controller,
    EventKind, Family, Hanging, Policy, Reason, ReleaseCause, SupervisionPolicy, Suspect,
    TerminationId, TerminationReply, Unasked,
};
use agw_relay::Transport;

use crate::support::{World, access, core, reserve};

const SECOND: Duration = Duration::from_secs(1);
const PERIOD: Duration = Duration::from_secs(30);
/// Who cannot be asked about its contexts.
const PROXY: &str = "proxy";
const AT: SystemTime = SystemTime::UNIX_EPOCH;

fn policy(hanging: Hanging) -> SupervisionPolicy {
    SupervisionPolicy {
        heartbeat_answer: 10 * SECOND,
        heartbeat_misses: 3,
        hanging,
        controller_lost: 60 * SECOND,
        orphan_silence: 60 * SECOND,
        orphan_limit: 3_600 * SECOND,
        silence: BTreeMap::from([(named(PROXY), 600 * SECOND)]),
        adoption: vec!["spiffe://a".to_owned()],
    }
}

fn named(name: &str) -> Controller {
    Controller(name.to_owned())
}

impl World {
    fn supervised(supervision: SupervisionPolicy) -> Self {
        let mut world = Self::new(Policy { supervision, ..Policy::default() });
        world.controller = named("spiffe://a/1");
        world
    }

    /// A call whose access termination has heartbeats.
    fn watched_call(&mut self) -> (TerminationReply, TerminationReply) {
        let mut reserve = access(ContextChoice::New);
        reserve.heartbeat = Some(PERIOD);
        let one = self.reserve(reserve);
        let other = self.reserve(core(ContextChoice::Existing(one.context)));
        (one, other)
    }

    fn due(&mut self) -> Vec<Suspect> {
        self.gateway.handle_timeout(self.now, AT)
    }

    fn judge(&mut self, suspect: &Suspect, heard: Option<Instant>) -> Unasked {
        let Self { gateway, ports, now, .. } = self;
        let operator = Controller::local();
        let mut around =
            Circumstances { controller: &operator, ports, random: &mut |_| 0, now: *now, at: AT };
        gateway.judge(suspect, heard, &mut around)
    }

    fn present(&mut self, names: &[&str]) {
        let connected: BTreeSet<_> = names.iter().map(|name| named(name)).collect();
        self.gateway.handle_presence(&connected, self.now, AT);
    }

    fn events(&self) -> Vec<EventKind> {
        let events = self.gateway.events_after(0, 1_000).unwrap();
        events.into_iter().map(|event| event.kind).collect()
    }

    fn heartbeats(&self) -> usize {
        let events = self.events();
        events.iter().filter(|kind| matches!(kind, EventKind::TerminationHeartbeat)).count()
    }

    fn confirm(&mut self, at: &TerminationReply, known: bool) -> (usize, Vec<Suspect>) {
        let word = Confirmation { context: at.context, termination: at.termination, known };
        let (unknown, suspects) = self.gateway.confirm(&self.controller, &[word], self.now);
        (unknown.len(), suspects)
    }

    /// A call whose controller has been lost.
    fn orphan(&mut self) -> ContextId {
        let (access, _) = self.call();
        self.present(&[]);
        self.later(60 * SECOND);
        assert_eq!(self.due(), []);
        access.context
    }
}

//= tests/spec/iq.md#supervision
//= type=test
//# A termination MUST be told to its controller once a period if heartbeats were asked for.
#[test]
fn a_termination_is_told_once_a_period_as_long_as_its_controller_answers() {
    let mut world = World::supervised(policy(Hanging::Release));
    let (access, _) = world.watched_call();
    world.present(&["spiffe://a/1"]);
    let start = world.now;
    for beat in 1..=5 {
        assert_eq!(world.gateway.poll_timeout(), Some(start + beat * PERIOD));
        world.now = start + beat * PERIOD;
        assert_eq!(world.due(), []);
        assert_eq!(world.heartbeats(), beat as usize);
        world.later(SECOND);
        assert_eq!(world.confirm(&access, true), (0, vec![]));
    }
    let event = world.gateway.events_after(0, 1_000).unwrap().pop().unwrap();
    let subject = event.subject.unwrap();
    assert_eq!((subject.context, subject.termination), (access.context, Some(access.termination)));
    assert_eq!(subject.stream, None);
}

#[test]
fn a_termination_that_nobody_answers_for_is_asked_about_three_times_and_then_released() {
    let mut world = World::supervised(policy(Hanging::Release));
    let (access, core) = world.watched_call();
    world.present(&["spiffe://a/1"]);
    world.later(PERIOD);
    for asked in 1..=3 {
        assert_eq!(world.due(), []);
        assert_eq!(world.heartbeats(), asked);
        world.later(10 * SECOND);
    }
    let suspects = world.due();
    let [suspect] = &suspects[..] else { panic!("{suspects:?}") };
    assert_eq!((suspect.context, suspect.termination), (access.context, Some(access.termination)));
    assert_eq!(suspect.ingresses, []);
    let Unasked { work, forsaken } = world.judge(suspect, None);
    assert_eq!(work.len(), 1);
    let [gone] = &forsaken[..] else { panic!("{forsaken:?}") };
    assert_eq!((gone.cause, &gone.controller), (ReleaseCause::Hanging, &world.controller));
    assert_eq!(gone.streams.len(), 1);
    let events = world.events();
    let hanging = EventKind::ReleasedByGateway { cause: ReleaseCause::Hanging };
    assert_eq!(events.last(), Some(&hanging), "the other termination stays");
    let left = world.gateway.context(&world.controller, access.context).unwrap();
    assert_eq!(left.terminations.len(), 1);
    assert_eq!(left.terminations[0].id, core.termination);
    assert_eq!(world.gateway.poll_timeout(), None);
}

#[test]
fn a_termination_that_nobody_answers_for_goes_when_its_media_is_silent() {
    let mut world = World::supervised(policy(Hanging::ReleaseIfSilent(60 * SECOND)));
    world.watched_call();
    world.present(&["spiffe://a/1"]);
    world.later(PERIOD);
    for _ in 0..3 {
        assert_eq!(world.due(), []);
        world.later(10 * SECOND);
    }
    let suspects = world.due();
    let [suspect] = &suspects[..] else { panic!("{suspects:?}") };
    assert_eq!(suspect.ingresses.len(), 1);
    world.later(20 * SECOND);
    let heard = world.now;
    assert!(world.judge(suspect, Some(heard)).work.is_empty(), "it talks");
    assert_eq!(world.gateway.poll_timeout(), Some(heard + 60 * SECOND));
    world.later(60 * SECOND);
    let suspects = world.due();
    assert_eq!(world.judge(&suspects[0], Some(heard)).work.len(), 1);
}

//= tests/spec/iq.md#supervision
//= type=test
//# A termination that its controller does not know MUST be released by policy.
#[test]
fn a_termination_that_its_controller_does_not_know_goes_at_once_with_heartbeats_or_without() {
    let mut world = World::supervised(policy(Hanging::ReleaseIfSilent(60 * SECOND)));
    let (with, without) = world.watched_call();
    for gone in [with, without] {
        let (unknown, suspects) = world.confirm(&gone, false);
        let [suspect] = &suspects[..] else { panic!("{suspects:?}") };
        assert_eq!((unknown, &suspect.ingresses[..]), (0, &[][..]));
        let Unasked { work, forsaken } = world.judge(suspect, None);
        assert_eq!((work.len(), forsaken[0].cause), (1, ReleaseCause::Rejected));
    }
    assert_eq!(world.gateway.context_count(), 0);
}

#[test]
fn a_suspect_that_is_known_after_all_stays() {
    let mut world = World::supervised(policy(Hanging::Release));
    let (access, _) = world.watched_call();
    world.present(&["spiffe://a/1"]);
    world.later(PERIOD);
    for _ in 0..3 {
        assert_eq!(world.due(), []);
        world.later(10 * SECOND);
    }
    let suspects = world.due();
    world.confirm(&access, true);
    assert!(world.judge(&suspects[0], None).work.is_empty());
    assert_eq!(world.gateway.poll_timeout(), Some(world.now + PERIOD));
}

#[test]
fn a_termination_that_hangs_stays_where_policy_says_so() {
    let mut world = World::supervised(policy(Hanging::Keep));
    let (access, _) = world.watched_call();
    assert_eq!(world.confirm(&access, false), (0, vec![]));
    assert!(world.gateway.context(&world.controller, access.context).is_some());
}

#[test]
fn a_controller_does_not_speak_for_terminations_of_another_one() {
    let mut world = World::supervised(policy(Hanging::Release));
    let (access, _) = world.watched_call();
    world.controller = named("spiffe://a/2");
    assert_eq!(world.confirm(&access, false), (1, vec![]));
    let nowhere = TerminationReply { termination: TerminationId(9), ..access };
    world.controller = named("spiffe://a/1");
    assert_eq!(world.confirm(&nowhere, true), (1, vec![]));
}

#[test]
fn heartbeats_do_not_count_against_a_controller_that_is_not_there() {
    let mut world = World::supervised(policy(Hanging::Release));
    world.watched_call();
    world.present(&[]);
    for _ in 0..3 {
        world.later(PERIOD);
        assert_eq!(world.due(), []);
    }
    assert_eq!(world.heartbeats(), 0);
    assert_eq!(world.gateway.orphan_count(), 1);
}

#[test]
fn a_period_below_a_second_or_above_a_day_is_refused() {
    let mut world = World::supervised(policy(Hanging::Release));
    for period in [SECOND - Duration::from_millis(1), 86_401 * SECOND] {
        let mut reserve = access(ContextChoice::New);
        reserve.heartbeat = Some(period);
        let refused = world.transact(vec![Command::Reserve(reserve)]).unwrap_err();
        assert_eq!(refused.error.reason(), Reason::FieldValue);
        assert_eq!(refused.error.field(), Some("heartbeat_ms"));
    }
}

#[test]
fn heartbeats_of_many_terminations_are_told_in_pieces() {
    let all = agw_context::Admission { reserve_percent: 0, ..Default::default() };
    let mut world = World::supervised(policy(Hanging::Release));
    let policy = agw_context::Policy { admission: all, ..world.gateway.policy().clone() };
    world.gateway.set_policy(policy, world.now);
    let places = [("access", Family::V4), ("core", Family::V4), ("access", Family::V6)];
    for _ in 0..100 {
        for (realm, family) in places {
            let mut reserve = reserve(ContextChoice::New, realm, Transport::Plain);
            (reserve.family, reserve.heartbeat) = (Some(family), Some(PERIOD));
            world.reserve(reserve);
        }
    }
    world.later(PERIOD);
    for told in [256, 300, 300] {
        assert_eq!(world.due(), []);
        assert_eq!(world.heartbeats(), told);
    }
}
