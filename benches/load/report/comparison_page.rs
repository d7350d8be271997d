//! The page of a comparison.

use super::comparison::{Comparison, Row};
use super::format::ratio;
use super::html::{self, Cell, Page, Tone};
use super::svg;

/// Shows the table: medians, their spread, and ratios to the first subject.
pub(crate) fn table(page: &mut Page, comparison: &Comparison) {
    let mut head = vec![String::new()];
    head.extend(comparison.subjects.iter().cloned());
    let mut rows = Vec::new();
    for group in &comparison.groups {
        if !group.title.is_empty() {
            rows.push(html::Row::Section(group.title.clone()));
        }
        rows.extend(group.rows.iter().map(|row| {
            let mut cells = vec![Cell::new(&row.name)];
            cells.extend((0..comparison.subjects.len()).map(|subject| cell(row, subject)));
            html::Row::Cells(cells)
        }));
    }
    page.table(&head, &rows);
    let first = comparison.subjects.first().cloned().unwrap_or_default();
    page.note(&format!(
        "Medians; below each the least and the most of all rounds, and the ratio to {first}. Green is \
         better by more than 3 %, red is worse."
    ));
}

/// Shows one row as bars under a title, if there are several.
pub(crate) fn bars(page: &mut Page, comparison: &Comparison, row: &Row, title: &str) {
    let entries = comparison.subjects.iter().enumerate().filter_map(|(subject, name)| {
        let measured = row.values.get(subject).copied().flatten()?;
        Some((subject, name.clone(), measured.median, comparison.cell(row, subject)))
    });
    let entries: Vec<_> = entries.collect();
    if entries.len() > 1 {
        let title = format!("{title}: {}", row.name);
        page.part(&title);
        page.figure(&svg::bars(&entries, &title), "");
    }
}

fn cell(row: &Row, subject: usize) -> Cell {
    let Some(measured) = row.values.get(subject).copied().flatten() else {
        return Cell::new("–");
    };
    let mut small = String::new();
    if measured.rounds > 1 {
        let (least, most) = (row.unit.show(measured.least), row.unit.show(measured.most));
        small = format!("{least} … {most}");
    }
    let to_first = row.ratio(subject);
    if let Some(to_first) = to_first {
        let gap = if small.is_empty() { "" } else { " · " };
        small = format!("{}{gap}{small}", ratio(to_first));
    }
    let judged = to_first.and_then(|to_first| row.judge(to_first));
    let tone = judged.map(|better| if better { Tone::Good } else { Tone::Bad });
    let cell = Cell::new(row.unit.show(measured.median)).tone(tone);
    if small.is_empty() { cell } else { cell.small(small) }
}
