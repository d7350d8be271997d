//! From what the gateway tells of itself to wire messages.

pub(crate) mod audit;
pub(crate) mod capabilities;
pub(crate) mod event;
pub(crate) mod group;
mod key_info;
mod key_use;
mod quality;
pub(crate) mod statistics;

use std::time::{Duration, SystemTime};

use agw_context::Direction;
use agw_relay::ActiveDirection;
use prost_types::Timestamp;

use crate::pb;

pub(crate) fn inactive_direction(direction: ActiveDirection) -> i32 {
    match direction {
        ActiveDirection::Ingress => pb::InactiveDirection::Ingress.into(),
        ActiveDirection::Egress => pb::InactiveDirection::Egress.into(),
        ActiveDirection::Either => pb::InactiveDirection::Both.into(),
    }
}

pub(crate) fn direction(direction: Direction) -> i32 {
    match direction {
        Direction::Ingress => pb::Direction::Ingress.into(),
        Direction::Egress => pb::Direction::Egress.into(),
    }
}

pub(crate) fn timestamp(at: SystemTime) -> Timestamp {
    at.into()
}

/// Whole milliseconds.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A count as the wire has it.
pub(crate) fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// A small count as the wire has it.
pub(crate) fn small_count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
