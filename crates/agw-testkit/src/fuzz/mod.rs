//! The bodies of the fuzz targets: plain functions that panic when something is wrong.
//!
//! libFuzzer calls them from `tests/fuzz/fuzz_targets`, and the test binary `corpus` calls them
//! with every committed input. How to add one: `tests/fuzz/README.md`.

mod edit;
mod iq;
mod mediasec;
mod model;
mod ng;
mod operations;
mod paper;
mod relay;
mod rtp;
mod sdes;
mod sdp;
mod simd;
mod srtp;

pub use edit::rtcp_edit;
pub use iq::iq_request;
pub use mediasec::mediasec;
pub use ng::ng_message;
pub use operations::srtp_operations;
pub use relay::relay_batch;
pub use rtp::{rtcp_parse, rtp_parse};
pub use sdes::sdes_parse;
pub use sdp::sdp_calls;
pub use simd::simd_against_portable;
pub use srtp::{srtp_against_libsrtp, srtp_unprotect};

/// A fuzz target: the name of its binary and of its corpus, and its body.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The name.
    pub name: &'static str,
    /// What is called with every input.
    pub body: fn(&[u8]),
}

/// Every target.
pub const TARGETS: [Target; 13] = [
    Target { name: "iq_request", body: iq_request },
    Target { name: "mediasec", body: mediasec },
    Target { name: "ng_message", body: ng_message },
    Target { name: "relay_batch", body: relay_batch },
    Target { name: "rtcp_edit", body: rtcp_edit },
    Target { name: "rtcp_parse", body: rtcp_parse },
    Target { name: "rtp_parse", body: rtp_parse },
    Target { name: "sdes_parse", body: sdes_parse },
    Target { name: "sdp_calls", body: sdp_calls },
    Target { name: "simd_against_portable", body: simd_against_portable },
    Target { name: "srtp_against_libsrtp", body: srtp_against_libsrtp },
    Target { name: "srtp_operations", body: srtp_operations },
    Target { name: "srtp_unprotect", body: srtp_unprotect },
];
