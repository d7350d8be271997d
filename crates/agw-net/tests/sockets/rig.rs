//! A sockets backend on loopback and plain sockets to talk to it.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    time::Duration,
};

use agw_net::{Batch, PacketIo, PortOptions, PortToken, SocketsBackend, SocketsOptions, UdpPort};

pub(crate) const V4: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
pub(crate) const V6: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 0);
/// Never reached unless something is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn backend() -> SocketsBackend {
    SocketsBackend::new(SocketsOptions::default()).unwrap()
}

/// Adds a port with the default options and tells its address.
pub(crate) fn add(backend: &mut SocketsBackend, token: u32, address: SocketAddr) -> SocketAddr {
    add_with(backend, token, address, &PortOptions::default())
}

pub(crate) fn add_with(
    backend: &mut SocketsBackend,
    token: u32,
    address: SocketAddr,
    options: &PortOptions,
) -> SocketAddr {
    let port = UdpPort::bind(address, options).unwrap();
    let local = port.local_address();
    backend.add_port(PortToken(token), port).unwrap();
    local
}

pub(crate) fn peer(address: SocketAddr) -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let local = socket.local_addr().unwrap();
    (socket, local)
}

/// What the next round brings: token, source and payload.
pub(crate) fn round(
    backend: &mut SocketsBackend,
    batch: &mut Batch,
) -> Vec<(u32, SocketAddr, Vec<u8>)> {
    backend.receive(batch, Some(Duration::ZERO)).unwrap();
    batch
        .slots_mut()
        .map(|slot| (slot.port.0, slot.source, slot.octets[..slot.len].to_vec()))
        .collect()
}

/// The ports of all rounds until nothing is left; loopback delivers before a send returns.
pub(crate) fn drain(backend: &mut SocketsBackend, batch: &mut Batch) -> Vec<u32> {
    let mut ports = Vec::new();
    loop {
        let datagrams = round(backend, batch);
        if datagrams.is_empty() {
            return ports;
        }
        ports.extend(datagrams.iter().map(|(port, _, _)| *port));
    }
}
