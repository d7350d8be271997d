//! The number that names a crypto line within its media line.

use std::fmt;

use crate::Mode;
use crate::error::{Field, Rule, SdesError};

/// The tag of a crypto line: 1 to 999,999,999, unique under its media line (RFC 4568 §4.1).
///
/// Zero exists too, because browsers once numbered their lines from 0, but only
/// [`Mode::Tolerant`] reads it and [`CryptoTag::new`] does not make it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CryptoTag(u32);

impl CryptoTag {
    /// The greatest tag: nine digits.
    pub const MAX: u32 = 999_999_999;

    /// Makes a tag from a number of 1 to 999,999,999.
    ///
    /// # Errors
    /// [`Rule::TagForm`] outside of that range.
    pub const fn new(number: u32) -> Result<Self, SdesError> {
        if number == 0 || number > Self::MAX {
            return Err(SdesError::new(Field::Tag, Rule::TagForm));
        }
        Ok(Self(number))
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }

    pub(crate) fn parse(text: &str, mode: Mode) -> Result<Self, SdesError> {
        let refused = SdesError::new(Field::Tag, Rule::TagForm);
        if text.is_empty() || text.len() > 9 || !text.bytes().all(|c| c.is_ascii_digit()) {
            return Err(refused);
        }
        //= tests/spec/sdes.md#grammar
        //# In strict mode the tag MUST be a decimal number of 1 to 9 digits without a leading zero.
        if mode == Mode::Strict && text.starts_with('0') {
            return Err(refused);
        }
        text.parse().map(Self).map_err(|_| refused)
    }
}

impl fmt::Display for CryptoTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
