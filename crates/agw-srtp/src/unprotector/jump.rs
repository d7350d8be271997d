//! Short tags move no index far by themselves (RFC 3711 §7.5).

use agw_rtp::Ssrc;

use crate::UnprotectError;

/// How far a tag of 32 bits may move the highest index by itself: to be lost, a source takes two
/// tags that are guessed, one near the other (RFC 3711 §7.5).
pub(super) const LONGEST_JUMP_OF_SHORT_TAG: u64 = 1_000;

/// An authenticated packet with a short tag and an index far ahead, which waits for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Jump {
    pub(super) ssrc: Ssrc,
    /// The low half of the index: which packet is near it does not take more.
    pub(super) index: u32,
    /// Jumps of other sources since.
    pub(super) others: u8,
}

/// So many jumps of other sources a jump outlasts: sources that have been away together do not keep
/// each other out, nor does one that does not come again.
const MOST_OTHERS: u8 = 16;

/// Tags below this length, in octets, do not move the highest index far by themselves.
pub(super) const SHORTEST_TRUSTED_TAG: usize = 10;

//= tests/spec/srtp.md#replay
//# With a tag of 32 bits an index more than 1,000 ahead MUST be confirmed by a second authentic
//# packet before it is remembered.
/// Lets a jump pass that another packet has announced; a first one waits.
pub(super) fn confirm(
    waiting: &mut Option<Jump>,
    jump: Option<Jump>,
) -> Result<(), UnprotectError> {
    let Some(jump) = jump else {
        return Ok(());
    };
    let is_near = |waiting: Jump| {
        let ahead = jump.index.wrapping_sub(waiting.index);
        let distance = ahead.min(ahead.wrapping_neg());
        waiting.ssrc == jump.ssrc && (1..=LONGEST_JUMP_OF_SHORT_TAG).contains(&u64::from(distance))
    };
    if waiting.take_if(|waiting| is_near(*waiting)).is_some() {
        return Ok(());
    }
    match waiting {
        Some(other) if other.ssrc != jump.ssrc && other.others < MOST_OTHERS => other.others += 1,
        Some(_) | None => *waiting = Some(jump),
    }
    Err(UnprotectError::Unconfirmed)
}
