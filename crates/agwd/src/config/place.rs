//! Where in a file a key stands, so that a broken rule can be told with its line.

use std::fmt;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Invalid;

/// A broken rule with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The file and the line from 1; `None` if the value comes from elsewhere or by default.
    pub place: Option<(PathBuf, usize)>,
    /// The key and the rule.
    pub invalid: Invalid,
}

impl fmt::Display for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((file, line)) = &self.place {
            write!(f, "{}:{line}: ", file.display())?;
        }
        self.invalid.fmt(f)
    }
}

/// The line, from 1, of a dotted key, as `realm[1].ports`; that of the table that lacks it, if it
/// does.
pub(super) fn line_of(text: &str, key: &str) -> Option<usize> {
    let table = DeTable::parse(text).ok()?;
    let mut found = None;
    let mut value = None;
    for part in parts(key) {
        value = match part {
            Part::Name(name) => {
                let table = match value {
                    None if found.is_none() => table.get_ref(),
                    None => break,
                    Some(value) => as_table(value)?,
                };
                let Some((key, inner)) = table.iter().find(|(key, _)| key.get_ref() == name) else {
                    break;
                };
                found = Some(key.span().start);
                Some(inner)
            }
            Part::Position(position) => {
                let inner = as_array(value?)?.get(position)?;
                found = Some(inner.span().start);
                Some(inner)
            }
        };
    }
    Some(text.get(..found?)?.matches('\n').count() + 1)
}

enum Part<'a> {
    Name(&'a str),
    Position(usize),
}

fn parts(key: &str) -> impl Iterator<Item = Part<'_>> {
    key.split('.').flat_map(|part| {
        let (name, position) = part.split_once('[').unwrap_or((part, ""));
        let position = position.strip_suffix(']').and_then(|digits| digits.parse().ok());
        [Some(Part::Name(name)), position.map(Part::Position)].into_iter().flatten()
    })
}

fn as_table<'a, 'b>(value: &'b Spanned<DeValue<'a>>) -> Option<&'b DeTable<'a>> {
    value.get_ref().as_table()
}

fn as_array<'a, 'b>(value: &'b Spanned<DeValue<'a>>) -> Option<&'b [Spanned<DeValue<'a>>]> {
    value.get_ref().as_array().map(|array| &array[..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# a comment
[limits]
contexts = 0

[[realm]]
name = 'a'
ports = '1-2'
[[realm]]
name = 'b'
  ports = '1-2'
[iq]
listen = ''
";

    #[test]
    fn a_key_is_found_where_it_stands_and_a_missing_one_where_it_should() {
        for (key, line) in [
            ("limits.contexts", Some(3)),
            ("realm[0].ports", Some(7)),
            ("realm[1].ports", Some(10)),
            ("iq.listen", Some(12)),
            ("iq.unix_uids", Some(11)),
            ("policy.max_overlap_ms", None),
            ("realm[7].ports", None),
        ] {
            assert_eq!(line_of(TEXT, key), line, "{key}");
        }
    }
}
