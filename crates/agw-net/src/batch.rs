//! What a round works on: slots the datagrams arrive in and leave from, and the send queue.

use std::{
    fmt,
    iter::{Enumerate, Zip},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    slice,
    sync::Arc,
};

use crate::{
    PortToken,
    arena::{Arena, FRAME, Frame},
    outbox::{Departures, Outbox, Payloads, Transmit, Uses},
};

/// Slots of a batch: the datagrams of one round at most.
pub const BATCH: usize = 64;
/// Octets of a slot.
pub const SLOT: usize = FRAME;
/// Octets before the payload of a slot, for the headers of layers 2 to 4 of either family.
pub const HEAD_ROOM: usize = 128;
/// Octets kept free behind the longest datagram, for padding, SRTCP index, MKI and tag.
pub const TAIL_ROOM: usize = 192;
/// Octets of the longest datagram that arrives whole at a socket; a longer one is cut and flagged.
pub const MAX_DATAGRAM: usize = SLOT - HEAD_ROOM - TAIL_ROOM;
/// Octets from the payload's start to the slot's end for a datagram that came by a socket: the
/// longest that can be sent. What came by `xdp` starts where the kernel put it and has less.
pub const PAYLOAD_ROOM: usize = SLOT - HEAD_ROOM;

/// 64 slots of 2,048 octets and a queue of 64 sends, allocated once.
///
/// The slots are frames of an arena: one of the batch's own ([`Batch::new`]), or the memory that a
/// backend shares with the kernel ([`crate::PacketIo::new_batch`]), so that a datagram leaves from
/// the frame it came in.
pub struct Batch {
    arena: Arc<Arena>,
    /// 64 in all.
    places: Box<[Place]>,
    arrivals: [Arrival; BATCH],
    len: usize,
    departures: [Transmit; BATCH],
    queued: usize,
    uses: Uses,
}

impl Batch {
    /// Makes an empty batch with memory of its own, for a backend that shares none with the
    /// kernel.
    #[must_use]
    pub fn new() -> Self {
        let (arena, frames) = Arena::new_or_abort(BATCH as u32);
        Self::over(Arc::new(arena), frames)
    }

    /// Makes an empty batch over [`BATCH`] frames of an arena.
    pub(crate) fn over(arena: Arc<Arena>, frames: impl IntoIterator<Item = Frame>) -> Self {
        let frames = frames.into_iter().take(BATCH);
        Self {
            arena,
            places: frames.map(|frame| Place { frame, start: HEAD_ROOM }).collect(),
            arrivals: [Arrival::NONE; BATCH],
            len: 0,
            departures: [Transmit::NONE; BATCH],
            queued: 0,
            uses: Uses::default(),
        }
    }

    /// Slots that hold a datagram.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no slot holds a datagram.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The slots that hold a datagram, oldest first; all of them may be held at once.
    pub fn slots_mut(&mut self) -> Slots<'_> {
        self.split_mut().0
    }

    /// The send queue.
    pub fn outbox(&mut self) -> Outbox<'_> {
        self.split_mut().1
    }

    /// The slots and the send queue at once.
    pub fn split_mut(&mut self) -> (Slots<'_>, Outbox<'_>) {
        let held = self.places.get_mut(..self.len).unwrap_or_default();
        let inner = held.iter_mut().zip(self.arrivals.iter()).enumerate();
        let slots = Slots { arena: &self.arena, inner };
        let arrivals = self.arrivals.get(..self.len).unwrap_or_default();
        let outbox = Outbox {
            departures: &mut self.departures,
            queued: &mut self.queued,
            uses: &mut self.uses,
            arrivals,
        };
        (slots, outbox)
    }

    /// Forgets the datagrams and the queue. The octets stay until they are overwritten.
    pub fn clear(&mut self) {
        self.len = 0;
        self.clear_outbox();
    }

    /// Puts a copy of a datagram into the next free slot, as if it had arrived at a port; `false` if
    /// every slot is held, or it is longer than [`MAX_DATAGRAM`].
    pub fn put(
        &mut self,
        port: PortToken,
        source: SocketAddr,
        traffic_class: u8,
        octets: &[u8],
    ) -> bool {
        let (arena, places, arrivals) = self.free_mut();
        let (Some(place), Some(arrival)) = (places.first_mut(), arrivals.first_mut()) else {
            return false;
        };
        let (len, room) = (octets.len(), PAYLOAD_ROOM);
        let Some(landing) = place.landing_mut(arena).get_mut(..len) else {
            return false;
        };
        landing.copy_from_slice(octets);
        *arrival = Arrival { port, source, len, room, truncated: false, traffic_class };
        self.advance(1);
        true
    }

    pub(crate) fn arena(&self) -> &Arc<Arena> {
        &self.arena
    }

    /// Slots that hold nothing, with the arena of their frames and the place for what is to be
    /// known about each.
    pub(crate) fn free_mut(&mut self) -> (&Arena, &mut [Place], &mut [Arrival]) {
        (
            &self.arena,
            self.places.get_mut(self.len..).unwrap_or_default(),
            self.arrivals.get_mut(self.len..).unwrap_or_default(),
        )
    }

    /// Declares the first `count` free slots filled.
    pub(crate) fn advance(&mut self, count: usize) {
        self.len = BATCH.min(self.len + count);
    }

    /// The queued sends, with what they send.
    pub(crate) fn departures(&self) -> (Payloads<'_>, &[Transmit]) {
        let payloads = Payloads { arena: &self.arena, places: &self.places };
        (payloads, self.departures.get(..self.queued).unwrap_or_default())
    }

    /// As [`Batch::departures`], with the right to swap frames.
    pub(crate) fn departures_mut(&mut self) -> (Departures<'_>, &[Transmit]) {
        let Self { arena, places, uses, .. } = self;
        let departures = Departures { arena, places, uses: *uses };
        (departures, self.departures.get(..self.queued).unwrap_or_default())
    }

    /// Empties the send queue.
    pub(crate) fn clear_outbox(&mut self) {
        self.queued = 0;
        self.uses = Uses::default();
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Batch {
    /// Without the octets: they may be anybody's conversation.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Batch({} held, {} queued)", self.len, self.queued)
    }
}

/// A datagram in its slot.
pub struct Slot<'a> {
    /// The slot's number in its batch, for [`Transmit::slot`].
    pub index: usize,
    /// The port it arrived at.
    pub port: PortToken,
    /// Where it came from. `0.0.0.0:0` if the kernel did not say, which UDP never does.
    pub source: SocketAddr,
    /// Octets of the datagram that are in the slot.
    pub len: usize,
    /// Whether the datagram was longer than a slot takes with its tail room, and may be cut.
    pub truncated: bool,
    /// The IPv4 type of service or IPv6 traffic class octet that it came with; 0 at a socket that
    /// was not told to look ([`crate::PacketIo::watch_traffic_class`]).
    pub traffic_class: u8,
    /// From the payload's start to the slot's end: the datagram in `..len`, then [`TAIL_ROOM`]
    /// octets or more with stale content (fewer only if `truncated`).
    pub octets: &'a mut [u8],
}

impl fmt::Debug for Slot<'_> {
    /// Without the octets: they may be anybody's conversation.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, port, source, len, truncated, traffic_class: _, octets: _ } = self;
        write!(f, "Slot({index}, {port:?}, {source}, {len} octets, truncated: {truncated})")
    }
}

/// The filled slots of a batch; see [`Batch::slots_mut`].
#[derive(Debug)]
pub struct Slots<'a> {
    arena: &'a Arena,
    inner: Enumerate<Zip<slice::IterMut<'a, Place>, slice::Iter<'a, Arrival>>>,
}

impl<'a> Iterator for Slots<'a> {
    type Item = Slot<'a>;

    fn next(&mut self) -> Option<Slot<'a>> {
        let (index, (place, arrival)) = self.inner.next()?;
        Some(Slot {
            index,
            port: arrival.port,
            source: arrival.source,
            len: arrival.len,
            truncated: arrival.truncated,
            traffic_class: arrival.traffic_class,
            octets: place.payload_mut(self.arena),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}

impl ExactSizeIterator for Slots<'_> {}

pub(crate) const UNSPECIFIED: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// A slot: its frame, and where in it the payload starts.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) frame: Frame,
    pub(crate) start: usize,
}

impl Place {
    /// From the payload's start to the slot's end.
    pub(crate) fn payload<'a>(&'a self, arena: &'a Arena) -> &'a [u8] {
        arena.frame(&self.frame).get(self.start..).unwrap_or_default()
    }

    /// From the payload's start to the slot's end.
    pub(crate) fn payload_mut<'a>(&'a mut self, arena: &'a Arena) -> &'a mut [u8] {
        arena.frame_mut(&mut self.frame).get_mut(self.start..).unwrap_or_default()
    }

    /// Where a datagram of a socket is to be received: [`MAX_DATAGRAM`] octets.
    pub(crate) fn landing_mut<'a>(&'a mut self, arena: &'a Arena) -> &'a mut [u8] {
        self.start = HEAD_ROOM;
        self.payload_mut(arena).get_mut(..MAX_DATAGRAM).unwrap_or_default()
    }
}

/// What is known about a received datagram.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) port: PortToken,
    pub(crate) source: SocketAddr,
    pub(crate) len: usize,
    /// Octets from the payload's start to the slot's end.
    pub(crate) room: usize,
    pub(crate) truncated: bool,
    /// 0 if nobody looked.
    pub(crate) traffic_class: u8,
}

impl Arrival {
    pub(crate) const NONE: Self = Self {
        port: PortToken(0),
        source: UNSPECIFIED,
        len: 0,
        room: PAYLOAD_ROOM,
        truncated: false,
        traffic_class: 0,
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Unqueued;

    fn transmit(slot: usize, len: usize) -> Transmit {
        Transmit { slot, len, ..Transmit::NONE }
    }

    #[test]
    fn all_slots_can_be_held_and_written_at_once_while_sends_are_queued() {
        let mut batch = Batch::new();
        batch.advance(BATCH);

        let (slots, mut outbox) = batch.split_mut();
        let mut held: Vec<Slot<'_>> = slots.collect();
        for slot in &mut held {
            assert_eq!(slot.octets.len(), PAYLOAD_ROOM);
            slot.octets.fill(slot.index as u8);
            outbox.push(transmit(slot.index, 1)).unwrap();
        }

        for slot in batch.slots_mut() {
            assert!(slot.octets.iter().all(|octet| *octet == slot.index as u8));
        }
        assert_eq!(batch.outbox().len(), BATCH);
        assert_eq!(batch.outbox().push(transmit(0, 1)), Err(Unqueued::Full));
    }

    #[test]
    fn a_datagram_that_is_put_in_stands_behind_those_there_are_and_can_be_sent() {
        let mut batch = Batch::new();
        let source = SocketAddr::from(([127, 0, 0, 1], 9));
        for count in 0..BATCH {
            assert!(batch.put(PortToken(count as u32), source, 184, &[count as u8; 33]));
        }
        assert!(!batch.put(PortToken(0), source, 0, &[1]));

        for (slot, count) in batch.slots_mut().zip(0..) {
            assert_eq!(
                (slot.port, slot.source, slot.traffic_class),
                (PortToken(count), source, 184)
            );
            assert_eq!(slot.octets[..slot.len], [count as u8; 33]);
            assert!(!slot.truncated && slot.octets.len() == PAYLOAD_ROOM);
        }
        assert_eq!(batch.outbox().push(transmit(BATCH - 1, PAYLOAD_ROOM)), Ok(()));
        batch.clear();
        assert!(!batch.put(PortToken(0), source, 0, &[1; MAX_DATAGRAM + 1]));
        assert!(batch.put(PortToken(0), source, 0, &[1; MAX_DATAGRAM]));
    }

    #[test]
    fn a_send_that_reaches_outside_its_batch_is_not_queued() {
        let mut batch = Batch::new();
        batch.advance(1);

        assert_eq!(batch.outbox().push(transmit(1, 10)), Err(Unqueued::NoSuchSlot));
        assert_eq!(batch.outbox().push(transmit(0, PAYLOAD_ROOM + 1)), Err(Unqueued::TooLong));
        assert!(batch.outbox().is_empty());
        assert_eq!(batch.outbox().push(transmit(0, PAYLOAD_ROOM)), Ok(()));
    }

    #[test]
    fn payloads_start_on_a_cache_line_and_keep_their_tail_room() {
        let mut batch = Batch::new();
        batch.advance(BATCH);
        for slot in batch.slots_mut() {
            assert_eq!(slot.octets.as_ptr() as usize % 64, 0);
            assert_eq!(slot.octets.len() - MAX_DATAGRAM, TAIL_ROOM);
        }
    }
}
