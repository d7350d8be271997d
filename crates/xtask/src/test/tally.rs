//! Counting tests from what their runner prints.

/// How many tests there were.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    /// Tests that passed.
    pub(super) passed: usize,
    /// Tests that failed, timed out or could not be run.
    pub(super) failed: usize,
    /// Tests that did not run.
    pub(super) skipped: usize,
}

impl Tally {
    /// Adds up the closing lines of `cargo nextest run` and `cargo test` in `text`.
    pub(super) fn read(text: &str) -> Self {
        text.lines().fold(Self::default(), |sum, line| {
            let line = line.trim();
            let counts = if line.starts_with("Summary [") {
                read_nextest(line)
            } else if line.starts_with("test result: ") {
                read_libtest(line)
            } else {
                Self::default()
            };
            sum.plus(counts)
        })
    }

    /// Both together.
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }

    /// Moves tests that skipped for want of a peer from those that passed.
    pub(super) fn without_skips(self, skips: usize) -> Self {
        let skips = skips.min(self.passed);
        Self {
            passed: self.passed - skips,
            skipped: self.skipped + skips,
            ..self
        }
    }
}

/// `Summary [ 0.1s] 5 tests run: 3 passed (1 slow, 1 leaky), 1 failed, 1 timed out, 2 skipped`
///
/// What nextest calls skipped was left out by the filter and belongs to another step; whatever
/// it names besides is a failure.
fn read_nextest(line: &str) -> Tally {
    let counts = line.split_once(" run: ").map_or("", |(_, counts)| counts);
    let mut tally = Tally::default();
    for (count, word) in without_brackets(counts)
        .split(',')
        .filter_map(count_and_word)
    {
        match word {
            "passed" => tally.passed += count,
            "skipped" => {}
            _ => tally.failed += count,
        }
    }
    tally
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s`
fn read_libtest(line: &str) -> Tally {
    let counts = line.split_once(". ").map_or("", |(_, counts)| counts);
    let mut tally = Tally::default();
    for (count, word) in counts.split(';').filter_map(count_and_word) {
        match word {
            "passed" => tally.passed += count,
            "failed" => tally.failed += count,
            "ignored" => tally.skipped += count,
            _ => {}
        }
    }
    tally
}

fn count_and_word(part: &str) -> Option<(usize, &str)> {
    let (count, word) = part.trim().split_once(' ')?;
    Some((count.parse().ok()?, word.trim()))
}

fn without_brackets(text: &str) -> String {
    let outside = |part: &str| part.split_once(')').map_or("", |(_, rest)| rest).to_owned();
    let mut parts = text.split('(');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |kept, part| kept + &outside(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(passed: usize, failed: usize, skipped: usize) -> Tally {
        Tally {
            passed,
            failed,
            skipped,
        }
    }

    #[test]
    fn closing_lines_of_both_runners_are_read() {
        let table = [
            (
                "     Summary [   0.009s] 4 tests run: 4 passed, 7 skipped",
                tally(4, 0, 0),
            ),
            (
                "Summary [  61.2s] 8 tests run: 5 passed (2 slow, 1 leaky), 1 failed, 1 timed out, \
                 1 exec failed, 0 skipped",
                tally(5, 3, 0),
            ),
            (
                "Summary [   0.009s] 1 test run: 1 passed, 0 skipped",
                tally(1, 0, 0),
            ),
            (
                "test result: FAILED. 3 passed; 2 failed; 1 ignored; 0 measured; 9 filtered out; \
                 finished in 0.10s",
                tally(3, 2, 1),
            ),
            ("test sentence ... ok", tally(0, 0, 0)),
        ];
        for (line, expected) in table {
            assert_eq!(Tally::read(line), expected, "{line}");
        }
    }

    #[test]
    fn the_lines_of_several_binaries_add_up() {
        let text = "test result: ok. 3 passed; 0 failed; 0 ignored\nnoise\n\
                    test result: ok. 2 passed; 0 failed; 0 ignored\n";
        assert_eq!(Tally::read(text), tally(5, 0, 0));
    }

    #[test]
    fn a_test_that_missed_its_peer_did_not_pass() {
        assert_eq!(tally(5, 1, 0).without_skips(2), tally(3, 1, 2));
    }
}
