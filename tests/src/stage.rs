//! Where a test plays: on the loopback, or between network namespaces, where `AGW_TEST_STAGE` is
//! `netns`. What carries the packets there is `AGW_TEST_BACKEND`: `sockets`, or `xdp`, which is
//! never on the loopback.
//!
//! ```text
//!   gateway's namespace: the test's thread, agwd, controllers      peers' namespace: endpoints
//!     lo      127.0.0.1    Iq and admin listeners
//!     access  192.0.2.1, 2001:db8:2::1  ───────────────── veth ──  access  192.0.2.2, 2001:db8:2::2
//!     core    192.0.3.1, 2001:db8:3::1  ───────────────── veth ──  core    192.0.3.2, 2001:db8:3::2
//! ```
//!
//! The namespaces have no names and go with the test; nothing of the host is touched.

use std::cell::{OnceCell, RefCell};
use std::env;
use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::process::{self, Command, Stdio};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns, unshare};

use crate::{PATIENCE, capture};

/// The network namespaces of a test's thread.
#[derive(Debug)]
pub struct Stage {
    gateway: File,
    peers: File,
}

/// A realm's side of the stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The access realm's.
    Access,
    /// The core realm's.
    Core,
}

/// What carries packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// UDP sockets.
    Sockets,
    /// AF_XDP.
    Xdp,
}

/// Receive and transmit queues of each interface.
pub const QUEUES: u32 = 2;

thread_local! {
    static STAGE: OnceCell<Rc<Stage>> = const { OnceCell::new() };
    /// The realms by `xdp` of this thread's tests, whatever the environment says.
    static CAST: RefCell<Option<Vec<Side>>> = const { RefCell::new(None) };
}

impl Side {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Access, Self::Core];

    /// The realm, and the interface at both ends.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Core => "core",
        }
    }

    /// Addresses of a stage, the gateway's with 1 and the peers' with 2.
    #[must_use]
    pub const fn addresses(self, host: u8) -> (Ipv4Addr, Ipv6Addr) {
        let net = match self {
            Self::Access => 2,
            Self::Core => 3,
        };
        let v6 = Ipv6Addr::new(0x2001, 0xDB8, net as u16, 0, 0, 0, 0, host as u16);
        (Ipv4Addr::new(192, 0, net, host), v6)
    }

    /// Where endpoints of this side are, over IPv4.
    #[must_use]
    pub fn peer(self) -> IpAddr {
        if is_set() { self.addresses(2).0.into() } else { Ipv4Addr::LOCALHOST.into() }
    }

    /// Where endpoints of this side are, over IPv6.
    #[must_use]
    pub fn peer_v6(self) -> IpAddr {
        if is_set() { self.addresses(2).1.into() } else { Ipv6Addr::LOCALHOST.into() }
    }
}

/// Puts the running test on the stage, with the `xdp` backend for these realms and sockets for the
/// others; `None` where there can be none, for want of root.
#[must_use]
pub fn cast(xdp: &[Side]) -> Option<Rc<Stage>> {
    // Tried by a thread that goes with what it made.
    let attempt = thread::spawn(|| unshare(CloneFlags::CLONE_NEWNET).is_ok());
    attempt.join().unwrap_or(false).then(|| {
        CAST.set(Some(xdp.to_vec()));
        Stage::enter()
    })
}

/// Whether a realm is to have the `xdp` backend.
#[must_use]
pub fn is_by_xdp(side: Side) -> bool {
    let cast = CAST.with_borrow(|cast| cast.as_ref().map(|sides| sides.contains(&side)));
    cast.unwrap_or_else(|| backend() == Backend::Xdp)
}

/// Whether the running test is on a stage.
///
/// # Panics
///
/// When `AGW_TEST_STAGE` names none.
#[must_use]
pub fn is_set() -> bool {
    if CAST.with_borrow(Option::is_some) || backend() == Backend::Xdp {
        return true;
    }
    match env::var("AGW_TEST_STAGE").as_deref() {
        Err(_) | Ok("loopback") => false,
        Ok("netns") => true,
        Ok(other) => panic!("AGW_TEST_STAGE={other}: there are loopback and netns"),
    }
}

/// What carries packets unless a test says otherwise.
///
/// # Panics
///
/// When `AGW_TEST_BACKEND` names none.
#[must_use]
pub fn backend() -> Backend {
    match env::var("AGW_TEST_BACKEND").as_deref() {
        Err(_) | Ok("sockets") => Backend::Sockets,
        Ok("xdp") => Backend::Xdp,
        Ok(other) => panic!("AGW_TEST_BACKEND={other}: there are sockets and xdp"),
    }
}

/// The socket of an endpoint, on the stage if the tests run on one.
///
/// # Panics
///
/// When there is none at this address.
#[must_use]
pub fn peer_socket(ip: IpAddr, port: u16) -> UdpSocket {
    let bind = || UdpSocket::bind((ip, port)).expect("a socket");
    let is_here = ip.is_loopback();
    if is_here || !is_set() { bind() } else { Stage::enter().among_peers(bind) }
}

impl Stage {
    /// The stage of this thread, which is in the gateway's namespace from now on, as is everything
    /// that it starts; made the first time.
    ///
    /// # Panics
    ///
    /// When that is not possible: it takes root.
    #[must_use]
    pub fn enter() -> Rc<Self> {
        STAGE.with(|stage| Rc::clone(stage.get_or_init(|| Rc::new(Self::make()))))
    }

    /// Does something in the peers' namespace.
    ///
    /// # Panics
    ///
    /// When the kernel refuses.
    pub fn among_peers<T>(&self, work: impl FnOnce() -> T) -> T {
        setns(&self.peers, CloneFlags::CLONE_NEWNET).expect("the peers' namespace");
        let result = work();
        self.back();
        result
    }

    /// Puts the thread into the gateway's namespace, where it belongs.
    pub(crate) fn back(&self) {
        setns(&self.gateway, CloneFlags::CLONE_NEWNET).expect("the gateway's namespace");
    }

    /// The peers' namespace, for another process.
    #[must_use]
    pub fn peers(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", process::id(), self.peers.as_raw_fd()).into()
    }

    fn make() -> Self {
        let (peers, gateway) = (unshared(), unshared());
        let stage = Self { gateway, peers };
        for side in Side::ALL {
            stage.connect(side);
        }
        for side in Side::ALL {
            let ((near, near_v6), (far, far_v6)) = (side.addresses(1), side.addresses(2));
            stage.await_link(near.into(), far.into());
            stage.await_link(near_v6.into(), far_v6.into());
        }
        capture::follow(&stage);
        stage
    }

    /// Waits until datagrams pass: IPv6 takes its time after an interface has come up.
    fn await_link(&self, near: IpAddr, far: IpAddr) {
        let from = UdpSocket::bind((near, 0)).expect("a socket");
        let to = self.among_peers(|| UdpSocket::bind((far, 0))).expect("a socket");
        to.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
        let there = to.local_addr().expect("an address");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let _ = from.send_to(b"?", there);
            if to.recv(&mut [0; 8]).is_ok() {
                return;
            }
            assert!(Instant::now() < deadline, "nothing gets from {near} to {far}");
        }
    }

    /// A veth pair of a side, with addresses.
    fn connect(&self, side: Side) {
        let (name, peers) = (side.name(), self.peers());
        let queues = format!("numrxqueues {QUEUES} numtxqueues {QUEUES}");
        ip(&format!(
            "link add name {name} {queues} type veth peer name {name} {queues} netns {}",
            peers.display()
        ));
        let set_up = |host| {
            let (v4, v6) = side.addresses(host);
            ip(&format!("addr add {v4}/24 dev {name}"));
            ip(&format!("addr add {v6}/64 dev {name} nodad"));
            ip(&format!("link set {name} up"));
        };
        set_up(1);
        self.among_peers(|| set_up(2));
    }
}

/// Runs `ip` in the namespace of the calling thread; words must not contain spaces.
///
/// # Panics
///
/// When it fails.
pub fn ip(arguments: &str) -> String {
    let output = Command::new("ip")
        .args(arguments.split_whitespace())
        .stdin(Stdio::null())
        .output()
        .expect("ip, of the package iproute2");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Another namespace besides those of a stage.
pub(crate) fn another(stage: &Stage) -> File {
    let namespace = unshared();
    stage.back();
    namespace
}

/// Moves the thread into a new network namespace.
fn unshared() -> File {
    unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace, which takes root");
    ip("link set lo up");
    // No waiting for duplicates of addresses, of link-local ones either: nobody else is there.
    fs::write("/proc/sys/net/ipv6/conf/default/accept_dad", "0").expect("a setting of IPv6");
    File::open("/proc/thread-self/ns/net").expect("the namespace")
}
