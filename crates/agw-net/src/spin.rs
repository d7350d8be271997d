//! Adaptive busy polling: how long to look again before sleeping.

use std::time::{Duration, Instant};

/// Spins only as long as it pays: a look that finds something doubles the next window up to the
/// limit, one that finds nothing halves it, and silence ends it.
///
/// ```text
///   traffic in the last round ──▶ spin for the window ──found──▶ window x 2, at most the limit
///                                                     ──nothing─▶ window / 2, sleep
/// ```
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spin {
    limit: Duration,
    window: Duration,
    /// Whether the last round brought anything.
    traffic: bool,
}

impl Spin {
    /// The longest window there may be.
    pub(crate) const LIMIT: Duration = Duration::from_micros(1_000);

    /// Never spins with a limit of zero.
    pub(crate) fn new(limit: Duration) -> Self {
        let limit = limit.min(Self::LIMIT);
        Self { limit, window: limit, traffic: false }
    }

    /// The end of a spin that starts now, if it is worth one and a wait may take that long.
    pub(crate) fn until(&self, wait: Option<Duration>) -> Option<Instant> {
        let window = wait.map_or(self.window, |wait| wait.min(self.window));
        (self.traffic && !window.is_zero()).then(|| Instant::now() + window)
    }

    /// Learns whether a spin found something.
    pub(crate) fn learn(&mut self, found: bool) {
        let least = self.limit / 16;
        let window = if found { self.window * 2 } else { self.window / 2 };
        self.window = window.clamp(least, self.limit);
    }

    /// Learns whether a round brought something.
    pub(crate) fn round(&mut self, traffic: bool) {
        self.traffic = traffic;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_follows_success_between_a_sixteenth_and_the_limit() {
        let limit = Duration::from_micros(160);
        let mut spin = Spin::new(limit);
        for expected in [80, 40, 20, 10, 10] {
            spin.learn(false);
            assert_eq!(spin.window, Duration::from_micros(expected));
        }
        for expected in [20, 40, 80, 160, 160] {
            spin.learn(true);
            assert_eq!(spin.window, Duration::from_micros(expected));
        }
    }

    #[test]
    fn nothing_is_spun_without_traffic_without_a_limit_or_without_time() {
        let mut spin = Spin::new(Duration::from_secs(9));
        assert_eq!(spin.limit, Spin::LIMIT);
        assert!(spin.until(None).is_none());
        spin.round(true);
        assert!(spin.until(None).is_some());
        assert!(spin.until(Some(Duration::ZERO)).is_none());
        spin.round(false);
        assert!(spin.until(None).is_none());

        let mut never = Spin::new(Duration::ZERO);
        never.round(true);
        never.learn(true);
        assert!(never.until(None).is_none());
    }
}
