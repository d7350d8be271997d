//! What live keys have been used for: for audits, never the key.

use std::time::Instant;

use crate::live::{KeySet, LiveKey};
use crate::pool::KeyPool;
use crate::ticket::Protocol;
use crate::usage::Usage;
use crate::{Mki, Suite};

/// What one live key has been used for and how much of its lifetime is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyUse {
    /// Whether it is in force, waits, or was replaced.
    pub standing: KeyStanding,
    /// Its identifier, if packets carry one.
    pub mki: Option<Mki>,
    /// Its suite.
    pub suite: Suite,
    /// SRTP packets under it.
    pub srtp: KeyCount,
    /// SRTCP packets under it.
    pub srtcp: KeyCount,
    /// Of a replaced one, when its overlap ends.
    pub until: Option<Instant>,
}

/// Where a live key stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStanding {
    /// It opens or seals; of several egress keys the first seals.
    InForce,
    /// It waits for its identifier or for activation.
    Staged,
    /// It was replaced and opens packets until its overlap ends; never of an egress.
    Replaced,
}

/// Packets of one protocol under a key, of all its sources together (RFC 3711 §9.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyCount {
    /// Packets opened or sealed.
    pub packets: u64,
    /// Packets until nine tenths of the lifetime are used; 0 from then on.
    pub until_warning: u64,
    /// Packets until the key stops; 0 from then on.
    pub until_stop: u64,
}

impl<K> KeySet<K> {
    /// What the keys of the set have been used for, in their order; those of a pool by all who
    /// share them.
    pub(crate) fn uses(
        &self,
        standing: KeyStanding,
        pool: Option<&KeyPool>,
    ) -> impl Iterator<Item = KeyUse> {
        self.iter().map(move |key| {
            let of_all = pool.and_then(|pool| pool.usage(&key.fingerprint));
            key.to_use(standing, of_all.unwrap_or(&key.usage))
        })
    }
}

impl<K> LiveKey<K> {
    //= tests/spec/iq.md#audit
    //# An audit MUST tell for each live key the packets under it and how many are left.
    fn to_use(&self, standing: KeyStanding, usage: &Usage) -> KeyUse {
        KeyUse {
            standing,
            mki: self.mki().copied(),
            suite: self.suite,
            srtp: KeyCount::of(usage, Protocol::Srtp),
            srtcp: KeyCount::of(usage, Protocol::Srtcp),
            until: None,
        }
    }
}

impl KeyCount {
    fn of(usage: &Usage, protocol: Protocol) -> Self {
        let (packets, limit) = usage.count(protocol);
        Self {
            packets,
            until_warning: Usage::warning_at(limit).saturating_sub(packets),
            // Counts have to stay below the lifetime.
            until_stop: limit.saturating_sub(1).saturating_sub(packets),
        }
    }
}
