//! AES-NI: a block in a 128-bit register, eight registers at once.

use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_aesenc_si128, _mm_aesenclast_si128, _mm_set_epi8, _mm_set_epi32,
    _mm_setzero_si128, _mm_shuffle_epi8, _mm_xor_si128,
};

use super::{BLOCK, CounterBlock, RoundKeys, load_block, load_part, store_block, store_part};

/// Blocks in flight: enough to hide the latency of a round.
const WIDTH: usize = 8;

/// Enciphers one block.
#[inline]
#[target_feature(enable = "aes")]
pub(crate) fn encrypt_block<const KEYS: usize>(keys: &RoundKeys<KEYS>, block: __m128i) -> __m128i {
    let [block] = encrypt(keys, [block]);
    block
}

#[inline]
#[target_feature(enable = "aes,sse4.1,ssse3")]
pub(crate) fn apply_keystream<const KEYS: usize>(
    keys: &RoundKeys<KEYS>,
    first: CounterBlock,
    octets: &mut [u8],
) {
    let mut counter = _mm_shuffle_epi8(first.block(), swapped_counter());
    let (blocks, tail) = octets.as_chunks_mut::<BLOCK>();
    let mut groups = blocks.chunks_exact_mut(WIDTH);
    for group in &mut groups {
        exclusive_or(group, keystream::<KEYS, WIDTH>(keys, &mut counter));
    }
    let mut groups = groups.into_remainder().chunks_exact_mut(4);
    for group in &mut groups {
        exclusive_or(group, keystream::<KEYS, 4>(keys, &mut counter));
    }
    let rest = groups.into_remainder();
    // One to three blocks and a part of one: the keystream of four takes no longer than of one.
    if rest.is_empty() && tail.is_empty() {
        return;
    }
    let last @ [one, two, three, four] = keystream::<KEYS, 4>(keys, &mut counter);
    let key = match rest.len() {
        0 => one,
        1 => two,
        2 => three,
        _ => four,
    };
    exclusive_or(rest, last);
    store_part(tail, _mm_xor_si128(load_part(tail), key));
}

#[inline]
#[target_feature(enable = "aes")]
fn exclusive_or<const BLOCKS: usize>(octets: &mut [[u8; BLOCK]], keystream: [__m128i; BLOCKS]) {
    for (octets, key) in octets.iter_mut().zip(keystream) {
        let block = _mm_xor_si128(load_block(octets), key);
        store_block(octets, block);
    }
}

/// The next blocks of the keystream.
#[inline]
#[target_feature(enable = "aes,ssse3")]
fn keystream<const KEYS: usize, const BLOCKS: usize>(
    keys: &RoundKeys<KEYS>,
    counter: &mut __m128i,
) -> [__m128i; BLOCKS] {
    let mut blocks = [_mm_setzero_si128(); BLOCKS];
    for block in &mut blocks {
        *block = _mm_shuffle_epi8(*counter, swapped_counter());
        *counter = _mm_add_epi32(*counter, _mm_set_epi32(1, 0, 0, 0));
    }
    encrypt(keys, blocks)
}

#[inline]
#[target_feature(enable = "aes")]
fn encrypt<const KEYS: usize, const BLOCKS: usize>(
    keys: &RoundKeys<KEYS>,
    mut blocks: [__m128i; BLOCKS],
) -> [__m128i; BLOCKS] {
    for (round, key) in keys.blocks().iter().enumerate() {
        let key = load_block(key);
        for block in &mut blocks {
            *block = if round == 0 {
                _mm_xor_si128(*block, key)
            } else if round + 1 < KEYS {
                _mm_aesenc_si128(*block, key)
            } else {
                _mm_aesenclast_si128(*block, key)
            };
        }
    }
    blocks
}

/// Turns the last four octets round: the counter as the processor counts, and back.
#[inline(always)]
pub(super) fn swapped_counter() -> __m128i {
    // SAFETY: SSE2 is part of x86-64.
    unsafe { _mm_set_epi8(12, 13, 14, 15, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0) }
}
