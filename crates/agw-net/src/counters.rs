//! Counters of a backend: plain `u64`, copied out by whoever exports them.

use std::{fmt, io};

/// One error number of the kernel, or the rest of them; variant order is counter order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(usize)]
pub enum ErrnoClass {
    /// `EAGAIN`: the socket's send buffer or transmit ring is full; the datagram was dropped, not
    /// awaited.
    Again,
    /// `ENOBUFS`: no room in the device queue.
    NoBuffers,
    /// `ENOMEM`: the kernel had no memory for the datagram.
    NoMemory,
    /// `ECONNREFUSED`: an ICMP port unreachable reached the socket.
    ConnectionRefused,
    /// `EHOSTUNREACH`: no neighbour answers, or an "unreachable" route.
    HostUnreachable,
    /// `ENETUNREACH`: no route.
    NetworkUnreachable,
    /// `ENETDOWN`: the interface is down.
    NetworkDown,
    /// `EPERM`: the packet filter refused the datagram.
    NotPermitted,
    /// `EACCES`: a broadcast address or a "prohibit" route.
    AccessDenied,
    /// `EMSGSIZE`: longer than the interface takes.
    MessageTooLong,
    /// `EINVAL`: an address the kernel does not send to (port 0, a "blackhole" route).
    InvalidArgument,
    /// `EAFNOSUPPORT`: an IPv6 destination on an IPv4 port or the reverse.
    AddressFamily,
    /// `EADDRNOTAVAIL`: the local address has gone.
    AddressNotAvailable,
    /// `ENODEV` or `ENXIO`: the device has gone, or the route leads to one without `xdp`.
    NoDevice,
    /// `EINTR`: interrupted twice in a row.
    Interrupted,
    /// No error number: the next hop's link address is being asked for (`xdp`).
    Unresolved,
    /// Every other error number.
    Other,
}

impl ErrnoClass {
    /// Every class, in counter order.
    pub const ALL: [Self; 17] = [
        Self::Again,
        Self::NoBuffers,
        Self::NoMemory,
        Self::ConnectionRefused,
        Self::HostUnreachable,
        Self::NetworkUnreachable,
        Self::NetworkDown,
        Self::NotPermitted,
        Self::AccessDenied,
        Self::MessageTooLong,
        Self::InvalidArgument,
        Self::AddressFamily,
        Self::AddressNotAvailable,
        Self::NoDevice,
        Self::Interrupted,
        Self::Unresolved,
        Self::Other,
    ];

    /// The class of an error of the operating system; [`ErrnoClass::Other`] if it carries no number.
    #[must_use]
    pub fn of(error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::EAGAIN) => Self::Again,
            Some(libc::ENOBUFS) => Self::NoBuffers,
            Some(libc::ENOMEM) => Self::NoMemory,
            Some(libc::ECONNREFUSED) => Self::ConnectionRefused,
            Some(libc::EHOSTUNREACH) => Self::HostUnreachable,
            Some(libc::ENETUNREACH) => Self::NetworkUnreachable,
            Some(libc::ENETDOWN) => Self::NetworkDown,
            Some(libc::EPERM) => Self::NotPermitted,
            Some(libc::EACCES) => Self::AccessDenied,
            Some(libc::EMSGSIZE) => Self::MessageTooLong,
            Some(libc::EINVAL) => Self::InvalidArgument,
            Some(libc::EAFNOSUPPORT) => Self::AddressFamily,
            Some(libc::EADDRNOTAVAIL) => Self::AddressNotAvailable,
            Some(libc::ENODEV | libc::ENXIO) => Self::NoDevice,
            Some(libc::EINTR) => Self::Interrupted,
            Some(_) | None => Self::Other,
        }
    }

    /// The symbol an operator would look for: `"ENOBUFS"`, or `"unresolved"` or `"other"`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Again => "EAGAIN",
            Self::NoBuffers => "ENOBUFS",
            Self::NoMemory => "ENOMEM",
            Self::ConnectionRefused => "ECONNREFUSED",
            Self::HostUnreachable => "EHOSTUNREACH",
            Self::NetworkUnreachable => "ENETUNREACH",
            Self::NetworkDown => "ENETDOWN",
            Self::NotPermitted => "EPERM",
            Self::AccessDenied => "EACCES",
            Self::MessageTooLong => "EMSGSIZE",
            Self::InvalidArgument => "EINVAL",
            Self::AddressFamily => "EAFNOSUPPORT",
            Self::AddressNotAvailable => "EADDRNOTAVAIL",
            Self::NoDevice => "ENODEV",
            Self::Interrupted => "EINTR",
            Self::Unresolved => "unresolved",
            Self::Other => "other",
        }
    }
}

/// How often each class of error was met.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct ErrnoCounters([u64; ErrnoClass::ALL.len()]);

impl ErrnoCounters {
    /// Errors of one class.
    #[must_use]
    pub fn count(&self, class: ErrnoClass) -> u64 {
        self.0.get(class as usize).copied().unwrap_or_default()
    }

    /// Errors of all classes.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Every class with its count, in counter order.
    pub fn iter(&self) -> impl Iterator<Item = (ErrnoClass, u64)> {
        ErrnoClass::ALL.into_iter().zip(self.0)
    }

    pub(crate) fn record(&mut self, class: ErrnoClass) {
        if let Some(count) = self.0.get_mut(class as usize) {
            *count += 1;
        }
    }
}

/// Why a queued datagram was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendError {
    /// The kernel refused it.
    Errno(ErrnoClass),
    /// Longer than the way to its destination takes: [`ErrnoClass::MessageTooLong`].
    TooLong {
        /// Octets of its payload.
        octets: usize,
    },
    /// The backend has no port of that token (removed since it was queued).
    UnknownPort,
}

impl SendError {
    /// The kernel's refusal of a datagram with so many octets of payload.
    pub(crate) const fn of(class: ErrnoClass, octets: usize) -> Self {
        if matches!(class, ErrnoClass::MessageTooLong) {
            Self::TooLong { octets }
        } else {
            Self::Errno(class)
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errno(class) => f.write_str(class.name()),
            Self::TooLong { octets } => write!(f, "{octets} octets are too long for the way"),
            Self::UnknownPort => f.write_str("no such port"),
        }
    }
}

impl std::error::Error for SendError {}

/// What a backend did since it was made.
///
/// Two ledgers close. Datagrams that reached a port of the backend are `received` +
/// `kernel_dropped` + `discarded_at_removal` once every port was asked for its overflow
/// ([`PortCounters`]); with `xdp`, over all workers of a group, what the program took from an
/// interface is that + `stray` + `malformed` + `handover_full`. Datagrams queued are `sent` +
/// `send_errors.total()` + `unknown_port`; with `xdp`, once the device has taken them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct IoCounters {
    /// Datagrams handed out in slots.
    pub received: u64,
    /// Octets of these, as far as they fitted the slots.
    pub received_octets: u64,
    /// Datagrams of these that were longer than a slot takes.
    pub truncated: u64,
    /// Datagrams the kernel accepted for sending. A queueing discipline may still drop them:
    /// without `IP_RECVERR` the kernel does not tell.
    pub sent: u64,
    /// Octets of these.
    pub sent_octets: u64,
    /// Datagrams the kernel dropped because a receive buffer or ring was full, or no frame free
    /// (or a checksum wrong), as far as it has told.
    pub kernel_dropped: u64,
    /// Datagrams that were still queued in a port when it was removed.
    pub discarded_at_removal: u64,
    /// Datagrams to a media port that nobody has open (`xdp`; the kernel answers for sockets).
    pub stray: u64,
    /// Frames that the program let pass and that hold no whole datagram (`xdp`).
    pub malformed: u64,
    /// Datagrams given to the worker that owns their port, by the worker whose queue received them
    /// or by one whose port sent them (`sent` there); at the owner they are `received` (`xdp`).
    pub handed_over: u64,
    /// Datagrams lost because too many were on their way to that worker already (`xdp`).
    pub handover_full: u64,
    /// Queued datagrams that for a reason of the kernel were not sent.
    pub send_errors: ErrnoCounters,
    /// Errors met when reading; nothing is lost by them and no port ends.
    pub receive_errors: ErrnoCounters,
    /// Queued datagrams whose port is not in the backend.
    pub unknown_port: u64,
    /// Sends repeated because the error was about an earlier datagram, or a signal came.
    pub retried_sends: u64,
    /// Calls of `receive` that found a port ready.
    pub rounds: u64,
    /// Times a [`crate::Waker`] ended a wait.
    pub wakes: u64,
    /// Time spent looking for datagrams in vain or until one came, instead of sleeping, in
    /// nanoseconds.
    pub spun_ns: u64,
}

/// What one port did since it was added to its backend.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct PortCounters {
    /// Datagrams handed out in slots.
    pub received: u64,
    /// Datagrams the kernel accepted for sending.
    pub sent: u64,
    /// Datagrams the kernel dropped before they were read. With `xdp` it does not tell by port:
    /// see [`IoCounters::kernel_dropped`].
    pub kernel_dropped: u64,
    /// Datagrams still queued when the port was removed.
    pub discarded_at_removal: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_counts_for_itself_and_has_a_name_of_its_own() {
        let mut counters = ErrnoCounters::default();
        for (position, class) in ErrnoClass::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, position);
            counters.record(class);
            assert_eq!(counters.count(class), 1, "{class:?}");
        }
        assert_eq!(counters.total(), ErrnoClass::ALL.len() as u64);
        let mut names: Vec<_> = ErrnoClass::ALL.iter().map(|class| class.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ErrnoClass::ALL.len());
    }

    #[test]
    fn an_error_number_finds_its_class() {
        let table = [
            (libc::EWOULDBLOCK, ErrnoClass::Again),
            (libc::ENOBUFS, ErrnoClass::NoBuffers),
            (libc::ECONNREFUSED, ErrnoClass::ConnectionRefused),
            (libc::EHOSTUNREACH, ErrnoClass::HostUnreachable),
            (libc::ENETUNREACH, ErrnoClass::NetworkUnreachable),
            (libc::EPERM, ErrnoClass::NotPermitted),
            (libc::EMSGSIZE, ErrnoClass::MessageTooLong),
            (libc::ENXIO, ErrnoClass::NoDevice),
            (libc::EIO, ErrnoClass::Other),
        ];
        for (number, class) in table {
            assert_eq!(ErrnoClass::of(&io::Error::from_raw_os_error(number)), class);
        }
        assert_eq!(ErrnoClass::of(&io::Error::other("no number")), ErrnoClass::Other);
    }
}
