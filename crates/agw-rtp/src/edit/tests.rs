use proptest::prelude::*;

use super::*;
use crate::CompoundRtcp;

/// One source becomes another, ten sequence numbers on; reports about others are taken out.
struct Rename {
    from: Ssrc,
    to: Ssrc,
    knows_the_sender: bool,
}

const HERE: Ssrc = Ssrc(0xA);
const THERE: Ssrc = Ssrc(0xB);

impl RtcpEdit for Rename {
    fn sender(&mut self, ssrc: Ssrc) -> Ssrc {
        if ssrc == self.from { self.to } else { ssrc }
    }

    fn sender_info(&mut self, _: Ssrc, info: SenderCounts) -> Option<SenderCounts> {
        let SenderCounts { timestamp, packets, octets } = info;
        let timestamp = timestamp.wrapping_add(1_600);
        self.knows_the_sender.then_some(SenderCounts { timestamp, packets, octets })
    }

    fn subject(&mut self, ssrc: Ssrc) -> Ssrc {
        if ssrc == self.from { self.to } else { ssrc }
    }

    fn report(&mut self, block: Reception) -> Option<Reception> {
        let highest = block.highest.wrapping_add(10);
        (block.ssrc == self.from).then_some(Reception { ssrc: self.to, highest, ..block })
    }

    fn sequence(&mut self, of: Ssrc, sequence: u16) -> Option<u16> {
        (of == self.from && sequence != 0xffff).then(|| sequence.wrapping_add(10))
    }

    fn leaving(&mut self, ssrc: Ssrc) -> Option<Ssrc> {
        (ssrc != self.from).then_some(ssrc)
    }
}

const RENAME: Rename = Rename { from: HERE, to: THERE, knows_the_sender: true };

/// A packet of words behind its header.
fn packet(count: u8, packet_type: u8, words: &[u32]) -> Vec<u8> {
    let mut octets = vec![0x80 | count, packet_type, 0, words.len() as u8];
    octets.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    octets
}

fn edited(mut datagram: Vec<u8>, mut edit: Rename) -> Result<Vec<u8>, ParseError> {
    let octets = edit_rtcp(&mut datagram, &mut edit)?;
    datagram.truncate(octets);
    Ok(datagram)
}

fn block(ssrc: u32, highest: u32) -> [u32; 6] {
    [ssrc, 0x0100_0002, highest, 77, 0x1234_5678, 99]
}

#[test]
fn a_sender_report_keeps_its_wall_clock_and_moves_its_timestamp() {
    let words = [&[0xA, 1, 2, 160, 5, 800][..], &block(0xA, 7), &block(0xC, 8)].concat();
    let expected = [&[0xB, 1, 2, 1_760, 5, 800][..], &block(0xB, 17)].concat();
    let report = packet(2, 200, &words);
    assert_eq!(edited(report, RENAME), Ok(packet(1, 200, &expected)));
}

#[test]
fn a_sender_report_of_an_unknown_sender_becomes_a_receiver_report() {
    let words = [&[0xA, 1, 2, 160, 5, 800][..], &block(0xA, 7)].concat();
    let expected = [&[0xB][..], &block(0xB, 17)].concat();
    let rename = Rename { knows_the_sender: false, ..RENAME };
    assert_eq!(edited(packet(1, 200, &words), rename), Ok(packet(1, 201, &expected)));
}

#[test]
fn what_a_compound_names_is_renamed_throughout() {
    // A CNAME of four letters.
    let [text, tail] = [*b"\x01\x04fo", *b"ur\0\0"].map(u32::from_be_bytes);
    let parts = |ssrc: u32| {
        [
            packet(1, 202, &[ssrc, text, tail]),
            packet(0, 204, &[ssrc, 0x4E41_4D45, 1]),
            packet(3, 205, &[ssrc, 0, ssrc, 5 << 8]),
            packet(1, 206, &[ssrc, ssrc]),
            packet(4, 206, &[ssrc, 0, ssrc, 7 << 24]),
            packet(15, 206, &[ssrc, 0, u32::from_be_bytes(*b"REMB"), 1 << 24 | 9, ssrc]),
            packet(0, 207, &[ssrc, 0x0700_0001, ssrc, 0x0500_0003, ssrc, 4, 5]),
            packet(0, 195, &[ssrc]),
        ]
    };
    let [mut from, mut to] = [parts(0xA), parts(0xB)];
    // What is not known stays.
    to[7] = from[7].clone();
    let [from, to] = [&mut from, &mut to].map(|parts| parts.concat());
    assert_eq!(edited(from, RENAME), Ok(to));
}

#[test]
fn a_goodbye_is_taken_out_wherever_it_stands() {
    let report = packet(0, 201, &[0xA]);
    let renamed = packet(0, 201, &[0xB]);
    let bye = packet(1, 203, &[0xA]);
    for compound in [[&report[..], &bye].concat(), [&bye[..], &report].concat()] {
        assert_eq!(edited(compound, RENAME), Ok(renamed.clone()));
    }
    assert_eq!(edited(bye, RENAME), Ok(Vec::new()));
    let of_two = packet(2, 203, &[0xC, 0xA]);
    assert_eq!(edited(of_two, RENAME), Ok(packet(1, 203, &[0xC])));
}

#[test]
fn lost_packets_are_asked_for_by_the_numbers_of_the_source() {
    let nack = packet(1, 205, &[0xC, 0xA, 65_530 << 16 | 5, 0xffff_0001, 3 << 16]);
    let expected = packet(1, 205, &[0xC, 0xB, 4 << 16 | 5, 13 << 16]);
    assert_eq!(edited(nack, RENAME), Ok(expected));
    let of_nothing_known = packet(1, 205, &[0xC, 0xA, 0xffff_0001]);
    assert_eq!(edited(of_nothing_known, RENAME), Ok(Vec::new()));
}

#[test]
fn ranges_of_extended_reports_move_with_the_source() {
    let report = packet(0, 207, &[0xA, 0x0100_0002, 0xA, 1 << 16 | 5, 0x0400_0002, 1, 2]);
    let expected = packet(0, 207, &[0xB, 0x0100_0002, 0xB, 11 << 16 | 15, 0x0400_0002, 1, 2]);
    assert_eq!(edited(report, RENAME), Ok(expected));
}

#[test]
fn padding_stays_at_the_end() {
    let mut report = packet(2, 201, &[&[0xA][..], &block(0xC, 1), &block(0xA, 2), &[4]].concat());
    report[0] |= 0x20;
    let mut expected = packet(1, 201, &[&[0xB][..], &block(0xB, 12), &[4]].concat());
    expected[0] |= 0x20;
    assert_eq!(edited(report, RENAME), Ok(expected));
}

#[test]
fn what_does_not_fit_is_refused() {
    let truncated = [
        packet(1, 200, &[1, 2, 3, 4, 5, 6]),
        packet(0, 200, &[1, 2, 3, 4, 5]),
        packet(1, 201, &[1, 2, 3]),
        packet(1, 202, &[1, 0x01ff_0000]),
        packet(2, 203, &[1]),
        packet(0, 204, &[]),
        packet(1, 205, &[1]),
        packet(4, 206, &[1, 2, 3][..2]),
        packet(0, 207, &[1, 0x0100_0009]),
        packet(0, 201, &[1])[..6].to_vec(),
    ];
    for (place, datagram) in truncated.into_iter().enumerate() {
        let refused = edited(datagram, RENAME);
        match place {
            7 => assert!(refused.is_ok(), "feedback without entries is nothing wrong"),
            _ => assert_eq!(refused, Err(ParseError::Truncated), "{place}"),
        }
    }
    assert_eq!(edited(vec![0x40, 201, 0, 0], RENAME), Err(ParseError::Version));
    assert_eq!(edited(vec![0xa0, 201, 0, 1, 0, 0, 0, 3], RENAME), Err(ParseError::Padding));
}

proptest! {
    #[test]
    fn any_octets_are_answered_and_what_is_left_still_walks(
        mut octets: Vec<u8>,
        types: [u8; 4],
        knows_the_sender: bool,
    ) {
        // Make headers likely.
        for (place, packet_type) in (0..octets.len()).step_by(12).zip(types) {
            if octets.len() >= place + 4 {
                octets[place] = 0x80 | octets[place] & 0x1f;
                octets[place + 1] = 200 + packet_type % 8;
                octets[place + 2..place + 4].copy_from_slice(&[0, 2]);
            }
        }
        let before = octets.len();
        if let Ok(left) = edited(octets, Rename { knows_the_sender, ..RENAME }) {
            prop_assert!(left.len() <= before && left.len() % 4 == 0);
            prop_assert!(CompoundRtcp::new(&left).all(|packet| packet.is_ok()));
        }
    }
}
