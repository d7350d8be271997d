//! IP realms: where connection points are reserved (TS 23.334 §5.3).

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use agw_relay::Transport;

use crate::audit::RealmView;
use crate::command::Family;
use crate::pool::PortPool;

/// An IP realm as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealmConfig {
    /// Its name, as controllers use it.
    pub name: String,
    /// Its addresses, one for a family; the first one's family is the default.
    pub addresses: Vec<RealmAddress>,
    /// Its ports.
    pub ports: RangeInclusive<u16>,
    /// The DSCP of what leaves, 0 to 63; `None` leaves the system's default.
    pub dscp: Option<u8>,
    /// The most streams at a time; `None` is as many as there are ports.
    pub max_streams: Option<usize>,
    /// Whether it is the realm of reservations that name none; if no realm is, the first one is.
    pub is_default: bool,
    /// Which streams may be there.
    pub protection: Protection,
    /// Whether peers there may be at its own media ports: two calls that are halves of one.
    pub hairpin: bool,
}

/// What a realm demands of the media that peers there send and are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protection {
    /// Any stream.
    #[default]
    Optional,
    /// SRTP, whether the gateway opens it or not: plain streams are refused.
    Required,
    /// SRTP that the gateway opens and seals: plain and transparent streams are refused.
    Terminated,
}

impl Protection {
    /// Whether a realm admits a stream.
    pub(crate) const fn admits(self, transport: Transport) -> bool {
        match (self, transport) {
            (Self::Optional, _) | (_, Transport::Secured) => true,
            (Self::Required, Transport::Transparent) => true,
            (Self::Required | Self::Terminated, Transport::Plain)
            | (Self::Terminated, Transport::Transparent) => false,
        }
    }
}

/// A local address of a realm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RealmAddress {
    /// What sockets are bound to.
    pub bind: IpAddr,
    /// What peers are told, behind a static translation; `None` is the bound one.
    pub advertise: Option<IpAddr>,
}

/// A realm with its pools.
#[derive(Debug)]
pub(crate) struct Realm {
    pub(crate) config: RealmConfig,
    pools: Vec<(RealmAddress, PortPool)>,
    /// Which of the addresses can be used now, in their order.
    up: Vec<bool>,
}

impl Realm {
    pub(crate) fn new(config: RealmConfig, rest: Duration) -> Self {
        let pools = config
            .addresses
            .iter()
            //= tests/spec/relay.md#ports
            //# Each realm MUST give out only its own addresses and ports.
            .map(|&address| (address, PortPool::new(&config.ports, rest)))
            .collect();
        let up = vec![true; config.addresses.len()];
        Self { config, pools, up }
    }

    /// The addresses of a family, each with its position among the realm's and whether it can be
    /// used now.
    pub(crate) fn addresses(
        &self,
        family: Option<Family>,
    ) -> impl Iterator<Item = (usize, RealmAddress, bool)> {
        let places = self.pools.iter().map(|&(address, _)| address).zip(&self.up).enumerate();
        places
            .map(|(position, (address, up))| (position, address, *up))
            .filter(move |(_, address, _)| family.is_none_or(|family| family.is_of(address.bind)))
    }

    /// Whether an address of it can be used now.
    pub(crate) fn is_available(&self) -> bool {
        self.up.contains(&true)
    }

    /// Takes note of which addresses can be used now, in their order; tells whether the realm has
    /// become available or unavailable by it.
    pub(crate) fn observe(&mut self, up: &[bool]) -> bool {
        let before = self.is_available();
        for (known, found) in self.up.iter_mut().zip(up) {
            *known = *found;
        }
        self.is_available() != before
    }

    /// Whether it has as many streams as it may.
    pub(crate) fn is_full(&self) -> bool {
        let streams: usize = self.pools.iter().map(|(_, pool)| pool.used()).sum();
        self.config.max_streams.is_some_and(|most| streams >= most)
    }

    pub(crate) fn pool(&mut self, address: usize) -> Option<&mut PortPool> {
        self.pools.get_mut(address).map(|(_, pool)| pool)
    }

    /// Whether a peer there would be this gateway itself: at one of its media ports or, off the
    /// loopback, where peers have addresses of their own, at any port of this host.
    pub(crate) fn owns(&self, peer: SocketAddr) -> bool {
        let is_media_port = self.config.ports.contains(&peer.port());
        self.config.addresses.iter().any(|address| {
            let is_bound = address.bind == peer.ip();
            is_bound && (is_media_port || !peer.ip().is_loopback())
                || is_media_port && address.advertise == Some(peer.ip())
        })
    }

    /// Whether a peer there is at one of its own media ports, as it may be.
    pub(crate) fn hairpins(&self, peer: SocketAddr) -> bool {
        let is_own = |address: &RealmAddress| address.bind == peer.ip();
        self.config.hairpin
            && self.config.ports.contains(&peer.port())
            && self.config.addresses.iter().any(is_own)
    }

    /// Whether the realm lives on this host alone, so that peers on loopback are its peers.
    pub(crate) fn is_loopback(&self) -> bool {
        self.config.addresses.iter().all(|address| address.bind.is_loopback())
    }

    /// All port pairs, of all addresses.
    pub(crate) fn pairs(&self) -> usize {
        self.pools.iter().map(|(_, pool)| pool.pairs()).sum()
    }

    /// Port pairs in use, of all addresses.
    pub(crate) fn pairs_used(&self) -> usize {
        self.pools.iter().map(|(_, pool)| pool.used()).sum()
    }

    /// Port pairs of an address.
    pub(crate) fn pool_pairs(&self, address: usize) -> usize {
        self.pools.get(address).map_or(0, |(_, pool)| pool.pairs())
    }

    /// Port pairs of an address that can be given out.
    pub(crate) fn pairs_available(&self, address: usize, now: Instant) -> usize {
        self.pools.get(address).map_or(0, |(_, pool)| pool.available(now))
    }

    /// How full it is, of so many pairs at most: as a whole or at its fullest address, in percent.
    pub(crate) fn load(&self, most_pairs: usize, now: Instant) -> usize {
        let percent = |taken: usize, all: usize| taken * 100 / all.max(1);
        let taken =
            self.pools.iter().map(|(_, pool)| (pool.used() + pool.resting(now), pool.pairs()));
        let whole = percent(taken.clone().map(|(taken, _)| taken).sum(), most_pairs);
        taken.map(|(taken, all)| percent(taken, all)).fold(whole, usize::max)
    }

    pub(crate) fn view(&self, most_pairs: usize, now: Instant, is_default: bool) -> RealmView {
        let down = self.addresses(None).filter(|(.., up)| !up);
        RealmView {
            name: self.config.name.clone(),
            addresses: self.config.addresses.iter().map(|address| address.outside()).collect(),
            ports: (*self.config.ports.start(), *self.config.ports.end()),
            protection: self.config.protection,
            ports_used: self.pools.iter().map(|(_, pool)| pool.used() * 2).sum(),
            ports_resting: self.pools.iter().map(|(_, pool)| pool.resting(now) * 2).sum(),
            max_ports: most_pairs * 2,
            available: self.is_available(),
            unavailable: down.map(|(_, address, _)| address.outside()).collect(),
            is_default,
            max_streams: self.config.max_streams,
        }
    }

    pub(crate) fn release(&mut self, address: usize, port: u16, now: Instant) {
        if let Some(pool) = self.pool(address) {
            pool.release(port, now);
        }
    }
}

impl RealmAddress {
    /// The address that peers are told.
    #[must_use]
    pub fn outside(&self) -> IpAddr {
        self.advertise.unwrap_or(self.bind)
    }
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    fn is_of(self, address: IpAddr) -> bool {
        Self::of(address) == self
    }
}
