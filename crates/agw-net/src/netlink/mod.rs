//! Where a datagram goes next: routes, neighbours and links, as the kernel has them.
//!
//! What leaves through AF_XDP passes by the kernel's routing, so that the sender itself must know
//! the interface, the neighbour's link address, the tag and the MTU. A thread asks the kernel over
//! netlink and listens to its changes; workers look into what it found and wait for nothing.
//!
//! Start at [`NextHops::resolve`]. `table` is what is known, without a system call; `messages`
//! takes netlink apart; `watch` is the thread.

mod changes;
mod messages;
mod socket;
mod table;
#[cfg(test)]
mod tests;
mod watch;

use std::{
    collections::BTreeSet,
    io,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
};

use crate::{Waker, frame::LinkHeader};
pub use changes::AddressChanges;
use table::{Pair, Table};
use watch::Watch;

/// How a datagram leaves: through which interface, in which frame, how long at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NextHop {
    /// The interface to send through: under a VLAN device, the one below it.
    pub(crate) ifindex: u32,
    /// Addresses and tag of the frame.
    pub(crate) link: LinkHeader,
    /// Octets of the longest IP packet, header and all.
    pub(crate) mtu: u32,
}

/// What is known about a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// Everything.
    Ready(NextHop),
    /// Not yet enough; the kernel and the neighbour are being asked.
    Pending,
    /// There is no route, the interface is down, or the neighbour does not answer. Asked again
    /// every second while somebody wants it, and whenever something changes.
    Unreachable,
}

/// Routes, neighbours and links, kept up to date. Clones share one thread, which ends with the
/// last of them.
#[derive(Debug, Clone)]
pub(crate) struct NextHops {
    shared: Arc<Shared>,
    _thread: Arc<Thread>,
}

/// What the workers and the thread have in common.
#[derive(Debug)]
struct Shared {
    table: RwLock<Table>,
    generation: AtomicU64,
    /// Destinations that nobody has asked the kernel for yet.
    wanted: Mutex<BTreeSet<Pair>>,
    stop: AtomicBool,
    waker: Waker,
}

/// Ends the thread when dropped.
#[derive(Debug)]
struct Thread {
    shared: Arc<Shared>,
    handle: Option<JoinHandle<()>>,
}

/// Most destinations at once that wait to be asked for; more are Pending without being noted.
const MOST_WANTED: usize = 65_536;

impl NextHops {
    /// Reads links and neighbours of this thread's network namespace and starts to listen.
    ///
    /// Asking for a neighbour is done by netlink if the thread has CAP_NET_ADMIN, which it has if
    /// it is started before the process drops it; else by a datagram to the neighbour's discard
    /// port, which makes the kernel ask.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn start() -> io::Result<Self> {
        let (watch, shared) = Watch::new()?;
        let handle = std::thread::Builder::new()
            .name("agw-nexthops".to_owned())
            .spawn(move || watch.run())?;
        let thread = Thread { shared: Arc::clone(&shared), handle: Some(handle) };
        Ok(Self { shared, _thread: Arc::new(thread) })
    }

    /// The interface below a VLAN device; `None` for any other interface.
    pub(crate) fn lower(&self, interface: u32) -> Option<u32> {
        self.shared.read().parent(interface)
    }

    /// The VLAN identifier of a VLAN device; `None` for any other interface.
    pub(crate) fn tag(&self, interface: u32) -> Option<u16> {
        self.shared.read().tag(interface)
    }

    /// What is known about the way from `source`, an address of this host, to `destination`.
    ///
    /// Never waits for the kernel: it takes a lock that is held for look-ups and single changes.
    /// A `Ready` holds until [`NextHops::generation`] changes; the other two may become another
    /// answer at any time and are not to be kept.
    pub(crate) fn resolve(&self, destination: IpAddr, source: IpAddr) -> Resolution {
        let pair = Pair { destination, source };
        if let Some(resolution) = self.shared.read().resolve(&pair) {
            return resolution;
        }
        let mut wanted = self.shared.wanted();
        if wanted.len() < MOST_WANTED && wanted.insert(pair) {
            self.shared.waker.wake();
        }
        Resolution::Pending
    }

    /// Grows with every change that could make a `Ready` of [`NextHops::resolve`] wrong, and once
    /// a minute, so that who still uses an answer asks again. Read it before the answer that is
    /// kept with it.
    pub(crate) fn generation(&self) -> u64 {
        self.shared.generation.load(Ordering::Acquire)
    }
}

impl Shared {
    fn read(&self) -> std::sync::RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn wanted(&self) -> MutexGuard<'_, BTreeSet<Pair>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.waker.wake();
        if let Some(handle) = self.handle.take() {
            // A panic over there was told there.
            let _ = handle.join();
        }
    }
}
