//! A token bucket on the caller's clock.

use std::time::{Duration, Instant};

/// Lets `burst` attempts through at once and then one every `interval`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limiter {
    interval: Duration,
    burst: u32,
    tokens: u32,
    refilled: Option<Instant>,
}

impl Limiter {
    pub(crate) const fn new(interval: Duration, burst: u32) -> Self {
        Self { interval, burst, tokens: burst, refilled: None }
    }

    /// Takes one token, if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        self.refill(now);
        let taken = self.tokens > 0;
        self.tokens = self.tokens.saturating_sub(1);
        taken
    }

    fn refill(&mut self, now: Instant) {
        let since = *self.refilled.get_or_insert(now);
        let elapsed = now.saturating_duration_since(since);
        let earned = elapsed.as_nanos() / self.interval.as_nanos().max(1);
        let Some(earned) = u32::try_from(earned).ok().filter(|&earned| earned < self.burst) else {
            (self.tokens, self.refilled) = (self.burst, Some(now));
            return;
        };
        self.tokens = self.tokens.saturating_add(earned).min(self.burst);
        self.refilled = Some(since + self.interval * earned);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let start = crate::testing::epoch();
        let mut limiter = Limiter::new(Duration::from_millis(50), 3);
        let passed =
            |limiter: &mut Limiter, at: Instant| (0..10).filter(|_| limiter.take(at)).count();

        assert_eq!(passed(&mut limiter, start), 3);
        assert_eq!(passed(&mut limiter, start + Duration::from_millis(49)), 0);
        assert_eq!(passed(&mut limiter, start + Duration::from_millis(100)), 2);
        assert_eq!(passed(&mut limiter, start + Duration::from_secs(3600)), 3);
    }

    #[test]
    fn a_clock_that_stands_still_or_goes_back_gives_nothing() {
        let start = crate::testing::epoch() + Duration::from_secs(10);
        let mut limiter = Limiter::new(Duration::from_millis(50), 1);
        assert!(limiter.take(start));
        assert!(!limiter.take(start - Duration::from_secs(1)));
        assert!(!limiter.take(start));
    }
}
