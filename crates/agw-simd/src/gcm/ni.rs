//! AES-NI and PCLMULQDQ: a block in a 128-bit register.

use std::arch::x86_64::{__m128i, _mm_xor_si128};

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
    // The first run is short where the blocks are no multiple of the powers: so the last ends with
    // H^1, as every run does.
    let mut hash = Hash { powers, power: (blocks - 1) % POWERS + 1, sum: Sum::zero() };
    hash.update(aad);
    hash.update(text);
    hash.add(lengths(aad, text));
    hash.sum.reduced()
}

/// A hash under way: sums products until the powers are used up, then reduces.
struct Hash<'a> {
    powers: &'a Powers,
    /// The power that the next block is multiplied by; 0 at the end of a run.
    power: usize,
    sum: Sum,
}

impl Hash<'_> {
    /// Adds octets, filled up to whole blocks with zeros.
    #[inline]
    #[target_feature(enable = "pclmulqdq,ssse3")]
    fn update(&mut self, octets: &[u8]) {
        let (mut blocks, tail) = octets.as_chunks::<BLOCK>();
        while !blocks.is_empty() {
            self.begin_run();
            let (run, rest) = blocks.split_at(blocks.len().min(self.power));
            let mut sum = self.sum;
            for (block, power) in run.iter().zip(self.powers.down_from(self.power)) {
                sum = sum.plus(Sum::product(turned(load_block(block)), load_block(power)));
            }
            self.sum = sum;
            self.power -= run.len();
            blocks = rest;
        }
        if !tail.is_empty() {
            self.add(turned(load_part(tail)));
        }
    }

    /// Adds one block, which is turned round.
    #[inline]
    #[target_feature(enable = "pclmulqdq")]
    fn add(&mut self, block: __m128i) {
        self.begin_run();
        self.sum = self.sum.plus(Sum::product(block, self.powers.at(self.power)));
        self.power -= 1;
    }

    /// If a run is over, starts the next, which has all the powers, with what it came to.
    #[inline]
    #[target_feature(enable = "pclmulqdq")]
    fn begin_run(&mut self) {
        if self.power == 0 {
            self.sum = Sum::product(self.sum.reduced(), self.powers.at(POWERS));
            self.power = POWERS;
        }
    }
}
