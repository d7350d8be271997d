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
/// | `Avx512` | these and `avx2,avx512bw,avx512dq,avx512f,avx512vbmi2,avx512vl,vaes,vpclmulqdq` |
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
        self.lacks().next().is_none()
    }

    /// The instructions that the level needs and this processor does not have, by name.
    #[must_use]
    pub fn missing(self) -> Vec<&'static str> {
        self.lacks().collect()
    }

    fn lacks(self) -> impl Iterator<Item = &'static str> {
        let more = (self == Self::Avx512).then(avx512).into_iter().flatten();
        sha_ni().into_iter().chain(more).filter(|&(_, is_there)| !is_there).map(|(name, _)| name)
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

/// Each feature with whether it is there.
#[cfg(target_arch = "x86_64")]
macro_rules! features {
    ($($name:tt),* $(,)?) => {
        [$(($name, is_x86_feature_detected!($name))),*]
    };
}

#[cfg(target_arch = "x86_64")]
fn sha_ni() -> [(&'static str, bool); 5] {
    features!["aes", "pclmulqdq", "sha", "sse4.1", "ssse3"]
}

#[cfg(target_arch = "x86_64")]
fn avx512() -> [(&'static str, bool); 8] {
    features![
        "avx2",
        "avx512bw",
        "avx512dq",
        "avx512f",
        "avx512vbmi2",
        "avx512vl",
        "vaes",
        "vpclmulqdq"
    ]
}

#[cfg(not(target_arch = "x86_64"))]
fn sha_ni() -> [(&'static str, bool); 1] {
    [("x86-64", false)]
}

#[cfg(not(target_arch = "x86_64"))]
fn avx512() -> [(&'static str, bool); 0] {
    []
}
