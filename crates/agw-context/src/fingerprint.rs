//! Knowing a key again without keeping it.

use agw_srtp::MasterKey;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use std::collections::BTreeSet;
use zeroize::Zeroizing;

/// What a master key hashes to under a secret that lives as long as this process: tells equal
/// keys, tells nothing about them, and cannot be compared across restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fingerprint([u8; 20]);

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
        master.expose(|key_and_salt| {
            let key = key_and_salt.get(..key_len).unwrap_or(key_and_salt);
            let mut mac = <Hmac<Sha1> as KeyInit>::new(&(*self.0).into());
            mac.update(key);
            Fingerprint(mac.finalize().into_bytes().into())
        })
    }
}

/// The keys in use anywhere in the gateway.
#[derive(Debug, Default)]
pub(crate) struct KeyRegistry(BTreeSet<Fingerprint>);

impl KeyRegistry {
    pub(crate) fn contains(&self, key: Fingerprint) -> bool {
        self.0.contains(&key)
    }

    /// Takes over what a transaction added and removed.
    pub(crate) fn apply(&mut self, added: &BTreeSet<Fingerprint>, removed: &BTreeSet<Fingerprint>) {
        for key in removed {
            self.0.remove(key);
        }
        self.0.extend(added);
    }
}
