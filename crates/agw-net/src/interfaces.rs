//! The addresses of this host.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
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
        let mut next = self.first;
        std::iter::from_fn(move || {
            // SAFETY: `next` is null or an entry of the list, which lives and is not written as
            // long as `self` is borrowed.
            let entry = unsafe { next.as_ref() }?;
            next = entry.ifa_next;
            Some(address(entry))
        })
        .flatten()
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
    use std::net::UdpSocket;

    use super::*;

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
