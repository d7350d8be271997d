//! agw-srtp and libsrtp side by side: the same octets out, the same packets in, the same decisions.
#![expect(clippy::unwrap_used, reason = "a test may fail")]
#![forbid(unsafe_code)]

mod known_differences;
mod lengths;
mod sequences;
mod whole_packets;

use agw_testkit::libsrtp::{self, Libsrtp};
use agw_testkit::peer;

/// The library; `None` was told as a skip of the running test.
fn library() -> Option<Libsrtp> {
    let library = Libsrtp::load().ok();
    if library.is_none() {
        peer::skip(libsrtp::PEER);
    }
    library
}
