//! The daemon, in this process and as a program.

mod accept;
mod call;
mod events;
mod program;
mod rig;
mod start;
#[path = "../../src/testing.rs"]
#[expect(dead_code, reason = "shared with the unit tests, which use the rest")]
mod testing;
mod tls;
mod unix;
