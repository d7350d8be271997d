//! Alarms: something happens often, and control is told at most once a second.

use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(1);

/// Counts something by the second.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Alarm {
    since: Option<Instant>,
    in_window: u32,
    untold: u32,
    /// Whether what is untold is to be told when the second is over.
    pub(crate) waits: bool,
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

    /// When what is untold is to be told, if nothing else comes.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.since.filter(|_| self.untold > 0).map(|since| since + WINDOW)
    }

    /// Ends the second; tells what is untold, and begins the next one as if it was told there.
    pub(crate) fn end(&mut self, now: Instant) -> Option<u32> {
        (self.since, self.in_window) = (Some(now), 1);
        Some(std::mem::take(&mut self.untold)).filter(|&untold| untold > 0)
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
    fn what_is_untold_at_the_end_of_a_second_is_told_then() {
        let (mut alarm, start) = (Alarm::default(), epoch());
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!((alarm.count(1, at(0)), alarm.due()), (Some(1), None));
        assert!((1..=4).all(|ms| alarm.count(1, at(ms)).is_none()));
        assert_eq!(alarm.due(), Some(at(1_000)));
        assert_eq!((alarm.end(at(1_000)), alarm.due()), (Some(4), None));
        assert_eq!(alarm.count(1, at(1_001)), None, "once a second");
        assert_eq!((alarm.due(), alarm.end(at(2_000))), (Some(at(2_000)), Some(1)));
        assert_eq!(alarm.end(at(3_000)), None);
    }

    #[test]
    fn what_stays_below_the_threshold_of_a_second_is_not_told() {
        let (mut alarm, start) = (Alarm::default(), epoch());
        let mut at = |ms| alarm.count(3, start + Duration::from_millis(ms));
        let told: Vec<_> = [0, 500, 1_500, 1_600, 1_700].map(&mut at).into();
        assert_eq!(told, [None, None, None, None, Some(5)]);
    }
}
