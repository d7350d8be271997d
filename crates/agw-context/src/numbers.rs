//! Dense numbers that rest after release, so that a late report is not taken for a new owner's.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(crate) struct Numbers {
    next: u32,
    resting: VecDeque<(Instant, u32)>,
    rest: Duration,
}

impl Numbers {
    pub(crate) const fn new(rest: Duration) -> Self {
        Self { next: 0, resting: VecDeque::new(), rest }
    }

    pub(crate) fn take(&mut self, now: Instant) -> u32 {
        if self.resting.front().is_some_and(|&(until, _)| until <= now)
            && let Some((_, number)) = self.resting.pop_front()
        {
            return number;
        }
        let number = self.next;
        self.next += 1;
        number
    }

    pub(crate) fn release(&mut self, number: u32, now: Instant) {
        self.resting.push_back((now + self.rest, number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::epoch;

    #[test]
    fn numbers_stay_dense_and_rest_before_they_come_back() {
        let (start, rest) = (epoch(), Duration::from_secs(1));
        let mut numbers = Numbers::new(rest);
        assert_eq!([numbers.take(start), numbers.take(start)], [0, 1]);
        numbers.release(0, start);
        assert_eq!(numbers.take(start), 2);
        assert_eq!(numbers.take(start + rest), 0);
        assert_eq!(numbers.take(start + rest), 3);
    }
}
