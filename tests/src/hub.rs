//! One address for peers that send and receive in processes of their own, as most tools do: the
//! gateway sees one symmetric endpoint. Octets pass as they are.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use agw_iq::pb;

use crate::Side;
use crate::endpoint::{read, wire};
use crate::stage::peer_socket;

/// Programs are on the loopback.
const PROGRAMS: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// An endpoint made of a sending and a receiving program.
pub struct Hub {
    /// Where the sending program sends RTP; RTCP goes to the next port.
    pub inlet: u16,
    outlet: u16,
    sockets: Vec<(UdpSocket, UdpSocket)>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Hub {
    /// A hub that takes what a program sends to `inlet`, and gives what the gateway sends to the
    /// program that listens at `outlet`; each stands for two ports.
    ///
    /// # Panics
    ///
    /// When it gets no sockets.
    #[must_use]
    pub fn new(side: Side, inlet: u16, outlet: u16) -> Self {
        let inside = |port: u16| UdpSocket::bind((PROGRAMS, port)).expect("a socket");
        let outside = || peer_socket(side.peer(), 0);
        let sockets = (0..2).map(|component| (outside(), inside(inlet + component))).collect();
        Self { inlet, outlet, sockets, stop: Arc::default(), threads: Vec::new() }
    }

    /// What the controller signals about it.
    ///
    /// # Panics
    ///
    /// When the operating system cannot tell.
    #[must_use]
    pub fn remote(&self) -> pb::RemoteAddress {
        let mut places =
            self.sockets.iter().map(|(outside, _)| outside.local_addr().expect("an address"));
        pb::RemoteAddress { rtp: places.next().map(wire), rtcp: places.next().map(wire) }
    }

    /// Begins to pass packets, to and from the gateway's addresses.
    ///
    /// # Panics
    ///
    /// When a thread or an address is missing.
    pub fn attach(&mut self, local: &pb::LocalStream) {
        let gateway = [&local.rtp, &local.rtcp];
        let copy = |socket: &UdpSocket| socket.try_clone().expect("the same socket");
        for ((outside, inside), (to, outlet)) in
            self.sockets.iter().zip(gateway.into_iter().zip(self.outlet..))
        {
            let to = read(to.as_ref().expect("the gateway's address"));
            let program = SocketAddr::from((PROGRAMS, outlet));
            self.threads.push(spawn(copy(inside), copy(outside), to, &self.stop));
            self.threads.push(spawn(copy(outside), copy(inside), program, &self.stop));
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

fn spawn(
    from: UdpSocket,
    through: UdpSocket,
    to: SocketAddr,
    stop: &Arc<AtomicBool>,
) -> JoinHandle<()> {
    let stop = Arc::clone(stop);
    from.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
    thread::spawn(move || {
        let mut buffer = [0; 2048];
        while !stop.load(Ordering::Relaxed) {
            let Ok(octets) = from.recv(&mut buffer) else { continue };
            // Refused where the program has ended, as on any network.
            let _ = through.send_to(buffer.get(..octets).unwrap_or_default(), to);
        }
    })
}
