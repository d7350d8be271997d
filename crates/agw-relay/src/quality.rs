//! How the peer of a leg hears what the gateway sends it, as its RTCP reports say (RFC 3550 §6.4).

use std::time::{Duration, Instant};

use agw_rtp::{CompoundRtcp, ReportBlock, SenderInformation, Ssrc};
use agw_srtp::Engine;

use crate::relay::Relay;
use crate::spec::{EgressId, IngressId, Transport};

/// Clocks of media that sender reports are matched to, in Hz (RFC 3551 §6 and the payload formats
/// of AMR-WB, EVS, Opus and video).
const CLOCKS: [u32; 9] = [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 90_000];

/// What was learnt from reports on one sending half; made when the first report passes.
#[derive(Debug, Default)]
pub(crate) struct Quality {
    first_sent: Option<SenderInformation>,
    last_sent: Option<(SenderInformation, Instant)>,
    reports: u64,
    last_block: Option<(ReportBlock, Instant)>,
    round_trip: Option<Duration>,
}

/// How the peer hears what it is sent, by its own word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QualitySnapshot {
    /// Reports received.
    pub reports: u64,
    /// The share of packets lost since the report before, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the peer began to listen.
    pub lost: i32,
    /// Interarrival jitter in units of the media's clock.
    pub jitter: u32,
    /// The media's clock in Hz, once two sender reports have told it.
    pub clock: Option<u32>,
    /// From the gateway to the peer and back, without the time that the peer took; `None` before
    /// the peer has answered a sender report.
    pub round_trip: Option<Duration>,
    /// When the last report came.
    pub reported: Instant,
}

impl Quality {
    /// Takes note of RTCP that leaves for the peer.
    pub(crate) fn note_sent(&mut self, datagram: &[u8], now: Instant) {
        let Some(sent) = packets(datagram).find_map(|packet| packet.sender_information()) else {
            return;
        };
        let goes_on = self.first_sent.is_some_and(|first| first.ssrc == sent.ssrc);
        if !goes_on {
            self.first_sent = Some(sent);
        }
        self.last_sent = Some((sent, now));
    }

    //= tests/spec/iq.md#audit
    //# An audit MUST tell loss, jitter and round-trip time as the peer of a leg reports them.
    /// Takes note of RTCP that came from the peer.
    pub(crate) fn note_received(&mut self, datagram: &[u8], now: Instant) {
        let Some(block) = self.block_about_what_was_sent(datagram) else {
            return;
        };
        self.reports += 1;
        self.last_block = Some((block, now));
        let answered = self.last_sent.filter(|(sent, _)| sent.middle() == block.last_sender_report);
        if let Some((_, left)) = answered {
            let gone = now.saturating_duration_since(left);
            // A delay longer than the time that has passed is a peer's slip: nothing is known then.
            self.round_trip = gone.checked_sub(fraction_of_second(block.delay)).or(self.round_trip);
        }
    }

    pub(crate) fn snapshot(&self) -> Option<QualitySnapshot> {
        let (block, reported) = self.last_block?;
        Some(QualitySnapshot {
            reports: self.reports,
            fraction_lost: block.fraction_lost,
            lost: block.lost,
            jitter: block.jitter,
            clock: self.clock(),
            round_trip: self.round_trip,
            reported,
        })
    }

    /// The block about the source of the last sender report, else the first one: with one source
    /// there is one block.
    fn block_about_what_was_sent(&self, datagram: &[u8]) -> Option<ReportBlock> {
        let sent: Option<Ssrc> = self.last_sent.map(|(sent, _)| sent.ssrc);
        let blocks = || packets(datagram).flat_map(|packet| packet.report_blocks());
        blocks().find(|block| Some(block.ssrc) == sent).or_else(|| blocks().next())
    }

    /// The clock that the sender's own reports show, if it is one that media have.
    fn clock(&self) -> Option<u32> {
        let (first, (last, _)) = (self.first_sent?, self.last_sent?);
        // In 1/65,536 s; under one second the answer is too coarse.
        let elapsed = last.ntp.wrapping_sub(first.ntp) >> 16;
        if elapsed < 1 << 16 {
            return None;
        }
        let ticks = u64::from(last.rtp.wrapping_sub(first.rtp)) << 16;
        let measured = ticks / elapsed;
        CLOCKS.into_iter().find(|&clock| measured.abs_diff(clock.into()) * 20 < clock.into())
    }
}

impl<E: Engine> Relay<E> {
    /// Takes note of RTCP that came in by a leg, as it came.
    pub(crate) fn note_reports_received(&mut self, from: IngressId, datagram: &[u8], now: Instant) {
        let Some(ingress) = self.ingresses.at(from.0) else {
            return;
        };
        // What is sealed end to end cannot be read.
        if ingress.spec.transport == Transport::Transparent {
            return;
        }
        let reverse = ingress.spec.reverse;
        if let Some(quality) = self.quality_of(reverse) {
            quality.note_received(datagram, now);
        }
    }

    /// Takes note of RTCP that leaves by a leg, as it leaves.
    pub(crate) fn note_reports_sent(&mut self, to: EgressId, datagram: &[u8], now: Instant) {
        let transport = self.egresses.at(to.0).map(|egress| egress.spec.transport);
        if transport.is_none_or(|transport| transport == Transport::Transparent) {
            return;
        }
        if let Some(quality) = self.quality_of(to) {
            quality.note_sent(datagram, now);
        }
    }

    /// What is known of a sending half; where there is no room for it yet, some is made after the
    /// batch, because no packet allocates.
    fn quality_of(&mut self, id: EgressId) -> Option<&mut Quality> {
        let quality = self.egresses.at_mut(id.0)?.quality();
        if quality.is_none() && !self.without_quality.contains(&id) {
            // With as many as a batch has datagrams waiting, the next report asks again.
            let _ = self.without_quality.try_push(id);
        }
        quality
    }

    /// Makes room for what reports will say of the sending halves whose first one has passed.
    pub(crate) fn make_room_for_quality(&mut self) {
        for id in self.without_quality.drain(..) {
            if let Some(egress) = self.egresses.at_mut(id.0) {
                egress.make_room_for_quality();
            }
        }
    }
}

fn packets(datagram: &[u8]) -> impl Iterator<Item = agw_rtp::RtcpPacket<'_>> {
    CompoundRtcp::new(datagram).map_while(Result::ok)
}

/// A time in 1/65,536 s.
fn fraction_of_second(units: u32) -> Duration {
    Duration::from_nanos(u64::from(units) * 1_000_000_000 / 65_536)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::epoch;

    const SECOND: u64 = 1 << 32;

    fn sender_report(ssrc: u32, ntp: u64, rtp: u32) -> Vec<u8> {
        let mut packet = vec![0x80, 200, 0, 6];
        packet.extend(ssrc.to_be_bytes());
        packet.extend(ntp.to_be_bytes());
        packet.extend(rtp.to_be_bytes());
        packet.extend([0; 8]);
        packet
    }

    fn receiver_report(about: &[(u32, u8)], answered: u64, delay: u32) -> Vec<u8> {
        let blocks = u8::try_from(about.len()).unwrap();
        let mut packet = vec![0x80 | blocks, 201, 0, 1 + 6 * blocks, 0, 0, 0, 9];
        for (ssrc, fraction) in about {
            packet.extend(ssrc.to_be_bytes());
            packet.extend([*fraction, 0, 0, 5]);
            packet.extend([0; 4]);
            packet.extend(160_u32.to_be_bytes());
            packet.extend(((answered >> 16) as u32).to_be_bytes());
            packet.extend(delay.to_be_bytes());
        }
        packet
    }

    #[test]
    fn a_round_trip_is_what_has_passed_less_what_the_peer_took() {
        let (start, ntp) = (epoch(), 77 * SECOND);
        let mut quality = Quality::default();
        quality.note_sent(&sender_report(1, ntp, 0), start);
        let later = start + Duration::from_millis(540);
        quality.note_received(&receiver_report(&[(1, 13)], ntp, 1 << 15), later);
        let known = quality.snapshot().unwrap();
        assert_eq!(known.round_trip, Some(Duration::from_millis(40)));
        assert_eq!((known.reports, known.fraction_lost, known.lost, known.jitter), (1, 13, 5, 160));

        // Of an older report, or with a delay that cannot be, nothing follows.
        quality.note_received(&receiver_report(&[(1, 0)], ntp - SECOND, 0), later);
        quality.note_received(&receiver_report(&[(1, 0)], ntp, 9 << 16), later);
        assert_eq!(quality.snapshot().unwrap().round_trip, Some(Duration::from_millis(40)));
    }

    #[test]
    fn of_several_blocks_the_one_about_what_was_sent_counts() {
        let mut quality = Quality::default();
        quality.note_sent(&sender_report(2, SECOND, 0), epoch());
        quality.note_received(&receiver_report(&[(1, 11), (2, 22)], 0, 0), epoch());
        assert_eq!(quality.snapshot().unwrap().fraction_lost, 22);
        quality.note_received(&receiver_report(&[(7, 77)], 0, 0), epoch());
        assert_eq!(quality.snapshot().unwrap().fraction_lost, 77);
    }

    #[test]
    fn the_clock_is_known_from_two_reports_of_one_source() {
        let mut quality = Quality::default();
        quality.note_received(&receiver_report(&[(1, 0)], 0, 0), epoch());
        let mut clock_after = |ssrc, seconds: u64, rtp: u32| {
            quality.note_sent(&sender_report(ssrc, seconds * SECOND, rtp), epoch());
            quality.snapshot().unwrap().clock
        };
        assert_eq!(clock_after(1, 10, u32::MAX - 80_000), None);
        assert_eq!(clock_after(1, 15, u32::MAX - 40_000), Some(8_000));
        assert_eq!(clock_after(1, 20, 3), Some(8_000), "across the wrap of the timestamp");
        assert_eq!(clock_after(2, 25, 0), None, "another source has another clock");
        assert_eq!(clock_after(2, 27, 180_100), Some(90_000));
        assert_eq!(clock_after(2, 28, 1_000_000), None, "no clock that media have");
    }

    #[test]
    fn what_is_no_report_changes_nothing() {
        let mut quality = Quality::default();
        quality.note_sent(&[0x81, 202, 0, 1, 0, 0, 0, 9], epoch());
        quality.note_received(&[0x80, 201, 0, 1, 0, 0, 0, 9], epoch());
        quality.note_received(&[0x80, 201, 0, 9], epoch());
        assert_eq!(quality.snapshot(), None);
    }
}
