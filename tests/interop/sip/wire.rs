//! What carries an agent's messages: UDP, or TLS over TCP.

use std::cell::RefCell;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;

use agw_tests::{Authority, PATIENCE};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// The name that a proxy with TLS has.
const EDGE: &str = "edge.ims.example";

/// What carries an agent's messages.
pub(super) enum Wire {
    /// A socket, each message a datagram.
    Udp(UdpSocket),
    /// A connection to the proxy.
    Tls(Box<RefCell<Connection>>),
}

/// A connection, with what was read of it and not yet told.
pub(super) struct Connection {
    stream: StreamOwned<ClientConnection, TcpStream>,
    read: Vec<u8>,
}

impl Wire {
    /// A socket at a port of the loopback, of the family of a proxy; 0 is any.
    pub(super) fn udp(proxy: SocketAddr, port: u16) -> Self {
        let own = if proxy.is_ipv4() { "127.0.0.1" } else { "::1" };
        let socket = UdpSocket::bind((own, port)).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self::Udp(socket)
    }

    /// A connection to a proxy whose certificate this authority has signed.
    pub(super) fn tls(proxy: SocketAddr, authority: &Authority) -> Self {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_slice(authority.pem().as_bytes());
        roots.add(certificate.expect("a certificate")).expect("an authority");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(EDGE).expect("a name");
        let client = ClientConnection::new(Arc::new(config), name).expect("a client");
        let stream = TcpStream::connect(proxy).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let stream = StreamOwned::new(client, stream);
        Self::Tls(Box::new(RefCell::new(Connection { stream, read: Vec::new() })))
    }

    /// Its own address.
    pub(super) fn address(&self) -> SocketAddr {
        match self {
            Self::Udp(socket) => socket.local_addr().expect("an address"),
            Self::Tls(connection) => {
                connection.borrow().stream.sock.local_addr().expect("an address")
            }
        }
    }

    /// The transport as `Via` names it.
    pub(super) const fn transport(&self) -> &'static str {
        match self {
            Self::Udp(_) => "UDP",
            Self::Tls(_) => "TLS",
        }
    }

    /// The parameter of URIs that asks for the transport.
    pub(super) const fn parameter(&self) -> &'static str {
        match self {
            Self::Udp(_) => "",
            Self::Tls(_) => ";transport=tls",
        }
    }

    pub(super) fn send(&self, text: &str, to: SocketAddr) {
        match self {
            Self::Udp(socket) => {
                socket.send_to(text.as_bytes(), to).expect("a message sent");
            }
            Self::Tls(connection) => {
                let mut connection = connection.borrow_mut();
                connection.stream.write_all(text.as_bytes()).expect("a message sent");
                connection.stream.flush().expect("a message sent");
            }
        }
    }

    pub(super) fn receive(&self) -> (String, SocketAddr) {
        match self {
            Self::Udp(socket) => {
                let mut octets = vec![0; 65_535];
                let (len, from) = socket.recv_from(&mut octets).expect("a message");
                octets.truncate(len);
                (String::from_utf8(octets).expect("text"), from)
            }
            Self::Tls(connection) => {
                let mut connection = connection.borrow_mut();
                let from = connection.stream.sock.peer_addr().expect("an address");
                (connection.message(), from)
            }
        }
    }
}

impl Connection {
    fn message(&mut self) -> String {
        loop {
            if let Some(len) = whole(&self.read) {
                let message = self.read.drain(..len).collect();
                return String::from_utf8(message).expect("text");
            }
            let mut octets = [0; 4096];
            let len = self.stream.read(&mut octets).expect("octets");
            assert_ne!(len, 0, "the proxy closes the connection");
            self.read.extend_from_slice(&octets[..len]);
        }
    }
}

/// The length of the first message, if all of it is there.
fn whole(octets: &[u8]) -> Option<usize> {
    let head = octets.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = str::from_utf8(&octets[..head]).expect("text");
    let length = text.lines().find_map(|line| line.strip_prefix("Content-Length:"));
    let body: usize = length.and_then(|length| length.trim().parse().ok()).expect("a length");
    (octets.len() >= head + body).then_some(head + body)
}
