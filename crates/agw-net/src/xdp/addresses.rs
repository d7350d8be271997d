//! Who has which local port: an array over the port range of each address.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    sync::atomic::{AtomicU8, Ordering},
};

use crate::PortToken;

/// The most workers of a group: one number means nobody.
pub(crate) const WORKERS: usize = u8::MAX as usize - 1;

/// A local port of the group: which of its addresses, which port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LocalPort {
    pub(crate) address: u16,
    pub(crate) port: u16,
}

/// The addresses of a group and the worker that owns each of their ports; shared by all workers.
///
/// A worker claims a port when it is added there, so that a datagram that another worker's queue
/// received finds its owner.
#[derive(Debug)]
pub(crate) struct Owners {
    addresses: Vec<Address>,
}

#[derive(Debug)]
struct Address {
    address: IpAddr,
    ports: RangeInclusive<u16>,
    /// Number of the worker plus one; 0 for nobody.
    owners: Box<[AtomicU8]>,
}

impl Owners {
    pub(crate) fn new(addresses: impl IntoIterator<Item = (IpAddr, RangeInclusive<u16>)>) -> Self {
        let addresses = addresses.into_iter().map(|(address, ports)| {
            let owners = ports.clone().map(|_| AtomicU8::new(0)).collect();
            Address { address, ports, owners }
        });
        Self { addresses: addresses.collect() }
    }

    /// The port of this group with this address.
    pub(crate) fn find(&self, local: SocketAddr) -> Option<LocalPort> {
        let is_here =
            |entry: &Address| entry.address == local.ip() && entry.ports.contains(&local.port());
        let address = self.addresses.iter().position(is_here)?;
        Some(LocalPort { address: u16::try_from(address).ok()?, port: local.port() })
    }

    /// The worker that owns a port.
    pub(crate) fn owner(&self, port: LocalPort) -> Option<usize> {
        let number = self.entry(port)?.load(Ordering::Acquire);
        usize::from(number).checked_sub(1)
    }

    /// Makes a worker the owner of a port.
    ///
    /// # Errors
    /// `AddrInUse` if it has one.
    pub(crate) fn claim(&self, port: LocalPort, worker: usize) -> io::Result<()> {
        let number = u8::try_from(worker + 1).map_err(|_| io::ErrorKind::InvalidInput)?;
        let entry = self.entry(port).ok_or(io::ErrorKind::AddrNotAvailable)?;
        entry
            .compare_exchange(0, number, Ordering::AcqRel, Ordering::Acquire)
            .map_err(|_| io::ErrorKind::AddrInUse)?;
        Ok(())
    }

    /// Leaves a port to nobody. Only its owner does.
    pub(crate) fn give_up(&self, port: LocalPort) {
        if let Some(entry) = self.entry(port) {
            entry.store(0, Ordering::Release);
        }
    }

    /// Empty tokens for every port.
    pub(crate) fn tokens(&self) -> Tokens {
        let addresses = self.addresses.iter().map(|address| {
            let first = *address.ports.start();
            (first, vec![NOBODY; address.owners.len()].into_boxed_slice())
        });
        Tokens { addresses: addresses.collect() }
    }

    fn entry(&self, LocalPort { address, port }: LocalPort) -> Option<&AtomicU8> {
        let address = self.addresses.get(usize::from(address))?;
        address.owners.get(usize::from(port.checked_sub(*address.ports.start())?))
    }
}

/// The tokens of one worker's ports, by local port.
#[derive(Debug)]
pub(crate) struct Tokens {
    /// The first port of each address, and the tokens from there.
    addresses: Vec<(u16, Box<[u32]>)>,
}

/// Beyond every token.
const NOBODY: u32 = u32::MAX;

impl Tokens {
    pub(crate) fn at(&self, LocalPort { address, port }: LocalPort) -> Option<PortToken> {
        let (first, tokens) = self.addresses.get(usize::from(address))?;
        let token = tokens.get(usize::from(port.checked_sub(*first)?))?;
        (*token != NOBODY).then_some(PortToken(*token))
    }

    pub(crate) fn set(&mut self, LocalPort { address, port }: LocalPort, token: Option<PortToken>) {
        let Some((first, tokens)) = self.addresses.get_mut(usize::from(address)) else {
            return;
        };
        let position = port.checked_sub(*first).map(usize::from);
        if let Some(entry) = position.and_then(|position| tokens.get_mut(position)) {
            *entry = token.map_or(NOBODY, |token| token.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owners() -> Owners {
        Owners::new([
            ("192.0.2.1".parse().unwrap(), 2_000..=2_003),
            ("2001:db8::1".parse().unwrap(), 1..=u16::MAX),
            ("192.0.2.1".parse().unwrap(), 3_000..=3_000),
        ])
    }

    fn at(owners: &Owners, text: &str) -> Option<LocalPort> {
        owners.find(text.parse().unwrap())
    }

    #[test]
    fn a_port_is_found_by_its_address_and_range_and_nothing_else_is() {
        let owners = owners();
        assert_eq!(at(&owners, "192.0.2.1:2003"), Some(LocalPort { address: 0, port: 2_003 }));
        assert_eq!(at(&owners, "192.0.2.1:3000"), Some(LocalPort { address: 2, port: 3_000 }));
        assert_eq!(
            at(&owners, "[2001:db8::1]:65535"),
            Some(LocalPort { address: 1, port: 65_535 })
        );
        for other in ["192.0.2.1:1999", "192.0.2.1:2004", "192.0.2.2:2000", "[2001:db8::1]:0"] {
            assert_eq!(at(&owners, other), None, "{other}");
        }
    }

    #[test]
    fn a_port_has_one_owner_until_it_is_given_up() {
        let owners = owners();
        let port = at(&owners, "192.0.2.1:2000").unwrap();
        assert_eq!(owners.owner(port), None);
        owners.claim(port, 3).unwrap();
        assert_eq!(owners.owner(port), Some(3));
        assert_eq!(owners.claim(port, 1).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(owners.claim(port, 255).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        owners.give_up(port);
        owners.claim(port, 1).unwrap();
    }

    #[test]
    fn tokens_are_kept_per_address_and_port() {
        let owners = owners();
        let mut tokens = owners.tokens();
        let (one, other) =
            (at(&owners, "192.0.2.1:3000").unwrap(), at(&owners, "[2001:db8::1]:3000").unwrap());
        tokens.set(one, Some(PortToken(0)));
        assert_eq!((tokens.at(one), tokens.at(other)), (Some(PortToken(0)), None));
        tokens.set(one, None);
        assert_eq!(tokens.at(one), None);
        assert_eq!(tokens.at(LocalPort { address: 2, port: 2_999 }), None);
    }
}
