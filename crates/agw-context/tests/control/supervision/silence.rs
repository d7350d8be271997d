//! Contexts of a controller who cannot be asked about them.

use super::*;

const LIMIT: Duration = Duration::from_secs(600);

fn world() -> World {
    let mut world = World::supervised(policy(Hanging::Release));
    world.controller = named(PROXY);
    world
}

//= tests/spec/iq.md#supervision
//= type=test
//# A context whose controller cannot be asked about it MUST be released when neither its controller
//# nor anything authentic has been heard for the configured time, and not before.
#[test]
fn a_silent_call_goes_when_its_time_is_up_and_not_while_it_talks() {
    let mut world = world();
    let (access, _) = world.call();
    world.present(&[PROXY]);
    world.later(LIMIT);
    let suspects = world.due();
    let [suspect] = &suspects[..] else { panic!("{suspects:?}") };
    assert_eq!((suspect.context, suspect.ingresses.len()), (access.context, 2));
    let heard = world.now - SECOND;
    assert!(world.judge(suspect, Some(heard)).work.is_empty());
    assert_eq!(world.gateway.poll_timeout(), Some(heard + LIMIT));

    world.now = heard + LIMIT;
    let suspects = world.due();
    let Unasked { work, forsaken } = world.judge(&suspects[0], Some(heard));

    assert_eq!((work.len(), forsaken[0].cause), (1, ReleaseCause::Silent));
    let cause = ReleaseCause::Silent;
    let events = world.events();
    let last = [EventKind::ReleasedByGateway { cause }, EventKind::ContextReleased];
    assert_eq!(events[events.len() - 2..], last);
    assert_eq!((world.gateway.context_count(), world.gateway.poll_timeout()), (0, None));
}

#[test]
fn a_call_that_was_never_heard_has_its_time_from_the_last_change() {
    let mut world = world();
    let (access, _) = world.call();
    world.present(&[PROXY]);
    world.later(LIMIT - SECOND);
    world.reserve(core(ContextChoice::Existing(access.context)));
    assert_eq!(world.gateway.poll_timeout(), Some(world.now + LIMIT));
    world.later(LIMIT);
    let suspects = world.due();
    // Another word, while the packet path is asked.
    world.reserve(core(ContextChoice::Existing(access.context)));
    assert!(world.judge(&suspects[0], None).work.is_empty());
    assert_eq!(world.gateway.poll_timeout(), Some(world.now + LIMIT));
    world.later(LIMIT);
    let suspects = world.due();
    assert_eq!(world.judge(&suspects[0], None).work.len(), 1);
}

#[test]
fn calls_of_others_and_calls_that_were_taken_over_may_be_silent() {
    let mut world = World::supervised(policy(Hanging::Release));
    world.call();
    assert_eq!(world.gateway.poll_timeout(), None);

    world.controller = named(PROXY);
    let context = world.orphan();
    let operator = Controller::local();
    let which = AdoptContexts::These(vec![context]);
    world.gateway.adopt(&operator, which, world.now, AT).unwrap();
    world.present(&["spiffe://a/1", "local"]);
    assert_eq!(world.gateway.poll_timeout(), None);
    world.later(LIMIT);
    assert_eq!(world.due(), []);
}

#[test]
fn another_time_holds_for_the_calls_that_there_are() {
    let mut world = world();
    world.call();
    world.present(&[PROXY]);
    for limit in [30, 0, 60] {
        let times = (limit > 0).then(|| (named(PROXY), limit * SECOND));
        let silence = BTreeMap::from_iter(times);
        let supervision = SupervisionPolicy { silence, ..policy(Hanging::Release) };
        world.later(SECOND);
        world.gateway.set_policy(Policy { supervision, ..Policy::default() }, world.now);
        let due = (limit > 0).then(|| world.now + limit * SECOND);
        assert_eq!(world.gateway.poll_timeout(), due);
    }
}

#[test]
fn a_call_that_ends_is_listened_to_no_more() {
    let mut world = world();
    let (access, _) = world.call();
    world.present(&[PROXY]);
    let release = agw_context::Release { context: access.context, termination: None };
    world.transact(vec![Command::Release(release)]).unwrap();
    assert_eq!(world.gateway.poll_timeout(), None);
}
