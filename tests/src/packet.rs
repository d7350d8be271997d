//! RTP and RTCP packets, built octet by octet (RFC 3550).

/// An RTP packet with a payload that is different for every number.
#[must_use]
pub fn rtp(ssrc: u32, sequence: u16, number: u64) -> Vec<u8> {
    let mut packet = vec![0x80, 8];
    packet.extend(sequence.to_be_bytes());
    packet.extend(u32::from(sequence).wrapping_mul(160).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload(number));
    packet
}

/// The packet at a packet index: its sequence number is the lower half.
#[must_use]
pub fn rtp_at(ssrc: u32, index: u64) -> Vec<u8> {
    rtp(ssrc, u16::try_from(index & 0xFFFF).unwrap_or_default(), index)
}

/// A compound RTCP packet: an empty receiver report with a source description.
#[must_use]
pub fn rtcp(ssrc: u32, number: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0x81, 202, 0, 4]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend([1, 9]);
    packet.extend(format!("{number:09}").as_bytes());
    packet.push(0);
    packet
}

/// 160 octets that look random and are the same for the same number.
fn payload(number: u64) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5851_F42D_4C95_7F2D;
    let mut octets = Vec::with_capacity(160);
    for _ in 0..20 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        octets.extend(state.to_be_bytes());
    }
    octets
}
