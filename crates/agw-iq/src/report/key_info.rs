//! The keys of one direction as audited: all but the secret.

use std::time::Duration;

use agw_context::{KeySource, KeyView, PutOff, StagedKeyView};
use agw_srtp::{Lifetime, RocOnRekey, SessionParameters};

use super::timestamp;
use crate::convert::suite_to_wire;
use crate::pb;

//= tests/spec/iq.md#audit
//# An audit MUST tell everything that a controller has set of a stream but the octets of keys and
//# salts.
pub(super) fn key_info(key: KeyView) -> pb::KeyInfo {
    let KeyView { source, suite, mkis, lifetimes, parameters, overlap, staged } = key;
    pb::KeyInfo {
        source: key_source(source).into(),
        suite: suite_to_wire(suite).into(),
        mkis,
        lifetimes: lifetimes.into_iter().map(lifetime).collect(),
        parameters: Some(session_parameters(parameters)),
        overlap_ms: overlap.map(short),
        staged: staged.map(staged_key),
    }
}

fn staged_key(key: StagedKeyView) -> pb::StagedKeyInfo {
    let StagedKeyView { mki, lifetime: life, activation } = key;
    let (roc_on_rekey, initial_roc) = match activation.as_ref().map(|activation| activation.roc) {
        None | Some(RocOnRekey::Auto) => (pb::RocOnRekey::Unspecified, None),
        Some(RocOnRekey::Keep) => (pb::RocOnRekey::Keep, None),
        Some(RocOnRekey::Reset) => (pb::RocOnRekey::Reset, None),
        Some(RocOnRekey::Set(roc)) => (pb::RocOnRekey::Value, Some(roc)),
    };
    let (activates_at, overlap) = match activation {
        None => (None, None),
        Some(PutOff { at, roc: _, overlap }) => (Some(timestamp(at)), Some(overlap)),
    };
    pb::StagedKeyInfo {
        mki: mki.unwrap_or_default(),
        lifetime: Some(lifetime(life)),
        activates_at,
        roc_on_rekey: roc_on_rekey.into(),
        initial_roc,
        overlap_ms: overlap.map(short),
    }
}

fn lifetime(lifetime: Lifetime) -> pb::KeyLifetime {
    let Lifetime { srtp, srtcp } = lifetime;
    pb::KeyLifetime { srtp, srtcp }
}

fn session_parameters(parameters: SessionParameters) -> pb::SessionParameters {
    let SessionParameters { unencrypted_srtp, unencrypted_srtcp, window, max_sources } = parameters;
    pb::SessionParameters {
        unencrypted_srtp,
        unencrypted_srtcp,
        window: window.into(),
        max_sources: max_sources.into(),
    }
}

fn short(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

fn key_source(source: KeySource) -> pb::KeySource {
    match source {
        KeySource::Sdes => pb::KeySource::Sdes,
        KeySource::Mikey => pb::KeySource::Mikey,
        KeySource::AccessSecurityAssociation => pb::KeySource::AccessSecurityAssociation,
        KeySource::Group => pb::KeySource::Group,
    }
}
