//! SHA-1 of sixteen messages, one in each 32-bit lane of 512-bit registers.

use std::arch::x86_64::{
    __m512i, __mmask8, __mmask16, __mmask64, _mm_cvtsi64_si128, _mm512_add_epi32,
    _mm512_loadu_si512, _mm512_mask_add_epi32, _mm512_mask_set1_epi64, _mm512_maskz_expand_epi8,
    _mm512_maskz_loadu_epi8, _mm512_maskz_loadu_epi32, _mm512_or_si512, _mm512_rol_epi32,
    _mm512_set_epi64, _mm512_set1_epi32, _mm512_setzero_si512, _mm512_shuffle_epi8,
    _mm512_shuffle_i32x4, _mm512_storeu_si512, _mm512_ternarylogic_epi32, _mm512_unpackhi_epi32,
    _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64, _mm512_xor_si512,
    _mm512_zextsi128_si512,
};

use super::message::{BLOCK_OCTETS, Message};
use super::{MacKey, OUTER_BITS};

/// Messages that are hashed side by side.
pub(super) const LANES: usize = 16;

/// The last eighth of a block, where the length stands.
const LAST: __mmask8 = 1 << 7;

/// One bit for each word of a [`MacKey`].
const KEY_WORDS: __mmask16 = (1 << 10) - 1;

const CHOOSE: i32 = 0xca;
const PARITY: i32 = 0x96;
const MAJORITY: i32 = 0xe8;

/// The MACs of up to sixteen messages in each of `N` sets; anything where there is none.
#[target_feature(
    enable = "aes,avx2,avx512bw,avx512dq,avx512f,avx512vbmi2,avx512vl,pclmulqdq,sha,sse4.1,ssse3,vaes,vpclmulqdq"
)]
pub(super) fn authenticate<const N: usize, M: FnMut()>(
    messages: &[[Option<&Message<'_>>; LANES]; N],
    meanwhile: &mut M,
) -> [[[u8; 20]; LANES]; N] {
    let none = _mm512_setzero_si512();
    let empty = Set { whole: [&[]; LANES], ends: [[none; 2]; LANES], counts: [0; LANES] };
    let mut sets = [empty; N];
    let mut states = [[_mm512_setzero_si512(); 5]; N];
    let mut outer = states;
    for (((set, messages), state), outer) in
        sets.iter_mut().zip(messages).zip(&mut states).zip(&mut outer)
    {
        let [i0, i1, i2, i3, i4, o0, o1, o2, o3, o4, ..] = transpose(set.fill(messages));
        *state = [i0, i1, i2, i3, i4];
        *outer = [o0, o1, o2, o3, o4];
    }
    let most = sets.iter().map(Set::most).max().unwrap_or_default();
    let mut words = [[_mm512_setzero_si512(); LANES]; N];
    for place in 0..most {
        let mut live = [0; N];
        for ((words, live), set) in words.iter_mut().zip(&mut live).zip(&sets) {
            (*words, *live) = set.block(place);
        }
        meanwhile();
        compress(&mut states, &mut words, live);
    }
    for (words, state) in words.iter_mut().zip(states) {
        *words = outer_block(state);
    }
    meanwhile();
    compress(&mut outer, &mut words, [__mmask16::MAX; N]);
    let mut tags = [[[0; 20]; LANES]; N];
    for (tags, state) in tags.iter_mut().zip(outer) {
        *tags = octets(state);
    }
    tags
}

/// The blocks of sixteen messages.
#[derive(Clone, Copy)]
struct Set<'a> {
    whole: [&'a [[u8; BLOCK_OCTETS]]; LANES],
    ends: [[__m512i; 2]; LANES],
    counts: [usize; LANES],
}

impl<'a> Set<'a> {
    /// Takes messages and returns their keys, one in each row.
    #[target_feature(
        enable = "aes,avx2,avx512bw,avx512dq,avx512f,avx512vbmi2,avx512vl,pclmulqdq,sha,sse4.1,ssse3,vaes,vpclmulqdq"
    )]
    #[inline]
    fn fill(&mut self, messages: &[Option<&Message<'a>>; LANES]) -> [__m512i; LANES] {
        let mut keys = [_mm512_setzero_si512(); LANES];
        let lanes = self.whole.iter_mut().zip(&mut self.ends).zip(&mut self.counts);
        for ((message, key), ((whole, ends), count)) in messages.iter().zip(&mut keys).zip(lanes) {
            if let Some(message) = message {
                let (blocks, rest) = message.packet.as_chunks();
                *whole = blocks;
                *ends = padded(message, rest);
                *count = message.block_count();
                *key = load_key(message.key);
            }
        }
        keys
    }

    /// The block at that place of every message, and which messages have one.
    #[target_feature(
        enable = "aes,avx2,avx512bw,avx512dq,avx512f,avx512vbmi2,avx512vl,pclmulqdq,sha,sse4.1,ssse3,vaes,vpclmulqdq"
    )]
    #[inline]
    fn block(&self, place: usize) -> ([__m512i; LANES], __mmask16) {
        let (mut rows, mut live) = ([_mm512_setzero_si512(); LANES], 0);
        let lanes = self.whole.iter().zip(&self.ends).zip(&self.counts);
        for ((row, ((whole, [first, second]), count)), lane) in rows.iter_mut().zip(lanes).zip(0..)
        {
            let block = match whole.get(place) {
                Some(block) => load(block),
                None if place == whole.len() => *first,
                None => *second,
            };
            *row = swap(block);
            live |= __mmask16::from(place < *count) << lane;
        }
        (transpose(rows), live)
    }

    fn most(&self) -> usize {
        self.counts.into_iter().max().unwrap_or_default()
    }
}

/// The one or two blocks at the end of a message: the rest of the packet, what is authenticated
/// behind it, and the padding. Put together in registers: a load of what several stores have just
/// written would wait for them.
#[target_feature(
    enable = "aes,avx2,avx512bw,avx512dq,avx512f,avx512vbmi2,avx512vl,pclmulqdq,sha,sse4.1,ssse3,vaes,vpclmulqdq"
)]
#[inline]
fn padded(message: &Message<'_>, rest: &[u8]) -> [__m512i; 2] {
    let behind = u64::from(message.appendix.swap_bytes()) | 0x80 << 32;
    let place = rest.len() as u32;
    let first = _mm512_or_si512(load_rest(rest), expand(0x1f << place, behind));
    // What did not fit in the first block: of five octets, one to four.
    let over = if place > 59 { behind >> (8 * (64 - place)) } else { 0 };
    let second = expand(0x1f, over);
    let length = message.hashed_bits().swap_bytes().cast_signed();
    if place > 51 {
        [first, _mm512_mask_set1_epi64(second, LAST, length)]
    } else {
        [_mm512_mask_set1_epi64(first, LAST, length), second]
    }
}

/// The octets of a number, lowest first, where the mask has bits.
#[target_feature(
    enable = "aes,avx2,avx512bw,avx512dq,avx512f,avx512vbmi2,avx512vl,pclmulqdq,sha,sse4.1,ssse3,vaes,vpclmulqdq"
)]
#[inline]
fn expand(mask: __mmask64, octets: u64) -> __m512i {
    let octets = _mm512_zextsi128_si512(_mm_cvtsi64_si128(octets.cast_signed()));
    _mm512_maskz_expand_epi8(mask, octets)
}

/// The block that the outer hash takes: the inner hash, padded.
#[target_feature(
    enable = "aes,avx2,avx512bw,avx512dq,avx512f,avx512vbmi2,avx512vl,pclmulqdq,sha,sse4.1,ssse3,vaes,vpclmulqdq"
)]
#[inline]
fn outer_block([a, b, c, d, e]: [__m512i; 5]) -> [__m512i; 16] {
    let zero = _mm512_setzero_si512();
    let bit = _mm512_set1_epi32(i32::MIN);
    let length = _mm512_set1_epi32(OUTER_BITS);
    [a, b, c, d, e, bit, zero, zero, zero, zero, zero, zero, zero, zero, zero, length]
}

/// The octets of a state, lane by lane.
#[target_feature(
    enable = "aes,avx2,avx512bw,avx512dq,avx512f,avx512vbmi2,avx512vl,pclmulqdq,sha,sse4.1,ssse3,vaes,vpclmulqdq"
)]
#[inline]
fn octets([a, b, c, d, e]: [__m512i; 5]) -> [[u8; 20]; LANES] {
    let none = _mm512_setzero_si512();
    let rows = transpose([
        a, b, c, d, e, none, none, none, none, none, none, none, none, none, none, none,
    ]);
    let mut tags = [[0; 20]; LANES];
    for (tag, row) in tags.iter_mut().zip(rows) {
        *tag = first_octets(swap(row));
    }
    tags
}

/// Takes one more block into the lanes that are live; the others keep their state. The sets are
/// interleaved: a round waits for the one before, so one set alone leaves the processor waiting.
#[target_feature(
    enable = "aes,avx2,avx512bw,avx512dq,avx512f,avx512vbmi2,avx512vl,pclmulqdq,sha,sse4.1,ssse3,vaes,vpclmulqdq"
)]
#[inline]
fn compress<const N: usize>(
    states: &mut [[__m512i; 5]; N],
    words: &mut [[__m512i; 16]; N],
    live: [__mmask16; N],
) {
    let mut next = *states;
    twenty_rounds::<N, CHOOSE, 0>(&mut next, words, 0x5a82_7999);
    twenty_rounds::<N, PARITY, 20>(&mut next, words, 0x6ed9_eba1);
    twenty_rounds::<N, MAJORITY, 40>(&mut next, words, 0x8f1b_bcdc);
    twenty_rounds::<N, PARITY, 60>(&mut next, words, 0xca62_c1d6);
    for ((state, next), live) in states.iter_mut().zip(next).zip(live) {
        for (word, next) in state.iter_mut().zip(next) {
            *word = _mm512_mask_add_epi32(*word, live, *word, next);
        }
    }
}

/// Rounds `FIRST` to `FIRST + 19`, written out so that states stay in registers.
#[target_feature(
    enable = "aes,avx2,avx512bw,avx512dq,avx512f,avx512vbmi2,avx512vl,pclmulqdq,sha,sse4.1,ssse3,vaes,vpclmulqdq"
)]
#[inline]
fn twenty_rounds<const N: usize, const FUNCTION: i32, const FIRST: usize>(
    states: &mut [[__m512i; 5]; N],
    words: &mut [[__m512i; 16]; N],
    constant: u32,
) {
    let constant = _mm512_set1_epi32(constant.cast_signed());
    macro_rules! rounds {
        ($($offset:literal)*) => {$(
            for (state, words) in states.iter_mut().zip(words.iter_mut()) {
                let word = scheduled::<FIRST, $offset>(words);
                *state = round::<FUNCTION>(*state, _mm512_add_epi32(word, constant));
            }
        )*};
    }
    rounds!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19);
}

/// The word of round `FIRST + OFFSET`; the last sixteen are kept in a ring.
#[target_feature(
    enable = "aes,avx2,avx512bw,avx512dq,avx512f,avx512vbmi2,avx512vl,pclmulqdq,sha,sse4.1,ssse3,vaes,vpclmulqdq"
)]
#[inline]
#[expect(clippy::indexing_slicing, reason = "a number modulo 16 is a place among sixteen")]
fn scheduled<const FIRST: usize, const OFFSET: usize>(words: &mut [__m512i; 16]) -> __m512i {
    let round = FIRST + OFFSET;
    if round >= 16 {
        let (one, two) = (words[(round + 13) % 16], words[(round + 8) % 16]);
        let (three, four) = (words[(round + 2) % 16], words[round % 16]);
        let sum = _mm512_xor_si512(_mm512_ternarylogic_epi32::<PARITY>(one, two, three), four);
        words[round % 16] = _mm512_rol_epi32::<1>(sum);
    }
    words[round % 16]
}

#[target_feature(
    enable = "aes,avx2,avx512bw,avx512dq,avx512f,avx512vbmi2,avx512vl,pclmulqdq,sha,sse4.1,ssse3,vaes,vpclmulqdq"
)]
#[inline]
fn round<const FUNCTION: i32>([a, b, c, d, e]: [__m512i; 5], word: __m512i) -> [__m512i; 5] {
    let mixed = _mm512_ternarylogic_epi32::<FUNCTION>(b, c, d);
    // What does not wait for the round before comes first.
    let early = _mm512_add_epi32(_mm512_add_epi32(e, word), mixed);
    let next = _mm512_add_epi32(early, _mm512_rol_epi32::<5>(a));
    [next, a, _mm512_rol_epi32::<30>(b), c, d]
}

/// Rows to columns: word `i` of row `j` becomes word `j` of row `i`.
#[target_feature(
    enable = "aes,avx2,avx512bw,avx512dq,avx512f,avx512vbmi2,avx512vl,pclmulqdq,sha,sse4.1,ssse3,vaes,vpclmulqdq"
)]
#[inline]
fn transpose(rows: [__m512i; 16]) -> [__m512i; 16] {
    let [r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, r12, r13, r14, r15] = rows;
    // First inside quarters of registers, four rows at a time; then quarters change places.
    let [a0, a1, a2, a3] = transpose_quarters([r0, r1, r2, r3]);
    let [b0, b1, b2, b3] = transpose_quarters([r4, r5, r6, r7]);
    let [c0, c1, c2, c3] = transpose_quarters([r8, r9, r10, r11]);
    let [d0, d1, d2, d3] = transpose_quarters([r12, r13, r14, r15]);
    let [w0, w4, w8, w12] = gather_quarters([a0, b0, c0, d0]);
    let [w1, w5, w9, w13] = gather_quarters([a1, b1, c1, d1]);
    let [w2, w6, w10, w14] = gather_quarters([a2, b2, c2, d2]);
    let [w3, w7, w11, w15] = gather_quarters([a3, b3, c3, d3]);
    [w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15]
}

/// Transposes the four by four words in each quarter of four rows.
#[target_feature(
    enable = "aes,avx2,avx512bw,avx512dq,avx512f,avx512vbmi2,avx512vl,pclmulqdq,sha,sse4.1,ssse3,vaes,vpclmulqdq"
)]
#[inline]
fn transpose_quarters([a, b, c, d]: [__m512i; 4]) -> [__m512i; 4] {
    let (ab_low, ab_high) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    let (cd_low, cd_high) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    [
        _mm512_unpacklo_epi64(ab_low, cd_low),
        _mm512_unpackhi_epi64(ab_low, cd_low),
        _mm512_unpacklo_epi64(ab_high, cd_high),
        _mm512_unpackhi_epi64(ab_high, cd_high),
    ]
}

/// Transposes the four by four quarters of four rows.
#[target_feature(
    enable = "aes,avx2,avx512bw,avx512dq,avx512f,avx512vbmi2,avx512vl,pclmulqdq,sha,sse4.1,ssse3,vaes,vpclmulqdq"
)]
#[inline]
fn gather_quarters([a, b, c, d]: [__m512i; 4]) -> [__m512i; 4] {
    let ab_low = _mm512_shuffle_i32x4::<0b01_00_01_00>(a, b);
    let ab_high = _mm512_shuffle_i32x4::<0b11_10_11_10>(a, b);
    let cd_low = _mm512_shuffle_i32x4::<0b01_00_01_00>(c, d);
    let cd_high = _mm512_shuffle_i32x4::<0b11_10_11_10>(c, d);
    [
        _mm512_shuffle_i32x4::<0b10_00_10_00>(ab_low, cd_low),
        _mm512_shuffle_i32x4::<0b11_01_11_01>(ab_low, cd_low),
        _mm512_shuffle_i32x4::<0b10_00_10_00>(ab_high, cd_high),
        _mm512_shuffle_i32x4::<0b11_01_11_01>(ab_high, cd_high),
    ]
}

/// [u32; 5] from big-endian octets, and back.
#[target_feature(
    enable = "aes,avx2,avx512bw,avx512dq,avx512f,avx512vbmi2,avx512vl,pclmulqdq,sha,sse4.1,ssse3,vaes,vpclmulqdq"
)]
#[inline]
fn swap(row: __m512i) -> __m512i {
    const HIGH: i64 = 0x0c0d_0e0f_0809_0a0b;
    const LOW: i64 = 0x0405_0607_0001_0203;
    let order = _mm512_set_epi64(HIGH, LOW, HIGH, LOW, HIGH, LOW, HIGH, LOW);
    _mm512_shuffle_epi8(row, order)
}

#[target_feature(
    enable = "aes,avx2,avx512bw,avx512dq,avx512f,avx512vbmi2,avx512vl,pclmulqdq,sha,sse4.1,ssse3,vaes,vpclmulqdq"
)]
#[inline]
fn load(block: &[u8; BLOCK_OCTETS]) -> __m512i {
    // SAFETY: 64 octets are readable there, and the instruction needs no alignment.
    unsafe { _mm512_loadu_si512(block.as_ptr().cast()) }
}

/// Less than a block, with zeros behind.
#[target_feature(
    enable = "aes,avx2,avx512bw,avx512dq,avx512f,avx512vbmi2,avx512vl,pclmulqdq,sha,sse4.1,ssse3,vaes,vpclmulqdq"
)]
#[inline]
fn load_rest(rest: &[u8]) -> __m512i {
    let mask = (1 << (rest.len() % BLOCK_OCTETS)) - 1;
    // SAFETY: the mask lets no octet be read but those of the slice.
    unsafe { _mm512_maskz_loadu_epi8(mask, rest.as_ptr().cast()) }
}

/// Both states of a key, one after the other.
#[target_feature(
    enable = "aes,avx2,avx512bw,avx512dq,avx512f,avx512vbmi2,avx512vl,pclmulqdq,sha,sse4.1,ssse3,vaes,vpclmulqdq"
)]
#[inline]
fn load_key(key: &MacKey) -> __m512i {
    const { assert!(size_of::<MacKey>() == 40) };
    // SAFETY: the mask lets ten words be read, which is what a key is, in the order that `repr(C)`
    // gives them; the instruction needs no alignment.
    unsafe { _mm512_maskz_loadu_epi32(KEY_WORDS, std::ptr::from_ref(key).cast()) }
}

#[target_feature(
    enable = "aes,avx2,avx512bw,avx512dq,avx512f,avx512vbmi2,avx512vl,pclmulqdq,sha,sse4.1,ssse3,vaes,vpclmulqdq"
)]
#[inline]
fn first_octets(row: __m512i) -> [u8; 20] {
    let mut octets = [0; BLOCK_OCTETS];
    // SAFETY: 64 octets are writable there, and the instruction needs no alignment.
    unsafe { _mm512_storeu_si512(octets.as_mut_ptr().cast(), row) };
    octets.first_chunk().copied().unwrap_or([0; 20])
}
