//! What a peer's reports say, in units that need no codec, and what a listener would think of it.

use std::time::Instant;

use agw_relay::QualitySnapshot;

use super::milliseconds;
use crate::pb;

/// Impairment of a speech codec without loss, and its robustness against loss: G.711 with packet
/// loss concealment (ITU-T G.113 table I.4). The gateway does not know the codec.
const CODEC: (f64, f64) = (0.0, 25.1);
/// What an ideal narrow-band call is rated (ITU-T G.107 clause 7.7, all defaults).
const BEST_RATING: f64 = 93.2;

pub(super) fn quality(snapshot: &QualitySnapshot, now: Instant) -> pb::Quality {
    let QualitySnapshot { reports, fraction_lost, lost, jitter, clock, round_trip, reported } =
        *snapshot;
    let loss_percent = f64::from(fraction_lost) * 100.0 / 256.0;
    let jitter_time = clock.map(|clock| f64::from(jitter) * 1_000.0 / f64::from(clock.max(1)));
    let round_trip_ms = round_trip.map(|time| time.as_secs_f64() * 1_000.0);
    // One way is half of the way there and back; a receiver holds packets back for twice their
    // jitter.
    let delay = round_trip_ms.unwrap_or_default() / 2.0 + 2.0 * jitter_time.unwrap_or_default();
    pb::Quality {
        reports,
        loss_percent,
        lost,
        jitter,
        clock_hz: clock.unwrap_or_default(),
        jitter_ms: jitter_time,
        round_trip_ms,
        mos: opinion(rating(loss_percent, delay)),
        reported_ago_ms: milliseconds(now.saturating_duration_since(reported)),
    }
}

/// The rating R of the E-model: 0 to 100 (ITU-T G.107), for loss in per cent and delay in
/// milliseconds.
fn rating(loss_percent: f64, delay: f64) -> f64 {
    let (impairment, robustness) = CODEC;
    let late = (delay - 177.3).max(0.0);
    let delay_impairment = 0.024 * delay + 0.11 * late;
    let equipment = impairment + (95.0 - impairment) * loss_percent / (loss_percent + robustness);
    BEST_RATING - delay_impairment - equipment
}

/// The mean opinion score of a rating: 1 to 4.5 (ITU-T G.107 annex B).
fn opinion(rating: f64) -> f64 {
    let rating = rating.clamp(0.0, 100.0);
    let score = 1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6;
    score.max(1.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn seen(fraction_lost: u8, round_trip: u64) -> pb::Quality {
        let now = Instant::now();
        let snapshot = QualitySnapshot {
            reports: 3,
            fraction_lost,
            lost: -1,
            jitter: 160,
            clock: Some(8_000),
            round_trip: Some(Duration::from_millis(round_trip)),
            reported: now,
        };
        quality(&snapshot, now + Duration::from_millis(1_500))
    }

    #[test]
    fn jitter_is_told_as_time_where_the_clock_is_known() {
        let quality = seen(64, 40);
        assert!((quality.loss_percent - 25.0).abs() < f64::EPSILON);
        assert_eq!((quality.jitter, quality.jitter_ms), (160, Some(20.0)));
        assert_eq!((quality.round_trip_ms, quality.reported_ago_ms), (Some(40.0), 1_500));
        assert_eq!(quality.lost, -1);
    }

    /// Ratings and scores of ITU-T G.107 annex B, table B.1.
    #[test]
    fn scores_are_those_of_the_e_model() {
        for (rating, score) in
            [(90.0, 4.34), (80.0, 4.03), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58)]
        {
            assert!((opinion(rating) - score).abs() < 0.01, "{rating}: {}", opinion(rating));
        }
        assert!((opinion(-10.0) - 1.0).abs() < f64::EPSILON);
        assert!((opinion(120.0) - 4.5).abs() < f64::EPSILON);
    }

    #[test]
    fn loss_and_delay_make_it_worse() {
        let (good, lossy, late) = (seen(0, 20), seen(13, 20), seen(0, 600));
        assert!(good.mos > 4.3, "{}", good.mos);
        assert!(lossy.mos < 3.9 && late.mos < 4.0, "{} {}", lossy.mos, late.mos);
    }
}
