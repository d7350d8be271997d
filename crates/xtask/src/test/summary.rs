//! The summary: every step, every skip, and the counts on the last line.

use std::fmt::Write as _;
use std::time::Duration;

use super::step::Outcome;
use super::tally::Tally;

/// Whether a step passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It did.
    Passed,
    /// It did not, and why.
    Failed(String),
    /// It could not be carried out, and why.
    Skipped(String),
}

/// A step that is over.
#[derive(Debug)]
pub(super) struct Record {
    /// Its name.
    pub(super) name: &'static str,
    /// What came of it.
    pub(super) outcome: Outcome,
    /// How long it took.
    pub(super) duration: Duration,
}

/// All steps that are over.
#[derive(Debug, Default)]
pub(super) struct Summary {
    records: Vec<Record>,
}

impl Summary {
    pub(super) fn add(&mut self, record: Record) {
        self.records.push(record);
    }

    /// Whether the step of this name ran and failed.
    pub(super) fn has_failed(&self, name: &str) -> bool {
        let failed = |record: &Record| matches!(record.outcome.verdict, Verdict::Failed(_));
        self.records.iter().any(|record| record.name == name && failed(record))
    }

    /// Whether nothing failed, nor was skipped where that is denied.
    pub(super) fn is_good(&self, deny_skips: bool) -> bool {
        let all = self.counts();
        all.failed == 0 && !(deny_skips && all.skipped > 0)
    }

    /// The table, the skips by name, and `N passed, N failed, N skipped` as the last line.
    pub(super) fn text(&self, deny_skips: bool) -> String {
        let mut text = String::new();
        for record in self.records.iter().filter(|record| !record.outcome.table.is_empty()) {
            let _ = write!(text, "\n=== {}\n{}", record.name, record.outcome.table);
        }
        text.push_str("\n=== summary\n");
        for record in &self.records {
            text.push_str(&row(record));
        }
        for (record, skip) in
            self.records.iter().flat_map(|r| r.outcome.skips.iter().map(move |skip| (r, skip)))
        {
            let _ =
                writeln!(text, "SKIPPED {}: {} (without {})", record.name, skip.test, skip.peer);
        }
        let all = self.counts();
        if deny_skips && all.skipped > 0 {
            text.push_str("a skip is a failure here (CI=true or --deny-skips)\n");
        }
        let _ =
            writeln!(text, "{} passed, {} failed, {} skipped", all.passed, all.failed, all.skipped);
        text
    }

    fn counts(&self) -> Tally {
        self.records.iter().map(counts).fold(Tally::default(), Tally::plus)
    }
}

/// A step that ran tests counts these, and itself if it failed although none of them did.
fn counts(record: &Record) -> Tally {
    let tests = record.outcome.tests.unwrap_or_default();
    match &record.outcome.verdict {
        Verdict::Passed if record.outcome.tests.is_some() => tests,
        Verdict::Passed => Tally { passed: 1, ..Tally::default() },
        Verdict::Failed(_) => Tally { failed: tests.failed.max(1), ..tests },
        Verdict::Skipped(_) => Tally { skipped: tests.skipped + 1, ..tests },
    }
}

fn row(record: &Record) -> String {
    let (result, reason) = match &record.outcome.verdict {
        Verdict::Passed => ("passed", ""),
        Verdict::Failed(reason) => ("FAILED", reason.lines().next().unwrap_or_default()),
        Verdict::Skipped(reason) => ("SKIPPED", reason.lines().next().unwrap_or_default()),
    };
    let tests = record.outcome.tests.map_or_else(String::new, |tests| {
        let Tally { passed, failed, skipped } = tests;
        format!("{passed} passed, {failed} failed, {skipped} skipped")
    });
    let note = [tests.as_str(), reason].into_iter().filter(|part| !part.is_empty());
    let note = note.collect::<Vec<_>>().join("; ");
    let row =
        format!("{:<9} {result:<8} {:>7.1} s  {note}", record.name, record.duration.as_secs_f64());
    format!("{}\n", row.trim_end())
}

#[cfg(test)]
mod tests {
    use super::super::skips::Skip;
    use super::*;

    fn record(name: &'static str, verdict: Verdict, tests: Option<Tally>) -> Record {
        let outcome = Outcome { tests, ..Outcome::from(verdict) };
        Record { name, outcome, duration: Duration::from_millis(1_500) }
    }

    fn tests(passed: usize, failed: usize, skipped: usize) -> Option<Tally> {
        Some(Tally { passed, failed, skipped })
    }

    #[test]
    fn the_last_line_counts_tests_and_steps_without_tests() {
        let mut summary = Summary::default();
        summary.add(record("fmt", Verdict::Passed, None));
        summary.add(record("deny", Verdict::Skipped("cargo-deny is missing".into()), None));
        summary.add(record("unit", Verdict::Failed("exit 100".into()), tests(7, 2, 0)));
        let mut interop = record("interop", Verdict::Passed, tests(1, 0, 1));
        interop.outcome.skips = vec![Skip { peer: "ffmpeg".into(), test: "a_call".into() }];
        summary.add(interop);

        let text = summary.text(true);

        let lines: Vec<_> = text.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "fmt       passed       1.5 s",
                "deny      SKIPPED      1.5 s  cargo-deny is missing",
                "unit      FAILED       1.5 s  7 passed, 2 failed, 0 skipped; exit 100",
                "interop   passed       1.5 s  1 passed, 0 failed, 1 skipped",
                "SKIPPED interop: a_call (without ffmpeg)",
                "a skip is a failure here (CI=true or --deny-skips)",
                "9 passed, 2 failed, 2 skipped",
            ]
        );
        assert!(summary.has_failed("unit") && !summary.has_failed("fmt"));
    }

    #[test]
    fn a_runner_that_failed_before_its_tests_counts_as_one_failure() {
        let mut summary = Summary::default();
        summary.add(record("e2e", Verdict::Failed("does not build".into()), tests(0, 0, 0)));
        assert!(summary.text(false).ends_with("\n0 passed, 1 failed, 0 skipped\n"));
        assert!(!summary.is_good(false));
    }

    #[test]
    fn a_skip_is_a_failure_only_where_it_is_denied() {
        let mut summary = Summary::default();
        summary.add(record("unit", Verdict::Passed, tests(3, 0, 1)));
        assert!(summary.is_good(false));
        assert!(!summary.is_good(true));
    }
}
