//! The packets that go through: every octet follows from direction, call and number.

use std::sync::OnceLock;

use rand::Rng;

/// Which way a packet goes through the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Direction {
    /// From the access side to the core side: opened by the gateway.
    Up,
    /// From the core side to the access side: sealed by the gateway.
    Down,
}

impl Direction {
    /// Both.
    pub(crate) const BOTH: [Self; 2] = [Self::Up, Self::Down];

    /// The one by its place in [`Direction::BOTH`].
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Up => 0,
            Self::Down => 1,
        }
    }
}

/// Octets of the RTP header.
pub(crate) const RTP_HEADER: usize = 12;
/// Octets of an RTCP packet: a sender report without blocks, and a canonical name.
pub(crate) const RTCP: usize = 28 + 20;

/// Payloads are windows into this much noise.
const NOISE: usize = 1 << 16;
/// The longest payload.
pub(crate) const LONGEST_PAYLOAD: usize = 1_400;

/// The form of a stream's packets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Form {
    /// Octets of payload.
    pub(crate) payload: usize,
    /// Payload type.
    pub(crate) payload_type: u8,
    /// How far the timestamp moves from packet to packet.
    pub(crate) timestamp_step: u32,
}

impl Form {
    /// Octets of a plain packet.
    pub(crate) const fn octets(&self) -> usize {
        RTP_HEADER + self.payload
    }

    /// Writes a packet; `buffer` is at least [`Form::octets`] long.
    pub(crate) fn write(&self, id: PacketId, buffer: &mut [u8]) {
        let [s0, s1] = id.sequence().to_be_bytes();
        let [t0, t1, t2, t3] = id.number.wrapping_mul(self.timestamp_step).to_be_bytes();
        let [r0, r1, r2, r3] = ssrc(id.direction, id.call).to_be_bytes();
        let header = [0x80, self.payload_type, s0, s1, t0, t1, t2, t3, r0, r1, r2, r3];
        let Some((front, rest)) = buffer.split_first_chunk_mut() else { return };
        *front = header;
        let start = id.noise_offset();
        let noise = noise().get(start..start + self.payload);
        if let (Some(payload), Some(noise)) = (rest.get_mut(..self.payload), noise) {
            payload.copy_from_slice(noise);
        }
    }
}

/// A packet's place in the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PacketId {
    /// Which way it goes.
    pub(crate) direction: Direction,
    /// Its call.
    pub(crate) call: u32,
    /// Its number within the call and direction, from 0.
    pub(crate) number: u32,
}

impl PacketId {
    /// Its sequence number.
    pub(crate) const fn sequence(self) -> u16 {
        first_sequence(self.call).wrapping_add(self.number as u16)
    }

    const fn noise_offset(self) -> usize {
        let mixed = self
            .call
            .wrapping_mul(0x9e37_79b1)
            .wrapping_add(self.number.wrapping_mul(0x85eb_ca6b))
            .wrapping_add(self.direction.index() as u32 * 0x27d4_eb2f);
        (mixed >> 16) as usize % NOISE
    }
}

/// The sequence number of a call's first packet, in the lower half as RFC 3711 §3.3.1 advises.
pub(crate) const fn first_sequence(call: u32) -> u16 {
    (call.wrapping_mul(31) & 0x3fff) as u16
}

/// The source of a call in a direction; all differ.
pub(crate) const fn ssrc(direction: Direction, call: u32) -> u32 {
    match direction {
        Direction::Up => 0x1000_0000 | call,
        Direction::Down => 0x2000_0000 | call,
    }
}

/// Writes an RTCP packet whose number within its call is `id.number`.
pub(crate) fn write_rtcp(id: PacketId, buffer: &mut [u8; RTCP]) {
    let source = ssrc(id.direction, id.call).to_be_bytes();
    let number = id.number.to_be_bytes();
    let report: [[u8; 4]; 7] = [[0x80, 200, 0, 6], source, [0; 4], [0; 4], [0; 4], number, [0; 4]];
    let name: [[u8; 4]; 5] = [[0x81, 202, 0, 4], source, *b"\x01\x08ag", *b"w-lo", *b"ad\0\0"];
    for (to, from) in buffer.iter_mut().zip(report.iter().chain(&name).flatten()) {
        *to = *from;
    }
}

fn noise() -> &'static [u8] {
    static NOISE_OCTETS: OnceLock<Vec<u8>> = OnceLock::new();
    NOISE_OCTETS.get_or_init(|| {
        let mut octets = vec![0; NOISE + LONGEST_PAYLOAD];
        rand::rng().fill_bytes(&mut octets);
        octets
    })
}

#[cfg(test)]
mod tests {
    use agw_rtp::{CompoundRtcp, PacketKind, RtcpHeader, RtpPacket, classify};

    use super::*;

    const VOICE: Form = Form { payload: 160, payload_type: 8, timestamp_step: 160 };

    #[test]
    fn a_packet_is_rtp_and_no_two_packets_have_the_same_octets() {
        let mut seen = std::collections::BTreeSet::new();
        for direction in Direction::BOTH {
            for (call, number) in [(0, 0), (0, 1), (1, 0), (9_999, 70_000)] {
                let id = PacketId { direction, call, number };
                let mut buffer = vec![0; VOICE.octets()];
                VOICE.write(id, &mut buffer);
                let packet = RtpPacket::parse(&buffer).unwrap();
                assert_eq!(packet.header().ssrc().0, ssrc(direction, call));
                assert_eq!(packet.header().sequence().0, id.sequence());
                assert_eq!(packet.payload().len(), 160);
                assert!(packet.payload().iter().any(|&octet| octet != 0));
                assert!(seen.insert(packet.payload().to_vec()));
            }
        }
    }

    #[test]
    fn an_rtcp_packet_is_a_whole_compound() {
        let mut buffer = [0; RTCP];
        write_rtcp(PacketId { direction: Direction::Down, call: 3, number: 4 }, &mut buffer);
        assert_eq!(classify(&buffer), PacketKind::Rtcp);
        let header = RtcpHeader::parse(&buffer).unwrap();
        assert_eq!(header.ssrc().0, ssrc(Direction::Down, 3));
        let types: Vec<u8> =
            CompoundRtcp::new(&buffer).map(|packet| packet.unwrap().packet_type()).collect();
        assert_eq!(types, [200, 202]);
    }
}
