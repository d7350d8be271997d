//! `recvmmsg` and `sendmmsg` over the slots of a batch.

use std::{
    io,
    mem::zeroed,
    net::SocketAddr,
    os::fd::{AsRawFd, BorrowedFd},
    ptr,
};

use crate::{
    PortToken, Transmit,
    address::RawAddress,
    arena::Arena,
    batch::{Arrival, BATCH, MAX_DATAGRAM, PAYLOAD_ROOM, Place},
    control::Control,
    outbox::Payloads,
};

/// What one `recvmmsg` brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Slots filled, from the first on.
    pub(crate) count: usize,
    /// The newest reading of the kernel's drop counter, if a datagram carried one.
    pub(crate) drops: Option<u32>,
}

/// Headers, source addresses and control messages for `recvmmsg`, allocated once.
pub(crate) struct Receiver {
    headers: Headers,
    sources: Box<[RawAddress; BATCH]>,
    controls: Box<[Control; BATCH]>,
}

impl Receiver {
    pub(crate) fn new() -> Self {
        Self {
            headers: Headers::new(),
            sources: Box::new([RawAddress::EMPTY; BATCH]),
            controls: Box::new([Control::EMPTY; BATCH]),
        }
    }

    /// Reads at most `places.len()` datagrams without blocking, describes them in `arrivals`.
    ///
    /// # Errors
    /// The kernel's; `WouldBlock` if there is none.
    pub(crate) fn receive(
        &mut self,
        socket: BorrowedFd<'_>,
        port: PortToken,
        arena: &Arena,
        places: &mut [Place],
        arrivals: &mut [Arrival],
    ) -> io::Result<Reading> {
        let limit = places.len().min(arrivals.len()).min(BATCH);
        let vectors = self.headers.vectors.iter_mut();
        let names = self.sources.iter_mut().zip(self.controls.iter_mut());
        let rooms = places.iter_mut().zip(names).take(limit);
        for ((header, vector), (place, (source, control))) in
            self.headers.messages.iter_mut().zip(vectors).zip(rooms)
        {
            let landing = place.landing_mut(arena);
            vector.iov_base = landing.as_mut_ptr().cast();
            vector.iov_len = landing.len();
            header.msg_hdr.msg_name = source.as_mut_ptr();
            header.msg_hdr.msg_namelen = RawAddress::ROOM;
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = control.as_mut_ptr();
            header.msg_hdr.msg_controllen = Control::ROOM as _;
            header.msg_hdr.msg_flags = 0;
            header.msg_len = 0;
        }
        let count = match limit {
            1 => recvmsg(socket, &mut self.headers)?,
            _ => recvmmsg(socket, &mut self.headers, limit)?,
        };
        Ok(self.describe(count, port, arrivals))
    }

    fn describe(&self, count: usize, port: PortToken, arrivals: &mut [Arrival]) -> Reading {
        let names = self.sources.iter().zip(self.controls.iter());
        let written = self.headers.messages.iter().zip(names).take(count);
        let mut drops = None;
        for (arrival, (header, (source, control))) in arrivals.iter_mut().zip(written) {
            *arrival = Arrival {
                port,
                source: source.decode(header.msg_hdr.msg_namelen).unwrap_or(Arrival::NONE.source),
                len: MAX_DATAGRAM.min(header.msg_len as usize),
                room: PAYLOAD_ROOM,
                truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
                traffic_class: control
                    .traffic_class(header.msg_hdr.msg_controllen)
                    .unwrap_or_default(),
            };
            drops = control.drops(header.msg_hdr.msg_controllen).or(drops);
        }
        Reading { count, drops }
    }
}

/// Headers and destination addresses for `sendmmsg`, allocated once.
pub(crate) struct Sender {
    headers: Headers,
    destinations: Box<[RawAddress; BATCH]>,
    controls: Box<[Control; BATCH]>,
}

impl Sender {
    pub(crate) fn new() -> Self {
        Self {
            headers: Headers::new(),
            destinations: Box::new([RawAddress::EMPTY; BATCH]),
            controls: Box::new([Control::EMPTY; BATCH]),
        }
    }

    /// Sends from one socket without blocking, in order; tells how many went out.
    ///
    /// # Errors
    /// The kernel's, about the first datagram of `run`, of which none went out then.
    pub(crate) fn send(
        &mut self,
        socket: BorrowedFd<'_>,
        payloads: Payloads<'_>,
        run: &[Transmit],
    ) -> io::Result<usize> {
        if let [only @ Transmit { traffic_class: None, .. }] = run {
            return send_one(socket, payloads.of(only), only.destination).map(|()| 1);
        }
        let vectors = self.headers.vectors.iter_mut();
        let names = self.destinations.iter_mut().zip(self.controls.iter_mut());
        let rooms = vectors.zip(names).zip(run);
        for (header, ((vector, (destination, control)), transmit)) in
            self.headers.messages.iter_mut().zip(rooms)
        {
            let octets = payloads.of(transmit);
            vector.iov_base = octets.as_ptr().cast_mut().cast();
            vector.iov_len = octets.len();
            header.msg_hdr.msg_namelen = destination.encode(transmit.destination);
            header.msg_hdr.msg_name = destination.as_mut_ptr();
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = ptr::null_mut();
            header.msg_hdr.msg_controllen = 0;
            if let Some(class) = transmit.traffic_class {
                write_class(control, transmit.destination, class);
                header.msg_hdr.msg_control = control.as_mut_ptr();
                header.msg_hdr.msg_controllen = Control::NUMBER as _;
            }
            header.msg_hdr.msg_flags = 0;
            header.msg_len = 0;
        }
        sendmmsg(socket, &mut self.headers, run.len().min(BATCH))
    }
}

/// Asks the kernel to send one datagram with this octet in its header.
fn write_class(control: &mut Control, destination: SocketAddr, class: u8) {
    let (level, kind) = match destination {
        SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_TOS),
        SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_TCLASS),
    };
    control.write_number(level, kind, class.into());
}

/// Message headers with one vector each.
pub(crate) struct Headers {
    pub(crate) messages: Box<[libc::mmsghdr; BATCH]>,
    pub(crate) vectors: Box<[libc::iovec; BATCH]>,
}

// SAFETY: the raw pointers inside are what keeps this from being `Send` by itself. They are never
// followed by this program: each is written anew from a live borrow right before the one system
// call that follows it, within one `&mut self` call on one thread.
unsafe impl Send for Headers {}

impl Headers {
    pub(crate) fn new() -> Self {
        let vector = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        // SAFETY: a message header consists of numbers and raw pointers, for which all zeroes are
        // valid values (0 and null); nobody else sees the value before it is whole.
        let message: libc::mmsghdr = unsafe { zeroed() };
        Self { messages: Box::new([message; BATCH]), vectors: Box::new([vector; BATCH]) }
    }
}

/// One datagram, a fiftieth of a packet's cost cheaper than a `recvmmsg` of one. The caller has
/// filled the first header as for [`recvmmsg`].
fn recvmsg(socket: BorrowedFd<'_>, headers: &mut Headers) -> io::Result<usize> {
    let [first, ..] = &mut *headers.messages;
    // SAFETY: the descriptor is open while borrowed. The caller has just pointed the header at a
    // vector, an address, a control room and a buffer, with their true lengths, all mutably
    // borrowed for longer than this call. The kernel writes within these lengths and into the
    // header, and keeps nothing; every written octet is valid for its type.
    let result =
        unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut first.msg_hdr, libc::MSG_DONTWAIT) };
    first.msg_len = libc::c_uint::try_from(result).map_err(|_| io::Error::last_os_error())?;
    Ok(1)
}

/// The caller has filled the first `count` headers: each points at a vector, an address, a control
/// room and a buffer with their true lengths, all mutably borrowed and none shared.
pub(crate) fn recvmmsg(
    socket: BorrowedFd<'_>,
    headers: &mut Headers,
    count: usize,
) -> io::Result<usize> {
    // SAFETY: the descriptor is open while borrowed. `count` is at most the number of headers
    // (`BATCH`). The caller has just pointed each of these at a vector, an address, a control room
    // and a buffer, with their true lengths, all mutably borrowed for longer than this call and
    // none shared between headers. The kernel writes within these lengths and into the
    // headers, and keeps nothing; every written octet is valid for its type.
    let result = unsafe {
        libc::recvmmsg(
            socket.as_raw_fd(),
            headers.messages.as_mut_ptr(),
            count.min(BATCH) as libc::c_uint,
            libc::MSG_DONTWAIT as _,
            ptr::null_mut(),
        )
    };
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// The caller has filled the first `count` headers: each points at a vector, an address, a buffer
/// and, it may be, a control room with their true lengths, all borrowed.
pub(crate) fn sendmmsg(
    socket: BorrowedFd<'_>,
    headers: &mut Headers,
    count: usize,
) -> io::Result<usize> {
    // SAFETY: the descriptor is open while borrowed. `count` is at most the number of headers
    // (`BATCH`). The caller has just pointed each of these at a vector, an address, a buffer and, it
    // may be, a control room, with their true lengths, all borrowed for longer than this call. The kernel only reads them,
    // writes the sent length into the headers and keeps nothing.
    let result = unsafe {
        libc::sendmmsg(
            socket.as_raw_fd(),
            headers.messages.as_mut_ptr(),
            count.min(BATCH) as libc::c_uint,
            (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as _,
        )
    };
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

fn send_one(socket: BorrowedFd<'_>, octets: &[u8], destination: SocketAddr) -> io::Result<()> {
    let mut address = RawAddress::EMPTY;
    let address_len = address.encode(destination);
    // SAFETY: the descriptor is open while borrowed; pointers and lengths describe `octets` and
    // the first `address_len` octets of `address`, which outlive the call; the kernel only reads.
    let result = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            octets.as_ptr().cast(),
            octets.len(),
            libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
            address.as_ptr(),
            address_len,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
