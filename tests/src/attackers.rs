//! Hosts that nobody has told the gateway of, in a namespace of their own. The peers' namespace is
//! their router and believes whatever source they write.
//!
//! ```text
//!   attackers' namespace               peers' namespace                      gateway's namespace
//!     attack  203.0.113.66  ── veth ──  attack  203.0.113.1
//!                                       access, core  192.0.{2,3}.2  ── veth ──  192.0.{2,3}.1
//! ```

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::process;
use std::rc::Rc;

use nix::sched::{CloneFlags, setns};
use socket2::{Domain, Protocol, Socket, Type};

use crate::Stage;
use crate::stage::{self, ip};

/// The header that [`Forger`] writes, in octets.
const IP_HEADER: usize = 20;

/// The attackers' namespace.
#[derive(Debug)]
pub struct Attackers {
    stage: Rc<Stage>,
    namespace: File,
}

/// Sends IPv4 packets with any header.
#[derive(Debug)]
pub struct Forger {
    socket: Socket,
}

impl Attackers {
    /// Where they are.
    pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 66);
    const ROUTER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

    /// Lets them in.
    ///
    /// # Panics
    ///
    /// When that is not possible.
    #[must_use]
    pub fn enter(stage: &Rc<Stage>) -> Self {
        let attackers = Self { stage: Rc::clone(stage), namespace: stage::another(stage) };
        let place = format!("/proc/{}/fd/{}", process::id(), attackers.namespace.as_raw_fd());
        stage.among_peers(|| {
            ip(&format!("link add name attack type veth peer name attack netns {place}"));
            ip(&format!("addr add {}/24 dev attack", Self::ROUTER));
            ip("link set attack up");
            set("ip_forward", "1");
            for interface in ["all", "attack", "access", "core"] {
                set(&format!("conf/{interface}/rp_filter"), "0");
            }
            set("conf/attack/accept_local", "1");
        });
        attackers.there(|| {
            ip(&format!("addr add {}/24 dev attack", Self::ADDRESS));
            ip("link set attack up");
            ip(&format!("route add default via {}", Self::ROUTER));
        });
        // The gateway could answer them, by either side.
        for interface in ["all", "access", "core"] {
            set(&format!("conf/{interface}/rp_filter"), "0");
        }
        ip("route add 203.0.113.0/24 via 192.0.2.2 dev access");
        ip("route add 203.0.113.0/24 via 192.0.3.2 dev core metric 10");
        attackers
    }

    /// Does something in their namespace.
    ///
    /// # Panics
    ///
    /// When the kernel refuses.
    pub fn there<T>(&self, work: impl FnOnce() -> T) -> T {
        setns(&self.namespace, CloneFlags::CLONE_NEWNET).expect("the attackers' namespace");
        let result = work();
        self.stage.back();
        result
    }

    /// A socket of theirs.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[must_use]
    pub fn socket(&self) -> UdpSocket {
        self.there(|| UdpSocket::bind((Self::ADDRESS, 0)).expect("a socket"))
    }

    /// What they forge packets with.
    ///
    /// # Panics
    ///
    /// When there is no raw socket.
    #[must_use]
    pub fn forger(&self) -> Forger {
        // 255 is IPPROTO_RAW: the header comes with the packet.
        let raw = || Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(255)));
        Forger { socket: self.there(raw).expect("a raw socket, which takes root") }
    }

    /// IP packets that have arrived at them so far, ICMP included.
    ///
    /// # Panics
    ///
    /// When the kernel does not tell.
    #[must_use]
    pub fn heard(&self) -> u64 {
        let table = self.there(|| fs::read_to_string("/proc/thread-self/net/snmp"));
        let table = table.expect("the kernel's counters");
        // Two lines begin with "Ip:": names and values.
        let mut lines = table.lines().filter_map(|line| line.strip_prefix("Ip:"));
        let mut row = || lines.next().expect("a line").split_whitespace();
        let (mut names, mut values) = (row(), row());
        let column = names.position(|name| name == "InReceives").expect("a column");
        values.nth(column).and_then(|value| value.parse().ok()).expect("a number")
    }
}

impl Forger {
    /// Sends a UDP datagram with this source address.
    ///
    /// # Panics
    ///
    /// When the addresses are not of IPv4, or the kernel refuses.
    pub fn send(&self, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        let (from, to) = (v4(from), v4(to));
        let octets = u16::try_from(8 + payload.len()).expect("a datagram");
        let mut datagram = Vec::with_capacity(8 + payload.len());
        datagram.extend(from.port().to_be_bytes());
        datagram.extend(to.port().to_be_bytes());
        datagram.extend(octets.to_be_bytes());
        // No checksum, as IPv4 allows.
        datagram.extend([0, 0]);
        datagram.extend(payload);
        self.send_packet(*from.ip(), *to.ip(), 17, 0, &datagram);
    }

    /// Sends an IP packet of a protocol; `fragment` is the fourth 16-bit word of the header: flags
    /// and offset (RFC 791 §3.1).
    ///
    /// # Panics
    ///
    /// When the kernel refuses.
    pub fn send_packet(
        &self,
        from: Ipv4Addr,
        to: Ipv4Addr,
        protocol: u8,
        fragment: u16,
        content: &[u8],
    ) {
        let octets = u16::try_from(IP_HEADER + content.len()).expect("a packet");
        let mut packet = vec![0x45, 0];
        packet.extend(octets.to_be_bytes());
        packet.extend([0x77, 0x77]);
        packet.extend(fragment.to_be_bytes());
        // The kernel writes the checksum.
        packet.extend([64, protocol, 0, 0]);
        packet.extend(from.octets());
        packet.extend(to.octets());
        packet.extend(content);
        let place = SocketAddr::from((to, 0)).into();
        let sent = self.socket.send_to(&packet, &place).expect("a packet sent");
        assert_eq!(sent, packet.len());
    }
}

fn v4(address: SocketAddr) -> SocketAddrV4 {
    match (address.ip(), address.port()) {
        (IpAddr::V4(ip), port) => SocketAddrV4::new(ip, port),
        (IpAddr::V6(ip), _) => panic!("{ip} is not of IPv4"),
    }
}

/// Sets something of IPv4 in the namespace of the calling thread.
fn set(name: &str, value: &str) {
    fs::write(format!("/proc/sys/net/ipv4/{name}"), value).expect("a setting of IPv4");
}
