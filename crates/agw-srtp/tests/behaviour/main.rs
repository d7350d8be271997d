//! What the crate promises, one file per behaviour, through the public API only.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod allocations;
mod batches;
mod encryption_flag;
mod identity;
mod index_estimate;
mod jumps;
mod key_identifiers;
mod key_use;
mod lifetimes;
mod no_trace_of_failures;
mod rekeying;
mod replay_window;
mod restarts;
mod returns;
mod rollover;
mod second_opinion;
mod sources;
mod srtcp_index;
mod staged_keys;
mod support;
mod transmit_guard;
mod whole_packets;
