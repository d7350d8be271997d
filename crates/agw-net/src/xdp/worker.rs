//! What one worker has of the `xdp` backend: queues, memory, ports and a mailbox.

use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, SocketAddr},
    os::fd::AsFd,
    sync::Arc,
};

use super::{
    addresses::{LocalPort, Owners, Tokens},
    group::AtWork,
    handover::{Mailbox, Sleepers},
    held::{HELD, Held},
    socket::XdpSocket,
    umem::Umem,
};
use crate::{
    Batch, ErrnoClass, IoCounters, Oversize, PortCounters, PortToken, SendError, Waker,
    batch::BATCH,
    netlink::{NextHop, NextHops},
    poller::Poller,
    sockets::Beside,
    table::Table,
};

/// A media port of the `xdp` backend: an entry in a table, no socket and no descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XdpPort {
    /// The local address and port: one of a [`crate::XdpRealm`].
    pub address: SocketAddr,
    /// Differentiated services code point of what leaves, 0 to 63 (RFC 2474 section 3).
    pub dscp: u8,
    /// IPv4 time to live or IPv6 hop limit of what leaves, 1 to 255.
    pub hop_limit: u8,
    /// What routers may do with IPv4 datagrams longer than their next link takes. Nothing is
    /// fragmented here: what the interface or the route does not take is refused.
    pub oversize: Oversize,
}

impl XdpPort {
    /// What leaves unless something else is asked for (RFC 1700, "IP time to live parameter").
    pub const HOP_LIMIT: u8 = 64;

    /// A port without marking.
    #[must_use]
    pub const fn new(address: SocketAddr) -> Self {
        let (hop_limit, oversize) = (Self::HOP_LIMIT, Oversize::Fragment);
        Self { address, dscp: 0, hop_limit, oversize }
    }
}

/// What the workers of a group share.
pub(super) struct Shared {
    pub(super) owners: Owners,
    pub(super) sleepers: Sleepers,
    pub(super) next_hops: NextHops,
    /// One per interface. Dropped with the last worker, which takes the programs off.
    pub(super) _programs: Vec<AtWork>,
}

/// One worker's share of an `xdp` backend; give it to [`crate::MediaBackend::new`].
pub struct XdpWorker {
    pub(super) index: usize,
    // Before the memory they use.
    pub(super) queues: Vec<Queue>,
    pub(super) umem: Umem,
    /// Boxed: tokens are dense over all workers, and this one has some of them.
    pub(super) ports: Table<Box<PortState>>,
    pub(super) tokens: Tokens,
    pub(super) mailbox: Mailbox,
    /// The queue that is read first.
    pub(super) turn: usize,
    /// Frames and pieces of mail taken so far.
    pub(super) taken: u64,
    /// Datagrams whose next hop is being asked for.
    pub(super) held: VecDeque<Held>,
    /// Refusals that came when nobody could be told, for the next transmission.
    pub(super) late: Vec<(u32, SendError)>,
    /// IPv4 identification of the next datagram.
    pub(super) identification: u16,
    /// Rounds since the kernel was asked for its drops.
    pub(super) rounds: u32,
    pub(super) shared: Arc<Shared>,
}

/// A socket with what is to be known about it.
pub(super) struct Queue {
    pub(super) socket: XdpSocket,
    /// By position in the transmit ring.
    pub(super) sending: Box<[Sending]>,
    /// Why the kernel sends nothing at present.
    pub(super) down: Option<ErrnoClass>,
    /// Drops that the kernel has told of.
    pub(super) dropped: u64,
}

/// A queued frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sending {
    pub(super) tag: u32,
    pub(super) port: PortToken,
    pub(super) len: usize,
}

#[derive(Debug)]
pub(super) struct PortState {
    pub(super) local: SocketAddr,
    /// Of what leaves without one of its own.
    pub(super) traffic_class: u8,
    pub(super) hop_limit: u8,
    pub(super) dont_fragment: bool,
    place: LocalPort,
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) route: Option<Route>,
}

// A call has two to four.
const _: () = assert!(size_of::<PortState>() <= 112);

/// The way to the last destination of a port, as long as no route or neighbour changes.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) destination: IpAddr,
    /// Of what is known about next hops.
    pub(super) generation: u64,
    pub(super) hop: NextHop,
    /// Position of the queue that leads there.
    pub(super) queue: u32,
}

/// Rounds between two questions for the kernel's drops under load.
const STATISTICS_EVERY: u32 = 256;

impl Queue {
    pub(super) fn new(socket: XdpSocket) -> Self {
        let nothing = Sending { tag: 0, port: PortToken(0), len: 0 };
        let sending = vec![nothing; socket.binding().ring as usize].into_boxed_slice();
        Self { socket, sending, down: None, dropped: 0 }
    }
}

impl PortState {
    /// Its counters; what the kernel drops it does not tell by port.
    const fn counters(&self) -> PortCounters {
        let Self { received, sent, .. } = *self;
        PortCounters { received, sent, kernel_dropped: 0, discarded_at_removal: 0 }
    }
}

impl XdpWorker {
    /// Joins the worker's poller, which waits for its queues from now on.
    pub(crate) fn join(&mut self, poller: &Poller, waker: Waker) -> io::Result<()> {
        self.shared.sleepers.introduce(self.index, waker);
        for (number, queue) in (0..).zip(&self.queues) {
            poller.add_queue(queue.socket.as_fd(), number)?;
        }
        Ok(())
    }

    /// Makes a batch over the worker's memory.
    pub(crate) fn new_batch(&mut self) -> io::Result<Batch> {
        if self.umem.free() < BATCH {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let frames: Vec<_> = (0..BATCH).filter_map(|_| self.umem.take()).collect();
        Ok(Batch::over(Arc::clone(self.umem.arena()), frames))
    }

    /// Whether a batch is over this worker's memory.
    pub(crate) fn made(&self, batch: &Batch) -> bool {
        Arc::ptr_eq(self.umem.arena(), batch.arena())
    }

    pub(crate) fn has_port(&mut self, token: PortToken) -> bool {
        self.ports.get_mut(token).is_some()
    }

    /// Takes a port over under a token.
    pub(crate) fn add_port(&mut self, token: PortToken, port: XdpPort) -> io::Result<()> {
        let XdpPort { address, dscp, hop_limit, oversize } = port;
        let is_sound = dscp <= 63 && hop_limit > 0;
        let Some(place) = self.shared.owners.find(address).filter(|_| is_sound) else {
            let text = format!(
                "{address} with code point {dscp} and hop limit {hop_limit} is no port of the xdp \
                 backend"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        };
        let entry = self.ports.vacant(token)?;
        self.shared.owners.claim(place, self.index)?;
        *entry = Some(Box::new(PortState {
            local: address,
            traffic_class: dscp << 2,
            hop_limit,
            dont_fragment: oversize == Oversize::Refuse,
            place,
            received: 0,
            sent: 0,
            route: None,
        }));
        self.tokens.set(place, Some(token));
        Ok(())
    }

    /// Gives a port up and tells its final counters.
    pub(crate) fn remove_port(&mut self, token: PortToken) -> io::Result<PortCounters> {
        let port = self.ports.remove(token)?;
        let (place, counters) = (port.place, port.counters());
        self.disown_held(token);
        self.tokens.set(place, None);
        self.shared.owners.give_up(place);
        Ok(counters)
    }

    pub(crate) fn port_counters(&mut self, token: PortToken) -> Option<PortCounters> {
        self.ports.get_mut(token).map(|port| port.counters())
    }

    /// Between two rounds: takes back what was sent, tries again what the device did not take,
    /// gives the kernel frames to receive into.
    pub(crate) fn tidy(&mut self, counters: &mut IoCounters) {
        self.flush(counters);
        for queue in &mut self.queues {
            queue.socket.reap(&mut self.umem);
        }
        // What a batch swaps for the frames it sends or leaves to wait stays here.
        let kept = BATCH + HELD.saturating_sub(self.held.len());
        for queue in &mut self.queues {
            queue.socket.refill(&mut self.umem, kept);
        }
        self.rounds += 1;
        if self.rounds >= STATISTICS_EVERY {
            self.observe_drops(counters);
        }
    }

    /// Asks the kernel what it dropped.
    pub(crate) fn observe_drops(&mut self, counters: &mut IoCounters) {
        self.rounds = 0;
        for queue in &mut self.queues {
            let Ok(dropped) = queue.socket.drops() else {
                continue;
            };
            counters.kernel_dropped += dropped.saturating_sub(queue.dropped);
            queue.dropped = dropped;
        }
    }
}

impl Beside for XdpWorker {
    fn waiting(&mut self) -> usize {
        let mut waiting = usize::from(self.mailbox.has_mail());
        for Queue { socket, .. } in &mut self.queues {
            if socket.available() == 0 && socket.is_busy_polled() {
                socket.poll_kernel();
            }
            waiting += socket.available() as usize;
        }
        waiting
    }

    fn lie_down(&mut self) {
        self.shared.sleepers.lie_down(self.index);
    }

    fn get_up(&mut self) {
        self.shared.sleepers.get_up(self.index);
    }

    fn fail(&mut self, number: u32, poller: &Poller) {
        if let Some(queue) = self.queues.get_mut(number as usize) {
            queue.down = Some(ErrnoClass::NoDevice);
            // Or the error would end every wait. It cannot fail for a socket that was added.
            let _ = poller.remove(queue.socket.as_fd());
        }
    }
}
