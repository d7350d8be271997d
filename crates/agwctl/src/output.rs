//! Tables for people, JSON for programs.

use std::io::{self, IsTerminal, Write};

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, Color, Table};
use serde::Serialize;

use crate::cli::Format;
use crate::failure::Failure;

/// Clears the screen and goes to its upper left corner (ECMA-48 §8.3.39, §8.3.21).
const CLEAR: &str = "\u{1b}[2J\u{1b}[H";

/// Where answers go, and in which form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    format: Format,
}

impl Output {
    /// Output in a format.
    pub(crate) const fn new(format: Format) -> Self {
        Self { format }
    }

    /// Shows an answer: its JSON over several lines, or its tables.
    pub(crate) fn show<T: Serialize>(
        self,
        answer: &T,
        tables: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Json => print(&json(serde_json::to_string_pretty(answer))?),
            Format::Table => print(&tables(answer)),
        }
    }

    /// Shows one of many answers: its JSON in one line, or its line of text.
    pub(crate) fn show_line<T: Serialize>(
        self,
        answer: &T,
        line: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Json => print(&json(serde_json::to_string(answer))?),
            Format::Table => print(&line(answer)),
        }
    }

    /// Shows the newest of many answers: its JSON in one line, or its tables in place of the ones
    /// before.
    pub(crate) fn show_newest<T: Serialize>(
        self,
        answer: &T,
        tables: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        let in_place = |text: String| {
            if io::stdout().is_terminal() { format!("{CLEAR}{text}") } else { text }
        };
        self.show_line(answer, |answer| in_place(tables(answer)))
    }
}

/// Writes a text and the end of its last line.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{}", text.trim_end())
        .and_then(|()| stdout.flush())
        .map_err(|error| Failure::local("standard output", &error))
}

fn json(text: serde_json::Result<String>) -> Result<String, Failure> {
    text.map_err(|error| Failure::local("standard output", &io::Error::other(error)))
}

/// An empty table; all columns after the first `words` hold numbers.
pub(crate) fn table(headings: &[&str], words: usize) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED.with_rounded_corners());
    if std::env::var_os("NO_COLOR").is_some() {
        table.force_no_tty();
    }
    table.set_header(headings.iter().map(|heading| Cell::new(heading).fg(Color::Cyan)));
    for column in table.column_iter_mut().skip(words) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// A table of facts: name and value.
pub(crate) fn facts<const N: usize>(facts: [(&str, String); N]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED.with_rounded_corners());
    if std::env::var_os("NO_COLOR").is_some() {
        table.force_no_tty();
    }
    for (name, value) in facts {
        table.add_row([Cell::new(name).fg(Color::Cyan), Cell::new(value)]);
    }
    table
}

/// A count that draws the eye unless it is zero.
pub(crate) fn alarm(count: u64) -> Cell {
    let cell = Cell::new(count);
    if count == 0 { cell } else { cell.fg(Color::Red) }
}

/// What is there, or a dash.
pub(crate) fn dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// A moment of RFC 3339 without what is below milliseconds.
pub(crate) fn moment(text: &str) -> String {
    match text.split_once('.') {
        Some((seconds, fraction)) => {
            let milliseconds: String =
                fraction.chars().take(3).filter(char::is_ascii_digit).collect();
            format!("{seconds}.{milliseconds:0<3}Z")
        }
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_cut_to_milliseconds() {
        assert_eq!(moment("2026-11-21T14:06:17.178628898Z"), "2026-11-21T14:06:17.178Z");
        assert_eq!(moment("2026-11-21T14:06:17.1Z"), "2026-11-21T14:06:17.100Z");
        assert_eq!(moment("2026-11-21T14:06:17Z"), "2026-11-21T14:06:17Z");
    }

    #[test]
    fn a_table_has_its_headings_and_no_colours_where_there_is_no_terminal() {
        let mut table = table(&["name", "packets"], 1);
        table.force_no_tty();
        table.add_row([Cell::new("all"), alarm(7)]);
        let expected = "\
╭──────┬─────────╮
│ name ┆ packets │
╞══════╪═════════╡
│ all  ┆       7 │
╰──────┴─────────╯";
        assert_eq!(table.to_string(), expected);
    }
}
