//! When a stream is inactive.

use std::ops::RangeInclusive;
use std::time::Duration;

use agw_relay::{ActiveDirection, Inactivity};

use crate::invalid::InvalidRequest;
use crate::pb;

/// How long nothing may have happened, in milliseconds: up to a day.
pub(crate) const INACTIVITY_MS: RangeInclusive<u32> = 100..=86_400_000;

/// Reads a detection; `None` if it is empty.
pub(crate) fn inactivity(given: &pb::Inactivity) -> Result<Option<Inactivity>, InvalidRequest> {
    let pb::Inactivity { time_ms, direction, media_only } = *given;
    if *given == pb::Inactivity::default() {
        return Ok(None);
    }
    if !INACTIVITY_MS.contains(&time_ms) {
        return Err(InvalidRequest::value("time_ms", "is 100 to 86400000"));
    }
    let direction = match pb::InactiveDirection::try_from(direction) {
        Ok(pb::InactiveDirection::Unspecified | pb::InactiveDirection::Both) => {
            ActiveDirection::Either
        }
        Ok(pb::InactiveDirection::Ingress) => ActiveDirection::Ingress,
        Ok(pb::InactiveDirection::Egress) => ActiveDirection::Egress,
        Err(_) => return Err(InvalidRequest::unknown("direction", direction)),
    };
    Ok(Some(Inactivity { direction, after: Duration::from_millis(time_ms.into()), media_only }))
}
