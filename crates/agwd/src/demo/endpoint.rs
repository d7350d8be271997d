//! One side of the call: its sockets, and on the access side its keys.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use agw_srtp::{MAX_TRAILER, Portable, PortableKeys, Protector, UnprotectError, Unprotector};

/// How long a listener waits before it looks whether it may go.
const PATIENCE: Duration = Duration::from_millis(50);

/// RTP or RTCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Component {
    /// Media.
    Rtp,
    /// Reports.
    Rtcp,
}

/// The sockets of one side.
pub(super) struct Sockets {
    rtp: UdpSocket,
    rtcp: UdpSocket,
}

/// Where the gateway is reached from one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GatewayLeg {
    pub(super) rtp: SocketAddr,
    pub(super) rtcp: SocketAddr,
}

/// The keys of the access side: it seals with the one it made itself and opens with the other.
pub(super) struct Keys {
    pub(super) protector: Protector<PortableKeys>,
    pub(super) unprotector: Unprotector<PortableKeys>,
}

/// One side of the call.
pub(super) struct Endpoint {
    sockets: Sockets,
    gateway: GatewayLeg,
    keys: Option<Mutex<Keys>>,
}

/// A datagram that arrived.
pub(super) struct Arrival {
    /// The moment, taken before anything is done with it.
    pub(super) at: Instant,
    /// The plain packet, or why it is none.
    pub(super) packet: Result<Vec<u8>, Strange>,
}

/// Why a datagram is no part of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strange {
    /// It does not come from the gateway's port.
    Source,
    /// SRTP or SRTCP that does not open.
    Closed(UnprotectError),
}

impl Sockets {
    /// Opens two ports at an address of the loopback.
    pub(super) fn bind(at: Ipv4Addr) -> io::Result<Self> {
        let bind = || {
            let socket = UdpSocket::bind((at, 0))?;
            socket.set_read_timeout(Some(PATIENCE))?;
            Ok::<_, io::Error>(socket)
        };
        Ok(Self { rtp: bind()?, rtcp: bind()? })
    }

    /// The local addresses: RTP, RTCP.
    pub(super) fn addresses(&self) -> io::Result<(SocketAddr, SocketAddr)> {
        Ok((self.rtp.local_addr()?, self.rtcp.local_addr()?))
    }

    const fn socket(&self, component: Component) -> &UdpSocket {
        match component {
            Component::Rtp => &self.rtp,
            Component::Rtcp => &self.rtcp,
        }
    }
}

impl GatewayLeg {
    const fn address(self, component: Component) -> SocketAddr {
        match component {
            Component::Rtp => self.rtp,
            Component::Rtcp => self.rtcp,
        }
    }
}

impl Endpoint {
    /// A side that knows where the gateway is; with keys it speaks SRTP, without RTP.
    pub(super) fn new(sockets: Sockets, gateway: GatewayLeg, keys: Option<Keys>) -> Self {
        Self { sockets, gateway, keys: keys.map(Mutex::new) }
    }

    /// Sends a plain packet, sealed if there are keys; tells when it went.
    pub(super) fn send(&self, component: Component, mut packet: Vec<u8>) -> io::Result<Instant> {
        if let Some(keys) = &self.keys {
            let mut keys = keys.lock().map_err(|_| poisoned())?;
            let plain = packet.len();
            packet.resize(plain + MAX_TRAILER, 0);
            let sealed = match component {
                Component::Rtp => keys.protector.protect_srtp(&Portable, &mut packet, plain),
                Component::Rtcp => keys.protector.protect_srtcp(&Portable, &mut packet, plain),
            };
            packet.truncate(sealed.map_err(io::Error::other)?);
        }
        let at = Instant::now();
        self.sockets.socket(component).send_to(&packet, self.gateway.address(component))?;
        Ok(at)
    }

    /// Waits a little for a datagram.
    pub(super) fn receive(&self, component: Component) -> io::Result<Option<Arrival>> {
        let mut buffer = vec![0; 2_048];
        let (len, from) = match self.sockets.socket(component).recv_from(&mut buffer) {
            Ok(received) => received,
            Err(error) if is_timeout(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let at = Instant::now();
        let opened = if from == self.gateway.address(component) {
            self.open(component, &mut buffer, len, at)?
        } else {
            Err(Strange::Source)
        };
        let packet = opened.map(|len| {
            buffer.truncate(len);
            buffer
        });
        Ok(Some(Arrival { at, packet }))
    }

    fn open(
        &self,
        component: Component,
        buffer: &mut [u8],
        len: usize,
        now: Instant,
    ) -> io::Result<Result<usize, Strange>> {
        let Some(keys) = &self.keys else {
            return Ok(Ok(len));
        };
        let mut keys = keys.lock().map_err(|_| poisoned())?;
        let opened = match component {
            Component::Rtp => keys.unprotector.unprotect_srtp(&Portable, buffer, len, now),
            Component::Rtcp => keys.unprotector.unprotect_srtcp(&Portable, buffer, len, now),
        };
        Ok(opened.map_err(Strange::Closed))
    }
}

fn is_timeout(error: &io::Error) -> bool {
    [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut, io::ErrorKind::Interrupted]
        .contains(&error.kind())
}

fn poisoned() -> io::Error {
    io::Error::other("another thread of the demo panicked")
}
