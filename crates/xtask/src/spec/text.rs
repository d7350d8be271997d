//! A requirement text: headings, and under each the sentences with a MUST.

use std::collections::BTreeMap;

/// A requirement text, by the anchors of its headings.
#[derive(Debug)]
pub(super) struct Text {
    sections: BTreeMap<String, Section>,
}

/// What stands under one heading.
#[derive(Debug, Default)]
struct Section {
    /// All words, separated by single spaces.
    words: String,
    /// Each sentence with a MUST.
    requirements: Vec<String>,
}

impl Text {
    /// Reads Markdown: `## Heading`, then one requirement per list item.
    pub(super) fn parse(markdown: &str) -> Self {
        let mut sections: BTreeMap<String, Section> = BTreeMap::new();
        let mut anchor = String::new();
        for item in items(markdown) {
            if let Some(heading) = item.strip_prefix("## ") {
                anchor = anchor_of(heading);
                sections.entry(anchor.clone()).or_default();
            } else if let Some(section) = sections.get_mut(&anchor) {
                section.take(item.strip_prefix("- ").unwrap_or(&item));
            }
        }
        Self { sections }
    }

    /// Whether a heading with this anchor stands in the text.
    pub(super) fn has(&self, anchor: &str) -> bool {
        self.sections.contains_key(anchor)
    }

    /// Whether these words stand under this heading.
    pub(super) fn contains(&self, anchor: &str, words: &str) -> bool {
        self.sections.get(anchor).is_some_and(|section| section.words.contains(words))
    }

    /// Every requirement with the anchor of its heading, in the order of the anchors.
    pub(super) fn requirements(&self) -> impl Iterator<Item = (&str, &str)> {
        self.sections.iter().flat_map(|(anchor, section)| {
            section.requirements.iter().map(move |sentence| (anchor.as_str(), sentence.as_str()))
        })
    }
}

impl Section {
    fn take(&mut self, item: &str) {
        if !self.words.is_empty() {
            self.words.push(' ');
        }
        self.words.push_str(item);
        let sentences = item.split_inclusive(". ").map(str::trim);
        let requirements = sentences.filter(|sentence| is_requirement(sentence));
        self.requirements.extend(requirements.map(str::to_owned));
    }
}

/// Words separated by single spaces.
pub(super) fn normalise(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_requirement(sentence: &str) -> bool {
    sentence.split(|c: char| !c.is_alphanumeric()).any(|word| word == "MUST")
}

/// The anchor of a heading: lower case, `-` for spaces, no punctuation.
fn anchor_of(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || " -".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// Headings, list items and paragraphs, each on one line.
fn items(markdown: &str) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in markdown.lines().map(normalise) {
        let begins = line.starts_with("- ") || line.starts_with('#');
        if let (true, false, Some(item)) = (goes_on, begins || line.is_empty(), items.last_mut()) {
            item.push(' ');
            item.push_str(&line);
        } else if !line.is_empty() {
            items.push(line.clone());
        }
        goes_on = !line.is_empty() && !line.starts_with('#');
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKDOWN: &str = "# Title\n\nA MUST of no heading.\n\n## E bit\nRFC 1 §2\n\n\
        - One MUST\n  go on. Two MUST NOT. Three may.\n- MUSTARD is no requirement.\n\n\
        ## Plain\n- Four MUST.\n";

    #[test]
    fn each_sentence_with_the_word_is_a_requirement_under_its_heading() {
        let text = Text::parse(MARKDOWN);

        let requirements: Vec<_> = text.requirements().collect();

        assert_eq!(
            requirements,
            [("e-bit", "One MUST go on."), ("e-bit", "Two MUST NOT."), ("plain", "Four MUST.")]
        );
    }

    #[test]
    fn words_are_found_under_their_own_heading_only() {
        let text = Text::parse(MARKDOWN);

        assert!(text.contains("e-bit", "One MUST go on."));
        assert!(!text.contains("plain", "One MUST go on."));
        assert!(!text.contains("nowhere", "One MUST go on."));
        assert!(text.has("plain") && !text.has("nowhere"));
    }
}
