//! The other end of the wire: UDP addresses past the network stack, for tools such as load
//! generators that must be far cheaper than what they drive.

use std::{
    io,
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use super::{
    group::{self, AtWork, Share},
    options::{XdpInterface, XdpOptions},
    umem::Umem,
    worker::Queue,
};
use crate::{
    Incoming, Outgoing,
    batch::{BATCH, HEAD_ROOM, PAYLOAD_ROOM},
    frame::{self, Departure, Parsed},
    netlink::{NextHop, NextHops, Resolution},
};

/// All queues of the interfaces of some addresses, with memory of its own and no port table: what
/// comes to any port of the addresses is handed out, what is sent may come from any of them.
///
/// Needs what [`crate::XdpGroup::open`] needs. Nothing is retried and no call waits.
pub struct XdpPeer {
    queues: Vec<Queue>,
    umem: Umem,
    next_hops: NextHops,
    /// The way of the last datagram.
    route: Option<PeerRoute>,
    interfaces: Vec<XdpInterface>,
    refused: u64,
    _programs: Vec<AtWork>,
}

struct PeerRoute {
    from: SocketAddr,
    to: SocketAddr,
    generation: u64,
    hop: NextHop,
}

impl XdpPeer {
    /// Takes the addresses and ports of the options' realms from the kernel.
    ///
    /// # Errors
    /// As [`crate::XdpGroup::open`].
    pub fn open(options: &XdpOptions) -> io::Result<Self> {
        group::check(options, 1)?;
        let next_hops = NextHops::start()?;
        let devices = group::devices(options, 1, &next_hops)?;
        let mut shares = group::open_sockets(options, 1, &devices)?;
        let (programs, interfaces) = group::attach_all(options, &devices, &shares)?;
        let Share { queues, umem } = shares.pop().ok_or(io::ErrorKind::NotFound)?;
        Ok(Self {
            queues,
            umem,
            next_hops,
            route: None,
            interfaces,
            refused: 0,
            _programs: programs,
        })
    }

    /// What was got of each interface.
    #[must_use]
    pub fn interfaces(&self) -> &[XdpInterface] {
        &self.interfaces
    }

    /// Waits until the way from an address of this host to another host is known.
    ///
    /// # Errors
    /// `TimedOut` if it is not after `patience`, `HostUnreachable` if there is none.
    pub fn reach(&self, from: SocketAddr, to: SocketAddr, patience: Duration) -> io::Result<()> {
        let end = Instant::now() + patience;
        loop {
            let late = Instant::now() >= end;
            match self.next_hops.resolve(to.ip(), from.ip()) {
                Resolution::Ready(_) => return Ok(()),
                Resolution::Pending if late => return Err(io::ErrorKind::TimedOut.into()),
                Resolution::Unreachable if late => {
                    return Err(io::ErrorKind::HostUnreachable.into());
                }
                Resolution::Pending | Resolution::Unreachable => {
                    thread::sleep(Duration::from_millis(1));
                }
            }
        }
    }

    /// Sends datagrams in their order, without blocking; tells how many went out.
    ///
    /// # Errors
    /// About the first one, and then none went out: `WouldBlock` if there is no room or its next
    /// hop is being asked for, `HostUnreachable` if there is no way, `InvalidInput` if it is
    /// longer than the way takes or of another family.
    pub fn send(&mut self, from: SocketAddr, datagrams: &[Outgoing<'_>]) -> io::Result<usize> {
        for queue in &mut self.queues {
            queue.socket.reap(&mut self.umem);
        }
        let (mut sent, mut refusal) = (0, None);
        for datagram in datagrams {
            match self.queue(from, datagram) {
                Ok(()) => sent += 1,
                Err(error) => {
                    refusal = Some(error);
                    break;
                }
            }
        }
        // Also when nothing was queued now: of what was before, the kernel may not have taken all.
        let refused = &mut self.refused;
        for Queue { socket, .. } in &mut self.queues {
            socket.flush(&mut self.umem, |_, dropped| *refused += u64::from(dropped.is_some()));
        }
        match refusal {
            Some(error) if sent == 0 => Err(error),
            Some(_) | None => Ok(sent),
        }
    }

    fn queue(&mut self, from: SocketAddr, datagram: &Outgoing<'_>) -> io::Result<()> {
        let Outgoing { destination, octets: payload } = *datagram;
        let hop = self.way(from, destination)?;
        let departure = Departure {
            link: &hop.link,
            source: from,
            destination,
            traffic_class: 0,
            hop_limit: 64,
            dont_fragment: true,
            identification: 0,
        };
        let headers = frame::header_len(&departure);
        let first = HEAD_ROOM.saturating_sub(headers);
        if payload.len() > PAYLOAD_ROOM || payload.len() + headers > hop.mtu as usize + ETHERNET {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // As a card spreads flows over its queues.
        let leads_there = |queue: &&mut Queue| queue.socket.binding().interface == hop.ifindex;
        let count = self.queues.iter_mut().filter(leads_there).count().max(1);
        let turn = usize::from(from.port() ^ destination.port()) % count;
        let queue = self.queues.iter_mut().filter(leads_there).nth(turn);
        let queue = queue.ok_or(io::ErrorKind::HostUnreachable)?;
        if !queue.socket.has_room() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut leaving = self.umem.take().ok_or(io::ErrorKind::WouldBlock)?;
        let octets = self.umem.arena().frame_mut(&mut leaving);
        if let Some(place) = octets.get_mut(HEAD_ROOM..HEAD_ROOM + payload.len()) {
            place.copy_from_slice(payload);
        }
        let octets = octets.get_mut(first..HEAD_ROOM + payload.len()).unwrap_or_default();
        if frame::write(octets, &departure).is_err() {
            self.umem.put(leaving);
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let address = self.umem.lend(leaving) + first as u64;
        // There is room: asked for above.
        queue.socket.queue(address, headers + payload.len());
        Ok(())
    }

    fn way(&mut self, from: SocketAddr, to: SocketAddr) -> io::Result<NextHop> {
        let generation = self.next_hops.generation();
        if let Some(known) = &self.route
            && known.generation == generation
            && (known.from.ip(), known.to.ip()) == (from.ip(), to.ip())
        {
            return Ok(known.hop);
        }
        let hop = match self.next_hops.resolve(to.ip(), from.ip()) {
            Resolution::Ready(hop) => hop,
            Resolution::Pending => return Err(io::ErrorKind::WouldBlock.into()),
            Resolution::Unreachable => return Err(io::ErrorKind::HostUnreachable.into()),
        };
        self.route = Some(PeerRoute { from, to, generation, hop });
        Ok(hop)
    }

    /// Takes at most [`BATCH`] datagrams of each queue that have arrived, without blocking, with
    /// the local address each came to, and tells how many.
    pub fn receive(&mut self, mut each: impl FnMut(SocketAddr, Incoming<'_>)) -> usize {
        let mut received = 0;
        for Queue { socket, .. } in &mut self.queues {
            for _ in 0..BATCH {
                let Some(descriptor) = socket.receive() else {
                    break;
                };
                let Some((frame, offset)) = self.umem.take_back(descriptor.addr) else {
                    continue;
                };
                let octets = self.umem.arena().frame(&frame);
                let octets = octets.get(offset..offset + descriptor.len as usize);
                let octets = octets.unwrap_or_default();
                if let Ok(Parsed { source, destination, payload, .. }) = frame::parse(octets) {
                    let octets = octets.get(payload).unwrap_or_default();
                    each(destination, Incoming { source, octets, arrived: None });
                    received += 1;
                }
                self.umem.put(frame);
            }
            socket.release();
        }
        for Queue { socket, .. } in &mut self.queues {
            socket.reap(&mut self.umem);
            socket.refill(&mut self.umem, BATCH);
        }
        received
    }

    /// Frames that arrived and were dropped for want of room since the peer was opened.
    ///
    /// # Errors
    /// The kernel's.
    pub fn kernel_drops(&self) -> io::Result<u64> {
        self.queues.iter().map(|queue| queue.socket.drops()).sum()
    }

    /// Datagrams that [`XdpPeer::send`] gave to the kernel and that the device dropped at once.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

/// Octets of an Ethernet header. A tagged frame may be four octets longer still.
const ETHERNET: usize = 14;
