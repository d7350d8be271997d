//! What is remembered about each source (SSRC): highest index and windows.

use agw_rtp::{SequenceNumber, Ssrc};

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
/// its room made. It is made for further ones when they have authenticated: few sessions have any,
/// and room for as many as there may be would be a third of what a call takes.
///
/// A source is never evicted while the key is in force that it was seen under: forgetting its window
/// would open it to replays and, on an egress, to a reused keystream. What only replaced keys have
/// sealed may make room: see [`SourceTable::forget_replaced`].
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
    /// As many as there is room for by now.
    sources: Box<[Source]>,
}

const _: () = assert!(size_of::<SourceTable>() == 64);

//= tests/spec/srtp.md#replay
//# Each SSRC MUST have a window of its own.
//= tests/spec/srtp.md#replay
//# SRTP and SRTCP MUST have separate windows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    /// Vacant at the first place: see [`SourceTable::first`].
    media: Media,
    srtcp: ReplayWindow,
}

/// A source and its SRTP window.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Media {
    srtp: ReplayWindow,
    ssrc: Ssrc,
    generation: u8,
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
        Self { srtp: ReplayWindow::new(window), ssrc: Ssrc(0), generation: 0 }
    }
}

impl Source {
    fn vacant(window: u16) -> Self {
        Self { media: Media::vacant(window), srtcp: ReplayWindow::new(window) }
    }
}

impl SourceTable {
    /// A table for what is sent: the first source needs nothing but the table.
    pub(crate) fn for_sending(initial_roc: u32, window: u16, max_sources: u8) -> Self {
        let first = Media::vacant(window);
        let sources = Box::default();
        Self { first, initial_roc, used: 0, most: max_sources, generation: 0, sources }
    }

    /// A table for what is received, with the first source's SRTCP window.
    pub(crate) fn for_receiving(initial_roc: u32, window: u16, max_sources: u8) -> Self {
        let sources = Box::new([Source::vacant(window)]);
        Self { sources, ..Self::for_sending(initial_roc, window, max_sources) }
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
            None => PacketIndex::new(self.initial_roc, sequence.0),
        };
        look(window, index.get())
    }

    /// Looks whether an SRTCP index is fresh.
    pub(crate) fn look_srtcp(&self, ssrc: Ssrc, index: SrtcpIndex) -> Result<Standing, Refusal> {
        let place = self.place(ssrc)?;
        let window = place.and_then(|place| self.window(place, Protocol::Srtcp));
        look(window, u64::from(index.get()))
    }

    /// Remembers an index.
    #[inline(always)]
    pub(crate) fn remember(
        &mut self,
        ssrc: Ssrc,
        protocol: Protocol,
        index: u64,
    ) -> Result<Remembered, Refusal> {
        let generation = self.generation;
        let window = match protocol {
            Protocol::Srtp => {
                let media = self.media_mut(ssrc)?;
                media.generation = generation;
                &mut media.srtp
            }
            Protocol::Srtcp => self.srtcp_mut(ssrc)?,
        };
        let new_source = window.highest().is_none();
        let newer = window.remember(index)?;
        Ok(Remembered { newer, new_source })
    }

    /// Whether an SRTP index is more than `distance` above the highest of its source.
    pub(crate) fn is_far_ahead(&self, ssrc: Ssrc, index: u64, distance: u64) -> bool {
        let window = self.find(ssrc).and_then(|place| self.window(place, Protocol::Srtp));
        let highest = window.and_then(ReplayWindow::highest);
        highest.is_some_and(|highest| index > highest + distance)
    }

    /// From now on packets are under another key: sources that are not seen under it may go.
    pub(crate) fn replace_key(&mut self) {
        let next = self.generation.wrapping_add(1);
        // Numbers come round: nothing may pass for new because it is so old.
        self.all_media().filter(|media| media.generation == next).for_each(|media| {
            media.generation = next.wrapping_sub(1);
        });
        self.generation = next;
    }

    /// The key that comes was in force before: no source may go.
    pub(crate) fn hold_all(&mut self) {
        let generation = self.generation;
        self.all_media().for_each(|media| media.generation = generation);
    }

    /// Forgets one source of an egress that only replaced keys have sealed, and tells whether
    /// there was one. Those keys must never seal again.
    #[cold]
    pub(crate) fn forget_replaced(&mut self) -> bool {
        let replaced = |media: &Media| media.generation != self.generation;
        let Some(gone) = (0..self.used()).find(|&at| self.media(at).is_some_and(replaced)) else {
            return false;
        };
        // Those behind it move up, so that the oldest stays the first to go.
        let mut moved = Media::vacant(self.first.srtp.size() as u16);
        for place in (gone..self.used()).rev() {
            let media = match place {
                0 => Some(&mut self.first),
                _ => self.sources.get_mut(place).map(|source| &mut source.media),
            };
            if let Some(media) = media {
                std::mem::swap(media, &mut moved);
            }
        }
        self.used -= 1;
        true
    }

    pub(crate) fn states(&self) -> impl Iterator<Item = SourceState> {
        (0..self.used()).filter_map(|place| {
            let media = self.media(place)?;
            let highest = media.srtp.highest().map(PacketIndex::from_window);
            let srtcp = self.window(place, Protocol::Srtcp).and_then(ReplayWindow::highest);
            Some(SourceState {
                ssrc: media.ssrc,
                roc: highest.map_or(self.initial_roc, PacketIndex::roc),
                highest_sequence: highest.map(PacketIndex::sequence),
                srtcp_index: srtcp.map(|index| SrtcpIndex::from_word(index as u32)),
            })
        })
    }

    fn all_media(&mut self) -> impl Iterator<Item = &mut Media> {
        let used = self.used();
        let others = self.sources.iter_mut().take(used).skip(1).map(|source| &mut source.media);
        std::iter::once(&mut self.first).chain(others)
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
            None if self.used >= self.most => Err(Refusal::Full),
            place => Ok(place),
        }
    }

    #[inline(always)]
    fn find(&self, ssrc: Ssrc) -> Option<usize> {
        if self.used > 0 && self.first.ssrc == ssrc {
            return Some(0);
        }
        let others = self.sources.iter().take(self.used()).skip(1);
        (1..).zip(others).find_map(|(place, source)| (source.media.ssrc == ssrc).then_some(place))
    }

    #[inline(always)]
    fn media(&self, place: usize) -> Option<&Media> {
        match place {
            0 => Some(&self.first),
            _ => self.sources.get(place).map(|source| &source.media),
        }
    }

    #[inline(always)]
    fn window(&self, place: usize, protocol: Protocol) -> Option<&ReplayWindow> {
        match protocol {
            Protocol::Srtp => self.media(place).map(|media| &media.srtp),
            Protocol::Srtcp => self.sources.get(place).map(|source| &source.srtcp),
        }
    }

    /// The media of a source, which is put in the table if it is not there.
    #[inline(always)]
    fn media_mut(&mut self, ssrc: Ssrc) -> Result<&mut Media, Refusal> {
        match self.place_or_add(ssrc)? {
            0 => Ok(&mut self.first),
            place => Ok(&mut self.source_mut(place)?.media),
        }
    }

    fn srtcp_mut(&mut self, ssrc: Ssrc) -> Result<&mut ReplayWindow, Refusal> {
        let place = self.place_or_add(ssrc)?;
        Ok(&mut self.source_mut(place)?.srtcp)
    }

    #[inline(always)]
    fn place_or_add(&mut self, ssrc: Ssrc) -> Result<usize, Refusal> {
        Ok(match self.place(ssrc)? {
            Some(place) => place,
            None => self.add(ssrc),
        })
    }

    #[cold]
    fn add(&mut self, ssrc: Ssrc) -> usize {
        let place = self.used();
        self.used += 1;
        if place == 0 {
            self.first.ssrc = ssrc;
        } else if let Ok(source) = self.source_mut(place) {
            source.media.ssrc = ssrc;
        }
        place
    }

    #[inline]
    fn source_mut(&mut self, place: usize) -> Result<&mut Source, Refusal> {
        if place >= self.sources.len() {
            self.make_room(place);
        }
        self.sources.get_mut(place).ok_or(Refusal::Full)
    }

    //= tests/spec/relay.md#memory
    //# A flood of unknown SSRCs MUST NOT grow the memory of a leg.
    /// Makes room up to a place, in steps that double: six of them at most.
    #[cold]
    fn make_room(&mut self, place: usize) {
        let room = (place + 1).next_power_of_two().min(usize::from(self.most));
        let window = self.first.srtp.size() as u16;
        let mut sources = std::mem::take(&mut self.sources).into_vec();
        sources.reserve_exact(room.saturating_sub(sources.len()));
        sources.resize_with(room, || Source::vacant(window));
        self.sources = sources.into_boxed_slice();
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
