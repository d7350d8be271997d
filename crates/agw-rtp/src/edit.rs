//! RTCP changed in place, so that a receiver takes several sources for one (RFC 3550 §7.1).
//!
//! Sender and receiver reports, source descriptions, BYE, APP, feedback (RFC 4585, RFC 5104,
//! REMB) and extended reports (RFC 3611), in compounds and in reduced-size datagrams (RFC 5506).
//! What is taken out closes up; a datagram never grows.

use crate::{ParseError, Ssrc};

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const DESCRIPTION: u8 = 202;
const BYE: u8 = 203;
const APP: u8 = 204;
const TRANSPORT_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;
const EXTENDED_REPORT: u8 = 207;

const HEADER: usize = 4;
const SENDER_INFO: usize = 20;
const REPORT_BLOCK: usize = 24;

/// What a sender report says of its sender, but for the wall clock (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderCounts {
    /// The RTP timestamp at the report's wall clock.
    pub timestamp: u32,
    /// RTP packets sent, modulo 2^32.
    pub packets: u32,
    /// Octets of payload sent, modulo 2^32.
    pub octets: u32,
}

/// What a report says of a source, but for jitter (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reception {
    /// The source.
    pub ssrc: Ssrc,
    /// The fraction lost in the upper 8 bits, packets lost so far in the lower 24, signed.
    pub lost: u32,
    /// The extended highest sequence number: cycles in the upper 16 bits.
    pub highest: u32,
    /// The middle of the wall clock of the last sender report; 0 if there was none.
    pub last_report: u32,
    /// The time since, in units of 1/65,536 s.
    pub since_last_report: u32,
}

/// What becomes of the things that RTCP speaks of.
pub trait RtcpEdit {
    /// The SSRC that takes the place of a packet's sender.
    fn sender(&mut self, ssrc: Ssrc) -> Ssrc;

    /// What a sender report says of its sender; without it, it becomes a receiver report.
    fn sender_info(&mut self, ssrc: Ssrc, info: SenderCounts) -> Option<SenderCounts>;

    /// The SSRC that takes the place of one that a packet is about.
    fn subject(&mut self, ssrc: Ssrc) -> Ssrc;

    /// What takes the place of a report block; `None` takes it out.
    fn report(&mut self, block: Reception) -> Option<Reception>;

    /// What takes the place of a sequence number of the source that a packet is about; `None`
    /// takes the entry out.
    fn sequence(&mut self, of: Ssrc, sequence: u16) -> Option<u16>;

    /// The SSRC that a BYE names in place of this one; `None` takes it out.
    fn leaving(&mut self, ssrc: Ssrc) -> Option<Ssrc>;
}

/// Changes a plain RTCP datagram and returns its new length, 0 if nothing of it is left.
///
/// # Errors
/// [`ParseError`] if a packet's length, count or version does not fit; the octets are then of no
/// use any more.
pub fn edit_rtcp(datagram: &mut [u8], edit: &mut impl RtcpEdit) -> Result<usize, ParseError> {
    let (mut read, mut written) = (0, 0);
    while read < datagram.len() {
        let rest = datagram.get_mut(read..).ok_or(ParseError::Truncated)?;
        let octets = (usize::from(length_of(rest)?) + 1) * 4;
        let packet = rest.get_mut(..octets).ok_or(ParseError::Truncated)?;
        let kept = Editor::new(packet)?.edit(edit)?;
        datagram.copy_within(read..read + kept, written);
        written += kept;
        read += octets;
    }
    Ok(written)
}

/// The length field of a packet, if it is of version 2.
fn length_of(packet: &[u8]) -> Result<u16, ParseError> {
    let (head, _) = packet.split_first_chunk::<HEADER>().ok_or(ParseError::Truncated)?;
    let [b0, _, l0, l1] = *head;
    if b0 >> 6 != 2 {
        return Err(ParseError::Version);
    }
    Ok(u16::from_be_bytes([l0, l1]))
}

/// One packet under change.
struct Editor<'a> {
    packet: &'a mut [u8],
    /// Octets of it that are left, a multiple of four.
    len: usize,
    /// Of these, padding at the end.
    padding: usize,
    packet_type: u8,
    count: u8,
}

impl<'a> Editor<'a> {
    fn new(packet: &'a mut [u8]) -> Result<Self, ParseError> {
        let (head, body) = packet.split_first_chunk::<HEADER>().ok_or(ParseError::Truncated)?;
        let [b0, packet_type, _, _] = *head;
        let padding = match (b0 & 0x20 != 0, body.last()) {
            (false, _) => 0,
            (true, Some(&octets))
                if octets % 4 == 0 && (4..=body.len()).contains(&octets.into()) =>
            {
                usize::from(octets)
            }
            (true, _) => return Err(ParseError::Padding),
        };
        let (len, count) = (packet.len(), b0 & 0x1f);
        Ok(Self { packet, len, padding, packet_type, count })
    }

    /// Changes the packet and returns how much of it is left.
    fn edit(mut self, edit: &mut impl RtcpEdit) -> Result<usize, ParseError> {
        let stays = match self.packet_type {
            SENDER_REPORT => self.sender_report(edit)?,
            RECEIVER_REPORT => self.reports(8, edit)?,
            DESCRIPTION => self.description(edit)?,
            BYE => self.bye(edit)?,
            APP => self.sender(edit)?,
            TRANSPORT_FEEDBACK => self.transport_feedback(edit)?,
            PAYLOAD_FEEDBACK => self.payload_feedback(edit)?,
            EXTENDED_REPORT => self.extended_report(edit)?,
            // Nothing is known of what it names.
            _ => true,
        };
        if !stays {
            return Ok(0);
        }
        let words = u16::try_from(self.len / 4 - 1).map_err(|_| ParseError::Truncated)?;
        let Self { packet, len, count, packet_type, .. } = self;
        let [b0, second, l0, l1] =
            packet.first_chunk_mut::<HEADER>().ok_or(ParseError::Truncated)?;
        *b0 = *b0 & 0xe0 | count;
        *second = packet_type;
        [*l0, *l1] = words.to_be_bytes();
        Ok(len)
    }

    fn sender(&mut self, edit: &mut impl RtcpEdit) -> Result<bool, ParseError> {
        let ssrc = edit.sender(Ssrc(self.word(4)?));
        self.put(4, ssrc.0)?;
        Ok(true)
    }

    fn sender_report(&mut self, edit: &mut impl RtcpEdit) -> Result<bool, ParseError> {
        let (timestamp, packets, octets) = (self.word(16)?, self.word(20)?, self.word(24)?);
        let info = SenderCounts { timestamp, packets, octets };
        match edit.sender_info(Ssrc(self.word(4)?), info) {
            Some(SenderCounts { timestamp, packets, octets }) => {
                self.put(16, timestamp)?;
                self.put(20, packets)?;
                self.put(24, octets)?;
                self.reports(8 + SENDER_INFO, edit)
            }
            None => {
                self.cut(8, SENDER_INFO)?;
                self.packet_type = RECEIVER_REPORT;
                self.reports(8, edit)
            }
        }
    }

    /// The sender and the report blocks of a report, which begin at `at`.
    fn reports(&mut self, at: usize, edit: &mut impl RtcpEdit) -> Result<bool, ParseError> {
        self.sender(edit)?;
        let mut at = at;
        for _ in 0..self.count {
            let block = Reception {
                ssrc: Ssrc(self.word(at)?),
                lost: self.word(at + 4)?,
                highest: self.word(at + 8)?,
                last_report: self.word(at + 16)?,
                since_last_report: self.word(at + 20)?,
            };
            match edit.report(block) {
                Some(block) => {
                    self.put(at, block.ssrc.0)?;
                    self.put(at + 4, block.lost)?;
                    self.put(at + 8, block.highest)?;
                    self.put(at + 16, block.last_report)?;
                    self.put(at + 20, block.since_last_report)?;
                    at += REPORT_BLOCK;
                }
                None => {
                    self.cut(at, REPORT_BLOCK)?;
                    self.count -= 1;
                }
            }
        }
        Ok(true)
    }

    /// Chunks of an SSRC and items up to a zero, each filled up to four octets (RFC 3550 §6.5).
    fn description(&mut self, edit: &mut impl RtcpEdit) -> Result<bool, ParseError> {
        let mut at = HEADER;
        for _ in 0..self.count {
            let ssrc = edit.sender(Ssrc(self.word(at)?));
            self.put(at, ssrc.0)?;
            at += 4;
            while self.octet(at)? != 0 {
                at += 2 + usize::from(self.octet(at + 1)?);
            }
            at = (at + 4) / 4 * 4;
        }
        if at > self.end() {
            return Err(ParseError::Truncated);
        }
        Ok(true)
    }

    fn bye(&mut self, edit: &mut impl RtcpEdit) -> Result<bool, ParseError> {
        let (mut at, named) = (HEADER, self.count);
        for _ in 0..named {
            match edit.leaving(Ssrc(self.word(at)?)) {
                Some(ssrc) => {
                    self.put(at, ssrc.0)?;
                    at += 4;
                }
                None => {
                    self.cut(at, 4)?;
                    self.count -= 1;
                }
            }
        }
        Ok(named == 0 || self.count > 0)
    }

    /// RFC 4585 §6.2, RFC 5104 §4.2: generic NACK, TMMBR, TMMBN, and third-party loss (RFC 6642).
    fn transport_feedback(&mut self, edit: &mut impl RtcpEdit) -> Result<bool, ParseError> {
        self.sender(edit)?;
        let media = self.subject_at(8, edit)?;
        match self.count {
            1 | 8 => self.lost_packets(media, edit),
            3 | 4 => self.subjects(12, 8, edit),
            _ => Ok(true),
        }
    }

    /// RFC 4585 §6.3, RFC 5104 §4.3: full intra requests, temporal trade-off, REMB.
    fn payload_feedback(&mut self, edit: &mut impl RtcpEdit) -> Result<bool, ParseError> {
        self.sender(edit)?;
        self.subject_at(8, edit)?;
        match self.count {
            4..=6 => self.subjects(12, 8, edit),
            7 if self.end() > 12 => self.subject_at(12, edit).map(|_| true),
            15 if self.end() >= 20 && self.word(12)? == u32::from_be_bytes(*b"REMB") => {
                let named = usize::from(self.octet(16)?);
                if 20 + 4 * named > self.end() {
                    return Err(ParseError::Truncated);
                }
                self.subjects(20, 4, edit)
            }
            _ => Ok(true),
        }
    }

    /// Entries of a packet identifier and a bit mask.
    fn lost_packets(&mut self, of: Ssrc, edit: &mut impl RtcpEdit) -> Result<bool, ParseError> {
        let mut at = 12;
        while at < self.end() {
            let entry = self.word(at)?;
            match edit.sequence(of, (entry >> 16) as u16) {
                Some(sequence) => {
                    self.put(at, u32::from(sequence) << 16 | entry & 0xffff)?;
                    at += 4;
                }
                None => self.cut(at, 4)?,
            }
        }
        Ok(at > 12)
    }

    /// Entries of `octets` that begin with an SSRC, from `at` to the end.
    fn subjects(
        &mut self,
        at: usize,
        octets: usize,
        edit: &mut impl RtcpEdit,
    ) -> Result<bool, ParseError> {
        for at in (at..self.end()).step_by(octets) {
            self.subject_at(at, edit)?;
        }
        Ok(true)
    }

    /// Changes the SSRC at an offset and returns the one that was there.
    fn subject_at(&mut self, at: usize, edit: &mut impl RtcpEdit) -> Result<Ssrc, ParseError> {
        let was = Ssrc(self.word(at)?);
        self.put(at, edit.subject(was).0)?;
        Ok(was)
    }

    /// Blocks of a type and a length (RFC 3611 §3).
    fn extended_report(&mut self, edit: &mut impl RtcpEdit) -> Result<bool, ParseError> {
        self.sender(edit)?;
        let mut at = 8;
        while at < self.end() {
            let head = self.word(at)?;
            let octets = ((head & 0xffff) as usize + 1) * 4;
            if at + octets > self.end() {
                return Err(ParseError::Truncated);
            }
            let stays = match head >> 24 {
                1..=3 | 6 if octets >= 12 => self.sequences_of_block(at, edit)?,
                5 => {
                    for at in (at + 4..at + octets).step_by(12) {
                        self.subject_at(at, edit)?;
                    }
                    true
                }
                7 if octets >= 8 => self.subject_at(at + 4, edit).map(|_| true)?,
                _ => true,
            };
            if stays {
                at += octets;
            } else {
                self.cut(at, octets)?;
            }
        }
        Ok(true)
    }

    /// A block about a range of sequence numbers of one source.
    fn sequences_of_block(
        &mut self,
        at: usize,
        edit: &mut impl RtcpEdit,
    ) -> Result<bool, ParseError> {
        let of = self.subject_at(at + 4, edit)?;
        let range = self.word(at + 8)?;
        let [begin, end] = [range >> 16, range & 0xffff].map(|one| edit.sequence(of, one as u16));
        let (Some(begin), Some(end)) = (begin, end) else {
            return Ok(false);
        };
        self.put(at + 8, u32::from(begin) << 16 | u32::from(end))?;
        Ok(true)
    }

    /// Where content ends and padding begins.
    const fn end(&self) -> usize {
        self.len - self.padding
    }

    fn octet(&self, at: usize) -> Result<u8, ParseError> {
        self.packet
            .get(..self.end())
            .and_then(|packet| packet.get(at))
            .copied()
            .ok_or(ParseError::Truncated)
    }

    fn word(&self, at: usize) -> Result<u32, ParseError> {
        let content = self.packet.get(at..self.end()).ok_or(ParseError::Truncated)?;
        content.first_chunk().copied().map(u32::from_be_bytes).ok_or(ParseError::Truncated)
    }

    fn put(&mut self, at: usize, word: u32) -> Result<(), ParseError> {
        let end = self.end();
        let content = self.packet.get_mut(at..end).ok_or(ParseError::Truncated)?;
        *content.first_chunk_mut().ok_or(ParseError::Truncated)? = word.to_be_bytes();
        Ok(())
    }

    /// Takes octets out; what is behind them moves up.
    fn cut(&mut self, at: usize, octets: usize) -> Result<(), ParseError> {
        if at + octets > self.end() {
            return Err(ParseError::Truncated);
        }
        self.packet.copy_within(at + octets..self.len, at);
        self.len -= octets;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
