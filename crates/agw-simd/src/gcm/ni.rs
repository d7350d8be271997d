//! AES-NI and PCLMULQDQ: a block in a 128-bit register.

use std::arch::x86_64::{__m128i, _mm_setzero_si128, _mm_xor_si128};

use super::field::{Sum, turned};
use super::powers::{POWERS, Powers};
use super::{BadTag, FirstCounter, GcmKey, TAG, lengths, same};
use crate::aes::{BLOCK, encrypt_one, keystream_ni, load_block, load_part, store_block};

#[target_feature(enable = "aes,pclmulqdq,sse4.1,ssse3")]
pub(super) fn seal<const KEYS: usize>(
    key: &GcmKey<KEYS>,
    first: FirstCounter,
    aad: &[u8],
    text: &mut [u8],
) -> [u8; TAG] {
    keystream_ni(&key.round_keys, first.next(), text);
    let mut octets = [0; TAG];
    store_block(&mut octets, tag(key, first, aad, text));
    octets
}

#[target_feature(enable = "aes,pclmulqdq,sse4.1,ssse3")]
pub(super) fn open<const KEYS: usize>(
    key: &GcmKey<KEYS>,
    first: FirstCounter,
    aad: &[u8],
    text: &mut [u8],
    expected: &[u8; TAG],
) -> Result<(), BadTag> {
    if !same(tag(key, first, aad, text), expected) {
        return Err(BadTag);
    }
    keystream_ni(&key.round_keys, first.next(), text);
    Ok(())
}

#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3")]
fn tag<const KEYS: usize>(
    key: &GcmKey<KEYS>,
    first: FirstCounter,
    aad: &[u8],
    text: &[u8],
) -> __m128i {
    let mask = encrypt_one(&key.round_keys, first.block());
    _mm_xor_si128(turned(hash(&key.powers, aad, text)), mask)
}

/// GHASH of associated data, ciphertext and their lengths.
#[inline]
#[target_feature(enable = "pclmulqdq,ssse3")]
fn hash(powers: &Powers, aad: &[u8], text: &[u8]) -> __m128i {
    let blocks = aad.len().div_ceil(BLOCK) + text.len().div_ceil(BLOCK) + 1;
    let mut hash = Hash {
        powers,
        // The first run is short where the blocks are no multiple of the powers: so the last ends
        // with H^1, as every run does.
        power: (blocks - 1) % POWERS + 1,
        sum: Sum::zero(),
        carried: _mm_setzero_si128(),
    };
    hash.update(aad);
    hash.update(text);
    hash.add(lengths(aad, text));
    hash.carried
}

/// A hash under way: sums products until the powers are used up, then reduces.
struct Hash<'a> {
    powers: &'a Powers,
    /// The power that the next block is multiplied by.
    power: usize,
    sum: Sum,
    /// What the runs before came to; goes into the first block of this one.
    carried: __m128i,
}

impl Hash<'_> {
    /// Adds octets, filled up to whole blocks with zeros.
    #[inline]
    #[target_feature(enable = "pclmulqdq,ssse3")]
    fn update(&mut self, octets: &[u8]) {
        let (blocks, tail) = octets.as_chunks::<BLOCK>();
        for block in blocks {
            self.add(turned(load_block(block)));
        }
        if !tail.is_empty() {
            self.add(turned(load_part(tail)));
        }
    }

    #[inline]
    #[target_feature(enable = "pclmulqdq")]
    fn add(&mut self, block: __m128i) {
        let block = _mm_xor_si128(block, self.carried);
        self.sum = self.sum.plus(Sum::product(block, self.powers.at(self.power)));
        self.carried = _mm_setzero_si128();
        self.power -= 1;
        if self.power == 0 {
            self.carried = self.sum.reduced();
            self.sum = Sum::zero();
            self.power = POWERS;
        }
    }
}
