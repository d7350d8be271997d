//! The engine that opens and seals packets, by name.

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};

use agw_simd::Choice;

/// An engine's name: `auto`, `portable`, `sha-ni` or `avx512`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Engine(pub Choice);

impl Serialize for Engine {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Engine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map(Self).map_err(D::Error::custom)
    }
}
