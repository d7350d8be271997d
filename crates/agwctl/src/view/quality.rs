//! How a peer hears what it is sent.

use std::fmt;

use agw_iq::pb;
use serde::Serialize;

/// A peer's RTCP reports in a few figures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct QualityView {
    reports: u64,
    pub(crate) loss_percent: f64,
    lost: i32,
    jitter: u32,
    clock_hz: Option<u32>,
    jitter_ms: Option<f64>,
    round_trip_ms: Option<f64>,
    mos: f64,
    reported_ago_ms: u64,
}

impl From<&pb::Quality> for QualityView {
    fn from(quality: &pb::Quality) -> Self {
        Self {
            reports: quality.reports,
            loss_percent: quality.loss_percent,
            lost: quality.lost,
            jitter: quality.jitter,
            clock_hz: super::number(quality.clock_hz),
            jitter_ms: quality.jitter_ms,
            round_trip_ms: quality.round_trip_ms,
            mos: quality.mos,
            reported_ago_ms: quality.reported_ago_ms,
        }
    }
}

impl fmt::Display for QualityView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the peer hears: loss {:.1} %", self.loss_percent)?;
        if let Some(jitter) = self.jitter_ms {
            write!(f, ", jitter {jitter:.1} ms")?;
        }
        if let Some(round_trip) = self.round_trip_ms {
            write!(f, ", round trip {round_trip:.1} ms")?;
        }
        write!(f, ", MOS about {:.1}; {} reports", self.mos, self.reports)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_not_said() {
        let heard = pb::Quality { reports: 2, loss_percent: 1.25, mos: 4.11, ..Default::default() };
        let line = QualityView::from(&heard).to_string();
        assert_eq!(line, "the peer hears: loss 1.2 %, MOS about 4.1; 2 reports");
        let more = pb::Quality { jitter_ms: Some(3.0), round_trip_ms: Some(41.26), ..heard };
        let line = QualityView::from(&more).to_string();
        assert!(line.contains("jitter 3.0 ms, round trip 41.3 ms"), "{line}");
    }
}
