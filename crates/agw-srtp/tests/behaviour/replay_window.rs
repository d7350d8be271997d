//! The replay window against a set of everything ever accepted.

use std::collections::BTreeSet;

use agw_srtp::{ReplayWindow, Stale};
use proptest::prelude::*;

/// Accepts an index if it was never accepted and is within `size` of the highest.
#[derive(Default)]
struct Model {
    accepted: BTreeSet<u64>,
}

impl Model {
    fn accept(&mut self, index: u64, size: u64) -> Result<bool, Stale> {
        let highest = self.accepted.last().copied();
        if highest.is_some_and(|highest| index + size <= highest) {
            return Err(Stale::TooOld);
        }
        if !self.accepted.insert(index) {
            return Err(Stale::Replay);
        }
        Ok(highest.is_none_or(|highest| index > highest))
    }
}

/// Jumps mostly small, sometimes around a window's size, rarely far.
fn steps() -> impl Strategy<Value = Vec<i64>> {
    let step = prop_oneof![
        8 => -3_i64..=3,
        4 => -140_i64..=140,
        2 => -4200_i64..=4200,
        1 => -100_000_i64..=100_000,
    ];
    prop::collection::vec(step, 1..400)
}

proptest! {
    //= tests/spec/srtp.md#replay
    //= type=test
    //# An index that was received before MUST be discarded.
    //= tests/spec/srtp.md#replay
    //= type=test
    //# An index behind the window MUST be discarded.
    #[test]
    fn an_index_is_fresh_exactly_if_it_is_new_and_within_the_window(
        size in prop::sample::select(vec![64_u16, 128, 192, 256, 1024, 4096]),
        first in 0_u64..1 << 40,
        steps in steps(),
    ) {
        let mut window = ReplayWindow::new(size);
        let mut model = Model::default();
        let mut index = first;
        for step in steps {
            index = index.saturating_add_signed(step);
            let before = window.clone();
            let outcome = window.check(index).and_then(|fresh| window.commit(fresh));
            prop_assert_eq!(outcome, model.accept(index, u64::from(size)));
            if outcome.is_err() {
                prop_assert_eq!(&window, &before);
            }
            prop_assert_eq!(window.highest(), model.accepted.last().copied());
        }
    }
}

//= tests/spec/srtp.md#replay
//= type=test
//# An index behind the window MUST be discarded.
#[test]
fn a_lag_of_size_less_one_is_fresh_and_a_lag_of_size_is_too_old() {
    for size in [64, 128, 4096] {
        let mut window = ReplayWindow::new(size);
        let size = u64::from(size);
        let highest = window.check(10_000).unwrap();
        assert_eq!(window.commit(highest), Ok(true));
        assert!(window.check(10_000 - size + 1).is_ok());
        assert_eq!(window.check(10_000 - size).unwrap_err(), Stale::TooOld);
    }
}

#[test]
fn of_two_tickets_for_one_index_only_the_first_counts() {
    let mut window = ReplayWindow::new(64);
    let (one, other) = (window.check(7).unwrap(), window.check(7).unwrap());
    assert_eq!(window.commit(one), Ok(true));
    assert_eq!(window.commit(other), Err(Stale::Replay));
}

#[test]
fn sizes_are_rounded_up_to_64() {
    let sizes = [1, 64, 65, 128, 129, 4096].map(|packets| ReplayWindow::new(packets).size());
    assert_eq!(sizes, [64, 64, 128, 128, 192, 4096]);
}
