//! Datagrams.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::time::sleep;
use tracing::warn;
use zeroize::{Zeroize, Zeroizing};

use super::desk::{Desk, ReplyTo};

/// Room for requests that come together, as after a failover.
const RECEIVE_BUFFER: usize = 4 << 20;
/// The longest datagram.
const LONGEST: usize = 65_535;
/// How long to wait when the operating system cannot receive.
const BACK_OFF: Duration = Duration::from_millis(50);
/// Datagrams that are taken before other tasks have their turn.
const AT_ONCE: usize = 32;

pub(super) fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

pub(super) async fn serve(socket: Arc<UdpSocket>, desk: Desk) {
    let mut room = Zeroizing::new(vec![0; LONGEST]);
    let mut taken = 0;
    loop {
        match socket.recv_from(&mut room).await {
            Ok((len, from)) => {
                if let Some(datagram) = room.get_mut(..len) {
                    desk.take(datagram, from.ip(), ReplyTo::Udp(Arc::clone(&socket), from));
                    datagram.zeroize();
                }
            }
            // A controller that went: the kernel tells with the next call.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(error) => {
                warn!(%error, "cannot receive messages of ng now");
                sleep(BACK_OFF).await;
            }
        }
        taken += 1;
        if taken % AT_ONCE == 0 {
            tokio::task::yield_now().await;
        }
    }
}
