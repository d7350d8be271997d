//! Counters to recognise.

use super::*;

/// Snapshots of a leg that saw nothing.
pub(crate) fn snapshots() -> (IngressSnapshot, EgressSnapshot) {
    let ingress = IngressSnapshot {
        stats: Default::default(),
        crypto: None,
        learnt_rtp: None,
        learnt_rtcp: None,
        last_accepted: None,
        waiting: 2,
        latch: LatchSnapshot::Off,
    };
    let egress = EgressSnapshot {
        stats: Default::default(),
        crypto: None,
        destination_rtp: None,
        refusals: agw_relay::Refusals::default(),
        copies_dropped: agw_relay::Drops::default(),
        destination_rtcp: None,
        rewrite: None,
        group: None,
        quality: None,
    };
    (ingress, egress)
}

/// A status with counters to recognise.
pub(crate) fn status(totals: WorkerTotals) -> GatewayStatus {
    GatewayStatus {
        version: "0.1.0".to_owned(),
        engine: "avx512".to_owned(),
        started: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        uptime: Duration::from_millis(61_500),
        contexts: 3,
        orphans: 1,
        workers: vec![WorkerTotals::default(), totals.clone()],
        totals,
    }
}
