//! Ethernet, VLAN, IP and UDP headers: taken off what arrives, put before what leaves.
//!
//! The AF_XDP backend gets and gives whole frames; this is what the kernel does for sockets. It
//! knows octets and addresses, no route and no socket.

mod checksum;
mod error;
mod parse;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use error::FrameError;
pub(crate) use parse::{Parsed, parse};
pub(crate) use write::{Departure, LinkHeader, header_len, write};

/// Octets of an Ethernet header without a tag.
const ETHERNET: usize = 14;
/// Octets that an IEEE 802.1Q tag adds.
const TAG: usize = 4;
/// Octets of an IPv4 header without options (RFC 791 section 3.1).
const IPV4: usize = 20;
/// Octets of an IPv6 header (RFC 8200 section 3).
const IPV6: usize = 40;
/// Octets of a UDP header (RFC 768).
const UDP: usize = 8;

const ETHERTYPE_IPV4: [u8; 2] = [0x08, 0x00];
const ETHERTYPE_IPV6: [u8; 2] = [0x86, 0xDD];
const ETHERTYPE_VLAN: [u8; 2] = [0x81, 0x00];
const ETHERTYPE_PROVIDER_VLAN: [u8; 2] = [0x88, 0xA8];
const PROTOCOL_UDP: u8 = 17;
