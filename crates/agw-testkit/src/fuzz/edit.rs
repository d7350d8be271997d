//! `rtcp_edit`: RTCP that is changed in place stays RTCP, and nothing changes that was not asked
//! for.

use agw_rtp::{CompoundRtcp, Reception, RtcpEdit, SenderCounts, Ssrc, edit_rtcp};

/// What is done to a datagram.
#[derive(Clone, Copy)]
enum Edit {
    /// Nothing.
    Nothing,
    /// Every SSRC, sequence number and count is another one, and back again.
    Mirror,
    /// Whatever may be taken out is.
    TakeOut,
}

impl Edit {
    const fn number(self, number: u32) -> u32 {
        match self {
            Self::Mirror => !number,
            Self::Nothing | Self::TakeOut => number,
        }
    }

    fn kept<T>(self, value: T) -> Option<T> {
        match self {
            Self::Nothing | Self::Mirror => Some(value),
            Self::TakeOut => None,
        }
    }
}

impl RtcpEdit for Edit {
    fn sender(&mut self, ssrc: Ssrc) -> Ssrc {
        Ssrc(self.number(ssrc.0))
    }

    fn sender_info(&mut self, _: Ssrc, counts: SenderCounts) -> Option<SenderCounts> {
        let SenderCounts { timestamp, packets, octets } = counts;
        let [timestamp, packets, octets] =
            [timestamp, packets, octets].map(|count| self.number(count));
        self.kept(SenderCounts { timestamp, packets, octets })
    }

    fn subject(&mut self, ssrc: Ssrc) -> Ssrc {
        Ssrc(self.number(ssrc.0))
    }

    fn report(&mut self, block: Reception) -> Option<Reception> {
        let ssrc = Ssrc(self.number(block.ssrc.0));
        self.kept(Reception { ssrc, highest: self.number(block.highest), ..block })
    }

    fn sequence(&mut self, _: Ssrc, sequence: u16) -> Option<u16> {
        self.kept(self.number(sequence.into()) as u16)
    }

    fn leaving(&mut self, ssrc: Ssrc) -> Option<Ssrc> {
        self.kept(Ssrc(self.number(ssrc.0)))
    }
}

/// Changes octets as RTCP in several ways.
///
/// # Panics
/// If they change without being asked to, cannot be changed back, or are no RTCP afterwards.
pub fn rtcp_edit(data: &[u8]) {
    let edited = |data: &[u8], mut edit: Edit| {
        let mut octets = data.to_vec();
        let len = edit_rtcp(&mut octets, &mut edit)?;
        octets.truncate(len);
        Ok::<_, agw_rtp::ParseError>(octets)
    };
    let same = edited(data, Edit::Nothing);
    assert!(same.as_ref().is_ok_and(|same| same == data) || same.is_err());
    // A length of REMB's list is not changed, so what can be read can be read again.
    let mirrored = edited(data, Edit::Mirror);
    assert_eq!(mirrored.is_ok(), same.is_ok());
    if let Ok(mirrored) = mirrored {
        assert_eq!(mirrored.len(), data.len());
        assert_eq!(edited(&mirrored, Edit::Mirror).as_deref(), Ok(data));
    }
    let left = edited(data, Edit::TakeOut);
    assert_eq!(left.is_ok(), same.is_ok());
    if let Ok(left) = left {
        assert!(left.len() <= data.len());
        assert!(CompoundRtcp::new(&left).all(|packet| packet.is_ok()));
    }
}
