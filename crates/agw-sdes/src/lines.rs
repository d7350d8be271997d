//! The crypto lines of one media line.

use std::collections::BTreeSet;

use crate::attribute::CryptoAttribute;
use crate::error::{Field, Rule, SdesError};
use crate::policy::{Policy, Refusal};
use crate::{CryptoTag, Mode};

/// No offer has more: there are not that many suites.
const MAX_LINES: usize = 64;

/// All crypto lines under one media line, each with its own result.
///
/// An invalid line does not make the session description invalid (RFC 4568 §5.1.2); a stream is
/// rejected only if no line is left.
#[derive(Debug)]
pub struct CryptoLines {
    results: Vec<Result<CryptoAttribute, SdesError>>,
}

/// Why a whole stream is rejected, for example with port 0 or a 488 response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StreamRejected {
    /// There is no crypto line (RFC 4568 §5.1.2).
    #[error("the media line has no a=crypto line (RFC 4568 §5.1.2)")]
    NoLine,
    /// There are more lines than any real offer has.
    #[error("a media line has at most {limit} crypto lines (limit of this gateway)")]
    TooManyLines {
        /// The limit in lines.
        limit: usize,
    },
    /// Two lines have the same tag, so that no answer could tell them apart (RFC 4568 §4.1).
    #[error("two crypto lines have the tag {0} (RFC 4568 §4.1)")]
    DuplicateTag(CryptoTag),
    /// Every line is invalid; this is the first one's error.
    #[error("no crypto line is valid (RFC 4568 §5.1.2); the first: {0}")]
    NoneValid(SdesError),
    /// No valid line is acceptable; this is the reason at the first one.
    #[error("no crypto line is acceptable (RFC 4568 §5.1.2); the first: {0}")]
    NoneAcceptable(Refusal),
}

impl CryptoLines {
    /// Reads the crypto lines of one media line, in their order.
    ///
    /// A line whose master key stands on an earlier line is invalid (RFC 4568 §6.1); the earlier
    /// one stays.
    ///
    /// # Errors
    /// No line, too many lines, no valid line, or two valid lines with the same tag.
    pub fn parse<'a>(
        lines: impl IntoIterator<Item = &'a str>,
        mode: Mode,
    ) -> Result<Self, StreamRejected> {
        let mut results: Vec<Result<CryptoAttribute, SdesError>> = Vec::new();
        for line in lines {
            if results.len() == MAX_LINES {
                return Err(StreamRejected::TooManyLines { limit: MAX_LINES });
            }
            //= tests/spec/sdes.md#keys
            //# A master key MUST stand only once in a session description.
            results.push(CryptoAttribute::parse(line, mode).and_then(|attribute| {
                let repeated = results.iter().flatten().any(|r| r.shares_key_with(&attribute));
                let refused = SdesError::new(Field::KeyInfo, Rule::KeyRepeated);
                if repeated { Err(refused) } else { Ok(attribute) }
            }));
        }
        //= tests/spec/sdes.md#offer-and-answer
        //# An invalid line MUST NOT make the other lines invalid.
        let lines = Self { results };
        let first = lines.results.first().ok_or(StreamRejected::NoLine)?;
        if let (Err(error), None) = (first, lines.attributes().next()) {
            return Err(StreamRejected::NoneValid(*error));
        }
        lines.refuse_duplicate_tags()?;
        Ok(lines)
    }

    /// One result per line, in their order.
    pub fn results(&self) -> &[Result<CryptoAttribute, SdesError>] {
        &self.results
    }

    /// The valid lines in their order, unsupported suites included.
    pub fn attributes(&self) -> impl Iterator<Item = &CryptoAttribute> {
        self.results.iter().flatten()
    }

    /// The first line that the policy accepts: offers are in order of preference
    /// (RFC 4568 §5.1.1).
    ///
    /// # Errors
    /// [`StreamRejected::NoneAcceptable`].
    pub fn choose(&self, policy: &Policy) -> Result<&CryptoAttribute, StreamRejected> {
        let mut first_refusal = None;
        for attribute in self.attributes() {
            match policy.check(attribute) {
                Ok(()) => return Ok(attribute),
                //= tests/spec/sdes.md#names-of-suites
                //# A line with an unknown suite MUST be skipped.
                Err(refusal) => first_refusal = first_refusal.or(Some(refusal)),
            }
        }
        //= tests/spec/sdes.md#offer-and-answer
        //# When no line is acceptable the stream MUST be rejected.
        Err(first_refusal.map_or(StreamRejected::NoLine, StreamRejected::NoneAcceptable))
    }

    /// The valid line with this tag.
    pub fn find(&self, tag: CryptoTag) -> Option<&CryptoAttribute> {
        self.attributes().find(|attribute| attribute.tag() == tag)
    }

    /// Takes the line with this tag out, and wipes the keys of the others.
    pub fn into_chosen(self, tag: CryptoTag) -> Option<CryptoAttribute> {
        self.results.into_iter().flatten().find(|attribute| attribute.tag() == tag)
    }

    /// Whether any master key here is one of `other`, which is another media line of the same
    /// session description, or the peer's list (RFC 4568 §6.1, §7.1.2).
    pub fn shares_key_with(&self, other: &Self) -> bool {
        self.attributes().any(|ours| other.attributes().any(|theirs| ours.shares_key_with(theirs)))
    }

    fn refuse_duplicate_tags(&self) -> Result<(), StreamRejected> {
        let mut seen = BTreeSet::new();
        //= tests/spec/sdes.md#grammar
        //# A tag MUST stand only once in a media description.
        match self.attributes().find(|attribute| !seen.insert(attribute.tag())) {
            Some(attribute) => Err(StreamRejected::DuplicateTag(attribute.tag())),
            None => Ok(()),
        }
    }
}
