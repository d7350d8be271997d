//! A message to be hashed, as blocks.

use super::MacKey;

/// Octets of a block of SHA-1.
pub(super) const BLOCK_OCTETS: usize = 64;

/// The end of a message: a bit and the length, at least (FIPS 180-4 §5.1.1).
const PADDING_OCTETS: usize = 1 + 8;

/// Octets behind the packet that are authenticated with it.
const APPENDIX_OCTETS: usize = 4;

/// A packet, and the four octets behind it that the MAC covers as well (RFC 3711 §4.2).
pub(crate) struct Message<'a> {
    pub(crate) key: &'a MacKey,
    pub(crate) packet: &'a [u8],
    pub(crate) appendix: u32,
}

/// A message in blocks: the whole ones stay where they are, the padded end is made apart, because
/// behind the packet stands its tag.
pub(super) struct Blocks<'a> {
    whole: &'a [[u8; BLOCK_OCTETS]],
    end: [[u8; BLOCK_OCTETS]; 2],
    count: usize,
}

impl Message<'_> {
    /// Blocks of the inner hash, without that of the key.
    pub(super) fn block_count(&self) -> usize {
        (self.packet.len() + APPENDIX_OCTETS + PADDING_OCTETS).div_ceil(BLOCK_OCTETS)
    }

    /// Bits of the inner hash, with the key's block.
    pub(super) fn hashed_bits(&self) -> u64 {
        (BLOCK_OCTETS + self.packet.len() + APPENDIX_OCTETS) as u64 * 8
    }
}

impl<'a> Blocks<'a> {
    /// No blocks.
    pub(super) const NONE: Self = Self { whole: &[], end: [[0; BLOCK_OCTETS]; 2], count: 0 };

    pub(super) fn new(message: &Message<'a>) -> Self {
        let (whole, rest) = message.packet.as_chunks();
        let count = message.block_count();
        let mut end = [[0; BLOCK_OCTETS]; 2];
        let octets = end.as_flattened_mut();
        if let Some(place) = octets.get_mut(..rest.len()) {
            place.copy_from_slice(rest);
        }
        let behind = octets.get_mut(rest.len()..).unwrap_or_default();
        if let Some(place) = behind.first_chunk_mut() {
            *place = message.appendix.to_be_bytes();
        }
        if let Some(bit) = behind.get_mut(APPENDIX_OCTETS) {
            *bit = 0x80;
        }
        let end_octets = (count - whole.len()) * BLOCK_OCTETS;
        if let Some(length) = octets.get_mut(..end_octets).and_then(<[u8]>::last_chunk_mut) {
            *length = message.hashed_bits().to_be_bytes();
        }
        Self { whole, end, count }
    }

    /// Blocks in all.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The block at that place; any octets behind the last one.
    pub(super) fn at(&self, place: usize) -> &[u8; BLOCK_OCTETS] {
        let [first, second] = &self.end;
        match self.whole.get(place) {
            Some(block) => block,
            None if place == self.whole.len() => first,
            None => second,
        }
    }
}
