//! Plain RTP and RTCP packets of every shape.

use agw_rtp::Ssrc;

/// What an RTP packet is made of beside source and sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shape {
    /// Contributing sources, 0 to 15.
    pub csrcs: u8,
    /// 32-bit words of the header extension, if there is one.
    pub extension_words: Option<u8>,
    /// Octets of payload.
    pub payload: u8,
    /// Octets of padding, the count included; 0 is none.
    pub padding: u8,
}

/// An RTP packet.
#[must_use]
pub fn rtp(ssrc: Ssrc, sequence: u16, shape: Shape) -> Vec<u8> {
    let Shape { csrcs, extension_words, payload, padding } = shape;
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    let first =
        0x80 | flag(padding > 0, 0x20) | flag(extension_words.is_some(), 0x10) | (csrcs & 0xf);
    let mut packet = vec![first, 0x80 | 96];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 160).to_be_bytes());
    packet.extend(ssrc.0.to_be_bytes());
    packet.extend((0..csrcs & 0xf).flat_map(|n| [0xc5, 0x2c, 0, n]));
    if let Some(words) = extension_words {
        packet.extend([0xbe, 0xde, 0, words]);
        packet.extend(std::iter::repeat_n([0x10, 0xff, 0, 0], usize::from(words)).flatten());
    }
    packet.extend((0..payload).map(|n| n ^ sequence as u8));
    if let Some(zeros) = padding.checked_sub(1) {
        packet.extend(std::iter::repeat_n(0, usize::from(zeros)));
        packet.push(padding);
    }
    packet
}

/// An RTCP packet of a type (201 receiver report, 206 feedback) with words after the sender.
#[must_use]
pub fn rtcp(ssrc: Ssrc, packet_type: u8, words: u8) -> Vec<u8> {
    let mut packet = vec![0x80, packet_type, 0, 1 + words];
    packet.extend(ssrc.0.to_be_bytes());
    packet.extend((0..words).flat_map(|n| [n, 0xaa, packet_type, !n]));
    packet
}
