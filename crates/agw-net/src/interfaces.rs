//! The addresses of this host.

use std::{
    ffi::CStr,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket},
    ptr,
};

/// Every IPv4 and IPv6 address of every interface, in order, each once.
///
/// # Errors
/// The kernel's.
pub fn local_addresses() -> io::Result<Vec<IpAddr>> {
    let list = InterfaceList::read()?;
    let mut addresses: Vec<IpAddr> = list.addresses().collect();
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

/// Addresses and interfaces of this host at one moment, and which of them can be used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostAddresses {
    addresses: Vec<(IpAddr, bool)>,
    devices: Vec<(Vec<u8>, bool)>,
}

impl HostAddresses {
    /// Asks the kernel.
    ///
    /// # Errors
    /// The kernel's.
    pub fn read() -> io::Result<Self> {
        let list = InterfaceList::read()?;
        let mut found = Self::default();
        for entry in list.entries() {
            let is_up = entry.ifa_flags & RUNNING == RUNNING;
            if let Some(address) = address(entry) {
                found.addresses.push((address, is_up));
            }
            if let Some(name) = name(entry) {
                found.devices.push((name, is_up));
            }
        }
        Ok(found)
    }

    /// Whether a socket can be bound to the address now, its interface is up and has a carrier,
    /// and so is `device`, if it is given.
    #[must_use]
    pub fn is_usable(&self, address: IpAddr, device: Option<&str>) -> bool {
        let is_up = |(_, is_up): &(_, bool)| *is_up;
        let has_device = device.is_none_or(|device| {
            let named = |(name, _): &&(Vec<u8>, bool)| name == device.as_bytes();
            self.devices.iter().find(named).is_some_and(is_up)
        });
        // All of 127.0.0.0/8 is there with 127.0.0.1.
        let is_here = |one: IpAddr| {
            one == address
                || one == Ipv4Addr::LOCALHOST && address.is_ipv4() && address.is_loopback()
        };
        has_device
            && self.addresses.iter().any(|(one, is_up)| *is_up && is_here(*one))
            // One that is still being checked for duplicates is listed, but of no use.
            && UdpSocket::bind((address, 0)).is_ok()
    }
}

/// Up, and with a carrier (RFC 2863 operational state).
const RUNNING: libc::c_uint = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_uint;

/// The name of the interface of an entry.
fn name(entry: &libc::ifaddrs) -> Option<Vec<u8>> {
    if entry.ifa_name.is_null() {
        return None;
    }
    // SAFETY: not null, so libc wrote a string that ends with a zero there, which lives as long as
    // the entry.
    let name = unsafe { CStr::from_ptr(entry.ifa_name) };
    Some(name.to_bytes().to_vec())
}

/// The list of libc, given back when dropped.
struct InterfaceList {
    first: *mut libc::ifaddrs,
}

impl InterfaceList {
    fn read() -> io::Result<Self> {
        let mut first = ptr::null_mut();
        // SAFETY: the pointer is to one pointer that outlives the call; libc writes the head of a
        // list into it that is ours until `freeifaddrs`.
        let result = unsafe { libc::getifaddrs(&raw mut first) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(Self { first }) }
    }

    fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.entries().filter_map(address)
    }

    fn entries(&self) -> impl Iterator<Item = &libc::ifaddrs> {
        let mut next = self.first;
        std::iter::from_fn(move || {
            // SAFETY: `next` is null or an entry of the list, which lives and is not written as
            // long as `self` is borrowed.
            let entry = unsafe { next.as_ref() }?;
            next = entry.ifa_next;
            Some(entry)
        })
    }
}

impl Drop for InterfaceList {
    fn drop(&mut self) {
        // SAFETY: `first` came from `getifaddrs`, is given back once, and nothing borrowed from
        // the list is left.
        unsafe { libc::freeifaddrs(self.first) };
    }
}

/// The address of an entry, if it has one and that is IPv4 or IPv6.
fn address(entry: &libc::ifaddrs) -> Option<IpAddr> {
    // SAFETY: null or the address of this entry, which lives as long as the entry; libc wrote at
    // least a family.
    let family = i32::from(unsafe { entry.ifa_addr.as_ref() }?.sa_family);
    if family == libc::AF_INET {
        // SAFETY: with this family libc wrote a whole `sockaddr_in`; it need not be aligned.
        let v4 = unsafe { ptr::read_unaligned(entry.ifa_addr.cast::<libc::sockaddr_in>()) };
        return Some(IpAddr::V4(Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes())));
    }
    if family == libc::AF_INET6 {
        // SAFETY: with this family libc wrote a whole `sockaddr_in6`; it need not be aligned.
        let v6 = unsafe { ptr::read_unaligned(entry.ifa_addr.cast::<libc::sockaddr_in6>()) };
        return Some(IpAddr::V6(Ipv6Addr::from(v6.sin6_addr.s6_addr)));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_can_be_used_where_it_is_and_its_interface_is_up() {
        let host = HostAddresses::read().unwrap();
        let local = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(host.is_usable(local("127.0.0.1"), None));
        assert!(host.is_usable(local("127.0.0.2"), Some("lo")));
        assert!(!host.is_usable(local("127.0.0.1"), Some("no-such")));
        assert!(!host.is_usable(local("192.0.2.77"), None));
        assert!(!HostAddresses::default().is_usable(local("127.0.0.1"), None));
    }

    #[test]
    fn the_loopback_address_is_there_and_every_address_can_be_bound_unless_it_needs_a_scope() {
        let addresses = local_addresses().unwrap();
        assert!(addresses.contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
        for address in addresses {
            let needs_scope = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
            assert!(needs_scope || UdpSocket::bind((address, 0)).is_ok(), "{address}");
        }
    }
}
