//! Socket options that neither std nor socket2 offers.

use std::{
    io,
    mem::size_of,
    os::fd::{AsRawFd, BorrowedFd},
};

/// Sets an option whose value is a number.
pub(crate) fn set_number(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the descriptor is open while borrowed; pointer and length describe `value`, which
    // outlives the call; the kernel only reads it.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Reads an option whose value is an array of 32-bit numbers; tells how many the kernel wrote.
pub(crate) fn numbers<const N: usize>(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
) -> io::Result<([u32; N], usize)> {
    let mut values = [0_u32; N];
    let mut len = size_of::<[u32; N]>() as libc::socklen_t;
    // SAFETY: the descriptor is open while borrowed; pointer and `len` describe `values`; both
    // outlive the call; the kernel writes at most `len` octets, any of which make valid numbers,
    // and the written length to `len`.
    let result = unsafe {
        libc::getsockopt(socket.as_raw_fd(), level, name, values.as_mut_ptr().cast(), &raw mut len)
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((values, len as usize / size_of::<u32>()))
}

/// What the kernel tells of a socket's receive queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReceiveQueue {
    /// Octets that it takes; 0 if it is empty.
    pub(crate) octets: u32,
    /// Datagrams dropped since the socket was made, modulo 2^32: the same counter that
    /// `SO_RXQ_OVFL` writes into datagrams, but without waiting for one.
    pub(crate) drops: u32,
}

/// Reads what is known of a socket's receive queue (`SO_MEMINFO`).
pub(crate) fn receive_queue(socket: BorrowedFd<'_>) -> io::Result<ReceiveQueue> {
    const DROPS: usize = libc::SK_MEMINFO_DROPS as usize;
    const OCTETS: usize = libc::SK_MEMINFO_RMEM_ALLOC as usize;
    let (values, written) = numbers::<{ DROPS + 1 }>(socket, libc::SOL_SOCKET, SO_MEMINFO)?;
    match (values.get(OCTETS), values.get(DROPS)) {
        (Some(&octets), Some(&drops)) if written > DROPS => Ok(ReceiveQueue { octets, drops }),
        (Some(_) | None, Some(_) | None) => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// `asm-generic/socket.h`; x86-64 and AArch64 use the generic numbers. Not in libc 0.2 for glibc.
const SO_MEMINFO: libc::c_int = 55;
/// Likewise.
pub(crate) const SO_RXQ_OVFL: libc::c_int = 40;
