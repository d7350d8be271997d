//! Keys as `a=crypto` text.

use agw_context::Reason;
use agw_sdes::{CryptoAttribute, Mode, Refusal, Rule, SdesError};
use agw_srtp::SessionParameters;

use super::crypto::DirectionKey;
use crate::invalid::{InvalidRequest, Word};

/// Reads the keys and session parameters of a line, as tolerantly as deployed peers need.
pub(super) fn read<K: DirectionKey>(
    line: &str,
) -> Result<(Vec<K>, SessionParameters), InvalidRequest> {
    let attribute = CryptoAttribute::parse(line, Mode::Tolerant).map_err(unreadable)?;
    K::from_attribute(attribute).map_err(refused)
}

/// The error names the part of the line and the rule, never its text.
fn unreadable(error: SdesError) -> InvalidRequest {
    let reason = match error.rule {
        Rule::KeyLength { .. } => Word::Gateway(Reason::KeyLength),
        Rule::LifetimeForm | Rule::LifetimeTooLong { .. } => Word::Gateway(Reason::LifetimeRange),
        Rule::MkiForm
        | Rule::MkiLength
        | Rule::MkiTooWide
        | Rule::MkiMissing
        | Rule::MkiLengthsDiffer
        | Rule::MkiRepeated => Word::Gateway(Reason::MkiMismatch),
        Rule::KeyRepeated => Word::Gateway(Reason::KeyReuse),
        Rule::UnknownParameter
        | Rule::RepeatedParameter
        | Rule::KeyDerivationRate
        | Rule::FecOrder
        | Rule::WindowSizeHint => Word::Gateway(Reason::SessionParameterRefused),
        Rule::NotCrypto
        | Rule::LineTooLong { .. }
        | Rule::StrayBlank
        | Rule::MissingBlank
        | Rule::Missing
        | Rule::NotVisible
        | Rule::TagForm
        | Rule::SuiteForm
        | Rule::SuiteMismatch
        | Rule::KeyMethod
        | Rule::TooManyKeys { .. }
        | Rule::Base64
        | Rule::KeyInfoOrder => Word::SdesLine,
    };
    InvalidRequest { field: "sdes_line".to_owned(), rule: error.to_string().into(), reason }
}

fn refused(refusal: Refusal) -> InvalidRequest {
    let reason = match refusal {
        Refusal::UnsupportedSuite | Refusal::NullSuite | Refusal::F8Suite => Reason::SuiteRefused,
        Refusal::UnauthenticatedSrtp
        | Refusal::KeyDerivationRate
        | Refusal::SrtpThenFec
        | Refusal::FecKey
        | Refusal::Unencrypted => Reason::SessionParameterRefused,
        Refusal::ZeroKey => Reason::KeyWeak,
    };
    InvalidRequest::new("sdes_line", refusal.to_string(), reason)
}
