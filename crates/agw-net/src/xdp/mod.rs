//! The `xdp` backend: datagrams past the kernel's network stack (AF_XDP).
//!
//! ```text
//!              interface A                         interface B
//!        queue 0        queue 1              queue 0        queue 1
//!           │ program: media ports only         │              │
//!        XdpSocket      XdpSocket            XdpSocket      XdpSocket     four rings each
//!           └──────┐       └───────┐            │              │
//!               worker 0        worker 1 ◀──────┼──────────────┘
//!               Umem            Umem            │                         frames, one memory each
//!                  ▲ ◀──────────────────────────┘
//!                  └──── Mailbox ────┘   what another worker's queue received
//! ```
//!
//! A worker serves the queues whose number modulo the workers is its own, on every interface, all
//! over one memory: a datagram leaves on one interface from the frame it came in on another.
//! A call has one worker; the card spreads packets without knowing, so [`handover`] brings the
//! misdirected ones home and [`addresses`] tells whose they are. No port has a socket.
//!
//! Start at [`group`], which opens all this, then [`worker`], [`receive`] and [`transmit`].

mod addresses;
mod group;
mod handover;
mod held;
mod options;
mod peer;
mod receive;
mod ring;
mod socket;
mod sys;
#[cfg(test)]
mod tests;
mod transmit;
mod umem;
mod worker;

pub use group::XdpGroup;
pub use options::{BusyPoll, XdpInterface, XdpMode, XdpOptions, XdpRealm};
pub use peer::XdpPeer;
pub use worker::{XdpPort, XdpWorker};
