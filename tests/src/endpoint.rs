//! The far end of a leg: a phone, or the core network.

mod receiving;

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Instant;

use agw_iq::pb;
use agw_srtp::{Portable, PortableKeys, Protector, RocOnRekey, SessionParameters, Unprotector};

use socket2::SockRef;

use crate::stage::peer_socket;
use crate::{Key, PATIENCE, capture};

/// Two sockets, and, on a secured leg, a session for each direction.
pub struct Endpoint {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    to_rtp: Option<SocketAddr>,
    to_rtcp: Option<SocketAddr>,
    multiplexes: bool,
    session: Option<(Protector<PortableKeys>, Unprotector<PortableKeys>)>,
    /// What it has received with.
    keys: Vec<Key>,
}

impl Endpoint {
    /// An endpoint without SRTP.
    ///
    /// # Panics
    ///
    /// When it gets no sockets.
    #[must_use]
    pub fn plain(ip: IpAddr) -> Self {
        Self::over(socket(ip, 0), socket(ip, 0))
    }

    /// An endpoint without SRTP at given ports.
    ///
    /// # Panics
    ///
    /// When it does not get them.
    #[must_use]
    pub fn at(ip: IpAddr, rtp: u16, rtcp: u16) -> Self {
        Self::over(socket(ip, rtp), socket(ip, rtcp))
    }

    /// An endpoint that sends with one key and receives with another.
    ///
    /// # Panics
    ///
    /// When it gets no sockets.
    #[must_use]
    pub fn secured(ip: IpAddr, sends: &Key, receives: &Key) -> Self {
        let mut endpoint = Self::plain(ip);
        endpoint.restart(sends, receives, 0);
        endpoint
    }

    /// The same at given ports.
    ///
    /// # Panics
    ///
    /// When it does not get them.
    #[must_use]
    pub fn moved_to(mut self, rtp: u16, rtcp: u16) -> Self {
        let ip = self.address().ip();
        (self.rtp, self.rtcp) = (socket(ip, rtp), socket(ip, rtcp));
        self.tell(0);
        self
    }

    /// The same with RTCP on its RTP socket.
    #[must_use]
    pub fn multiplexing(mut self) -> Self {
        self.multiplexes = true;
        self
    }

    /// Starts both directions anew at a ROC.
    pub fn restart(&mut self, sends: &Key, receives: &Key, roc: u32) {
        self.session = Some(session(sends, receives, roc));
        self.keys.push(receives.clone());
        self.tell(roc);
    }

    /// Sends with another key from now on.
    ///
    /// # Panics
    ///
    /// When the endpoint is plain or the key cannot be used.
    pub fn sends_with(&mut self, key: &Key, roc: RocOnRekey) {
        let (protector, _) = self.session.as_mut().expect("a secured endpoint");
        protector
            .rekey(&Portable, vec![key.seals()], SessionParameters::default(), roc)
            .expect("a key");
    }

    /// Receives with another key from now on.
    ///
    /// # Panics
    ///
    /// When the endpoint is plain or the key cannot be used.
    pub fn receives_with(&mut self, key: &Key, roc: RocOnRekey) {
        let (_, unprotector) = self.session.as_mut().expect("a secured endpoint");
        let parameters = SessionParameters::default();
        let now = Instant::now();
        unprotector
            .rekey(&Portable, vec![key.opens()], parameters, roc, PATIENCE, now)
            .expect("a key");
        self.keys.push(key.clone());
        self.tell(roc.initial());
    }

    /// Marks what it sends: IPv4 type of service or IPv6 traffic class.
    ///
    /// # Panics
    ///
    /// When the kernel refuses.
    pub fn marks(&self, traffic_class: u8) {
        for socket in [&self.rtp, &self.rtcp].map(SockRef::from) {
            let class = traffic_class.into();
            let set = if self.address().is_ipv4() {
                socket.set_tos_v4(class)
            } else {
                socket.set_tclass_v6(class)
            };
            set.expect("a traffic class");
        }
    }

    /// Moves to other sockets, as behind a NAT that has lost its mapping.
    ///
    /// # Panics
    ///
    /// When it gets no sockets.
    pub fn moves(&mut self) {
        let ip = self.address().ip();
        (self.rtp, self.rtcp) = (socket(ip, 0), socket(ip, 0));
        self.tell(0);
    }

    /// Moves to sockets that were made elsewhere.
    ///
    /// # Panics
    ///
    /// When the operating system refuses a timeout.
    pub fn moves_to(&mut self, rtp: UdpSocket, rtcp: UdpSocket) {
        for socket in [&rtp, &rtcp] {
            socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        }
        (self.rtp, self.rtcp) = (rtp, rtcp);
        self.tell(0);
    }

    /// Its RTP address.
    ///
    /// # Panics
    ///
    /// When the operating system cannot tell.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.rtp.local_addr().expect("an address")
    }

    /// Its RTCP address.
    ///
    /// # Panics
    ///
    /// When the operating system cannot tell.
    #[must_use]
    pub fn control_address(&self) -> SocketAddr {
        self.control_socket().local_addr().expect("an address")
    }

    /// What the controller signals about it.
    ///
    /// # Panics
    ///
    /// When the operating system cannot tell.
    #[must_use]
    pub fn remote(&self) -> pb::RemoteAddress {
        let rtcp = self.rtcp.local_addr().expect("an address");
        pb::RemoteAddress {
            rtp: Some(wire(self.address())),
            rtcp: (!self.multiplexes).then(|| wire(rtcp)),
        }
    }

    /// Takes the gateway's addresses from its reply.
    pub fn attach(&mut self, local: &pb::LocalStream) {
        self.to_rtp = local.rtp.as_ref().map(read);
        self.to_rtcp = local.rtcp.as_ref().map(read);
    }

    /// The gateway's addresses, for another endpoint.
    #[must_use]
    pub fn local(&self) -> pb::LocalStream {
        let rtcp = self.to_rtcp.map(wire);
        pb::LocalStream { stream_id: 1, rtp: self.to_rtp.map(wire), rtcp }
    }

    /// Where it sends RTP.
    ///
    /// # Panics
    ///
    /// When it was not attached.
    #[must_use]
    pub fn gateway(&self) -> SocketAddr {
        self.to_rtp.expect("the gateway's RTP address")
    }

    /// Seals an RTP packet, on a secured leg.
    ///
    /// # Panics
    ///
    /// When that cannot be done.
    #[must_use]
    pub fn seal(&mut self, packet: &[u8]) -> Vec<u8> {
        let Some((protector, _)) = &mut self.session else { return packet.to_vec() };
        let mut buffer = room(packet);
        let octets = protector.protect_srtp(&Portable, &mut buffer, packet.len());
        buffer.truncate(octets.expect("a sealed packet"));
        buffer
    }

    /// Sends an RTP packet, sealed on a secured leg.
    pub fn send(&mut self, packet: &[u8]) {
        let sealed = self.seal(packet);
        self.send_octets(&sealed);
    }

    /// Sends an RTP packet, sealed on a secured leg, even if there is no way for it now.
    pub fn send_if_possible(&mut self, packet: &[u8]) {
        let sealed = self.seal(packet);
        // As on any network.
        let _ = self.rtp.send_to(&sealed, self.gateway());
    }

    /// Sends octets as they are from the RTP socket to the RTP port.
    ///
    /// # Panics
    ///
    /// When the kernel refuses.
    pub fn send_octets(&self, octets: &[u8]) {
        self.rtp.send_to(octets, self.gateway()).expect("a datagram sent");
    }

    /// Seals an RTCP packet, on a secured leg.
    ///
    /// # Panics
    ///
    /// When that cannot be done.
    #[must_use]
    pub fn seal_control(&mut self, packet: &[u8]) -> Vec<u8> {
        let Some((protector, _)) = &mut self.session else { return packet.to_vec() };
        let mut buffer = room(packet);
        let octets = protector.protect_srtcp(&Portable, &mut buffer, packet.len());
        buffer.truncate(octets.expect("a sealed packet"));
        buffer
    }

    /// Sends an RTCP packet, sealed on a secured leg.
    ///
    /// # Panics
    ///
    /// When the kernel refuses.
    pub fn send_control(&mut self, packet: &[u8]) {
        let sealed = self.seal_control(packet);
        self.send_control_octets(&sealed);
    }

    /// Sends octets as they are to the RTCP port.
    ///
    /// # Panics
    ///
    /// When the kernel refuses.
    pub fn send_control_octets(&self, octets: &[u8]) {
        let to = self.to_rtcp.expect("the gateway's RTCP address");
        self.control_socket().send_to(octets, to).expect("a datagram sent");
    }

    fn over(rtp: UdpSocket, rtcp: UdpSocket) -> Self {
        let endpoint = Self {
            rtp,
            rtcp,
            to_rtp: None,
            to_rtcp: None,
            multiplexes: false,
            session: None,
            keys: Vec::new(),
        };
        endpoint.tell(0);
        endpoint
    }

    /// Tells the capture under which keys its sockets receive.
    fn tell(&self, roc: u32) {
        for socket in [&self.rtp, &self.rtcp] {
            capture::expect(port_of(socket), &self.keys, roc);
        }
    }

    fn control_socket(&self) -> &UdpSocket {
        if self.multiplexes { &self.rtp } else { &self.rtcp }
    }
}

/// Sends datagrams to the gateway, as they are.
pub struct Sender {
    socket: UdpSocket,
    to: SocketAddr,
}

impl Sender {
    /// Sends one.
    ///
    /// # Panics
    ///
    /// When the kernel refuses.
    pub fn send(&self, octets: &[u8]) {
        self.socket.send_to(octets, self.to).expect("a datagram sent");
    }
}

/// An address as the API writes it.
#[must_use]
pub(crate) fn wire(address: SocketAddr) -> pb::SocketAddress {
    pb::SocketAddress { ip: address.ip().to_string(), port: address.port().into() }
}

/// An address as the API writes it, read.
pub(crate) fn read(address: &pb::SocketAddress) -> SocketAddr {
    let ip: IpAddr = address.ip.parse().expect("an IP address");
    SocketAddr::new(ip, u16::try_from(address.port).expect("a port"))
}

fn session(
    sends: &Key,
    receives: &Key,
    roc: u32,
) -> (Protector<PortableKeys>, Unprotector<PortableKeys>) {
    let parameters = SessionParameters { max_sources: 64, ..SessionParameters::default() };
    (
        Protector::new(&Portable, vec![sends.seals()], parameters, roc).expect("a key"),
        Unprotector::new(&Portable, vec![receives.opens()], parameters, roc).expect("a key"),
    )
}

fn socket(ip: IpAddr, port: u16) -> UdpSocket {
    let socket = peer_socket(ip, port);
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    socket
}

/// The packet with room for what sealing adds.
fn room(packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + agw_srtp::MAX_TRAILER, 0);
    buffer
}

fn octets_of(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 2048];
    let octets = loop {
        match socket.recv(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => break result.expect("a datagram"),
        }
    };
    buffer.truncate(octets);
    note(socket, &buffer);
    buffer
}

fn note(socket: &UdpSocket, octets: &[u8]) {
    capture::note(port_of(socket), octets);
}

fn port_of(socket: &UdpSocket) -> u16 {
    socket.local_addr().expect("an address").port()
}
