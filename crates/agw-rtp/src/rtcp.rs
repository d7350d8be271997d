//! RTCP packets and compounds (RFC 3550 §6), reduced-size ones too (RFC 5506).

use crate::{ParseError, Ssrc};

const HEADER: usize = 4;

//= tests/spec/srtp.md#packet-forms
//# An SRTCP packet MUST be protected and opened whatever its first packet type is.
/// The first eight octets of an RTCP datagram: common header and sender.
///
/// They stay in the clear under SRTCP (RFC 3711 §3.4). Any packet type may come first, because a
/// reduced-size packet need not start with a report (RFC 5506 §3.4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtcpHeader {
    packet_type: u8,
    ssrc: Ssrc,
}

impl RtcpHeader {
    /// Octets that SRTCP leaves unencrypted.
    pub const LEN: usize = 8;

    /// Reads the first eight octets of `datagram`.
    ///
    /// # Errors
    /// [`ParseError::Truncated`] under eight octets; [`ParseError::Version`] if not version 2.
    pub fn parse(datagram: &[u8]) -> Result<Self, ParseError> {
        let (fixed, _) =
            datagram.split_first_chunk::<{ Self::LEN }>().ok_or(ParseError::Truncated)?;
        let [b0, packet_type, _, _, r0, r1, r2, r3] = *fixed;
        if b0 >> 6 != 2 {
            return Err(ParseError::Version);
        }
        Ok(Self { packet_type, ssrc: Ssrc(u32::from_be_bytes([r0, r1, r2, r3])) })
    }

    /// The packet type of the first packet, 192 to 223 in practice.
    #[must_use]
    pub const fn packet_type(&self) -> u8 {
        self.packet_type
    }

    /// The sender of the first packet.
    #[must_use]
    pub const fn ssrc(&self) -> Ssrc {
        self.ssrc
    }
}

/// One RTCP packet of a plain compound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtcpPacket<'a> {
    count: u8,
    packet_type: u8,
    body: &'a [u8],
}

impl<'a> RtcpPacket<'a> {
    /// The five-bit count, subtype or format field.
    #[must_use]
    pub const fn count(&self) -> u8 {
        self.count
    }

    /// The packet type: 200 sender report, 201 receiver report, 202 SDES, 203 BYE, 204 APP, 205
    /// and 206 feedback, 207 extended report.
    #[must_use]
    pub const fn packet_type(&self) -> u8 {
        self.packet_type
    }

    /// What follows the four-octet common header, padding included.
    #[must_use]
    pub const fn body(&self) -> &'a [u8] {
        self.body
    }
}

/// Iterates over the packets of a plain RTCP datagram, ending after the first error.
#[derive(Debug, Clone)]
pub struct CompoundRtcp<'a> {
    rest: &'a [u8],
}

impl<'a> CompoundRtcp<'a> {
    /// Starts at the first packet of `datagram`.
    #[must_use]
    pub const fn new(datagram: &'a [u8]) -> Self {
        Self { rest: datagram }
    }
}

impl<'a> Iterator for CompoundRtcp<'a> {
    type Item = Result<RtcpPacket<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let parsed = split_packet(self.rest);
        self.rest = parsed.map_or(&[], |(_, rest)| rest);
        Some(parsed.map(|(packet, _)| packet))
    }
}

fn split_packet(octets: &[u8]) -> Result<(RtcpPacket<'_>, &[u8]), ParseError> {
    let (head, rest) = octets.split_first_chunk::<HEADER>().ok_or(ParseError::Truncated)?;
    let [b0, packet_type, l0, l1] = *head;
    if b0 >> 6 != 2 {
        return Err(ParseError::Version);
    }
    let body_octets = usize::from(u16::from_be_bytes([l0, l1])) * 4;
    let (body, rest) = rest.split_at_checked(body_octets).ok_or(ParseError::Truncated)?;
    Ok((RtcpPacket { count: b0 & 0x1f, packet_type, body }, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COMPOUND: [u8; 16] = [0x80, 201, 0, 1, 0, 0, 0, 7, 0x81, 203, 0, 1, 0, 0, 0, 7];

    #[test]
    fn walks_a_compound() {
        let mut packets = CompoundRtcp::new(&COMPOUND);
        assert_eq!(packets.next().unwrap().unwrap().packet_type(), 201);
        let bye = packets.next().unwrap().unwrap();
        assert_eq!((bye.packet_type(), bye.count(), bye.body()), (203, 1, &[0, 0, 0, 7][..]));
        assert_eq!(packets.next(), None);
    }

    #[test]
    fn a_length_beyond_the_datagram_ends_the_walk() {
        let mut packets = CompoundRtcp::new(&COMPOUND[..14]);
        assert!(packets.next().unwrap().is_ok());
        assert_eq!(packets.next(), Some(Err(ParseError::Truncated)));
        assert_eq!(packets.next(), None);
    }

    #[test]
    fn a_reduced_size_packet_has_a_header() {
        let feedback = [0x81, 206, 0, 1, 0, 0, 0, 9];
        let header = RtcpHeader::parse(&feedback).unwrap();
        assert_eq!((header.packet_type(), header.ssrc()), (206, Ssrc(9)));
        assert_eq!(RtcpHeader::parse(&feedback[..7]), Err(ParseError::Truncated));
    }

    proptest! {
        #[test]
        fn any_octets_walk_to_an_end(octets: Vec<u8>) {
            let packets = CompoundRtcp::new(&octets);
            let covered: usize = packets
                .map(|packet| packet.map_or(0, |packet| HEADER + packet.body().len()))
                .sum();
            prop_assert!(covered <= octets.len());
        }
    }
}
