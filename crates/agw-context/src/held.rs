//! What control remembers of keys, which is never the key.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

use agw_srtp::{Lifetime, Mki, RocOnRekey, Suite};

use crate::audit::{KeyView, PutOff, StagedKeyView};
use crate::command::KeySource;
use crate::fingerprint::Fingerprint;
use crate::terms::Terms;

/// Former keys that a direction remembers: at one re-key a minute, almost three days of them.
const MAX_FORMER: usize = 4096;

/// Discarded keys of which the packet path has not told yet whether their packets came first;
/// beyond so many, the oldest count as used.
const MAX_DOUBTFUL: usize = 16;

/// What control remembers of one direction's keys; boxed, because most directions have fewer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Keys {
    pub(crate) installed: Option<Box<Installed>>,
    pub(crate) staged: Option<Box<Staged>>,
    past: Option<Box<Past>>,
}

/// A key that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Staged {
    pub(crate) key: KnownKey,
    /// How many packets it may serve.
    pub(crate) lifetime: Lifetime,
    /// What the packet path calls it.
    pub(crate) number: u32,
    /// When it comes in force by itself.
    pub(crate) timed: Option<Timed>,
}

/// An activation that was put off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timed {
    /// When, by the clock that no one sets.
    pub(crate) due: Instant,
    /// When, as the controller said it.
    pub(crate) at: SystemTime,
    pub(crate) roc: RocOnRekey,
    pub(crate) overlap: Duration,
}

/// What few directions have: keys of the past.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Past {
    /// Keys that were in force before: they come back on no other stream, and to seal on none.
    former: VecDeque<Fingerprint>,
    /// Ingress keys that were discarded while a packet with their identifier may have put them in
    /// force already: the packet path tells.
    doubtful: Vec<Doubtful>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Doubtful {
    key: KnownKey,
    lifetime: Lifetime,
    number: u32,
    /// Other keys were put in force since: if it was in force, it is not any more.
    superseded: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Installed {
    pub(crate) source: KeySource,
    pub(crate) suite: Suite,
    pub(crate) keys: Box<[KnownKey]>,
    /// What was told with them, if anything was.
    pub(crate) terms: Option<Box<Terms>>,
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

    /// What was told with them, defaults filled in.
    pub(crate) fn terms(&self) -> Terms {
        let default = || Terms::default_of(self.suite, self.keys.len());
        self.terms.as_deref().cloned().unwrap_or_else(default)
    }
}

impl Keys {
    /// Every key of this direction: in force, waiting, or used before.
    pub(crate) fn fingerprints(&self) -> impl Iterator<Item = Fingerprint> {
        self.used().chain(self.staged.iter().map(|staged| staged.key.fingerprint))
    }

    /// The keys in force, now or before, and those that may have been.
    pub(crate) fn used(&self) -> impl Iterator<Item = Fingerprint> {
        let past = self.past.iter();
        self.in_force().chain(past.flat_map(|past| {
            let doubtful = past.doubtful.iter().map(|doubtful| doubtful.key.fingerprint);
            past.former.iter().copied().chain(doubtful)
        }))
    }

    /// The keys in force.
    pub(crate) fn in_force(&self) -> impl Iterator<Item = Fingerprint> {
        self.installed.iter().flat_map(|keys| keys.fingerprints())
    }

    /// The keys in force and the one that waits.
    pub(crate) fn live(&self) -> impl Iterator<Item = Fingerprint> {
        self.in_force().chain(self.staged.iter().map(|staged| staged.key.fingerprint))
    }

    /// Whether a key is in force under another salt.
    pub(crate) fn is_resalted(&self, key: &KnownKey) -> bool {
        let mut in_force = self.installed.iter().flat_map(|keys| &keys.keys);
        in_force.any(|it| it.fingerprint == key.fingerprint && it.with_salt != key.with_salt)
    }

    pub(crate) fn was_used(&self, key: Fingerprint) -> bool {
        self.past.as_ref().is_some_and(|past| past.former.contains(&key))
    }

    /// Takes keys off the former ones that come in force again.
    pub(crate) fn take_back(&mut self, keys: &[Fingerprint]) {
        if let Some(past) = &mut self.past {
            past.former.retain(|former| !keys.contains(former));
        }
    }

    /// Puts keys in force, or none; what they replace is remembered.
    pub(crate) fn put_in_force(&mut self, installed: Option<Installed>) {
        let replaced = std::mem::replace(&mut self.installed, installed.map(Box::new));
        for key in replaced.iter().flat_map(|keys| keys.fingerprints()) {
            if !self.in_force().any(|current| current == key) {
                self.past.get_or_insert_default().former.push_back(key);
            }
        }
        for doubtful in self.past.iter_mut().flat_map(|past| &mut past.doubtful) {
            doubtful.superseded = true;
        }
    }

    /// Takes note that a key which waited was discarded, although a packet may have put it in
    /// force a moment ago: until the packet path has told, it counts as used.
    pub(crate) fn doubt(&mut self, staged: Staged) {
        let Staged { key, lifetime, number, timed: _ } = staged;
        let past = self.past.get_or_insert_default();
        past.doubtful.push(Doubtful { key, lifetime, number, superseded: false });
        if past.doubtful.len() > MAX_DOUBTFUL {
            let oldest = past.doubtful.remove(0);
            past.former.push_back(oldest.key.fingerprint);
        }
    }

    /// The packet path put a key in force because its identifier came; tells whether that was not
    /// known yet, and the activation that is not to come any more.
    pub(crate) fn came_in_force(&mut self, number: u32) -> Option<Option<Timed>> {
        if let Some(staged) = self.staged.take_if(|staged| staged.number == number) {
            let Staged { key, lifetime, number: _, timed } = *staged;
            self.replace_by(key, lifetime, None);
            return Some(timed);
        }
        let past = self.past.as_mut()?;
        let place = past.doubtful.iter().position(|doubtful| doubtful.number == number)?;
        let Doubtful { key, lifetime, number: _, superseded } = past.doubtful.remove(place);
        if superseded {
            past.former.push_back(key.fingerprint);
        } else {
            self.replace_by(key, lifetime, None);
        }
        Some(None)
    }

    /// The packet path never put a discarded key in force; tells which, so that it is free again.
    pub(crate) fn was_discarded(&mut self, number: u32) -> Option<Fingerprint> {
        let past = self.past.as_mut()?;
        let place = past.doubtful.iter().position(|doubtful| doubtful.number == number)?;
        Some(past.doubtful.remove(place).key.fingerprint)
    }

    /// Puts one key in force under the source, suite and session parameters there are.
    fn replace_by(&mut self, key: KnownKey, lifetime: Lifetime, overlap: Option<Duration>) {
        if let Some(installed) = &self.installed {
            let Installed { source, suite, .. } = **installed;
            let lifetimes = vec![lifetime];
            let terms = Terms { overlap, lifetimes, ..installed.terms() }.kept(suite);
            self.put_in_force(Some(Installed { source, suite, keys: Box::new([key]), terms }));
        }
    }

    /// Forgets former keys that are too many, and tells which.
    #[must_use]
    pub(crate) fn forget_oldest(&mut self) -> Vec<Fingerprint> {
        let Some(past) = &mut self.past else {
            return Vec::new();
        };
        let too_many = past.former.len().saturating_sub(MAX_FORMER);
        past.former.drain(..too_many).collect()
    }

    /// Puts the waiting key in force; tells whether there was one. `overlap` is how long the keys
    /// that it replaces still open packets, if a command said so.
    pub(crate) fn put_staged_in_force(&mut self, overlap: Option<Duration>) -> bool {
        let (Some(staged), true) = (self.staged.take(), self.installed.is_some()) else {
            return false;
        };
        self.replace_by(staged.key, staged.lifetime, overlap);
        true
    }

    /// The activation that is to come.
    pub(crate) fn timed(&self) -> Option<Timed> {
        self.staged.as_ref()?.timed
    }

    pub(crate) fn view(&self) -> Option<KeyView> {
        self.installed.as_ref().map(|keys| {
            let Terms { parameters, overlap, lifetimes } = keys.terms();
            KeyView {
                source: keys.source,
                suite: keys.suite,
                mkis: keys.mkis().map(|mki| mki.as_slice().to_vec()).collect(),
                lifetimes,
                parameters,
                overlap,
                staged: self.staged.as_deref().map(Staged::view),
            }
        })
    }
}

impl Staged {
    fn view(&self) -> StagedKeyView {
        let put_off =
            |timed: &Timed| PutOff { at: timed.at, roc: timed.roc, overlap: timed.overlap };
        StagedKeyView {
            mki: self.key.mki.as_ref().map(|mki| mki.as_slice().to_vec()),
            lifetime: self.lifetime,
            activation: self.timed.as_ref().map(put_off),
        }
    }
}
