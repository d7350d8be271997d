//! What is on the wire among the peers, headers and all.

use std::io::{ErrorKind, Read as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Instant;

use socket2::{Domain, Protocol, Socket, Type};

use crate::{PATIENCE, Stage};

/// `ETH_P_ALL` of `linux/if_ether.h`.
const EVERYTHING: u16 = 3;

/// A packet socket: every IP packet that passes an interface of a namespace, from its header on.
#[derive(Debug)]
pub struct Wire {
    socket: Socket,
}

/// An IP packet as it was on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Who sent it.
    pub source: IpAddr,
    /// Whom it is for.
    pub destination: IpAddr,
    /// IPv4 type of service or IPv6 traffic class.
    pub traffic_class: u8,
    /// IPv4 time to live or IPv6 hop limit.
    pub hop_limit: u8,
    /// "Don't fragment"; IPv6 always says so.
    pub dont_fragment: bool,
    /// Whether it is a part of a packet.
    pub is_fragment: bool,
    /// What it carries: 17 is UDP, 1 ICMP, 58 ICMPv6.
    pub protocol: u8,
    /// What is behind the IP header.
    pub content: Vec<u8>,
}

impl Wire {
    /// Listens among the peers of a stage.
    #[must_use]
    pub fn among_peers(stage: &Stage) -> Self {
        stage.among_peers(Self::here)
    }

    /// Listens in the namespace of the calling thread.
    ///
    /// # Panics
    ///
    /// When there is no packet socket.
    #[must_use]
    pub fn here() -> Self {
        let everything = Protocol::from(i32::from(EVERYTHING.to_be()));
        let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(everything));
        let socket = socket.expect("a packet socket, which takes root");
        socket.set_nonblocking(true).expect("a socket that does not block");
        socket.set_recv_buffer_size(4 << 20).expect("a large buffer");
        Self { socket }
    }

    /// The next packet that has been seen already.
    ///
    /// # Panics
    ///
    /// When the kernel refuses.
    pub fn take(&mut self) -> Option<Packet> {
        let mut buffer = [0; 1 << 16];
        loop {
            match self.socket.read(&mut buffer) {
                Ok(octets) => {
                    let packet = buffer.get(..octets).and_then(Packet::read);
                    if packet.is_some() {
                        return packet;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(error) => panic!("the wire cannot be read: {error}"),
            }
        }
    }

    /// Every packet that has been seen already.
    #[must_use]
    pub fn all(&mut self) -> Vec<Packet> {
        std::iter::from_fn(|| self.take()).collect()
    }

    /// The next datagram to this address; others are passed over.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[must_use]
    pub fn datagram_to(&mut self, to: SocketAddr) -> Packet {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.take() {
                Some(packet) if packet.is_datagram_to(to) => return packet,
                Some(_) => {}
                None => {
                    assert!(Instant::now() < deadline, "no datagram to {to} on the wire");
                    std::thread::yield_now();
                }
            }
        }
    }
}

impl Packet {
    /// Whether it is a UDP datagram, whole or its first fragment, to this address and port.
    #[must_use]
    pub fn is_datagram_to(&self, to: SocketAddr) -> bool {
        let port = self.content.get(2..4).and_then(<[u8]>::first_chunk).copied();
        self.protocol == 17
            && self.destination == to.ip()
            && port.map(u16::from_be_bytes) == Some(to.port())
    }

    /// Whether it is an ICMP or ICMPv6 message that tells of an error.
    #[must_use]
    pub fn is_icmp_error(&self) -> bool {
        match (self.protocol, self.content.first()) {
            (1, Some(kind)) => matches!(kind, 3 | 4 | 5 | 11 | 12),
            (58, Some(kind)) => *kind < 128,
            _ => false,
        }
    }

    fn read(octets: &[u8]) -> Option<Self> {
        match octets.first()? >> 4 {
            4 => Self::read_v4(octets),
            6 => Self::read_v6(octets),
            _ => None,
        }
    }

    fn read_v4(octets: &[u8]) -> Option<Self> {
        let (header, _) = octets.split_first_chunk::<20>()?;
        let [first, class, l1, l2, _, _, f1, f2, hop_limit, protocol, _, _, s @ .., d1, d2, d3, d4] =
            *header;
        let total = usize::from(u16::from_be_bytes([l1, l2]));
        let content = octets.get(usize::from(first & 0x0F) * 4..total)?;
        Some(Self {
            source: Ipv4Addr::from(s).into(),
            destination: Ipv4Addr::new(d1, d2, d3, d4).into(),
            traffic_class: class,
            hop_limit,
            dont_fragment: f1 & 0x40 != 0,
            is_fragment: [f1 & 0x3F, f2] != [0, 0],
            protocol,
            content: content.to_vec(),
        })
    }

    fn read_v6(octets: &[u8]) -> Option<Self> {
        const FRAGMENT: u8 = 44;
        let (header, rest) = octets.split_first_chunk::<40>()?;
        let [c1, c2, _, _, l1, l2, next, hop_limit, addresses @ ..] = *header;
        let (source, destination) = addresses.split_first_chunk::<16>()?;
        let content = rest.get(..usize::from(u16::from_be_bytes([l1, l2])))?;
        let is_fragment = next == FRAGMENT;
        let (protocol, content) = match content.split_first_chunk::<8>() {
            Some(([of, ..], behind)) if is_fragment => (*of, behind),
            Some(_) | None => (next, content),
        };
        Some(Self {
            source: Ipv6Addr::from(*source).into(),
            destination: Ipv6Addr::from(*destination.first_chunk::<16>()?).into(),
            traffic_class: c1 << 4 | c2 >> 4,
            hop_limit,
            dont_fragment: true,
            is_fragment,
            protocol,
            content: content.to_vec(),
        })
    }
}
