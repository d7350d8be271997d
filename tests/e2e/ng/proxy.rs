//! A SIP proxy as far as its media relay sees it: it speaks ng, with nothing of agw's own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

use agw_tests::PATIENCE;
use serde_json::{Value, json};

/// How the proxy writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Bencode,
    Json,
}

/// A proxy with one way to the gateway.
pub(crate) struct Proxy {
    way: Way,
    form: Form,
}

/// Cookies so far: no two requests of this process have the same by chance.
static COOKIES: AtomicU32 = AtomicU32::new(0);

enum Way {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Proxy {
    pub(crate) fn udp(gateway: SocketAddr, form: Form) -> Self {
        let any = SocketAddr::new(gateway.ip(), 0);
        let socket = UdpSocket::bind(any).expect("a socket");
        socket.connect(gateway).expect("a way");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self { way: Way::Udp(socket), form }
    }

    pub(crate) fn tcp(gateway: SocketAddr, form: Form) -> Self {
        let stream = TcpStream::connect(gateway).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self { way: Way::Tcp(stream), form }
    }

    /// Asks under a cookie of its own.
    pub(crate) fn ask(&mut self, request: &Value) -> Value {
        let number = COOKIES.fetch_add(1, Ordering::Relaxed);
        let cookie = format!("proxy_{}_{number}", std::process::id());
        self.ask_as(&cookie, request)
    }

    /// Asks under a cookie; the reply must have the same.
    pub(crate) fn ask_as(&mut self, cookie: &str, request: &Value) -> Value {
        self.send(cookie, request);
        self.hear(cookie)
    }

    pub(crate) fn send(&mut self, cookie: &str, request: &Value) {
        let mut datagram = format!("{cookie} ").into_bytes();
        match self.form {
            Form::Bencode => datagram.extend(bt_bencode::to_vec(request).expect("bencode")),
            Form::Json => datagram.extend(serde_json::to_vec(request).expect("JSON")),
        }
        self.send_octets(&datagram);
    }

    pub(crate) fn send_octets(&mut self, octets: &[u8]) {
        match &mut self.way {
            Way::Udp(socket) => drop(socket.send(octets).expect("a datagram sent")),
            Way::Tcp(stream) => stream.write_all(octets).expect("octets sent"),
        }
    }

    pub(crate) fn hear(&mut self, cookie: &str) -> Value {
        let (told, body) = self.reply();
        assert_eq!(told, cookie);
        body
    }

    /// The next reply, with its cookie.
    pub(crate) fn reply(&mut self) -> (String, Value) {
        let mut octets = Vec::new();
        loop {
            let mut part = vec![0; 65_535];
            let len = match &mut self.way {
                Way::Udp(socket) => socket.recv(&mut part).expect("a reply"),
                Way::Tcp(stream) => stream.read(&mut part).expect("a reply"),
            };
            assert!(len > 0, "the gateway ended the connection");
            octets.extend_from_slice(&part[..len]);
            if let Some(reply) = self.read(&octets) {
                return reply;
            }
        }
    }

    /// Whether the gateway ended the connection.
    pub(crate) fn is_ended(&mut self) -> bool {
        match &mut self.way {
            Way::Udp(_) => false,
            Way::Tcp(stream) => matches!(stream.read(&mut [0; 16]), Ok(0) | Err(_)),
        }
    }

    fn read(&self, octets: &[u8]) -> Option<(String, Value)> {
        let space = octets.iter().position(|octet| *octet == b' ')?;
        let cookie = String::from_utf8(octets[..space].to_vec()).expect("a cookie");
        let body = &octets[space + 1..];
        let value = match self.form {
            Form::Bencode => of_bencode(&bt_bencode::from_slice(body).ok()?),
            Form::Json => serde_json::from_slice(body).ok()?,
        };
        Some((cookie, value))
    }
}

fn of_bencode(value: &bt_bencode::Value) -> Value {
    match value {
        bt_bencode::Value::ByteStr(text) => {
            Value::String(String::from_utf8(text.to_vec()).expect("UTF-8"))
        }
        bt_bencode::Value::Int(bt_bencode::value::Number::Signed(number)) => json!(number),
        bt_bencode::Value::Int(bt_bencode::value::Number::Unsigned(number)) => json!(number),
        bt_bencode::Value::List(values) => values.iter().map(of_bencode).collect(),
        bt_bencode::Value::Dict(pairs) => {
            let pairs = pairs.iter().map(|(key, value)| {
                (String::from_utf8(key.to_vec()).expect("UTF-8"), of_bencode(value))
            });
            Value::Object(pairs.collect())
        }
    }
}
