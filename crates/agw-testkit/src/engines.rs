//! The engines that a test compares.

use agw_simd::{AnyEngine, Choice};

/// Every engine that this processor can run, the portable one first.
#[must_use]
pub fn engines() -> Vec<AnyEngine> {
    [Choice::Portable, Choice::ShaNi, Choice::Avx512]
        .into_iter()
        .filter_map(|choice| AnyEngine::new(choice).ok())
        .collect()
}
