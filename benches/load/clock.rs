//! The clock that sending and arrival have in common.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Nanoseconds from a moment before the window, by the wall clock, because that is the one the
/// kernel writes into packets; never 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    zero: Duration,
}

impl Clock {
    /// Starts a clock.
    pub(crate) fn start() -> Self {
        Self { zero: wall() }
    }

    /// Now.
    pub(crate) fn now(&self) -> u64 {
        self.of(wall())
    }

    /// A time since 1970 on this clock.
    pub(crate) fn of(&self, time: Duration) -> u64 {
        u64::try_from(time.saturating_sub(self.zero).as_nanos()).unwrap_or(u64::MAX).max(1)
    }
}

fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
