//! HMAC-SHA1 of many packets at once (RFC 2104, FIPS 180-4).
//!
//! A hash is one long chain of additions: a single one leaves most of the processor idle. So the
//! messages of a batch are sorted by length, and neighbours are hashed together: sixteen across
//! the lanes of AVX-512 ([`lanes`]), or up to four interleaved on the SHA instructions ([`ni`]).

mod lanes;
mod message;
mod ni;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;

use arrayvec::ArrayVec;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use self::lanes::LANES;
use self::message::BLOCK_OCTETS;
pub(crate) use self::message::Message;
use crate::cpu::Level;

/// The most messages that are hashed in one go.
pub(crate) const MAX_MESSAGES: usize = 64;

/// From so many messages of a length on, sixteen lanes are faster than four interleaved.
const FEWEST_LANES: usize = 6;

/// Bits that the outer hash covers: the padded key and an inner hash.
const OUTER_BITS: i32 = (64 + 20) * 8;

/// The state that SHA-1 starts from.
const INITIAL: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

/// A keyed HMAC: the states of SHA-1 after the inner and after the outer padded key.
#[derive(Zeroize, ZeroizeOnDrop)]
#[repr(C)]
pub(crate) struct MacKey {
    inner: [u32; 5],
    outer: [u32; 5],
}

impl MacKey {
    /// Prepares a key of 20 octets.
    pub(crate) fn new(level: Level, key: &[u8; 20]) -> Self {
        let state = |pad: u8| {
            let mut block = Zeroizing::new([pad; BLOCK_OCTETS]);
            for (to, from) in block.iter_mut().zip(key) {
                *to ^= from;
            }
            match level {
                // SAFETY: whoever has a level has found it supported; each includes SHA-NI.
                Level::ShaNi | Level::Avx512 => unsafe { ni::absorb(&INITIAL, &block) },
            }
        };
        Self { inner: state(0x36), outer: state(0x5c) }
    }
}

/// Computes the MAC of each of up to [`MAX_MESSAGES`] messages, into the same place of `tags`.
///
/// `meanwhile` is called between blocks, for what takes time but not the processor's.
pub(crate) fn authenticate(
    level: Level,
    messages: &[Message<'_>],
    tags: &mut [[u8; 20]],
    meanwhile: &mut impl FnMut(),
) {
    // The lengths of packets are no secret, so order and grouping may depend on them.
    let mut order: ArrayVec<Rank, MAX_MESSAGES> = messages.iter().zip(0..).map(Rank::of).collect();
    order.sort_unstable();
    let mut rest = order.as_slice();
    while let Some(longest) = rest.first() {
        let similar = rest.iter().take_while(|rank| rank.is_similar(longest)).count();
        let size = match level {
            Level::Avx512 if similar > LANES => 2 * LANES,
            Level::Avx512 if similar >= FEWEST_LANES => LANES,
            Level::Avx512 | Level::ShaNi if similar >= 3 => 4,
            Level::Avx512 | Level::ShaNi => similar,
        };
        let (group, after) = rest.split_at(size.min(similar));
        rest = after;
        authenticate_group(level, size, group, messages, tags, meanwhile);
    }
}

/// Computes the MACs of messages of similar length on the kernel of that `size`.
fn authenticate_group(
    level: Level,
    size: usize,
    group: &[Rank],
    messages: &[Message<'_>],
    tags: &mut [[u8; 20]],
    meanwhile: &mut impl FnMut(),
) {
    match (level, size) {
        (Level::Avx512, LANES) => {
            // SAFETY: whoever has a level has found it supported.
            let macs = unsafe { lanes::authenticate(&[chosen(group, messages)], meanwhile) };
            spread(macs.as_flattened(), group, tags);
        }
        (Level::Avx512, LANES..) => {
            let (first, second) = group.split_at(LANES.min(group.len()));
            let sets = [chosen(first, messages), chosen(second, messages)];
            // SAFETY: whoever has a level has found it supported.
            let macs = unsafe { lanes::authenticate(&sets, meanwhile) };
            spread(macs.as_flattened(), group, tags);
        }
        (Level::Avx512 | Level::ShaNi, 3..) => {
            // SAFETY: whoever has a level has found it supported; each includes SHA-NI.
            let macs = unsafe { ni::authenticate::<4, _>(&chosen(group, messages), meanwhile) };
            spread(&macs, group, tags);
        }
        (Level::Avx512 | Level::ShaNi, 2) => {
            // SAFETY: whoever has a level has found it supported; each includes SHA-NI.
            let macs = unsafe { ni::authenticate::<2, _>(&chosen(group, messages), meanwhile) };
            spread(&macs, group, tags);
        }
        (Level::Avx512 | Level::ShaNi, _) => {
            // SAFETY: whoever has a level has found it supported; each includes SHA-NI.
            let macs = unsafe { ni::authenticate::<1, _>(&chosen(group, messages), meanwhile) };
            spread(&macs, group, tags);
        }
    }
}

/// The messages of a group, in the lanes of a kernel.
fn chosen<'a, 'm, const N: usize>(
    group: &[Rank],
    messages: &'a [Message<'m>],
) -> [Option<&'a Message<'m>>; N] {
    let mut lanes = [None; N];
    for (lane, rank) in lanes.iter_mut().zip(group) {
        *lane = messages.get(usize::from(rank.place));
    }
    lanes
}

/// Puts the MACs of a group in their places.
fn spread(macs: &[[u8; 20]], group: &[Rank], tags: &mut [[u8; 20]]) {
    for (mac, rank) in macs.iter().zip(group) {
        if let Some(tag) = tags.get_mut(usize::from(rank.place)) {
            *tag = *mac;
        }
    }
}

/// A message's place in the order of hashing: the longest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    blocks: Reverse<u32>,
    place: u8,
}

impl Rank {
    fn of((message, place): (&Message<'_>, u8)) -> Self {
        // A datagram has 1,024 blocks at the most.
        Self { blocks: Reverse(message.block_count() as u32), place }
    }

    /// Whether the message may share a group with a longer one: it idles for half of the time at
    /// most.
    fn is_similar(&self, longest: &Self) -> bool {
        self.blocks.0 * 2 >= longest.blocks.0
    }
}
