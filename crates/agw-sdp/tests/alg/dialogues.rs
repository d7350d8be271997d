//! Whatever the parties of a fork agree on, each in its own dialogue and in any order, the gateway
//! carries the media of the dialogue that is heard.

use proptest::prelude::*;

use crate::event::{Changes, Event, Who};
use crate::fork::{Callees, Fork, TAGS};

fn changes() -> impl Strategy<Value = Changes> {
    let some = prop::bool::weighted(0.3);
    let who = prop_oneof![Just(Who::Caller), Just(Who::Callee)];
    let family = prop::option::weighted(0.2, who);
    let made = |(moves, rekeys, holds, family)| Changes { moves, rekeys, holds, family };
    (some, some, some, family).prop_map(made)
}

fn event() -> impl Strategy<Value = (usize, Event)> {
    let who = prop_oneof![Just(Who::Caller), Just(Who::Callee)];
    let end = prop_oneof![Just(Who::Caller), Just(Who::Callee)].prop_map(Event::End);
    let event = prop_oneof![
        1 => end,
        6 => Just(Event::Answer),
        5 => (who, changes()).prop_map(|(who, changes)| Event::Offer(who, changes)),
        5 => changes().prop_map(Event::Accept),
        2 => any::<bool>().prop_map(|told| Event::Reject { told }),
    ];
    (0..TAGS.len(), event)
}

fn plays(near: &str, callees: Callees, (told, events): &Course) -> Result<(), TestCaseError> {
    let mut fork = Fork::new(near, callees, *told);
    for (at, event) in events {
        fork.happens(*at, *event)?;
        fork.check()?;
        if fork.is_over() {
            break;
        }
    }
    fork.ends_all()
}

/// How many ways a call takes, whether answers tell their status, and what happens.
type Course = ((usize, bool), Vec<(usize, Event)>);

fn course() -> impl Strategy<Value = Course> {
    ((1..=TAGS.len(), any::<bool>()), prop::collection::vec(event(), 1..24))
}

proptest! {
    //= tests/spec/sdp.md#forking
    //= type=test
    //# An answer that comes after the end of its branch MUST be refused.
    #[test]
    fn plain_callees_are_heard_as_each_agreed(course in course()) {
        plays("core", Callees::Plain, &course)?;
    }

    #[test]
    fn plain_callees_are_heard_by_a_protected_caller_as_each_agreed(course in course()) {
        plays("access,terminate", Callees::Plain, &course)?;
    }

    #[test]
    fn protected_callees_are_heard_as_each_agreed(course in course()) {
        plays("core", Callees::Protected, &course)?;
    }

    #[test]
    fn protected_callees_are_heard_by_a_protected_caller_as_each_agreed(course in course()) {
        plays("access,terminate", Callees::Protected, &course)?;
    }

    #[test]
    fn callees_that_take_keys_and_others_are_heard_as_each_agreed(course in course()) {
        plays("core", Callees::Opportunistic, &course)?;
    }

    #[test]
    fn callees_that_take_keys_and_others_are_heard_by_a_protected_caller(course in course()) {
        plays("access,terminate", Callees::Opportunistic, &course)?;
    }
}
