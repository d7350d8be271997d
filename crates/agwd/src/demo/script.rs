//! What one side of the call sends: every packet is known before the first one leaves, so the
//! other side can tell whether it got exactly that.

use super::alaw;
use super::speech::Voice;

/// Samples of a packet: 20 ms, one octet each.
pub(super) const FRAME: usize = 160;
/// Packets in a second.
pub(super) const PACKETS_PER_SECOND: u64 = 50;
/// Octets of an RTP packet.
pub(super) const RTP_OCTETS: usize = 12 + FRAME;
/// Octets of an RTCP compound: sender report, source description.
pub(super) const RTCP_OCTETS: usize = 28 + 20;
/// The packet after which, within each second, a report goes out.
pub(super) const REPORT_AFTER: u64 = 25;
/// PCMA (RFC 3551 §6).
const PAYLOAD_TYPE: u8 = 8;
/// Seconds between 1900 and 1970.
const NTP_UNIX: u64 = 2_208_988_800;

/// What one side of the call sends.
pub(super) struct Script {
    ssrc: u32,
    first_sequence: u16,
    first_timestamp: u32,
    /// Seconds of the first report since 1900.
    first_report: u32,
    packets: u64,
    octets: Vec<u8>,
}

/// What must be new in every call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identity {
    pub(super) ssrc: u32,
    pub(super) first_timestamp: u32,
    /// Seconds since 1970.
    pub(super) wall_clock: u64,
}

impl Script {
    /// So many seconds of a voice. The sequence number wraps half way.
    pub(super) fn new(voice: Voice, seconds: u64, identity: Identity) -> Self {
        let packets = seconds * PACKETS_PER_SECOND;
        let samples = usize::try_from(packets).unwrap_or(usize::MAX).saturating_mul(FRAME);
        let [.., s0, s1] = (packets / 2).to_be_bytes();
        let [.., r0, r1, r2, r3] = (identity.wall_clock + NTP_UNIX).to_be_bytes();
        Self {
            ssrc: identity.ssrc,
            first_sequence: 0_u16.wrapping_sub(u16::from_be_bytes([s0, s1])),
            first_timestamp: identity.first_timestamp,
            first_report: u32::from_be_bytes([r0, r1, r2, r3]),
            packets,
            octets: voice.speak(samples).into_iter().map(alaw::encode).collect(),
        }
    }

    /// How many packets there are.
    pub(super) const fn packets(&self) -> u64 {
        self.packets
    }

    /// How many reports there are.
    pub(super) const fn reports(&self) -> u64 {
        self.packets / PACKETS_PER_SECOND
    }

    /// The audio, in A-law.
    pub(super) fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// The RTP packet of this number, counted from 0; after the last one the audio starts anew.
    pub(super) fn packet(&self, number: u64) -> Vec<u8> {
        let marker = if number == 0 { 0x80 } else { 0 };
        let mut packet = Vec::with_capacity(RTP_OCTETS);
        packet.extend([0x80, marker | PAYLOAD_TYPE]);
        packet.extend(self.first_sequence.wrapping_add(low_16(number)).to_be_bytes());
        packet.extend(self.timestamp(number * FRAME as u64).to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        packet.extend(self.octets.chunks(FRAME).nth(self.place(number)).unwrap_or_default());
        packet
    }

    /// Which packet this one claims to be.
    pub(super) fn number(&self, packet: &[u8]) -> Option<u64> {
        let sequence = packet.get(2..4)?.first_chunk()?;
        let number = u16::from_be_bytes(*sequence).wrapping_sub(self.first_sequence);
        Some(u64::from(number)).filter(|number| *number < self.packets)
    }

    /// The sender report of this number, counted from 0, with a source description (RFC 3550 §6).
    pub(super) fn report(&self, number: u64) -> Vec<u8> {
        let sent = number * PACKETS_PER_SECOND + REPORT_AFTER + 1;
        let mut compound = Vec::with_capacity(RTCP_OCTETS);
        compound.extend([0x80, 200, 0, 6]);
        compound.extend(self.ssrc.to_be_bytes());
        compound.extend(self.first_report.wrapping_add(low_32(number)).to_be_bytes());
        compound.extend([0x80, 0, 0, 0]);
        compound.extend(self.timestamp(sent * FRAME as u64).to_be_bytes());
        compound.extend(low_32(sent).to_be_bytes());
        compound.extend(low_32(sent * FRAME as u64).to_be_bytes());
        compound.extend([0x81, 202, 0, 4]);
        compound.extend(self.ssrc.to_be_bytes());
        compound.extend(*b"\x01\x08agw-demo\0\0");
        compound
    }

    /// Which report this one claims to be.
    pub(super) fn report_number(&self, compound: &[u8]) -> Option<u64> {
        let seconds = compound.get(8..12)?.first_chunk()?;
        let number = u32::from_be_bytes(*seconds).wrapping_sub(self.first_report);
        Some(u64::from(number)).filter(|number| *number < self.reports())
    }

    fn timestamp(&self, samples: u64) -> u32 {
        self.first_timestamp.wrapping_add(low_32(samples))
    }

    fn place(&self, number: u64) -> usize {
        usize::try_from(number % self.packets.max(1)).unwrap_or_default()
    }
}

/// When, in milliseconds after the start, the packet of this number is due.
pub(super) const fn due_ms(number: u64) -> u64 {
    number * 1_000 / PACKETS_PER_SECOND
}

const fn low_16(number: u64) -> u16 {
    let [.., b0, b1] = number.to_be_bytes();
    u16::from_be_bytes([b0, b1])
}

const fn low_32(number: u64) -> u32 {
    let [.., b0, b1, b2, b3] = number.to_be_bytes();
    u32::from_be_bytes([b0, b1, b2, b3])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script() -> Script {
        let identity = Identity { ssrc: 0xdead_beef, first_timestamp: 7, wall_clock: 1_000 };
        Script::new(Voice::ACCESS, 2, identity)
    }

    #[test]
    fn every_packet_is_known_again_across_the_wrap_of_the_sequence_number() {
        let script = script();
        assert_eq!(script.packets(), 100);
        for number in 0..script.packets() {
            let packet = script.packet(number);
            assert_eq!(packet.len(), RTP_OCTETS);
            assert_eq!(script.number(&packet), Some(number));
        }
        assert_eq!(script.packet(50)[2..4], [0, 0]);
        assert_eq!(script.number(&script.packet(100)), None);
    }

    #[test]
    fn the_audio_starts_anew_under_the_next_sequence_number() {
        let script = script();
        assert_eq!(script.packet(100)[12..], script.packet(0)[12..]);
        assert_eq!(script.packet(100)[2..4], [0, 50]);
    }

    #[test]
    fn a_report_is_a_compound_of_two_packets_with_whole_words() {
        let script = script();
        let report = script.report(1);
        assert_eq!(report.len(), RTCP_OCTETS);
        assert_eq!(report[..4], [0x80, 200, 0, 6]);
        assert_eq!(report[28..32], [0x81, 202, 0, 4]);
        assert_eq!(report[20..24], 76_u32.to_be_bytes());
        assert_eq!((script.report_number(&report), script.reports()), (Some(1), 2));
        assert_eq!(script.report_number(&script.report(2)), None);
    }
}
