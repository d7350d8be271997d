//! What the unit tests of this crate share.

use std::time::Instant;

/// The moment at which tests begin; only differences to it matter.
#[expect(clippy::disallowed_methods, reason = "an Instant cannot be made from a number")]
pub(crate) fn epoch() -> Instant {
    Instant::now()
}
