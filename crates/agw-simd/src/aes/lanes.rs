//! Octets to registers and back: never an octet beyond the slice is read or written.

use std::arch::x86_64::{
    __m128i, __m512i, _mm_loadu_si128, _mm_storeu_si128, _mm512_mask_storeu_epi8,
    _mm512_maskz_loadu_epi8,
};

use super::BLOCK;

/// Octets of a register of four blocks.
pub(crate) const LANES: usize = 4 * BLOCK;

#[inline(always)]
pub(crate) fn load_block(octets: &[u8; BLOCK]) -> __m128i {
    // SAFETY: the array has the 16 octets that are read; no alignment is asked for.
    unsafe { _mm_loadu_si128(octets.as_ptr().cast()) }
}

#[inline(always)]
pub(crate) fn store_block(octets: &mut [u8; BLOCK], block: __m128i) {
    // SAFETY: the array has the 16 octets that are written; no alignment is asked for.
    unsafe { _mm_storeu_si128(octets.as_mut_ptr().cast(), block) }
}

/// At most 15 octets with zeros behind.
#[inline(always)]
pub(crate) fn load_part(octets: &[u8]) -> __m128i {
    let mut padded = [0; BLOCK];
    for (to, from) in padded.iter_mut().zip(octets) {
        *to = *from;
    }
    load_block(&padded)
}

/// Overwrites at most 15 octets.
#[inline(always)]
pub(crate) fn store_part(octets: &mut [u8], block: __m128i) {
    let mut padded = [0; BLOCK];
    store_block(&mut padded, block);
    for (to, from) in octets.iter_mut().zip(padded) {
        *to = from;
    }
}

/// The first 64 octets, or all there are with zeros behind.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(crate) fn load_octets(octets: &[u8]) -> __m512i {
    // SAFETY: the mask keeps the load within the slice; what is masked out is not touched.
    unsafe { _mm512_maskz_loadu_epi8(mask(octets.len()), octets.as_ptr().cast()) }
}

/// Overwrites the first 64 octets, or all there are.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(crate) fn store_octets(octets: &mut [u8], lanes: __m512i) {
    let mask = mask(octets.len());
    // SAFETY: the mask keeps the store within the slice; what is masked out is not touched.
    unsafe { _mm512_mask_storeu_epi8(octets.as_mut_ptr().cast(), mask, lanes) }
}

/// A bit for each of the first 64 octets that exist.
#[inline(always)]
pub(crate) const fn mask(octets: usize) -> u64 {
    if octets >= LANES { u64::MAX } else { (1 << octets) - 1 }
}
