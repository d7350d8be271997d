//! What the processor can do.

use std::fmt;

/// The instructions that an engine is built from; a later one includes the earlier.
///
/// A function that uses them carries their names in `#[target_feature(enable = "..")]`, and is
/// called only where a level has been found [supported](Level::is_supported):
///
/// | level | features |
/// |---|---|
/// | `ShaNi` | `aes,pclmulqdq,sha,sse4.1,ssse3` |
/// | `Avx512` | these and `avx2,avx512bw,avx512dq,avx512f,avx512vl,vaes,vpclmulqdq` |
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// AES, carry-less multiplication and SHA-1 in 128-bit registers.
    ShaNi,
    /// The same in 512-bit registers, and sixteen hashes at once.
    Avx512,
}

impl Level {
    /// Every level, the lowest first.
    pub const ALL: [Self; 2] = [Self::ShaNi, Self::Avx512];

    /// The highest level that this processor supports; `None` if it supports none.
    #[must_use]
    pub fn detect() -> Option<Self> {
        Self::ALL.into_iter().rev().find(|level| level.is_supported())
    }

    /// Whether this processor supports the level.
    #[must_use]
    pub fn is_supported(self) -> bool {
        match self {
            Self::ShaNi => has_sha_ni(),
            Self::Avx512 => has_sha_ni() && has_avx512(),
        }
    }

    /// The name in configuration and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ShaNi => "sha-ni",
            Self::Avx512 => "avx512",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(target_arch = "x86_64")]
fn has_sha_ni() -> bool {
    is_x86_feature_detected!("aes")
        && is_x86_feature_detected!("pclmulqdq")
        && is_x86_feature_detected!("sha")
        && is_x86_feature_detected!("sse4.1")
        && is_x86_feature_detected!("ssse3")
}

#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("vaes")
        && is_x86_feature_detected!("vpclmulqdq")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_sha_ni() -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx512() -> bool {
    false
}
