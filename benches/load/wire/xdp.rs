//! A wire past the network stack.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use agw_net::{Incoming, Outgoing, XdpOptions, XdpPeer, XdpRealm};
use anyhow::Context;

use super::Wire;
use crate::site::Side;

/// How long the way to the gateway may take to be known.
const PATIENCE: Duration = Duration::from_secs(5);
/// Ports of the generator: as many as a wire of sockets has.
const PORTS: std::ops::Range<u16> = 5_000..5_004;
/// Ports that are taken from the kernel: those from which programs get one of the kernel's choice
/// stay with it, for rtpengine's answers to our requests.
const TAKEN: std::ops::RangeInclusive<u16> = 1..=32_767;
/// Entries of the rings: bursts of a whole round of a gateway must fit.
const RING: u32 = 4_096;

/// All queues of the interface of one side.
pub(crate) struct XdpWire {
    peer: XdpPeer,
    addresses: Vec<SocketAddr>,
}

impl XdpWire {
    /// Takes the generator's address of a side from the kernel.
    ///
    /// # Errors
    /// The kernel's, and `NotFound` where a side has no interface of its own.
    pub(crate) fn open(side: &Side) -> anyhow::Result<Self> {
        let device = side.peer_device.clone().context("--generator xdp needs --netns")?;
        let realm = XdpRealm { device, address: side.peer, ports: TAKEN };
        let options = XdpOptions { realms: vec![realm], ring: RING, ..XdpOptions::default() };
        let peer = XdpPeer::open(&options).context("--generator xdp")?;
        let addresses: Vec<_> = PORTS.map(|port| SocketAddr::new(side.peer, port)).collect();
        let from = addresses.first().copied().context("no address")?;
        let to = SocketAddr::new(side.gateway, *side.ports.start());
        peer.reach(from, to, PATIENCE).context("--generator xdp: no way to the gateway")?;
        Ok(Self { peer, addresses })
    }
}

impl Wire for XdpWire {
    const TELLS_TIME: bool = false;

    fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses.clone()
    }

    fn send(&mut self, from: usize, datagrams: &[Outgoing<'_>]) -> io::Result<usize> {
        let from = self.addresses.get(from).copied().ok_or(io::ErrorKind::NotFound)?;
        self.peer.send(from, datagrams)
    }

    fn receive(&mut self, mut each: impl FnMut(Incoming<'_>)) -> io::Result<usize> {
        Ok(self.peer.receive(|_, datagram| each(datagram)))
    }

    fn drops(&self) -> io::Result<u64> {
        Ok(self.peer.kernel_drops()? + self.peer.refused())
    }
}
