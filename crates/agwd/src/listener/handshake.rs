//! From an accepted peer to a connection: who is it, and does it speak HTTP/2?

use std::io;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::{TcpStream, UnixStream};
use tracing::{debug, info};

use agw_iq::ConnectedPeer;

use super::connection::Stream;
use super::{Accepted, Connection};
use crate::metrics::RefusedConnection;
use crate::tls::{Certificates, IdentityError};

/// What a client with prior knowledge of HTTP/2 sends first (RFC 9113 §3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Why a peer is not served.
#[derive(Debug, Error)]
pub(crate) enum Refusal {
    /// It took too long.
    #[error("no HTTP/2 within the handshake timeout")]
    Timeout,
    /// The connection broke.
    #[error("{0}")]
    Broken(#[from] io::Error),
    /// No TLS, or no good certificate.
    #[error("TLS: {0}")]
    Tls(io::Error),
    /// Its certificate does not say who it is.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Its first octets are not those of HTTP/2.
    #[error("not HTTP/2")]
    NotHttp2,
    /// The user may not use the socket.
    #[error("user {0} may not use the socket")]
    User(u32),
}

impl Refusal {
    /// The reason in metrics.
    pub(super) const fn label(&self) -> RefusedConnection {
        match self {
            Self::Timeout => RefusedConnection::Timeout,
            Self::Broken(_) | Self::NotHttp2 => RefusedConnection::Protocol,
            Self::Tls(_) => RefusedConnection::Tls,
            Self::Identity(_) => RefusedConnection::Identity,
            Self::User(_) => RefusedConnection::User,
        }
    }

    /// Failed authentication is for the operator to know; noise is not.
    pub(super) fn log(&self, listener: &str, peer: &str) {
        match self {
            Self::Tls(_) | Self::Identity(_) | Self::User(_) => {
                info!(listener, peer, reason = %self, "connection refused");
            }
            Self::Timeout | Self::Broken(_) | Self::NotHttp2 => {
                debug!(listener, peer, reason = %self, "connection refused");
            }
        }
    }
}

/// Authenticates the peer and reads its first octets.
pub(super) async fn greet(accepted: Accepted) -> Result<Connection, Refusal> {
    match accepted {
        Accepted::Tcp(stream, _, None) => {
            super::tune(&stream)?;
            greet_stream(Stream::Tcp(stream), ConnectedPeer::local()).await
        }
        Accepted::Tcp(stream, _, Some(certificates)) => greet_tls(stream, &certificates).await,
        Accepted::Unix(stream, users) => greet_unix(stream, &users).await,
    }
}

async fn greet_tls(stream: TcpStream, certificates: &Certificates) -> Result<Connection, Refusal> {
    super::tune(&stream)?;
    //= tests/spec/iq.md#access
    //# A client certificate that the gateway's authorities did not sign MUST be refused.
    let stream = certificates.acceptor().accept(stream).await.map_err(Refusal::Tls)?;
    let (_, session) = stream.get_ref();
    let leaf = session.peer_certificates().and_then(<[_]>::first);
    let peer = certificates.peer(leaf.ok_or(IdentityError::NoCertificate)?)?;
    greet_stream(Stream::Tls(Box::new(stream)), peer).await
}

async fn greet_unix(stream: UnixStream, users: &[u32]) -> Result<Connection, Refusal> {
    let user = stream.peer_cred()?.uid();
    //= tests/spec/iq.md#access
    //# A unix socket MUST admit only the configured users.
    if !users.contains(&user) {
        return Err(Refusal::User(user));
    }
    greet_stream(Stream::Unix(stream), ConnectedPeer::local()).await
}

async fn greet_stream(mut stream: Stream, peer: ConnectedPeer) -> Result<Connection, Refusal> {
    read_preface(&mut stream).await?;
    Ok(Connection::new(stream, PREFACE, peer))
}

/// Refuses at the first octet that is not HTTP/2's, not at the last.
async fn read_preface(stream: &mut (impl AsyncRead + Unpin)) -> Result<(), Refusal> {
    let mut octets = [0; PREFACE.len()];
    let mut len = 0;
    while len < octets.len() {
        let room = octets.get_mut(len..).unwrap_or_default();
        let read = stream.read(room).await?;
        len += read;
        let said = octets.get(..len).unwrap_or_default();
        if read == 0 || !PREFACE.starts_with(said) {
            return Err(Refusal::NotHttp2);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_preface_may_come_in_pieces() {
        let (one, other) = PREFACE.split_at(5);
        let mut stream = one.chain(other);
        assert!(read_preface(&mut stream).await.is_ok());
    }

    #[tokio::test]
    async fn anything_else_is_refused_at_its_first_octet() {
        for said in [&b"GET / HTTP/1.1\r\n"[..], b"PRI * HTTP/1", b"PRI *", b"", b"\x16\x03\x01"] {
            let refused = read_preface(&mut { said }).await;
            assert!(matches!(refused, Err(Refusal::NotHttp2)), "{said:?}");
        }
    }
}
