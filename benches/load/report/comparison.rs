//! Subjects side by side: medians of each, and ratios to the first.

use super::figures::{Better, FIGURES};
use super::format::{Unit, ratio};
use super::summary;
use crate::result::RunResult;

/// Subjects and what was found about them.
pub(crate) struct Comparison {
    /// What each column is; ratios are to the first.
    pub(crate) subjects: Vec<String>,
    /// Rows in groups.
    pub(crate) groups: Vec<Group>,
}

/// Rows that have something in common.
pub(crate) struct Group {
    /// What they have in common; empty for nothing.
    pub(crate) title: String,
    /// The rows.
    pub(crate) rows: Vec<Row>,
}

/// One figure of every subject.
pub(crate) struct Row {
    /// What it is.
    pub(crate) name: String,
    /// What it is measured in.
    pub(crate) unit: Unit,
    /// Which way it is better.
    pub(crate) better: Better,
    /// For each subject; `None` where there is none.
    pub(crate) values: Vec<Option<Measured>>,
}

/// A figure that was measured several times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Measured {
    /// The median.
    pub(crate) median: f64,
    /// The least.
    pub(crate) least: f64,
    /// The most.
    pub(crate) most: f64,
    /// How often it was measured.
    pub(crate) rounds: usize,
}

impl Measured {
    /// Sums values up; `None` if there are none.
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let upper = *values.get(middle)?;
        let median = match values.len() % 2 {
            1 => upper,
            _ => (upper + *values.get(middle.checked_sub(1)?)?) / 2.0,
        };
        Some(Self { median, least, most, rounds: values.len() })
    }
}

impl Row {
    /// The ratio of a subject to the first one; `None` if either has no figure or the first is 0.
    pub(crate) fn ratio(&self, subject: usize) -> Option<f64> {
        let first = self.values.first().copied().flatten()?.median;
        let this = self.values.get(subject).copied().flatten()?.median;
        (subject > 0 && first > 0.0).then_some(this / first)
    }

    /// Whether a ratio is better, worse or, within 3 %, neither.
    pub(crate) fn judge(&self, ratio: f64) -> Option<bool> {
        if (0.97..=1.03).contains(&ratio) {
            return None;
        }
        Some(match self.better {
            Better::Less => ratio < 1.0,
            Better::More => ratio > 1.0,
        })
    }
}

impl Comparison {
    /// Compares runs: each subject with all its runs.
    pub(crate) fn of_runs(subjects: &[(String, Vec<&RunResult>)]) -> Self {
        let rows = FIGURES.iter().map(|figure| Row {
            name: figure.name.to_owned(),
            unit: figure.unit,
            better: figure.better,
            values: subjects
                .iter()
                .map(|(_, runs)| {
                    Measured::of(runs.iter().filter_map(|run| (figure.read)(run)).collect())
                })
                .collect(),
        });
        let rows = rows.filter(|row| row.values.iter().any(Option::is_some)).collect();
        Self {
            subjects: subjects.iter().map(|(name, _)| name.clone()).collect(),
            groups: vec![Group { title: String::new(), rows }],
        }
    }

    /// The comparison for a terminal.
    pub(crate) fn table(&self) -> String {
        let mut head = vec![""];
        head.extend(self.subjects.iter().map(String::as_str));
        let mut table = summary::table(&head);
        for group in &self.groups {
            if !group.title.is_empty() {
                table.add_row([group.title.to_uppercase()]);
            }
            for row in &group.rows {
                let mut cells = vec![comfy_table::Cell::new(&row.name)];
                cells.extend(
                    (0..self.subjects.len()).map(|subject| {
                        summary::right(self.cell(row, subject).replace(" (", "\n("))
                    }),
                );
                table.add_row(cells);
            }
        }
        table.to_string()
    }

    /// The comparison as a table in Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("| | {} |\n|---|", self.subjects.join(" | "));
        text.push_str(&"---:|".repeat(self.subjects.len()));
        text.push('\n');
        for group in &self.groups {
            if !group.title.is_empty() {
                text.push_str(&format!(
                    "| **{}** |{}\n",
                    group.title,
                    " |".repeat(self.subjects.len())
                ));
            }
            for row in &group.rows {
                let cells = (0..self.subjects.len()).map(|subject| self.cell(row, subject));
                text.push_str(&format!(
                    "| {} | {} |\n",
                    row.name,
                    cells.collect::<Vec<_>>().join(" | ")
                ));
            }
        }
        text
    }

    /// The median, with its ratio where there is one.
    pub(crate) fn cell(&self, row: &Row, subject: usize) -> String {
        let Some(measured) = row.values.get(subject).copied().flatten() else {
            return "–".to_owned();
        };
        let value = row.unit.show(measured.median);
        match row.ratio(subject) {
            Some(to_first) => format!("{value} ({})", ratio(to_first)),
            None => value,
        }
    }
}
