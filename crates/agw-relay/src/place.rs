//! Where a peer is, in two thirds of the memory of a socket address.

use std::net::{IpAddr, SocketAddr};

/// An address and a port, without the zone and the flow label of IPv6: a realm is bound to one
/// address, which tells the link, and the API knows no zones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    ip: IpAddr,
    port: u16,
}

// A leg remembers five of them.
const _: () = assert!(size_of::<Option<Place>>() <= 20);

impl From<SocketAddr> for Place {
    fn from(address: SocketAddr) -> Self {
        Self { ip: address.ip(), port: address.port() }
    }
}

impl From<Place> for SocketAddr {
    fn from(Place { ip, port }: Place) -> Self {
        Self::new(ip, port)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv6Addr, SocketAddrV6};

    use super::*;

    #[test]
    fn a_peer_is_the_same_whatever_its_flow_label() {
        let with = |flow| SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::LOCALHOST, 4_000, flow, 0));
        assert_eq!(Place::from(with(0)), Place::from(with(7)));
        assert_eq!(SocketAddr::from(Place::from(with(7))), with(0));
    }
}
