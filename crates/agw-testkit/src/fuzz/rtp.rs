//! `rtp_parse`, `rtcp_parse`: every octet of a datagram is accounted for, or it is refused.

use agw_rtp::{CompoundRtcp, PacketKind, ParseError, RtcpHeader, RtpHeader, RtpPacket, classify};

/// Parses octets as RTP, and puts what was parsed together again.
///
/// # Panics
/// If a field, an offset or a part is not what stands in the octets.
pub fn rtp_parse(data: &[u8]) {
    let parsed = RtpPacket::parse(data);
    let header = match RtpHeader::parse(data) {
        Ok(header) => header,
        Err(error) => {
            assert_eq!(parsed, Err(error));
            return;
        }
    };
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    let first = 0x80
        | flag(header.is_padded(), 0x20)
        | flag(header.extension().is_some(), 0x10)
        | header.csrc_count();
    let second = flag(header.marker(), 0x80) | header.payload_type();
    let mut fixed = vec![first, second];
    fixed.extend(header.sequence().0.to_be_bytes());
    fixed.extend(header.timestamp().to_be_bytes());
    fixed.extend(header.ssrc().0.to_be_bytes());
    assert_eq!(fixed, data[..12]);
    let mut len = 12 + usize::from(header.csrc_count()) * 4;
    if let Some((profile, words)) = header.extension() {
        assert_eq!(profile.to_be_bytes(), data[len..len + 2]);
        assert_eq!(words.to_be_bytes(), data[len + 2..len + 4]);
        len += 4 + usize::from(words) * 4;
    }
    assert_eq!(header.len(), len);
    let kind = if (192..224).contains(&second) { PacketKind::Rtcp } else { PacketKind::Rtp };
    assert_eq!(classify(data), kind);
    match parsed {
        Ok(packet) => {
            assert_eq!(*packet.header(), header);
            assert_eq!(packet.header_octets().len(), len);
            let parts = [packet.header_octets(), packet.payload(), packet.padding()];
            assert_eq!(parts.concat(), data);
            let told = packet.padding().last().map_or(0, |count| usize::from(*count));
            assert_eq!((packet.padding().len(), told > 0), (told, header.is_padded()));
        }
        Err(error) => assert_eq!((error, header.is_padded()), (ParseError::Padding, true)),
    }
}

/// Walks octets as RTCP, and puts what was walked together again.
///
/// # Panics
/// If a packet is not what stands in the octets, or the walk leaves some out without an error.
pub fn rtcp_parse(data: &[u8]) {
    if let Ok(header) = RtcpHeader::parse(data) {
        assert_eq!(header.packet_type(), data[1]);
        assert_eq!(header.ssrc().0.to_be_bytes(), data[4..8]);
    } else {
        assert!(data.len() < 8 || data[0] >> 6 != 2);
    }
    let mut walked: Vec<u8> = Vec::new();
    let mut packets = CompoundRtcp::new(data);
    while let Some(packet) = packets.next() {
        let Ok(packet) = packet else {
            let rest = &data[walked.len()..];
            let whole = |octets: &[u8]| {
                octets.len() / 4 > usize::from(u16::from_be_bytes([octets[2], octets[3]]))
            };
            assert!(rest.len() < 4 || rest[0] >> 6 != 2 || !whole(rest));
            assert_eq!(packets.next(), None, "the walk goes on after an error");
            return;
        };
        let at = walked.len();
        assert_eq!(packet.count(), data[at] & 0x1f);
        assert_eq!(packet.packet_type(), data[at + 1]);
        walked.extend(&data[at..at + 4]);
        walked.extend(packet.body());
    }
    assert_eq!(walked, data);
}
