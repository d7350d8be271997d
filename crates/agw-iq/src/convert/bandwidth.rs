//! How much may pass, and when RTCP does.

use std::time::Duration;

use agw_context::RtcpGate;
use agw_relay::TrafficLimit;

use crate::invalid::InvalidRequest;
use crate::pb;

/// The longest delay variation tolerance, in microseconds.
pub(crate) const MAX_TOLERANCE_US: u32 = 60_000_000;

/// Reads a limit; `None` if it is empty. Rules between its fields are the gateway's.
pub(super) fn traffic_limit(
    limit: &pb::TrafficLimit,
) -> Result<Option<TrafficLimit>, InvalidRequest> {
    let pb::TrafficLimit {
        sustained_octets_per_s,
        burst_octets,
        peak_octets_per_s,
        peak_tolerance_us,
    } = *limit;
    if *limit == pb::TrafficLimit::default() {
        return Ok(None);
    }
    if peak_tolerance_us > MAX_TOLERANCE_US {
        return Err(InvalidRequest::value("peak_tolerance_us", "is 0 to 60000000"));
    }
    Ok(Some(TrafficLimit {
        sustained_octets_per_s,
        burst_octets,
        peak_octets_per_s,
        peak_tolerance: Duration::from_micros(peak_tolerance_us.into()),
    }))
}

/// Reads a rule of RTCP; `None` if there is none.
pub(super) fn rtcp_gate(gate: i32) -> Result<Option<RtcpGate>, InvalidRequest> {
    match pb::RtcpGate::try_from(gate) {
        Ok(pb::RtcpGate::Unspecified) => Ok(None),
        Ok(pb::RtcpGate::UnlessInactive) => Ok(Some(RtcpGate::UnlessInactive)),
        Ok(pb::RtcpGate::WithMedia) => Ok(Some(RtcpGate::WithMedia)),
        Ok(pb::RtcpGate::Open) => Ok(Some(RtcpGate::Open)),
        Ok(pb::RtcpGate::Closed) => Ok(Some(RtcpGate::Closed)),
        Err(_) => Err(InvalidRequest::unknown("rtcp_gate", gate)),
    }
}
