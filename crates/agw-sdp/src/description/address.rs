//! Connection addresses (RFC 8866 §5.7).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use agw_context::Family;

/// Where a `c=` line says that its author receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connection {
    /// At this address, or nowhere if it is the unspecified one.
    At(IpAddr),
    /// Somewhere in this family: it is a host's name, which the gateway asks nobody about, or an
    /// address of a link that nobody can tell here.
    Somewhere(Family),
}

impl Connection {
    /// Reads `IN IP4 192.0.2.1`, `IN IP6 2001:db8::1` or `IN IP4 phone.example.net`; a multicast
    /// address is nothing that a gateway can send to. The time to live of the latter, which some
    /// write beside others, says nothing there, nor does the zone of an address that has none.
    pub(crate) fn parse(value: &str) -> Option<Self> {
        let mut fields = value.split_ascii_whitespace();
        let net = fields.next()?;
        let family = match fields.next()? {
            kind if kind.eq_ignore_ascii_case("IP4") => Family::V4,
            kind if kind.eq_ignore_ascii_case("IP6") => Family::V6,
            _ => return None,
        };
        let host = fields.next()?.split('/').next()?;
        if fields.next().is_some() || !net.eq_ignore_ascii_case("IN") {
            return None;
        }
        let address = match host.split_once('%') {
            Some((address, zone)) if family == Family::V6 && !zone.is_empty() => address,
            Some(_) | None => host,
        };
        match (address.parse::<IpAddr>(), family) {
            (Ok(address), _) if address.is_multicast() => None,
            (Ok(IpAddr::V6(v6)), Family::V6) if v6.is_unicast_link_local() => {
                Some(Self::Somewhere(family))
            }
            (Ok(address @ IpAddr::V4(_)), Family::V4)
            | (Ok(address @ IpAddr::V6(_)), Family::V6) => Some(Self::At(address)),
            (Ok(_), Family::V4 | Family::V6) => None,
            (Err(_), _) => is_name(host).then_some(Self::Somewhere(family)),
        }
    }

    /// The address, if it is known.
    pub(crate) const fn address(self) -> Option<IpAddr> {
        match self {
            Self::At(address) => Some(address),
            Self::Somewhere(_) => None,
        }
    }

    /// The family of addresses.
    pub(crate) const fn family(self) -> Family {
        match self {
            Self::At(IpAddr::V4(_)) => Family::V4,
            Self::At(IpAddr::V6(_)) => Family::V6,
            Self::Somewhere(family) => family,
        }
    }

    /// Whether it says that nothing is to be sent.
    pub(crate) const fn is_nowhere(self) -> bool {
        match self {
            Self::At(address) => address.is_unspecified(),
            Self::Somewhere(_) => false,
        }
    }
}

/// A host's name (RFC 8866 §9, `FQDN`); what ends in a number is an address gone wrong (RFC 1123
/// §2.1).
fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let fits = label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
        fits && !label.is_empty()
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_number = |label: &str| label.bytes().all(|octet| octet.is_ascii_digit());
    let last = name.rsplit('.').next().unwrap_or_default();
    (4..=253).contains(&name.len()) && name.split('.').all(is_label) && !is_number(last)
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

/// The address that means nowhere (RFC 3264 §8.4, RFC 6157 §5).
pub(crate) const fn nowhere(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}
