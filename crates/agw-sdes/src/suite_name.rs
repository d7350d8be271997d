//! Suite names: the registered ones, the spellings that occur, and those not supported here.

use std::fmt;

use agw_srtp::Suite;

//= tests/spec/sdes.md#names-of-suites
//# Known aliases of a suite MUST be accepted.
/// Spellings seen in products for suites that this gateway has; they are read, never written.
const ALIASES: [(&str, Suite); 4] = [
    // The order of words that RFC 4568 has for 128 bits; RFC 6188 turned it round.
    // FreeSWITCH, Asterisk and linphone know it.
    ("AES_CM_192_HMAC_SHA1_80", Suite::AesCm192HmacSha1_80),
    ("AES_CM_192_HMAC_SHA1_32", Suite::AesCm192HmacSha1_32),
    ("AES_CM_256_HMAC_SHA1_80", Suite::AesCm256HmacSha1_80),
    ("AES_CM_256_HMAC_SHA1_32", Suite::AesCm256HmacSha1_32),
];

/// Names that mean a real suite which this gateway does not compute.
///
/// `AEAD_AES_*_GCM_8` is not a spelling of `AEAD_AES_*_GCM`: it is the draft's suite with a tag of
/// 8 octets instead of 16 (FreeSWITCH and Asterisk compute it so), and the two do not interwork.
/// `F8_128_HMAC_SHA1_32` is what the grammar of RFC 4568 §9.2 prints for `F8_128_HMAC_SHA1_80`.
const KNOWN_ELSEWHERE: [&str; 10] = [
    "F8_128_HMAC_SHA1_32",
    "SEED_CTR_128_HMAC_SHA1_80",
    "SEED_128_CCM_80",
    "SEED_128_GCM_96",
    "AEAD_AES_128_GCM_8",
    "AEAD_AES_256_GCM_8",
    "ARIA_CM_128_HMAC_SHA1_80",
    "ARIA_CM_128_HMAC_SHA1_32",
    "ARIA_CM_192_HMAC_SHA1_80",
    "ARIA_CM_192_HMAC_SHA1_32",
];

/// The suite that a crypto line names (RFC 4568 §6.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SuiteName {
    /// A suite of this gateway, whatever spelling named it.
    Known(Suite),
    /// Another one: the line is well-formed but cannot be chosen.
    Unsupported(UnsupportedSuite),
}

impl SuiteName {
    /// Reads a name, in any case; [`None`] if no suite can be called so.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let well_formed = text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_');
        if text.is_empty() || !well_formed {
            return None;
        }
        let canonical = Suite::ALL.iter().copied().map(|suite| (suite.name(), suite));
        let known = canonical
            .chain(ALIASES)
            //= tests/spec/sdes.md#grammar
            //# Names MUST be compared without regard to case.
            .find(|(name, _)| name.eq_ignore_ascii_case(text))
            .map(|(_, suite)| Self::Known(suite));
        Some(
            known.unwrap_or_else(|| Self::Unsupported(UnsupportedSuite(text.to_ascii_uppercase()))),
        )
    }

    /// The canonical name, in upper case.
    pub fn as_str(&self) -> &str {
        match self {
            //= tests/spec/sdes.md#names-of-suites
            //# Under an alias the registered name of the suite MUST be printed.
            Self::Known(suite) => suite.name(),
            Self::Unsupported(name) => name.as_str(),
        }
    }
}

impl fmt::Display for SuiteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(suite) => f.write_str(suite.name()),
            Self::Unsupported(name) => name.fmt(f),
        }
    }
}

/// The name of a suite that this gateway does not compute, in upper case.
///
/// Anything made of letters and digits parses as a name, also a key in the wrong place; therefore
/// text without an underscore, which base64 never has and every registered name does, is neither
/// displayed nor debugged.
#[derive(Clone, PartialEq, Eq)]
pub struct UnsupportedSuite(String);

impl UnsupportedSuite {
    /// The name as it stood on the line, in upper case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name means a suite that exists elsewhere, as opposed to an unknown word.
    pub fn is_recognised(&self) -> bool {
        KNOWN_ELSEWHERE.contains(&self.0.as_str())
    }
}

impl fmt::Display for UnsupportedSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = if self.0.contains('_') { self.0.as_str() } else { "(unknown word)" };
        f.write_str(shown)
    }
}

impl fmt::Debug for UnsupportedSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnsupportedSuite({self})")
    }
}
