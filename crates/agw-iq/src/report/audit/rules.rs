//! Rules of a stream.

use agw_context::RtcpGate;
use agw_relay::Inactivity;

use crate::pb;

pub(super) fn told_inactivity(rule: Inactivity) -> pb::Inactivity {
    pb::Inactivity {
        time_ms: u32::try_from(rule.after.as_millis()).unwrap_or(u32::MAX),
        direction: crate::report::inactive_direction(rule.direction),
        media_only: rule.media_only,
    }
}

pub(super) fn rtcp_gate(gate: RtcpGate) -> pb::RtcpGate {
    match gate {
        RtcpGate::UnlessInactive => pb::RtcpGate::UnlessInactive,
        RtcpGate::WithMedia => pb::RtcpGate::WithMedia,
        RtcpGate::Open => pb::RtcpGate::Open,
        RtcpGate::Closed => pb::RtcpGate::Closed,
    }
}
