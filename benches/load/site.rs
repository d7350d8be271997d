//! Addresses of a run: the gateway's and the generator's, on both sides.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use anyhow::Context;
use rand::RngExt;

use crate::cli::FamilyChoice;
use crate::netns::Namespaces;

/// The gateway's media ports where it has addresses of its own.
pub(crate) const MEDIA_PORTS: RangeInclusive<u16> = 10_000..=65_535;

/// One side of the gateway.
#[derive(Debug, Clone)]
pub(crate) struct Side {
    /// The gateway's address.
    pub(crate) gateway: IpAddr,
    /// The gateway's media ports.
    pub(crate) ports: RangeInclusive<u16>,
    /// The generator's address.
    pub(crate) peer: IpAddr,
    /// The gateway's interface, where it has one of its own.
    pub(crate) gateway_device: Option<String>,
    /// The generator's interface, likewise.
    pub(crate) peer_device: Option<String>,
}

/// Where a run takes place.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    /// The access side.
    pub(crate) access: Side,
    /// The core side.
    pub(crate) core: Side,
    /// The gateway's network namespace; ours if not given.
    pub(crate) namespace: Option<String>,
}

impl Site {
    /// Addresses on the loopback: IPv4 ones that hardly any other run has, or the only IPv6 one.
    pub(crate) fn loopback(family: FamilyChoice) -> Self {
        let mut random = rand::rng();
        let [b, c] = [random.random_range(16..240), random.random_range(0..=255)];
        let v4 = |host| Side {
            gateway: Ipv4Addr::new(127, b, c, host).into(),
            ports: 1_024..=65_535,
            peer: Ipv4Addr::new(127, b, c, host + 1).into(),
            gateway_device: None,
            peer_device: None,
        };
        let v6 = |ports| Side {
            gateway: Ipv6Addr::LOCALHOST.into(),
            ports,
            peer: Ipv6Addr::LOCALHOST.into(),
            gateway_device: None,
            peer_device: None,
        };
        let (access, core) = match family {
            FamilyChoice::V4 => (v4(1), v4(3)),
            FamilyChoice::V6 => (v6(10_000..=37_999), v6(38_000..=65_535)),
            FamilyChoice::Mixed => (v6(10_000..=65_535), v4(3)),
        };
        Self { access, core, namespace: None }
    }

    /// Addresses in namespaces of our own.
    ///
    /// # Errors
    /// Never, in truth: there are addresses for two sides.
    pub(crate) fn netns(family: FamilyChoice, namespaces: Namespaces) -> anyhow::Result<Self> {
        let side = |place, is_v6| {
            let addresses = Namespaces::addresses(place, is_v6).context("no such side")?;
            let [gateway, peer] = addresses;
            anyhow::Ok(Side {
                gateway,
                ports: MEDIA_PORTS,
                peer,
                gateway_device: Some(namespaces.gateway_device(place)),
                peer_device: Some(namespaces.generator_device(place)),
            })
        };
        let (access_is_v6, core_is_v6) = match family {
            FamilyChoice::V4 => (false, false),
            FamilyChoice::V6 => (true, true),
            FamilyChoice::Mixed => (true, false),
        };
        Ok(Self {
            access: side(0, access_is_v6)?,
            core: side(1, core_is_v6)?,
            namespace: Some(namespaces.gateway()),
        })
    }
}
