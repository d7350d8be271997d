//! Cuts a line into its fields. Nothing here copies: the pieces hold keys.

use crate::Mode;
use crate::error::{Field, Rule, SdesError};

/// Longer than sixteen keys with 128-octet MKIs; a real line has about 100 octets.
const MAX_LINE_OCTETS: usize = 8192;
const BLANKS: [char; 2] = [' ', '\t'];
const INLINE: &[u8] = b"inline:";

/// The fields of one line, taken from left to right.
pub(crate) struct Fields<'a> {
    rest: &'a str,
    mode: Mode,
}

impl<'a> Fields<'a> {
    /// Takes `a=crypto:` or `crypto:` and the end of line away.
    pub(crate) fn open(line: &'a str, mode: Mode) -> Result<Self, SdesError> {
        let refused = |rule| Err(SdesError::new(Field::Attribute, rule));
        if line.len() > MAX_LINE_OCTETS {
            return refused(Rule::LineTooLong { limit: MAX_LINE_OCTETS });
        }
        let line = line.strip_suffix('\n').unwrap_or(line);
        let line = line.strip_suffix('\r').unwrap_or(line);
        let line = match mode {
            Mode::Strict => line,
            Mode::Tolerant => line.trim_matches(BLANKS),
        };
        let name_and_value = line.strip_prefix("a=").unwrap_or(line);
        let Some(value) = name_and_value.strip_prefix("crypto:") else {
            return refused(Rule::NotCrypto);
        };
        if !value.bytes().all(|c| c.is_ascii_graphic() || c == b' ' || c == b'\t') {
            return refused(Rule::NotVisible);
        }
        let rest = match mode {
            Mode::Strict if value.starts_with(BLANKS) || value.ends_with(BLANKS) => {
                return refused(Rule::StrayBlank);
            }
            Mode::Strict => value,
            // TS 34.229-1 clause 12.12a closes one of its lines with a quotation mark.
            Mode::Tolerant => value.trim_start_matches(BLANKS).trim_end_matches([' ', '\t', '"']),
        };
        Ok(Self { rest, mode })
    }

    /// The next field as it stands between blanks.
    pub(crate) fn take(&mut self) -> Option<&'a str> {
        let end = self.rest.find(BLANKS).unwrap_or(self.rest.len());
        self.cut(end)
    }

    /// The suite name; what TS 34.229-1 writes as `…_80inline:…` is two fields when tolerant.
    pub(crate) fn take_suite(&mut self) -> Result<&'a str, SdesError> {
        let end = self.rest.find(BLANKS).unwrap_or(self.rest.len());
        let field = self.rest.get(..end).unwrap_or_default();
        let inline = field
            .as_bytes()
            .windows(INLINE.len())
            .position(|window| window.eq_ignore_ascii_case(INLINE));
        let end = match (inline, self.mode) {
            (None, _) => end,
            (Some(_), Mode::Strict) => {
                return Err(SdesError::new(Field::Suite, Rule::MissingBlank));
            }
            (Some(inline), Mode::Tolerant) => inline,
        };
        self.cut(end).ok_or(SdesError::new(Field::Suite, Rule::Missing))
    }

    /// The key parameters; `…|1:4FEC_ORDER=…` of TS 34.229-1 is two fields when tolerant.
    pub(crate) fn take_keys(&mut self) -> Result<&'a str, SdesError> {
        let end = self.rest.find(BLANKS).unwrap_or(self.rest.len());
        let field = self.rest.get(..end).unwrap_or_default();
        let end = match self.mode {
            Mode::Strict => end,
            Mode::Tolerant => end_of_last_mki(field).unwrap_or(end),
        };
        self.cut(end).ok_or(SdesError::new(Field::KeyMethod, Rule::Missing))
    }

    /// All that is left, blanks included.
    pub(crate) fn take_rest(&mut self) -> Option<&'a str> {
        self.cut(self.rest.len())
    }

    fn cut(&mut self, end: usize) -> Option<&'a str> {
        let (field, rest) = self.rest.split_at_checked(end)?;
        //= tests/spec/sdes.md#grammar
        //# One or more blanks or tabs between fields MUST be accepted.
        self.rest = rest.trim_start_matches(BLANKS);
        (!field.is_empty()).then_some(field)
    }
}

/// Where the last `|value:length` ends, if a letter or `-` follows its digits immediately.
fn end_of_last_mki(field: &str) -> Option<usize> {
    let bar = field.rfind('|')?;
    let colon = bar + field.get(bar..)?.find(':')?;
    let digits = field.get(colon + 1..)?;
    let count = digits.bytes().take_while(u8::is_ascii_digit).count();
    let next = digits.as_bytes().get(count)?;
    (count > 0 && (next.is_ascii_alphabetic() || *next == b'-')).then_some(colon + 1 + count)
}
