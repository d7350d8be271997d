//! The numbers of an RTP header, changed in place.

use crate::{ParseError, SequenceNumber, Ssrc};

/// What tells an RTP packet's place in its stream (RFC 3550 §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtpNumbers {
    /// The marker bit.
    pub marker: bool,
    /// The sequence number.
    pub sequence: SequenceNumber,
    /// The RTP timestamp, in units of the payload's clock rate.
    pub timestamp: u32,
    /// The synchronisation source.
    pub ssrc: Ssrc,
}

impl RtpNumbers {
    /// Writes them into a plain packet; everything else of it stays.
    ///
    /// # Errors
    /// [`ParseError::Truncated`] under twelve octets; nothing has changed then.
    pub fn write(self, packet: &mut [u8]) -> Result<(), ParseError> {
        let fixed = packet.first_chunk_mut::<12>().ok_or(ParseError::Truncated)?;
        let [_, b1, s0, s1, t0, t1, t2, t3, r0, r1, r2, r3] = fixed;
        *b1 = *b1 & 0x7f | u8::from(self.marker) << 7;
        [*s0, *s1] = self.sequence.0.to_be_bytes();
        [*t0, *t1, *t2, *t3] = self.timestamp.to_be_bytes();
        [*r0, *r1, *r2, *r3] = self.ssrc.0.to_be_bytes();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RtpHeader;

    #[test]
    fn numbers_are_written_where_the_header_reads_them() {
        let mut packet = [0xA1_u8; 20];
        packet[1] = 0x88;
        let (sequence, ssrc) = (SequenceNumber(0xfffe), Ssrc(0x0102_0304));
        for marker in [true, false] {
            let numbers = RtpNumbers { marker, sequence, timestamp: 0xdead_beef, ssrc };
            numbers.write(&mut packet).unwrap();
            let header = RtpHeader::parse(&packet).unwrap();
            assert_eq!((header.marker(), header.payload_type()), (marker, 8));
            assert_eq!((header.sequence(), header.ssrc()), (sequence, ssrc));
            assert_eq!((header.timestamp(), packet[12]), (0xdead_beef, 0xA1));
            assert_eq!(numbers.write(&mut packet[..11]), Err(ParseError::Truncated));
        }
    }
}
