//! A token bucket on the caller's clock.

use std::time::{Duration, Instant};

/// How often something may be tried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) interval: Duration,
    pub(crate) burst: u32,
}

/// Lets a rate's burst of attempts through at once and then one every interval. The rate is told
/// every time, because a leg has three limiters and memory for none of their constants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limiter {
    tokens: u32,
    refilled: Option<Instant>,
}

impl Limiter {
    pub(crate) const fn new(rate: Rate) -> Self {
        Self { tokens: rate.burst, refilled: None }
    }

    /// Takes one token, if there is one.
    pub(crate) fn take(&mut self, rate: Rate, now: Instant) -> bool {
        self.refill(rate, now);
        let taken = self.tokens > 0;
        self.tokens = self.tokens.saturating_sub(1);
        taken
    }

    fn refill(&mut self, Rate { interval, burst }: Rate, now: Instant) {
        let since = *self.refilled.get_or_insert(now);
        let elapsed = now.saturating_duration_since(since);
        let earned = elapsed.as_nanos() / interval.as_nanos().max(1);
        let Some(earned) = u32::try_from(earned).ok().filter(|&earned| earned < burst) else {
            (self.tokens, self.refilled) = (burst, Some(now));
            return;
        };
        self.tokens = self.tokens.saturating_add(earned).min(burst);
        self.refilled = Some(since + interval * earned);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let start = crate::testing::epoch();
        let rate = Rate { interval: Duration::from_millis(50), burst: 3 };
        let mut limiter = Limiter::new(rate);
        let passed =
            |limiter: &mut Limiter, at: Instant| (0..10).filter(|_| limiter.take(rate, at)).count();

        assert_eq!(passed(&mut limiter, start), 3);
        assert_eq!(passed(&mut limiter, start + Duration::from_millis(49)), 0);
        assert_eq!(passed(&mut limiter, start + Duration::from_millis(100)), 2);
        assert_eq!(passed(&mut limiter, start + Duration::from_secs(3600)), 3);
    }

    #[test]
    fn a_clock_that_stands_still_or_goes_back_gives_nothing() {
        let start = crate::testing::epoch() + Duration::from_secs(10);
        let rate = Rate { interval: Duration::from_millis(50), burst: 1 };
        let mut limiter = Limiter::new(rate);
        assert!(limiter.take(rate, start));
        assert!(!limiter.take(rate, start - Duration::from_secs(1)));
        assert!(!limiter.take(rate, start));
    }
}
