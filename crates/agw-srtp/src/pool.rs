//! Keys that several sessions share, with one lifetime over all of them (RFC 3711 §9.2).

use std::fmt;

use subtle::ConstantTimeEq;

use crate::event::PendingEvents;
use crate::live::Fingerprint;
use crate::ticket::Protocol;
use crate::usage::{Spent, Usage};
use crate::{IngressKey, KeyEvent, Lifetime, Protector};

/// Keys that a pool remembers; of a pool that is re-keyed more often the oldest are forgotten.
const MAX_POOLED: usize = 256;

/// What is used of master keys that several sessions share: what each of them opens or seals under
/// such a key counts against one lifetime.
///
/// Sessions are told of the pool packet by packet
/// ([`Unprotector::commit_shared`](crate::Unprotector::commit_shared),
/// [`Protector::begin_srtp_shared`]); events about lifetimes come from the pool then and not from
/// them. Keys are known by their fingerprints: one that comes back goes on where it was.
#[derive(Default)]
pub struct KeyPool {
    /// Those in force stand last.
    keys: Vec<PooledKey>,
    /// The one that the protector of [`Self::declare`] seals with, if it is among them.
    pub(crate) sealing: Option<usize>,
    events: PendingEvents,
}

/// A key that is shared.
struct PooledKey {
    fingerprint: Fingerprint,
    usage: Usage,
    /// As it was told for what arrives.
    ingress: Option<Lifetime>,
    /// As it was told for what leaves.
    egress: Option<Lifetime>,
}

impl KeyPool {
    /// Takes the keys that the sessions of the pool open packets with, and what `protector`, which
    /// may seal with the same ones, has used of them. To be called after every change of keys.
    ///
    /// A key that was told two lifetimes, one for each direction, has the shorter one.
    pub fn declare<'a, K>(
        &mut self,
        keys: impl Iterator<Item = &'a IngressKey>,
        protector: Option<&Protector<K>>,
    ) {
        let (mut declared, mut new) = (0, Vec::new());
        for IngressKey { master, lifetime, .. } in keys {
            let fingerprint = Fingerprint::of(master);
            let mut key = match self.place(&fingerprint) {
                Some(known) => self.keys.remove(known),
                None => {
                    new.push(fingerprint);
                    let usage = Usage::new(*lifetime);
                    PooledKey { fingerprint, usage, ingress: None, egress: None }
                }
            };
            key.ingress = Some(*lifetime);
            key.limit();
            self.keys.push(key);
            declared += 1;
        }
        while self.keys.len() > MAX_POOLED.max(declared) {
            let others = self.keys.len() - declared;
            let unused = |key: &PooledKey| key.usage.spent().is_zero();
            let oldest = self.keys.iter().take(others).position(unused);
            self.keys.remove(oldest.unwrap_or_default());
        }
        self.sealing = None;
        if let Some(protector) = protector {
            protector.tell_pool(self, &new);
        }
    }

    /// Takes over what a session has used of a key, if the pool has it, and the lifetime that it was
    /// told there.
    pub(crate) fn take_over(
        &mut self,
        fingerprint: &Fingerprint,
        spent: Spent,
        lifetime: Option<Lifetime>,
    ) {
        let place = self.place(fingerprint);
        if let Some(key) = place.and_then(|place| self.keys.get_mut(place)) {
            key.usage.take_over(spent);
            key.egress = lifetime.or(key.egress);
            key.limit();
        }
    }

    /// Where a key is; those in force are found first.
    #[inline]
    pub(crate) fn place(&self, fingerprint: &Fingerprint) -> Option<usize> {
        self.keys.iter().rposition(|key| bool::from(key.fingerprint.ct_eq(fingerprint)))
    }

    /// How much of a key is used, if the pool has it.
    pub(crate) fn usage(&self, fingerprint: &Fingerprint) -> Option<&Usage> {
        self.place(fingerprint).and_then(|place| self.keys.get(place)).map(|key| &key.usage)
    }

    /// Whether one more packet may pass under the key at a place; of no place it is not for the pool
    /// to say.
    #[inline]
    pub(crate) fn has_room(&self, place: Option<usize>, protocol: Protocol) -> bool {
        let key = place.and_then(|place| self.keys.get(place));
        key.is_none_or(|key| key.usage.has_room(protocol))
    }

    /// Counts a packet under the key at a place. What is to be told of a key that was replaced for
    /// this session waits for one for which it is in force.
    #[inline]
    pub(crate) fn record(&mut self, place: usize, protocol: Protocol, index: u64, in_force: bool) {
        let Some(PooledKey { usage, .. }) = self.keys.get_mut(place) else {
            return;
        };
        usage.add(protocol);
        if in_force && let Some(event) = usage.tell(protocol, index) {
            self.events.push(event);
        }
    }

    /// The next event about a key's lifetime; call until `None`, after each packet.
    pub fn poll_event(&mut self) -> Option<KeyEvent> {
        self.events.pop(0)
    }
}

impl PooledKey {
    /// Takes the shorter of its lifetimes.
    fn limit(&mut self) {
        let told = [self.ingress, self.egress].into_iter().flatten();
        let shortest = told.reduce(|one, other| Lifetime {
            srtp: one.srtp.min(other.srtp),
            srtcp: one.srtcp.min(other.srtcp),
        });
        if let Some(shortest) = shortest {
            self.usage.set_limit(shortest);
        }
    }
}

impl fmt::Debug for KeyPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPool").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MasterKey, PortableKeys, Suite};

    const NOBODY: Option<&Protector<PortableKeys>> = None;

    fn key(number: u16) -> IngressKey {
        let mut octets = [5; 30];
        octets[..2].copy_from_slice(&number.to_be_bytes());
        let master = MasterKey::from_concatenated(Suite::AesCm128HmacSha1_80, &octets).unwrap();
        let lifetime = Lifetime { srtp: 10, srtcp: 10 };
        IngressKey { lifetime, ..IngressKey::new(master) }
    }

    fn spent(pool: &KeyPool, key: &IngressKey) -> Option<u64> {
        let usage = pool.usage(&Fingerprint::of(&key.master));
        usage.map(|usage| usage.count(Protocol::Srtp).0)
    }

    #[test]
    fn a_pool_forgets_what_was_never_used_first_and_nothing_that_is_in_force() {
        let (mut pool, old, current) = (KeyPool::default(), key(1), key(2));
        for (key, packets) in [(&old, 3), (&current, 4)] {
            pool.declare([key].into_iter(), NOBODY);
            let place = pool.place(&Fingerprint::of(&key.master)).unwrap();
            (0..packets).for_each(|index| pool.record(place, Protocol::Srtp, index, true));
        }
        for number in 3..1_000 {
            pool.declare([&current, &key(number)].into_iter(), NOBODY);
        }
        assert_eq!(pool.keys.len(), MAX_POOLED);
        assert_eq!((spent(&pool, &old), spent(&pool, &current)), (Some(3), Some(4)));
        assert_eq!((spent(&pool, &key(3)), spent(&pool, &key(999))), (None, Some(0)));
    }

    #[test]
    fn a_key_that_is_told_again_goes_on_and_stays_used_up() {
        let (mut pool, one) = (KeyPool::default(), key(1));
        pool.declare([&one].into_iter(), NOBODY);
        (0..9).for_each(|index| pool.record(0, Protocol::Srtp, index, index < 8));
        assert!(!pool.has_room(Some(0), Protocol::Srtp) && pool.has_room(Some(0), Protocol::Srtcp));
        assert_eq!(pool.poll_event(), None, "who used it up had another key in force");
        let longer = IngressKey { lifetime: Lifetime { srtp: 1_000, srtcp: 10 }, ..key(1) };
        pool.declare([&longer].into_iter(), NOBODY);
        assert!(!pool.has_room(pool.place(&Fingerprint::of(&one.master)), Protocol::Srtp));
    }
}
