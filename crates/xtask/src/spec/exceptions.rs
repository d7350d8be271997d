//! Requirements that no test of ours can prove, each with its reason.

use std::collections::BTreeMap;

use super::text::{Text, normalise};

/// One exception.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Exception {
    /// The requirement text, as in `srtp.md`.
    text: String,
    /// The anchor of the heading.
    anchor: String,
    /// The whole sentence.
    sentence: String,
}

impl Exception {
    /// What is wrong with the exception, if anything.
    pub(super) fn complaint(&self, texts: &BTreeMap<String, Text>) -> Option<String> {
        let found = texts.get(&self.text).is_some_and(|text| {
            text.requirements()
                .any(|(anchor, sentence)| self.is_about(&self.text, anchor, sentence))
        });
        let Self { text, anchor, sentence } = self;
        (!found).then(|| format!("exceptions.md: not in {text}#{anchor}: `{sentence}`"))
    }

    /// Whether this requirement is excepted.
    pub(super) fn is_about(&self, text: &str, anchor: &str, sentence: &str) -> bool {
        self.text == text && self.anchor == anchor && self.sentence == sentence
    }
}

/// The exceptions and what is wrong with their form; examples between fences are left out.
pub(super) fn read(markdown: &str) -> (Vec<Exception>, Vec<String>) {
    let outside = markdown.split("```").step_by(2).collect::<String>();
    let mut exceptions = Vec::new();
    let mut complaints = Vec::new();
    for item in outside.split("\n- ").skip(1).map(normalise) {
        match parse(&item) {
            Some(exception) => exceptions.push(exception),
            None => complaints.push(format!(
                "exceptions.md: `{item}` is not `NAME.md#heading: sentence Reason: why`"
            )),
        }
    }
    (exceptions, complaints)
}

fn parse(item: &str) -> Option<Exception> {
    let (requirement, reason) = item.split_once(" Reason:")?;
    let (place, sentence) = requirement.split_once(": ")?;
    let (text, anchor) = place.split_once('#')?;
    (!reason.trim().is_empty()).then(|| Exception {
        text: text.to_owned(),
        anchor: anchor.to_owned(),
        sentence: sentence.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_needs_a_sentence_that_stands_and_a_reason() {
        let texts = BTreeMap::from([("a.md".to_owned(), Text::parse("## B c\n- One MUST be.\n"))]);
        let (exceptions, complaints) = read(
            "# Title\n```\n- x.md#y: an example.\n```\n\n- a.md#b-c: One MUST be.\n  Reason: why.\n\
             - a.md#b-c: Two MUST be.\n  Reason: why.\n- a.md#b-c: One MUST be.\n  Reason:\n",
        );

        let broken: Vec<_> = exceptions.iter().filter_map(|one| one.complaint(&texts)).collect();

        assert_eq!(exceptions.len(), 2);
        assert_eq!(broken, ["exceptions.md: not in a.md#b-c: `Two MUST be.`"]);
        assert_eq!(complaints.len(), 1, "the one without a reason");
    }
}
