//! Key state: the sources, and what keys have been used for.

use agw_iq::pb;
use serde::Serialize;

use super::{suite, word};

/// Key state of one direction.
#[derive(Debug, Serialize)]
pub(crate) struct CryptoView {
    suite: Option<String>,
    sources: Vec<SourceStateView>,
    keys: Vec<KeyUseView>,
    srtcp_index: Option<u32>,
}

#[derive(Debug, Serialize)]
struct SourceStateView {
    ssrc: String,
    roc: u32,
    highest_sequence: Option<u32>,
    srtcp_index: Option<u32>,
}

/// What a live key has been used for.
#[derive(Debug, Serialize)]
struct KeyUseView {
    standing: Option<String>,
    mki: Option<String>,
    suite: Option<String>,
    srtp: KeyCountView,
    srtcp: KeyCountView,
    opens_for_ms: Option<u64>,
}

#[derive(Debug, Serialize)]
struct KeyCountView {
    packets: u64,
    until_warning: u64,
    until_stop: u64,
}

impl From<&pb::CryptoState> for CryptoView {
    fn from(crypto: &pb::CryptoState) -> Self {
        let source = |source: &pb::SourceState| SourceStateView {
            ssrc: format!("{:#010x}", source.ssrc),
            roc: source.roc,
            highest_sequence: source.highest_sequence,
            srtcp_index: source.srtcp_index,
        };
        Self {
            suite: suite(crypto.suite()),
            sources: crypto.sources.iter().map(source).collect(),
            keys: crypto.keys.iter().map(KeyUseView::from).collect(),
            srtcp_index: crypto.srtcp_index,
        }
    }
}

impl From<&pb::KeyUse> for KeyUseView {
    fn from(key: &pb::KeyUse) -> Self {
        Self {
            standing: word(key.standing().as_str_name(), "KEY_STANDING_"),
            mki: (!key.mki.is_empty())
                .then(|| key.mki.iter().map(|octet| format!("{octet:02x}")).collect()),
            suite: suite(key.suite()),
            srtp: key.srtp.into(),
            srtcp: key.srtcp.into(),
            opens_for_ms: key.opens_for_ms,
        }
    }
}

impl From<Option<pb::KeyCount>> for KeyCountView {
    fn from(count: Option<pb::KeyCount>) -> Self {
        let pb::KeyCount { packets, until_warning, until_stop } = count.unwrap_or_default();
        Self { packets, until_warning, until_stop }
    }
}

impl CryptoView {
    /// The rollover counters of the sources.
    pub(crate) fn rocs(&self) -> Vec<String> {
        self.sources.iter().map(|source| source.roc.to_string()).collect()
    }

    /// One line for each key.
    pub(crate) fn keys(&self) -> impl Iterator<Item = String> {
        self.keys.iter().map(KeyUseView::words)
    }
}

impl KeyUseView {
    fn words(&self) -> String {
        let Self { standing, mki, suite: _, srtp, srtcp, opens_for_ms } = self;
        let standing = standing.as_deref().unwrap_or("unknown").replace('_', " ");
        let mki = mki.as_ref().map(|mki| format!(", MKI {mki}")).unwrap_or_default();
        let ends = opens_for_ms.map(|left| format!(", for {left} ms")).unwrap_or_default();
        format!("{standing}{mki}{ends}: SRTP {}, SRTCP {}", srtp.words(), srtcp.words())
    }
}

impl KeyCountView {
    fn words(&self) -> String {
        format!("{} packets, {} left", self.packets, self.until_stop)
    }
}
