//! A client of the ng protocol: many requests under way at once, repeated until answered.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::message::{Reply, Request};

/// The longest datagram.
const LONGEST: usize = 65_535;

/// How requests are repeated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retry {
    /// How long a reply may take before the request goes out again.
    pub(crate) patience: Duration,
    /// How often a request goes out before rtpengine counts as gone.
    pub(crate) tries: u32,
}

impl Default for Retry {
    /// Half a second, eight times.
    fn default() -> Self {
        Self { patience: Duration::from_millis(500), tries: 8 }
    }
}

/// Why a request did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NgError {
    /// The socket failed.
    #[error("the control socket failed: {0}")]
    Socket(#[from] io::Error),
    /// A request or a reply is no bencode of the form that belongs here.
    #[error("{0} is not of the form that belongs here: {1}")]
    Form(&'static str, bt_bencode::Error),
    /// Nobody answered.
    #[error("no answer, however often it was asked")]
    Silence,
    /// rtpengine refused.
    #[error("{0}")]
    Refused(String),
}

/// One socket to one rtpengine; clones share it.
#[derive(Clone)]
pub(crate) struct Client {
    shared: Arc<Shared>,
    /// Ends the reader with the last clone.
    _reader: Arc<Reader>,
}

struct Shared {
    socket: UdpSocket,
    /// Begins every cookie; sets this client apart from earlier ones, whose replies rtpengine
    /// remembers.
    name: String,
    retry: Retry,
    sent: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Zeroizing<Vec<u8>>>>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("name", &self.shared.name).finish_non_exhaustive()
    }
}

struct Reader(JoinHandle<()>);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Client {
    /// Opens a socket towards `server`; give each client of a server its own `name`.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) async fn connect(server: SocketAddr, name: &str, retry: Retry) -> io::Result<Self> {
        let any: IpAddr = match server {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind(SocketAddr::new(any, 0)).await?;
        socket.connect(server).await?;
        let shared = Arc::new(Shared {
            socket,
            name: name.to_owned(),
            retry,
            sent: AtomicU64::new(0),
            waiting: Mutex::default(),
        });
        let reader = tokio::spawn(read(Arc::clone(&shared)));
        Ok(Self { shared, _reader: Arc::new(Reader(reader)) })
    }

    /// Sends a request, again if need be, and waits for its reply.
    ///
    /// # Errors
    /// When it was refused or never answered, the reply is malformed, or the socket fails.
    pub(crate) async fn ask(&self, request: &Request<'_>) -> Result<Reply, NgError> {
        let number = self.shared.sent.fetch_add(1, Ordering::Relaxed);
        let body =
            bt_bencode::to_vec(request).map_err(|error| NgError::Form("a request", error))?;
        let body = Zeroizing::new(body);
        let cookie = format!("{}_{number} ", self.shared.name);
        let datagram = Zeroizing::new([cookie.as_bytes(), &body].concat());
        let (answer, mut answered) = oneshot::channel();
        let _waiting = Waiting::register(&self.shared, number, answer);
        for _ in 0..self.shared.retry.tries {
            ignore_refusal(self.shared.socket.send(&datagram).await)?;
            if let Ok(Ok(reply)) = timeout(self.shared.retry.patience, &mut answered).await {
                return read_reply(&reply);
            }
        }
        Err(NgError::Silence)
    }
}

/// A request that waits; forgotten when its caller gives up.
struct Waiting<'a> {
    shared: &'a Shared,
    number: u64,
}

impl<'a> Waiting<'a> {
    fn register(
        shared: &'a Shared,
        number: u64,
        answer: oneshot::Sender<Zeroizing<Vec<u8>>>,
    ) -> Self {
        shared.lock().insert(number, answer);
        Self { shared, number }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.shared.lock().remove(&self.number);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Zeroizing<Vec<u8>>>>> {
        // A map is whole after every single operation, whoever panicked meanwhile.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands replies to those that wait for them, until the last client is gone.
async fn read(shared: Arc<Shared>) {
    let mut buffer = Zeroizing::new(vec![0; LONGEST]);
    loop {
        // Errors are those of earlier sends (nobody listened yet): the sender tries again.
        let Ok(length) = shared.socket.recv(&mut buffer).await else {
            continue;
        };
        let datagram = buffer.get(..length).unwrap_or_default();
        let Some((number, body)) = split_cookie(datagram, &shared.name) else {
            continue;
        };
        // The reply to a repeated request comes twice.
        if let Some(answer) = shared.lock().remove(&number) {
            // Who gave up meanwhile does not miss it.
            let _ = answer.send(Zeroizing::new(body.to_vec()));
        }
    }
}

/// Reads the dictionary of a reply.
///
/// # Errors
/// [`NgError::Form`], or [`NgError::Refused`] with rtpengine's reason.
pub(super) fn read_reply(body: &[u8]) -> Result<Reply, NgError> {
    let reply: Reply =
        bt_bencode::from_slice(body).map_err(|error| NgError::Form("a reply", error))?;
    match reply.result.as_str() {
        "ok" | "pong" => Ok(reply),
        other => Err(NgError::Refused(reply.error_reason.unwrap_or_else(|| other.to_owned()))),
    }
}

/// The number in the cookie, if the cookie is of `name`, and what follows it.
pub(super) fn split_cookie<'a>(datagram: &'a [u8], name: &str) -> Option<(u64, &'a [u8])> {
    let space = datagram.iter().position(|octet| *octet == b' ')?;
    let (cookie, body) = datagram.split_at_checked(space)?;
    let number = cookie.strip_prefix(name.as_bytes())?.strip_prefix(b"_")?;
    let number = std::str::from_utf8(number).ok()?.parse().ok()?;
    Some((number, body.get(1..)?))
}

/// On loopback the kernel reports that nobody listens yet.
fn ignore_refusal(sent: io::Result<usize>) -> io::Result<()> {
    match sent {
        Err(error) if error.kind() != io::ErrorKind::ConnectionRefused => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}
