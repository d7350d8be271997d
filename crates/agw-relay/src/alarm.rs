//! Alarms: something happens often, and control is told at most once a second.

use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(1);

/// Counts something by the second.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Alarm {
    since: Option<Instant>,
    in_window: u32,
    untold: u32,
}

impl Alarm {
    /// Counts one; tells how many there were since control was told last, at the `threshold`-th
    /// within a second.
    pub(crate) fn count(&mut self, threshold: u32, now: Instant) -> Option<u32> {
        let is_over = |since| now.saturating_duration_since(since) >= WINDOW;
        if self.since.is_none_or(is_over) {
            (self.since, self.in_window) = (Some(now), 0);
        }
        self.in_window = self.in_window.saturating_add(1);
        self.untold = self.untold.saturating_add(1);
        (self.in_window == threshold).then(|| std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::epoch;

    #[test]
    fn an_alarm_is_told_once_a_second_with_all_there_were() {
        let (mut alarm, start) = (Alarm::default(), epoch());
        let mut at = |ms| alarm.count(1, start + Duration::from_millis(ms));
        let told: Vec<_> = [0, 1, 999, 1_000, 1_001, 5_000].map(&mut at).into();
        assert_eq!(told, [Some(1), None, None, Some(3), None, Some(2)]);
    }

    #[test]
    fn what_stays_below_the_threshold_of_a_second_is_not_told() {
        let (mut alarm, start) = (Alarm::default(), epoch());
        let mut at = |ms| alarm.count(3, start + Duration::from_millis(ms));
        let told: Vec<_> = [0, 500, 1_500, 1_600, 1_700].map(&mut at).into();
        assert_eq!(told, [None, None, None, None, Some(5)]);
    }
}
