//! Sender information and report blocks of RTCP (RFC 3550 §6.4).

use crate::{RtcpPacket, Ssrc};

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SENDER_INFORMATION: usize = 20;
const BLOCK: usize = 24;

/// What a sender says of its own stream (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderInformation {
    /// The sender.
    pub ssrc: Ssrc,
    /// Its wall clock in seconds since 1900, 32 bits before the point and 32 behind.
    pub ntp: u64,
    /// The same moment in units of the media's clock.
    pub rtp: u32,
}

impl SenderInformation {
    /// The middle of the NTP time, by which a receiver names this report (RFC 3550 §6.4.1, LSR).
    #[must_use]
    pub const fn middle(&self) -> u32 {
        (self.ntp >> 16) as u32
    }
}

/// What a receiver says of one stream (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportBlock {
    /// The stream that it is about.
    pub ssrc: Ssrc,
    /// The share lost since its last report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since it began to listen; negative where duplicates outnumber losses.
    pub lost: i32,
    /// The highest sequence number received, extended by its cycles.
    pub highest_sequence: u32,
    /// Interarrival jitter in units of the media's clock.
    pub jitter: u32,
    /// The middle of the last sender report's NTP time; 0 if there was none.
    pub last_sender_report: u32,
    /// How long ago that was, in 1/65,536 s.
    pub delay: u32,
}

impl<'a> RtcpPacket<'a> {
    /// What a sender report says of its sender; `None` for other packets.
    #[must_use]
    pub fn sender_information(&self) -> Option<SenderInformation> {
        let (ssrc, rest) = self.body().split_first_chunk::<4>()?;
        let information = rest.first_chunk::<SENDER_INFORMATION>()?;
        let (ntp, rest) = information.split_first_chunk::<8>()?;
        (self.packet_type() == SENDER_REPORT).then_some(SenderInformation {
            ssrc: Ssrc(u32::from_be_bytes(*ssrc)),
            ntp: u64::from_be_bytes(*ntp),
            rtp: u32::from_be_bytes(*rest.first_chunk()?),
        })
    }

    /// The report blocks of a sender or receiver report; none for other packets.
    pub fn report_blocks(&self) -> impl Iterator<Item = ReportBlock> + use<'a> {
        let before = match self.packet_type() {
            SENDER_REPORT => Some(4 + SENDER_INFORMATION),
            RECEIVER_REPORT => Some(4),
            _ => None,
        };
        let blocks = before.and_then(|before| self.body().get(before..)).unwrap_or_default();
        blocks.chunks_exact(BLOCK).take(usize::from(self.count())).filter_map(block)
    }
}

fn block(octets: &[u8]) -> Option<ReportBlock> {
    let word = |number: usize| {
        let octets = octets.get(number * 4..)?.first_chunk::<4>()?;
        Some(u32::from_be_bytes(*octets))
    };
    let loss = word(1)?;
    let [fraction_lost, ..] = loss.to_be_bytes();
    Some(ReportBlock {
        ssrc: Ssrc(word(0)?),
        fraction_lost,
        // 24 bits with their sign.
        lost: (loss << 8).cast_signed() >> 8,
        highest_sequence: word(2)?,
        jitter: word(3)?,
        last_sender_report: word(4)?,
        delay: word(5)?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::CompoundRtcp;

    use super::*;

    /// A sender report with one block, as tshark reads it: fraction 64/256, lost -2, jitter 320.
    const REPORT: &str = "81c8000c 11223344 e2b1c0de80000000 00001f40 00000064 00003e80 \
                          55667788 40fffffe 00010203 00000140 c0de8000 00008000";

    fn octets(text: &str) -> Vec<u8> {
        let digits: String = text.split_whitespace().collect();
        let pairs = digits.as_bytes().chunks(2);
        pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    #[test]
    fn a_sender_report_tells_of_its_sender_and_of_whom_it_hears() {
        let octets = octets(REPORT);
        let packet = CompoundRtcp::new(&octets).next().unwrap().unwrap();
        let sender = packet.sender_information().unwrap();
        assert_eq!((sender.ssrc, sender.rtp), (Ssrc(0x1122_3344), 8000));
        assert_eq!(sender.middle(), 0xc0de_8000);
        let blocks: Vec<_> = packet.report_blocks().collect();
        let [block] = blocks.as_slice() else { panic!("{blocks:?}") };
        assert_eq!((block.ssrc, block.fraction_lost, block.lost), (Ssrc(0x5566_7788), 64, -2));
        assert_eq!((block.highest_sequence, block.jitter), (0x0001_0203, 320));
        assert_eq!((block.last_sender_report, block.delay), (0xc0de_8000, 0x8000));
    }

    #[test]
    fn a_source_description_has_neither() {
        let octets = octets("81ca0002 11223344 01024142");
        let packet = CompoundRtcp::new(&octets).next().unwrap().unwrap();
        assert_eq!(packet.sender_information(), None);
        assert_eq!(packet.report_blocks().count(), 0);
    }

    proptest! {
        #[test]
        fn no_octets_make_more_blocks_than_there_is_room_for(
            octets in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            for packet in CompoundRtcp::new(&octets).map_while(Result::ok) {
                prop_assert!(packet.report_blocks().count() * BLOCK <= packet.body().len());
                let _ = packet.sender_information();
            }
        }
    }
}
