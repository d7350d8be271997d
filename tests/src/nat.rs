//! A NAT between a phone and the gateway, as a home router has it: nftables masquerade, in a
//! namespace of its own.
//!
//! ```text
//!   phone's namespace              NAT's namespace                          gateway's namespace
//!     home  10.77.0.2  ── veth ──  home  10.77.0.1
//!                                  public  198.51.100.7  ── veth ──  public  198.51.100.1
//!                                  masquerade out of `public`              access 192.0.2.1, ...
//! ```
//!
//! The gateway sees the phone at 198.51.100.7 and at ports that the NAT has chosen.

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::process::{self, Command, Stdio};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};

use crate::stage::{self, ip};
use crate::{PATIENCE, Stage};

/// The namespaces of a NAT and of the phone behind it.
#[derive(Debug)]
pub struct Nat {
    stage: Rc<Stage>,
    router: File,
    phone: File,
}

impl Nat {
    /// Where the phone is, as it sees itself and signals.
    pub const PHONE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
    /// Where everybody else sees the phone.
    pub const PUBLIC: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);

    /// Puts a phone behind a NAT at the access side of a stage.
    ///
    /// # Panics
    ///
    /// When that is not possible: it takes root, and `nft`.
    #[must_use]
    pub fn at_access(stage: &Rc<Stage>) -> Self {
        let nat = Self {
            stage: Rc::clone(stage),
            router: stage::another(stage),
            phone: stage::another(stage),
        };
        let place = |of: &File| format!("/proc/{}/fd/{}", process::id(), of.as_raw_fd());
        let (router, phone) = (place(&nat.router), place(&nat.phone));
        stage.among_peers(|| {
            ip(&format!("link add name public type veth peer name public netns {router}"));
            ip("addr add 198.51.100.1/24 dev public");
            ip("link set public up");
            set("net/ipv4/ip_forward");
        });
        nat.at_router(|| {
            ip(&format!("link add name home type veth peer name home netns {phone}"));
            for (interface, address) in [("home", "10.77.0.1"), ("public", "198.51.100.7")] {
                ip(&format!("addr add {address}/24 dev {interface}"));
                ip(&format!("link set {interface} up"));
            }
            ip("route add default via 198.51.100.1");
            set("net/ipv4/ip_forward");
            masquerade();
        });
        nat.at_phone(|| {
            ip("addr add 10.77.0.2/24 dev home");
            ip("link set home up");
            ip("route add default via 10.77.0.1");
        });
        // The peers' namespace routes between the access link and the NAT.
        ip("route add 198.51.100.0/24 via 192.0.2.2 dev access");
        nat
    }

    /// Binds a socket of the phone.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[must_use]
    pub fn socket(&self, ip: IpAddr, port: u16) -> UdpSocket {
        self.at_phone(|| UdpSocket::bind((ip, port)).expect("a socket of the phone"))
    }

    /// Lets the NAT forget every mapping and choose other ports from now on, as one that was
    /// switched off and on.
    pub fn reboot(&self, ports: &str) {
        self.at_router(|| {
            nft("flush ruleset");
            nft(&format!(
                "table ip nat {{ chain out {{ type nat hook postrouting priority 100; \
                 oifname public ip protocol udp masquerade to :{ports}; }}; }}"
            ));
            // Mappings go with their interface's address.
            ip("addr del 198.51.100.7/24 dev public");
            ip("addr add 198.51.100.7/24 dev public");
            ip("route add default via 198.51.100.1");
            // The kernel forgets them in its own time: until then packets go by the old ones.
            let deadline = Instant::now() + PATIENCE;
            while mappings() > 0 && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(5));
            }
        });
    }

    /// Whether an address is the NAT's.
    #[must_use]
    pub fn is_public(address: SocketAddr) -> bool {
        address.ip() == Self::PUBLIC
    }

    /// Does something in the phone's namespace.
    pub fn at_phone<T>(&self, work: impl FnOnce() -> T) -> T {
        self.within(&self.phone, work)
    }

    fn at_router<T>(&self, work: impl FnOnce() -> T) -> T {
        self.within(&self.router, work)
    }

    fn within<T>(&self, namespace: &File, work: impl FnOnce() -> T) -> T {
        setns(namespace, CloneFlags::CLONE_NEWNET).expect("a namespace of the NAT");
        let result = work();
        self.stage.back();
        result
    }
}

/// What the namespace remembers of connections; nothing if it cannot tell.
fn mappings() -> u64 {
    let count = fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_count");
    count.ok().and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

fn masquerade() {
    nft("table ip nat { chain out { type nat hook postrouting priority 100; \
         oifname public ip protocol udp masquerade to :41000-41999; }; }");
}

/// Runs a line of `nft` in the namespace of the calling thread.
///
/// # Panics
///
/// When it fails.
pub fn nft(line: &str) {
    let output = Command::new("nft").arg(line).stdin(Stdio::null()).output();
    let output = output.expect("nft, of the package nftables");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "nft {line}: {said}");
}

/// Switches a setting on in the namespace of the calling thread.
fn set(name: &str) {
    std::fs::write(format!("/proc/sys/{name}"), "1").expect("a setting of the kernel");
}
