//! epoll, level-triggered.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    time::Duration,
};

use crate::{PortToken, Waker, batch::BATCH};

/// The sockets of a backend and its waker.
///
/// Level-triggered on purpose: what a round leaves in a socket is reported again, and the kernel
/// moves a reported socket to the end of its list, so that waits take turns among the ready.
pub(crate) struct Poller {
    epoll: OwnedFd,
    waker: Waker,
    events: Box<[libc::epoll_event; BATCH]>,
    reported: usize,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = epoll_create()?;
        let waker = Waker::new()?;
        epoll_add(epoll.as_fd(), waker.as_fd(), WAKER)?;
        let events = Box::new([libc::epoll_event { events: 0, u64: 0 }; BATCH]);
        Ok(Self { epoll, waker, events, reported: 0 })
    }

    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }

    pub(crate) fn add(&self, descriptor: BorrowedFd<'_>, token: PortToken) -> io::Result<()> {
        epoll_add(self.epoll.as_fd(), descriptor, u64::from(token.0))
    }

    /// Adds the socket of a device queue.
    pub(crate) fn add_queue(&self, descriptor: BorrowedFd<'_>, number: u32) -> io::Result<()> {
        epoll_add(self.epoll.as_fd(), descriptor, QUEUES | u64::from(number))
    }

    /// Explicitly, not by closing: a copy of the descriptor in another process would keep it in.
    pub(crate) fn remove(&self, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        epoll_delete(self.epoll.as_fd(), descriptor)
    }

    /// Waits until something is ready and tells how much; 0 after the timeout or a signal.
    /// The timeout is rounded up to a millisecond.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        self.reported = 0;
        match epoll_wait(self.epoll.as_fd(), &mut *self.events, milliseconds(timeout)) {
            Ok(count) => self.reported = count.min(BATCH),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(self.reported)
    }

    /// Rests for so long; a wake ends the rest, a datagram does not.
    pub(crate) fn rest(&self, long: Duration) -> io::Result<()> {
        match poll_one(self.waker.as_fd(), long) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            ended => ended,
        }
    }

    /// What the last wait reported.
    pub(crate) fn ready(&self) -> impl Iterator<Item = Ready> {
        self.events.iter().take(self.reported).map(|event| {
            let (data, events) = (event.u64, event.events);
            let number = (data & u64::from(u32::MAX)) as u32;
            match data & !u64::from(u32::MAX) {
                0 => Ready::Port(PortToken(number)),
                QUEUES => Ready::Queue { number, failed: events & FAILED != 0 },
                _ => Ready::Waker,
            }
        })
    }

    /// Forgets what the last wait reported.
    pub(crate) fn forget(&mut self) {
        self.reported = 0;
    }
}

/// What is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ready {
    /// A socket of a port.
    Port(PortToken),
    /// A socket of a device queue.
    Queue {
        number: u32,
        /// Whether the socket is of no use any more: its device has gone.
        failed: bool,
    },
    /// Somebody wants attention.
    Waker,
}

/// Beyond every token.
const WAKER: u64 = u64::MAX;
/// Likewise, with the number of the queue.
const QUEUES: u64 = 1 << 32;
const FAILED: u32 = (libc::EPOLLERR | libc::EPOLLHUP) as u32;

fn milliseconds(timeout: Option<Duration>) -> libc::c_int {
    let Some(timeout) = timeout else {
        return -1;
    };
    libc::c_int::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(libc::c_int::MAX)
}

fn epoll_create() -> io::Result<OwnedFd> {
    // SAFETY: takes a number, touches no memory of ours.
    let descriptor = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns or closes it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn epoll_add(epoll: BorrowedFd<'_>, descriptor: BorrowedFd<'_>, data: u64) -> io::Result<()> {
    let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: data };
    // SAFETY: both descriptors are open while borrowed; `event` is one initialised structure that
    // outlives the call; the kernel only reads it.
    let result = unsafe {
        libc::epoll_ctl(
            epoll.as_raw_fd(),
            libc::EPOLL_CTL_ADD,
            descriptor.as_raw_fd(),
            &raw mut event,
        )
    };
    done(result)
}

fn epoll_delete(epoll: BorrowedFd<'_>, descriptor: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: both descriptors are open while borrowed; no memory is passed (the event is ignored
    // for EPOLL_CTL_DEL and may be null since Linux 2.6.9).
    let result = unsafe {
        libc::epoll_ctl(
            epoll.as_raw_fd(),
            libc::EPOLL_CTL_DEL,
            descriptor.as_raw_fd(),
            std::ptr::null_mut(),
        )
    };
    done(result)
}

fn epoll_wait(
    epoll: BorrowedFd<'_>,
    events: &mut [libc::epoll_event],
    milliseconds: libc::c_int,
) -> io::Result<usize> {
    let room = libc::c_int::try_from(events.len()).unwrap_or(libc::c_int::MAX);
    // SAFETY: the descriptor is open while borrowed; pointer and `room` describe `events`, which
    // outlives the call; the kernel writes at most `room` entries and keeps nothing.
    let result =
        unsafe { libc::epoll_wait(epoll.as_raw_fd(), events.as_mut_ptr(), room, milliseconds) };
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Waits until the descriptor is readable or the time is over.
fn poll_one(descriptor: BorrowedFd<'_>, long: Duration) -> io::Result<()> {
    let mut entry = libc::pollfd { fd: descriptor.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let long = libc::timespec {
        tv_sec: libc::time_t::try_from(long.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: long.subsec_nanos() as _,
    };
    // SAFETY: the descriptor is open while borrowed; `entry` is one initialised structure and
    // `long` another, both outlive the call; the kernel writes to `entry` alone and keeps nothing.
    let result = unsafe { libc::ppoll(&raw mut entry, 1, &raw const long, std::ptr::null()) };
    done(result)
}

fn done(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_rounded_up_so_that_a_wait_is_never_a_spin() {
        let table = [
            (Some(Duration::ZERO), 0),
            (Some(Duration::from_nanos(1)), 1),
            (Some(Duration::from_micros(1_001)), 2),
            (Some(Duration::MAX), libc::c_int::MAX),
            (None, -1),
        ];
        for (timeout, expected) in table {
            assert_eq!(milliseconds(timeout), expected, "{timeout:?}");
        }
    }

    #[test]
    fn a_wake_ends_a_rest() {
        let poller = Poller::new().unwrap();
        let waker = poller.waker().clone();
        let rester = std::thread::spawn(move || poller.rest(Duration::from_secs(3_600)));
        waker.wake();
        rester.join().unwrap().unwrap();
    }

    #[test]
    fn a_wake_given_before_the_wait_ends_it_and_several_count_as_one() {
        let mut poller = Poller::new().unwrap();
        poller.waker().wake();
        poller.waker().clone().wake();

        assert_eq!(poller.wait(None).unwrap(), 1);
        assert_eq!(poller.ready().collect::<Vec<_>>(), [Ready::Waker]);
        poller.waker().reset();
        assert_eq!(poller.wait(Some(Duration::ZERO)).unwrap(), 0);
    }
}
