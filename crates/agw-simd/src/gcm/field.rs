//! GF(2^128) as GHASH has it (SP 800-38D §6.3), in the form that carry-less multiplication wants.
//!
//! GHASH numbers the bits of a block from the wrong end. With the octets turned round and the
//! subkey multiplied by x, the same products come out of POLYVAL's arithmetic (RFC 8452 §3 and
//! appendix A): a polynomial modulo x^128 + x^127 + x^126 + x^121 + 1, each product divided by
//! x^128, which costs two more multiplications and no shifts.

use std::arch::x86_64::{
    __m128i, __m512i, _mm_clmulepi64_si128, _mm_set_epi8, _mm_set_epi64x, _mm_setzero_si128,
    _mm_shuffle_epi8, _mm_shuffle_epi32, _mm_slli_si128, _mm_srli_si128, _mm_xor_si128,
    _mm256_castsi256_si128, _mm256_extracti128_si256, _mm256_xor_si256, _mm512_broadcast_i32x4,
    _mm512_castsi512_si256, _mm512_clmulepi64_epi128, _mm512_extracti64x4_epi64,
    _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_xor_si512,
};

/// x^127 + x^126 + x^121 + 1, the polynomial without x^128.
const POLYNOMIAL: u128 = 0xc200_0000_0000_0000_0000_0000_0000_0001;

/// The subkey of GHASH as POLYVAL works with it: turned round and multiplied by x.
pub(super) fn times_x(subkey: &[u8; 16]) -> u128 {
    let turned = u128::from_be_bytes(*subkey);
    let carry = turned >> 127;
    // All ones if the top bit falls out: nothing here branches on the key.
    turned << 1 ^ (POLYNOMIAL & 0_u128.wrapping_sub(carry))
}

/// The octets of a block in the opposite order.
#[inline]
#[target_feature(enable = "ssse3")]
pub(super) fn turned(block: __m128i) -> __m128i {
    _mm_shuffle_epi8(block, turn())
}

/// The octets of each of four blocks in the opposite order.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn turned_lanes(blocks: __m512i) -> __m512i {
    _mm512_shuffle_epi8(blocks, _mm512_broadcast_i32x4(turn()))
}

#[inline(always)]
fn turn() -> __m128i {
    // SAFETY: SSE2 is part of x86-64.
    unsafe { _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) }
}

/// A sum of products of 256 bits that waits for its reduction.
#[derive(Clone, Copy)]
pub(super) struct Sum {
    low: __m128i,
    middle: __m128i,
    high: __m128i,
}

impl Sum {
    #[inline(always)]
    pub(super) fn zero() -> Self {
        // SAFETY: SSE2 is part of x86-64.
        let zero = unsafe { _mm_setzero_si128() };
        Self { low: zero, middle: zero, high: zero }
    }

    #[inline]
    #[target_feature(enable = "pclmulqdq")]
    pub(super) fn product(a: __m128i, b: __m128i) -> Self {
        let middle =
            _mm_xor_si128(_mm_clmulepi64_si128::<0x10>(a, b), _mm_clmulepi64_si128::<0x01>(a, b));
        Self {
            low: _mm_clmulepi64_si128::<0x00>(a, b),
            middle,
            high: _mm_clmulepi64_si128::<0x11>(a, b),
        }
    }

    #[inline]
    #[target_feature(enable = "pclmulqdq")]
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            low: _mm_xor_si128(self.low, other.low),
            middle: _mm_xor_si128(self.middle, other.middle),
            high: _mm_xor_si128(self.high, other.high),
        }
    }

    /// The sum divided by x^128, modulo the polynomial.
    #[inline]
    #[target_feature(enable = "pclmulqdq")]
    pub(super) fn reduced(self) -> __m128i {
        let low = _mm_xor_si128(self.low, _mm_slli_si128::<8>(self.middle));
        let high = _mm_xor_si128(self.high, _mm_srli_si128::<8>(self.middle));
        // Twice: a multiple of the polynomial clears the lowest 64 bits, which then fall away.
        let polynomial = _mm_set_epi64x(0, (POLYNOMIAL >> 64) as i64);
        let folded = _mm_clmulepi64_si128::<0x00>(low, polynomial);
        let low = _mm_xor_si128(_mm_shuffle_epi32::<0x4e>(low), folded);
        let folded = _mm_clmulepi64_si128::<0x00>(low, polynomial);
        let low = _mm_xor_si128(_mm_shuffle_epi32::<0x4e>(low), folded);
        _mm_xor_si128(high, low)
    }
}

/// Four sums side by side.
#[derive(Clone, Copy)]
pub(super) struct Sums {
    low: __m512i,
    middle: __m512i,
    high: __m512i,
}

impl Sums {
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn zero() -> Self {
        let zero = _mm512_setzero_si512();
        Self { low: zero, middle: zero, high: zero }
    }

    /// Adds the products of each lane.
    #[inline]
    #[target_feature(enable = "avx512f,vpclmulqdq")]
    pub(super) fn add_products(&mut self, a: __m512i, b: __m512i) {
        let middle = _mm512_xor_si512(
            _mm512_clmulepi64_epi128::<0x10>(a, b),
            _mm512_clmulepi64_epi128::<0x01>(a, b),
        );
        self.low = _mm512_xor_si512(self.low, _mm512_clmulepi64_epi128::<0x00>(a, b));
        self.middle = _mm512_xor_si512(self.middle, middle);
        self.high = _mm512_xor_si512(self.high, _mm512_clmulepi64_epi128::<0x11>(a, b));
    }

    /// The four sums and one more in one, reduced.
    #[inline]
    #[target_feature(enable = "avx512f,avx2,pclmulqdq")]
    pub(super) fn reduced_with(self, more: Sum) -> __m128i {
        Sum { low: folded(self.low), middle: folded(self.middle), high: folded(self.high) }
            .plus(more)
            .reduced()
    }
}

/// The exclusive-or of four blocks.
#[inline]
#[target_feature(enable = "avx512f,avx2")]
fn folded(lanes: __m512i) -> __m128i {
    let halves =
        _mm256_xor_si256(_mm512_castsi512_si256(lanes), _mm512_extracti64x4_epi64::<1>(lanes));
    _mm_xor_si128(_mm256_castsi256_si128(halves), _mm256_extracti128_si256::<1>(halves))
}
