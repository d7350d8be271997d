//! The trait of a packet backend.

use std::{io, time::Duration};

use crate::{Batch, IoCounters, PortCounters, SendError, Waker};

/// The caller's number for a port in one backend.
///
/// Use small dense numbers, such as the key of a slab: the backend's table is an array that
/// reaches to the largest one. Numbers from 2^20 on are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortToken(pub u32);

/// A packet backend: fills a batch of slots, flushes a batch. One per worker, one owner.
pub trait PacketIo {
    /// What a port is before it is handed over.
    type Port: Send;

    /// Takes a port over under a token; datagrams queued in it come with the next rounds.
    ///
    /// # Errors
    /// `InvalidInput` for a token of 2^20 or more, `AlreadyExists` for one in use, or the kernel's
    /// error; the port is closed then and the backend unchanged.
    fn add_port(&mut self, token: PortToken, port: Self::Port) -> io::Result<()>;

    /// Closes a port and tells its final counters; what was still queued in it is counted.
    ///
    /// # Errors
    /// `NotFound` for a token not in use; nothing changes then.
    fn remove_port(&mut self, token: PortToken) -> io::Result<PortCounters>;

    /// Has the traffic class of what arrives at a port looked at ([`crate::Slot::traffic_class`]),
    /// or not any more. At a socket it costs a little for each datagram; other backends see it
    /// anyway.
    ///
    /// # Errors
    /// `NotFound` for a token not in use, or the kernel's; nothing changes then.
    fn watch_traffic_class(&mut self, token: PortToken, watch: bool) -> io::Result<()>;

    /// Makes the batch that [`PacketIo::receive`] and [`PacketIo::transmit`] of this backend work
    /// on, over the memory that the backend receives into. One per backend.
    ///
    /// # Errors
    /// The kernel's, or `OutOfMemory` if the backend's memory is all given out.
    fn new_batch(&mut self) -> io::Result<Batch>;

    /// Empties the batch, waits at most `timeout` (`None`: as long as it takes), fills the batch
    /// with what is ready and tells how many slots that are. 0 after the timeout or earlier, a
    /// wake or a signal. Ports that are not drained come again with the next round.
    ///
    /// # Errors
    /// Only what no traffic can cause (a bad descriptor, or `InvalidInput` for a batch of another
    /// backend's memory); errors of single ports are counted.
    fn receive(&mut self, batch: &mut Batch, timeout: Option<Duration>) -> io::Result<usize>;

    /// Sends what the batch's outbox holds, empties it and tells how many datagrams went out.
    ///
    /// Never blocks and never tries a datagram more than twice. `on_error` gets the tag of each
    /// datagram that did not go out, with the reason. The slot of one that did may hold anything
    /// afterwards, unless it was kept: it may have left with its memory.
    fn transmit(&mut self, batch: &mut Batch, on_error: impl FnMut(u32, SendError)) -> usize;

    /// A handle that ends a wait in [`PacketIo::receive`] from any thread.
    fn waker(&self) -> Waker;

    /// What the backend did since it was made.
    fn counters(&self) -> &IoCounters;

    /// What a port did since it was added, with the overflow up to now; `None` if not in use.
    fn port_counters(&mut self, token: PortToken) -> Option<PortCounters>;
}
