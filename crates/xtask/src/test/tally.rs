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

/// Who ran the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Runner {
    /// `cargo nextest run`: one closing line for all binaries.
    Nextest,
    /// `cargo test`: a closing line for each binary.
    CargoTest,
}

impl Tally {
    /// Reads the closing lines of `runner` in what it printed.
    ///
    /// nextest shows what a failed test's own binary printed, the closing line of that binary
    /// too; so only the last line of nextest's own form counts.
    pub(super) fn read(runner: Runner, text: &str) -> Self {
        let mut lines = text.lines().map(str::trim);
        match runner {
            Runner::Nextest => {
                let closing = lines.rfind(|line| line.starts_with("Summary ["));
                closing.map(read_nextest).unwrap_or_default()
            }
            Runner::CargoTest => lines
                .filter(|line| line.starts_with("test result: "))
                .map(read_cargo_test)
                .fold(Self::default(), Self::plus),
        }
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
        Self { passed: self.passed - skips, skipped: self.skipped + skips, ..self }
    }
}

/// `Summary [ 0.1s] 5 tests run: 3 passed (1 slow, 1 leaky), 1 failed, 1 timed out, 2 skipped`
///
/// What nextest calls skipped was left out by the filter and belongs to another step; whatever
/// it names besides is a failure.
fn read_nextest(line: &str) -> Tally {
    let counts = line.split_once(" run: ").map_or("", |(_, counts)| counts);
    let mut tally = Tally::default();
    for (count, word) in without_brackets(counts).split(',').filter_map(count_and_word) {
        match word {
            "passed" => tally.passed += count,
            "skipped" => {}
            _ => tally.failed += count,
        }
    }
    tally
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s`
fn read_cargo_test(line: &str) -> Tally {
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
        Tally { passed, failed, skipped }
    }

    #[test]
    fn nextest_counts_what_its_filter_left_out_for_nothing_and_what_is_no_pass_as_a_failure() {
        let table = [
            ("     Summary [   0.009s] 4 tests run: 4 passed, 7 skipped", tally(4, 0, 0)),
            (
                "Summary [  61.2s] 8 tests run: 5 passed (2 slow, 1 leaky), 1 failed, 1 timed out, \
                 1 exec failed, 0 skipped",
                tally(5, 3, 0),
            ),
            ("Summary [   0.009s] 1 test run: 1 passed, 0 skipped", tally(1, 0, 0)),
            ("no closing line", tally(0, 0, 0)),
        ];
        for (line, expected) in table {
            assert_eq!(Tally::read(Runner::Nextest, line), expected, "{line}");
        }
    }

    #[test]
    fn what_a_failed_test_printed_itself_is_not_counted_again() {
        let text = "test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured\n\
                    Summary [ 0.1s] 1 test run: 9 passed, 0 skipped\n\
                    ────\n     Summary [   0.2s] 3 tests run: 2 passed, 1 failed, 0 skipped\n";
        assert_eq!(Tally::read(Runner::Nextest, text), tally(2, 1, 0));
    }

    #[test]
    fn the_binaries_of_cargo_test_add_up() {
        let text = "test result: ok. 3 passed; 0 failed; 0 ignored\nnoise\n\
                    test result: FAILED. 2 passed; 2 failed; 1 ignored; 0 measured; 9 filtered out\n";
        assert_eq!(Tally::read(Runner::CargoTest, text), tally(5, 2, 1));
    }

    #[test]
    fn a_test_that_missed_its_peer_did_not_pass() {
        assert_eq!(tally(5, 1, 0).without_skips(2), tally(3, 1, 2));
    }
}
