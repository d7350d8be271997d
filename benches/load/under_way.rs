//! How many packets are under way, if some never arrive.

use std::collections::VecDeque;

/// A packet that has not arrived after so long is lost, in nanoseconds.
const PATIENCE: u64 = 30_000_000;
/// How often the place in the schedule is noted, in nanoseconds.
const NOTE_EVERY: u64 = 1_000_000;

/// Follows the schedule at a distance and counts what has not arrived, so that lost packets do not
/// close the window for ever.
#[derive(Debug, Default)]
pub(crate) struct UnderWay {
    /// Times, and how far the schedule had come.
    notes: VecDeque<(u64, u64)>,
    /// Steps that were looked at.
    settled: u64,
    lost: u64,
}

impl UnderWay {
    /// Packets under way at `now`, when `sent` steps have been sent and `arrived` packets have
    /// arrived; `has` tells whether the packet of a step has.
    pub(crate) fn count(
        &mut self,
        now: u64,
        sent: u64,
        arrived: u64,
        has: impl Fn(u64) -> bool,
    ) -> usize {
        if self.notes.back().is_none_or(|(noted, _)| noted + NOTE_EVERY <= now) {
            self.notes.push_back((now, sent));
        }
        while let Some((_, old)) = self.notes.pop_front_if(|(noted, _)| *noted + PATIENCE <= now) {
            self.lost += (self.settled..old).filter(|&step| !has(step)).count() as u64;
            self.settled = old;
        }
        usize::try_from(sent.saturating_sub(arrived + self.lost)).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_packets_close_the_window_for_a_while_only() {
        let mut under_way = UnderWay::default();
        let is_even = |step: u64| step.is_multiple_of(2);
        assert_eq!(under_way.count(1, 100, 50, is_even), 50);
        assert_eq!(under_way.count(1 + PATIENCE / 2, 100, 50, is_even), 50);
        assert_eq!(under_way.count(1 + PATIENCE, 100, 50, is_even), 0);
        assert_eq!(under_way.count(2 + PATIENCE, 130, 50, is_even), 30);
        assert_eq!(under_way.count(2 + PATIENCE, 130, 80, is_even), 0);
    }
}
