//! What an endpoint hears.

use std::io::ErrorKind;
use std::time::Instant;

use agw_srtp::Portable;

use super::{Endpoint, Sender, note, octets_of};

impl Endpoint {
    /// The next RTP packet, opened on a secured leg.
    ///
    /// # Panics
    ///
    /// When none comes or it cannot be opened.
    #[must_use]
    pub fn receive(&mut self) -> Vec<u8> {
        let mut buffer = self.receive_octets();
        let Some((_, unprotector)) = &mut self.session else { return buffer };
        let octets = buffer.len();
        let opened = unprotector.unprotect_srtp(&Portable, &mut buffer, octets, Instant::now());
        buffer.truncate(opened.expect("a packet that opens"));
        buffer
    }

    /// The octets of the next datagram at the RTP socket.
    ///
    /// # Panics
    ///
    /// When none comes.
    #[must_use]
    pub fn receive_octets(&self) -> Vec<u8> {
        octets_of(&self.rtp)
    }

    /// The octets of the next datagram at the socket of RTCP.
    ///
    /// # Panics
    ///
    /// When none comes.
    #[must_use]
    pub fn receive_control_octets(&self) -> Vec<u8> {
        octets_of(self.control_socket())
    }

    /// The next RTCP packet, opened on a secured leg.
    ///
    /// # Panics
    ///
    /// When none comes or it cannot be opened.
    #[must_use]
    pub fn receive_control(&mut self) -> Vec<u8> {
        let mut buffer = octets_of(self.control_socket());
        let Some((_, unprotector)) = &mut self.session else { return buffer };
        let octets = buffer.len();
        let opened = unprotector.unprotect_srtcp(&Portable, &mut buffer, octets, Instant::now());
        buffer.truncate(opened.expect("a packet that opens"));
        buffer
    }

    /// What sends from its RTP socket, for another thread.
    ///
    /// # Panics
    ///
    /// When the operating system refuses, or it was not attached.
    #[must_use]
    pub fn sender(&self) -> Sender {
        let socket = self.rtp.try_clone().expect("a second descriptor");
        Sender { socket, to: self.gateway() }
    }

    /// The next RTP packet, opened on a secured leg, if one has arrived.
    ///
    /// # Panics
    ///
    /// When it cannot be opened.
    #[must_use]
    pub fn receive_waiting(&mut self) -> Option<Vec<u8>> {
        self.rtp.set_nonblocking(true).expect("a socket that does not block");
        let has_one = self.rtp.peek(&mut [0]).is_ok();
        self.rtp.set_nonblocking(false).expect("a socket that blocks");
        has_one.then(|| self.receive())
    }

    /// Whether nothing waits at its sockets.
    ///
    /// # Panics
    ///
    /// When the operating system cannot tell.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        [&self.rtp, &self.rtcp].into_iter().all(|socket| {
            socket.set_nonblocking(true).expect("a socket that does not block");
            let mut buffer = [0; 2048];
            let outcome = socket.recv(&mut buffer);
            socket.set_nonblocking(false).expect("a socket that blocks");
            if let Ok(octets) = outcome {
                note(socket, buffer.get(..octets).unwrap_or_default());
            }
            outcome.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
        })
    }
}
