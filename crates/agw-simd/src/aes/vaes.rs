//! VAES: four blocks in a 512-bit register, four registers at once.

use std::arch::x86_64::{
    __m128i, __m512i, _mm_aesenc_si128, _mm_aesenclast_si128, _mm_setzero_si128, _mm_xor_si128,
    _mm512_add_epi32, _mm512_aesenc_epi128, _mm512_aesenclast_epi128, _mm512_broadcast_i32x4,
    _mm512_set_epi32, _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_xor_si512,
};

use super::lanes::LANES;
use super::ni::swapped_counter;
use super::{CounterBlock, RoundKeys, load_block, load_octets, store_octets};

/// Registers a step.
const WIDTH: usize = 4;

/// The counter blocks to come, four by four, their counters as the processor counts.
#[derive(Clone, Copy)]
pub(crate) struct Counters(__m512i);

impl Counters {
    /// Starts `skipped` blocks behind the counter block `iv`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(crate) fn new(iv: __m128i, skipped: i32) -> Self {
        let swapped = _mm512_shuffle_epi8(
            _mm512_broadcast_i32x4(iv),
            _mm512_broadcast_i32x4(swapped_counter()),
        );
        let first = _mm512_set_epi32(3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0);
        let skipped = step(skipped);
        Self(_mm512_add_epi32(_mm512_add_epi32(swapped, first), skipped))
    }

    /// The next counter blocks, as they are enciphered.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(crate) fn take<const VECTORS: usize>(&mut self) -> [__m512i; VECTORS] {
        let mut vectors = [_mm512_setzero_si512(); VECTORS];
        for vector in &mut vectors {
            *vector = _mm512_shuffle_epi8(self.0, _mm512_broadcast_i32x4(swapped_counter()));
            self.0 = _mm512_add_epi32(self.0, step(4));
        }
        vectors
    }
}

/// So many blocks on, in each lane.
#[inline]
#[target_feature(enable = "avx512f")]
fn step(blocks: i32) -> __m512i {
    _mm512_set_epi32(blocks, 0, 0, 0, blocks, 0, 0, 0, blocks, 0, 0, 0, blocks, 0, 0, 0)
}

#[target_feature(enable = "aes,avx512f,avx512bw,vaes")]
pub(crate) fn apply_keystream<const KEYS: usize>(
    keys: &RoundKeys<KEYS>,
    first: CounterBlock,
    octets: &mut [u8],
) {
    let mut counters = Counters::new(first.block(), 0);
    let mut steps = octets.chunks_exact_mut(WIDTH * LANES);
    for octets in &mut steps {
        exclusive_or::<KEYS, WIDTH>(keys, &mut counters, octets);
    }
    let rest = steps.into_remainder();
    match rest.len().div_ceil(LANES) {
        0 => {}
        1 => exclusive_or::<KEYS, 1>(keys, &mut counters, rest),
        2 => exclusive_or::<KEYS, 2>(keys, &mut counters, rest),
        3 => exclusive_or::<KEYS, 3>(keys, &mut counters, rest),
        _ => exclusive_or::<KEYS, 4>(keys, &mut counters, rest),
    }
}

/// The keystream over at most `VECTORS` registers full of octets.
#[inline]
#[target_feature(enable = "aes,avx512f,avx512bw,vaes")]
fn exclusive_or<const KEYS: usize, const VECTORS: usize>(
    keys: &RoundKeys<KEYS>,
    counters: &mut Counters,
    octets: &mut [u8],
) {
    let counters = counters.take::<VECTORS>();
    let (keystream, _) = encrypt(keys, counters, _mm_setzero_si128());
    for (octets, key) in octets.chunks_mut(LANES).zip(keystream) {
        let lanes = _mm512_xor_si512(load_octets(octets), key);
        store_octets(octets, lanes);
    }
}

/// Enciphers registers of four blocks, and one block beside them in the same time.
#[inline]
#[target_feature(enable = "aes,avx512f,vaes")]
pub(crate) fn encrypt<const KEYS: usize, const VECTORS: usize>(
    keys: &RoundKeys<KEYS>,
    mut vectors: [__m512i; VECTORS],
    mut single: __m128i,
) -> ([__m512i; VECTORS], __m128i) {
    for (round, key) in keys.blocks().iter().enumerate() {
        let key = load_block(key);
        let lanes = _mm512_broadcast_i32x4(key);
        for vector in &mut vectors {
            *vector = if round == 0 {
                _mm512_xor_si512(*vector, lanes)
            } else if round + 1 < KEYS {
                _mm512_aesenc_epi128(*vector, lanes)
            } else {
                _mm512_aesenclast_epi128(*vector, lanes)
            };
        }
        single = if round == 0 {
            _mm_xor_si128(single, key)
        } else if round + 1 < KEYS {
            _mm_aesenc_si128(single, key)
        } else {
            _mm_aesenclast_si128(single, key)
        };
    }
    (vectors, single)
}
