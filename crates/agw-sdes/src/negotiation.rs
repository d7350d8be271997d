//! Between offer and answer (RFC 4568 §5.1, §6.3, §7.1).

use agw_srtp::Suite;

use crate::CryptoTag;
use crate::attribute::CryptoAttribute;
use crate::error::SdesError;
use crate::key::InlineKey;
use crate::lines::CryptoLines;
use crate::parameter::SessionParameter;

/// A session parameter that holds for both directions: an answer repeats it or the offer's line
/// was not accepted. All others are declarative, each side states its own (RFC 4568 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Negotiated {
    /// `UNENCRYPTED_SRTP`.
    UnencryptedSrtp,
    /// `UNENCRYPTED_SRTCP`.
    UnencryptedSrtcp,
    /// `UNAUTHENTICATED_SRTP`.
    UnauthenticatedSrtp,
}

/// An answer that does not fit its offer: the offerer treats the stream as failed
/// (RFC 4568 §5.1.3, §7.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Not exactly one crypto line.
    #[error("an answer has exactly one crypto line, not {found} (RFC 4568 §5.1.2)")]
    NotOneLine {
        /// How many there are.
        found: usize,
    },
    /// The one crypto line is invalid.
    #[error("the answer's crypto line is invalid: {0}")]
    Invalid(SdesError),
    /// No offered line has the answer's tag.
    #[error("no offered line has the answer's tag {0} (RFC 4568 §5.1.3)")]
    TagNotOffered(CryptoTag),
    /// The offered line with the answer's tag has another suite.
    #[error("the answer changes the suite of the offered line {0} (RFC 4568 §5.1.3)")]
    SuiteChanged(CryptoTag),
    /// The suite cannot be answered, because this gateway does not have it.
    #[error("the suite of the offered line {0} is not supported (RFC 4568 §5.1.2)")]
    UnsupportedSuite(CryptoTag),
    /// The answer lacks a negotiated parameter of the offer.
    #[error("the answer does not repeat {} (RFC 4568 §6.3)", .0.name())]
    NotRepeated(Negotiated),
    /// The answer has a negotiated parameter that was not offered.
    #[error("the answer adds {} (RFC 4568 §6.3)", .0.name())]
    Added(Negotiated),
    /// The answer uses a key of the offer.
    #[error("the answer's master key is one of the offer (RFC 4568 §7.1.2)")]
    KeyReflected,
}

impl Negotiated {
    /// All of them.
    pub const ALL: [Self; 3] =
        [Self::UnencryptedSrtp, Self::UnencryptedSrtcp, Self::UnauthenticatedSrtp];

    /// The name as it is registered.
    pub fn name(self) -> &'static str {
        self.parameter().name()
    }

    const fn parameter(self) -> SessionParameter {
        match self {
            Self::UnencryptedSrtp => SessionParameter::UnencryptedSrtp,
            Self::UnencryptedSrtcp => SessionParameter::UnencryptedSrtcp,
            Self::UnauthenticatedSrtp => SessionParameter::UnauthenticatedSrtp,
        }
    }

    fn is_in(self, attribute: &CryptoAttribute) -> bool {
        attribute.parameters().iter().any(|parameter| parameter.name() == self.name())
    }
}

impl CryptoAttribute {
    /// Makes the answer to this offered line: same tag, same suite, `key` as the only key, the
    /// negotiated parameters repeated, no declarative ones.
    ///
    /// # Errors
    /// An unsupported suite, a key of another suite, or a key that is the offer's.
    pub fn answer(&self, key: InlineKey) -> Result<Self, AnswerError> {
        let suite: Suite = self.known_suite().ok_or(AnswerError::UnsupportedSuite(self.tag()))?;
        if key.master().suite() != suite {
            return Err(AnswerError::SuiteChanged(self.tag()));
        }
        //= tests/spec/sdes.md#keys
        //# The key of an answer MUST differ from the key of the offer.
        if self.has_key(&key) {
            return Err(AnswerError::KeyReflected);
        }
        let repeated = Negotiated::ALL.into_iter().filter(|negotiated| negotiated.is_in(self));
        let parameters = repeated.map(Negotiated::parameter).collect();
        Self::new(self.tag(), suite, vec![key], parameters).map_err(AnswerError::Invalid)
    }
}

impl CryptoLines {
    /// Makes the answer to the offered line with this tag; the key must differ from the keys of
    /// all lines here.
    ///
    /// # Errors
    /// As [`CryptoAttribute::answer`], and [`AnswerError::TagNotOffered`].
    pub fn answer(&self, tag: CryptoTag, key: InlineKey) -> Result<CryptoAttribute, AnswerError> {
        if self.attributes().any(|offered| offered.has_key(&key)) {
            return Err(AnswerError::KeyReflected);
        }
        self.find(tag).ok_or(AnswerError::TagNotOffered(tag))?.answer(key)
    }

    /// Checks a parsed answer against these offered lines, and says which one it accepts.
    ///
    /// # Errors
    /// The rule that the answer breaks; nothing of it may be used then.
    pub fn verify_answer(&self, answer: &Self) -> Result<&CryptoAttribute, AnswerError> {
        let [answer] = answer.results() else {
            return Err(AnswerError::NotOneLine { found: answer.results().len() });
        };
        let answer = answer.as_ref().map_err(|error| AnswerError::Invalid(*error))?;
        let tag = answer.tag();
        //= tests/spec/sdes.md#offer-and-answer
        //# An answer MUST carry tag and suite of one offered line.
        let offered = self.find(tag).ok_or(AnswerError::TagNotOffered(tag))?;
        if offered.suite() != answer.suite() {
            return Err(AnswerError::SuiteChanged(tag));
        }
        if answer.known_suite().is_none() {
            return Err(AnswerError::UnsupportedSuite(tag));
        }
        for negotiated in Negotiated::ALL {
            match (negotiated.is_in(offered), negotiated.is_in(answer)) {
                //= tests/spec/sdes.md#offer-and-answer
                //# An answer MUST repeat the negotiated session parameters of the offered line.
                (true, false) => return Err(AnswerError::NotRepeated(negotiated)),
                (false, true) => return Err(AnswerError::Added(negotiated)),
                (true, true) | (false, false) => {}
            }
        }
        if self.attributes().any(|ours| ours.shares_key_with(answer)) {
            return Err(AnswerError::KeyReflected);
        }
        Ok(offered)
    }
}
