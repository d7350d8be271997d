//! Knowing a message again without keeping it.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use zeroize::Zeroizing;

/// What a message's dictionary hashes to under a secret that lives as long as this process: tells
/// equal octets, tells nothing about the keys among them, and nobody without the secret can find
/// two dictionaries that are alike by it. 128 of the 160 bits of HMAC-SHA1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint(u128);

impl Fingerprint {
    /// None is less.
    pub(crate) const LEAST: Self = Self(0);
}

/// Makes fingerprints.
pub struct Fingerprinter(Zeroizing<[u8; 64]>);

impl Fingerprinter {
    /// `secret` is random, and nobody's else.
    #[must_use]
    pub const fn new(secret: Zeroizing<[u8; 64]>) -> Self {
        Self(secret)
    }

    /// The fingerprint of a dictionary as it came.
    #[must_use]
    pub fn of(&self, dictionary: &[u8]) -> Fingerprint {
        let mut mac = <Hmac<Sha1> as KeyInit>::new(&(*self.0).into());
        mac.update(dictionary);
        let tag: [u8; 20] = mac.finalize().into_bytes().into();
        Fingerprint(tag.first_chunk().copied().map(u128::from_be_bytes).unwrap_or_default())
    }
}

impl std::fmt::Debug for Fingerprinter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fingerprinter")
    }
}
