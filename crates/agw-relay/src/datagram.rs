//! A datagram in its slot, and what becomes of it.

use std::net::SocketAddr;

use crate::drop::DropReason;
use crate::fanout::FanOut;
use crate::spec::{EgressId, PortId};

/// A received datagram in its slot, and what becomes of it.
#[derive(Debug)]
pub struct Datagram<'a> {
    /// The local port it arrived on.
    pub port: PortId,
    /// Who sent it.
    pub source: SocketAddr,
    /// Its slot: the payload and [`agw_srtp::MAX_TRAILER`] or more octets of tail room.
    pub slot: &'a mut [u8],
    /// Octets of payload in the slot.
    pub len: usize,
    /// The IPv4 type of service or IPv6 traffic class octet that it came with; 0 where nobody
    /// looked ([`crate::IngressExtras::reads_traffic_class`]).
    pub traffic_class: u8,
    /// Whether the slot was too short for it.
    pub truncated: bool,
    /// What becomes of it; [`Relay::handle_batch`] writes it.
    pub verdict: Verdict,
}

/// What becomes of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It leaves, from its slot.
    Forward {
        /// The local port it leaves from.
        via: PortId,
        /// The destination.
        to: SocketAddr,
        /// The IPv4 type of service or IPv6 traffic class octet it leaves with; `None` is that of
        /// the local port.
        traffic_class: Option<u8>,
        /// Octets of payload in the slot now.
        len: usize,
        /// Whom to charge if the kernel refuses it.
        egress: EgressId,
    },
    /// It leaves to the members of a group, from its slot.
    FanOut(FanOut),
    /// It waits for the key of its leg, and is not counted until [`crate::Relay::poll_kept`] hands
    /// it back or its time is over.
    Kept,
    /// It went no further.
    Drop(DropReason),
}
