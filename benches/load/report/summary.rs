//! The summary on a terminal.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, Table};

use super::figures::{FIGURES, label, window};
use super::format::{count, number};
use crate::result::RunResult;

/// The figures of a run and what is wrong with it.
pub(crate) fn summary(run: &RunResult) -> String {
    let mut table = table(&["", &label(run)]);
    for figure in FIGURES {
        if let Some(value) = (figure.read)(run) {
            table.add_row([Cell::new(figure.name), right(figure.unit.show(value))]);
        }
    }
    if let Some(phase) = window(run) {
        let ledger = &phase.ledger;
        table.add_row([Cell::new("packets sent"), right(count(ledger.sent))]);
        table.add_row([Cell::new("unaccounted for"), right(number(ledger.gap as f64))]);
    }
    let mut text = table.to_string();
    for trouble in run.troubles() {
        text.push_str(&format!("\nwrong: {trouble}"));
    }
    for limit in run.phases.iter().flat_map(|phase| &phase.limited_by_generator) {
        text.push_str(&format!("\nthe generator was the limit: {limit}"));
    }
    text
}

/// An empty table with a head.
pub(crate) fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED.with_rounded_corners());
    let cells = head.iter().enumerate().map(|(column, text)| match column {
        0 => Cell::new(text),
        _ => right((*text).to_owned()),
    });
    table.set_header(cells);
    table
}

/// A cell of figures.
pub(crate) fn right(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}
