//! What is wrong with a line: the field and the rule, never the text of a key.

use std::fmt;

//= tests/spec/sdes.md#grammar
//# An error MUST name the field that is wrong.
/// An `a=crypto` line that breaks a rule: the line is invalid, the session description is not
/// (RFC 4568 §5.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a=crypto {field}: {rule}")]
pub struct SdesError {
    /// The part of the line that breaks the rule.
    pub field: Field,
    /// The rule.
    pub rule: Rule,
}

impl SdesError {
    pub(crate) const fn new(field: Field, rule: Rule) -> Self {
        Self { field, rule }
    }
}

/// A part of an `a=crypto` line, by its name in the grammar of RFC 4568 §9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// The attribute as a whole.
    Attribute,
    /// The decimal number that names the line.
    Tag,
    /// The crypto suite.
    Suite,
    /// What stands before the colon of a key parameter: `inline`.
    KeyMethod,
    /// The base64 text of key and salt.
    KeyInfo,
    /// The lifetime of a master key, in packets.
    Lifetime,
    /// The master key identifier and its length.
    Mki,
    /// A session parameter.
    SessionParameter,
}

impl Field {
    /// The name as a controller sees it, for example in a field path.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Attribute => "attribute",
            Self::Tag => "tag",
            Self::Suite => "suite",
            Self::KeyMethod => "key-method",
            Self::KeyInfo => "key-info",
            Self::Lifetime => "lifetime",
            Self::Mki => "mki",
            Self::SessionParameter => "session-parameter",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A rule that a line can break, with its clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rule {
    /// The line is another attribute, or its name is not in lower case.
    #[error("the line starts with `a=crypto:`, in lower case (RFC 4568 §4)")]
    NotCrypto,
    /// The line is longer than any real one.
    #[error("a line has at most {limit} octets (limit of this gateway)")]
    LineTooLong {
        /// The limit in octets.
        limit: usize,
    },
    /// A blank where the grammar has none.
    #[error("blanks stand between fields only (RFC 4568 §9.1)")]
    StrayBlank,
    /// A blank that the grammar asks for is not there.
    #[error("a blank stands before the key parameters (RFC 4568 §9.1)")]
    MissingBlank,
    /// The line ends before this field.
    #[error("the field is missing (RFC 4568 §9.1)")]
    Missing,
    /// A control character, or a character outside ASCII.
    #[error("fields consist of visible ASCII characters (RFC 4568 §9.1)")]
    NotVisible,
    /// The tag is no number, too long, zero, or has leading zeros.
    #[error("a tag is 1 to 999999999, without leading zeros (RFC 4568 §4.1)")]
    TagForm,
    /// A character that no suite name has.
    #[error("a suite name has letters, digits and underscores only (RFC 4568 §9.1)")]
    SuiteForm,
    /// A key belongs to another suite than the line.
    #[error("every key of a line belongs to the line's suite (RFC 4568 §6.1)")]
    SuiteMismatch,
    /// A key method other than `inline`.
    #[error("SRTP has the key method `inline` only (RFC 4568 §6.1)")]
    KeyMethod,
    /// More keys than any real line has.
    #[error("a line has at most {limit} keys (limit of this gateway)")]
    TooManyKeys {
        /// The limit in keys.
        limit: usize,
    },
    /// Not base64.
    #[error("key and salt are base64 (RFC 4568 §6.1, RFC 4648 §4)")]
    Base64,
    /// Key and salt are too short or too long for the suite.
    #[error("key and salt of this suite have {expected} octets together (RFC 4568 §6.1)")]
    KeyLength {
        /// What the suite needs, in octets.
        expected: usize,
    },
    /// More than a lifetime and an MKI after the key, or in the wrong order.
    #[error("after the key: at most a lifetime, then at most an MKI (RFC 4568 §6.1)")]
    KeyInfoOrder,
    /// The lifetime is no positive number.
    #[error("a lifetime is a positive number or 2^n, without leading zeros (RFC 4568 §6.1)")]
    LifetimeForm,
    /// The lifetime is longer than the suite allows.
    #[error("a lifetime is at most the suite's: {maximum} packets (RFC 4568 §6.1)")]
    LifetimeTooLong {
        /// The suite's maximum, in packets.
        maximum: u64,
    },
    /// The MKI is no positive number.
    #[error("an MKI is a positive number, without leading zeros (RFC 4568 §6.1)")]
    MkiForm,
    /// The MKI length is no number from 1 to 128.
    #[error("an MKI length is 1 to 128 octets, without leading zeros (RFC 4568 §6.1)")]
    MkiLength,
    /// The MKI needs more octets than its length says.
    #[error("an MKI fits the length given with it (RFC 4568 §6.1)")]
    MkiTooWide,
    /// One of several keys has no MKI.
    #[error("each of several keys has an MKI (RFC 4568 §6.1)")]
    MkiMissing,
    /// The MKIs of several keys have different lengths.
    #[error("the MKIs of one line have the same length (RFC 4568 §6.1)")]
    MkiLengthsDiffer,
    /// Two keys have the same MKI.
    #[error("the MKIs of one line are distinct (RFC 4568 §6.1)")]
    MkiRepeated,
    /// A master key occurs twice.
    #[error("every master key of a session description is unique (RFC 4568 §6.1)")]
    KeyRepeated,
    /// A session parameter that is unknown and must not be ignored.
    #[error("an unknown session parameter without `-` makes the line invalid (RFC 4568 §6.3.7)")]
    UnknownParameter,
    /// A session parameter occurs twice.
    #[error("a session parameter occurs once (RFC 4568 §6.3)")]
    RepeatedParameter,
    /// The key derivation rate is out of range.
    #[error("KDR is 1 to 24 (RFC 4568 §6.3.1)")]
    KeyDerivationRate,
    /// The FEC order is unknown.
    #[error("FEC_ORDER is FEC_SRTP or SRTP_FEC (RFC 4568 §6.3.4)")]
    FecOrder,
    /// The window size hint is no number or too small.
    #[error("WSH is a number, at least 64 (RFC 4568 §6.3.6)")]
    WindowSizeHint,
}
