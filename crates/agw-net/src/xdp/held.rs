//! Datagrams whose next hop is being asked for.
//!
//! The first packets of a call would be lost otherwise: the kernel keeps some per neighbour for the
//! same reason (`unres_qlen_bytes`). A few for all calls of a worker, for as long as a neighbour
//! takes that is there; what stays behind is refused as unresolved, and so is what finds no room.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use super::worker::XdpWorker;
use crate::{
    ErrnoClass, IoCounters, PortToken, SendError, Transmit,
    arena::Arena,
    batch::{BATCH, HEAD_ROOM, Place},
};

/// Datagrams at a time.
pub(super) const HELD: usize = BATCH;
/// How long one is kept: a retransmitted question to a neighbour goes out after a second, which is
/// too late for media.
const LONGEST: Duration = Duration::from_millis(500);

/// Beyond every token.
const NOBODY: PortToken = PortToken(u32::MAX);

/// A datagram that waits for its way.
#[derive(Debug)]
pub(super) struct Held {
    place: Place,
    transmit: Transmit,
    until: Instant,
}

impl XdpWorker {
    /// Keeps the frame of a slot of `memory`, with a free one in its place, or a copy; tells
    /// whether there was room.
    pub(super) fn hold(
        &mut self,
        memory: &Arena,
        place: &mut Place,
        transmit: &Transmit,
        copied: bool,
    ) -> bool {
        if self.held.len() >= HELD {
            return false;
        }
        let Some(frame) = self.umem.take() else {
            return false;
        };
        let mut kept = Place { frame, start: HEAD_ROOM };
        if copied {
            let payload = place.payload(memory).get(..transmit.len).unwrap_or_default();
            let into = kept.payload_mut(self.umem.arena()).get_mut(..payload.len());
            into.unwrap_or_default().copy_from_slice(payload);
        } else {
            std::mem::swap(place, &mut kept);
        }
        let until = Instant::now() + LONGEST;
        self.held.push_back(Held { place: kept, transmit: *transmit, until });
        true
    }

    /// Queues what has a way now, oldest first for each destination, and refuses what waited too
    /// long.
    pub(super) fn queue_held(&mut self, counters: &mut IoCounters) {
        if self.held.is_empty() {
            return;
        }
        let now = Instant::now();
        let memory = Arc::clone(self.umem.arena());
        let mut kept = 0;
        for _ in 0..self.held.len() {
            let Some(mut held) = self.held.pop_front() else {
                return;
            };
            // The way may be found between two of them: then they go together, the next time.
            let before = self.held.iter().rev().take(kept);
            if now < held.until && waits(before, &held.transmit) {
                self.held.push_back(held);
                kept += 1;
                continue;
            }
            match self.queue(&memory, &mut held.place, &held.transmit, false, counters) {
                Err(ErrnoClass::Unresolved) if now < held.until => {
                    self.held.push_back(held);
                    kept += 1;
                    continue;
                }
                Err(class) => {
                    counters.send_errors.record(class);
                    if self.late.len() < self.late.capacity() {
                        let error = SendError::of(class, held.transmit.len);
                        self.late.push((held.transmit.tag, error));
                    }
                }
                Ok(()) => {}
            }
            self.umem.put(held.place.frame);
        }
    }

    /// Whether one waits that this must not overtake.
    pub(super) fn holds_before(&self, transmit: &Transmit) -> bool {
        waits(self.held.iter(), transmit)
    }

    /// Leaves what waits at a port that is removed without one, so that no other gets to send it
    /// under the same token: it is refused with the next flush.
    pub(super) fn disown_held(&mut self, port: PortToken) {
        for held in self.held.iter_mut().filter(|held| held.transmit.port == port) {
            held.transmit.port = NOBODY;
        }
    }

    /// Whether a datagram waits for its way.
    pub(super) fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// Room for [`HELD`] datagrams, allocated once.
    pub(super) fn room_to_hold() -> VecDeque<Held> {
        VecDeque::with_capacity(HELD)
    }
}

/// Whether one of these goes the way of another.
fn waits<'a>(held: impl IntoIterator<Item = &'a Held>, transmit: &Transmit) -> bool {
    let way = (transmit.port, transmit.destination.ip());
    held.into_iter().any(|held| (held.transmit.port, held.transmit.destination.ip()) == way)
}
