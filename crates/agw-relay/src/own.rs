//! The gateway's own media ports: what comes from one of them, the gateway itself has sent.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use agw_srtp::Engine;

use crate::relay::Relay;

/// Media ports of this gateway at one of its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnPorts {
    /// The address, as peers see it.
    pub address: IpAddr,
    /// The ports, in use or not.
    pub ports: RangeInclusive<u16>,
}

impl OwnPorts {
    /// Whether an address is one of them.
    pub(crate) fn has(&self, peer: SocketAddr) -> bool {
        self.address == peer.ip() && self.ports.contains(&peer.port())
    }
}

impl<E: Engine> Relay<E> {
    /// Says which media ports are the gateway's own, all workers' together: a leg listens to one
    /// of them only where exactly that one is signalled.
    pub fn set_own_ports(&mut self, own: Vec<OwnPorts>) {
        self.own_ports = own.into_boxed_slice();
    }
}
