//! Log lines that others can cause: so many a second, and how many were left out.

use std::time::{Duration, Instant};

/// Lines at once, and refilled in a second.
const BURST: u32 = 10;
const EVERY: Duration = Duration::from_millis(100);

/// A bucket of lines.
#[derive(Debug)]
pub(crate) struct RefusalLog {
    lines: u32,
    filled: Instant,
    left_out: u64,
}

impl RefusalLog {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { lines: BURST, filled: now, left_out: 0 }
    }

    /// Whether a line may be written, and how many were left out before it; `None`: leave it out.
    pub(crate) fn line(&mut self, now: Instant) -> Option<u64> {
        let passed = now.saturating_duration_since(self.filled).as_nanos() / EVERY.as_nanos();
        let new = u32::try_from(passed).unwrap_or(BURST).min(BURST);
        if new > 0 {
            self.lines = (self.lines + new).min(BURST);
            self.filled = now;
        }
        if self.lines == 0 {
            self.left_out += 1;
            return None;
        }
        self.lines -= 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_written_the_rest_counted_and_told_with_the_next_line() {
        let start = Instant::now();
        let mut log = RefusalLog::new(start);
        let written = (0..100).filter_map(|_| log.line(start)).count();
        assert_eq!(written, 10);
        assert_eq!(log.line(start + EVERY - Duration::from_millis(1)), None);
        assert_eq!(log.line(start + EVERY), Some(91));
        assert_eq!(log.line(start + EVERY), None);
        let later = start + Duration::from_secs(60);
        let written: Vec<_> = (0..20).filter_map(|_| log.line(later)).collect();
        assert_eq!(written, [vec![1], vec![0; 9]].concat());
    }
}
