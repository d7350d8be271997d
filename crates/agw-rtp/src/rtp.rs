//! The RTP header and packet (RFC 3550 §5.1, §5.3.1).

use crate::{ParseError, SequenceNumber, Ssrc};

const FIXED: usize = 12;

/// The RTP header of a packet, plain or protected.
///
/// Everything up to [`RtpHeader::len`] is in the clear under SRTP: fixed header, CSRC list and
/// header extension (RFC 3711 §3.1). The padding count is in the encrypted part, so it is not
/// looked at here; [`RtpPacket::parse`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtpHeader {
    len: usize,
    padded: bool,
    marker: bool,
    payload_type: u8,
    csrc_count: u8,
    extension: Option<(u16, u16)>,
    sequence: SequenceNumber,
    timestamp: u32,
    ssrc: Ssrc,
}

impl RtpHeader {
    //= tests/spec/srtp.md#order-of-checks
    //# Any octets of any length MUST be answered without a panic.
    /// Reads the header at the start of `packet`.
    ///
    /// # Errors
    /// [`ParseError::Truncated`] if the fixed header, the CSRC list or the header extension does
    /// not fit `packet`; [`ParseError::Version`] if the version is not 2.
    pub fn parse(packet: &[u8]) -> Result<Self, ParseError> {
        let (fixed, rest) = packet.split_first_chunk::<FIXED>().ok_or(ParseError::Truncated)?;
        let [b0, b1, s0, s1, t0, t1, t2, t3, r0, r1, r2, r3] = *fixed;
        if b0 >> 6 != 2 {
            return Err(ParseError::Version);
        }
        let csrc_count = b0 & 0x0f;
        let csrc_octets = usize::from(csrc_count) * 4;
        let after_csrc = rest.get(csrc_octets..).ok_or(ParseError::Truncated)?;
        let (extension, extension_octets) = if b0 & 0x10 == 0 {
            (None, 0)
        } else {
            let (head, words) = after_csrc.split_first_chunk::<4>().ok_or(ParseError::Truncated)?;
            let [p0, p1, l0, l1] = *head;
            let words_count = u16::from_be_bytes([l0, l1]);
            let octets = usize::from(words_count) * 4;
            if words.len() < octets {
                return Err(ParseError::Truncated);
            }
            (Some((u16::from_be_bytes([p0, p1]), words_count)), 4 + octets)
        };
        Ok(Self {
            len: FIXED + csrc_octets + extension_octets,
            padded: b0 & 0x20 != 0,
            marker: b1 & 0x80 != 0,
            payload_type: b1 & 0x7f,
            csrc_count,
            extension,
            sequence: SequenceNumber(u16::from_be_bytes([s0, s1])),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: Ssrc(u32::from_be_bytes([r0, r1, r2, r3])),
        })
    }

    /// Octets of fixed header, CSRC list and header extension: the offset of the payload.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a header is never empty")]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether the padding bit is set.
    #[must_use]
    pub const fn is_padded(&self) -> bool {
        self.padded
    }

    /// The marker bit.
    #[must_use]
    pub const fn marker(&self) -> bool {
        self.marker
    }

    /// The payload type, 0 to 127.
    #[must_use]
    pub const fn payload_type(&self) -> u8 {
        self.payload_type
    }

    /// The number of contributing sources, 0 to 15.
    #[must_use]
    pub const fn csrc_count(&self) -> u8 {
        self.csrc_count
    }

    /// The "defined by profile" field of the header extension and its length in 32-bit words.
    #[must_use]
    pub const fn extension(&self) -> Option<(u16, u16)> {
        self.extension
    }

    /// The sequence number.
    #[must_use]
    pub const fn sequence(&self) -> SequenceNumber {
        self.sequence
    }

    /// The RTP timestamp, in units of the payload's clock rate.
    #[must_use]
    pub const fn timestamp(&self) -> u32 {
        self.timestamp
    }

    /// The synchronisation source.
    #[must_use]
    pub const fn ssrc(&self) -> Ssrc {
        self.ssrc
    }
}

/// A plain RTP packet: header, payload and padding told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtpPacket<'a> {
    header: RtpHeader,
    header_octets: &'a [u8],
    payload: &'a [u8],
    padding: &'a [u8],
}

impl<'a> RtpPacket<'a> {
    /// Reads a whole plain RTP packet.
    ///
    /// # Errors
    /// As [`RtpHeader::parse`]; [`ParseError::Padding`] if the padding bit is set and the last
    /// octet is zero or counts more than what follows the header.
    pub fn parse(packet: &'a [u8]) -> Result<Self, ParseError> {
        let header = RtpHeader::parse(packet)?;
        let (header_octets, body) =
            packet.split_at_checked(header.len).ok_or(ParseError::Truncated)?;
        let padding = match (header.padded, body.last()) {
            (false, _) => 0,
            (true, Some(&count)) if count > 0 => usize::from(count),
            (true, _) => return Err(ParseError::Padding),
        };
        let payload_octets = body.len().checked_sub(padding).ok_or(ParseError::Padding)?;
        let (payload, padding) =
            body.split_at_checked(payload_octets).ok_or(ParseError::Padding)?;
        Ok(Self { header, header_octets, payload, padding })
    }

    /// The header's fields.
    #[must_use]
    pub const fn header(&self) -> &RtpHeader {
        &self.header
    }

    /// The header's octets, with CSRC list and header extension.
    #[must_use]
    pub const fn header_octets(&self) -> &'a [u8] {
        self.header_octets
    }

    /// The payload without padding; may be empty (keep-alives, TS 24.229 K.5.2.1).
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The padding, its count octet included.
    #[must_use]
    pub const fn padding(&self) -> &'a [u8] {
        self.padding
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAIN: [u8; 14] = [0x80, 0x88, 0x12, 0x34, 0, 0, 0, 160, 0xde, 0xad, 0xbe, 0xef, 1, 2];

    #[test]
    fn reads_the_fields_of_a_fixed_header() {
        let packet = RtpPacket::parse(&PLAIN).unwrap();
        assert!(packet.header().marker());
        assert_eq!(packet.header().payload_type(), 8);
        assert_eq!(packet.header().sequence(), SequenceNumber(0x1234));
        assert_eq!(packet.header().timestamp(), 160);
        assert_eq!(packet.header().ssrc(), Ssrc(0xdead_beef));
        assert_eq!(packet.payload(), [1, 2]);
    }

    #[test]
    fn csrc_list_and_extension_belong_to_the_header() {
        let mut packet = [0u8; 12 + 8 + 4 + 4 + 3];
        packet[0] = 0x80 | 0x10 | 2;
        packet[20..24].copy_from_slice(&[0xbe, 0xde, 0, 1]);
        let header = RtpHeader::parse(&packet).unwrap();
        assert_eq!(header.len(), 28);
        assert_eq!(header.csrc_count(), 2);
        assert_eq!(header.extension(), Some((0xbede, 1)));
    }

    #[test]
    fn refuses_what_is_cut_off_and_other_versions() {
        for len in 0..12 {
            assert_eq!(RtpHeader::parse(&PLAIN[..len]), Err(ParseError::Truncated));
        }
        let mut csrc_missing = PLAIN;
        csrc_missing[0] = 0x81;
        assert_eq!(RtpHeader::parse(&csrc_missing), Err(ParseError::Truncated));
        let mut version_1 = PLAIN;
        version_1[0] = 0x40;
        assert_eq!(RtpHeader::parse(&version_1), Err(ParseError::Version));
    }

    #[test]
    fn padding_is_between_one_and_the_whole_body() {
        let mut packet = PLAIN;
        packet[0] |= 0x20;
        packet[13] = 2;
        assert_eq!(RtpPacket::parse(&packet).unwrap().payload(), []);
        for wrong in [0, 3, 255] {
            packet[13] = wrong;
            assert_eq!(RtpPacket::parse(&packet), Err(ParseError::Padding));
        }
    }

    proptest! {
        //= tests/spec/srtp.md#order-of-checks
        //= type=test
        //# Any octets of any length MUST be answered without a panic.
        #[test]
        fn any_octets_parse_or_fail_and_the_parts_are_the_whole(octets: Vec<u8>) {
            if let Ok(packet) = RtpPacket::parse(&octets) {
                let joined = [packet.header_octets(), packet.payload(), packet.padding()].concat();
                prop_assert_eq!(joined, octets);
            }
        }
    }
}
