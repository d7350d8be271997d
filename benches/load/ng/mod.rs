//! The ng protocol, in which rtpengine is told about calls: bencoded dictionaries over UDP, each
//! behind a cookie that its reply repeats.
//!
//! Knows messages and session descriptions. Does not know processes, packets or clocks of media.
//! Start at [`Client`].

mod client;
mod message;
pub(crate) mod sdp;

pub(crate) use client::{Client, NgError, Retry};
pub(crate) use message::{Deletion, Request, Signal};

#[cfg(test)]
mod tests;
