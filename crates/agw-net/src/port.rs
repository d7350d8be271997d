//! One bound media socket.

use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd, BorrowedFd},
};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::options::{self, ReceiveQueue, SO_RXQ_OVFL, set_number};

/// What becomes of a datagram that is longer than the way to its destination takes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Oversize {
    /// It is fragmented: here if the interface does not take it, further on by a router (IPv4
    /// without "don't fragment"). The `xdp` backend does not fragment: it refuses what the
    /// interface or route does not take.
    #[default]
    Fragment,
    /// It is refused. IPv4 leaves with "don't fragment", and the kernel learns the path MTU from
    /// ICMP (RFC 1191, RFC 8201) for sockets.
    Refuse,
}

/// How a port is bound.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct PortOptions {
    /// Differentiated services code point of what leaves, 0 to 63 (RFC 2474 section 3).
    pub dscp: Option<u8>,
    /// IPv4 time to live or IPv6 hop limit of what leaves, 1 to 255; `None` leaves the system's.
    pub hop_limit: Option<u8>,
    /// What becomes of datagrams longer than the path takes.
    pub oversize: Oversize,
    /// Octets of the receive buffer; the kernel doubles it and caps it at `net.core.rmem_max`.
    pub receive_buffer_octets: Option<usize>,
    /// Octets of the send buffer; the kernel doubles it and caps it at `net.core.wmem_max`.
    pub send_buffer_octets: Option<usize>,
    /// Name of the only interface to receive from and send to (`SO_BINDTODEVICE`, VRF).
    pub bind_device: Option<String>,
}

/// A UDP socket for one local media address and port: bound, not connected, non-blocking.
///
/// - Not connected, so that the kernel answers no stranger with ICMP and ICMP from strangers is
///   not reported as an error.
/// - No `SO_REUSEADDR`: two owners of a media port would be two owners of a call's media.
/// - IPv6 sockets take IPv6 only.
/// - Path MTU with [`Oversize::Fragment`], IPv4: `IP_PMTUDISC_OMIT`. No "don't fragment" bit, longer
///   datagrams than the interface takes leave in fragments, and forged "fragmentation needed" cannot
///   make the kernel cut media to 552 octets. IPv6: `IPV6_PMTUDISC_DONT`. Fragmented here to the
///   path MTU, since no router does it; a forged "packet too big" cannot go below 1,280 octets.
/// - Path MTU with [`Oversize::Refuse`]: `IP_PMTUDISC_DO`, `IPV6_PMTUDISC_DO`. Longer datagrams than
///   the path takes, as far as the kernel has learnt, meet `EMSGSIZE`.
#[derive(Debug)]
pub struct UdpPort {
    socket: Socket,
    local: SocketAddr,
}

impl UdpPort {
    /// Binds a port; port 0 lets the kernel choose.
    ///
    /// # Errors
    /// `InvalidInput` for a code point above 63 or a hop limit of 0, else the kernel's (`EADDRINUSE`: try another
    /// port; `EADDRNOTAVAIL`: not an address of this host). Nothing stays bound.
    pub fn bind(address: SocketAddr, options: &PortOptions) -> io::Result<Self> {
        let PortOptions {
            dscp,
            hop_limit,
            oversize,
            receive_buffer_octets,
            send_buffer_octets,
            bind_device,
        } = options;
        let kind = Type::DGRAM.nonblocking().cloexec();
        let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::UDP))?;
        if let Some(octets) = receive_buffer_octets {
            socket.set_recv_buffer_size(*octets)?;
        }
        if let Some(octets) = send_buffer_octets {
            socket.set_send_buffer_size(*octets)?;
        }
        if let Some(name) = bind_device {
            socket.bind_device(Some(name.as_bytes()))?;
        }
        if let Some(code_point) = dscp {
            mark(&socket, address, *code_point)?;
        }
        if let Some(hops) = hop_limit {
            limit_hops(&socket, address, *hops)?;
        }
        set_number(socket.as_fd(), libc::SOL_SOCKET, SO_RXQ_OVFL, 1)?;
        fragment_as_documented(&socket, address, *oversize)?;
        socket.bind(&SockAddr::from(address))?;
        let local = match address.port() {
            0 => socket.local_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported)?,
            _ => address,
        };
        Ok(Self { socket, local })
    }

    /// The address and port it is bound to.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// Octets of the receive buffer as the kernel accounts them (payload and overhead).
    ///
    /// # Errors
    /// The kernel's.
    pub fn receive_buffer_octets(&self) -> io::Result<usize> {
        self.socket.recv_buffer_size()
    }

    /// Datagrams the kernel dropped at this socket since it was made, modulo 2^32.
    ///
    /// # Errors
    /// The kernel's (it knows `SO_MEMINFO` since 4.12).
    pub fn kernel_drops(&self) -> io::Result<u32> {
        Ok(self.receive_queue()?.drops)
    }

    /// Has the kernel tell the traffic class of each datagram, or not any more.
    pub(crate) fn watch_traffic_class(&self, watch: bool) -> io::Result<()> {
        let (level, name) = match self.local {
            SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_RECVTOS),
            SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_RECVTCLASS),
        };
        set_number(self.socket.as_fd(), level, name, watch.into())
    }

    /// What the kernel knows of the receive queue.
    pub(crate) fn receive_queue(&self) -> io::Result<ReceiveQueue> {
        options::receive_queue(self.socket.as_fd())
    }

    /// Takes what is queued and tells how many datagrams that were; stops at 4,096, in case
    /// somebody sends faster than this reads.
    pub(crate) fn discard_queue(&self) -> u64 {
        let mut discarded = 0;
        for _ in 0..4096 {
            match self.socket.recv(&mut []) {
                Ok(_) => discarded += 1,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {}
            }
        }
        discarded
    }
}

impl AsFd for UdpPort {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn mark(socket: &Socket, address: SocketAddr, code_point: u8) -> io::Result<()> {
    if code_point > 63 {
        let text = "a differentiated services code point is at most 63";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let octet = u32::from(code_point) << 2;
    match address {
        SocketAddr::V4(_) => socket.set_tos_v4(octet),
        SocketAddr::V6(_) => socket.set_tclass_v6(octet),
    }
}

fn limit_hops(socket: &Socket, address: SocketAddr, hops: u8) -> io::Result<()> {
    if hops == 0 {
        let text = "a hop limit of 0 reaches nobody";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    match address {
        SocketAddr::V4(_) => socket.set_ttl_v4(hops.into()),
        SocketAddr::V6(_) => socket.set_unicast_hops_v6(hops.into()),
    }
}

fn fragment_as_documented(
    socket: &Socket,
    address: SocketAddr,
    oversize: Oversize,
) -> io::Result<()> {
    let socket_fd = socket.as_fd();
    match address {
        SocketAddr::V4(_) => {
            let discover = match oversize {
                Oversize::Fragment => libc::IP_PMTUDISC_OMIT,
                Oversize::Refuse => libc::IP_PMTUDISC_DO,
            };
            set_number(socket_fd, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, discover)
        }
        SocketAddr::V6(_) => {
            socket.set_only_v6(true)?;
            let discover = match oversize {
                Oversize::Fragment => libc::IPV6_PMTUDISC_DONT,
                Oversize::Refuse => libc::IPV6_PMTUDISC_DO,
            };
            set_number(socket_fd, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, discover)?;
            // Without this a longer datagram would be fragmented all the same.
            let dont_fragment = oversize == Oversize::Refuse;
            set_number(socket_fd, libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, dont_fragment.into())
        }
    }
}
