//! Octets to registers and back: never an octet beyond the slice is read or written.

use std::arch::x86_64::{
    __m128i, __m512i, _mm_loadu_si128, _mm_set_epi64x, _mm_storeu_si128, _mm512_mask_storeu_epi8,
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
///
/// Put together in a register: a load of what several stores have just written would wait until
/// they have left the processor.
#[inline(always)]
pub(crate) fn load_part(octets: &[u8]) -> __m128i {
    let (mut rest, mut number, mut bits) = (octets, 0, 0);
    if let Some((eight, behind)) = rest.split_first_chunk() {
        (rest, number, bits) = (behind, u128::from(u64::from_le_bytes(*eight)), 64);
    }
    if let Some((four, behind)) = rest.split_first_chunk() {
        number |= u128::from(u32::from_le_bytes(*four)) << bits;
        (rest, bits) = (behind, bits + 32);
    }
    for octet in rest.iter().take(3) {
        number |= u128::from(*octet) << bits;
        bits += 8;
    }
    // SAFETY: SSE2 is part of x86-64.
    unsafe { _mm_set_epi64x((number >> 64) as i64, number as i64) }
}

/// Overwrites at most 15 octets.
#[inline(always)]
pub(crate) fn store_part(octets: &mut [u8], block: __m128i) {
    let mut padded = [0; BLOCK];
    store_block(&mut padded, block);
    let (mut rest, mut number) = (octets, u128::from_le_bytes(padded));
    if rest.len() >= 8 {
        let (eight, behind) = rest.split_at_mut(8);
        eight.copy_from_slice(&(number as u64).to_le_bytes());
        (rest, number) = (behind, number >> 64);
    }
    if rest.len() >= 4 {
        let (four, behind) = rest.split_at_mut(4);
        four.copy_from_slice(&(number as u32).to_le_bytes());
        (rest, number) = (behind, number >> 32);
    }
    for octet in rest.iter_mut().take(3) {
        *octet = number as u8;
        number >>= 8;
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
