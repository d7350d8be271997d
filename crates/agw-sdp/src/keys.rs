//! The crypto lines of both sides: theirs chosen, ours made.

use agw_sdes::{
    CryptoAttribute, CryptoLines, CryptoTag, InlineKey, Mode, Refusal, SessionParameter,
    StreamRejected,
};
use agw_srtp::{MasterKey, Suite};
use zeroize::Zeroizing;

use crate::description::MediaDescription;
use crate::error::{AlgError, LineRefusal};
use crate::options::{AlgPolicy, Unencrypted};

/// A source of unpredictable octets.
pub type Random<'a> = dyn FnMut(&mut [u8]) + 'a;

/// The crypto lines of a media line.
pub(crate) fn lines_of(
    media: &MediaDescription,
    policy: &AlgPolicy,
) -> Result<CryptoLines, LineRefusal> {
    CryptoLines::parse(media.crypto_lines(), policy.mode).map_err(LineRefusal::Crypto)
}

/// The same line once more: lines have no copies by accident.
pub(crate) fn twin(line: &CryptoAttribute) -> Result<CryptoAttribute, LineRefusal> {
    CryptoAttribute::parse(&line.expose_line(), Mode::Tolerant)
        .map_err(|error| LineRefusal::Crypto(StreamRejected::NoneValid(error)))
}

pub(crate) const fn refused(refusal: Refusal) -> LineRefusal {
    LineRefusal::Crypto(StreamRejected::NoneAcceptable(refusal))
}

/// Our answer to a chosen line: with the key of `own` if it fits, else with a fresh one.
pub(crate) fn answer(
    chosen: &CryptoAttribute,
    own: Option<&CryptoAttribute>,
    random: &mut Random<'_>,
) -> Result<CryptoAttribute, AlgError> {
    let suite = chosen.known_suite().ok_or(AlgError::KeyGeneration)?;
    let kept = own.filter(|own| own.known_suite() == Some(suite)).and_then(key_of);
    let key = match kept {
        Some(key) => key,
        None => InlineKey::generate(suite, &mut |octets| random(octets))
            .map_err(|_| AlgError::KeyGeneration)?,
    };
    chosen.answer(key).map_err(|_| AlgError::KeyGeneration)
}

/// The lines that a side is offered: each suite under a tag of its own with a key of its own.
pub(crate) fn offer(
    suites: &[Suite],
    unencrypted: Unencrypted,
    random: &mut Random<'_>,
) -> Result<Vec<CryptoAttribute>, AlgError> {
    let mut lines: Vec<CryptoAttribute> = Vec::with_capacity(suites.len());
    for (position, suite) in suites.iter().enumerate() {
        let tag = u32::try_from(position + 1).map_err(|_| AlgError::KeyGeneration)?;
        let tag = CryptoTag::new(tag).map_err(|_| AlgError::KeyGeneration)?;
        //= tests/spec/sdp.md#end-to-access-edge
        //# Every offered line MUST have a key of its own.
        let key = InlineKey::generate(*suite, &mut |octets| random(octets))
            .map_err(|_| AlgError::KeyGeneration)?;
        let line = CryptoAttribute::new(tag, *suite, vec![key], parameters(unencrypted))
            .map_err(|_| AlgError::KeyGeneration)?;
        if lines.iter().any(|other| other.shares_key_with(&line)) {
            return Err(AlgError::KeyGeneration);
        }
        lines.push(line);
    }
    if lines.is_empty() { Err(AlgError::NoSuite) } else { Ok(lines) }
}

/// The session parameters that turn encryption off (RFC 4568 §6.3.2).
fn parameters(unencrypted: Unencrypted) -> Vec<SessionParameter> {
    let Unencrypted { srtp, srtcp } = unencrypted;
    let srtp = srtp.then_some(SessionParameter::UnencryptedSrtp);
    let srtcp = srtcp.then_some(SessionParameter::UnencryptedSrtcp);
    srtp.into_iter().chain(srtcp).collect()
}

/// Whether a line has every parameter that is asked for.
pub(crate) fn has_parameters(line: &CryptoAttribute, unencrypted: Unencrypted) -> bool {
    let has = |name: &str| line.parameters().iter().any(|one| one.name() == name);
    parameters(unencrypted).iter().all(|wanted| has(wanted.name()))
}

/// Lines as text that wipes itself.
pub(crate) fn texts(lines: &[CryptoAttribute]) -> Vec<Zeroizing<String>> {
    lines.iter().map(CryptoAttribute::expose_line).collect()
}

fn key_of(line: &CryptoAttribute) -> Option<InlineKey> {
    let [key] = line.keys() else { return None };
    let suite = key.master().suite();
    let master = key.master().expose(|octets| MasterKey::from_concatenated(suite, octets));
    Some(InlineKey::new(master.ok()?))
}
