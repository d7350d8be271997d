//! The ng protocol: where it is listened for, and who may speak it.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use agw_relay::Network;

use super::check::Rules;

/// The most listeners of a kind.
const MAX_LISTENERS: usize = 16;
/// The most networks that may speak.
const MAX_NETWORKS: usize = 256;

/// The ng protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ng {
    /// The UDP addresses; none is off.
    pub udp: Vec<SocketAddr>,
    /// The TCP addresses; none is off.
    pub tcp: Vec<SocketAddr>,
    /// The addresses and networks (`192.0.2.0/24`) that may speak.
    pub allow: Vec<String>,
    /// Whether the SIP of both sides is protected, by IPsec, TLS or place, where a request does not
    /// say (RFC 4568 §8.3).
    pub protected_signalling: bool,
    /// The most TCP connections at a time.
    pub max_connections: usize,
    /// The most requests under way at a time.
    pub max_pending: usize,
    /// The most messages in a second from each of the networks that may speak; 0 is no limit.
    pub max_rate: u32,
    /// How long a request is remembered after its reply, in milliseconds.
    pub cookie_ms: u64,
}

impl Default for Ng {
    fn default() -> Self {
        Self {
            udp: Vec::new(),
            tcp: Vec::new(),
            allow: vec!["127.0.0.0/8".to_owned(), "::1".to_owned()],
            protected_signalling: true,
            max_connections: 64,
            max_pending: 1_024,
            max_rate: 50_000,
            cookie_ms: 60_000,
        }
    }
}

impl Ng {
    /// Whether anything is listened at.
    pub(crate) const fn is_on(&self) -> bool {
        !self.udp.is_empty() || !self.tcp.is_empty()
    }

    /// Who may speak. What is no network, which a check refuses, is left out.
    pub(crate) fn networks(&self) -> Vec<Network> {
        self.allow.iter().filter_map(|text| network(text)).collect()
    }

    pub(super) fn check(&self, rules: &mut Rules) {
        for (key, addresses) in [("ng.udp", &self.udp), ("ng.tcp", &self.tcp)] {
            rules.must(addresses.len() <= MAX_LISTENERS, key, "at most 16 addresses");
            rules.must(
                addresses.iter().all(|address| !address.ip().is_unspecified()),
                key,
                "must be addresses of this host: replies leave from where requests came to",
            );
        }
        rules.must(self.allow.len() <= MAX_NETWORKS, "ng.allow", "at most 256 networks");
        for text in self.allow.iter().filter(|text| network(text).is_none()) {
            rules.broken("ng.allow", format!("{text:?} is no address and no network"));
        }
        rules.must(
            !self.is_on() || !self.allow.is_empty(),
            "ng.allow",
            "must name somebody while ng is listened for",
        );
        rules.within("ng.max_connections", self.max_connections as u64, 1..=4_096);
        rules.within("ng.max_pending", self.max_pending as u64, 1..=65_536);
        rules.within("ng.max_rate", u64::from(self.max_rate), 0..=10_000_000);
        rules.within("ng.cookie_ms", self.cookie_ms, 5_000..=600_000);
    }
}

/// `ADDRESS` or `ADDRESS/BITS`.
fn network(text: &str) -> Option<Network> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let all = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Ok(all), str::parse).ok()?;
    Network::new(address, bits)
}
