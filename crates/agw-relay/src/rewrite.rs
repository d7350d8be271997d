//! Several sources that leave as one gapless stream (RFC 3550 §7.1: a translator of SSRC,
//! sequence numbers and timestamps).
//!
//! One source at a time has the stream. Its numbers are shifted, so that what is lost, late or
//! double before the gateway is so behind it; only where the source changes, numbers go on without
//! a gap. Without a clock rate in the signalling, the timestamp goes on by the time that has
//! passed, at the rate that the source's own timestamps had, or by its last step from packet to
//! packet before a second of it was seen.

mod clock;
mod control;

use std::time::{Duration, Instant};

use agw_rtp::{RtpHeader, RtpNumbers, SequenceNumber, Ssrc};

use self::clock::Clock;
pub(crate) use self::control::Control;
use crate::drop::DropReason;
use crate::spec::IngressId;

/// A source that was silent for so long gives the stream to another one that feeds it: longer than
/// the pause between two comfort noise frames.
const HOLD: Duration = Duration::from_millis(500);

/// How far a source jumps ahead before it counts as restarted (RFC 3550 A.1).
const MAX_DROPOUT: i16 = 3_000;

/// How far it falls behind before it counts as restarted (RFC 3550 A.1).
const MAX_MISORDER: i16 = 100;

/// Indices count from here, so that there is room for what came late before the first one.
const BASE: u64 = 1 << 16;

/// How a leg's sources are made to look like one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RewriteSpec {
    /// The SSRC that everything leaves under.
    pub ssrc: Ssrc,
    /// Whether the first packet after a change of source has the marker bit, as at the start of a
    /// talkspurt (RFC 3551 §4.1).
    pub marks: bool,
}

/// A rewritten stream copied out for audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RewriteSnapshot {
    /// The SSRC that everything leaves under.
    pub ssrc: Ssrc,
    /// The source that has the stream; `None` before the first packet.
    pub source: Option<Ssrc>,
    /// How many times the source has changed or restarted.
    pub changes: u64,
}

/// Where a packet comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Origin {
    ingress: IngressId,
    ssrc: Ssrc,
}

/// What surrounds a packet of a rewritten stream.
pub(crate) struct Around<'a> {
    pub(crate) now: Instant,
    /// Whether media of an ingress may come here at all.
    pub(crate) feeds: &'a dyn Fn(IngressId) -> bool,
    /// The highest sequence number that has left under an SSRC.
    pub(crate) sent: &'a dyn Fn(Ssrc) -> Option<SequenceNumber>,
}

/// The stream as it leaves.
#[derive(Debug)]
pub(crate) struct Rewriter {
    pub(crate) spec: RewriteSpec,
    current: Option<Source>,
    /// The one that had the stream before: what comes late of it does not get it back.
    replaced: Option<Origin>,
    changes: u64,
    packets: u32,
    octets: u32,
    /// Packets that the receiver has reported as lost so far, in 24 bits.
    lost: u32,
}

/// The source that has the stream.
#[derive(Debug)]
struct Source {
    origin: Origin,
    /// The index of its first packet: its sequence number, in its first cycle.
    first: u64,
    /// The highest index.
    highest: u64,
    /// What makes its indices ours.
    shift: u64,
    /// What makes its timestamps ours.
    timestamp_shift: u32,
    clock: Clock,
    /// The number that would confirm that it has restarted.
    doubted: Option<SequenceNumber>,
    /// It has said goodbye.
    has_left: bool,
    /// A sender report of it has left.
    has_reported: bool,
    /// Of the packets reported as lost, those of sources before it.
    lost_before: u32,
}

/// Where a packet stands in its source.
enum Place {
    Within,
    Far,
    Restarted,
}

impl Rewriter {
    pub(crate) fn new(spec: RewriteSpec) -> Self {
        let (current, replaced) = (None, None);
        Self { spec, current, replaced, changes: 0, packets: 0, octets: 0, lost: 0 }
    }

    pub(crate) fn snapshot(&self) -> RewriteSnapshot {
        let source = self.current.as_ref().map(|current| current.origin.ssrc);
        RewriteSnapshot { ssrc: self.spec.ssrc, source, changes: self.changes }
    }

    //= tests/spec/relay.md#rewriting
    //# A rewritten stream MUST leave under one SSRC, whatever its source.
    /// Gives an RTP packet its numbers in the stream.
    pub(crate) fn media(
        &mut self,
        packet: &mut [u8],
        ingress: IngressId,
        around: &Around<'_>,
    ) -> Result<(), DropReason> {
        let header = RtpHeader::parse(packet).map_err(|_| DropReason::Malformed)?;
        let origin = Origin { ingress, ssrc: header.ssrc() };
        let changes = self.admit(origin, &header, around)?;
        let source = self.current.as_ref().ok_or(DropReason::OtherSource)?;
        let index = source.index(header.sequence());
        if index < source.first {
            // Its number is one of the source before.
            return Err(DropReason::OtherSource);
        }
        let numbers = RtpNumbers {
            marker: header.marker() || changes && self.spec.marks,
            sequence: SequenceNumber(index.wrapping_add(source.shift) as u16),
            timestamp: header.timestamp().wrapping_add(source.timestamp_shift),
            ssrc: self.spec.ssrc,
        };
        let padding = if header.is_padded() { packet.last().copied().unwrap_or(0) } else { 0 };
        let payload = packet.len().saturating_sub(header.len() + usize::from(padding));
        numbers.write(packet).map_err(|_| DropReason::Malformed)?;
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(payload as u32);
        Ok(())
    }

    /// Decides whose the stream is; tells whether the packet is the first of another source.
    fn admit(
        &mut self,
        origin: Origin,
        header: &RtpHeader,
        around: &Around<'_>,
    ) -> Result<bool, DropReason> {
        match &mut self.current {
            None => {
                let sent = (around.sent)(self.spec.ssrc);
                self.current = Some(Source::first(origin, header, sent, around.now));
                return Ok(false);
            }
            Some(current) if current.origin == origin => match current.follow(header, around.now) {
                Place::Within => return Ok(false),
                Place::Far => return Err(DropReason::SequenceJump),
                Place::Restarted => {}
            },
            Some(current) => {
                //= tests/spec/relay.md#rewriting
                //# Of several sources that feed a rewritten stream only one MUST have it at a time.
                let is_new_here =
                    current.origin.ingress == origin.ingress && self.replaced != Some(origin);
                if !is_new_here && !current.gives_way(around) {
                    return Err(DropReason::OtherSource);
                }
            }
        }
        self.take_over(origin, header, around.now);
        Ok(true)
    }

    fn take_over(&mut self, origin: Origin, header: &RtpHeader, now: Instant) {
        let Some(before) = &self.current else {
            return;
        };
        let mut next = Source::first(origin, header, None, now);
        //= tests/spec/relay.md#rewriting
        //# Sequence numbers of a rewritten stream MUST go on without a gap when the source changes.
        next.shift = before.highest_ours().wrapping_add(1).wrapping_sub(next.first);
        //= tests/spec/relay.md#rewriting
        //# Timestamps of a rewritten stream MUST go on when the source changes.
        let timestamp = before.clock.timestamp_at(now).wrapping_add(before.timestamp_shift);
        next.timestamp_shift = timestamp.wrapping_sub(header.timestamp());
        next.lost_before = self.lost;
        if before.origin != origin {
            self.replaced = Some(before.origin);
        }
        self.current = Some(next);
        self.changes += 1;
    }
}

impl Source {
    /// A source from its first packet on, with its own numbers, or after the last one sent.
    fn first(
        origin: Origin,
        header: &RtpHeader,
        sent: Option<SequenceNumber>,
        now: Instant,
    ) -> Self {
        let sequence = header.sequence().0;
        let first = BASE + u64::from(sequence);
        let shift = sent.map_or(0, |sent| sent.0.wrapping_add(1).wrapping_sub(sequence));
        Self {
            origin,
            first,
            highest: first,
            shift: shift.into(),
            timestamp_shift: 0,
            clock: Clock::new(header.timestamp(), now),
            doubted: None,
            has_left: false,
            has_reported: false,
            lost_before: 0,
        }
    }

    /// Goes on to a packet of the source itself.
    fn follow(&mut self, header: &RtpHeader, now: Instant) -> Place {
        let sequence = header.sequence();
        let step = sequence.0.wrapping_sub(self.highest as u16) as i16;
        if !(-MAX_MISORDER..MAX_DROPOUT).contains(&step) {
            // Two in a row are a restart (RFC 3550 A.1).
            let restarted = self.doubted == Some(sequence);
            self.doubted = Some(SequenceNumber(sequence.0.wrapping_add(1)));
            return if restarted { Place::Restarted } else { Place::Far };
        }
        self.doubted = None;
        self.has_left = false;
        if step > 0 {
            self.highest = self.index(sequence);
            self.clock.tick(header.timestamp(), step == 1, now);
        } else {
            self.clock.hear(now);
        }
        Place::Within
    }

    /// Whether another source may have the stream.
    fn gives_way(&self, around: &Around<'_>) -> bool {
        self.has_left
            || self.clock.silence(around.now) >= HOLD
            || !(around.feeds)(self.origin.ingress)
    }

    /// The index of a sequence number near the highest one.
    fn index(&self, sequence: SequenceNumber) -> u64 {
        let step = sequence.0.wrapping_sub(self.highest as u16) as i16;
        self.highest.wrapping_add_signed(step.into())
    }

    fn highest_ours(&self) -> u64 {
        self.highest.wrapping_add(self.shift)
    }
}
