//! Test doubles for the workspace: other software as peers and oracles, and the bodies of fuzz
//! targets.
//!
//! This crate knows how tests find what they compare with, and how they say that it is missing.
//! A development dependency only: no crate that ships depends on it. Start at [`peer`] for other
//! software, at [`differential`] for runs against libsrtp, at [`fuzz::TARGETS`] for what is fuzzed.
#![deny(unsafe_code)]

pub mod differential;
pub mod draw;
pub mod engines;
pub mod fuzz;
pub mod libsrtp;
pub mod packet;
pub mod peer;
