//! One line, as it stood, and what it says.

use std::fmt;

use zeroize::Zeroizing;

/// How a line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// As RFC 8866 §5 writes it.
    CrLf,
    /// As some write it.
    Lf,
    /// The last line, unfinished.
    Nothing,
}

/// One line. Its octets may hold a key: they are wiped, never copied and never shown.
pub(crate) struct Line {
    octets: Zeroizing<Vec<u8>>,
    ending: Ending,
}

impl Line {
    /// A line of ours.
    pub(crate) fn new(text: &str) -> Self {
        Self { octets: Zeroizing::new(text.as_bytes().to_vec()), ending: Ending::CrLf }
    }

    /// Takes the first line off the front; nothing if there is none.
    pub(crate) fn take(octets: &[u8]) -> Option<(Self, &[u8])> {
        if octets.is_empty() {
            return None;
        }
        let end = octets.iter().position(|octet| *octet == b'\n');
        let (line, rest) = match end {
            Some(end) => (octets.get(..end)?, octets.get(end + 1..)?),
            None => (octets, octets.get(octets.len()..)?),
        };
        let (line, ending) = match (line.strip_suffix(b"\r"), end) {
            (Some(line), Some(_)) => (line, Ending::CrLf),
            (None, Some(_)) => (line, Ending::Lf),
            (_, None) => (line, Ending::Nothing),
        };
        Some((Self { octets: Zeroizing::new(line.to_vec()), ending }, rest))
    }

    /// The letter before the equals sign.
    pub(crate) fn kind(&self) -> Option<u8> {
        match self.octets.as_slice() {
            [kind, b'=', ..] => Some(*kind),
            _ => None,
        }
    }

    /// What stands after the equals sign; `None` if it is not text.
    pub(crate) fn value(&self) -> Option<&str> {
        self.kind()?;
        str::from_utf8(self.octets.get(2..)?).ok()
    }

    /// The line without its end; `None` if it is not text.
    pub(crate) fn text(&self) -> Option<&str> {
        str::from_utf8(&self.octets).ok()
    }

    /// The octets without the end of line.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Name and value of an attribute; the name is compared with regard to case (RFC 8866 §5.13).
    pub(crate) fn attribute(&self) -> Option<(&str, &str)> {
        if self.kind()? != b'a' {
            return None;
        }
        let value = self.value()?;
        Some(value.split_once(':').unwrap_or((value, "")))
    }

    /// Whether it is the attribute of that name, whatever octets its value has.
    pub(crate) fn is_attribute(&self, name: &str) -> bool {
        let Some(rest) = self.octets.strip_prefix(b"a=") else { return false };
        let Some(after) = rest.strip_prefix(name.as_bytes()) else { return false };
        // Blanks are tolerated where a colon or the end is due: nothing slips by under them.
        matches!(after.first(), None | Some(b':' | b' ' | b'\t'))
    }

    /// Whether somebody who does not care for blanks and case might read it as the attribute of
    /// that name: what must not pass does not in any spelling.
    pub(crate) fn resembles(&self, name: &str) -> bool {
        let Some(rest) = self.resembles_kind(b'a') else { return false };
        let rest = rest.trim_ascii_start();
        let Some((head, after)) = rest.split_at_checked(name.len()) else { return false };
        let ends = matches!(after.first(), None | Some(b':' | b' ' | b'\t'));
        ends && head.eq_ignore_ascii_case(name.as_bytes())
    }

    /// What stands after the equals sign, if somebody like that might read the letter so.
    pub(crate) fn resembles_kind(&self, kind: u8) -> Option<&[u8]> {
        let (first, rest) = self.octets.trim_ascii_start().split_first()?;
        let rest = rest.trim_ascii_start().strip_prefix(b"=")?;
        first.eq_ignore_ascii_case(&kind).then_some(rest)
    }

    /// Puts another text in the line's place; its end stays.
    pub(crate) fn replace(&mut self, text: &str) {
        self.replace_octets(text.as_bytes());
    }

    /// The same, with what may be no text.
    pub(crate) fn replace_octets(&mut self, octets: &[u8]) {
        self.octets = Zeroizing::new(octets.to_vec());
    }

    /// Ends the line as others end, because another one follows.
    pub(crate) fn finish(&mut self) {
        if self.ending == Ending::Nothing {
            self.ending = Ending::CrLf;
        }
    }

    /// An upper bound of its octets with the end of line.
    pub(crate) fn room(&self) -> usize {
        self.octets.len() + 2
    }

    /// Appends the line; `out` must have room for it, so that no key is copied unwiped.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.octets);
        match self.ending {
            Ending::CrLf => out.extend_from_slice(b"\r\n"),
            Ending::Lf => out.push(b'\n'),
            Ending::Nothing => {}
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind().filter(u8::is_ascii_lowercase).map_or('?', char::from);
        write!(f, "Line({kind}=, {} octets)", self.octets.len())
    }
}
