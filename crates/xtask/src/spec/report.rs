//! How much of the requirements is cited and tested.

use std::collections::BTreeMap;
use std::fmt;

use super::citation::Citation;
use super::exceptions::Exception;
use super::text::Text;

/// Every requirement with what is known about it.
#[derive(Debug)]
pub(super) struct Report {
    rows: Vec<Row>,
}

/// One requirement.
#[derive(Debug)]
struct Row {
    text: String,
    anchor: String,
    sentence: String,
    cited: bool,
    tested: bool,
    excepted: bool,
}

impl Row {
    fn open(&self) -> bool {
        !self.tested && !self.excepted
    }
}

impl Report {
    /// Joins requirements with the citations and exceptions that are about them.
    pub(super) fn new(
        texts: &BTreeMap<String, Text>,
        citations: &[Citation],
        exceptions: &[Exception],
    ) -> Self {
        let mut rows = Vec::new();
        for (text, content) in texts {
            for (anchor, sentence) in content.requirements() {
                let mut about =
                    citations.iter().filter(|one| one.is_about(text, anchor, sentence)).peekable();
                rows.push(Row {
                    text: text.clone(),
                    anchor: anchor.to_owned(),
                    sentence: sentence.to_owned(),
                    cited: about.peek().is_some(),
                    tested: about.any(|one| one.test),
                    excepted: exceptions.iter().any(|one| one.is_about(text, anchor, sentence)),
                });
            }
        }
        Self { rows }
    }

    /// Whether a requirement that these words are a part of is open, or there is none.
    pub(super) fn is_open(&self, text: &str, anchor: &str, quote: &str) -> bool {
        let mut about = self
            .rows
            .iter()
            .filter(|row| row.text == text && row.anchor == anchor)
            .filter(|row| row.sentence.contains(quote) || quote.contains(&row.sentence))
            .peekable();
        about.peek().is_none() || about.any(Row::open)
    }

    /// The requirements that are neither tested nor excepted.
    pub(super) fn open(&self) -> Vec<String> {
        let open = self.rows.iter().filter(|row| row.open());
        open.map(|row| format!("{}#{}: {}", row.text, row.anchor, row.sentence)).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<12} {:>5} {:>6} {:>7} {:>9} {:>5}",
            "text", "MUSTs", "cited", "tested", "excepted", "open"
        )?;
        let mut names: Vec<&str> = self.rows.iter().map(|row| row.text.as_str()).collect();
        names.dedup();
        for name in names {
            let rows: Vec<&Row> = self.rows.iter().filter(|row| row.text == name).collect();
            write_line(f, name, &rows)?;
        }
        write_line(f, "all", &self.rows.iter().collect::<Vec<_>>())
    }
}

fn write_line(f: &mut fmt::Formatter<'_>, name: &str, rows: &[&Row]) -> fmt::Result {
    let count = |holds: fn(&Row) -> bool| rows.iter().filter(|row| holds(row)).count();
    writeln!(
        f,
        "{name:<12} {:>5} {:>6} {:>7} {:>9} {:>5}",
        rows.len(),
        count(|row| row.cited),
        count(|row| row.tested),
        count(|row| row.excepted),
        count(Row::open),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_cites_and_only_a_test_or_a_reason_closes() {
        let text = Text::parse("## H\n- A MUST.\n- B MUST.\n- C MUST.\n- D MUST.\n");
        let texts = BTreeMap::from([("t.md".to_owned(), text)]);
        let cite = |quote: &str, test: bool| Citation {
            place: String::new(),
            text: "t.md".to_owned(),
            anchor: "h".to_owned(),
            test,
            quote: quote.to_owned(),
        };
        let (exceptions, _) = super::super::exceptions::read("\n- t.md#h: C MUST. Reason: why.\n");

        let report =
            Report::new(&texts, &[cite("A MUST.", false), cite("B MUST.", true)], &exceptions);

        assert_eq!(report.open(), ["t.md#h: A MUST.", "t.md#h: D MUST."]);
        let table = report.to_string();
        let last: Vec<_> = table.lines().last().unwrap_or_default().split_whitespace().collect();
        assert_eq!(last, ["all", "4", "2", "1", "1", "2"], "{table}");
    }
}
