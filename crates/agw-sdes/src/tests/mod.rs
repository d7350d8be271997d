//! One file per behaviour; all of it through the public names.

mod fixtures;
mod keys;
mod lines;
mod negotiation;
mod parameters;
mod policy;
mod properties;
mod reference;
mod secrecy;
mod syntax;

use crate::{CryptoAttribute, Mode, SdesError};

const BOTH_MODES: [Mode; 2] = [Mode::Strict, Mode::Tolerant];

fn strict(line: &str) -> Result<CryptoAttribute, SdesError> {
    CryptoAttribute::parse(line, Mode::Strict)
}

fn tolerant(line: &str) -> Result<CryptoAttribute, SdesError> {
    CryptoAttribute::parse(line, Mode::Tolerant)
}

/// The canonical form of a line.
fn printed(attribute: &CryptoAttribute) -> String {
    attribute.expose_line().to_string()
}

/// A line under tag 1 with the 128-bit counter-mode suite and what follows it.
fn line(rest: &str) -> String {
    format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 {rest}")
}
