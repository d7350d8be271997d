//! The send queue of a batch, and what a backend makes of it.

use std::{fmt, net::SocketAddr};

use crate::{
    PortToken,
    arena::Arena,
    batch::{Arrival, BATCH, Place, UNSPECIFIED},
};

/// An order to send what a slot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmit {
    /// The port to send from.
    pub port: PortToken,
    /// Where to.
    pub destination: SocketAddr,
    /// [`crate::Slot::index`] of the slot.
    pub slot: usize,
    /// Octets to send, from the payload's start.
    pub len: usize,
    /// The caller's mark (its flow), given back if the datagram is not sent.
    pub tag: u32,
    /// The IPv4 type of service or IPv6 traffic class octet: the code point (RFC 2474 section 3) in
    /// the upper six bits, ECN (RFC 3168 section 5) in the lower two. `None` for the port's own.
    pub traffic_class: Option<u8>,
}

impl Transmit {
    pub(crate) const NONE: Self = Self {
        port: PortToken(0),
        destination: UNSPECIFIED,
        slot: 0,
        len: 0,
        tag: 0,
        traffic_class: None,
    };
}

/// The send queue of a batch. Neighbours with the same port go out in one system call.
#[derive(Debug)]
pub struct Outbox<'a> {
    pub(crate) departures: &'a mut [Transmit; BATCH],
    pub(crate) queued: &'a mut usize,
    pub(crate) uses: &'a mut Uses,
    pub(crate) arrivals: &'a [Arrival],
}

impl Outbox<'_> {
    /// Queues a send.
    ///
    /// # Errors
    /// [`Unqueued`] if it cannot be sent from this batch; the queue is unchanged then.
    pub fn push(&mut self, transmit: Transmit) -> Result<(), Unqueued> {
        let Some(arrival) = self.arrivals.get(transmit.slot) else {
            return Err(Unqueued::NoSuchSlot);
        };
        if transmit.len > arrival.room {
            return Err(Unqueued::TooLong);
        }
        let Some(free) = self.departures.get_mut(*self.queued) else {
            return Err(Unqueued::Full);
        };
        *free = transmit;
        *self.queued += 1;
        self.uses.note(transmit.slot);
        Ok(())
    }

    /// Says that a slot is sent again after this queue, so that its octets must stay.
    pub fn keep(&mut self, slot: usize) {
        if slot < self.arrivals.len() {
            self.uses.keep(slot);
        }
    }

    /// Whether [`BATCH`] sends are queued.
    #[must_use]
    pub fn is_full(&self) -> bool {
        *self.queued == self.departures.len()
    }

    /// Queued sends.
    #[must_use]
    pub fn len(&self) -> usize {
        *self.queued
    }

    /// Whether nothing is queued.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self.queued == 0
    }
}

/// Why a send was not queued. Each is a mistake of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unqueued {
    /// [`BATCH`] sends are queued already.
    Full,
    /// The slot holds no datagram.
    NoSuchSlot,
    /// Longer than [`crate::Slot::octets`].
    TooLong,
}

impl fmt::Display for Unqueued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the send queue is full",
            Self::NoSuchSlot => "the slot holds no datagram",
            Self::TooLong => "longer than a slot",
        })
    }
}

impl std::error::Error for Unqueued {}

/// What the queued sends of a batch send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Payloads<'a> {
    pub(crate) arena: &'a Arena,
    pub(crate) places: &'a [Place],
}

impl<'a> Payloads<'a> {
    /// The octets of a queued send.
    pub(crate) fn of(self, transmit: &Transmit) -> &'a [u8] {
        let place = self.places.get(transmit.slot);
        let octets = place.and_then(|place| place.payload(self.arena).get(..transmit.len));
        octets.unwrap_or_default()
    }
}

/// The queued sends of a batch for a backend that sends the frames themselves.
#[derive(Debug)]
pub(crate) struct Departures<'a> {
    pub(crate) arena: &'a Arena,
    pub(crate) places: &'a mut [Place],
    pub(crate) uses: Uses,
}

impl Departures<'_> {
    pub(crate) fn payloads(&self) -> Payloads<'_> {
        Payloads { arena: self.arena, places: self.places }
    }

    /// Whether a slot is sent more than once, now or later, so that its frame must stay.
    pub(crate) fn is_reused(&self, slot: usize) -> bool {
        self.uses.twice & 1 << slot != 0
    }
}

/// Which slots are queued once, and which more often or again later: a bit for each.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Uses {
    once: u64,
    twice: u64,
}

const _: () = assert!(BATCH <= u64::BITS as usize, "a bit for each slot");

impl Uses {
    fn note(&mut self, slot: usize) {
        let bit = 1 << slot;
        self.twice |= self.once & bit;
        self.once |= bit;
    }

    fn keep(&mut self, slot: usize) {
        self.twice |= 1 << slot;
    }
}
