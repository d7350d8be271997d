//! Windows and rollover counters as sets and arithmetic: what agw-srtp is measured against.

use std::collections::BTreeSet;

use agw_rtp::Ssrc;

/// A replay window that remembers everything.
#[derive(Debug, Clone, Default)]
pub(super) struct Window {
    seen: BTreeSet<u64>,
}

impl Window {
    pub(super) fn highest(&self) -> Option<u64> {
        self.seen.last().copied()
    }

    pub(super) fn is_fresh(&self, index: u64, size: u64) -> bool {
        !self.seen.contains(&index) && self.highest().is_none_or(|highest| index + size > highest)
    }

    pub(super) fn remember(&mut self, index: u64) {
        self.seen.insert(index);
    }
}

/// One source: SRTP and SRTCP apart.
#[derive(Debug, Clone)]
pub(super) struct Source {
    ssrc: Ssrc,
    pub(super) srtp: Window,
    pub(super) srtcp: Window,
    /// The key that its latest packet was under.
    generation: u16,
}

/// The sources of one end, in the order in which they appeared.
#[derive(Debug, Clone)]
pub(super) struct Sources {
    initial_roc: u32,
    window: u64,
    limit: usize,
    known: Vec<Source>,
    /// Of a receiver, the oldest key that still opens packets, as far as it was told.
    pub(super) oldest: u16,
}

impl Sources {
    pub(super) fn new(initial_roc: u32, window: u16, limit: u8) -> Self {
        let (window, limit) = (u64::from(window), usize::from(limit));
        Self { initial_roc, window, limit, known: Vec::new(), oldest: 0 }
    }

    pub(super) fn started_anew(&self, roc: u32) -> Self {
        Self { initial_roc: roc, known: Vec::new(), ..*self }
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    pub(super) fn find(&self, ssrc: Ssrc) -> Option<&Source> {
        self.known.iter().find(|source| source.ssrc == ssrc)
    }

    /// The index that a sequence number stands for here.
    pub(super) fn index(&self, ssrc: Ssrc, sequence: u16) -> u64 {
        match self.find(ssrc).and_then(|source| source.srtp.highest()) {
            Some(highest) => nearest(highest, sequence),
            None => (u64::from(self.starting_roc()) << 16) | u64::from(sequence),
        }
    }

    /// The other index that the first packet of a source may have: that of the session, or of a
    /// source of its own.
    pub(super) fn other_index(&self, ssrc: Ssrc, sequence: u16) -> Option<u64> {
        let has_started = self.find(ssrc).is_some_and(|source| source.srtp.highest().is_some());
        let other = if self.starting_roc() == 0 { self.initial_roc } else { 0 };
        (!has_started && self.initial_roc != 0)
            .then_some((u64::from(other) << 16) | u64::from(sequence))
    }

    /// The first source of all starts where the session stands, further ones at 0.
    fn starting_roc(&self) -> u32 {
        let has_any = self.known.iter().any(|source| source.srtp.highest().is_some());
        if has_any { 0 } else { self.initial_roc }
    }

    pub(super) fn has_room_for(&self, ssrc: Ssrc) -> bool {
        self.find(ssrc).is_some() || self.known.len() < self.limit
    }

    /// A new source takes the place of the first that was seen under no key since `oldest`: of a
    /// sender the one in force, of which no key stream can be had again; of a receiver the oldest that
    /// still opens packets, so that none can be replayed.
    pub(super) fn make_room_for(&mut self, ssrc: Ssrc, oldest: u16) {
        if !self.has_room_for(ssrc)
            && let Some(place) = self.replaceable(oldest)
        {
            self.known.remove(place);
        }
    }

    /// Whether [`Self::make_room_for`] would do.
    pub(super) fn can_have_room_for(&self, ssrc: Ssrc, oldest: u16) -> bool {
        self.has_room_for(ssrc) || self.replaceable(oldest).is_some()
    }

    fn replaceable(&self, oldest: u16) -> Option<usize> {
        self.known.iter().position(|source| source.generation < oldest)
    }

    pub(super) fn is_fresh(&self, ssrc: Ssrc, rtcp: bool, index: u64) -> bool {
        let window = self.find(ssrc).map(|source| source.window(rtcp));
        window.is_none_or(|window| window.is_fresh(index, self.window))
    }

    /// Whether an index is more than `distance` ahead of what is known.
    pub(super) fn is_ahead(&self, ssrc: Ssrc, index: u64, distance: u64) -> bool {
        let highest = self.find(ssrc).and_then(|source| source.srtp.highest());
        highest.is_some_and(|highest| index > highest + distance)
    }

    pub(super) fn remember(&mut self, ssrc: Ssrc, rtcp: bool, index: u64, generation: u16) {
        let place = self.known.iter().position(|source| source.ssrc == ssrc);
        let place = place.unwrap_or_else(|| {
            let (srtp, srtcp) = (Window::default(), Window::default());
            self.known.push(Source { ssrc, srtp, srtcp, generation });
            self.known.len() - 1
        });
        let source = &mut self.known[place];
        source.generation = source.generation.max(generation);
        if rtcp { source.srtcp.remember(index) } else { source.srtp.remember(index) }
    }
}

impl Source {
    fn window(&self, rtcp: bool) -> &Window {
        if rtcp { &self.srtcp } else { &self.srtp }
    }
}

/// Under a tag of 32 bits one packet far ahead is not believed: a second one must be near it.
#[derive(Debug, Clone, Default)]
pub(super) struct Jumps {
    waiting: Option<Jump>,
}

#[derive(Debug, Clone)]
struct Jump {
    ssrc: Ssrc,
    index: u64,
    others: u32,
}

impl Jumps {
    /// Farther ahead than this is a jump, and nearer than this to one confirms it.
    pub(super) const FAR: u64 = 1_000;
    /// So many jumps of other sources one that waits outlasts.
    const MOST_OTHERS: u32 = 16;

    /// Whether the jump may pass; one that may not waits for the next.
    pub(super) fn confirms(&mut self, ssrc: Ssrc, index: u64) -> bool {
        if let Some(waiting) = &mut self.waiting {
            if waiting.ssrc != ssrc && waiting.others < Self::MOST_OTHERS {
                waiting.others += 1;
                return false;
            }
            let near = (1..=Self::FAR).contains(&waiting.index.abs_diff(index));
            if waiting.ssrc == ssrc && near {
                self.waiting = None;
                return true;
            }
        }
        self.waiting = Some(Jump { ssrc, index, others: 0 });
        false
    }
}

/// Of all indices with that sequence number, from 0 to 2^48 - 1, the nearest to the highest one
/// seen; of two as near, the one with the same rollover counter.
fn nearest(highest: u64, sequence: u16) -> u64 {
    let roc = highest >> 16;
    let distance = |roc: u64| ((roc << 16) | u64::from(sequence)).abs_diff(highest);
    let others = [roc.checked_sub(1), Some(roc + 1).filter(|next| *next < 1 << 32)];
    let nearer = others.into_iter().flatten().find(|other| distance(*other) < distance(roc));
    (nearer.unwrap_or(roc) << 16) | u64::from(sequence)
}
