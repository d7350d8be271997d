//! A wire of a few UDP sockets.

use std::io;
use std::net::SocketAddr;

use agw_net::{BatchSocket, Incoming, Outgoing, PortOptions};

use super::Wire;
use crate::site::Side;

/// Octets asked for each receive buffer; the kernel gives what `net.core.rmem_max` allows.
const BUFFER: usize = 8 << 20;
/// Ports tried where the kernel may not choose.
const LOW_PORTS: std::ops::Range<u16> = 2_000..10_000;

/// Some UDP sockets of one address.
#[derive(Debug)]
pub(crate) struct SocketWire {
    sockets: Vec<BatchSocket>,
    /// The socket that is asked first for what has arrived.
    turn: usize,
}

impl SocketWire {
    /// Binds `count` sockets at the generator's address of a side, to ports that the kernel
    /// chooses, or to low ones where the gateway has its media ports at the same address.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn bind(side: &Side, count: usize) -> io::Result<Self> {
        let address = side.peer;
        let mut ports = LOW_PORTS;
        let bind = |_| {
            if side.gateway != address {
                return socket(SocketAddr::new(address, 0));
            }
            let mut free = ports.by_ref().map(|port| socket(SocketAddr::new(address, port)));
            let in_use = || io::Error::from(io::ErrorKind::AddrInUse);
            free.find(|tried| tried.is_ok()).ok_or_else(in_use)?
        };
        let sockets = (0..count).map(bind).collect::<io::Result<Vec<_>>>()?;
        Ok(Self { sockets, turn: 0 })
    }
}

fn socket(address: SocketAddr) -> io::Result<BatchSocket> {
    let options = PortOptions {
        receive_buffer_octets: Some(BUFFER),
        send_buffer_octets: Some(BUFFER),
        ..PortOptions::default()
    };
    BatchSocket::bind(address, &options)
}

impl Wire for SocketWire {
    const TELLS_TIME: bool = true;

    fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().map(BatchSocket::local_address).collect()
    }

    fn send(&mut self, from: usize, datagrams: &[Outgoing<'_>]) -> io::Result<usize> {
        let gone = || io::Error::from(io::ErrorKind::NotFound);
        self.sockets.get_mut(from).ok_or_else(gone)?.send(datagrams)
    }

    fn receive(&mut self, mut each: impl FnMut(Incoming<'_>)) -> io::Result<usize> {
        let count = self.sockets.len();
        for place in (self.turn..count).chain(0..self.turn) {
            let Some(socket) = self.sockets.get_mut(place) else { break };
            let received = socket.receive(&mut each)?;
            if received > 0 {
                self.turn = (place + 1) % count;
                return Ok(received);
            }
        }
        Ok(0)
    }

    fn drops(&self) -> io::Result<u64> {
        self.sockets.iter().map(|socket| socket.kernel_drops().map(u64::from)).sum()
    }
}
