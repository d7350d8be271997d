//! Keys in force: identity, identifier, use so far, expanded form.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::{Choice, ConstantTimeEq};

use crate::engine::Engine;
use crate::former::Horizon;
use crate::ticket::{KeyId, Protocol};
use crate::usage::{Spent, Usage};
use crate::{EgressKey, IngressKey, KeyError, Lifetime, MasterKey, Mki, SessionParameters, Suite};

/// Keys that can be installed together.
pub const MAX_KEYS: usize = 16;

/// A key as it was declared, of either direction.
pub(crate) struct Declared {
    master: MasterKey,
    mki: Option<Mki>,
    lifetime: Lifetime,
}

impl From<IngressKey> for Declared {
    fn from(key: IngressKey) -> Self {
        let IngressKey { master, mki, lifetime } = key;
        Self { master, mki, lifetime }
    }
}

impl From<EgressKey> for Declared {
    fn from(key: EgressKey) -> Self {
        let EgressKey { master, mki, lifetime } = key;
        Self { master, mki, lifetime }
    }
}

/// Keys declared together that obey the rules; their identity is known, they are not yet expanded.
pub(crate) struct ValidKeys {
    keys: Vec<(Fingerprint, Declared)>,
}

impl ValidKeys {
    pub(crate) fn new<D: Into<Declared>>(keys: Vec<D>) -> Result<Self, KeyError> {
        if keys.len() > MAX_KEYS {
            return Err(KeyError::TooManyKeys(keys.len()));
        }
        let keys: Vec<(Fingerprint, Declared)> = keys
            .into_iter()
            .map(Into::into)
            .map(|key| (Fingerprint::of(&key.master), key))
            .collect();
        let Some((_, first)) = keys.first() else {
            return Err(KeyError::NoKey);
        };
        let suite = first.master.suite();
        if keys.iter().any(|(_, key)| key.master.suite() != suite) {
            return Err(KeyError::SuiteMismatch);
        }
        let max = suite.max_lifetime();
        let too_long = |life: Lifetime| {
            !(1..=max.srtp).contains(&life.srtp) || !(1..=max.srtcp).contains(&life.srtcp)
        };
        if keys.iter().any(|(_, key)| too_long(key.lifetime)) {
            //= tests/spec/srtp.md#key-lifetime
            //# A lifetime above the maximum of the suite MUST be refused.
            return Err(KeyError::Lifetime);
        }
        let mkis: Vec<Option<Mki>> = keys.iter().map(|(_, key)| key.mki).collect();
        if !identifiers_tell_apart(&mkis) {
            return Err(KeyError::MkiMismatch);
        }
        Ok(Self { keys })
    }

    pub(crate) fn fingerprints(&self) -> impl Iterator<Item = &Fingerprint> {
        self.keys.iter().map(|(fingerprint, _)| fingerprint)
    }

    pub(crate) fn first_mki(&self) -> Option<Mki> {
        self.keys.first().and_then(|(_, key)| key.mki)
    }
}

fn identifiers_tell_apart(mkis: &[Option<Mki>]) -> bool {
    let len = |mki: &Option<Mki>| mki.map(|mki| mki.as_slice().len());
    let first = mkis.first().and_then(len);
    let alike = mkis.iter().all(|mki| len(mki) == first);
    let distinct = (1..).zip(mkis).all(|(next, mki)| {
        let rest = mkis.get(next..).unwrap_or_default();
        !rest.contains(mki)
    });
    alike && distinct
}

/// A live key. What a packet reads stands first and takes one line of memory.
#[repr(C)]
pub(crate) struct LiveKey<K> {
    pub(crate) id: KeyId,
    pub(crate) suite: Suite,
    unencrypted_srtp: bool,
    unencrypted_srtcp: bool,
    pub(crate) expanded: K,
    /// Elsewhere, because few keys have one and it is long.
    mki: Option<Box<Mki>>,
    /// Of a key that was in force before and has returned: what it opened then.
    pub(crate) horizon: Option<Box<Horizon>>,
    //= tests/spec/srtp.md#key-lifetime
    //# The packets of all SSRCs under one key MUST be counted together.
    pub(crate) usage: Usage,
    pub(crate) fingerprint: Fingerprint,
}

impl<K> LiveKey<K> {
    /// Whether packets under the key are encrypted. Kept with the key, because an old key that
    /// overlaps a new one goes on as it was agreed on.
    #[inline]
    pub(crate) fn encrypts(&self, protocol: Protocol) -> bool {
        let unencrypted = match protocol {
            Protocol::Srtp => self.unencrypted_srtp,
            Protocol::Srtcp => self.unencrypted_srtcp,
        };
        !self.suite.is_null() && !unencrypted
    }

    /// The identifier, if it has one.
    #[inline]
    pub(crate) fn mki(&self) -> Option<&Mki> {
        self.mki.as_deref()
    }

    /// The identifier as sent; empty without one.
    #[inline]
    pub(crate) fn mki_octets(&self) -> &[u8] {
        self.mki().map_or(&[], Mki::as_slice)
    }
}

/// Keys that were installed together: one, or several told apart by their identifiers.
#[repr(C)]
pub(crate) struct KeySet<K> {
    rest: Box<[LiveKey<K>]>,
    pub(crate) first: LiveKey<K>,
}

impl<K> KeySet<K> {
    /// Expands keys; `next_id` numbers them. The master keys are wiped on return.
    pub(crate) fn expand<E: Engine<Keys = K>>(
        engine: &E,
        keys: ValidKeys,
        parameters: SessionParameters,
        next_id: &mut u32,
    ) -> Result<Box<Self>, KeyError> {
        let mut live = keys.keys.into_iter().map(|(fingerprint, key)| {
            let id = KeyId(*next_id);
            *next_id = next_id.wrapping_add(1);
            LiveKey {
                id,
                suite: key.master.suite(),
                mki: key.mki.map(Box::new),
                horizon: None,
                fingerprint,
                usage: Usage::new(key.lifetime),
                expanded: engine.expand(&key.master),
                unencrypted_srtp: parameters.unencrypted_srtp,
                unencrypted_srtcp: parameters.unencrypted_srtcp,
            }
        });
        let first = live.next().ok_or(KeyError::NoKey)?;
        // Not collected: that would keep the room in which the keys were declared.
        let mut rest = Vec::with_capacity(live.len());
        rest.extend(live);
        Ok(Box::new(Self { first, rest: rest.into_boxed_slice() }))
    }

    /// The key, if it is one alone.
    #[inline]
    pub(crate) fn only(&self) -> Option<&LiveKey<K>> {
        self.rest.is_empty().then_some(&self.first)
    }

    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &LiveKey<K>> {
        std::iter::once(&self.first).chain(&*self.rest)
    }

    #[inline]
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut LiveKey<K>> {
        std::iter::once(&mut self.first).chain(&mut *self.rest)
    }

    #[inline]
    pub(crate) fn find(&self, id: KeyId) -> Option<&LiveKey<K>> {
        self.iter().find(|key| key.id == id)
    }

    /// Whether `keys` are these keys, in the same order under the same identifiers, in time that
    /// does not depend on the key octets.
    pub(crate) fn is_same_material(&self, keys: &ValidKeys) -> bool {
        let same_count = self.rest.len() + 1 == keys.keys.len();
        let same = self.iter().zip(&keys.keys).fold(
            Choice::from(1),
            |same, (live, (fingerprint, key))| {
                let public = live.suite == key.master.suite() && live.mki() == key.mki.as_ref();
                same & live.fingerprint.ct_eq(fingerprint) & Choice::from(u8::from(public))
            },
        );
        same_count && bool::from(same)
    }

    /// Whether `other` are these keys, as [`KeySet::is_same_material`].
    pub(crate) fn is_same_keys(&self, other: &Self) -> bool {
        let same_count = self.rest.len() == other.rest.len();
        let same = self.iter().zip(other.iter()).fold(Choice::from(1), |same, (one, other)| {
            let public = one.suite == other.suite && one.mki() == other.mki();
            same & one.fingerprint.ct_eq(&other.fingerprint) & Choice::from(u8::from(public))
        });
        same_count && bool::from(same)
    }

    /// Takes lifetimes and encryption of a repeated declaration of the same keys; what is used
    /// stays used.
    pub(crate) fn redeclare(&mut self, keys: &ValidKeys, parameters: SessionParameters) {
        for (live, (_, key)) in self.iter_mut().zip(&keys.keys) {
            live.usage.set_limit(key.lifetime);
            live.unencrypted_srtp = parameters.unencrypted_srtp;
            live.unencrypted_srtcp = parameters.unencrypted_srtcp;
        }
    }

    /// Takes over what an earlier installation of the same keys has used; tells whether there was
    /// one of any.
    pub(crate) fn carry_usage<'a>(
        &mut self,
        earlier: impl Iterator<Item = (&'a Fingerprint, Spent)> + Clone,
    ) -> bool {
        let mut was_known = false;
        for live in self.iter_mut() {
            for (fingerprint, spent) in earlier.clone() {
                if bool::from(fingerprint.ct_eq(&live.fingerprint)) {
                    live.usage.take_over(spent);
                    was_known = true;
                }
            }
        }
        was_known
    }

    /// Gives up the keys that `newer` has in the same form, so that their packets are counted once.
    pub(crate) fn yield_to(&mut self, newer: &Self) {
        for live in self.iter_mut() {
            let is_same = |other: &LiveKey<K>| {
                let form =
                    |key: &LiveKey<K>| (key.suite, key.unencrypted_srtp, key.unencrypted_srtcp);
                form(other) == form(live)
                    && other.mki() == live.mki()
                    && bool::from(other.fingerprint.ct_eq(&live.fingerprint))
            };
            if newer.iter().any(is_same) {
                live.usage.end();
            }
        }
    }

    pub(crate) fn spent(&self) -> impl Iterator<Item = (&Fingerprint, Spent)> + Clone {
        std::iter::once(&self.first)
            .chain(&*self.rest)
            .map(|key| (&key.fingerprint, key.usage.spent()))
    }
}

/// Identifies key and salt without holding them: HMAC-SHA1 under the key itself. The suite is left
/// out, since two suites with the same key and salt share a keystream.
#[derive(Clone, Copy)]
pub(crate) struct Fingerprint([u8; 20]);

impl Fingerprint {
    pub(crate) fn of(master: &MasterKey) -> Self {
        let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(master.key()) else {
            return Self([0; 20]); // HMAC takes keys of any length
        };
        mac.update(b"agw master key");
        mac.update(&[master.key().len() as u8]);
        mac.update(&*master.padded_salt());
        Self(mac.finalize().into_bytes().into())
    }
}

impl ConstantTimeEq for Fingerprint {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}
