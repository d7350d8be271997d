//! SHA-1 on its own instructions: one message, or up to four interleaved.
//!
//! An instruction does four rounds and takes several cycles, in which others can start: those of
//! other messages.

use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_extract_epi32, _mm_loadu_si128, _mm_or_si128, _mm_set_epi32,
    _mm_set_epi64x, _mm_setzero_si128, _mm_sha1msg1_epu32, _mm_sha1msg2_epu32, _mm_sha1nexte_epu32,
    _mm_sha1rnds4_epu32, _mm_shuffle_epi8, _mm_storeu_si128, _mm_xor_si128,
};

use super::OUTER_BITS;
use super::message::{BLOCK_OCTETS, Blocks, Message};

/// A hash under way. The first word of four is in the highest place.
#[derive(Clone, Copy)]
struct State {
    abcd: __m128i,
    e: __m128i,
}

/// One hash within a block.
#[derive(Clone, Copy)]
struct Lane {
    abcd: __m128i,
    /// What the fifth word of the next four rounds comes from: A to D as they were four rounds
    /// earlier.
    before: __m128i,
    /// The next sixteen words of the schedule.
    words: [__m128i; 4],
}

/// The MACs of up to `N` messages; anything where there is none.
#[target_feature(enable = "aes,pclmulqdq,sha,sse4.1,ssse3")]
pub(super) fn authenticate<const N: usize, M: FnMut()>(
    messages: &[Option<&Message<'_>>; N],
    meanwhile: &mut M,
) -> [[u8; 20]; N] {
    let mut blocks = [const { Blocks::NONE }; N];
    let mut states = [State::zero(); N];
    for ((message, blocks), state) in messages.iter().zip(&mut blocks).zip(&mut states) {
        if let Some(message) = message {
            *blocks = Blocks::new(message);
            *state = State::load(&message.key.inner);
        }
    }
    let most = blocks.iter().map(Blocks::count).max().unwrap_or_default();
    for place in 0..most {
        let mut words = [[_mm_setzero_si128(); 4]; N];
        for (words, blocks) in words.iter_mut().zip(&blocks) {
            *words = load_block(blocks.at(place));
        }
        meanwhile();
        let before = states;
        compress(&mut states, words);
        // A message that is at its end waits for the others.
        for ((state, before), blocks) in states.iter_mut().zip(before).zip(&blocks) {
            if place >= blocks.count() {
                *state = before;
            }
        }
    }
    let mut words = [[_mm_setzero_si128(); 4]; N];
    for ((message, words), state) in messages.iter().zip(&mut words).zip(&mut states) {
        *words = state.outer_block();
        if let Some(message) = message {
            *state = State::load(&message.key.outer);
        }
    }
    compress(&mut states, words);
    let mut tags = [[0; 20]; N];
    for (tag, state) in tags.iter_mut().zip(states) {
        *tag = state.tag();
    }
    tags
}

/// The state after one more block.
#[target_feature(enable = "aes,pclmulqdq,sha,sse4.1,ssse3")]
pub(super) fn absorb(state: &[u32; 5], block: &[u8; BLOCK_OCTETS]) -> [u32; 5] {
    let mut states = [State::load(state)];
    compress(&mut states, [load_block(block)]);
    let [state] = states;
    state.words()
}

#[target_feature(enable = "aes,pclmulqdq,sha,sse4.1,ssse3")]
#[inline]
fn compress<const N: usize>(states: &mut [State; N], words: [[__m128i; 4]; N]) {
    let zero = _mm_setzero_si128();
    let mut lanes = [Lane { abcd: zero, before: zero, words: [zero; 4] }; N];
    for ((lane, state), words) in lanes.iter_mut().zip(states.iter()).zip(words) {
        let [first, ..] = words;
        let next = _mm_add_epi32(state.e, first);
        *lane =
            Lane { abcd: _mm_sha1rnds4_epu32::<0>(state.abcd, next), before: state.abcd, words };
        lane.advance();
    }
    for _ in 0..4 {
        four_rounds::<N, 0>(&mut lanes);
    }
    for _ in 0..5 {
        four_rounds::<N, 1>(&mut lanes);
    }
    for _ in 0..5 {
        four_rounds::<N, 2>(&mut lanes);
    }
    for _ in 0..5 {
        four_rounds::<N, 3>(&mut lanes);
    }
    for (state, lane) in states.iter_mut().zip(lanes) {
        state.e = _mm_sha1nexte_epu32(lane.before, state.e);
        state.abcd = _mm_add_epi32(state.abcd, lane.abcd);
    }
}

/// Four rounds of every hash, of the kind that rounds `20 * KIND` and on are.
#[target_feature(enable = "aes,pclmulqdq,sha,sse4.1,ssse3")]
#[inline]
fn four_rounds<const N: usize, const KIND: i32>(lanes: &mut [Lane; N]) {
    for lane in lanes {
        let [first, ..] = lane.words;
        let next = _mm_sha1nexte_epu32(lane.before, first);
        lane.before = lane.abcd;
        lane.abcd = _mm_sha1rnds4_epu32::<KIND>(lane.abcd, next);
        lane.advance();
    }
}

impl Lane {
    /// Goes on four words in the schedule.
    #[target_feature(enable = "aes,pclmulqdq,sha,sse4.1,ssse3")]
    #[inline]
    fn advance(&mut self) {
        let [w0, w4, w8, w12] = self.words;
        let w16 = _mm_xor_si128(_mm_sha1msg1_epu32(w0, w4), w8);
        self.words = [w4, w8, w12, _mm_sha1msg2_epu32(w16, w12)];
    }
}

impl State {
    #[target_feature(enable = "aes,pclmulqdq,sha,sse4.1,ssse3")]
    #[inline]
    fn zero() -> Self {
        Self { abcd: _mm_setzero_si128(), e: _mm_setzero_si128() }
    }

    #[target_feature(enable = "aes,pclmulqdq,sha,sse4.1,ssse3")]
    #[inline]
    fn load(words: &[u32; 5]) -> Self {
        let [a, b, c, d, e] = words.map(u32::cast_signed);
        Self { abcd: _mm_set_epi32(a, b, c, d), e: _mm_set_epi32(e, 0, 0, 0) }
    }

    #[target_feature(enable = "aes,pclmulqdq,sha,sse4.1,ssse3")]
    #[inline]
    fn words(self) -> [u32; 5] {
        [
            _mm_extract_epi32::<3>(self.abcd),
            _mm_extract_epi32::<2>(self.abcd),
            _mm_extract_epi32::<1>(self.abcd),
            _mm_extract_epi32::<0>(self.abcd),
            _mm_extract_epi32::<3>(self.e),
        ]
        .map(i32::cast_unsigned)
    }

    /// The block that the outer hash takes: the inner hash, padded.
    #[target_feature(enable = "aes,pclmulqdq,sha,sse4.1,ssse3")]
    #[inline]
    fn outer_block(self) -> [__m128i; 4] {
        let bit = _mm_set_epi32(0, i32::MIN, 0, 0);
        let length = _mm_set_epi32(0, 0, 0, OUTER_BITS);
        [self.abcd, _mm_or_si128(self.e, bit), _mm_setzero_si128(), length]
    }

    #[target_feature(enable = "aes,pclmulqdq,sha,sse4.1,ssse3")]
    #[inline]
    fn tag(self) -> [u8; 20] {
        let mut tag = [0; 20];
        let (first, last) = tag.split_at_mut(16);
        if let (Some(first), Some(last)) = (first.first_chunk_mut(), last.first_chunk_mut()) {
            store(first, reverse(self.abcd));
            *last = _mm_extract_epi32::<3>(self.e).to_be_bytes();
        }
        tag
    }
}

#[target_feature(enable = "aes,pclmulqdq,sha,sse4.1,ssse3")]
#[inline]
fn load_block(block: &[u8; BLOCK_OCTETS]) -> [__m128i; 4] {
    let (quarters, _) = block.as_chunks();
    let mut words = [_mm_setzero_si128(); 4];
    for (to, from) in words.iter_mut().zip(quarters) {
        *to = reverse(load(from));
    }
    words
}

/// Big-endian words, the first one in the lowest place, to words with the first one in the
/// highest place; and back.
#[target_feature(enable = "aes,pclmulqdq,sha,sse4.1,ssse3")]
#[inline]
fn reverse(octets: __m128i) -> __m128i {
    _mm_shuffle_epi8(octets, _mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f))
}

#[target_feature(enable = "aes,pclmulqdq,sha,sse4.1,ssse3")]
#[inline]
fn load(octets: &[u8; 16]) -> __m128i {
    // SAFETY: sixteen octets are readable there, and the instruction needs no alignment.
    unsafe { _mm_loadu_si128(octets.as_ptr().cast()) }
}

#[target_feature(enable = "aes,pclmulqdq,sha,sse4.1,ssse3")]
#[inline]
fn store(octets: &mut [u8; 16], value: __m128i) {
    // SAFETY: sixteen octets are writable there, and the instruction needs no alignment.
    unsafe { _mm_storeu_si128(octets.as_mut_ptr().cast(), value) }
}
