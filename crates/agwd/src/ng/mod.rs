//! The ng face: Kamailio and OpenSIPS speak it to their media relays.
//!
//! A message goes through [`desk`]: who sends it, how fast, whether it came before. What is new is
//! carried out in a task of its own by [`face`], over the calls of the IMS-ALG; its reply goes to
//! everybody who asked meanwhile. [`udp`] and [`tcp`] read and write; neither waits for a call.

mod desk;
mod face;
mod failure;
mod rate;
mod report;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, UdpSocket};

pub(crate) use desk::Desk;
pub(crate) use face::{Face, controller};

use crate::config::Ng;

/// Everything that ng is listened for at.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    udp: Vec<Arc<UdpSocket>>,
    tcp: Vec<TcpListener>,
}

/// An address that cannot be listened at.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) key: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) source: io::Error,
}

impl Sockets {
    /// Binds every listener.
    pub(crate) async fn bind(config: &Ng) -> Result<Self, Refused> {
        let mut sockets = Self::default();
        for &address in &config.udp {
            let refused = |source| Refused { key: "ng.udp", address, source };
            sockets.udp.push(Arc::new(udp::bind(address).map_err(refused)?));
        }
        for &address in &config.tcp {
            let refused = |source| Refused { key: "ng.tcp", address, source };
            sockets.tcp.push(TcpListener::bind(address).await.map_err(refused)?);
        }
        Ok(sockets)
    }

    /// Where it is listened, with the ports that were bound: UDP, TCP.
    pub(crate) fn addresses(&self) -> (Vec<SocketAddr>, Vec<SocketAddr>) {
        let udp = self.udp.iter().filter_map(|socket| socket.local_addr().ok());
        let tcp = self.tcp.iter().filter_map(|listener| listener.local_addr().ok());
        (udp.collect(), tcp.collect())
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.udp.is_empty() && self.tcp.is_empty()
    }

    /// Serves until nobody wants it any more: dropping the future ends it.
    pub(crate) async fn serve(self, desk: Desk) {
        let mut tasks = tokio::task::JoinSet::new();
        for socket in self.udp {
            tasks.spawn(udp::serve(socket, desk.clone()));
        }
        for listener in self.tcp {
            tasks.spawn(tcp::serve(listener, desk.clone()));
        }
        while tasks.join_next().await.is_some() {}
    }
}
