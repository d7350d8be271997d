//! Addresses and whom to listen to.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use agw_context::{Family, Remote, SourcePolicy};
use agw_relay::{Network, SourceFilter};

use crate::invalid::{InvalidRequest, optional, required};
use crate::pb;

/// The longest time gate of a plain leg, in milliseconds.
pub(crate) const MAX_LATCH_GATE_MS: u32 = 600_000;

pub(super) fn remote(remote: &pb::RemoteAddress) -> Result<Remote, InvalidRequest> {
    let pb::RemoteAddress { rtp, rtcp } = remote;
    Ok(Remote {
        rtp: required("rtp", rtp.as_ref(), socket_address)?,
        rtcp: optional("rtcp", rtcp.as_ref(), socket_address)?,
    })
}

fn socket_address(address: &pb::SocketAddress) -> Result<SocketAddr, InvalidRequest> {
    let pb::SocketAddress { ip, port } = address;
    if ip.is_empty() {
        return Err(InvalidRequest::missing("ip"));
    }
    let ip: IpAddr =
        ip.parse().map_err(|_| InvalidRequest::value("ip", "is no IPv4 or IPv6 address"))?;
    match u16::try_from(*port) {
        Ok(port) if port != 0 => Ok(SocketAddr::new(ip, port)),
        Ok(_) | Err(_) => Err(InvalidRequest::value("port", "is 1 to 65535")),
    }
}

pub(crate) fn source_policy(policy: &pb::SourcePolicy) -> Result<SourcePolicy, InvalidRequest> {
    let pb::SourcePolicy { rule, within_ms } = policy;
    let rule =
        pb::SourceRule::try_from(*rule).map_err(|_| InvalidRequest::unknown("rule", *rule))?;
    match (rule, *within_ms) {
        (pb::SourceRule::Unspecified, _) => Err(InvalidRequest::missing("rule")),
        (pb::SourceRule::Signalled, None) => Ok(SourcePolicy::Signalled),
        (pb::SourceRule::Signalled, Some(_)) => {
            Err(InvalidRequest::value("within_ms", "is for SOURCE_RULE_LATCH only"))
        }
        (pb::SourceRule::Latch, None) => Ok(SourcePolicy::Latch { within: None }),
        (pb::SourceRule::Latch, Some(gate)) if (1..=MAX_LATCH_GATE_MS).contains(&gate) => {
            Ok(SourcePolicy::Latch { within: Some(Duration::from_millis(gate.into())) })
        }
        (pb::SourceRule::Latch, Some(_)) => {
            Err(InvalidRequest::value("within_ms", "is 1 to 600000"))
        }
    }
}

/// Reads a source filter; `None` if it is empty.
pub(super) fn source_filter(
    filter: &pb::SourceFilter,
) -> Result<Option<SourceFilter>, InvalidRequest> {
    let pb::SourceFilter { network: addresses, lowest_port, highest_port } = filter;
    let network = match addresses.as_str() {
        "" => None,
        text => Some(network(text).ok_or_else(|| {
            let rule = "is no IPv4 or IPv6 address, alone or with /prefix length";
            InvalidRequest::value("network", rule)
        })?),
    };
    let port = |field, port| {
        u16::try_from(port).map_err(|_| InvalidRequest::value(field, "is 0 to 65535"))
    };
    let (lowest_port, highest_port) =
        match (port("lowest_port", *lowest_port)?, port("highest_port", *highest_port)?) {
            (0, 0) => (0, u16::MAX),
            (0, _) => return Err(InvalidRequest::missing("lowest_port")),
            (only, 0) => (only, only),
            (lowest, highest) if lowest > highest => {
                return Err(InvalidRequest::value("highest_port", "is not below lowest_port"));
            }
            range => range,
        };
    let is_empty = network.is_none() && (lowest_port, highest_port) == (0, u16::MAX);
    Ok((!is_empty).then_some(SourceFilter { network, lowest_port, highest_port }))
}

fn network(text: &str) -> Option<Network> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address.parse().ok()?, prefix.parse().ok()?),
        None => {
            let address: IpAddr = text.parse().ok()?;
            (address, if address.is_ipv4() { 32 } else { 128 })
        }
    };
    Network::new(address, prefix)
}

pub(crate) fn family(field: &str, family: i32) -> Result<Option<Family>, InvalidRequest> {
    match pb::AddressFamily::try_from(family) {
        Ok(pb::AddressFamily::Unspecified) => Ok(None),
        Ok(pb::AddressFamily::Ipv4) => Ok(Some(Family::V4)),
        Ok(pb::AddressFamily::Ipv6) => Ok(Some(Family::V6)),
        Err(_) => Err(InvalidRequest::unknown(field, family)),
    }
}
