//! Documents clause by clause: every MUST of an RFC or a TS in our own words, and the requirement of
//! ours that meets it, or the reason why it is not ours to meet.

use std::collections::BTreeMap;
use std::fmt;

use super::report::Report;
use super::text::{Text, normalise};

/// A document, as in `rfc3711.md`.
#[derive(Debug)]
pub(super) struct Document {
    name: String,
    rules: Vec<Rule>,
}

/// One MUST of the document.
#[derive(Debug, PartialEq, Eq)]
struct Rule {
    clause: String,
    sentence: String,
    answer: Answer,
}

/// What we say to it.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// These requirements of ours meet it.
    Met(Vec<Target>),
    /// It binds somebody else, for this reason.
    NotOurs(String),
    /// It binds us and we do not meet it, for this reason.
    Unmet(String),
}

/// A requirement of ours.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    text: String,
    anchor: String,
    quote: String,
}

impl Document {
    /// Reads `## clause`, then list items of a sentence and its answer; tells what is malformed.
    pub(super) fn parse(name: &str, markdown: &str) -> (Self, Vec<String>) {
        let (mut rules, mut complaints) = (Vec::new(), Vec::new());
        let mut clause = String::new();
        for item in items(markdown) {
            if let Some(heading) = item.strip_prefix("## ") {
                clause = heading.split_whitespace().next().unwrap_or_default().to_owned();
            } else if let Some(item) = item.strip_prefix("- ") {
                match rule(&clause, item) {
                    Some(rule) => rules.push(rule),
                    None => complaints.push(format!(
                        "{name}: `{item}` is not `sentence Met: NAME.md#heading: words`, `sentence \
                         Not ours: why` or `sentence Unmet: why`"
                    )),
                }
            }
        }
        (Self { name: name.to_owned(), rules }, complaints)
    }

    /// What is wrong with the targets of the document.
    pub(super) fn complaints(&self, texts: &BTreeMap<String, Text>) -> Vec<String> {
        let stands = |target: &Target| {
            texts.get(&target.text).is_some_and(|text| text.contains(&target.anchor, &target.quote))
        };
        let lost = self.targets().filter(|(_, target)| !stands(target));
        lost.map(|(rule, Target { text, anchor, quote })| {
            format!("{} {}: not in {text}#{anchor}: `{quote}`", self.name, rule.clause)
        })
        .collect()
    }

    /// The rules whose requirements nobody has proven yet.
    pub(super) fn open(&self, report: &Report) -> Vec<String> {
        let open = self.rules.iter().filter(|rule| rule.is_open(report));
        open.map(|rule| format!("{} {}: {}", self.name, rule.clause, rule.sentence)).collect()
    }

    /// One line of the table.
    pub(super) fn line(&self, report: &Report) -> impl fmt::Display {
        let count = |holds: &dyn Fn(&Rule) -> bool| self.rules.iter().filter(|r| holds(r)).count();
        let mut clauses: Vec<&str> = self.rules.iter().map(|rule| rule.clause.as_str()).collect();
        clauses.dedup();
        let open = count(&|rule| rule.is_open(report));
        let met = count(&|rule| matches!(rule.answer, Answer::Met(_))) - open;
        format!(
            "{:<14} {:>7} {:>5} {met:>6} {:>8} {:>5} {open:>5}",
            self.name,
            clauses.len(),
            self.rules.len(),
            count(&|rule| matches!(rule.answer, Answer::NotOurs(_))),
            count(&|rule| matches!(rule.answer, Answer::Unmet(_))),
        )
    }

    /// The head of the table.
    pub(super) fn head() -> impl fmt::Display {
        format!(
            "{:<14} {:>7} {:>5} {:>6} {:>8} {:>5} {:>5}",
            "document", "clauses", "MUSTs", "proven", "not ours", "unmet", "open"
        )
    }

    fn targets(&self) -> impl Iterator<Item = (&Rule, &Target)> {
        self.rules.iter().flat_map(|rule| {
            let targets = match &rule.answer {
                Answer::Met(targets) => targets.as_slice(),
                Answer::NotOurs(_) | Answer::Unmet(_) => &[],
            };
            targets.iter().map(move |target| (rule, target))
        })
    }
}

impl Rule {
    fn is_open(&self, report: &Report) -> bool {
        match &self.answer {
            Answer::Met(targets) => targets
                .iter()
                .any(|Target { text, anchor, quote }| report.is_open(text, anchor, quote)),
            Answer::NotOurs(_) | Answer::Unmet(_) => false,
        }
    }
}

fn rule(clause: &str, item: &str) -> Option<Rule> {
    let (sentence, answer) = if let Some((sentence, reason)) = item.split_once(" Not ours: ") {
        (sentence, Answer::NotOurs(reason.to_owned()))
    } else if let Some((sentence, reason)) = item.split_once(" Unmet: ") {
        (sentence, Answer::Unmet(reason.to_owned()))
    } else {
        let (sentence, targets) = item.split_once(" Met: ")?;
        let targets = targets.split(" Met: ").map(target).collect::<Option<Vec<_>>>()?;
        (sentence, Answer::Met(targets))
    };
    let is_rule = !clause.is_empty() && sentence.contains("MUST");
    is_rule.then(|| Rule { clause: clause.to_owned(), sentence: sentence.to_owned(), answer })
}

fn target(text: &str) -> Option<Target> {
    let (place, quote) = text.split_once(": ")?;
    let (text, anchor) = place.split_once('#')?;
    Some(Target { text: text.to_owned(), anchor: anchor.to_owned(), quote: quote.to_owned() })
}

/// Headings and list items, each on one line.
fn items(markdown: &str) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    let mut in_item = false;
    for line in markdown.lines().map(normalise) {
        let begins = line.starts_with("- ") || line.starts_with('#');
        if let (true, false, false, Some(item)) =
            (in_item, begins, line.is_empty(), items.last_mut())
        {
            item.push(' ');
            item.push_str(&line);
            continue;
        }
        in_item = line.starts_with("- ");
        if begins {
            items.push(line);
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::citation::Citation;

    const MARKDOWN: &str = "# RFC 1\n\nProse.\n\n## 3.1 Packets\n- One\n  MUST be.\n  Met: a.md#b: A MUST\n  Met: a.md#b: B\n\
        - Two MUST be.\n  Not ours: the peer's.\n## 4\n- Three MUST be. Met: a.md#c: gone\n- Four MUST be.\n\
        - Five MUST be. Unmet: later.\n";

    fn fixture() -> (Document, Vec<String>, BTreeMap<String, Text>) {
        let (document, complaints) = Document::parse("rfc1.md", MARKDOWN);
        let text = Text::parse("## B\n- A MUST be here.\n- B MUST be here.\n");
        (document, complaints, BTreeMap::from([("a.md".to_owned(), text)]))
    }

    #[test]
    fn a_rule_without_an_answer_and_a_lost_requirement_are_told() {
        let (document, malformed, texts) = fixture();

        assert_eq!(malformed.len(), 1, "{malformed:?}");
        assert!(malformed.iter().all(|complaint| complaint.contains("`Four MUST be.`")));
        assert_eq!(document.complaints(&texts), ["rfc1.md 4: not in a.md#c: `gone`"]);
    }

    #[test]
    fn a_rule_is_open_until_every_requirement_that_meets_it_is_proven() {
        let (document, _, texts) = fixture();
        let proof = |quote: &str| Citation {
            place: String::new(),
            text: "a.md".to_owned(),
            anchor: "b".to_owned(),
            test: true,
            quote: quote.to_owned(),
        };
        let half = Report::new(&texts, &[proof("A MUST be here.")], &[]);
        let whole = Report::new(&texts, &[proof("A MUST be"), proof("B MUST be")], &[]);

        assert_eq!(
            document.open(&half).first().map(String::as_str),
            Some("rfc1.md 3.1: One MUST be.")
        );
        assert!(document.open(&whole).iter().all(|open| !open.contains("One")));
        let line = document.line(&whole).to_string();
        let figures: Vec<_> = line.split_whitespace().collect();
        assert_eq!(figures, ["rfc1.md", "2", "4", "1", "1", "1", "1"], "{line}");
    }
}
