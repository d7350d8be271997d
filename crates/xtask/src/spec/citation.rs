//! Citations: the comments by which code and tests quote a requirement.

use std::collections::BTreeMap;

use super::FOLDER;
use super::text::{Text, normalise};
use crate::sources::Source;

/// One quotation.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Citation {
    /// File and line of its first comment.
    pub(super) place: String,
    /// The requirement text, as in `srtp.md`.
    pub(super) text: String,
    /// The anchor of the heading.
    pub(super) anchor: String,
    /// Whether a test proves the requirement here, or code meets it.
    pub(super) test: bool,
    /// The words quoted, separated by single spaces.
    pub(super) quote: String,
}

impl Citation {
    /// What is wrong with the quotation, if anything.
    pub(super) fn complaint(&self, texts: &BTreeMap<String, Text>) -> Option<String> {
        let Self { place, text, anchor, quote, .. } = self;
        let Some(found) = texts.get(text) else {
            return Some(format!("{place}: there is no {FOLDER}/{text}"));
        };
        if !found.has(anchor) {
            return Some(format!("{place}: {text} has no heading `{anchor}`"));
        }
        if quote.is_empty() {
            return Some(format!("{place}: nothing is quoted"));
        }
        let stands = found.contains(anchor, quote);
        (!stands).then(|| format!("{place}: not in {text}#{anchor}: `{quote}`"))
    }

    /// Whether the quotation is about this requirement: it is a part of it or holds all of it.
    pub(super) fn is_about(&self, text: &str, anchor: &str, sentence: &str) -> bool {
        self.text == text
            && self.anchor == anchor
            && (sentence.contains(&self.quote) || self.quote.contains(sentence))
    }
}

/// The citations of a file and what is wrong with their form.
pub(super) fn read(source: &Source) -> (Vec<Citation>, Vec<String>) {
    let mut citations: Vec<Citation> = Vec::new();
    let mut complaints = Vec::new();
    let mut open = false;
    for (number, line) in source.text.lines().enumerate() {
        let place = format!("{}:{}", source.path.display(), number + 1);
        let line = line.trim();
        let result = if let Some(key) = line.strip_prefix("//=") {
            let result = take_key(&mut citations, open, key.trim(), place);
            open = true;
            result
        } else if let Some(words) = line.strip_prefix("//#") {
            take_words(&mut citations, open, words, place)
        } else {
            open = false;
            Ok(())
        };
        complaints.extend(result.err());
    }
    (citations, complaints)
}

/// Takes `tests/spec/NAME.md#ANCHOR`, which begins a citation, or `type=test`, which goes on.
fn take_key(
    citations: &mut Vec<Citation>,
    open: bool,
    key: &str,
    place: String,
) -> Result<(), String> {
    if let Some(kind) = key.strip_prefix("type=") {
        return match (citations.last_mut(), kind) {
            (Some(citation), "test") if open => {
                citation.test = true;
                Ok(())
            }
            (_, "test") => Err(format!("{place}: `type=test` without a citation before it")),
            _ => Err(format!("{place}: `type={kind}` is unknown, only `type=test` is")),
        };
    }
    let target = key.strip_prefix(FOLDER).and_then(|rest| rest.strip_prefix('/'));
    let Some((text, anchor)) = target.and_then(|rest| rest.split_once('#')) else {
        return Err(format!("{place}: `{key}` is not {FOLDER}/NAME.md#heading"));
    };
    citations.push(Citation {
        place,
        text: text.to_owned(),
        anchor: anchor.to_owned(),
        test: false,
        quote: String::new(),
    });
    Ok(())
}

fn take_words(
    citations: &mut [Citation],
    open: bool,
    words: &str,
    place: String,
) -> Result<(), String> {
    let Some(citation) = citations.last_mut().filter(|_| open) else {
        return Err(format!("{place}: a quotation without a citation before it"));
    };
    citation.quote = normalise(&format!("{} {words}", citation.quote));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn read_text(text: &str) -> (Vec<Citation>, Vec<String>) {
        read(&Source { path: PathBuf::from("a.rs"), text: text.to_owned() })
    }

    fn texts() -> BTreeMap<String, Text> {
        let text = Text::parse("## Replay\n- An index behind the window MUST be discarded.\n");
        BTreeMap::from([("srtp.md".to_owned(), text)])
    }

    #[test]
    fn a_quotation_over_two_lines_is_read_and_stands() {
        let (citations, complaints) = read_text(
            "fn f() {}\n    //= tests/spec/srtp.md#replay\n    //= type=test\n\
             //# An index behind\n    //#   the window MUST be discarded.\n#[test]\n",
        );

        assert_eq!(complaints, Vec::<String>::new());
        let [citation] = citations.as_slice() else { panic!("{citations:?}") };
        assert_eq!(citation.place, "a.rs:2");
        assert!(citation.test);
        assert_eq!(citation.complaint(&texts()), None);
        let sentence = "An index behind the window MUST be discarded.";
        assert!(citation.is_about("srtp.md", "replay", sentence));
        assert!(!citation.is_about("srtp.md", "other", sentence));
        assert!(!citation.is_about("srtp.md", "replay", "An index MUST be."));
    }

    #[test]
    fn two_citations_in_a_row_are_two() {
        let (citations, _) = read_text(
            "//= tests/spec/srtp.md#replay\n//# An index\n//= tests/spec/srtp.md#replay\n//# behind\n",
        );
        let quotes: Vec<_> = citations.iter().map(|citation| citation.quote.as_str()).collect();
        assert_eq!(quotes, ["An index", "behind"]);
    }

    #[test]
    fn a_quotation_that_does_not_stand_is_told_with_its_place() {
        let table = [
            ("srtp.md#replay\n//# An index MAY be.", "not in srtp.md#replay: `An index MAY be.`"),
            ("srtp.md#nowhere\n//# x", "srtp.md has no heading `nowhere`"),
            ("none.md#replay\n//# x", "there is no tests/spec/none.md"),
            ("srtp.md#replay", "nothing is quoted"),
        ];
        for (text, expected) in table {
            let (citations, _) = read_text(&format!("//= tests/spec/{text}\n"));
            let complaints: Vec<_> =
                citations.iter().filter_map(|citation| citation.complaint(&texts())).collect();
            assert_eq!(complaints, [format!("a.rs:1: {expected}")]);
        }
    }

    #[test]
    fn a_malformed_citation_is_told() {
        let table = [
            ("//# words\n", "a quotation without a citation before it"),
            ("//= type=test\n", "`type=test` without a citation before it"),
            ("//= rfc3711#3\n", "`rfc3711#3` is not tests/spec/NAME.md#heading"),
            (
                "//= tests/spec/srtp.md#replay\n//= type=todo\n",
                "`type=todo` is unknown, only `type=test` is",
            ),
        ];
        for (text, expected) in table {
            let (_, complaints) = read_text(text);
            let [complaint] = complaints.as_slice() else { panic!("{complaints:?}") };
            assert!(complaint.ends_with(expected), "{complaint}");
        }
    }
}
