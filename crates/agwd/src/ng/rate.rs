//! How fast somebody speaks.

use std::time::Instant;

/// A bucket that holds as much as flows into it in a second.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    rate: u32,
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    /// A full bucket; a rate of 0 never empties.
    pub(super) fn new(rate: u32, now: Instant) -> Self {
        Self { rate, tokens: rate.into(), filled: now }
    }

    /// Takes one, if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        if self.rate == 0 {
            return true;
        }
        let rate = f64::from(self.rate);
        let gone = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + gone * rate).min(rate);
        self.filled = now;
        let has_one = self.tokens >= 1.0;
        if has_one {
            self.tokens -= 1.0;
        }
        has_one
    }
}
