//! Controllers that are gone, and what becomes of their contexts.

use super::*;

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
    assert!(world.judge(&suspects[0], Some(heard)).work.is_empty());
    assert_eq!(world.gateway.poll_timeout(), Some(heard + 60 * SECOND));
    world.now = heard + 60 * SECOND;
    let suspects = world.due();
    let work = world.judge(&suspects[0], Some(heard)).work;
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
        let released = world.judge(&suspects[0], Some(heard)).work.len();
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
    assert!(world.judge(&suspects[0], None).work.is_empty());
    world.present(&[]);
    world.later(60 * SECOND);
    assert_eq!(world.due(), []);
    assert!(world.judge(&suspects[0], None).work.is_empty(), "it is another loss");
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
    let generation = world.gateway.context(&before, context).unwrap().generation;
    let adopted = world.gateway.adopt(&after, all.clone(), world.now, AT);
    assert_eq!(adopted.unwrap(), [context]);
    let adopted = EventKind::ContextAdopted { from: before.clone(), to: after.clone() };
    assert_eq!(world.events().last(), Some(&adopted));
    let again = world.gateway.adopt(&after, AdoptContexts::These(vec![context]), world.now, AT);
    assert_eq!(again.unwrap(), [context], "asking again changes nothing");
    assert_eq!(world.gateway.adopt(&after, all, world.now, AT).unwrap(), []);
    assert_eq!(world.gateway.context(&before, context), None);
    let taken_over = world.gateway.context(&after, context).unwrap();
    assert_eq!(taken_over.generation, generation + 1, "orders of before are late");
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
