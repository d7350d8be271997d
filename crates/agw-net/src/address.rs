//! Socket addresses as the kernel lays them out (`sockaddr_in`, `sockaddr_in6`).
//!
//! Written and read octet by octet at the offsets of the C structures, so that no `unsafe` is
//! needed and a short or foreign answer of the kernel is an `None`.

use std::{
    mem::{offset_of, size_of},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
};

/// Room for either family; 4 octets of alignment are what both structures need.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct RawAddress([u8; RawAddress::ROOM as usize]);

impl RawAddress {
    /// Octets of the room, what the kernel is told when it writes.
    pub(crate) const ROOM: libc::socklen_t = 32;
    /// Nothing.
    pub(crate) const EMPTY: Self = Self([0; Self::ROOM as usize]);

    /// Writes an address and tells how many octets of it count.
    pub(crate) fn encode(&mut self, address: SocketAddr) -> libc::socklen_t {
        match address {
            SocketAddr::V4(v4) => self.encode_v4(v4),
            SocketAddr::V6(v6) => self.encode_v6(v6),
        }
    }

    /// Reads an address of which the kernel wrote `len` octets; `None` if that is too few for its
    /// family or the family is neither IPv4 nor IPv6.
    pub(crate) fn decode(&self, len: libc::socklen_t) -> Option<SocketAddr> {
        let written = self.0.get(..usize::try_from(len).ok()?)?;
        let family = libc::sa_family_t::from_ne_bytes(field(written, 0)?);
        match i32::from(family) {
            libc::AF_INET if written.len() >= size_of::<libc::sockaddr_in>() => decode_v4(written),
            libc::AF_INET6 if written.len() >= size_of::<libc::sockaddr_in6>() => {
                decode_v6(written)
            }
            _ => None,
        }
    }

    /// Where the kernel reads or writes the address.
    pub(crate) fn as_mut_ptr(&mut self) -> *mut libc::c_void {
        self.0.as_mut_ptr().cast()
    }

    /// Where the kernel reads the address.
    pub(crate) fn as_ptr(&self) -> *const libc::sockaddr {
        self.0.as_ptr().cast()
    }

    fn encode_v4(&mut self, address: SocketAddrV4) -> libc::socklen_t {
        let mut octets = [0; size_of::<libc::sockaddr_in>()];
        put(&mut octets, 0, (libc::AF_INET as libc::sa_family_t).to_ne_bytes());
        put(&mut octets, offset_of!(libc::sockaddr_in, sin_port), address.port().to_be_bytes());
        put(&mut octets, offset_of!(libc::sockaddr_in, sin_addr), address.ip().octets());
        self.fill(&octets)
    }

    fn encode_v6(&mut self, address: SocketAddrV6) -> libc::socklen_t {
        let mut octets = [0; size_of::<libc::sockaddr_in6>()];
        put(&mut octets, 0, (libc::AF_INET6 as libc::sa_family_t).to_ne_bytes());
        put(&mut octets, offset_of!(libc::sockaddr_in6, sin6_port), address.port().to_be_bytes());
        let flow = address.flowinfo().to_ne_bytes();
        put(&mut octets, offset_of!(libc::sockaddr_in6, sin6_flowinfo), flow);
        put(&mut octets, offset_of!(libc::sockaddr_in6, sin6_addr), address.ip().octets());
        let scope = address.scope_id().to_ne_bytes();
        put(&mut octets, offset_of!(libc::sockaddr_in6, sin6_scope_id), scope);
        self.fill(&octets)
    }

    fn fill(&mut self, octets: &[u8]) -> libc::socklen_t {
        for (into, from) in self.0.iter_mut().zip(octets) {
            *into = *from;
        }
        octets.len() as libc::socklen_t
    }
}

const _: () = assert!(size_of::<libc::sockaddr_in6>() <= RawAddress::ROOM as usize);
const _: () = assert!(offset_of!(libc::sockaddr_in, sin_family) == 0);
const _: () = assert!(offset_of!(libc::sockaddr_in6, sin6_family) == 0);

fn decode_v4(octets: &[u8]) -> Option<SocketAddr> {
    let port = u16::from_be_bytes(field(octets, offset_of!(libc::sockaddr_in, sin_port))?);
    let ip: [u8; 4] = field(octets, offset_of!(libc::sockaddr_in, sin_addr))?;
    Some(SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::from(ip), port)))
}

fn decode_v6(octets: &[u8]) -> Option<SocketAddr> {
    let port = u16::from_be_bytes(field(octets, offset_of!(libc::sockaddr_in6, sin6_port))?);
    let flow = u32::from_ne_bytes(field(octets, offset_of!(libc::sockaddr_in6, sin6_flowinfo))?);
    let ip: [u8; 16] = field(octets, offset_of!(libc::sockaddr_in6, sin6_addr))?;
    let scope = u32::from_ne_bytes(field(octets, offset_of!(libc::sockaddr_in6, sin6_scope_id))?);
    Some(SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::from(ip), port, flow, scope)))
}

fn put<const N: usize>(octets: &mut [u8], offset: usize, value: [u8; N]) {
    if let Some(place) = octets.get_mut(offset..).and_then(<[u8]>::first_chunk_mut) {
        *place = value;
    }
}

fn field<const N: usize>(octets: &[u8], offset: usize) -> Option<[u8; N]> {
    octets.get(offset..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use socket2::SockAddr;

    use super::*;

    fn addresses() -> impl Strategy<Value = SocketAddr> {
        prop_oneof![
            (any::<[u8; 4]>(), any::<u16>()).prop_map(|address| address.into()),
            (any::<[u8; 16]>(), any::<u16>(), any::<u32>(), any::<u32>()).prop_map(
                |(ip, port, flow, scope)| SocketAddrV6::new(ip.into(), port, flow, scope).into()
            ),
        ]
    }

    /// The octets of socket2's `sockaddr_storage`.
    fn octets_by_socket2(address: &SockAddr) -> Vec<u8> {
        // SAFETY: socket2 promises `len` initialised octets at `as_ptr`, which live as long as
        // `address`; they are copied before the borrow ends and nobody writes them.
        let octets = unsafe {
            std::slice::from_raw_parts(address.as_ptr().cast::<u8>(), address.len() as usize)
        };
        octets.to_vec()
    }

    proptest! {
        #[test]
        fn an_address_is_laid_out_as_socket2_lays_it_out_and_comes_back(address in addresses()) {
            let mut raw = RawAddress::EMPTY;
            let len = raw.encode(address);

            let other = octets_by_socket2(&SockAddr::from(address));
            prop_assert_eq!(&raw.0[..len as usize], &other[..]);
            prop_assert_eq!(raw.decode(len), Some(address));
        }

        #[test]
        fn room_used_before_leaves_no_trace(first in addresses(), second in addresses()) {
            let mut raw = RawAddress::EMPTY;
            raw.encode(first);
            let len = raw.encode(second);
            prop_assert_eq!(raw.decode(len), Some(second));
        }

        #[test]
        fn octets_of_any_length_and_family_are_read_or_refused(
            octets in any::<[u8; 32]>(),
            family in prop_oneof![Just(libc::AF_INET), Just(libc::AF_INET6), 0..300_i32],
            len in 0_u32..200,
        ) {
            let mut raw = RawAddress(octets);
            put(&mut raw.0, 0, (family as libc::sa_family_t).to_ne_bytes());
            let needs = match family {
                libc::AF_INET => Some(16..=32),
                libc::AF_INET6 => Some(28..=32),
                _ => None,
            };
            let readable = needs.is_some_and(|lengths| lengths.contains(&len));
            prop_assert_eq!(raw.decode(len).is_some(), readable);
        }
    }
}
