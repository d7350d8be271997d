//! What arrives: from frames in a ring to datagrams in slots, or to another worker.

use std::net::SocketAddr;

use super::{
    addresses::{LocalPort, Owners, Tokens},
    handover::Handed,
    worker::XdpWorker,
};
use crate::{
    Batch, IoCounters, PortToken,
    arena::FRAME,
    batch::{Arrival, BATCH, MAX_DATAGRAM, PAYLOAD_ROOM, TAIL_ROOM},
    frame,
};

impl XdpWorker {
    /// Fills free slots, up to `limit` in use: each queue in turn gets its share, then what is
    /// left; mail of other workers comes first. Tells whether there was anything at all, for
    /// whomever.
    pub(crate) fn receive(
        &mut self,
        batch: &mut Batch,
        limit: usize,
        counters: &mut IoCounters,
    ) -> bool {
        let before = self.taken;
        self.take_mail(batch, limit.div_ceil(2), counters);
        let queues = self.queues.len();
        for shares in [true, false] {
            for step in 0..queues {
                let free = limit.saturating_sub(batch.len());
                let share = if shares { free.div_ceil(queues - step) } else { free };
                self.take_frames((self.turn + step) % queues, batch, share, counters);
            }
        }
        self.turn = (self.turn + 1) % queues.max(1);
        self.take_mail(batch, limit, counters);
        self.mailbox.wake(&self.shared.sleepers);
        self.taken != before
    }

    /// Takes at most `most` frames from a queue; those that are not for this worker count too, so
    /// that a round ends.
    fn take_frames(
        &mut self,
        position: usize,
        batch: &mut Batch,
        most: usize,
        counters: &mut IoCounters,
    ) {
        for _ in 0..most {
            let socket = self.queues.get_mut(position).map(|queue| &mut queue.socket);
            let Some(descriptor) = socket.and_then(|socket| socket.receive()) else {
                break;
            };
            self.taken += 1;
            let Some((frame, offset)) = self.umem.take_back(descriptor.addr) else {
                continue;
            };
            let octets = self.umem.arena().frame(&frame);
            let received = octets.get(offset..offset + descriptor.len as usize);
            let received = received.unwrap_or_default();
            match sort(received, &self.shared.owners, &self.tokens, self.index) {
                Sorted::Mine(port, Datagram { source, traffic_class, start, len, .. }) => {
                    let (_, places, arrivals) = batch.free_mut();
                    let (Some(place), Some(arrival)) = (places.first_mut(), arrivals.first_mut())
                    else {
                        // Not reached: `most` is at most the free slots.
                        self.umem.put(frame);
                        break;
                    };
                    place.start = offset + start;
                    let room = FRAME - place.start;
                    let truncated = len + TAIL_ROOM > room;
                    *arrival = Arrival { port, source, len, room, truncated, traffic_class };
                    self.umem.put(std::mem::replace(&mut place.frame, frame));
                    batch.advance(1);
                    self.count(port, len, truncated, counters);
                    continue;
                }
                Sorted::Theirs(worker, datagram) => {
                    let Datagram { to, source, traffic_class, start, len } = datagram;
                    let handed = Handed { to, source, traffic_class, len };
                    let payload = received.get(start..start + len).unwrap_or_default();
                    match self.mailbox.hand_over(worker, handed, payload) {
                        Ok(()) => counters.handed_over += 1,
                        Err(_) => counters.handover_full += 1,
                    }
                }
                Sorted::Stray => counters.stray += 1,
                Sorted::Malformed => counters.malformed += 1,
            }
            self.umem.put(frame);
        }
        if let Some(queue) = self.queues.get_mut(position) {
            queue.socket.release();
        }
    }

    /// Takes datagrams that other workers received for this one.
    fn take_mail(&mut self, batch: &mut Batch, limit: usize, counters: &mut IoCounters) {
        while batch.len() < limit.min(BATCH) {
            let (arena, places, arrivals) = batch.free_mut();
            let (Some(place), Some(arrival)) = (places.first_mut(), arrivals.first_mut()) else {
                return;
            };
            let Some(handed) = self.mailbox.take(place.landing_mut(arena)) else {
                return;
            };
            self.taken += 1;
            let Some(port) = self.tokens.at(handed.to) else {
                // Removed while it was on its way.
                counters.stray += 1;
                continue;
            };
            let Handed { source, traffic_class, .. } = handed;
            let len = handed.len.min(MAX_DATAGRAM);
            let truncated = handed.len > MAX_DATAGRAM;
            let room = PAYLOAD_ROOM;
            *arrival = Arrival { port, source, len, room, truncated, traffic_class };
            batch.advance(1);
            self.count(port, len, truncated, counters);
        }
    }

    fn count(&mut self, port: PortToken, len: usize, truncated: bool, counters: &mut IoCounters) {
        counters.received += 1;
        counters.received_octets += len as u64;
        counters.truncated += u64::from(truncated);
        if let Some(port) = self.ports.get_mut(port) {
            port.received += 1;
        }
    }
}

/// A datagram in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Datagram {
    to: LocalPort,
    source: SocketAddr,
    traffic_class: u8,
    /// Where in the frame its payload starts.
    start: usize,
    len: usize,
}

/// Whose a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sorted {
    Mine(PortToken, Datagram),
    /// Of the worker with this number.
    Theirs(usize, Datagram),
    /// To a port that nobody has.
    Stray,
    /// No datagram for this host.
    Malformed,
}

fn sort(frame: &[u8], owners: &Owners, tokens: &Tokens, worker: usize) -> Sorted {
    let Ok(frame::Parsed { source, destination, traffic_class, payload }) = frame::parse(frame)
    else {
        return Sorted::Malformed;
    };
    let Some(to) = owners.find(destination) else {
        return Sorted::Malformed;
    };
    let (start, len) = (payload.start, payload.len());
    let datagram = Datagram { to, source, traffic_class, start, len };
    if let Some(token) = tokens.at(to) {
        return Sorted::Mine(token, datagram);
    }
    match owners.owner(to) {
        Some(other) if other != worker => Sorted::Theirs(other, datagram),
        Some(_) | None => Sorted::Stray,
    }
}
