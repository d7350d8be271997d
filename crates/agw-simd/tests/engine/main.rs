//! The engine beside the portable one, job by job: what leaves, what comes in, what stays as it
//! was. One file per behaviour; `rig.rs` has the sessions.
#![cfg(target_arch = "x86_64")]
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod allocation;
mod batches;
mod choice;
mod failures;
mod lengths;
mod rig;
mod vectors;
