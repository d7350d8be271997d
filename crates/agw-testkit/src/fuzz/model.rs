//! Windows and rollover counters as sets and arithmetic: what agw-srtp is measured against.

use std::collections::{BTreeMap, BTreeSet};

use agw_rtp::Ssrc;
use agw_srtp::Suite;

/// A replay window that remembers everything.
#[derive(Debug, Clone, Default)]
pub(super) struct Window {
    seen: BTreeSet<u64>,
}

impl Window {
    pub(super) fn highest(&self) -> Option<u64> {
        self.seen.last().copied()
    }

    pub(super) fn is_fresh(&self, index: u64, size: u64) -> bool {
        !self.seen.contains(&index) && self.highest().is_none_or(|highest| index + size > highest)
    }

    pub(super) fn remember(&mut self, index: u64) {
        self.seen.insert(index);
    }
}

/// One source: SRTP and SRTCP apart.
#[derive(Debug, Clone, Default)]
pub(super) struct Source {
    pub(super) srtp: Window,
    pub(super) srtcp: Window,
}

/// The sources of one end.
#[derive(Debug, Clone)]
pub(super) struct Sources {
    pub(super) initial_roc: u32,
    pub(super) window: u64,
    pub(super) limit: usize,
    pub(super) known: BTreeMap<Ssrc, Source>,
}

impl Sources {
    pub(super) fn started_anew(&self, roc: u32) -> Self {
        Self { initial_roc: roc, known: BTreeMap::new(), ..*self }
    }

    /// The index that a sequence number stands for here.
    pub(super) fn index(&self, ssrc: Ssrc, sequence: u16) -> u64 {
        match self.known.get(&ssrc).and_then(|source| source.srtp.highest()) {
            Some(highest) => nearest(highest, sequence),
            None => (u64::from(self.initial_roc) << 16) | u64::from(sequence),
        }
    }

    pub(super) fn has_room_for(&self, ssrc: Ssrc) -> bool {
        self.known.contains_key(&ssrc) || self.known.len() < self.limit
    }

    pub(super) fn is_fresh(&self, ssrc: Ssrc, rtcp: bool, index: u64) -> bool {
        let source = self.known.get(&ssrc);
        let window = source.map(|source| if rtcp { &source.srtcp } else { &source.srtp });
        window.is_none_or(|window| window.is_fresh(index, self.window))
    }

    pub(super) fn remember(&mut self, ssrc: Ssrc, rtcp: bool, index: u64) {
        let source = self.known.entry(ssrc).or_default();
        if rtcp { source.srtcp.remember(index) } else { source.srtp.remember(index) }
    }
}

/// Of all indices with that sequence number, from 0 to 2^48 - 1, the nearest to the highest one
/// seen; of two as near, the one with the same rollover counter.
fn nearest(highest: u64, sequence: u16) -> u64 {
    let roc = highest >> 16;
    let distance = |roc: u64| ((roc << 16) | u64::from(sequence)).abs_diff(highest);
    let others = [roc.checked_sub(1), Some(roc + 1).filter(|next| *next < 1 << 32)];
    let nearer = others.into_iter().flatten().find(|other| distance(*other) < distance(roc));
    (nearer.unwrap_or(roc) << 16) | u64::from(sequence)
}

/// A suite for models that believe every authentic packet: under short tags a far jump is not
/// believed alone, which has tests of its own.
pub(super) const fn with_long_tags(suite: Suite) -> Suite {
    match suite {
        Suite::AesCm128HmacSha1_32 => Suite::AesCm128HmacSha1_80,
        Suite::AesCm192HmacSha1_32 => Suite::AesCm192HmacSha1_80,
        Suite::AesCm256HmacSha1_32 => Suite::AesCm256HmacSha1_80,
        Suite::NullHmacSha1_32 => Suite::NullHmacSha1_80,
        Suite::AesCm128HmacSha1_80
        | Suite::AesCm192HmacSha1_80
        | Suite::AesCm256HmacSha1_80
        | Suite::AeadAes128Gcm
        | Suite::AeadAes256Gcm
        | Suite::NullHmacSha1_80
        | Suite::AesF8128HmacSha1_80 => suite,
    }
}
