//! SRTP and SRTCP in batches, on the vector units of the processor: an [`agw_srtp::Engine`] that
//! hashes and encrypts packets of many sessions side by side.
//!
//! This crate knows instructions, keys and packet octets. It does not know sessions, indices or
//! windows: those are in `agw-srtp`, whose portable engine says what is right, and this one only
//! does it faster. It is the only cryptography with `unsafe`: each block says which check has
//! found the instructions present, or why an address is good.
//!
//! Start at [`AnyEngine`], which a gateway runs with; [`Simd`] is the engine of this crate.

#![deny(clippy::undocumented_unsafe_blocks)]
#![deny(clippy::multiple_unsafe_ops_per_block)]
#![deny(unsafe_op_in_unsafe_fn)]
#![warn(clippy::indexing_slicing)]

#[cfg(target_arch = "x86_64")]
mod aes;
mod any;
#[cfg(target_arch = "x86_64")]
mod cm;
mod cpu;
#[cfg(target_arch = "x86_64")]
mod f8;
#[cfg(target_arch = "x86_64")]
mod gcm;
#[cfg(all(test, target_arch = "x86_64"))]
mod guarded;
#[cfg(target_arch = "x86_64")]
mod keys;
#[cfg(target_arch = "x86_64")]
mod sha1;
#[cfg(target_arch = "x86_64")]
mod simd;

pub use any::{AnyEngine, AnyKeys, Choice, UnknownChoice, Unsupported};
pub use cpu::Level;
#[cfg(target_arch = "x86_64")]
pub use keys::SimdKeys;
#[cfg(target_arch = "x86_64")]
pub use simd::Simd;
