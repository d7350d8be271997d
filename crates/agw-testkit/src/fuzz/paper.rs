//! Realms and ports that exist on paper.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;

use agw_context::{ContextId, LocalPort, PortError, Ports, RealmAddress, RealmConfig};
use agw_relay::PortId;

/// Ports that nobody opens.
#[derive(Default)]
pub(super) struct PaperPorts {
    pub(super) open: BTreeMap<PortId, SocketAddr>,
    next: u32,
}

impl Ports for PaperPorts {
    fn open(&mut self, _: ContextId, port: LocalPort) -> Result<PortId, PortError> {
        if self.open.values().any(|address| *address == port.address) {
            return Err(PortError::InUse);
        }
        self.next += 1;
        self.open.insert(PortId(self.next), port.address);
        Ok(PortId(self.next))
    }

    fn close(&mut self, port: PortId) {
        assert!(self.open.remove(&port).is_some(), "a port is closed that is not open");
    }
}

/// A realm with an address of each family that ends in `octet`.
pub(super) fn realm(name: &str, octet: u8, ports: RangeInclusive<u16>) -> RealmConfig {
    let bind = |bind| RealmAddress { bind, advertise: None };
    RealmConfig {
        name: name.to_owned(),
        addresses: vec![
            bind([10, 0, 0, octet].into()),
            bind([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(octet)].into()),
        ],
        ports,
        dscp: None,
        max_streams: None,
        is_default: false,
        protection: Default::default(),
        hairpin: false,
    }
}
