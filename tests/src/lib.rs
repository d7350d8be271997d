//! What end-to-end and interoperability tests stand on: the real daemon, endpoints, packets, tones.
//!
//! This crate starts `agwd` as a user would, and talks to it over the network only. It does not
//! know the inside of the daemon. Start at [`Gateway::start`] and [`Call`].
#![forbid(unsafe_code)]

pub mod api;
mod attackers;
mod authority;
mod call;
pub mod capture;
mod daemon;
mod endpoint;
mod gateway;
mod hub;
mod key;
mod ledger;
mod nat;
pub mod packet;
mod ports;
mod program;
pub mod stage;
pub mod tone;
mod wire;

pub use attackers::{Attackers, Forger};
pub use authority::{Authority, Subject};
pub use call::{Call, Leg, terminations};
pub use daemon::{Daemon, beside_test};
pub use endpoint::{Endpoint, Sender};
pub use gateway::{Gateway, directory};
pub use hub::Hub;
pub use key::Key;
pub use ledger::{Entry, Ledger};
pub use nat::{Nat, nft};
pub use ports::PortBlock;
pub use program::{Finished, Program, await_listener};
pub use stage::{Side, Stage};
pub use wire::{Packet, Wire};

use std::time::Duration;

/// How long something that must happen is waited for; no test asserts how long it took.
pub const PATIENCE: Duration = Duration::from_secs(20);
