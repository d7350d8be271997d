//! What arrives from the gateway in one direction: who it is from, whether it is new, how long it
//! took. Octets are only kept here; [`verify`](crate::verify) reads them when the window is over.

use std::net::SocketAddr;
use std::ops::Range;

use agw_rtp::{PacketKind, RtpHeader, classify};

use crate::latency::Times;
use crate::packet::{Direction, PacketId, first_sequence, ssrc};
use crate::plan::Traffic;
use crate::result::PathFigures;

/// A packet that was kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept {
    /// Its call, by the address that it came from.
    pub(crate) call: u32,
    /// Its number, `None` for RTCP.
    pub(crate) number: Option<u32>,
    start: usize,
    len: u16,
}

/// The sink of one direction.
#[derive(Debug)]
pub(crate) struct Sink {
    direction: Direction,
    calls: u32,
    packets: u32,
    /// Octets of each call's RTP packets as they must arrive.
    expected: Vec<u16>,
    /// The gateway's ports and their calls; one address for all calls.
    gateway: Option<SocketAddr>,
    call_of_port: Vec<Option<u32>>,
    arrived: Vec<u64>,
    highest: Vec<u32>,
    verify_one_in: u32,
    kept: Vec<Kept>,
    kept_octets: Vec<u8>,
    /// What was counted.
    pub(crate) figures: PathFigures,
}

impl Sink {
    /// A sink for calls whose media comes from these addresses of the gateway.
    pub(crate) fn new(direction: Direction, traffic: &Traffic, gateway: &[SocketAddr]) -> Self {
        let mut call_of_port = vec![None; 1 << 16];
        for (call, address) in (0u32..).zip(gateway) {
            if let Some(entry) = call_of_port.get_mut(usize::from(address.port())) {
                *entry = Some(call);
            }
        }
        let expected = traffic.suites.iter().map(|suite| {
            let tag = match direction {
                Direction::Up => 0,
                Direction::Down => suite.map_or(0, agw_srtp::Suite::srtp_tag_len),
            };
            (traffic.form.octets() + tag) as u16
        });
        let packets = traffic.packets_each_way();
        let kept = match traffic.verify_one_in {
            0 => traffic.rtcp_each_way(),
            one_in => packets / one_in as usize + traffic.rtcp_each_way() + 64,
        };
        Self {
            direction,
            calls: traffic.calls,
            packets: traffic.packets,
            expected: expected.collect(),
            gateway: gateway.first().copied(),
            call_of_port,
            arrived: vec![0; packets.div_ceil(64)],
            highest: vec![0; traffic.calls as usize],
            verify_one_in: traffic.verify_one_in,
            kept: Vec::with_capacity(kept),
            kept_octets: Vec::with_capacity(kept * traffic.longest()),
            figures: PathFigures::default(),
        }
    }

    /// Packets that were kept, with their octets.
    pub(crate) fn kept(&self) -> impl Iterator<Item = (Kept, &[u8])> {
        self.kept.iter().map(|kept| {
            let octets = self.kept_octets.get(kept.start..kept.start + usize::from(kept.len));
            (*kept, octets.unwrap_or_default())
        })
    }

    /// Whether the RTP packet at a place of the schedule has arrived.
    pub(crate) fn has(&self, place: usize) -> bool {
        self.arrived.get(place / 64).is_some_and(|word| word >> (place % 64) & 1 == 1)
    }

    /// How many of the RTP packets at some places of the schedule have arrived.
    pub(crate) fn count(&self, places: Range<usize>) -> u64 {
        let Range { start, end } = places;
        if start >= end {
            return 0;
        }
        let words = self.arrived.get(start / 64..end.div_ceil(64)).unwrap_or_default();
        let all: u32 = words.iter().map(|word| word.count_ones()).sum();
        let bits = |word: usize, mask: u64| {
            self.arrived.get(word).map_or(0, |word| (word & mask).count_ones())
        };
        let before = bits(start / 64, (1 << (start % 64)) - 1);
        let behind = if end.is_multiple_of(64) { 0 } else { bits(end / 64, !0 << (end % 64)) };
        u64::from(all - before - behind)
    }

    /// Takes a datagram that arrived at `at`; `sent_at` are the times at which packets of this
    /// direction were sent, 0 for not yet, on the same clock.
    pub(crate) fn take(
        &mut self,
        source: SocketAddr,
        octets: &[u8],
        at: u64,
        sent_at: &[u64],
        times: &mut Times,
    ) {
        let is_gateway = self.gateway.is_some_and(|gateway| gateway.ip() == source.ip());
        let call = self.call_of_port.get(usize::from(source.port())).copied().flatten();
        let Some(call) = call.filter(|_| is_gateway) else {
            self.figures.strangers += 1;
            return;
        };
        if classify(octets) == PacketKind::Rtcp {
            self.figures.rtcp_delivered += 1;
            self.keep(Kept { call, number: None, start: 0, len: 0 }, octets);
            return;
        }
        let Some(number) = self.number(call, octets) else {
            self.figures.corrupted += 1;
            return;
        };
        let place = number as usize * self.calls as usize + call as usize;
        let sent = sent_at.get(place).copied().unwrap_or_default();
        if sent == 0 {
            self.figures.corrupted += 1;
            return;
        }
        if self.has(place) {
            self.figures.duplicated += 1;
            return;
        }
        if let Some(word) = self.arrived.get_mut(place / 64) {
            *word |= 1 << (place % 64);
        }
        self.figures.delivered += 1;
        times.record_ns(at.saturating_sub(sent));
        if let Some(highest) = self.highest.get_mut(call as usize) {
            self.figures.reordered += u64::from(number < *highest);
            *highest = number.max(*highest);
        }
        if self.is_sample(call, number) {
            self.keep(Kept { call, number: Some(number), start: 0, len: 0 }, octets);
        }
    }

    /// One of so many packets of every call, the calls not all at the same time.
    const fn is_sample(&self, call: u32, number: u32) -> bool {
        match self.verify_one_in {
            0 => false,
            one_in => number % one_in == call % one_in,
        }
    }

    fn keep(&mut self, kept: Kept, octets: &[u8]) {
        let start = self.kept_octets.len();
        self.kept_octets.extend_from_slice(octets);
        self.kept.push(Kept { start, len: octets.len() as u16, ..kept });
    }

    /// The packet's number within its call; `None` if it is not one of the call's packets.
    fn number(&self, call: u32, octets: &[u8]) -> Option<u32> {
        let header = RtpHeader::parse(octets).ok()?;
        let expected = self.expected.get(call as usize).copied()?;
        if header.ssrc().0 != ssrc(self.direction, call) || octets.len() != usize::from(expected) {
            return None;
        }
        let highest = self.highest.get(call as usize).copied()?;
        let near = first_sequence(call).wrapping_add(highest as u16);
        let ahead = header.sequence().0.wrapping_sub(near) as i16;
        let number = highest.checked_add_signed(i32::from(ahead))?;
        let id = PacketId { direction: self.direction, call, number };
        (number < self.packets && id.sequence() == header.sequence().0).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::traffic;

    #[test]
    fn arrivals_are_counted_over_any_range_of_the_schedule() {
        let mut sink = Sink::new(Direction::Up, &traffic("run --calls 4 --seconds 1"), &[]);
        for place in [0, 1, 63, 64, 100, 127, 128, 199] {
            sink.arrived[place / 64] |= 1 << (place % 64);
        }
        for start in 0..200 {
            for end in 0..=200 {
                let expected = (start..end).filter(|&place| sink.has(place)).count() as u64;
                assert_eq!(sink.count(start..end), expected, "{start}..{end}");
            }
        }
    }
}
