//! What is asked of the forwarder and what it answers, a line of JSON each.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// A call.
    SetUp {
        /// Where what arrives on the core side goes.
        access_peer: SocketAddr,
        /// Where what arrives on the access side goes.
        core_peer: SocketAddr,
    },
    /// The end of a call.
    Release {
        /// Its number.
        call: u32,
    },
    /// Counters.
    Count,
}

/// What is answered.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// A call was set up.
    Placed {
        /// Its number.
        call: u32,
        /// Where it listens on the access side.
        access: SocketAddr,
        /// Where it listens on the core side.
        core: SocketAddr,
    },
    /// A call was ended.
    Released,
    /// Counters.
    Counted(Counted),
    /// Not done.
    Refused {
        /// Why not.
        reason: String,
    },
}

/// Datagrams since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counted {
    /// Read.
    pub(crate) received: u64,
    /// Sent on.
    pub(crate) sent: u64,
    /// Read, but not for sending: longer than a slot.
    pub(crate) truncated: u64,
    /// Dropped by the kernel before they were read, or unread when their call ended.
    pub(crate) kernel_drops: u64,
    /// Refused by the kernel when sent, by class.
    pub(crate) send_errors: BTreeMap<String, u64>,
}
