//! How the generator sends and hears: one wire to each side of the gateway.

mod sockets;
mod xdp;

use std::io;
use std::net::SocketAddr;

pub(crate) use agw_net::{Incoming, Outgoing};
pub(crate) use sockets::SocketWire;
pub(crate) use xdp::XdpWire;

/// One side of the generator: some addresses, each talking to many ports of the gateway.
pub(crate) trait Wire: Send {
    /// Whether it tells when the kernel got a datagram; else it must be polled without a pause.
    const TELLS_TIME: bool;

    /// The addresses that calls share.
    fn addresses(&self) -> Vec<SocketAddr>;

    /// Sends datagrams of one address, in their order, without blocking; tells how many went out.
    ///
    /// # Errors
    /// The kernel's, about the first one; `WouldBlock` if there is no room now.
    fn send(&mut self, from: usize, datagrams: &[Outgoing<'_>]) -> io::Result<usize>;

    /// Takes some of what has arrived at any address, without blocking, and tells how many.
    ///
    /// # Errors
    /// The kernel's.
    fn receive(&mut self, each: impl FnMut(Incoming<'_>)) -> io::Result<usize>;

    /// Datagrams that arrived and were dropped for want of room since the wire was made.
    ///
    /// # Errors
    /// The kernel's.
    fn drops(&self) -> io::Result<u64>;
}
