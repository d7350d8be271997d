//! A UDP socket that sends to and hears from many peers in batches, with the kernel's time of
//! arrival: for those who drive a gateway, as the load harness does.

use std::{fmt, io, net::SocketAddr, os::fd::AsFd, ptr, time::Duration};

use crate::{
    UdpPort,
    address::RawAddress,
    batch::{BATCH, SLOT},
    control::Control,
    messages::{Headers, recvmmsg, sendmmsg},
    options::set_number,
    port::PortOptions,
};

/// A datagram to send.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Where it goes.
    pub destination: SocketAddr,
    /// Its payload.
    pub octets: &'a [u8],
}

/// A datagram that arrived.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// Where it came from.
    pub source: SocketAddr,
    /// Its payload, cut off after [`SLOT`] octets.
    pub octets: &'a [u8],
    /// When the kernel took it from the network, since 1970 by the wall clock.
    pub arrived: Option<Duration>,
}

/// A bound UDP socket with room for [`BATCH`] datagrams each way, allocated once.
pub struct BatchSocket {
    port: UdpPort,
    outgoing: Headers,
    destinations: Box<[RawAddress; BATCH]>,
    incoming: Headers,
    sources: Box<[RawAddress; BATCH]>,
    controls: Box<[Control; BATCH]>,
    buffers: Box<[[u8; SLOT]]>,
}

impl BatchSocket {
    /// Binds a socket; port 0 lets the kernel choose.
    ///
    /// # Errors
    /// As [`UdpPort::bind`].
    pub fn bind(address: SocketAddr, options: &PortOptions) -> io::Result<Self> {
        let port = UdpPort::bind(address, options)?;
        set_number(port.as_fd(), libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
        Ok(Self {
            port,
            outgoing: Headers::new(),
            destinations: Box::new([RawAddress::EMPTY; BATCH]),
            incoming: Headers::new(),
            sources: Box::new([RawAddress::EMPTY; BATCH]),
            controls: Box::new([Control::EMPTY; BATCH]),
            buffers: vec![[0; SLOT]; BATCH].into_boxed_slice(),
        })
    }

    /// The address and port it is bound to.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.port.local_address()
    }

    /// Datagrams the kernel dropped at this socket since it was made, modulo 2^32.
    ///
    /// # Errors
    /// The kernel's.
    pub fn kernel_drops(&self) -> io::Result<u32> {
        self.port.kernel_drops()
    }

    /// Sends at most [`BATCH`] datagrams in their order, without blocking; tells how many went out.
    ///
    /// # Errors
    /// The kernel's, about the first one, and then none went out.
    pub fn send(&mut self, datagrams: &[Outgoing<'_>]) -> io::Result<usize> {
        let headers = self.outgoing.messages.iter_mut().zip(self.outgoing.vectors.iter_mut());
        let rooms = headers.zip(self.destinations.iter_mut());
        for (((header, vector), destination), datagram) in rooms.zip(datagrams) {
            vector.iov_base = datagram.octets.as_ptr().cast_mut().cast();
            vector.iov_len = datagram.octets.len();
            header.msg_hdr.msg_namelen = destination.encode(datagram.destination);
            header.msg_hdr.msg_name = destination.as_mut_ptr();
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = ptr::null_mut();
            header.msg_hdr.msg_controllen = 0;
            header.msg_hdr.msg_flags = 0;
            header.msg_len = 0;
        }
        let count = datagrams.len().min(BATCH);
        if count == 0 {
            return Ok(0);
        }
        sendmmsg(self.port.as_fd(), &mut self.outgoing, count)
    }

    /// Takes at most [`BATCH`] datagrams that have arrived, without blocking, and tells how many.
    ///
    /// # Errors
    /// The kernel's; that nothing has arrived is 0, not an error.
    pub fn receive(&mut self, mut each: impl FnMut(Incoming<'_>)) -> io::Result<usize> {
        let headers = self.incoming.messages.iter_mut().zip(self.incoming.vectors.iter_mut());
        let names = self.sources.iter_mut().zip(self.controls.iter_mut());
        for (((header, vector), (source, control)), buffer) in
            headers.zip(names).zip(self.buffers.iter_mut())
        {
            vector.iov_base = buffer.as_mut_ptr().cast();
            vector.iov_len = SLOT;
            header.msg_hdr.msg_name = source.as_mut_ptr();
            header.msg_hdr.msg_namelen = RawAddress::ROOM;
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = control.as_mut_ptr();
            header.msg_hdr.msg_controllen = Control::ROOM as _;
            header.msg_hdr.msg_flags = 0;
            header.msg_len = 0;
        }
        let count = match recvmmsg(self.port.as_fd(), &mut self.incoming, BATCH) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error),
        };
        let names = self.sources.iter().zip(self.controls.iter());
        let arrived = self.incoming.messages.iter().zip(names).zip(self.buffers.iter());
        for ((header, (source, control)), buffer) in arrived.take(count) {
            let Some(source) = source.decode(header.msg_hdr.msg_namelen) else {
                continue;
            };
            let octets = buffer.get(..header.msg_len as usize).unwrap_or(buffer);
            each(Incoming { source, octets, arrived: time(control, header) });
        }
        Ok(count)
    }
}

impl fmt::Debug for BatchSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchSocket").field("port", &self.port).finish_non_exhaustive()
    }
}

/// When a datagram arrived, if the kernel told.
fn time(control: &Control, header: &libc::mmsghdr) -> Option<Duration> {
    let (seconds, nanoseconds) = control.time(header.msg_hdr.msg_controllen)?;
    Some(Duration::new(seconds, u32::try_from(nanoseconds).ok()?))
}
