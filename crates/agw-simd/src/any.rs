//! The engine that a gateway runs with, chosen at run time.

use std::fmt;
use std::str::FromStr;

use agw_srtp::{Engine, Job, MasterKey, Portable, PortableKeys};
use thiserror::Error;
use zeroize::ZeroizeOnDrop;

use crate::Level;
#[cfg(target_arch = "x86_64")]
use crate::keys::AsSimdKeys;
#[cfg(target_arch = "x86_64")]
use crate::{Simd, SimdKeys};

/// Which engine is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    /// The fastest that the processor supports.
    #[default]
    Auto,
    /// The one that runs everywhere.
    Portable,
    /// The instructions of [`Level::ShaNi`](crate::Level::ShaNi).
    ShaNi,
    /// The instructions of [`Level::Avx512`](crate::Level::Avx512).
    Avx512,
}

/// The words that name a choice were something else.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is none of auto, portable, sha-ni, avx512")]
pub struct UnknownChoice(String);

/// The processor lacks instructions of the engine that was chosen.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the engine `{choice}` needs what this processor lacks: {}", missing.join(", "))]
pub struct Unsupported {
    /// The engine.
    pub choice: Choice,
    /// The instructions that are missing.
    pub missing: Vec<&'static str>,
}

impl Choice {
    /// Every choice.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Portable, Self::ShaNi, Self::Avx512];

    /// The name in configuration and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Portable => "portable",
            Self::ShaNi => "sha-ni",
            Self::Avx512 => "avx512",
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Choice {
    type Err = UnknownChoice;

    fn from_str(name: &str) -> Result<Self, UnknownChoice> {
        let found = Self::ALL.into_iter().find(|choice| choice.name() == name);
        found.ok_or_else(|| UnknownChoice(name.to_owned()))
    }
}

/// Any of the engines.
#[derive(Debug, Clone, Copy)]
pub struct AnyEngine {
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Simd(Simd),
}

/// Session keys in the form of the engine that expanded them. Wiped on drop.
pub struct AnyKeys {
    kind: KeysKind,
}

enum KeysKind {
    Portable(PortableKeys),
    #[cfg(target_arch = "x86_64")]
    Simd(SimdKeys),
}

impl AnyEngine {
    /// The engine of a choice; [`Choice::Auto`] always finds one.
    ///
    /// # Errors
    /// [`Unsupported`] if this processor cannot run it.
    pub fn new(choice: Choice) -> Result<Self, Unsupported> {
        let kind = match choice {
            Choice::Auto => Some(best()),
            Choice::Portable => Some(Kind::Portable),
            Choice::ShaNi | Choice::Avx512 => forced(choice),
        };
        kind.map(|kind| Self { kind }).ok_or_else(|| {
            let level = Level::ALL.into_iter().find(|level| level.name() == choice.name());
            Unsupported { choice, missing: level.map(Level::missing).unwrap_or_default() }
        })
    }

    /// The choice that leads to this very engine.
    #[must_use]
    pub fn choice(&self) -> Choice {
        match self.kind {
            Kind::Portable => Choice::Portable,
            #[cfg(target_arch = "x86_64")]
            Kind::Simd(simd) => match simd.level() {
                Level::ShaNi => Choice::ShaNi,
                Level::Avx512 => Choice::Avx512,
            },
        }
    }

    /// The name in logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.choice().name()
    }
}

/// Jobs under keys of another engine stay as they are, not run.
impl Engine for AnyEngine {
    type Keys = AnyKeys;

    fn expand(&self, master: &MasterKey) -> AnyKeys {
        let kind = match self.kind {
            Kind::Portable => KeysKind::Portable(Portable.expand(master)),
            #[cfg(target_arch = "x86_64")]
            Kind::Simd(simd) => KeysKind::Simd(simd.expand(master)),
        };
        AnyKeys { kind }
    }

    fn run(&self, jobs: &mut [Job<'_, AnyKeys>]) {
        match self.kind {
            Kind::Portable => {
                for job in jobs {
                    if let Some(keys) = job.keys().and_then(AnyKeys::portable) {
                        keys.run(job);
                    }
                }
            }
            #[cfg(target_arch = "x86_64")]
            Kind::Simd(simd) => simd.run_with(jobs),
        }
    }

    #[inline]
    fn prefetch<T>(&self, value: &T) {
        match self.kind {
            Kind::Portable => Portable.prefetch(value),
            #[cfg(target_arch = "x86_64")]
            Kind::Simd(simd) => simd.prefetch(value),
        }
    }
}

impl AnyKeys {
    fn portable(&self) -> Option<&PortableKeys> {
        match &self.kind {
            KeysKind::Portable(keys) => Some(keys),
            #[cfg(target_arch = "x86_64")]
            KeysKind::Simd(_) => None,
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl AsSimdKeys for AnyKeys {
    #[inline]
    fn simd_keys(&self) -> Option<&SimdKeys> {
        match &self.kind {
            KeysKind::Portable(_) => None,
            KeysKind::Simd(keys) => Some(keys),
        }
    }
}

//= tests/spec/srtp.md#key-material
//# Key material MUST be wiped when it is released.
impl ZeroizeOnDrop for AnyKeys {}

#[cfg(target_arch = "x86_64")]
fn best() -> Kind {
    Simd::detect().map_or(Kind::Portable, Kind::Simd)
}

#[cfg(target_arch = "x86_64")]
fn forced(choice: Choice) -> Option<Kind> {
    let level = Level::ALL.into_iter().find(|level| level.name() == choice.name())?;
    Simd::with(level).map(Kind::Simd)
}

#[cfg(not(target_arch = "x86_64"))]
fn best() -> Kind {
    Kind::Portable
}

#[cfg(not(target_arch = "x86_64"))]
fn forced(_choice: Choice) -> Option<Kind> {
    None
}
