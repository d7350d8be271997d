//! Source filters: who may send to a leg by address and port (TS 23.334 §6.2.4, H.248.43).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::spec::{Component, SourceRule};

/// Addresses with a common prefix; one address is a prefix of its whole length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Who may send to a leg, besides what its source rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceFilter {
    /// The addresses; `None` is the signalled one, or any where latching was asked for.
    pub network: Option<Network>,
    /// The lowest port that may send RTP.
    pub lowest_port: u16,
    /// The highest port that may send RTP. RTCP on a port of its own may come from the next one
    /// as well, and from the signalled one.
    pub highest_port: u16,
}

impl Network {
    /// The addresses that share the first `prefix` bits with `address`; `None` if it has fewer.
    ///
    /// ```
    /// let network = agw_relay::Network::new("192.0.2.9".parse().unwrap(), 24).unwrap();
    /// assert_eq!(network.to_string(), "192.0.2.0/24");
    /// assert!(network.contains("192.0.2.255".parse().unwrap()));
    /// ```
    #[must_use]
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let bits = match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        (prefix <= bits).then(|| Self { address: first_of(address, prefix), prefix })
    }

    /// The lowest of the addresses.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// Whether an address is one of these.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4()
            && first_of(address, self.prefix) == self.address
    }
}

/// The address itself, or with its prefix: `192.0.2.0/24`.
impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.address, self.prefix) {
            (IpAddr::V4(_), 32) | (IpAddr::V6(_), 128) => write!(f, "{}", self.address),
            (address, prefix) => write!(f, "{address}/{prefix}"),
        }
    }
}

impl SourceFilter {
    /// Whether a packet from `source` may be looked at.
    pub(crate) fn admits(
        &self,
        rule: SourceRule,
        component: Component,
        source: SocketAddr,
        signalled: Option<SocketAddr>,
    ) -> bool {
        let is_signalled = |ip| signalled.is_some_and(|signalled| signalled.ip() == ip);
        let is_near = match (self.network, rule) {
            (Some(network), _) => network.contains(source.ip()),
            (None, SourceRule::Signalled) => is_signalled(source.ip()),
            (
                None,
                SourceRule::Authenticated
                | SourceRule::AuthenticatedOnce { .. }
                | SourceRule::First { .. },
            ) => true,
        };
        let ports = self.lowest_port..=self.highest_port;
        let next = self.highest_port.saturating_add(1);
        is_near
            && (ports.contains(&source.port())
                || component == Component::Rtcp
                    && (source.port() == next || signalled == Some(source)))
    }
}

/// The address with all bits after the prefix cleared.
fn first_of(address: IpAddr, prefix: u8) -> IpAddr {
    let cleared = |bits: u32| bits.saturating_sub(prefix.into());
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(cleared(32)).unwrap_or(0);
            Ipv4Addr::from_bits(v4.to_bits() & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(cleared(128)).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(address: &str, prefix: u8) -> Network {
        Network::new(address.parse().unwrap(), prefix).unwrap()
    }

    #[test]
    fn a_network_has_the_addresses_that_share_its_prefix_and_no_other() {
        let table = [
            ("192.0.2.129", 25, "192.0.2.255", "192.0.2.127"),
            ("192.0.2.1", 32, "192.0.2.1", "192.0.2.0"),
            ("10.0.0.0", 0, "255.255.255.255", "::ffff:10.0.0.1"),
            ("2001:db8::", 33, "2001:db8:7fff::1", "2001:db8:8000::1"),
            ("::1", 128, "::1", "::2"),
            ("::", 0, "ffff::", "0.0.0.0"),
        ];
        for (address, prefix, inside, outside) in table {
            let network = network(address, prefix);
            assert!(network.contains(inside.parse().unwrap()), "{network} has {inside}");
            assert!(!network.contains(outside.parse().unwrap()), "{network} has not {outside}");
        }
        assert_eq!(Network::new("10.0.0.0".parse().unwrap(), 33), None);
        assert_eq!(Network::new("::".parse().unwrap(), 129), None);
    }

    #[test]
    fn rtcp_may_come_from_the_next_port_and_from_the_signalled_one_but_rtp_may_not() {
        let network = Some(network("192.0.2.0", 24));
        let filter = SourceFilter { network, lowest_port: 4_000, highest_port: 4_002 };
        let signalled = Some("192.0.2.7:9000".parse().unwrap());
        let admits = |component, source: &str| {
            filter.admits(SourceRule::Signalled, component, source.parse().unwrap(), signalled)
        };
        let table = [
            ("192.0.2.1:3999", false, false),
            ("192.0.2.1:4000", true, true),
            ("192.0.2.1:4002", true, true),
            ("192.0.2.1:4003", false, true),
            ("192.0.2.1:4004", false, false),
            ("192.0.2.7:9000", false, true),
            ("192.0.3.1:4000", false, false),
        ];
        for (source, rtp, rtcp) in table {
            assert_eq!(admits(Component::Rtp, source), rtp, "RTP from {source}");
            assert_eq!(admits(Component::Rtcp, source), rtcp, "RTCP from {source}");
        }
    }

    #[test]
    fn without_a_network_only_a_leg_that_latches_hears_other_addresses() {
        let filter = SourceFilter { network: None, lowest_port: 0, highest_port: u16::MAX };
        let signalled = Some("192.0.2.7:9000".parse().unwrap());
        let admits = |rule, source: &str, signalled| {
            filter.admits(rule, Component::Rtp, source.parse().unwrap(), signalled)
        };
        assert!(admits(SourceRule::Signalled, "192.0.2.7:1", signalled));
        assert!(!admits(SourceRule::Signalled, "192.0.2.8:9000", signalled));
        assert!(!admits(SourceRule::Signalled, "192.0.2.7:9000", None));
        assert!(admits(SourceRule::Authenticated, "192.0.2.8:9000", signalled));
    }
}
