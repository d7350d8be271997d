//! The control model through its public door: commands in, replies and work out.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod addresses;
mod admission;
mod generations;
mod groups;
mod growth;
mod key_times;
mod keys;
mod keystream;
mod late;
mod limits;
mod loops;
mod model;
mod opened;
mod plan;
mod pre_key;
mod reserve;
mod rewriting;
mod streams;
mod supervision;
mod support;
mod topology;
