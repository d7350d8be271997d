//! Certificates that expire: told in time, refused when it is too late.

use std::time::{SystemTime, UNIX_EPOCH};

/// The days before the end at which it is told, most first.
const TOLD: [i64; 3] = [30, 7, 1];
const SECONDS_OF_A_DAY: i64 = 86_400;

/// Watches one certificate after the other.
#[derive(Debug, Default)]
pub(crate) struct ExpiryWatch {
    /// The end of the certificate that is watched, in seconds since the epoch.
    expiry: i64,
    /// What has been told of it: so many of [`TOLD`].
    told: usize,
}

impl ExpiryWatch {
    /// The whole days that are left, when it is time to tell them.
    pub(crate) fn due(&mut self, expiry: i64, now: i64) -> Option<u16> {
        if expiry != self.expiry {
            *self = Self { expiry, told: 0 };
        }
        let left = expiry.saturating_sub(now);
        let passed = TOLD.iter().take_while(|&&days| left <= days * SECONDS_OF_A_DAY).count();
        if passed <= self.told {
            return None;
        }
        self.told = passed;
        Some(u16::try_from(left.max(0) / SECONDS_OF_A_DAY).unwrap_or(u16::MAX))
    }
}

/// Whether a certificate has expired.
pub(crate) fn is_over(expiry: i64) -> bool {
    expiry <= seconds()
}

/// Seconds since the epoch, by the wall clock.
pub(crate) fn seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_told_a_month_a_week_and_a_day_before_and_once_each() {
        let mut watch = ExpiryWatch::default();
        let day = SECONDS_OF_A_DAY;
        let expiry = 100 * day;
        for (now, due) in [
            (0, None),
            (70 * day - 1, None),
            (70 * day, Some(30)),
            (70 * day + 1, None),
            (93 * day + 5, Some(6)),
            (98 * day, None),
            (99 * day + 5, Some(0)),
            (200 * day, None),
        ] {
            assert_eq!(watch.due(expiry, now), due, "{now}");
        }
    }

    #[test]
    fn a_new_certificate_is_watched_anew_and_one_that_is_nearly_over_is_told_at_once() {
        let mut watch = ExpiryWatch::default();
        assert_eq!(watch.due(50, 0), Some(0));
        assert_eq!(watch.due(50, 1), None);
        assert_eq!(watch.due(60, 1), Some(0));
        assert_eq!(watch.due(90 * SECONDS_OF_A_DAY, 1), None);
    }
}
