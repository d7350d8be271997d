//! The Internet checksum (RFC 1071).

/// A ones' complement sum on its way.
///
/// Words are added in the machine's own byte order, four octets at a time: the sum comes out with
/// its octets in the order of the wire all the same (RFC 1071 section 2, part B). 64 bits take
/// the carries of 16 GB.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Sum(u64);

impl Sum {
    /// Adds octets. All but the last part of a sum must be of even length; an odd one is padded.
    pub(super) fn add(self, octets: &[u8]) -> Self {
        let (words, rest) = octets.as_chunks::<4>();
        let sum: u64 = words.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).sum();
        let mut last = [0; 4];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        Self(self.0 + sum + u64::from(u32::from_ne_bytes(last)))
    }

    /// The complement of the sum: the two octets of a checksum field.
    pub(super) fn checksum(self) -> [u8; 2] {
        let mut sum = self.0;
        while sum > 0xFFFF {
            sum = (sum >> 16) + (sum & 0xFFFF);
        }
        // Folded: the upper bits are zero.
        (!(sum as u16)).to_ne_bytes()
    }

    /// Whether a header that was added with its checksum is whole.
    pub(super) fn is_whole(self) -> bool {
        self.checksum() == [0, 0]
    }
}
