//! RTP and RTCP wire formats (RFC 3550, RFC 5761, RFC 7983): borrowed, zero-copy views.
//!
//! This crate knows bytes. It does not know keys, sockets, clocks or calls.
//! Start at [`classify`], then [`RtpHeader::parse`] or [`RtcpHeader::parse`]; every function is
//! total on any input, and nothing fails after a successful parse.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]

mod classify;
mod edit;
mod numbers;
mod report;
mod rtcp;
mod rtp;

pub use classify::{PacketKind, classify};
pub use edit::{Reception, RtcpEdit, SenderCounts, edit_rtcp};
pub use numbers::RtpNumbers;
pub use report::{ReportBlock, SenderInformation};
pub use rtcp::{CompoundRtcp, RtcpHeader, RtcpPacket};
pub use rtp::{RtpHeader, RtpPacket};

use core::fmt;

/// Synchronisation source identifier, 32 bits (RFC 3550 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ssrc(pub u32);

impl fmt::Display for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

/// RTP sequence number, 16 bits, wraps to 0 after 65,535 (RFC 3550 §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SequenceNumber(pub u16);

/// Why octets are not an RTP or RTCP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParseError {
    /// The datagram ends before the header says it does.
    Truncated,
    /// The version field is not 2 (RFC 3550 §5.1).
    Version,
    /// The padding count is zero or larger than what follows the header (RFC 3550 §5.1).
    Padding,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "the packet ends before its header says it does",
            Self::Version => "the version field is not 2",
            Self::Padding => "the padding count does not fit the payload",
        })
    }
}

impl core::error::Error for ParseError {}
