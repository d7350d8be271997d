//! VAES and VPCLMULQDQ: four blocks in a 512-bit register.
//!
//! Up to [`POWERS`] blocks of the hash (associated data, ciphertext and lengths) are multiplied
//! without waiting for each other and reduced once: a voice packet is one such run, and its
//! keystream, the block that encrypts the tag and, on opening, the hash are computed side by side.
//! Longer packets have a first run of 192 octets, and more of 256 before the last.

use std::arch::x86_64::{
    __m128i, __m512i, _mm_setzero_si128, _mm_xor_si128, _mm512_inserti32x4, _mm512_maskz_mov_epi8,
    _mm512_setzero_si512, _mm512_xor_si512,
};

use super::field::{Sum, Sums, turned, turned_lanes};
use super::powers::{POWERS, Powers};
use super::{BadTag, FirstCounter, GcmKey, TAG, lengths, same};
use crate::aes::{
    BLOCK, Counters, LANES, encrypt_lanes, encrypt_one, keystream_vaes, load_octets, mask,
    store_block, store_octets,
};

/// Octets of a full run of text.
const RUN: usize = POWERS * BLOCK;

/// Octets of text that a last run takes beside the lengths.
const LAST_RUN: usize = RUN - BLOCK;

/// Octets of associated data that fit in one register with the lengths.
const SHORT_AAD: usize = 3 * BLOCK;

/// Octets of text that a first run takes behind short associated data.
const FIRST_RUN: usize = 3 * LANES;

#[target_feature(
    enable = "aes,avx2,avx512bw,avx512dq,avx512f,avx512vl,pclmulqdq,sse4.1,ssse3,vaes,vpclmulqdq"
)]
pub(super) fn seal<const KEYS: usize>(
    key: &GcmKey<KEYS>,
    first: FirstCounter,
    aad: &[u8],
    text: &mut [u8],
) -> [u8; TAG] {
    let mut counters = Counters::new(first.block(), 1);
    let lengths = lengths(aad, text);
    let mut rest = text;
    let start = if is_one_run(aad, rest) {
        Start::with_aad(&key.powers, aad, lengths, rest.len().div_ceil(BLOCK))
    } else {
        let mut hash;
        if aad.len() <= SHORT_AAD {
            let (run, after) = rest.split_at_mut(rest.len().min(FIRST_RUN));
            let (keystream, _) = encrypt_lanes(&key.round_keys, counters.take(), first.block());
            hash = hash_first_run(&key.powers, aad, exclusive_or(run, keystream), run.len());
            rest = after;
        } else {
            hash = hash_runs(&key.powers, _mm_setzero_si128(), aad);
        }
        while rest.len() > LAST_RUN {
            let (run, after) = rest.split_at_mut(rest.len().min(RUN));
            let (keystream, _) = encrypt_lanes(&key.round_keys, counters.take(), first.block());
            hash = hash_run(&key.powers, hash, exclusive_or(run, keystream), run.len());
            rest = after;
        }
        Start::with_hash(&key.powers, hash, lengths, rest.len().div_ceil(BLOCK))
    };
    seal_last_run(key, first, counters, start, rest)
}

#[target_feature(
    enable = "aes,avx2,avx512bw,avx512dq,avx512f,avx512vl,pclmulqdq,sse4.1,ssse3,vaes,vpclmulqdq"
)]
pub(super) fn open<const KEYS: usize>(
    key: &GcmKey<KEYS>,
    first: FirstCounter,
    aad: &[u8],
    text: &mut [u8],
    tag: &[u8; TAG],
) -> Result<(), BadTag> {
    let lengths = lengths(aad, text);
    if is_one_run(aad, text) {
        let start = Start::with_aad(&key.powers, aad, lengths, text.len().div_ceil(BLOCK));
        return open_one_run(key, first, start, text, tag);
    }
    let (hash, rest) = if aad.len() <= SHORT_AAD {
        let (run, rest) = text.split_at(text.len().min(FIRST_RUN));
        (hash_first_run(&key.powers, aad, load_run(run), run.len()), rest)
    } else {
        (hash_runs(&key.powers, _mm_setzero_si128(), aad), &*text)
    };
    let before_last = rest.len().saturating_sub(LAST_RUN).next_multiple_of(RUN);
    let (runs, rest) = rest.split_at(before_last.min(rest.len()));
    let hash = hash_runs(&key.powers, hash, runs);
    let start = Start::with_hash(&key.powers, hash, lengths, rest.len().div_ceil(BLOCK));
    let mask = encrypt_one(&key.round_keys, first.block());
    if !same(start.tag(&key.powers, load_run::<4>(rest), rest.len(), mask), tag) {
        return Err(BadTag);
    }
    keystream_vaes(&key.round_keys, first.next(), text);
    Ok(())
}

/// Whether associated data, text and lengths need no more powers than there are.
#[inline(always)]
fn is_one_run(aad: &[u8], text: &[u8]) -> bool {
    aad.len() <= SHORT_AAD && text.len() <= LAST_RUN - aad.len().next_multiple_of(BLOCK)
}

/// What a packet's last run adds to: at most three blocks, and the lengths.
#[derive(Clone, Copy)]
struct Start {
    sums: Sums,
    /// What the runs before came to. It stays outside the lanes, as the one thing that each run
    /// waits for from the run before.
    carried: Sum,
}

impl Start {
    /// Of a packet that is one run.
    #[inline]
    #[target_feature(enable = "avx512bw,avx512dq,avx512f,ssse3,vpclmulqdq")]
    fn with_aad(powers: &Powers, aad: &[u8], lengths: __m128i, text_blocks: usize) -> Self {
        let blocks = aad.len().div_ceil(BLOCK);
        let factors = powers.from(blocks + text_blocks + 1, blocks);
        let lanes = turned_lanes(load_octets(aad));
        let mut sums = Sums::zero();
        sums.add_products(
            _mm512_inserti32x4::<3>(lanes, lengths),
            _mm512_inserti32x4::<3>(factors, powers.at(1)),
        );
        Self { sums, carried: Sum::zero() }
    }

    /// Of a packet with runs before.
    #[inline]
    #[target_feature(enable = "avx512f,pclmulqdq")]
    fn with_hash(powers: &Powers, hash: __m128i, lengths: __m128i, text_blocks: usize) -> Self {
        let lengths = Sum::product(lengths, powers.at(1));
        let carried = Sum::product(hash, powers.at(text_blocks + 1)).plus(lengths);
        Self { sums: Sums::zero(), carried }
    }

    /// The tag of the packet whose last run these are.
    #[inline]
    #[target_feature(enable = "avx2,avx512bw,avx512f,pclmulqdq,ssse3,vpclmulqdq")]
    fn tag<const VECTORS: usize>(
        mut self,
        powers: &Powers,
        lanes: [__m512i; VECTORS],
        octets: usize,
        mask: __m128i,
    ) -> __m128i {
        add_run(&mut self.sums, powers, lanes, octets, 1);
        _mm_xor_si128(turned(self.sums.reduced_with(self.carried)), mask)
    }
}

#[target_feature(
    enable = "aes,avx2,avx512bw,avx512dq,avx512f,avx512vl,pclmulqdq,sse4.1,ssse3,vaes,vpclmulqdq"
)]
#[inline]
fn seal_last_run<const KEYS: usize>(
    key: &GcmKey<KEYS>,
    first: FirstCounter,
    counters: Counters,
    start: Start,
    text: &mut [u8],
) -> [u8; TAG] {
    match text.len() {
        0 => seal_vectors::<KEYS, 0>(key, first, counters, start, text),
        1..=64 => seal_vectors::<KEYS, 1>(key, first, counters, start, text),
        65..=128 => seal_vectors::<KEYS, 2>(key, first, counters, start, text),
        129..=192 => seal_vectors::<KEYS, 3>(key, first, counters, start, text),
        _ => seal_vectors::<KEYS, 4>(key, first, counters, start, text),
    }
}

#[target_feature(
    enable = "aes,avx2,avx512bw,avx512dq,avx512f,avx512vl,pclmulqdq,sse4.1,ssse3,vaes,vpclmulqdq"
)]
#[inline]
fn seal_vectors<const KEYS: usize, const VECTORS: usize>(
    key: &GcmKey<KEYS>,
    first: FirstCounter,
    mut counters: Counters,
    start: Start,
    text: &mut [u8],
) -> [u8; TAG] {
    let counters = counters.take::<VECTORS>();
    let (keystream, mask) = encrypt_lanes(&key.round_keys, counters, first.block());
    let lanes = exclusive_or(text, keystream);
    let mut tag = [0; TAG];
    store_block(&mut tag, start.tag(&key.powers, lanes, text.len(), mask));
    tag
}

#[target_feature(
    enable = "aes,avx2,avx512bw,avx512dq,avx512f,avx512vl,pclmulqdq,sse4.1,ssse3,vaes,vpclmulqdq"
)]
#[inline]
fn open_one_run<const KEYS: usize>(
    key: &GcmKey<KEYS>,
    first: FirstCounter,
    start: Start,
    text: &mut [u8],
    tag: &[u8; TAG],
) -> Result<(), BadTag> {
    match text.len() {
        0 => open_vectors::<KEYS, 0>(key, first, start, text, tag),
        1..=64 => open_vectors::<KEYS, 1>(key, first, start, text, tag),
        65..=128 => open_vectors::<KEYS, 2>(key, first, start, text, tag),
        129..=192 => open_vectors::<KEYS, 3>(key, first, start, text, tag),
        _ => open_vectors::<KEYS, 4>(key, first, start, text, tag),
    }
}

#[target_feature(
    enable = "aes,avx2,avx512bw,avx512dq,avx512f,avx512vl,pclmulqdq,sse4.1,ssse3,vaes,vpclmulqdq"
)]
#[inline]
fn open_vectors<const KEYS: usize, const VECTORS: usize>(
    key: &GcmKey<KEYS>,
    first: FirstCounter,
    start: Start,
    text: &mut [u8],
    tag: &[u8; TAG],
) -> Result<(), BadTag> {
    let counters = Counters::new(first.block(), 1).take::<VECTORS>();
    let (keystream, mask) = encrypt_lanes(&key.round_keys, counters, first.block());
    if !same(start.tag(&key.powers, load_run::<VECTORS>(text), text.len(), mask), tag) {
        return Err(BadTag);
    }
    exclusive_or(text, keystream);
    Ok(())
}

/// Exclusive-ors the keystream into a run, and returns what it has become, with zeros behind.
#[inline]
#[target_feature(enable = "avx512bw,avx512f")]
fn exclusive_or<const VECTORS: usize>(
    run: &mut [u8],
    keystream: [__m512i; VECTORS],
) -> [__m512i; VECTORS] {
    let mut lanes = [_mm512_setzero_si512(); VECTORS];
    for ((octets, key), lanes) in run.chunks_mut(LANES).zip(keystream).zip(&mut lanes) {
        let done = _mm512_xor_si512(load_octets(octets), key);
        store_octets(octets, done);
        *lanes = _mm512_maskz_mov_epi8(mask(octets.len()), done);
    }
    lanes
}

/// A run as it is, with zeros behind.
#[inline]
#[target_feature(enable = "avx512bw,avx512f")]
fn load_run<const VECTORS: usize>(run: &[u8]) -> [__m512i; VECTORS] {
    let mut lanes = [_mm512_setzero_si512(); VECTORS];
    for (octets, lanes) in run.chunks(LANES).zip(&mut lanes) {
        *lanes = load_octets(octets);
    }
    lanes
}

/// Adds the products of a run of `octets`, with so many blocks of the same sum `behind` it.
#[inline]
#[target_feature(enable = "avx512bw,avx512f,vpclmulqdq")]
fn add_run<const VECTORS: usize>(
    sums: &mut Sums,
    powers: &Powers,
    lanes: [__m512i; VECTORS],
    octets: usize,
    behind: usize,
) {
    let mut blocks = octets.div_ceil(BLOCK);
    for lanes in lanes {
        let factors = powers.from(blocks + behind, blocks.min(4));
        sums.add_products(turned_lanes(lanes), factors);
        blocks = blocks.saturating_sub(4);
    }
}

/// Hashes octets in runs, the last one filled up to a whole block with zeros.
#[inline]
#[target_feature(enable = "avx2,avx512bw,avx512f,pclmulqdq,vpclmulqdq")]
fn hash_runs(powers: &Powers, mut hash: __m128i, octets: &[u8]) -> __m128i {
    for run in octets.chunks(RUN) {
        hash = hash_run(powers, hash, load_run(run), run.len());
    }
    hash
}

/// Hashes short associated data and the first 192 octets of a longer text.
#[inline]
#[target_feature(enable = "avx2,avx512bw,avx512f,pclmulqdq,vpclmulqdq")]
fn hash_first_run(powers: &Powers, aad: &[u8], lanes: [__m512i; 3], octets: usize) -> __m128i {
    let blocks = aad.len().div_ceil(BLOCK);
    let factors = powers.from(blocks + octets.div_ceil(BLOCK), blocks);
    let mut sums = Sums::zero();
    sums.add_products(turned_lanes(load_octets(aad)), factors);
    add_run(&mut sums, powers, lanes, octets, 0);
    sums.reduced_with(Sum::zero())
}

/// Hashes a run of at most 256 octets that is not the last.
#[inline]
#[target_feature(enable = "avx2,avx512bw,avx512f,pclmulqdq,vpclmulqdq")]
fn hash_run(powers: &Powers, hash: __m128i, lanes: [__m512i; 4], octets: usize) -> __m128i {
    let mut sums = Sums::zero();
    add_run(&mut sums, powers, lanes, octets, 0);
    sums.reduced_with(Sum::product(hash, powers.at(octets.div_ceil(BLOCK))))
}
