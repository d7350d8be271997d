//! What the micro-benchmarks share: voice packets and keys.
//!
//! Run with `cargo xtask bench`. Figures mean something only beside others of the same run: read
//! ratios, not nanoseconds.
#![forbid(unsafe_code)]

pub mod welch;

use agw_srtp::{KeyError, MasterKey, Suite};

/// Octets of a packet of 20 ms G.711: fixed header and 160 octets of payload.
pub const VOICE: usize = 12 + 160;

/// Octets of a slot: a voice packet and the trailer it may get.
pub const SLOT: usize = VOICE + agw_srtp::MAX_TRAILER;

/// A voice packet in a slot.
#[must_use]
pub fn voice(ssrc: u32, sequence: u16) -> [u8; SLOT] {
    let [s0, s1] = sequence.to_be_bytes();
    let [r0, r1, r2, r3] = ssrc.to_be_bytes();
    let mut slot = [0x5a; SLOT];
    let header = [0x80, 8, s0, s1, 0, 0, 0, 0, r0, r1, r2, r3];
    for (to, from) in slot.iter_mut().zip(header) {
        *to = from;
    }
    slot
}

/// A key of its own for every context.
///
/// # Errors
/// [`KeyError`] never, in truth: the lengths are the suite's.
pub fn key(suite: Suite, context: u32) -> Result<MasterKey, KeyError> {
    let octets: Vec<u8> = (0u8..46)
        .zip(context.to_be_bytes().into_iter().cycle())
        .map(|(place, octet)| octet ^ place.wrapping_mul(37) ^ 0xa5)
        .take(suite.key_len() + suite.salt_len())
        .collect();
    MasterKey::from_concatenated(suite, &octets)
}
