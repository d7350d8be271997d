//! Datagrams that another worker's queue received, on their way to the worker that owns the call,
//! and those that one port of the group sends to another.
//!
//! The network card spreads flows over queues by a hash that knows nothing of calls. Each pair of
//! workers has a ring of octets with one writer and one reader; a datagram is copied into it once
//! and once out of it, so that a frame never leaves the memory of its worker. Flow steering on the
//! card (`ethtool -N`) makes this rare.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering, fence},
    },
};

use rtrb::{Consumer, Producer, RingBuffer};

use super::addresses::LocalPort;
use crate::Waker;

/// Octets of the ring between two workers: about a thousand voice packets.
const RING: usize = 256 * 1024;
/// Octets before the datagram.
const HEADER: usize = 25;

/// A worker's ends of the rings to and from every worker, itself included.
pub(crate) struct Mailbox {
    incoming: Vec<Consumer<u8>>,
    /// By worker.
    outgoing: Vec<Outgoing>,
    /// The incoming ring that is read first.
    turn: usize,
}

struct Outgoing {
    ring: Producer<u8>,
    /// Whether something was put in since the other was last woken.
    fresh: bool,
}

/// A datagram as it was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Handed {
    pub(crate) to: LocalPort,
    pub(crate) source: SocketAddr,
    /// IPv4 type of service or IPv6 traffic class.
    pub(crate) traffic_class: u8,
    /// Octets of the datagram, which may be more than were read.
    pub(crate) len: usize,
}

impl Mailbox {
    /// Makes the mailboxes of `workers` workers.
    pub(crate) fn of(workers: usize) -> Vec<Self> {
        let empty = |_| Self {
            incoming: Vec::with_capacity(workers),
            outgoing: Vec::with_capacity(workers),
            turn: 0,
        };
        let mut mailboxes: Vec<Self> = (0..workers).map(empty).collect();
        for writer in 0..workers {
            for reader in 0..workers {
                let (ring, incoming) = RingBuffer::new(RING);
                if let Some(mailbox) = mailboxes.get_mut(writer) {
                    mailbox.outgoing.push(Outgoing { ring, fresh: false });
                }
                if let Some(mailbox) = mailboxes.get_mut(reader) {
                    mailbox.incoming.push(incoming);
                }
            }
        }
        mailboxes
    }

    /// Puts a datagram, all of it, into the ring to a worker.
    ///
    /// # Errors
    /// `WouldBlock` if there is no room.
    pub(crate) fn hand_over(
        &mut self,
        worker: usize,
        handed: Handed,
        datagram: &[u8],
    ) -> io::Result<()> {
        let Some(outgoing) = self.outgoing.get_mut(worker) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let header = encode(handed, datagram.len()).ok_or(io::ErrorKind::InvalidInput)?;
        let chunk = outgoing.ring.write_chunk(HEADER + datagram.len());
        let Ok(mut chunk) = chunk else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let (first, second) = chunk.as_mut_slices();
        scatter(&[&header, datagram], first, second);
        // All at once: the reader never sees half a datagram.
        chunk.commit_all();
        outgoing.fresh = true;
        Ok(())
    }

    /// Whether a datagram waits here.
    pub(crate) fn has_mail(&self) -> bool {
        self.incoming.iter().any(|ring| !ring.is_empty())
    }

    /// Takes a waiting datagram, from each of the others in turn, into `landing`.
    pub(crate) fn take(&mut self, landing: &mut [u8]) -> Option<Handed> {
        let rings = self.incoming.len();
        for step in 0..rings {
            let position = (self.turn + step) % rings;
            let taken = self.incoming.get_mut(position).and_then(|ring| take(ring, landing));
            if taken.is_some() {
                self.turn = (position + 1) % rings;
                return taken;
            }
        }
        None
    }

    /// Wakes those that sleep and were handed something.
    pub(crate) fn wake(&mut self, sleepers: &Sleepers) {
        for (worker, outgoing) in self.outgoing.iter_mut().enumerate() {
            if let Outgoing { ring: _, fresh: fresh @ true } = outgoing {
                *fresh = false;
                sleepers.wake(worker);
            }
        }
    }
}

fn take(ring: &mut Consumer<u8>, landing: &mut [u8]) -> Option<Handed> {
    let mut header = [0; HEADER];
    // Looks only: it is taken with what follows it.
    let chunk = ring.read_chunk(HEADER).ok()?;
    let (first, second) = chunk.as_slices();
    gather(0, first, second, &mut header);
    let handed = decode(&header);
    let chunk = ring.read_chunk(HEADER + handed.len).ok()?;
    let (first, second) = chunk.as_slices();
    let len = handed.len.min(landing.len());
    gather(HEADER, first, second, landing.get_mut(..len).unwrap_or_default());
    chunk.commit_all();
    Some(handed)
}

/// Copies parts one behind the other into two slices one behind the other.
fn scatter(parts: &[&[u8]], first: &mut [u8], second: &mut [u8]) {
    let (mut here, mut then) = (first, second);
    for part in parts {
        let mut rest = *part;
        while !rest.is_empty() {
            if here.is_empty() {
                (here, then) = (then, &mut []);
                if here.is_empty() {
                    return;
                }
            }
            let count = rest.len().min(here.len());
            let (now, later) = rest.split_at(count);
            let (into, left) = std::mem::take(&mut here).split_at_mut(count);
            into.copy_from_slice(now);
            (rest, here) = (later, left);
        }
    }
}

/// Copies out of two slices one behind the other, from an offset on.
fn gather(offset: usize, first: &[u8], second: &[u8], into: &mut [u8]) {
    let head = first.get(offset..).unwrap_or_default();
    let tail = second.get(offset.saturating_sub(first.len())..).unwrap_or_default();
    let (start, end) = into.split_at_mut(head.len().min(into.len()));
    start.copy_from_slice(head.get(..start.len()).unwrap_or_default());
    let count = end.len().min(tail.len());
    if let (Some(end), Some(tail)) = (end.get_mut(..count), tail.get(..count)) {
        end.copy_from_slice(tail);
    }
}

fn encode(handed: Handed, len: usize) -> Option<[u8; HEADER]> {
    let Handed { to, source, traffic_class, len: _ } = handed;
    let len = u16::try_from(len).ok()?;
    let (is_v4, address) = match source.ip() {
        IpAddr::V4(v4) => (1, v4.to_ipv6_mapped()),
        IpAddr::V6(v6) => (0, v6),
    };
    let [l0, l1] = len.to_ne_bytes();
    let [a0, a1] = to.address.to_ne_bytes();
    let [p0, p1] = to.port.to_ne_bytes();
    let [s0, s1] = source.port().to_ne_bytes();
    let mut header = [0; HEADER];
    // The top bit of the address' number tells the family: there are far fewer addresses.
    let numbers = [l0, l1, a0, a1 | (is_v4 << 7), p0, p1, s0, s1];
    scatter(&[&numbers, &[traffic_class], &address.octets()], &mut header, &mut []);
    Some(header)
}

fn decode(header: &[u8; HEADER]) -> Handed {
    let [l0, l1, a0, a1, p0, p1, s0, s1, traffic_class, address @ ..] = *header;
    let v6 = Ipv6Addr::from(address);
    let v4 = (a1 & 0x80 != 0).then(|| v6.to_ipv4_mapped().unwrap_or(Ipv4Addr::UNSPECIFIED));
    let source = v4.map_or(IpAddr::V6(v6), IpAddr::V4);
    Handed {
        to: LocalPort {
            address: u16::from_ne_bytes([a0, a1 & 0x7F]),
            port: u16::from_ne_bytes([p0, p1]),
        },
        source: SocketAddr::new(source, u16::from_ne_bytes([s0, s1])),
        traffic_class,
        len: usize::from(u16::from_ne_bytes([l0, l1])),
    }
}

/// Which workers sleep, and how to wake them.
#[derive(Debug)]
pub(crate) struct Sleepers {
    workers: Vec<Sleeper>,
}

#[derive(Debug, Default)]
struct Sleeper {
    sleeps: AtomicBool,
    waker: OnceLock<Waker>,
}

impl Sleepers {
    pub(crate) fn new(workers: usize) -> Self {
        Self { workers: (0..workers).map(|_| Sleeper::default()).collect() }
    }

    /// Tells how a worker is woken, once.
    pub(crate) fn introduce(&self, worker: usize, waker: Waker) {
        if let Some(sleeper) = self.workers.get(worker) {
            let _ = sleeper.waker.set(waker);
        }
    }

    /// A worker is about to sleep: it looks into its mailbox once more after this.
    pub(crate) fn lie_down(&self, worker: usize) {
        if let Some(sleeper) = self.workers.get(worker) {
            sleeper.sleeps.store(true, Ordering::SeqCst);
        }
        // Between the mark and the look: either the other sees the mark, or this sees the mail.
        fence(Ordering::SeqCst);
    }

    /// A worker is awake.
    pub(crate) fn get_up(&self, worker: usize) {
        if let Some(sleeper) = self.workers.get(worker) {
            sleeper.sleeps.store(false, Ordering::SeqCst);
        }
    }

    /// Wakes a worker if it sleeps; the mail was put in before.
    fn wake(&self, worker: usize) {
        fence(Ordering::SeqCst);
        let Some(Sleeper { sleeps, waker }) = self.workers.get(worker) else {
            return;
        };
        if sleeps.swap(false, Ordering::SeqCst)
            && let Some(waker) = waker.get()
        {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO: LocalPort = LocalPort { address: 3, port: 40_002 };

    /// The length is that of the datagram.
    fn of(source: SocketAddr) -> Handed {
        Handed { to: TO, source, traffic_class: 0xB9, len: 0 }
    }

    #[test]
    fn datagrams_arrive_whole_and_in_order_from_every_other_worker() {
        let mut mailboxes = Mailbox::of(3);
        let sources: [SocketAddr; 2] =
            ["192.0.2.9:5004".parse().unwrap(), "[2001:db8::9]:65535".parse().unwrap()];
        for (number, writer) in [(1, 0), (2, 0), (3, 1)] {
            let source = sources[number % 2];
            mailboxes[writer].hand_over(2, of(source), &vec![number as u8; 170 + number]).unwrap();
        }
        assert!(!mailboxes[0].has_mail() && !mailboxes[1].has_mail());

        let mut landing = [0; 2_000];
        for number in [1, 3, 2] {
            let handed = mailboxes[2].take(&mut landing).unwrap();
            let expected = Handed { len: 170 + number, ..of(sources[number % 2]) };
            assert_eq!(handed, expected);
            assert!(landing[..handed.len].iter().all(|octet| *octet == number as u8));
        }
        assert_eq!(mailboxes[2].take(&mut landing), None);
    }

    #[test]
    fn datagrams_of_every_length_survive_the_end_of_the_ring() {
        let mut mailboxes = Mailbox::of(2);
        let source = "192.0.2.9:5004".parse().unwrap();
        let mut landing = [0; 2_000];
        for round in 0..1_000_usize {
            let datagram: Vec<u8> = (0..round * 7 % 1_800).map(|at| (at + round) as u8).collect();
            mailboxes[0].hand_over(1, of(source), &datagram).unwrap();
            assert!(mailboxes[1].has_mail());
            let handed = mailboxes[1].take(&mut landing).unwrap();
            assert_eq!(handed.len, datagram.len());
            assert_eq!(landing[..handed.len], datagram);
        }
    }

    #[test]
    fn a_full_ring_refuses_and_takes_again_once_read() {
        let mut mailboxes = Mailbox::of(2);
        let source = "192.0.2.9:5004".parse().unwrap();
        let mut count = 0;
        while mailboxes[0].hand_over(1, of(source), &[7; 1_000]).is_ok() {
            count += 1;
        }
        assert_eq!(count, RING / (1_000 + HEADER));
        let landing = &mut [0; 10];
        assert_eq!(mailboxes[1].take(landing).unwrap().len, 1_000);
        mailboxes[0].hand_over(1, of(source), &[8; 1_000]).unwrap();
    }

    #[test]
    fn only_a_worker_that_sleeps_is_woken() {
        let (sleepers, waker) = (Sleepers::new(2), Waker::new().unwrap());
        sleepers.introduce(1, waker.clone());
        let mut mailboxes = Mailbox::of(2);
        for sleeps in [false, true] {
            if sleeps {
                sleepers.lie_down(1);
            }
            let source = "192.0.2.9:5004".parse().unwrap();
            mailboxes[0].hand_over(1, of(source), b"mail").unwrap();
            mailboxes[0].wake(&sleepers);
            mailboxes[0].wake(&sleepers);
            assert_eq!(waker.take(), u64::from(sleeps));
        }
    }
}
