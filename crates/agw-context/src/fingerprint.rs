//! Knowing a key again without keeping it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use agw_srtp::MasterKey;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use zeroize::Zeroizing;

use crate::id::ContextId;

/// Keys of ended streams are remembered for so long,
const REMEMBERED_FOR: Duration = Duration::from_secs(24 * 3600);
/// and at most so many of each kind, the newest.
const MOST_REMEMBERED: usize = 262_144;

/// What a master key hashes to under a secret that lives as long as this process: tells equal
/// keys, tells nothing about them, and cannot be compared across restarts. 128 of the 160 bits, so
/// that a look-up among hundreds of thousands compares numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fingerprint(u128);

/// Makes fingerprints.
pub(crate) struct Fingerprinter(Zeroizing<[u8; 64]>);

impl Fingerprinter {
    pub(crate) const fn new(secret: Zeroizing<[u8; 64]>) -> Self {
        Self(secret)
    }

    /// The fingerprint of a key. The salt is left out: the same key under another salt would
    /// still be the same key (RFC 3711 §9.1).
    pub(crate) fn of(&self, master: &MasterKey) -> Fingerprint {
        let key_len = master.suite().key_len();
        master.expose(|key_and_salt| self.digest(key_and_salt.get(..key_len).unwrap_or_default()))
    }

    /// The fingerprint of a key together with its salt.
    pub(crate) fn of_key_and_salt(&self, master: &MasterKey) -> Fingerprint {
        master.expose(|key_and_salt| self.digest(key_and_salt))
    }

    fn digest(&self, octets: &[u8]) -> Fingerprint {
        let mut mac = <Hmac<Sha1> as KeyInit>::new(&(*self.0).into());
        mac.update(octets);
        let tag: [u8; 20] = mac.finalize().into_bytes().into();
        Fingerprint(tag.first_chunk().copied().map(u128::from_be_bytes).unwrap_or_default())
    }
}

/// The keys in use anywhere in the gateway, and those that were in force until a while ago.
///
/// Who sealed under a key of an ended stream has forgotten the indices, so the key must not seal
/// again (RFC 3711 §9.1); nor open, because the gateway's own packets would pass under it. One that
/// has opened only may open again on the same call, because a peer repeats its offer after
/// one that was rejected (RFC 4568 §7.1.4); on another call only where policy allows it.
#[derive(Debug, Default)]
pub(crate) struct KeyRegistry {
    in_use: BTreeSet<Fingerprint>,
    //= tests/spec/iq.md#keys
    //# Keys that have only opened packets MUST NOT push keys that have sealed out of memory.
    /// Keys that have sealed. Apart from the others, and with room of their own: a sealed key that
    /// is forgotten can seal an index twice, one that has only opened merely opens replays, and
    /// peers and their controllers choose how often that kind changes. Where even this room does not
    /// last for a day the oldest goes: to refuse new keys instead would end the service of all for
    /// the many keys of one.
    sealed: Remembered,
    /// Keys that have opened only.
    opened: Remembered,
}

/// Keys of one kind that were in force.
#[derive(Debug, Default)]
struct Remembered {
    /// Since when they are not, and of which call they were.
    keys: BTreeMap<Fingerprint, (Instant, ContextId)>,
    oldest: VecDeque<(Instant, Fingerprint)>,
}

/// What a transaction does to the keys.
#[derive(Debug, Default)]
pub(crate) struct KeyChanges {
    pub(crate) added: BTreeSet<Fingerprint>,
    pub(crate) removed: BTreeSet<Fingerprint>,
    pub(crate) spent: BTreeMap<Fingerprint, Spent>,
}

/// What a key was that is in force no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spent {
    /// The call of its stream.
    pub(crate) context: ContextId,
    /// Whether the gateway has sealed under it.
    pub(crate) sealed: bool,
}

impl KeyRegistry {
    pub(crate) fn contains(&self, key: Fingerprint) -> bool {
        self.in_use.contains(&key)
    }

    /// What the key was in force as, on a stream that has ended.
    pub(crate) fn spent_by(&self, key: Fingerprint) -> Option<Spent> {
        let of = |kind: &Remembered, sealed| {
            kind.keys.get(&key).map(|&(_, context)| Spent { context, sealed })
        };
        of(&self.sealed, true).or_else(|| of(&self.opened, false))
    }

    /// Frees a key that was never in force.
    pub(crate) fn free(&mut self, key: Fingerprint) {
        self.in_use.remove(&key);
    }

    /// Takes over what a transaction changed.
    pub(crate) fn apply(&mut self, changes: &KeyChanges, now: Instant) {
        let KeyChanges { added, removed, spent } = changes;
        for key in removed {
            self.in_use.remove(key);
        }
        self.in_use.extend(added);
        for (&key, &Spent { context, sealed }) in spent {
            let kind = if sealed { &mut self.sealed } else { &mut self.opened };
            kind.note(key, context, now);
        }
        self.sealed.forget(now);
        self.opened.forget(now);
    }
}

impl Remembered {
    fn note(&mut self, key: Fingerprint, context: ContextId, now: Instant) {
        self.keys.insert(key, (now, context));
        self.oldest.push_back((now, key));
    }

    /// Forgets what is too old or too much.
    fn forget(&mut self, now: Instant) {
        while let Some(&(at, key)) = self.oldest.front() {
            let is_old = now.saturating_duration_since(at) >= REMEMBERED_FOR;
            if !is_old && self.oldest.len() <= MOST_REMEMBERED {
                return;
            }
            self.oldest.pop_front();
            // In force once more since then, it stays for longer.
            if self.keys.get(&key).is_some_and(|&(last, _)| last == at) {
                self.keys.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::epoch;

    fn spend(registry: &mut KeyRegistry, keys: impl Iterator<Item = u32>, now: Instant) {
        spend_as(registry, keys, false, now);
    }

    fn spend_as(
        registry: &mut KeyRegistry,
        keys: impl Iterator<Item = u32>,
        sealed: bool,
        now: Instant,
    ) {
        let as_what = Spent { context: ContextId(1), sealed };
        let spent = keys.map(|number| (key(number), as_what)).collect();
        registry.apply(&KeyChanges { spent, ..KeyChanges::default() }, now);
    }

    fn is_spent(registry: &KeyRegistry, key: Fingerprint) -> bool {
        registry.spent_by(key).is_some()
    }

    fn key(number: u32) -> Fingerprint {
        Fingerprint(number.into())
    }

    #[test]
    fn a_spent_key_is_remembered_for_a_day_since_it_was_last_in_force() {
        for sealed in [false, true] {
            let (start, mut registry) = (epoch(), KeyRegistry::default());
            spend_as(&mut registry, [1, 2].into_iter(), sealed, start);
            spend_as(&mut registry, [1].into_iter(), sealed, start + Duration::from_secs(1));
            spend(&mut registry, std::iter::empty(), start + REMEMBERED_FOR);
            assert!(is_spent(&registry, key(1)) && !is_spent(&registry, key(2)));
            spend(&mut registry, std::iter::empty(), start + REMEMBERED_FOR * 2);
            for kind in [&registry.sealed, &registry.opened] {
                assert!(kind.keys.is_empty() && kind.oldest.is_empty());
            }
        }
    }

    #[test]
    fn the_oldest_spent_keys_make_room() {
        let (start, mut registry) = (epoch(), KeyRegistry::default());
        let most = u32::try_from(MOST_REMEMBERED).unwrap();
        for number in 0..most + 10 {
            spend(&mut registry, [number].into_iter(), start);
        }
        assert_eq!(registry.opened.keys.len(), MOST_REMEMBERED);
        assert!(!is_spent(&registry, key(9)) && is_spent(&registry, key(10)));
    }

    //= tests/spec/iq.md#keys
    //= type=test
    //# Keys that have only opened packets MUST NOT push keys that have sealed out of memory.
    #[test]
    fn keys_that_only_opened_make_no_room_at_the_cost_of_one_that_sealed() {
        let (start, mut registry) = (epoch(), KeyRegistry::default());
        let most = u32::try_from(MOST_REMEMBERED).unwrap();
        spend_as(&mut registry, [u32::MAX].into_iter(), true, start);
        spend(&mut registry, 0..2 * most, start + Duration::from_secs(1));
        assert!(registry.spent_by(key(u32::MAX)).unwrap().sealed);
        assert_eq!(registry.opened.keys.len(), MOST_REMEMBERED);
        assert!(!is_spent(&registry, key(0)) && is_spent(&registry, key(2 * most - 1)));
    }
}
