//! How a source's timestamps go on with time.

use std::time::{Duration, Instant};

/// A rate is taken over so long.
const SPAN: Duration = Duration::from_secs(1);

/// Rates that a payload may have, in Hz; anything else is no rate.
const RATES: std::ops::RangeInclusive<u64> = 1_000..=200_000;

/// The newest timestamp of a source, and how fast they go.
#[derive(Debug)]
pub(super) struct Clock {
    timestamp: u32,
    at: Instant,
    heard: Instant,
    /// From one packet to the next.
    step: u32,
    /// Where the rate is counted from.
    anchor: (Instant, u32),
    /// In Hz, once it is known.
    rate: Option<u64>,
}

impl Clock {
    pub(super) const fn new(timestamp: u32, now: Instant) -> Self {
        let anchor = (now, timestamp);
        Self { timestamp, at: now, heard: now, step: 1, anchor, rate: None }
    }

    /// A newer packet; `is_next` if none is missing before it.
    pub(super) fn tick(&mut self, timestamp: u32, is_next: bool, now: Instant) {
        let step = timestamp.wrapping_sub(self.timestamp);
        if is_next && (1..1 << 31).contains(&step) {
            self.step = step;
        }
        (self.timestamp, self.at, self.heard) = (timestamp, now, now);
        let (since, from) = self.anchor;
        let elapsed = now.saturating_duration_since(since);
        if elapsed >= SPAN {
            let units = u64::from(timestamp.wrapping_sub(from));
            let rate = units.saturating_mul(1_000_000) / elapsed.as_micros().max(1) as u64;
            self.rate = RATES.contains(&rate).then_some(rate);
            self.anchor = (now, timestamp);
        }
    }

    /// A packet that is late.
    pub(super) const fn hear(&mut self, now: Instant) {
        self.heard = now;
    }

    pub(super) fn silence(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.heard)
    }

    /// The timestamp of a packet that would come now, at least one step on.
    pub(super) fn timestamp_at(&self, now: Instant) -> u32 {
        let elapsed = now.saturating_duration_since(self.at).as_micros() as u64;
        let units = self.rate.map_or(0, |rate| elapsed.saturating_mul(rate) / 1_000_000);
        self.timestamp.wrapping_add((units as u32).max(self.step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::epoch;

    #[test]
    fn before_a_rate_is_known_time_goes_on_by_the_last_step() {
        let now = epoch();
        let mut clock = Clock::new(u32::MAX - 159, now);
        assert_eq!(clock.timestamp_at(now), u32::MAX - 158);
        clock.tick(0, true, now + Duration::from_millis(20));
        // What is missing in between, or the same frame again, says nothing about a step.
        clock.tick(800, false, now + Duration::from_millis(120));
        clock.tick(800, true, now + Duration::from_millis(121));
        assert_eq!(clock.timestamp_at(now + Duration::from_secs(9)), 960);
    }

    #[test]
    fn after_a_second_it_goes_on_by_the_time_that_has_passed() {
        let now = epoch();
        for rate in [8_000, 48_000, 90_000] {
            let mut clock = Clock::new(7, now);
            for tick in 1..=60_u32 {
                let at = now + Duration::from_millis(20) * tick;
                clock.tick(7 + tick * (rate / 50), true, at);
            }
            let last = now + Duration::from_millis(1_200);
            assert_eq!(clock.timestamp_at(last), 7 + 61 * (rate / 50));
            let later = last + Duration::from_millis(340);
            assert_eq!(clock.timestamp_at(later), 7 + 77 * (rate / 50));
        }
    }

    #[test]
    fn timestamps_that_are_no_clock_are_not_followed() {
        let now = epoch();
        let mut clock = Clock::new(0, now);
        clock.tick(3_000_000_000, true, now + SPAN);
        assert_eq!(clock.timestamp_at(now + SPAN * 5), 3_000_000_001);
    }
}
