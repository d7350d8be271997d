//! What a request wants of a call, typed.

use std::net::IpAddr;

use agw_context::Family;
use agw_sdp::{RtcpAttribute, Unencrypted};
use agw_srtp::Suite;

/// What a request wants of a call; the default is what ng means when nothing is said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// What the receiver is offered; `None` leaves it as the sender offered it.
    pub transport: Option<Transport>,
    /// What is replaced in descriptions besides addresses.
    pub replace: Replace,
    /// Multiplexed RTCP.
    pub mux: Mux,
    /// The suites that the receiver is offered.
    pub sdes: Sdes,
    /// Whether the receiver is offered keys under RTP.
    pub osrtp_offer: bool,
    /// The sender's realm and the receiver's.
    pub realms: (Option<String>, Option<String>),
    /// The family towards the receiver.
    pub family: Option<Family>,
    /// The address that descriptions show in place of the realm's.
    pub media_address: Option<IpAddr>,
    /// Where the request of the sender came from, and whether it receives media there.
    pub received_from: Option<IpAddr>,
    /// Whether `received_from` counts instead of the description's addresses.
    pub trusts_source: bool,
    /// The traffic class of what leaves.
    pub tos: Option<u8>,
    /// Where media may come from.
    pub learning: Learning,
    /// What stands as `a=rtcp`.
    pub rtcp_attribute: RtcpAttribute,
    /// Whether media lines without `a=mid` get one.
    pub generate_mid: bool,
    /// Whether all media of the call is dropped from now on; `None` leaves that as it is.
    pub drops: Option<bool>,
    /// Whose signalling is protected; `None` leaves that to the configuration.
    pub protected_signalling: Option<Protected>,
    /// Whether a description that passed here already is left as it is.
    pub loop_protect: bool,
    /// The status of the response that brings an answer.
    pub status: Option<u16>,
    /// Whether to delete an unknown call is an error.
    pub fatal: bool,
    /// What becomes of protection to the access edge.
    pub e2ae: E2ae,
    /// Whether the controller knows `result: load limit`.
    pub knows_load_limit: bool,
    /// A name for the sender.
    pub label: Option<String>,
    /// Flags and keys that nobody here knows; they were ignored.
    pub unknown: u32,
}

/// Whose signalling is protected, by IPsec, TLS or place (RFC 4568 §8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protected {
    /// That of who sends the offer.
    pub sender: bool,
    /// That of who is sent it.
    pub receiver: bool,
}

/// A profile of RTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transport {
    /// SRTP.
    pub secured: bool,
    /// With feedback (RFC 4585, RFC 5124).
    pub feedback: bool,
}

/// What is replaced in descriptions besides addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Replace {
    /// The version of `o=`: one more with every change.
    pub version: bool,
    /// The version of `o=`: one more each time.
    pub force_version: bool,
    /// The user name of `o=`.
    pub username: bool,
    /// The session name.
    pub session_name: bool,
    /// The address that is nowhere.
    pub zero_address: bool,
}

/// Multiplexed RTCP on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mux {
    /// The receiver is offered it in any case.
    pub offer: bool,
    /// And must take it.
    pub require: bool,
    /// The receiver is not offered it.
    pub demux: bool,
    /// The sender's is refused.
    pub reject: bool,
}

/// The suites that the receiver is offered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sdes {
    /// None at all.
    pub off: bool,
    /// Only those of the sender's offer.
    pub no_new: bool,
    /// Only these, if any is named.
    pub only: Vec<Suite>,
    /// Not these.
    pub without: Vec<Suite>,
    /// These first.
    pub order: Vec<Suite>,
    /// Without encryption.
    pub unencrypted: Unencrypted,
}

/// Where media may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Learning {
    /// From the address of the first packet, or from where authentic packets come.
    #[default]
    Symmetric,
    /// From any port of the signalled address.
    Asymmetric,
    /// From the signalled address and port.
    Off,
}

/// What becomes of protection to the access edge (TS 33.328).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum E2ae {
    /// Nothing is told, and SRTP ends here if a transport is asked for.
    #[default]
    Unsaid,
    /// The UE is told that it is applied; SRTP ends here.
    Applied,
    /// No UE is told anything; SRTP ends here.
    Strip,
    /// SRTP passes end to end.
    Pass,
}
