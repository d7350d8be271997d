//! The key schedule (FIPS 197 §5.2), by the processor: no table that a cache could give away.

use std::arch::x86_64::{
    _mm_aesenclast_si128, _mm_cvtsi128_si32, _mm_set1_epi32, _mm_setzero_si128,
};

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::BLOCK;

/// The round keys of one key, in the order of encryption: 11 for AES-128, 13 for AES-192, 15 for
/// AES-256. Wiped on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
#[repr(C, align(16))]
pub(crate) struct RoundKeys<const KEYS: usize>([[u8; BLOCK]; KEYS]);

impl<const KEYS: usize> RoundKeys<KEYS> {
    /// Octets of the key that `KEYS` round keys are expanded from.
    pub(crate) const KEY_OCTETS: usize = (KEYS - 7) * 4;

    /// Expands a key of [`Self::KEY_OCTETS`], on a processor that supports a level. Of a longer
    /// key the first octets count, a shorter one is filled up with zeros.
    pub(crate) fn new(key: &[u8]) -> Self {
        debug_assert_eq!(key.len(), Self::KEY_OCTETS);
        let mut keys = Self([[0; BLOCK]; KEYS]);
        // SAFETY: every level has AES-NI, and keys are expanded where a level is supported.
        unsafe { keys.expand(key) };
        keys
    }

    #[inline(always)]
    pub(crate) fn blocks(&self) -> &[[u8; BLOCK]; KEYS] {
        &self.0
    }

    #[target_feature(enable = "aes")]
    fn expand(&mut self, key: &[u8]) {
        let (words, _) = self.0.as_flattened_mut().as_chunks_mut::<4>();
        let key_words = Self::KEY_OCTETS / 4;
        let mut constant = 1_u8;
        let mut last = 0_u32;
        for (word, octets) in words.iter_mut().zip(key.chunks_exact(4)).take(key_words) {
            word.copy_from_slice(octets);
            last = u32::from_le_bytes(*word);
        }
        for position in key_words..words.len() {
            last = match position % key_words {
                0 => {
                    let rotated = substitute(last).rotate_right(8) ^ u32::from(constant);
                    constant = (constant << 1) ^ ((constant >> 7) * 0x1b);
                    rotated
                }
                4 if key_words == 8 => substitute(last),
                _ => last,
            };
            last ^= words.get(position - key_words).map_or(0, |word| u32::from_le_bytes(*word));
            if let Some(word) = words.get_mut(position) {
                *word = last.to_le_bytes();
            }
        }
        last.zeroize();
    }
}

/// The S-box on each octet: of a block with four equal columns, shifting the rows changes nothing.
#[inline]
#[target_feature(enable = "aes")]
fn substitute(word: u32) -> u32 {
    let block = _mm_aesenclast_si128(_mm_set1_epi32(word.cast_signed()), _mm_setzero_si128());
    _mm_cvtsi128_si32(block).cast_unsigned()
}
