//! The accept loops of the Iq API.
//!
//! A peer that says nothing costs little and goes soon: from accepting to the first HTTP/2 octets
//! there is one deadline, and when too many are on their way the oldest is dropped, so that silent
//! peers cannot keep a talking one out. Only then does a connection take one of the places there
//! are. When descriptors run out, the loop waits instead of spinning.

mod connection;
mod handshake;
mod unix;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;
use tracing::{debug, warn};

use agw_iq::ConnectedPeer;

use crate::metrics::{Metrics, RefusedConnection};
use crate::presence::Presence;
use crate::tls::Certificates;

pub(crate) use connection::Connection;
pub(crate) use handshake::Refusal;
pub(crate) use unix::UnixSocket;
pub use unix::UnixSocketError;

/// Peers that may be on their way to their first HTTP/2 octets, for each listener.
const HANDSHAKES: usize = 128;
/// How long the loop waits when the operating system cannot accept, first and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));
/// When a silent TCP peer is looked for.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Where peers connect to.
pub(crate) enum Listener {
    /// TCP, with certificates or on loopback.
    Tcp(TcpListener, Option<Arc<Certificates>>),
    /// A unix socket for some users.
    Unix(UnixListener, Vec<u32>),
}

/// What a listener grants its peers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Connections at a time.
    pub(crate) connections: usize,
    /// From accepting to the first HTTP/2 octets.
    pub(crate) handshake: Duration,
}

/// A peer that was accepted and has said nothing yet.
enum Accepted {
    Tcp(TcpStream, SocketAddr, Option<Arc<Certificates>>),
    Unix(UnixStream, Vec<u32>),
}

impl Listener {
    /// The listener's name in metrics and logs.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Tcp(..) => "tcp",
            Self::Unix(..) => "unix",
        }
    }

    async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener, certificates) => {
                let (stream, peer) = listener.accept().await?;
                Ok(Accepted::Tcp(stream, peer, certificates.clone()))
            }
            Self::Unix(listener, users) => {
                let (stream, _) = listener.accept().await?;
                Ok(Accepted::Unix(stream, users.clone()))
            }
        }
    }
}

/// Accepts peers and hands those that speak HTTP/2 to the server, until nobody takes them.
pub(crate) async fn accept_loop(
    listener: Listener,
    limits: Limits,
    metrics: Metrics,
    presence: Presence,
    server: mpsc::Sender<io::Result<Connection>>,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut handshakes = Handshakes::default();
    let mut back_off = BACK_OFF.0;
    let name = listener.name();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_ended) = handshakes.tasks.join_next() => continue,
            () = server.closed() => return,
        };
        let accepted = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_of_peer(&error) => continue,
            Err(error) => {
                metrics.refused(name, RefusedConnection::System);
                warn!(listener = name, %error, "cannot accept connections now");
                sleep(back_off).await;
                back_off = (back_off * 2).min(BACK_OFF.1);
                continue;
            }
        };
        back_off = BACK_OFF.0;
        metrics.accepted(name);
        if handshakes.make_room() {
            metrics.refused(name, RefusedConnection::Handshakes);
        }
        let entrance = Entrance {
            name,
            limits,
            places: Arc::clone(&places),
            metrics: metrics.clone(),
            presence: presence.clone(),
            server: server.clone(),
        };
        handshakes.add(entrance.admit(accepted));
    }
}

/// Peers on their way to their first HTTP/2 octets, oldest first.
#[derive(Default)]
struct Handshakes {
    tasks: JoinSet<()>,
    order: VecDeque<AbortHandle>,
}

impl Handshakes {
    /// Drops the oldest peer if there are as many as there may be; tells whether it did.
    fn make_room(&mut self) -> bool {
        self.order.retain(|task| !task.is_finished());
        let oldest = (self.order.len() >= HANDSHAKES).then(|| self.order.pop_front()).flatten();
        oldest.inspect(AbortHandle::abort).is_some()
    }

    fn add(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.order.push_back(self.tasks.spawn(task));
    }
}

/// The way from an accepted peer to the server.
struct Entrance {
    name: &'static str,
    limits: Limits,
    places: Arc<Semaphore>,
    metrics: Metrics,
    presence: Presence,
    server: mpsc::Sender<io::Result<Connection>>,
}

impl Entrance {
    async fn admit(self, accepted: Accepted) {
        let peer = accepted.peer();
        let greeted = tokio::time::timeout(self.limits.handshake, handshake::greet(accepted));
        let greeted = greeted.await.unwrap_or(Err(Refusal::Timeout));
        let mut connection = match greeted {
            Ok(connection) => connection,
            Err(refusal) => {
                self.metrics.refused(self.name, refusal.label());
                return refusal.log(self.name, &peer);
            }
        };
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.metrics.refused(self.name, RefusedConnection::Connections);
            let limit = self.limits.connections;
            return warn!(listener = self.name, peer, limit, "too many connections");
        };
        let ConnectedPeer { controller, role } = connection.peer();
        debug!(listener = self.name, peer, controller = controller.0, %role, "connection");
        connection.take_place(place, self.metrics.connections(self.name), &self.presence);
        // The server has ended: the connection ends as well.
        let _ = self.server.send(Ok(connection)).await;
    }
}

impl Accepted {
    /// The peer, for the log.
    fn peer(&self) -> String {
        match self {
            Self::Tcp(_, peer, _) => peer.to_string(),
            Self::Unix(..) => "unix".to_owned(),
        }
    }
}

/// Whether only the one peer is affected: it went before it was accepted.
fn is_of_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    [ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted].contains(&error.kind())
}

/// Small messages at once, and peers that went without a word are noticed.
fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keep_alive = TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE / 4);
    SockRef::from(stream).set_tcp_keepalive(&keep_alive.with_retries(3))
}
