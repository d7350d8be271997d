//! A token bucket on the caller's clock.

use std::time::{Duration, Instant};

/// How often something may be tried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) interval: Duration,
    pub(crate) burst: u32,
}

/// Lets a rate's burst of attempts through at once and then one every interval. The rate is told
/// every time, because a leg has three limiters and memory for none of their constants: what is
/// remembered is the moment at which the bucket is full again.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Limiter {
    full_at: Option<Instant>,
}

impl Limiter {
    /// Takes one token, if there is one.
    pub(crate) fn take(&mut self, Rate { interval, burst }: Rate, now: Instant) -> bool {
        let full_at = self.full_at.map_or(now, |full_at| full_at.max(now)) + interval;
        let taken = full_at.saturating_duration_since(now) <= interval * burst;
        if taken {
            self.full_at = Some(full_at);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let start = crate::testing::epoch();
        let rate = Rate { interval: Duration::from_millis(50), burst: 3 };
        let mut limiter = Limiter::default();
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
        let mut limiter = Limiter::default();
        assert!(limiter.take(rate, start));
        assert!(!limiter.take(rate, start - Duration::from_secs(1)));
        assert!(!limiter.take(rate, start));
    }
}
