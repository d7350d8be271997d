//! The system calls of AF_XDP sockets.

use std::{
    ffi::{CStr, CString},
    io,
    mem::{MaybeUninit, size_of, zeroed},
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    ptr,
};

/// A new, unbound AF_XDP socket.
///
/// # Errors
/// The kernel's: `EPERM` without CAP_NET_RAW, `EAFNOSUPPORT` without AF_XDP.
pub(crate) fn socket() -> io::Result<OwnedFd> {
    // SAFETY: takes three numbers, touches no memory of ours.
    let descriptor = unsafe { libc::socket(libc::AF_XDP, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns or closes it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Sets an option of level `SOL_XDP` whose value is a structure of numbers.
pub(crate) fn set_option<T: Copy>(
    socket: BorrowedFd<'_>,
    name: libc::c_int,
    value: &T,
) -> io::Result<()> {
    // SAFETY: the descriptor is open while borrowed; pointer and length describe `value`, which
    // outlives the call; the kernel only reads it.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_XDP,
            name,
            ptr::from_ref(value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    done(result)
}

/// Structures of plain numbers that the kernel writes as a whole.
pub(crate) trait Told: Copy {
    const OPTION: libc::c_int;
}

impl Told for libc::xdp_mmap_offsets {
    const OPTION: libc::c_int = libc::XDP_MMAP_OFFSETS;
}

impl Told for libc::xdp_statistics {
    const OPTION: libc::c_int = libc::XDP_STATISTICS;
}

impl Told for libc::xdp_options {
    const OPTION: libc::c_int = libc::XDP_OPTIONS;
}

/// Asks for an option of level `SOL_XDP`.
///
/// # Errors
/// The kernel's, or `Unsupported` from a kernel older than 5.9 that knows less of it.
pub(crate) fn option<T: Told>(socket: BorrowedFd<'_>) -> io::Result<T> {
    let mut value = MaybeUninit::<T>::zeroed();
    let mut len = size_of::<T>() as libc::socklen_t;
    // SAFETY: the descriptor is open while borrowed; pointer and `len` describe `value`; both
    // outlive the call; the kernel writes at most `len` octets and the written length to `len`.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_XDP,
            T::OPTION,
            value.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    done(result)?;
    if len as usize != size_of::<T>() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    // SAFETY: zeroed above and written by the kernel; `Told` is for structures of plain numbers,
    // of which every pattern of octets is a value.
    Ok(unsafe { value.assume_init() })
}

/// Binds a socket to a queue of an interface.
pub(crate) fn bind(
    socket: BorrowedFd<'_>,
    interface: u32,
    queue: u32,
    flags: u16,
    shared: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let address = libc::sockaddr_xdp {
        sxdp_family: libc::AF_XDP as u16,
        sxdp_flags: flags,
        sxdp_ifindex: interface,
        sxdp_queue_id: queue,
        sxdp_shared_umem_fd: shared.map_or(0, |shared| shared.as_raw_fd().unsigned_abs()),
    };
    // SAFETY: the descriptor is open while borrowed; pointer and length describe `address`, which
    // outlives the call; the kernel only reads it.
    let result = unsafe {
        libc::bind(
            socket.as_raw_fd(),
            (&raw const address).cast(),
            size_of::<libc::sockaddr_xdp>() as libc::socklen_t,
        )
    };
    done(result)
}

/// Lets the kernel send what is in the transmit ring.
pub(crate) fn kick_transmit(socket: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the descriptor is open while borrowed; no memory is passed.
    let result = unsafe {
        libc::sendto(socket.as_raw_fd(), ptr::null(), 0, libc::MSG_DONTWAIT, ptr::null(), 0)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Lets the kernel look at the fill ring, and poll the device if busy polling is on.
pub(crate) fn kick_receive(socket: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the descriptor is open while borrowed; no memory is passed.
    let result = unsafe {
        libc::recvfrom(
            socket.as_raw_fd(),
            ptr::null_mut(),
            0,
            libc::MSG_DONTWAIT,
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The number of an interface.
///
/// # Errors
/// `NotFound` with the name.
pub(crate) fn interface_index(name: &str) -> io::Result<u32> {
    let not_found = || io::Error::new(io::ErrorKind::NotFound, format!("no interface {name}"));
    let c_name = CString::new(name).map_err(|_| not_found())?;
    // SAFETY: the pointer is to a text that ends in a zero and outlives the call, which reads it.
    let index = unsafe { libc::if_nametoindex(c_name.as_ptr()) };
    if index == 0 { Err(not_found()) } else { Ok(index) }
}

/// The name of an interface.
///
/// # Errors
/// The kernel's, if there is none of that number.
pub(crate) fn interface_name(index: u32) -> io::Result<String> {
    let mut name = [0_u8; libc::IF_NAMESIZE];
    // SAFETY: the pointer is to room of the length that the call is documented to fill at most,
    // with a zero at the end; it outlives the call.
    let result = unsafe { libc::if_indextoname(index, name.as_mut_ptr().cast()) };
    if result.is_null() {
        return Err(io::Error::last_os_error());
    }
    let name = CStr::from_bytes_until_nul(&name).map_err(io::Error::other)?;
    Ok(name.to_string_lossy().into_owned())
}

/// Receive and transmit queues of an interface that are in use; one each if its driver does not
/// say.
pub(crate) fn queues(name: &str) -> io::Result<(u32, u32)> {
    let mut channels = EthtoolChannels { command: ETHTOOL_GCHANNELS, ..EthtoolChannels::default() };
    // SAFETY: a request consists of numbers and a raw pointer, for which zero is a value.
    let mut request: libc::ifreq = unsafe { zeroed() };
    for (into, octet) in request.ifr_name.iter_mut().zip(name.bytes()).take(libc::IFNAMSIZ - 1) {
        *into = octet.cast_signed();
    }
    request.ifr_ifru.ifru_data = (&raw mut channels).cast();
    let socket = std::net::UdpSocket::bind((std::net::Ipv4Addr::UNSPECIFIED, 0))?;
    // SAFETY: the descriptor is open; `request` names an interface and points at `channels`; both
    // outlive the call; the kernel writes within the two structures and keeps nothing.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL as _, &raw mut request) };
    if result < 0 {
        let error = io::Error::last_os_error();
        let silent = error.raw_os_error() == Some(libc::EOPNOTSUPP);
        return if silent { Ok((1, 1)) } else { Err(error) };
    }
    let EthtoolChannels { receive, transmit, combined, .. } = channels;
    Ok(((receive + combined).max(1), (transmit + combined).max(1)))
}

/// `linux/sockios.h`.
const SIOCETHTOOL: u32 = 0x8946;
/// `linux/ethtool.h`.
const ETHTOOL_GCHANNELS: u32 = 0x3c;

/// `struct ethtool_channels`.
#[derive(Debug, Default, Clone, Copy)]
#[repr(C)]
struct EthtoolChannels {
    command: u32,
    max_receive: u32,
    max_transmit: u32,
    max_other: u32,
    max_combined: u32,
    receive: u32,
    transmit: u32,
    other: u32,
    combined: u32,
}

fn done(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_a_number_and_a_queue_and_an_unknown_interface_is_named() {
        assert!(interface_index("lo").unwrap() > 0);
        assert_eq!(interface_name(interface_index("lo").unwrap()).unwrap(), "lo");
        assert_eq!(queues("lo").unwrap(), (1, 1));
        let error = interface_index("no-such").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains("no-such"));
        assert!(interface_index("with\0zero").is_err());
        assert!(queues("no-such").is_err());
    }
}
