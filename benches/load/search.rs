//! The search for the highest load: doubled until it is too much, then halved in between.
//!
//! A load that is too much is tried once more before it counts: a hiccup of the machine is no limit
//! of the gateway.

/// What came of a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Observed {
    /// Whether the objective was kept.
    pub(crate) kept: bool,
}

/// The state of the search.
#[derive(Debug, Clone)]
pub(crate) struct Search {
    next: Option<usize>,
    most: usize,
    resolution: f64,
    /// The highest load that kept the objective.
    good: Option<usize>,
    /// The lowest that did not, twice.
    bad: Option<usize>,
    /// A load that did not, once.
    doubtful: Option<usize>,
}

impl Search {
    /// A search from `first` on, never above `most`, to within a share `resolution`.
    pub(crate) fn new(first: usize, most: usize, resolution: f64) -> Self {
        let next = Some(first.clamp(1, most.max(1)));
        Self { next, most, resolution, good: None, bad: None, doubtful: None }
    }

    /// The load to try now; `None` when the search is over.
    pub(crate) const fn next(&self) -> Option<usize> {
        self.next
    }

    /// The highest load found so far that kept the objective.
    pub(crate) const fn highest(&self) -> Option<usize> {
        self.good
    }

    /// Takes what came of a try.
    pub(crate) fn observe(&mut self, load: usize, observed: Observed) {
        if observed.kept {
            self.good = self.good.max(Some(load));
        } else if self.doubtful.replace(load) != Some(load) {
            return;
        } else {
            self.bad = Some(self.bad.map_or(load, |bad| bad.min(load)));
        }
        self.doubtful = None;
        self.next = self.following();
    }

    fn following(&self) -> Option<usize> {
        let (low, high) = match (self.good, self.bad) {
            (Some(good), None) => {
                return (good < self.most).then(|| (good * 2).min(self.most));
            }
            (None, Some(bad)) => return (bad > 1).then_some(bad / 2),
            (good, bad) => (good.unwrap_or_default(), bad.unwrap_or_default()),
        };
        let near = (high - low) as f64 <= (low as f64 * self.resolution).max(1.0);
        (!near).then_some(low.midpoint(high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A gateway that carries so many calls, and fails at the given tries whatever the load.
    fn find(
        first: usize,
        most: usize,
        capacity: usize,
        hiccups: &[usize],
    ) -> (Option<usize>, usize) {
        let mut search = Search::new(first, most, 0.02);
        let mut tries = 0;
        while let Some(load) = search.next() {
            assert!((1..=most).contains(&load) && tries < 100);
            search.observe(load, Observed { kept: load <= capacity && !hiccups.contains(&tries) });
            tries += 1;
        }
        (search.highest(), tries)
    }

    #[test]
    fn the_highest_load_is_found_to_within_the_resolution_from_any_side() {
        for capacity in [1, 7, 250, 999, 1_000, 1_001, 15_000] {
            for first in [1, 100, 1_000, 20_000] {
                let (highest, _) = find(first, 30_000, capacity, &[]);
                let highest = highest.unwrap() as f64;
                let capacity = capacity as f64;
                assert!(highest <= capacity, "{highest} {capacity}");
                assert!(highest >= capacity * 0.98 - 1.0, "{highest} {capacity}");
            }
        }
    }

    #[test]
    fn a_hiccup_is_tried_again_and_changes_nothing() {
        let (undisturbed, tries) = find(100, 30_000, 3_000, &[]);
        let (disturbed, more) = find(100, 30_000, 3_000, &[2]);
        assert_eq!(disturbed, undisturbed);
        assert_eq!(more, tries + 1);
    }

    #[test]
    fn a_gateway_that_carries_everything_or_nothing_ends_the_search() {
        assert_eq!(find(100, 5_000, usize::MAX, &[]).0, Some(5_000));
        assert_eq!(find(100, 5_000, 0, &[]).0, None);
    }
}
