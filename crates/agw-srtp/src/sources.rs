//! What is remembered about each source (SSRC): highest index and windows.

mod above;
mod life;
mod restart;
mod shape;

use agw_rtp::{SequenceNumber, Ssrc};

use self::restart::Opened;
use crate::room::{Room, SpareRooms};
use crate::ticket::Protocol;
use crate::window::Stale;
use crate::{PacketIndex, ReplayWindow, SrtcpIndex, estimate_index};

/// How far RFC 3550 A.1 lets a source jump ahead before it doubts it (`MAX_DROPOUT`).
const MAX_DROPOUT: u64 = 3000;

/// One source, for audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceState {
    /// The source.
    pub ssrc: Ssrc,
    /// Its rollover counter (RFC 3711 §3.3.1).
    pub roc: u32,
    /// Its highest sequence number under that counter; `None` before its first SRTP packet.
    pub highest_sequence: Option<SequenceNumber>,
    /// Its highest SRTCP index; `None` before its first SRTCP packet, and for an egress, which
    /// has one index for all sources.
    pub srtcp_index: Option<SrtcpIndex>,
}

/// All sources of a session, in the order of their first packets. A session's first source finds
/// its room made. Further ones take theirs from what was made ahead ([`SpareRooms`]) when they have
/// authenticated: few sessions have any, and room for as many as there may be would be a third of what
/// a call takes. Windows of another size than usual do not lie there, so that a session with such
/// has room for all its sources from the start.
///
/// A source is never evicted while a key lives that it was seen under: forgetting its window would
/// open it to replays and, on an egress, to a reused keystream. What was seen under keys only that are
/// gone makes room for new sources when there is no other: see [`SourceTable::forget_replaced`].
///
/// The rollover counter to start with is the first source's (RFC 3711 §3.2.3: each SSRC has its own).
/// A further one starts at 0; an ingress tries the other value once ([`SourceTable::look_again`]).
///
/// Most sessions have one source and little RTCP: what a media packet of the first source reads
/// stands here, in one line of memory, and everything else behind a pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct SourceTable {
    first: Media,
    initial_roc: u32,
    used: u8,
    /// Sources that there may be.
    most: u8,
    /// Counts keys; a source remembers the last one that it was seen under.
    generation: u8,
    /// So many keys before the latest still open packets; [`HOLDS_ALL`] where nothing goes by itself.
    held: u8,
    /// The first source's SRTCP window; none where nothing is received.
    first_srtcp: Option<Box<ReplayWindow>>,
    others: Option<Box<Room>>,
}

const _: () = assert!(size_of::<SourceTable>() == 64);

/// No source goes unless [`SourceTable::forget_replaced`] is called.
const HOLDS_ALL: u8 = u8::MAX;

//= tests/spec/srtp.md#replay
//# Each SSRC MUST have a window of its own.
//= tests/spec/srtp.md#replay
//# SRTP and SRTCP MUST have separate windows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    media: Media,
    srtcp: ReplayWindow,
}

/// A source and its SRTP window.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Media {
    srtp: ReplayWindow,
    ssrc: Ssrc,
    generation: u8,
    opened: Opened,
}

/// Where a packet stands among those of its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) index: u64,
    pub(crate) new_source: bool,
    pub(crate) implausible: bool,
}

/// What a remembered packet was for its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Remembered {
    pub(crate) newer: bool,
    pub(crate) new_source: bool,
}

/// Why a packet has no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Replay,
    TooOld,
    Full,
}

impl Media {
    fn vacant(window: u16) -> Self {
        let opened = Opened::nothing();
        Self { srtp: ReplayWindow::new(window), ssrc: Ssrc(0), generation: 0, opened }
    }
}

impl Source {
    /// A source that is not there yet, with windows of the usual size.
    pub(crate) const fn usual() -> Self {
        let opened = Opened::nothing();
        let media = Media { srtp: ReplayWindow::usual(), ssrc: Ssrc(0), generation: 0, opened };
        Self { media, srtcp: ReplayWindow::usual() }
    }
}

impl SourceTable {
    /// A table for what is sent: the first source needs nothing but the table.
    pub(crate) fn for_sending(initial_roc: u32, window: u16, max_sources: u8) -> Self {
        let vacant = || Source { media: Media::vacant(window), ..Source::usual() };
        let table = Self::with_room(initial_roc, window, max_sources, vacant);
        Self { held: HOLDS_ALL, ..table }
    }

    /// A table for what is received, with the first source's SRTCP window.
    pub(crate) fn for_receiving(initial_roc: u32, window: u16, max_sources: u8) -> Self {
        let new = || ReplayWindow::new(window);
        let vacant = || Source { media: Media::vacant(window), srtcp: new() };
        let table = Self::with_room(initial_roc, window, max_sources, vacant);
        Self { first_srtcp: Some(Box::new(new())), ..table }
    }

    fn with_room(initial_roc: u32, window: u16, most: u8, vacant: impl Fn() -> Source) -> Self {
        let first = Media::vacant(window);
        let further = usize::from(most).saturating_sub(1);
        let others = (!first.srtp.is_usual()).then(|| Room::chain(further, &vacant)).flatten();
        let (used, generation, held, first_srtcp) = (0, 0, 0, None);
        Self { first, initial_roc, used, most, generation, held, first_srtcp, others }
    }

    /// Estimates the index of an SRTP packet and looks whether it is fresh.
    #[inline(always)]
    pub(crate) fn look_srtp(
        &self,
        ssrc: Ssrc,
        sequence: SequenceNumber,
    ) -> Result<Standing, Refusal> {
        let place = self.place(ssrc)?;
        let window = place.and_then(|place| self.window(place, Protocol::Srtp));
        let index = match window.and_then(ReplayWindow::highest).map(PacketIndex::from_window) {
            Some(highest) => estimate_index(highest, sequence),
            None => PacketIndex::new(self.starting_roc(), sequence.0),
        };
        look(window, index.get())
    }

    /// As [`Self::look_srtp`] with the other rollover counter that a source may start at; `None` for
    /// a source that has started.
    pub(crate) fn look_again(&self, ssrc: Ssrc, sequence: SequenceNumber) -> Option<Standing> {
        let place = self.place(ssrc).ok()?;
        let window = place.and_then(|place| self.window(place, Protocol::Srtp));
        let has_started = window.is_some_and(|window| window.highest().is_some());
        if self.initial_roc == 0 || has_started {
            return None;
        }
        let other = if self.starting_roc() == 0 { self.initial_roc } else { 0 };
        look(window, PacketIndex::new(other, sequence.0).get()).ok()
    }

    //= tests/spec/srtp.md#packet-index
    //# Each SSRC MUST have a rollover counter of its own: that to start with is the first source's,
    //# and further ones start at 0.
    /// The rollover counter at which the next new source is expected.
    #[cold]
    fn starting_roc(&self) -> u32 {
        let has_started = |place| {
            self.window(place, Protocol::Srtp).is_some_and(|window| window.highest().is_some())
        };
        if (0..self.used()).any(has_started) { 0 } else { self.initial_roc }
    }

    /// Looks whether an SRTCP index is fresh.
    pub(crate) fn look_srtcp(&self, ssrc: Ssrc, index: SrtcpIndex) -> Result<Standing, Refusal> {
        let place = self.place(ssrc)?;
        let window = place.and_then(|place| self.window(place, Protocol::Srtcp));
        look(window, u64::from(index.get()))
    }

    /// Remembers an index under the key of a generation; a new source takes its room from `spare`.
    #[inline(always)]
    pub(crate) fn remember(
        &mut self,
        ssrc: Ssrc,
        protocol: Protocol,
        index: u64,
        generation: u8,
        spare: &mut SpareRooms,
    ) -> Result<Remembered, Refusal> {
        let place = self.place_or_add(ssrc, generation, spare)?;
        let latest = self.generation;
        let age = |generation: u8| latest.wrapping_sub(generation);
        if let Some(media) = self.media_at_mut(place)
            // An old key's packet that comes late does not make a source an old one.
            && age(generation) < age(media.generation)
        {
            media.generation = generation;
        }
        let window = match protocol {
            Protocol::Srtp => self.media_at_mut(place).map(|media| &mut media.srtp),
            Protocol::Srtcp => self.srtcp_at_mut(place),
        }
        .ok_or(Refusal::Full)?;
        let new_source = window.highest().is_none();
        let newer = window.remember(index)?;
        if generation == latest
            && let Some(media) = self.media_at_mut(place)
        {
            media.opened.note(protocol);
        }
        Ok(Remembered { newer, new_source })
    }

    /// Whether an SRTP index is more than `distance` above the highest of its source.
    pub(crate) fn is_far_ahead(&self, ssrc: Ssrc, index: u64, distance: u64) -> bool {
        let window = self.find(ssrc).and_then(|place| self.window(place, Protocol::Srtp));
        let highest = window.and_then(ReplayWindow::highest);
        highest.is_some_and(|highest| index > highest + distance)
    }

    pub(crate) fn states(&self) -> impl Iterator<Item = SourceState> {
        (0..self.used()).filter_map(|place| {
            let media = self.media(place)?;
            let highest = media.srtp.highest().map(PacketIndex::from_window);
            let srtcp = self.window(place, Protocol::Srtcp).and_then(ReplayWindow::highest);
            Some(SourceState {
                ssrc: media.ssrc,
                roc: highest.map_or_else(|| self.starting_roc(), PacketIndex::roc),
                highest_sequence: highest.map(PacketIndex::sequence),
                srtcp_index: srtcp.map(|index| SrtcpIndex::from_word(index as u32)),
            })
        })
    }

    fn all_media(&mut self) -> impl Iterator<Item = &mut Media> {
        let further = self.used().saturating_sub(1);
        let others = Room::all_mut(&mut self.others).take(further);
        std::iter::once(&mut self.first).chain(others.map(|source| &mut source.media))
    }

    #[inline]
    fn used(&self) -> usize {
        usize::from(self.used)
    }

    /// Where a source is; `None` if it is new and may be added.
    #[inline(always)]
    fn place(&self, ssrc: Ssrc) -> Result<Option<usize>, Refusal> {
        match self.find(ssrc) {
            //= tests/spec/srtp.md#order-of-checks
            //# The number of SSRCs in a crypto context MUST be bounded.
            None if self.used >= self.most && self.replaced(self.held).is_none() => {
                Err(Refusal::Full)
            }
            place => Ok(place),
        }
    }

    #[inline(always)]
    fn find(&self, ssrc: Ssrc) -> Option<usize> {
        if self.used > 0 && self.first.ssrc == ssrc {
            return Some(0);
        }
        let others = Room::all(self.others.as_deref()).take(self.used().saturating_sub(1));
        (1..).zip(others).find_map(|(place, source)| (source.media.ssrc == ssrc).then_some(place))
    }

    #[inline(always)]
    fn media(&self, place: usize) -> Option<&Media> {
        match place.checked_sub(1) {
            None => Some(&self.first),
            Some(further) => Some(&Room::all(self.others.as_deref()).nth(further)?.media),
        }
    }

    #[inline(always)]
    fn media_at_mut(&mut self, place: usize) -> Option<&mut Media> {
        match place.checked_sub(1) {
            None => Some(&mut self.first),
            Some(further) => Some(&mut Room::all_mut(&mut self.others).nth(further)?.media),
        }
    }

    #[inline(always)]
    fn window(&self, place: usize, protocol: Protocol) -> Option<&ReplayWindow> {
        match (protocol, place.checked_sub(1)) {
            (Protocol::Srtp, _) => self.media(place).map(|media| &media.srtp),
            (Protocol::Srtcp, None) => self.first_srtcp.as_deref(),
            (Protocol::Srtcp, Some(further)) => {
                Room::all(self.others.as_deref()).nth(further).map(|source| &source.srtcp)
            }
        }
    }

    fn srtcp_at_mut(&mut self, place: usize) -> Option<&mut ReplayWindow> {
        match place.checked_sub(1) {
            None => self.first_srtcp.as_deref_mut(),
            Some(further) => {
                Room::all_mut(&mut self.others).nth(further).map(|source| &mut source.srtcp)
            }
        }
    }

    #[inline(always)]
    fn place_or_add(
        &mut self,
        ssrc: Ssrc,
        generation: u8,
        spare: &mut SpareRooms,
    ) -> Result<usize, Refusal> {
        Ok(match self.place(ssrc)? {
            Some(place) => place,
            None => self.add(ssrc, generation, spare),
        })
    }

    //= tests/spec/relay.md#memory
    //# A flood of unknown SSRCs MUST NOT grow the memory of a leg.
    #[cold]
    fn add(&mut self, ssrc: Ssrc, generation: u8, spare: &mut SpareRooms) -> usize {
        //= tests/spec/srtp.md#order-of-checks
        //# A source that was seen under keys only that are gone MUST give way to a new one when there
        //# is no other room.
        while self.used >= self.most
            && let Some(gone) = self.replaced(self.held)
        {
            self.forget(gone);
        }
        let place = self.used();
        if let Some(further) = place.checked_sub(1) {
            Room::reach(&mut self.others, further, spare);
        }
        self.used += 1;
        if let Some(media) = self.media_at_mut(place) {
            (media.ssrc, media.generation) = (ssrc, generation);
            media.opened = Opened::nothing();
        }
        place
    }
}

#[inline(always)]
fn look(window: Option<&ReplayWindow>, index: u64) -> Result<Standing, Refusal> {
    let Some(window) = window else {
        return Ok(Standing { index, new_source: true, implausible: false });
    };
    // Looking only: the index is checked again when it is remembered.
    drop(window.check(index)?);
    let highest = window.highest();
    Ok(Standing {
        index,
        // Its first packet of this protocol, but not its first one.
        new_source: false,
        implausible: highest.is_some_and(|highest| index > highest + MAX_DROPOUT),
    })
}

impl From<Stale> for Refusal {
    fn from(stale: Stale) -> Self {
        match stale {
            Stale::Replay => Self::Replay,
            Stale::TooOld => Self::TooOld,
        }
    }
}
