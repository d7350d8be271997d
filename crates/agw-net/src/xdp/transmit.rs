//! What leaves: headers before the payload where it lies, and the frame to the kernel.

use std::ptr;

use super::handover::Handed;
use super::worker::{PortState, Queue, Route, Sending, Shared, XdpWorker};
use crate::{
    ErrnoClass, IoCounters, SendError, Transmit,
    arena::Arena,
    batch::{HEAD_ROOM, Place},
    frame::{self, Departure},
    netlink::Resolution,
    outbox::Departures,
};

/// Octets of an Ethernet header.
const ETHERNET: usize = 14;
/// Octets of one with an IEEE 802.1Q tag.
const ETHERNET_TAGGED: usize = 18;

impl XdpWorker {
    /// Queues datagrams that leave from one port; they go with the next flush.
    pub(crate) fn queue_run(
        &mut self,
        departures: &mut Departures<'_>,
        run: &[Transmit],
        counters: &mut IoCounters,
        on_error: &mut impl FnMut(u32, SendError),
    ) {
        // A frame of other memory has a number that means another frame here.
        let foreign = !ptr::eq(self.umem.arena().as_ref(), departures.arena);
        for transmit in run {
            let copied = foreign || departures.is_reused(transmit.slot);
            let arena = departures.arena;
            let Some(place) = departures.places.get_mut(transmit.slot) else {
                continue;
            };
            // What waits comes first: a flow keeps its order.
            let queued = if self.holds_before(transmit) {
                Err(ErrnoClass::Unresolved)
            } else {
                self.queue(arena, place, transmit, copied, counters)
            };
            match queued {
                Err(ErrnoClass::Unresolved) if self.hold(arena, place, transmit, copied) => {}
                Err(class) => {
                    counters.send_errors.record(class);
                    on_error(transmit.tag, SendError::of(class, transmit.len));
                }
                Ok(()) => {}
            }
        }
    }

    /// Queues the frame of a slot of `memory`, and puts a free one in its place, or queues a copy.
    pub(super) fn queue(
        &mut self,
        memory: &Arena,
        place: &mut Place,
        transmit: &Transmit,
        copied: bool,
        counters: &mut IoCounters,
    ) -> Result<(), ErrnoClass> {
        let Transmit { port: token, destination, len, tag, slot: _, traffic_class } = *transmit;
        if destination.port() == 0 {
            return Err(ErrnoClass::InvalidArgument);
        }
        match self.find_route(transmit) {
            Err(ErrnoClass::NoDevice) => return self.hand_over(memory, place, transmit, counters),
            found => found?,
        }
        let port = self.ports.get_mut(token).ok_or(ErrnoClass::Other)?;
        let PortState { local, hop_limit, dont_fragment, route: Some(route), .. } = &**port else {
            return Err(ErrnoClass::HostUnreachable);
        };
        let queue = self.queues.get_mut(route.queue as usize).ok_or(ErrnoClass::NoDevice)?;
        if let Some(down) = queue.down {
            return Err(down);
        }
        let departure = Departure {
            link: &route.hop.link,
            source: *local,
            destination,
            traffic_class: traffic_class.unwrap_or(port.traffic_class),
            hop_limit: *hop_limit,
            dont_fragment: *dont_fragment,
            identification: self.identification,
        };
        let headers = frame::header_len(&departure);
        let link = if route.hop.link.vlan.is_some() { ETHERNET_TAGGED } else { ETHERNET };
        if headers - link + len > route.hop.mtu as usize {
            return Err(ErrnoClass::MessageTooLong);
        }
        if !queue.socket.has_room() {
            return Err(ErrnoClass::Again);
        }
        let arena = self.umem.arena().clone();
        let mut spare = self.umem.take().ok_or(ErrnoClass::NoMemory)?;
        let start = if copied { HEAD_ROOM } else { place.start };
        if copied {
            let payload = place.payload(memory).get(..len).unwrap_or_default();
            let into = arena.frame_mut(&mut spare).get_mut(start..start + payload.len());
            into.unwrap_or_default().copy_from_slice(payload);
        } else {
            std::mem::swap(&mut place.frame, &mut spare);
        }
        let mut leaving = spare;
        let first = start.saturating_sub(headers);
        let octets = arena.frame_mut(&mut leaving).get_mut(first..start + len);
        if start < headers || frame::write(octets.unwrap_or_default(), &departure).is_err() {
            self.umem.put(leaving);
            return Err(ErrnoClass::InvalidArgument);
        }
        self.identification = self.identification.wrapping_add(1);
        let address = self.umem.lend(leaving) + first as u64;
        // There is room: asked for above.
        let count = queue.socket.queue(address, headers + len).ok_or(ErrnoClass::Again)?;
        let position = count as usize & (queue.sending.len() - 1);
        if let Some(sending) = queue.sending.get_mut(position) {
            *sending = Sending { tag, port: token, len };
        }
        Ok(())
    }

    /// Gives a datagram for another port of the group to the worker that has it: two calls of this
    /// gateway may be each other's peers, and no interface of ours leads back here.
    fn hand_over(
        &mut self,
        memory: &Arena,
        place: &Place,
        transmit: &Transmit,
        counters: &mut IoCounters,
    ) -> Result<(), ErrnoClass> {
        let Transmit { port, destination, len, traffic_class, .. } = *transmit;
        let Shared { owners, .. } = &*self.shared;
        let to = owners.find(destination).ok_or(ErrnoClass::NoDevice)?;
        let owner = owners.owner(to).ok_or(ErrnoClass::ConnectionRefused)?;
        let port = self.ports.get_mut(port).ok_or(ErrnoClass::Other)?;
        let payload = place.payload(memory).get(..len).unwrap_or_default();
        let traffic_class = traffic_class.unwrap_or(port.traffic_class);
        let handed = Handed { to, source: port.local, traffic_class, len };
        self.mailbox.hand_over(owner, handed, payload).map_err(|_| ErrnoClass::Again)?;
        counters.handed_over += 1;
        counters.sent += 1;
        counters.sent_octets += len as u64;
        port.sent += 1;
        Ok(())
    }

    /// Makes sure that the port knows the way to the destination.
    fn find_route(&mut self, transmit: &Transmit) -> Result<(), ErrnoClass> {
        let next_hops = &self.shared.next_hops;
        let port = self.ports.get_mut(transmit.port).ok_or(ErrnoClass::Other)?;
        let destination = transmit.destination.ip();
        let generation = next_hops.generation();
        if let Some(route) = &port.route
            && route.destination == destination
            && route.generation == generation
        {
            return Ok(());
        }
        port.route = None;
        if destination.is_ipv4() != port.local.is_ipv4() {
            return Err(ErrnoClass::AddressFamily);
        }
        let hop = match next_hops.resolve(destination, port.local.ip()) {
            Resolution::Ready(hop) => hop,
            Resolution::Pending => return Err(ErrnoClass::Unresolved),
            Resolution::Unreachable => return Err(ErrnoClass::NetworkUnreachable),
        };
        let leads_there = |queue: &Queue| queue.socket.binding().interface == hop.ifindex;
        let mut queues = (0..).zip(&self.queues);
        let Some((queue, _)) = queues.find(|(_, queue)| leads_there(queue)) else {
            return Err(ErrnoClass::NoDevice);
        };
        port.route = Some(Route { destination, generation, hop, queue });
        Ok(())
    }

    /// Lets the kernel send what is queued, and tells what it refused, now or since last time.
    pub(crate) fn flush_and_tell(
        &mut self,
        counters: &mut IoCounters,
        on_error: &mut impl FnMut(u32, SendError),
    ) {
        self.flush(counters);
        self.late.drain(..).for_each(|(tag, error)| on_error(tag, error));
    }

    /// Whether a device that is up has not taken all that is queued.
    pub(crate) fn is_stuck(&self) -> bool {
        self.holds()
            || self.queues.iter().any(|queue| queue.down.is_none() && queue.socket.unsent() > 0)
    }

    /// Lets the kernel send what is queued, and what waited for its way and has it now.
    pub(crate) fn flush(&mut self, counters: &mut IoCounters) {
        self.queue_held(counters);
        self.mailbox.wake(&self.shared.sleepers);
        for Queue { socket, sending, down, .. } in &mut self.queues {
            if socket.unsent() == 0 {
                continue;
            }
            let mask = sending.len() - 1;
            let (ports, late) = (&mut self.ports, &mut self.late);
            *down = socket.flush(&mut self.umem, |count, refused| {
                let Some(Sending { tag, port, len }) = sending.get(count as usize & mask) else {
                    return;
                };
                if let Some(class) = refused {
                    counters.send_errors.record(class);
                    if late.len() < late.capacity() {
                        late.push((*tag, SendError::of(class, *len)));
                    }
                    return;
                }
                counters.sent += 1;
                counters.sent_octets += *len as u64;
                if let Some(port) = ports.get_mut(*port) {
                    port.sent += 1;
                }
            });
        }
    }
}
