//! The packet path: a datagram in, a [`Verdict`] out, in the caller's buffer.
//!
//! This crate knows flows, gates, source rules and crypto contexts. It does not know sockets,
//! clocks, calls or who asked for a flow: control sends [`Command`]s, time is an argument.
//! Start at [`Relay::handle_batch`].
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]

mod alarm;
mod batch;
mod binding;
mod datagram;
mod deadlines;
mod drop;
mod egress;
mod fanout;
mod filter;
mod former;
mod group;
mod inactivity;
mod ingress;
mod limiter;
mod member_keys;
mod own;
mod passage;
mod place;
mod police;
mod pre_key;
mod prefetch;
mod quality;
mod refusal;
mod relay;
mod rename;
mod report;
mod rewrite;
mod rewriting;
mod round;
mod shared_keys;
mod source;
mod spare;
mod spec;
mod stats;
mod suspects;
mod table;
#[cfg(test)]
mod testing;
mod told;
mod trouble;
mod untold;

pub use agw_rtp::Ssrc;
pub use batch::MAX_BATCH;
pub use datagram::{Datagram, Verdict};
pub use drop::DropReason;
pub use fanout::{Departure, FanOut};
pub use filter::{Network, SourceFilter};
pub use group::{CollisionRule, GroupSnapshot, GroupSpec, Member};
pub use inactivity::{ActiveDirection, Inactivity};
pub use own::OwnPorts;
pub use police::{TrafficLimit, TrafficLimits};
pub use pre_key::{Kept, PreKeySpec};
pub use quality::QualitySnapshot;
pub use refusal::{Refusal, Refusals};
pub use relay::{ApplyError, Relay, Removed};
pub use rename::RenamedSource;
pub use report::{Half, Report};
pub use rewrite::{RewriteSnapshot, RewriteSpec};
pub use spec::{
    CallId, CodePoint, Command, Component, EgressCrypto, EgressExtras, EgressId, EgressSpec, Gate,
    IngressCrypto, IngressExtras, IngressId, IngressSpec, Marking, PortId, RtcpEgress, RtcpIngress,
    SourceRule, Transport,
};
pub use stats::{
    CryptoSnapshot, Drops, EgressSnapshot, EgressStats, IngressSnapshot, IngressStats,
    LatchSnapshot, RelayStats, SourceSnapshot, Traffic,
};
