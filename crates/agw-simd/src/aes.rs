//! AES-128, AES-192 and AES-256 (FIPS 197): one block, and counter mode over a packet.
//!
//! A function here that takes a [`Level`] runs the kernel of that level: it must be one that this
//! processor [supports](Level::is_supported).

use std::arch::x86_64::{__m128i, _mm_set_epi64x};

mod lanes;
mod ni;
mod schedule;
mod vaes;

pub(crate) use self::lanes::{
    LANES, load_block, load_octets, load_part, mask, store_block, store_octets, store_part,
};
pub(crate) use self::ni::{apply_keystream as keystream_ni, encrypt_block as encrypt_one};
pub(crate) use self::schedule::RoundKeys;
pub(crate) use self::vaes::{
    Counters, apply_keystream as keystream_vaes, encrypt as encrypt_lanes,
};
use crate::Level;

/// Octets of a block.
pub(crate) const BLOCK: usize = 16;

/// A counter block as the number that its octets are.
///
/// A number, so that it need not be put together in memory: a load of what several stores have
/// just written waits until the packet before is done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CounterBlock(pub(crate) u128);

impl CounterBlock {
    /// In the order of its octets.
    #[inline(always)]
    pub(crate) fn block(self) -> __m128i {
        let octets = self.0.swap_bytes();
        // SAFETY: SSE2 is part of x86-64.
        unsafe { _mm_set_epi64x((octets >> 64) as i64, octets as i64) }
    }
}

/// The block `plain` enciphered.
pub(crate) fn encrypt_block<const KEYS: usize>(
    keys: &RoundKeys<KEYS>,
    plain: &[u8; BLOCK],
) -> [u8; BLOCK] {
    let mut block = *plain;
    // SAFETY: every level has AES-NI, and round keys exist only where a level is supported.
    store_block(&mut block, unsafe { ni::encrypt_block(keys, load_block(plain)) });
    block
}

/// Exclusive-ors the keystream that starts at the counter block `first` into `octets`; the last 32
/// bits count the blocks, of which SRTP has at most 2^16 in a packet (RFC 3711 §4.1.1).
pub(crate) fn apply_keystream<const KEYS: usize>(
    level: Level,
    keys: &RoundKeys<KEYS>,
    first: CounterBlock,
    octets: &mut [u8],
) {
    debug_assert!(level.is_supported());
    match level {
        // SAFETY: the processor supports the level.
        Level::ShaNi => unsafe { ni::apply_keystream(keys, first, octets) },
        // SAFETY: the processor supports the level.
        Level::Avx512 => unsafe { vaes::apply_keystream(keys, first, octets) },
    }
}

#[cfg(test)]
pub(crate) mod tests;
