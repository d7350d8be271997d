//! What this gateway may use of what a line offers.

use agw_srtp::Suite;

use crate::attribute::CryptoAttribute;
use crate::parameter::{FecOrder, SessionParameter};

/// Which lines this gateway accepts; the default accepts only encrypted, authenticated media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// Accept `UNENCRYPTED_SRTP` and `UNENCRYPTED_SRTCP` (RFC 4568 §6.3.2).
    pub allow_unencrypted: bool,
    /// Accept the suites that authenticate without encryption, `NULL_HMAC_SHA1_*`.
    pub allow_null: bool,
    /// Accept `F8_128_HMAC_SHA1_80` (RFC 4568 §6.2.3).
    pub allow_f8: bool,
}

/// The rule by which a well-formed line is not used (RFC 4568 §5.1.2, §7.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The suite is unknown here.
    #[error("the suite is not supported by this gateway (RFC 4568 §5.1.2)")]
    UnsupportedSuite,
    /// SRTP without tags: the first packet could come from anyone.
    #[error("UNAUTHENTICATED_SRTP is unsafe with late binding (RFC 4568 §6.4.1)")]
    UnauthenticatedSrtp,
    /// Session keys that change by packet count; no peer is known to do it.
    #[error("a key derivation rate is not supported by this gateway (RFC 4568 §6.3.1)")]
    KeyDerivationRate,
    /// Error correction outside of SRTP.
    #[error("FEC_ORDER=SRTP_FEC is not supported by this gateway (RFC 4568 §6.3.4)")]
    SrtpThenFec,
    /// A second stream for error correction.
    #[error("FEC_KEY is not supported by this gateway (RFC 4568 §6.3.5)")]
    FecKey,
    /// A suite without encryption, not allowed by configuration.
    #[error("a NULL suite does not encrypt, and the policy asks for it")]
    NullSuite,
    /// The f8 suite, not allowed by configuration.
    #[error("F8_128_HMAC_SHA1_80 is against the policy (RFC 4568 §6.2.3)")]
    F8Suite,
    /// A parameter that turns encryption off, not allowed by configuration.
    #[error("UNENCRYPTED_SRTP and UNENCRYPTED_SRTCP are against the policy (RFC 4568 §6.3.2)")]
    Unencrypted,
    /// A key that is no secret.
    #[error("a master key of zeros is no key (RFC 4568 §6.1)")]
    ZeroKey,
}

impl Policy {
    /// Says whether this gateway may install the line.
    ///
    /// # Errors
    /// The first rule that refuses it.
    pub fn check(&self, attribute: &CryptoAttribute) -> Result<(), Refusal> {
        let suite = refuse_impossible(attribute)?;
        //= tests/spec/srtp.md#suites
        //# The NULL cipher MUST be refused unless policy allows it.
        if suite.is_null() && !self.allow_null {
            return Err(Refusal::NullSuite);
        }
        if suite.is_f8() && !self.allow_f8 {
            return Err(Refusal::F8Suite);
        }
        let unencrypted = attribute.parameters().iter().any(|parameter| match parameter {
            SessionParameter::UnencryptedSrtp | SessionParameter::UnencryptedSrtcp => true,
            SessionParameter::KeyDerivationRate(_)
            | SessionParameter::UnauthenticatedSrtp
            | SessionParameter::FecOrder(_)
            | SessionParameter::FecKey(_)
            | SessionParameter::WindowSizeHint(_) => false,
        });
        //= tests/spec/sdes.md#session-parameters
        //# UNENCRYPTED_SRTP and UNENCRYPTED_SRTCP MUST be refused unless policy allows them.
        if unencrypted && !self.allow_unencrypted {
            return Err(Refusal::Unencrypted);
        }
        let zero = attribute.keys().iter().any(|key| bool::from(key.master().is_all_zero()));
        if zero { Err(Refusal::ZeroKey) } else { Ok(()) }
    }
}

/// Refuses what no policy can allow, because the SRTP engine does not do it.
pub(crate) fn refuse_impossible(attribute: &CryptoAttribute) -> Result<Suite, Refusal> {
    let suite = attribute.known_suite().ok_or(Refusal::UnsupportedSuite)?;
    for parameter in attribute.parameters() {
        match parameter {
            //= tests/spec/sdes.md#session-parameters
            //# UNAUTHENTICATED_SRTP MUST be refused.
            SessionParameter::UnauthenticatedSrtp => return Err(Refusal::UnauthenticatedSrtp),
            //= tests/spec/sdes.md#session-parameters
            //# A key derivation rate other than zero MUST be refused by policy.
            SessionParameter::KeyDerivationRate(_) => return Err(Refusal::KeyDerivationRate),
            SessionParameter::FecOrder(FecOrder::SrtpFec) => return Err(Refusal::SrtpThenFec),
            SessionParameter::FecKey(_) => return Err(Refusal::FecKey),
            SessionParameter::FecOrder(FecOrder::FecSrtp)
            | SessionParameter::UnencryptedSrtp
            | SessionParameter::UnencryptedSrtcp
            | SessionParameter::WindowSizeHint(_) => {}
        }
    }
    Ok(suite)
}
