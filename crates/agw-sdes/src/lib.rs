//! The SDP `a=crypto` attribute (security descriptions, RFC 4568): parse, print, negotiate.
//!
//! This crate knows one attribute, the list of them under one media line, and the rules between an
//! offer and its answer. It does not know the rest of SDP, SIP, packets, sockets or calls, and it
//! has no randomness of its own: fresh keys come from a source the caller passes in.
//!
//! Start at [`CryptoAttribute::parse`] for one line and at [`CryptoLines::parse`] for a media
//! line's list. [`Policy::check`] says whether this gateway may use a line, and
//! [`CryptoAttribute::into_ingress`] and [`CryptoAttribute::into_egress`] turn it into what the
//! SRTP engine installs. A key line protects what its author *sends* (RFC 4568 §5.1.1).
//!
//! Keys are printed by [`CryptoAttribute::expose_line`] and nowhere else.
//!
//! ```
//! use agw_sdes::{CryptoAttribute, Mode};
//!
//! let line = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 \
//!             inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:4";
//! let attribute = CryptoAttribute::parse(line, Mode::Strict)?;
//! let (keys, parameters) = attribute.into_ingress()?;
//! assert_eq!(keys[0].lifetime.srtp, 1 << 20);
//! assert_eq!(keys[0].mki.unwrap().as_slice(), [0, 0, 0, 1]);
//! assert_eq!(parameters.window, 128);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod attribute;
mod decimal;
mod error;
mod fields;
mod key;
mod lines;
mod negotiation;
mod parameter;
mod policy;
mod suite_name;
mod tag;
#[cfg(test)]
mod tests;

pub use attribute::CryptoAttribute;
pub use error::{Field, Rule, SdesError};
pub use key::InlineKey;
pub use lines::{CryptoLines, StreamRejected};
pub use negotiation::{AnswerError, Negotiated};
pub use parameter::{FecOrder, SessionParameter};
pub use policy::{Policy, Refusal};
pub use suite_name::{SuiteName, UnsupportedSuite};
pub use tag::CryptoTag;

/// How closely a line must keep to the grammar of RFC 4568 §9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// The grammar as written, with the two liberties its text gives: base64 padding may be
    /// absent (§6.1) and `KDR=0` means no key derivation rate (§6.3.1 against §9.2).
    #[default]
    Strict,
    /// Also what deployed equipment and the conformance lines of TS 34.229-1 send: blanks around
    /// the attribute value, no blank before `inline:` or after an MKI, a closing quotation mark,
    /// the tag 0 and tags with leading zeros, an MKI of 0, unused base64 bits that are set, a
    /// window hint below 64 (raised to 64).
    Tolerant,
}
