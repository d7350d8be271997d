//! Streams: messages one after the other.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};
use zeroize::{Zeroize, Zeroizing};

use agw_ng::{MAX_MESSAGE, Reply, first_of_stream};

use super::desk::{Desk, ReplyTo};
use crate::metrics::Ignored;

/// How long to wait when the operating system cannot accept.
const BACK_OFF: Duration = Duration::from_millis(50);
/// How long a message may take from its first octet to its last.
const MESSAGE: Duration = Duration::from_secs(5);
/// How long a peer may leave replies unread.
const UNREAD: Duration = Duration::from_secs(5);
/// When a silent peer is looked for.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Replies on their way to a peer.
const REPLIES: usize = 1_024;

pub(super) async fn serve(listener: TcpListener, desk: Desk) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_ended) = connections.join_next() => continue,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "cannot accept connections of ng now");
                sleep(BACK_OFF).await;
                continue;
            }
        };
        if !desk.knows(peer.ip()) {
            continue;
        }
        let Ok(place) = Arc::clone(desk.connections()).try_acquire_owned() else {
            desk.metrics().ng().ignored(Ignored::Connections);
            continue;
        };
        let desk = desk.clone();
        connections.spawn(async move {
            let gauge = desk.metrics().ng().connections().clone();
            gauge.inc();
            if let Err(error) = converse(stream, peer.ip(), &desk).await {
                debug!(%peer, %error, "a connection of ng ended");
            }
            gauge.dec();
            drop(place);
        });
    }
}

/// Reads requests and writes replies until either side ends.
async fn converse(stream: TcpStream, from: IpAddr, desk: &Desk) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let keep_alive = TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE / 4);
    SockRef::from(&stream).set_tcp_keepalive(&keep_alive.with_retries(3))?;
    let (mut reading, mut writing) = stream.into_split();
    let (replies, mut told) = mpsc::channel::<Reply>(REPLIES);
    let write = async move {
        while let Some(reply) = told.recv().await {
            timeout(UNREAD, writing.write_all(&reply)).await??;
        }
        Ok(())
    };
    let read = async {
        let mut room = Room::new();
        loop {
            let deadline = if room.filled == 0 { Duration::MAX } else { MESSAGE };
            let read = timeout(deadline, reading.read(room.free())).await??;
            if read == 0 {
                return Ok(());
            }
            room.filled += read;
            while let Some(end) = room.first()? {
                if let Some(message) = room.octets.get(..end) {
                    let reply_to = ReplyTo::Tcp(replies.clone());
                    desk.take(message.trim_ascii_start(), from, reply_to);
                }
                room.drop_first(end);
            }
        }
    };
    tokio::select! {
        read = read => read,
        written = write => written,
    }
}

/// What was read and not understood yet; wiped as it is taken.
struct Room {
    octets: Zeroizing<Vec<u8>>,
    filled: usize,
}

impl Room {
    fn new() -> Self {
        Self { octets: Zeroizing::new(vec![0; MAX_MESSAGE + 1]), filled: 0 }
    }

    fn free(&mut self) -> &mut [u8] {
        self.octets.get_mut(self.filled..).unwrap_or_default()
    }

    /// Where the first message ends, if all of it is there.
    fn first(&self) -> std::io::Result<Option<usize>> {
        let filled = self.octets.get(..self.filled).unwrap_or_default();
        let first = first_of_stream(filled).map_err(std::io::Error::other)?;
        if first.is_none() && self.filled > MAX_MESSAGE {
            return Err(std::io::Error::other("a message is too long"));
        }
        Ok(first)
    }

    fn drop_first(&mut self, end: usize) {
        self.octets.copy_within(end..self.filled, 0);
        let left = self.filled.saturating_sub(end);
        if let Some(gone) = self.octets.get_mut(left..self.filled) {
            gone.zeroize();
        }
        self.filled = left;
    }
}
