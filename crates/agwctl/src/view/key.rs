//! The keys of one direction: all but the secret.

use agw_iq::pb;
use serde::Serialize;

use super::{suite, word};
use crate::output::{dash, moment};

/// The keys of one direction: all but the secret.
#[derive(Debug, Serialize)]
pub(crate) struct KeyView {
    source: Option<String>,
    suite: Option<String>,
    mkis: Vec<String>,
    lifetimes: Vec<LifetimeView>,
    parameters: ParametersView,
    overlap_ms: Option<u32>,
    staged: Option<StagedKeyView>,
}

/// How many packets a key may serve.
#[derive(Debug, Serialize)]
struct LifetimeView {
    srtp: u64,
    srtcp: u64,
}

/// What both ends agreed on.
#[derive(Debug, Serialize)]
struct ParametersView {
    unencrypted_srtp: bool,
    unencrypted_srtcp: bool,
    window: u32,
    max_sources: u32,
}

/// The key that waits.
#[derive(Debug, Serialize)]
struct StagedKeyView {
    mki: Option<String>,
    lifetime: LifetimeView,
    activates_at: Option<String>,
    roc_on_rekey: Option<String>,
    initial_roc: Option<u32>,
    overlap_ms: Option<u32>,
}

impl From<&pb::KeyInfo> for KeyView {
    fn from(key: &pb::KeyInfo) -> Self {
        Self {
            source: word(key.source().as_str_name(), "KEY_SOURCE_"),
            suite: suite(key.suite()),
            mkis: key.mkis.iter().map(|mki| hexadecimal(mki)).collect(),
            lifetimes: key.lifetimes.iter().copied().map(LifetimeView::from).collect(),
            parameters: key.parameters.unwrap_or_default().into(),
            overlap_ms: key.overlap_ms,
            staged: key.staged.as_ref().map(StagedKeyView::from),
        }
    }
}

impl From<pb::KeyLifetime> for LifetimeView {
    fn from(lifetime: pb::KeyLifetime) -> Self {
        let pb::KeyLifetime { srtp, srtcp } = lifetime;
        Self { srtp, srtcp }
    }
}

impl From<pb::SessionParameters> for ParametersView {
    fn from(parameters: pb::SessionParameters) -> Self {
        let pb::SessionParameters { unencrypted_srtp, unencrypted_srtcp, window, max_sources } =
            parameters;
        Self { unencrypted_srtp, unencrypted_srtcp, window, max_sources }
    }
}

impl From<&pb::StagedKeyInfo> for StagedKeyView {
    fn from(key: &pb::StagedKeyInfo) -> Self {
        Self {
            mki: Some(hexadecimal(&key.mki)).filter(|mki| !mki.is_empty()),
            lifetime: key.lifetime.unwrap_or_default().into(),
            activates_at: key.activates_at.map(|at| at.to_string()),
            roc_on_rekey: word(key.roc_on_rekey().as_str_name(), "ROC_ON_REKEY_"),
            initial_roc: key.initial_roc,
            overlap_ms: key.overlap_ms,
        }
    }
}

impl KeyView {
    /// In words.
    pub(crate) fn words(&self) -> String {
        let mut words = dash(self.suite.clone());
        if !self.mkis.is_empty() {
            words = format!("{words}, MKI {}", self.mkis.join(" "));
        }
        let ParametersView { unencrypted_srtp, unencrypted_srtcp, window, max_sources } =
            self.parameters;
        for (unencrypted, what) in [(unencrypted_srtp, "SRTP"), (unencrypted_srtcp, "SRTCP")] {
            if unencrypted {
                words = format!("{words}, {what} NOT ENCRYPTED");
            }
        }
        words = format!("{words}, window {window}, up to {max_sources} sources");
        match self.staged.as_ref().map(|staged| &staged.activates_at) {
            Some(Some(at)) => format!("{words}, one staged until {}", moment(at)),
            Some(None) => format!("{words}, one staged"),
            None => words,
        }
    }
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
