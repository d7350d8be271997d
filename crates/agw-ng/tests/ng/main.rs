//! ng from the outside: octets in, octets out.
#![expect(clippy::unwrap_used, reason = "a test may fail")]
#![expect(clippy::disallowed_methods, reason = "a test has a clock, files and an environment")]
#![forbid(unsafe_code)]

mod cookies;
mod descriptions;
mod golden;
mod reading;
mod wire;
