//! Heartbeats, lost controllers, orphans and their adoption.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};

use agw_context::{
    AdoptContexts, Circumstances, Command, Confirmation, ContextChoice, ContextId, Controller,
    EventKind, Family, Hanging, Policy, Reason, ReleaseCause, SupervisionPolicy, Suspect,
    TerminationId, TerminationReply, Work,
};
use agw_relay::Transport;

use crate::support::{World, access, core, reserve};

const SECOND: Duration = Duration::from_secs(1);
const PERIOD: Duration = Duration::from_secs(30);
const AT: SystemTime = SystemTime::UNIX_EPOCH;

fn policy(hanging: Hanging) -> SupervisionPolicy {
    SupervisionPolicy {
        heartbeat_answer: 10 * SECOND,
        heartbeat_misses: 3,
        hanging,
        controller_lost: 60 * SECOND,
        orphan_silence: 60 * SECOND,
        orphan_limit: 3_600 * SECOND,
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

    fn judge(&mut self, suspect: &Suspect, heard: Option<Instant>) -> Vec<Work> {
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
    assert_eq!(world.judge(suspect, None).len(), 1);
    let events = world.events();
    let hanging = EventKind::ReleasedByGateway { cause: ReleaseCause::Hanging };
    assert_eq!(events.last(), Some(&hanging), "the other termination stays");
    let left = world.gateway.context(&world.controller, access.context).unwrap();
    assert_eq!(left.terminations.len(), 1);
    assert_eq!(left.terminations[0].id, core.termination);
    assert_eq!(world.gateway.poll_timeout(), None);
}

//= tests/spec/iq.md#supervision
//= type=test
//# A termination that its controller does not know MUST be released by policy.
#[test]
fn a_termination_that_its_controller_does_not_know_goes_when_its_media_is_silent() {
    let mut world = World::supervised(policy(Hanging::ReleaseIfSilent(60 * SECOND)));
    let (access, _) = world.watched_call();
    let (unknown, suspects) = world.confirm(&access, false);
    let [suspect] = &suspects[..] else { panic!("{suspects:?}") };
    assert_eq!((unknown, suspect.ingresses.len()), (0, 1));
    world.later(20 * SECOND);
    let heard = world.now;
    assert!(world.judge(suspect, Some(heard)).is_empty(), "it talks");
    assert_eq!(world.gateway.poll_timeout(), Some(heard + 60 * SECOND));
    world.later(60 * SECOND);
    let suspects = world.due();
    assert_eq!(world.judge(&suspects[0], Some(heard)).len(), 1);
}

#[test]
fn a_controller_that_repeats_itself_does_not_put_a_release_off() {
    let mut world = World::supervised(policy(Hanging::ReleaseIfSilent(60 * SECOND)));
    let (access, _) = world.watched_call();
    world.present(&["spiffe://a/1"]);
    let mut released = Vec::new();
    for _ in 0..3 {
        let (_, suspects) = world.confirm(&access, false);
        let [suspect] = &suspects[..] else { panic!("{suspects:?}") };
        released.push(world.judge(suspect, None).len());
        world.later(30 * SECOND);
    }
    assert_eq!(released, [0, 0, 1]);
}

#[test]
fn a_suspect_that_is_known_after_all_stays() {
    let mut world = World::supervised(policy(Hanging::Release));
    let (access, _) = world.watched_call();
    let (_, suspects) = world.confirm(&access, false);
    world.confirm(&access, true);
    assert!(world.judge(&suspects[0], None).is_empty());
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
    world.gateway.set_policy(policy);
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

//= tests/spec/iq.md#supervision
//= type=test
//# Media MUST go on when a controller is lost.
#[test]
fn contexts_of_a_controller_that_is_gone_for_long_are_orphans_and_nothing_else_changes() {
    let mut world = World::supervised(policy(Hanging::Release));
    let (access, _) = world.call();
    world.present(&["spiffe://a/1"]);
    world.present(&[]);
    world.later(59 * SECOND);
    assert_eq!(world.due(), []);
    assert_eq!(world.gateway.orphan_count(), 0);
    world.later(SECOND);
    assert_eq!(world.due(), [], "nothing is to be released");
    let orphaned = EventKind::ContextOrphaned { controller: named("spiffe://a/1") };
    assert_eq!(world.events().last(), Some(&orphaned));
    let view = world.gateway.context(&world.controller, access.context).unwrap();
    assert_eq!(view.orphaned, Some(AT));
    assert_eq!(view.controller, world.controller);
}

#[test]
fn what_a_lost_controller_makes_on_a_visit_that_nobody_noticed_is_an_orphan_as_well() {
    let mut world = World::supervised(policy(Hanging::Release));
    world.orphan();
    assert_eq!(world.gateway.orphan_count(), 1);
    world.later(5 * SECOND);
    world.call();
    world.present(&[]);
    world.later(20 * SECOND);
    assert_eq!(world.due(), []);
    assert_eq!(world.gateway.orphan_count(), 2);
    world.present(&["spiffe://a/1"]);
    assert_eq!(world.gateway.orphan_count(), 0);
    world.call();
    world.later(20 * SECOND);
    assert_eq!((world.due(), world.gateway.orphan_count()), (vec![], 0));
}

#[test]
fn a_controller_that_is_back_in_time_loses_nothing_and_later_it_has_its_contexts_again() {
    let mut world = World::supervised(policy(Hanging::Release));
    let (access, _) = world.call();
    world.present(&[]);
    world.later(30 * SECOND);
    world.present(&["spiffe://a/1"]);
    world.later(60 * SECOND);
    assert_eq!((world.due(), world.gateway.orphan_count()), (vec![], 0));
    world.present(&[]);
    world.later(60 * SECOND);
    assert_eq!((world.due(), world.gateway.orphan_count()), (vec![], 1));
    world.present(&["spiffe://a/1"]);
    assert_eq!(world.gateway.orphan_count(), 0);
    let (from, to) = (named("spiffe://a/1"), named("spiffe://a/1"));
    assert_eq!(world.events().last(), Some(&EventKind::ContextAdopted { from, to }));
    let view = world.gateway.context(&world.controller, access.context).unwrap();
    assert_eq!(view.orphaned, None);
    assert_eq!(world.gateway.poll_timeout(), None);
}

//= tests/spec/iq.md#supervision
//= type=test
//# An orphan MUST be released only when nothing authentic has arrived for the configured time, or
//# at the limit of its age.
#[test]
fn an_orphan_goes_when_it_is_silent_and_not_while_it_talks() {
    let mut world = World::supervised(policy(Hanging::Release));
    let context = world.orphan();
    world.later(60 * SECOND);
    let suspects = world.due();
    assert_eq!((suspects[0].context, suspects[0].ingresses.len()), (context, 2));
    let heard = world.now - SECOND;
    assert!(world.judge(&suspects[0], Some(heard)).is_empty());
    assert_eq!(world.gateway.poll_timeout(), Some(heard + 60 * SECOND));
    world.now = heard + 60 * SECOND;
    let suspects = world.due();
    let work = world.judge(&suspects[0], Some(heard));
    assert_eq!((work.len(), work[0].closed.len()), (1, 4));
    let cause = ReleaseCause::Orphaned;
    let events = world.events();
    let last = [EventKind::ReleasedByGateway { cause }, EventKind::ContextReleased];
    assert_eq!(events[events.len() - 2..], last);
    assert_eq!((world.gateway.context_count(), world.gateway.orphan_count()), (0, 0));
    world.present(&[]);
    assert_eq!(world.gateway.poll_timeout(), None);
}

#[test]
fn an_orphan_that_talks_goes_at_the_limit_of_its_age() {
    let mut world = World::supervised(policy(Hanging::Release));
    world.orphan();
    let since = world.now;
    for _ in 0..60 {
        world.later(60 * SECOND);
        let suspects = world.due();
        let heard = world.now;
        let released = world.judge(&suspects[0], Some(heard)).len();
        let is_over = world.now >= since + 3_600 * SECOND;
        assert_eq!(released, usize::from(is_over));
        if is_over {
            assert_eq!(suspects[0].cause, ReleaseCause::OrphanedTooLong);
        }
    }
    assert_eq!(world.gateway.context_count(), 0);
}

#[test]
fn an_orphan_whose_controller_comes_back_while_it_is_looked_at_stays() {
    let mut world = World::supervised(policy(Hanging::Release));
    world.orphan();
    world.later(60 * SECOND);
    let suspects = world.due();
    world.present(&["spiffe://a/1"]);
    assert!(world.judge(&suspects[0], None).is_empty());
    world.present(&[]);
    world.later(60 * SECOND);
    assert_eq!(world.due(), []);
    assert!(world.judge(&suspects[0], None).is_empty(), "it is another loss");
}

//= tests/spec/iq.md#supervision
//= type=test
//# A context that was adopted MUST be unknown to its controller before.
#[test]
fn another_controller_of_the_trust_domain_takes_orphans_over() {
    let mut world = World::supervised(policy(Hanging::Release));
    let context = world.orphan();
    let (before, after) = (named("spiffe://a/1"), named("spiffe://a/2"));
    let all = AdoptContexts::OrphansOf(before.clone());
    let adopted = world.gateway.adopt(&after, all.clone(), world.now, AT);
    assert_eq!(adopted.unwrap(), [context]);
    let adopted = EventKind::ContextAdopted { from: before.clone(), to: after.clone() };
    assert_eq!(world.events().last(), Some(&adopted));
    let again = world.gateway.adopt(&after, AdoptContexts::These(vec![context]), world.now, AT);
    assert_eq!(again.unwrap(), [context], "asking again changes nothing");
    assert_eq!(world.gateway.adopt(&after, all, world.now, AT).unwrap(), []);
    assert_eq!(world.gateway.context(&before, context), None);
    assert!(world.gateway.context(&after, context).is_some());
    let count = world.events().len();
    world.present(&["spiffe://a/1", "spiffe://a/2"]);
    assert_eq!((world.events().len(), world.gateway.poll_timeout()), (count, None));
}

#[test]
fn what_has_a_controller_or_is_of_another_trust_domain_is_not_to_be_adopted() {
    let mut world = World::supervised(policy(Hanging::Release));
    let (access, _) = world.call();
    let these = AdoptContexts::These(vec![access.context]);
    let reason = |world: &mut World, name: &str, which: &AdoptContexts| {
        let adopted = world.gateway.adopt(&named(name), which.clone(), world.now, AT);
        adopted.map_err(|error| error.reason())
    };
    assert_eq!(reason(&mut world, "spiffe://a/2", &these), Err(Reason::NotOrphaned));
    let context = world.orphan();
    let these = AdoptContexts::These(vec![context, access.context]);
    assert_eq!(reason(&mut world, "spiffe://b/2", &these), Err(Reason::UnknownContext));
    let all = AdoptContexts::OrphansOf(named("spiffe://a/1"));
    assert_eq!(reason(&mut world, "spiffe://b/2", &all), Err(Reason::AdoptionRefused));
    let unknown = AdoptContexts::These(vec![context, ContextId(999_999)]);
    assert_eq!(reason(&mut world, "spiffe://a/2", &unknown), Err(Reason::UnknownContext));
    assert_eq!(world.gateway.orphan_count(), 2, "nothing changed");
    assert_eq!(reason(&mut world, "local", &all).map(|all| all.len()), Ok(2));
}

#[test]
fn heartbeats_of_adopted_terminations_go_to_their_new_controller() {
    let mut world = World::supervised(policy(Hanging::Release));
    let (access, _) = world.watched_call();
    world.present(&[]);
    world.later(60 * SECOND);
    assert_eq!(world.due(), []);
    world.controller = named("spiffe://a/2");
    let these = AdoptContexts::These(vec![access.context]);
    world.gateway.adopt(&world.controller, these, world.now, AT).unwrap();
    world.present(&["spiffe://a/2"]);
    world.later(PERIOD);
    assert_eq!((world.due(), world.heartbeats()), (vec![], 1));
    assert_eq!(world.confirm(&access, true), (0, vec![]));
}
