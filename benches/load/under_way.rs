//! How many packets are under way, if some never arrive.

use std::collections::VecDeque;

/// A packet that has not arrived after so long is given up, in nanoseconds.
const PATIENCE: u64 = 30_000_000;
/// How often the place in the schedule is noted, in nanoseconds.
const NOTE_EVERY: u64 = 1_000_000;

/// Follows the schedule at a distance: what was sent longer ago has arrived or is given up, so that
/// lost packets do not close the window for ever, and late ones do not open it twice.
#[derive(Debug, Default)]
pub(crate) struct UnderWay {
    /// Times, and how far the schedule had come.
    notes: VecDeque<(u64, u64)>,
    /// Steps before this one are not waited for.
    settled: u64,
}

impl UnderWay {
    /// Packets under way at `now`, when `sent` steps have been sent; `arrived` tells how many
    /// packets have arrived of the steps from one on.
    pub(crate) fn count(&mut self, now: u64, sent: u64, arrived: impl Fn(u64) -> u64) -> usize {
        if self.notes.back().is_none_or(|(noted, _)| noted + NOTE_EVERY <= now) {
            self.notes.push_back((now, sent));
        }
        while let Some((_, old)) = self.notes.pop_front_if(|(noted, _)| *noted + PATIENCE <= now) {
            self.settled = old;
        }
        let waited_for = sent.saturating_sub(self.settled);
        usize::try_from(waited_for.saturating_sub(arrived(self.settled))).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets of the even steps below 100 arrive, and all from there on; late ones do later.
    fn arrived(from: u64, sent: u64, late: bool) -> u64 {
        (from..sent).filter(|step| late || *step >= 100 || step.is_multiple_of(2)).count() as u64
    }

    #[test]
    fn lost_packets_close_the_window_for_a_while_and_late_ones_do_not_open_it_twice() {
        let mut under_way = UnderWay::default();
        assert_eq!(under_way.count(1, 100, |from| arrived(from, 100, false)), 50);
        assert_eq!(under_way.count(1 + PATIENCE / 2, 100, |from| arrived(from, 100, false)), 50);
        assert_eq!(under_way.count(1 + PATIENCE, 100, |from| arrived(from, 100, false)), 0);
        // Thirty more, none of them there yet, while the fifty late ones come.
        assert_eq!(under_way.count(2 + PATIENCE, 130, |from| arrived(from, 100, true)), 30);
        assert_eq!(under_way.count(3 + PATIENCE, 130, |from| arrived(from, 130, true)), 0);
    }
}
