//! AES in Galois/counter mode (NIST SP 800-38D) with nonces of 96 bits and tags of 128, and the
//! packets of RFC 7714 under it.
//!
//! A function here that takes a [`Level`] runs the kernel of that level: it must be one that this
//! processor [supports](Level::is_supported).

mod field;
mod job;
mod ni;
mod powers;
mod wide;

use std::arch::x86_64::{__m128i, _mm_set_epi64x};

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

pub(crate) use self::job::{CompactGalois, Galois};
use self::powers::Powers;
use crate::Level;
use crate::aes::{self, CounterBlock, RoundKeys};

/// Octets of a nonce.
pub(crate) const NONCE: usize = 12;

/// The counter block of a nonce that encrypts the tag; the text's are those after it.
#[derive(Clone, Copy)]
pub(crate) struct FirstCounter(u128);

impl FirstCounter {
    /// Of the nonce that is `salt` exclusive-or a number of 96 bits.
    #[inline(always)]
    pub(crate) fn new(salt: &[u8; NONCE], number: u128) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = *salt;
        let salt = u128::from_be_bytes([a, b, c, d, e, f, g, h, i, j, k, l, 0, 0, 0, 1]);
        Self(salt ^ number << 32)
    }

    #[inline(always)]
    fn block(self) -> __m128i {
        CounterBlock(self.0).block()
    }

    /// The counter block after this one.
    #[inline(always)]
    fn next(self) -> CounterBlock {
        CounterBlock(self.0 + 1)
    }
}

/// Octets of a tag.
pub(crate) const TAG: usize = 16;

/// The tag is not that of the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadTag;

/// A key with all that is derived from it; `KEYS` is 11 for AES-128, 15 for AES-256. Wiped on
/// drop.
#[derive(Zeroize, ZeroizeOnDrop)]
#[repr(C)]
pub(crate) struct GcmKey<const KEYS: usize> {
    round_keys: RoundKeys<KEYS>,
    powers: Powers,
}

impl<const KEYS: usize> GcmKey<KEYS> {
    /// Expands a key of 16 or 32 octets, on a processor that supports a level.
    pub(crate) fn new(key: &[u8]) -> Self {
        let round_keys = RoundKeys::new(key);
        let mut subkey = aes::encrypt_block(&round_keys, &[0; aes::BLOCK]);
        let powers = Powers::new(&subkey);
        subkey.zeroize();
        Self { round_keys, powers }
    }
}

/// Encrypts `text` in place and authenticates it after `aad`.
#[inline]
pub(crate) fn seal<const KEYS: usize>(
    level: Level,
    key: &GcmKey<KEYS>,
    first: FirstCounter,
    aad: &[u8],
    text: &mut [u8],
) -> [u8; TAG] {
    debug_assert!(level.is_supported());
    match level {
        // SAFETY: the processor supports the level.
        Level::ShaNi => unsafe { ni::seal(key, first, aad, text) },
        // SAFETY: the processor supports the level.
        Level::Avx512 => unsafe { wide::seal(key, first, aad, text) },
    }
}

/// Verifies `tag` and then decrypts `text` in place.
///
/// # Errors
/// [`BadTag`]; `text` is as it was.
#[inline]
pub(crate) fn open<const KEYS: usize>(
    level: Level,
    key: &GcmKey<KEYS>,
    first: FirstCounter,
    aad: &[u8],
    text: &mut [u8],
    tag: &[u8; TAG],
) -> Result<(), BadTag> {
    debug_assert!(level.is_supported());
    match level {
        // SAFETY: the processor supports the level.
        Level::ShaNi => unsafe { ni::open(key, first, aad, text, tag) },
        // SAFETY: the processor supports the level.
        Level::Avx512 => unsafe { wide::open(key, first, aad, text, tag) },
    }
}

/// The last block of the hash, turned round: bits of associated data, bits of text.
#[inline(always)]
fn lengths(aad: &[u8], text: &[u8]) -> __m128i {
    let [aad, text] = [aad, text].map(|octets| 8 * octets.len() as i64);
    // SAFETY: SSE2 is part of x86-64.
    unsafe { _mm_set_epi64x(aad, text) }
}

/// Whether the tags are the same, in constant time.
#[inline(always)]
fn same(found: __m128i, expected: &[u8; TAG]) -> bool {
    let mut octets = [0; TAG];
    aes::store_block(&mut octets, found);
    let [found, expected] = [&octets, expected].map(|tag| u128::from_ne_bytes(*tag));
    let halves = [found, expected].map(|tag| [(tag >> 64) as u64, tag as u64]);
    let [[a, b], [c, d]] = halves;
    bool::from(a.ct_eq(&c) & b.ct_eq(&d))
}

#[cfg(test)]
mod bounds;
#[cfg(test)]
mod tests;
