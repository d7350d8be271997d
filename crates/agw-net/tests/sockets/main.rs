//! Backends as a worker uses them, on real loopback sockets.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

mod allocations;
mod batch_socket;
mod memory;
mod ports;
mod receive;
mod rig;
mod transmit;
