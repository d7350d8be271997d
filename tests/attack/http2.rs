//! Frames of HTTP/2, written by hand (RFC 9113).

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

/// A connection that says whatever it likes.
pub(crate) struct Rude {
    stream: TcpStream,
    next: u32,
}

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
/// Of a HEADERS frame: the list of headers ends here.
const END_HEADERS: u8 = 4;

impl Rude {
    /// Connects, and says what is said first.
    pub(crate) fn connect(to: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(to).expect("a connection");
        // Refused where the gateway has ended the connection, as later on.
        let _ = stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let _ = stream.write_all(&frame(SETTINGS, 0, 0, &[]));
        stream.set_nonblocking(true).expect("a socket that does not block");
        Self { stream, next: 1 }
    }

    /// Opens streams and resets them at once; how many, before the gateway hung up.
    pub(crate) fn reset(&mut self, streams: u32) -> u32 {
        let mut said = Vec::new();
        for _ in 0..streams {
            said.extend(frame(HEADERS, END_HEADERS, self.next, &request()));
            said.extend(frame(RST_STREAM, 0, self.next, &8u32.to_be_bytes()));
            self.next += 2;
        }
        if self.say(&said) { streams } else { 0 }
    }

    /// A list of headers that never ends.
    pub(crate) fn continue_for(&mut self, frames: u32) -> u32 {
        let mut said = frame(HEADERS, 0, self.next, &request());
        for _ in 0..frames {
            said.extend(frame(CONTINUATION, 0, self.next, &[0x40, 1, b'a', 1, b'b']));
        }
        self.next += 2;
        if self.say(&said) { frames } else { 0 }
    }

    /// Settings and pings, each of which wants an answer.
    pub(crate) fn nag(&mut self, frames: u32) -> u32 {
        let mut said = Vec::new();
        for _ in 0..frames {
            said.extend(frame(SETTINGS, 0, 0, &[]));
            said.extend(frame(PING, 0, 0, &[7; 8]));
        }
        if self.say(&said) { 2 * frames } else { 0 }
    }

    /// Whether the gateway took it all; reads what comes back, so that nothing waits for that.
    fn say(&mut self, mut said: &[u8]) -> bool {
        let mut answers = [0; 1 << 14];
        while !said.is_empty() {
            match self.stream.write(said) {
                Ok(octets) => said = said.get(octets..).unwrap_or_default(),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return false,
            }
            match self.stream.read(&mut answers) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return false,
            }
        }
        true
    }
}

/// Headers of a request: POST to a procedure.
fn request() -> Vec<u8> {
    let path = b"/agw.iq.v1.IqService/GetStatus";
    let mut block = vec![0x83, 0x86, 0x04, u8::try_from(path.len()).expect("a length")];
    block.extend(path);
    block.extend([0x01, 3]);
    block.extend(b"agw");
    block.extend([0x0F, 0x10, 16]);
    block.extend(b"application/grpc");
    block
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let octets = u32::try_from(payload.len()).expect("a length").to_be_bytes();
    let mut frame = octets.get(1..).unwrap_or_default().to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}
