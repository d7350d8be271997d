//! Keys and their parameters.

use std::time::Duration;

use agw_context::{CryptoContext, Direction, KeySource, Reason};
use agw_sdes::{CryptoAttribute, Refusal};
use agw_srtp::{
    EgressKey, IngressKey, KeyError, Lifetime, MAX_KEYS, MasterKey, Mki, RocOnRekey,
    SessionParameters, Suite,
};

use super::sdes;
use crate::invalid::{InvalidRequest, each, required};
use crate::pb;

/// A key of one direction, so that both are read by the same rules.
pub(super) trait DirectionKey: Sized {
    /// Which direction it is for.
    const DIRECTION: Direction;

    fn new(master: MasterKey, mki: Option<Mki>, lifetime: Lifetime) -> Self;

    fn from_attribute(
        attribute: CryptoAttribute,
    ) -> Result<(Vec<Self>, SessionParameters), Refusal>;
}

impl DirectionKey for IngressKey {
    const DIRECTION: Direction = Direction::Ingress;

    fn new(master: MasterKey, mki: Option<Mki>, lifetime: Lifetime) -> Self {
        Self { master, mki, lifetime }
    }

    fn from_attribute(
        attribute: CryptoAttribute,
    ) -> Result<(Vec<Self>, SessionParameters), Refusal> {
        attribute.into_ingress()
    }
}

impl DirectionKey for EgressKey {
    const DIRECTION: Direction = Direction::Egress;

    fn new(master: MasterKey, mki: Option<Mki>, lifetime: Lifetime) -> Self {
        Self { master, mki, lifetime }
    }

    fn from_attribute(
        attribute: CryptoAttribute,
    ) -> Result<(Vec<Self>, SessionParameters), Refusal> {
        attribute.into_egress()
    }
}

pub(super) fn crypto_context<K: DirectionKey>(
    crypto: &pb::CryptoContext,
) -> Result<CryptoContext<K>, InvalidRequest> {
    let pb::CryptoContext {
        sdes_line,
        suite,
        keys,
        parameters,
        source,
        roc_on_rekey,
        initial_roc,
        overlap_ms,
    } = crypto;
    let wanted = *parameters.as_ref().unwrap_or(&pb::SessionParameters::default());
    let (keys, parameters) = if sdes_line.is_empty() {
        let suite = required_suite(*suite)?;
        if keys.is_empty() || keys.len() > MAX_KEYS {
            return Err(InvalidRequest::value("keys", "are 1 to 16, or stand in sdes_line"));
        }
        let keys = each("keys", keys, |key| master_key(key, suite))?;
        (keys, session_parameters(&wanted, SessionParameters::default()))
    } else {
        refuse_beside_line(*suite, !keys.is_empty(), "keys")?;
        let (keys, from_line) = sdes::read::<K>(sdes_line)?;
        (keys, parameters_beside_line(&wanted, from_line))
    };
    Ok(CryptoContext {
        source: key_source(*source)?,
        keys,
        parameters: parameters.map_err(|error| error.under("parameters"))?,
        roc: roc(*roc_on_rekey, *initial_roc)?,
        overlap: overlap(K::DIRECTION, *overlap_ms)?,
    })
}

pub(super) fn staged_key<K: DirectionKey>(key: &pb::StagedKey) -> Result<K, InvalidRequest> {
    let pb::StagedKey { sdes_line, suite, key } = key;
    if sdes_line.is_empty() {
        let suite = required_suite(*suite)?;
        return required("key", key.as_ref(), |key| master_key(key, suite));
    }
    refuse_beside_line(*suite, key.is_some(), "key")?;
    let (mut keys, parameters) = sdes::read::<K>(sdes_line)?;
    if parameters.unencrypted_srtp || parameters.unencrypted_srtcp {
        let rule = "a staged key keeps the session parameters in force";
        return Err(InvalidRequest::new("sdes_line", rule, Reason::SessionParameterRefused));
    }
    match (keys.pop(), keys.is_empty()) {
        (Some(key), true) => Ok(key),
        (Some(_) | None, _) => {
            Err(InvalidRequest::new("sdes_line", "has one key", Reason::MkiMismatch))
        }
    }
}

fn refuse_beside_line(suite: i32, has_keys: bool, field: &str) -> Result<(), InvalidRequest> {
    let rule = "does not go together with sdes_line";
    if suite != 0 {
        return Err(InvalidRequest::value("suite", rule));
    }
    if has_keys {
        return Err(InvalidRequest::value(field, rule));
    }
    Ok(())
}

fn master_key<K: DirectionKey>(key: &pb::MasterKey, suite: Suite) -> Result<K, InvalidRequest> {
    let pb::MasterKey { key, salt, mki, srtp_lifetime, srtcp_lifetime } = key;
    //= tests/spec/iq.md#keys
    //# A key of the wrong length MUST be refused.
    let master = MasterKey::new(suite, key, salt).map_err(key_error)?;
    let mki = match mki.as_slice() {
        [] => None,
        octets => Some(Mki::new(octets).map_err(key_error)?),
    };
    let (default, most) = (suite.default_lifetime(), suite.max_lifetime());
    let lifetime = Lifetime {
        srtp: lifetime("srtp_lifetime", *srtp_lifetime, default.srtp, most.srtp)?,
        srtcp: lifetime("srtcp_lifetime", *srtcp_lifetime, default.srtcp, most.srtcp)?,
    };
    Ok(K::new(master, mki, lifetime))
}

fn lifetime(field: &str, asked: u64, default: u64, most: u64) -> Result<u64, InvalidRequest> {
    match asked {
        0 => Ok(default),
        asked if asked <= most => Ok(asked),
        _ => Err(InvalidRequest::new(
            field,
            format!("is at most {most} packets"),
            Reason::LifetimeRange,
        )),
    }
}

/// A key that the engine does not take, as an error of the field at fault.
fn key_error(error: KeyError) -> InvalidRequest {
    let (field, reason) = match error {
        KeyError::KeyLength { .. } => ("key", Reason::KeyLength),
        KeyError::SaltLength { .. } => ("salt", Reason::SaltLength),
        KeyError::MkiLength(_) | KeyError::MkiMismatch => ("mki", Reason::MkiMismatch),
        KeyError::Lifetime => ("srtp_lifetime", Reason::LifetimeRange),
        KeyError::NoKey => ("key", Reason::FieldMissing),
        KeyError::KeyReused => ("key", Reason::KeyReuse),
        KeyError::NothingStaged => ("key", Reason::NothingStaged),
        KeyError::TooManyKeys(_)
        | KeyError::SuiteMismatch
        | KeyError::Window(_)
        | KeyError::MaxSources(_) => ("key", Reason::FieldValue),
    };
    InvalidRequest::new(field, error.to_string(), reason)
}

fn session_parameters(
    wanted: &pb::SessionParameters,
    base: SessionParameters,
) -> Result<SessionParameters, InvalidRequest> {
    let pb::SessionParameters { unencrypted_srtp, unencrypted_srtcp, window, max_sources } = wanted;
    let window = match u16::try_from(*window) {
        Ok(0) => base.window,
        Ok(window)
            if (SessionParameters::MIN_WINDOW..=SessionParameters::MAX_WINDOW)
                .contains(&window) =>
        {
            window
        }
        Ok(_) | Err(_) => return Err(InvalidRequest::value("window", "is 64 to 4096 packets")),
    };
    let max_sources = match u8::try_from(*max_sources) {
        Ok(0) => base.max_sources,
        Ok(sources) if sources <= SessionParameters::MAX_SOURCES => sources,
        Ok(_) | Err(_) => return Err(InvalidRequest::value("max_sources", "is 1 to 64")),
    };
    Ok(SessionParameters {
        unencrypted_srtp: base.unencrypted_srtp || *unencrypted_srtp,
        unencrypted_srtcp: base.unencrypted_srtcp || *unencrypted_srtcp,
        window,
        max_sources,
    })
}

/// The line says what is encrypted, the message may say what only concerns the gateway.
fn parameters_beside_line(
    wanted: &pb::SessionParameters,
    from_line: SessionParameters,
) -> Result<SessionParameters, InvalidRequest> {
    let rule = "stands in sdes_line";
    if wanted.unencrypted_srtp {
        return Err(InvalidRequest::value("unencrypted_srtp", rule));
    }
    if wanted.unencrypted_srtcp {
        return Err(InvalidRequest::value("unencrypted_srtcp", rule));
    }
    session_parameters(wanted, from_line)
}

pub(super) fn roc(
    roc_on_rekey: i32,
    initial_roc: Option<u32>,
) -> Result<Option<RocOnRekey>, InvalidRequest> {
    let rule = pb::RocOnRekey::try_from(roc_on_rekey)
        .map_err(|_| InvalidRequest::unknown("roc_on_rekey", roc_on_rekey))?;
    match (rule, initial_roc) {
        (pb::RocOnRekey::Unspecified, None) => Ok(None),
        (pb::RocOnRekey::Keep, None) => Ok(Some(RocOnRekey::Keep)),
        (pb::RocOnRekey::Reset, None) => Ok(Some(RocOnRekey::Reset)),
        (pb::RocOnRekey::Value, Some(roc)) => Ok(Some(RocOnRekey::Set(roc))),
        (pb::RocOnRekey::Value, None) => Err(InvalidRequest::missing("initial_roc")),
        (pb::RocOnRekey::Unspecified | pb::RocOnRekey::Keep | pb::RocOnRekey::Reset, Some(_)) => {
            Err(InvalidRequest::value("initial_roc", "is for ROC_ON_REKEY_VALUE only"))
        }
    }
}

pub(super) fn overlap(
    direction: Direction,
    overlap_ms: Option<u32>,
) -> Result<Option<Duration>, InvalidRequest> {
    match (direction, overlap_ms) {
        (_, None) => Ok(None),
        (Direction::Ingress, Some(overlap)) => Ok(Some(Duration::from_millis(overlap.into()))),
        (Direction::Egress, Some(_)) => {
            Err(InvalidRequest::value("overlap_ms", "is for ingress keys only"))
        }
    }
}

pub(super) fn direction(direction: i32) -> Result<Direction, InvalidRequest> {
    match pb::Direction::try_from(direction) {
        Ok(pb::Direction::Unspecified) => Err(InvalidRequest::missing("direction")),
        Ok(pb::Direction::Ingress) => Ok(Direction::Ingress),
        Ok(pb::Direction::Egress) => Ok(Direction::Egress),
        Err(_) => Err(InvalidRequest::unknown("direction", direction)),
    }
}

fn key_source(source: i32) -> Result<KeySource, InvalidRequest> {
    match pb::KeySource::try_from(source) {
        Ok(pb::KeySource::Unspecified | pb::KeySource::Sdes) => Ok(KeySource::Sdes),
        Ok(pb::KeySource::Mikey) => Ok(KeySource::Mikey),
        Ok(pb::KeySource::AccessSecurityAssociation) => Ok(KeySource::AccessSecurityAssociation),
        Ok(pb::KeySource::Group) => Ok(KeySource::Group),
        Err(_) => Err(InvalidRequest::unknown("source", source)),
    }
}

pub(crate) fn required_suite(suite: i32) -> Result<Suite, InvalidRequest> {
    match pb::Suite::try_from(suite) {
        Ok(pb::Suite::Unspecified) => Err(InvalidRequest::missing("suite")),
        Ok(pb::Suite::AesCm128HmacSha180) => Ok(Suite::AesCm128HmacSha1_80),
        Ok(pb::Suite::AesCm128HmacSha132) => Ok(Suite::AesCm128HmacSha1_32),
        Ok(pb::Suite::Aes192CmHmacSha180) => Ok(Suite::AesCm192HmacSha1_80),
        Ok(pb::Suite::Aes192CmHmacSha132) => Ok(Suite::AesCm192HmacSha1_32),
        Ok(pb::Suite::Aes256CmHmacSha180) => Ok(Suite::AesCm256HmacSha1_80),
        Ok(pb::Suite::Aes256CmHmacSha132) => Ok(Suite::AesCm256HmacSha1_32),
        Ok(pb::Suite::AeadAes128Gcm) => Ok(Suite::AeadAes128Gcm),
        Ok(pb::Suite::AeadAes256Gcm) => Ok(Suite::AeadAes256Gcm),
        Ok(pb::Suite::F8128HmacSha180) => Ok(Suite::AesF8128HmacSha1_80),
        Ok(pb::Suite::NullHmacSha180) => Ok(Suite::NullHmacSha1_80),
        Ok(pb::Suite::NullHmacSha132) => Ok(Suite::NullHmacSha1_32),
        Err(_) => Err(InvalidRequest::unknown("suite", suite)),
    }
}

/// The suite as the API writes it.
pub(crate) fn suite_to_wire(suite: Suite) -> pb::Suite {
    match suite {
        Suite::AesCm128HmacSha1_80 => pb::Suite::AesCm128HmacSha180,
        Suite::AesCm128HmacSha1_32 => pb::Suite::AesCm128HmacSha132,
        Suite::AesCm192HmacSha1_80 => pb::Suite::Aes192CmHmacSha180,
        Suite::AesCm192HmacSha1_32 => pb::Suite::Aes192CmHmacSha132,
        Suite::AesCm256HmacSha1_80 => pb::Suite::Aes256CmHmacSha180,
        Suite::AesCm256HmacSha1_32 => pb::Suite::Aes256CmHmacSha132,
        Suite::AeadAes128Gcm => pb::Suite::AeadAes128Gcm,
        Suite::AeadAes256Gcm => pb::Suite::AeadAes256Gcm,
        Suite::AesF8128HmacSha1_80 => pb::Suite::F8128HmacSha180,
        Suite::NullHmacSha1_80 => pb::Suite::NullHmacSha180,
        Suite::NullHmacSha1_32 => pb::Suite::NullHmacSha132,
    }
}
