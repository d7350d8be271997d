//! A range of ports.

use std::fmt;
use std::ops::RangeInclusive;

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};

/// Media ports, written `LOW-HIGH`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    /// The lowest port.
    pub low: u16,
    /// The highest port.
    pub high: u16,
}

impl PortRange {
    /// All ports of the range.
    #[must_use]
    pub const fn all(self) -> RangeInclusive<u16> {
        self.low..=self.high
    }

    /// Whether the ranges have a port in common.
    #[must_use]
    pub const fn overlaps(self, other: Self) -> bool {
        self.low <= other.high && other.low <= self.high
    }

    /// Pairs of an even port and the odd one after it, both in the range (RFC 3550 §11).
    #[must_use]
    pub fn pairs(self) -> usize {
        let low = usize::from(self.low).next_multiple_of(2).max(2);
        (usize::from(self.high) + 1).saturating_sub(low) / 2
    }

    fn parse(text: &str) -> Option<Self> {
        let (low, high) = text.split_once('-')?;
        Some(Self { low: low.trim().parse().ok()?, high: high.trim().parse().ok()? })
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.low, self.high)
    }
}

impl Serialize for PortRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PortRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            D::Error::custom(format!("{text:?} is not LOW-HIGH, as in \"40000-44999\""))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_counts_the_pairs_that_lie_inside() {
        let table =
            [((4000, 4001), 1), ((4001, 4002), 0), ((4001, 4010), 4), ((65_534, 65_535), 1)];
        for ((low, high), pairs) in table {
            assert_eq!(PortRange { low, high }.pairs(), pairs, "{low}-{high}");
        }
    }

    #[test]
    fn what_is_not_two_ports_is_no_range() {
        for text in ["", "4000", "4000-", "-4000", "4000-70000", "a-b"] {
            assert_eq!(PortRange::parse(text), None, "{text:?}");
        }
    }
}
