//! Packet indices and their estimation (RFC 3711 §3.3.1, Appendix A).

use agw_rtp::SequenceNumber;

/// 48-bit packet index: rollover counter × 2^16 + sequence number (RFC 3711 §3.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketIndex(u64);

impl PacketIndex {
    /// Builds an index from a rollover counter and a sequence number.
    ///
    /// ```
    /// # use agw_srtp::PacketIndex;
    /// assert_eq!(PacketIndex::new(1, 0).get() - PacketIndex::new(0, 0xFFFF).get(), 1);
    /// ```
    #[must_use]
    pub const fn new(roc: u32, sequence: u16) -> Self {
        Self((roc as u64) << 16 | sequence as u64)
    }

    /// The index as a number below 2^48.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The rollover counter: the upper 32 bits.
    #[must_use]
    pub const fn roc(self) -> u32 {
        (self.0 >> 16) as u32
    }

    /// The sequence number: the lower 16 bits.
    #[must_use]
    pub const fn sequence(self) -> SequenceNumber {
        SequenceNumber(self.0 as u16)
    }

    pub(crate) const fn from_window(index: u64) -> Self {
        Self(index & ((1 << 48) - 1))
    }
}

/// 31-bit SRTCP index, sent with every packet (RFC 3711 §3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SrtcpIndex(u32);

impl SrtcpIndex {
    /// The last index; after it the key is used up.
    pub const MAX: Self = Self(0x7fff_ffff);

    /// Takes the lower 31 bits of the word that carries E flag and index.
    #[must_use]
    pub const fn from_word(word: u32) -> Self {
        Self(word & Self::MAX.0)
    }

    /// The index as a number below 2^31.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// The index that a sequence number most likely stands for, given the highest index seen
/// (RFC 3711 Appendix A).
///
/// Of the three candidate rollover counters the one that puts the index closest to `highest` is
/// taken, with two exceptions that keep it between 0 and 2^32 - 1 where the pseudocode would wrap:
/// the counter before 0 is taken as 0 (so a first jump of more than 2^15 is a jump ahead), and the
/// counter after 2^32 - 1 is taken as 2^32 - 1 (so a used-up source repeats an old index, which a
/// window refuses).
///
/// ```
/// # use agw_rtp::SequenceNumber;
/// # use agw_srtp::{PacketIndex, estimate_index};
/// let before_the_wrap = PacketIndex::new(4, 0xFFFE);
/// assert_eq!(estimate_index(before_the_wrap, SequenceNumber(1)), PacketIndex::new(5, 1));
/// let after_the_wrap = PacketIndex::new(5, 1);
/// assert_eq!(estimate_index(after_the_wrap, SequenceNumber(0xFFFF)), PacketIndex::new(4, 0xFFFF));
/// ```
#[must_use]
pub const fn estimate_index(highest: PacketIndex, sequence: SequenceNumber) -> PacketIndex {
    const HALF: i32 = 0x8000;
    //= tests/spec/srtp.md#packet-index
    //# The estimated rollover counter MUST be the one of the three candidates that brings the index
    //# nearest to the highest authenticated one.
    let ahead = sequence.0 as i32 - highest.sequence().0 as i32;
    let roc = highest.roc();
    let roc = if ahead > HALF {
        //= tests/spec/srtp.md#packet-index
        //# The rollover counter MUST NOT go below 0.
        roc.saturating_sub(1)
    } else if ahead < -HALF {
        roc.saturating_add(1)
    } else {
        roc
    };
    PacketIndex::new(roc, sequence.0)
}
