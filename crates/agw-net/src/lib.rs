//! The kernel's side of the gateway: media sockets, AF_XDP, epoll, descriptors, process hardening
//! (Linux).
//!
//! This crate knows datagrams, descriptors and error numbers. It does not know RTP, keys, streams
//! or calls, and depends on no other crate of the workspace. It is the only socket code with
//! `unsafe`: one system call per function, each block says who writes what and for how long.
//!
//! Start at [`PacketIo`], the trait of a packet backend, and [`Batch`], what a round works on.
//! [`MediaBackend`] is the one for service: a [`SocketsBackend`], and beside it, where a realm wants
//! it, a share of an [`XdpGroup`], which takes media past the kernel's network stack. The module
//! `xdp` draws how. [`MemoryBackend`] is for tests, [`BatchSocket`] and [`XdpPeer`] are for tools
//! at the other end of the wire. A round is:
//!
//! ```
//! # use std::net::{IpAddr, Ipv4Addr, SocketAddr};
//! # use std::time::Duration;
//! use agw_net::{PacketIo, PortOptions, PortToken, SocketsBackend, SocketsOptions};
//! use agw_net::{Transmit, UdpPort};
//!
//! # fn main() -> std::io::Result<()> {
//! # let anywhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
//! let mut backend = SocketsBackend::new(SocketsOptions::default())?;
//! backend.add_port(PortToken(0), UdpPort::bind(anywhere, &PortOptions::default())?)?;
//!
//! let mut batch = backend.new_batch()?;
//! backend.receive(&mut batch, Some(Duration::ZERO))?;
//! let (slots, mut outbox) = batch.split_mut();
//! for slot in slots {
//!     let echo = Transmit {
//!         port: slot.port,
//!         destination: slot.source,
//!         slot: slot.index,
//!         len: slot.len,
//!         tag: 0,
//!         traffic_class: None,
//!     };
//!     let _ = outbox.push(echo);
//! }
//! backend.transmit(&mut batch, |_tag, error| eprintln!("not sent: {error}"));
//! # Ok(())
//! # }
//! ```

#![deny(clippy::undocumented_unsafe_blocks)]
#![deny(clippy::multiple_unsafe_ops_per_block)]
#![deny(unsafe_op_in_unsafe_fn)]

mod address;
mod arena;
mod batch;
mod batch_socket;
mod capabilities;
mod control;
mod counters;
mod descriptors;
mod frame;
mod interfaces;
mod media;
mod memory;
mod messages;
mod netlink;
mod options;
mod outbox;
mod overflow;
mod packet_io;
mod poller;
mod port;
mod process;
mod program;
mod reserved;
mod sockets;
mod spin;
mod table;
#[cfg(test)]
mod testing;
mod thread;
mod waker;
mod xdp;

pub use batch::{
    BATCH, Batch, HEAD_ROOM, MAX_DATAGRAM, PAYLOAD_ROOM, SLOT, Slot, Slots, TAIL_ROOM,
};
pub use batch_socket::{BatchSocket, Incoming, Outgoing};
pub use capabilities::{Capability, keep_capabilities, missing_capabilities};
pub use counters::{ErrnoClass, ErrnoCounters, IoCounters, PortCounters, SendError};
pub use descriptors::{descriptor_limit, descriptors_open, raise_descriptor_limit};
pub use interfaces::{HostAddresses, local_addresses};
pub use media::{MediaBackend, MediaPort};
pub use memory::{MemoryBackend, MemoryDatagram, MemoryWire};
pub use netlink::AddressChanges;
pub use outbox::{Outbox, Transmit, Unqueued};
pub use packet_io::{PacketIo, PortToken};
pub use port::{Oversize, PortOptions, UdpPort};
pub use process::{
    disable_core_dumps, effective_uid, give_memory_back, lock_memory, no_new_privs, peer_uid,
    raise_locked_memory_limit,
};
pub use program::{AttachMode, AttachedMode};
pub use reserved::unreserved_ports;
pub use sockets::{SocketsBackend, SocketsOptions};
pub use thread::{allowed_cores, pin_current_thread, set_thread_name, set_timer_slack};
pub use waker::Waker;
pub use xdp::{
    BusyPoll, XdpGroup, XdpInterface, XdpMode, XdpOptions, XdpPeer, XdpPort, XdpRealm, XdpWorker,
};
