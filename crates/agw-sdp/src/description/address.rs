//! Connection addresses (RFC 8866 §5.7).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address of a `c=` line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Connection(pub(crate) IpAddr);

impl Connection {
    /// Reads `IN IP4 192.0.2.1` or `IN IP6 2001:db8::1`; a host name or a multicast address is
    /// nothing that a gateway can send to. The time to live of the latter, which some write beside
    /// others, says nothing there.
    pub(crate) fn parse(value: &str) -> Option<Self> {
        let mut fields = value.split_ascii_whitespace();
        let net = fields.next()?;
        let kind = fields.next()?;
        let address: IpAddr = fields.next()?.split('/').next()?.parse().ok()?;
        let fits = match address {
            IpAddr::V4(_) => kind.eq_ignore_ascii_case("IP4"),
            IpAddr::V6(_) => kind.eq_ignore_ascii_case("IP6"),
        };
        let is_whole = fields.next().is_none() && net.eq_ignore_ascii_case("IN");
        (fits && is_whole && !address.is_multicast()).then_some(Self(address))
    }
}

/// The value of a `c=` line.
pub(crate) fn connection_line(address: IpAddr) -> String {
    format!("IN {} {address}", kind(address))
}

/// `IP4` or `IP6`.
pub(crate) const fn kind(address: IpAddr) -> &'static str {
    match address {
        IpAddr::V4(_) => "IP4",
        IpAddr::V6(_) => "IP6",
    }
}

/// The address that means nowhere, in the family of `like` (RFC 3264 §8.4, RFC 6157 §5).
pub(crate) const fn nowhere(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}
