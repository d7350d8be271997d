//! What control remembers of keys, which is never the key.

use std::collections::VecDeque;

use agw_srtp::{Mki, Suite};

use crate::audit::KeyView;
use crate::command::KeySource;
use crate::fingerprint::Fingerprint;

/// Former keys that a direction remembers: at one re-key a minute, almost three days of them.
const MAX_FORMER: usize = 4096;

/// What control remembers of one direction's keys; boxed, because most directions have fewer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Keys {
    pub(crate) installed: Option<Box<Installed>>,
    pub(crate) staged: Option<Box<KnownKey>>,
    /// Keys that were in force before: they never come back on this or any other stream.
    #[expect(clippy::box_collection, reason = "a fourth of the room, where there are none")]
    former: Option<Box<VecDeque<Fingerprint>>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Installed {
    pub(crate) source: KeySource,
    pub(crate) suite: Suite,
    pub(crate) keys: Box<[KnownKey]>,
}

/// A key that control would know again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownKey {
    /// Boxed: an identifier takes 129 octets, and few keys have one.
    pub(crate) mki: Option<Box<Mki>>,
    pub(crate) fingerprint: Fingerprint,
    /// Of the key together with its salt.
    pub(crate) with_salt: Fingerprint,
}

impl Installed {
    /// Whether these are the very same keys, as the packet path sees it: the same keys and salts
    /// of the same suite, in the same order, under the same identifiers.
    pub(crate) fn is_same_material(&self, other: &Self) -> bool {
        let same = |(one, other): (&KnownKey, &KnownKey)| {
            one.mki == other.mki && one.with_salt == other.with_salt
        };
        self.suite == other.suite
            && self.keys.len() == other.keys.len()
            && self.keys.iter().zip(&other.keys).all(same)
    }

    pub(crate) fn fingerprints(&self) -> impl Iterator<Item = Fingerprint> {
        self.keys.iter().map(|key| key.fingerprint)
    }

    pub(crate) fn mkis(&self) -> impl Iterator<Item = &Mki> {
        self.keys.iter().filter_map(|key| key.mki.as_deref())
    }
}

impl Keys {
    /// Every key of this direction: in force, waiting, or used before.
    pub(crate) fn fingerprints(&self) -> impl Iterator<Item = Fingerprint> {
        self.used().chain(self.staged.iter().map(|key| key.fingerprint))
    }

    /// The keys in force, now or before.
    pub(crate) fn used(&self) -> impl Iterator<Item = Fingerprint> {
        self.in_force().chain(self.former.iter().flat_map(|former| former.iter().copied()))
    }

    /// The keys in force.
    pub(crate) fn in_force(&self) -> impl Iterator<Item = Fingerprint> {
        self.installed.iter().flat_map(|keys| keys.fingerprints())
    }

    pub(crate) fn was_used(&self, key: Fingerprint) -> bool {
        self.former.as_ref().is_some_and(|former| former.contains(&key))
    }

    /// Puts keys in force, or none; what they replace is remembered.
    pub(crate) fn put_in_force(&mut self, installed: Option<Installed>) {
        let replaced = std::mem::replace(&mut self.installed, installed.map(Box::new));
        for key in replaced.iter().flat_map(|keys| keys.fingerprints()) {
            if !self.in_force().any(|current| current == key) {
                self.former.get_or_insert_default().push_back(key);
            }
        }
    }

    /// Forgets former keys that are too many, and tells which.
    #[must_use]
    pub(crate) fn forget_oldest(&mut self) -> Vec<Fingerprint> {
        let Some(former) = &mut self.former else {
            return Vec::new();
        };
        let too_many = former.len().saturating_sub(MAX_FORMER);
        former.drain(..too_many).collect()
    }

    /// Puts the waiting key in force; tells whether there was one.
    pub(crate) fn put_staged_in_force(&mut self) -> bool {
        let (Some(staged), Some(installed)) = (self.staged.take(), &self.installed) else {
            return false;
        };
        let Installed { source, suite, .. } = **installed;
        self.put_in_force(Some(Installed { source, suite, keys: Box::new([*staged]) }));
        true
    }

    pub(crate) fn view(&self) -> Option<KeyView> {
        self.installed.as_ref().map(|keys| KeyView {
            source: keys.source,
            suite: keys.suite,
            mkis: keys.mkis().map(|mki| mki.as_slice().to_vec()).collect(),
            staged: self.staged.is_some(),
        })
    }
}
