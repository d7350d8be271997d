//! Policing: how much may pass a leg in one direction (TS 23.334 §6.2.5, H.248.53, RFC 2216).
//!
//! A bucket is remembered as one moment, the one at which it would be full again: the virtual
//! scheduling of the generic cell rate algorithm. What counts are the octets of the IP packet, as
//! in `b=AS` (RFC 4566 §5.8): header, UDP header and payload.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::spec::Component;

const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);

/// How much may pass: what exceeds either rate is dropped and does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrafficLimit {
    /// The sustainable data rate, in octets of IP packets per second; 0 is without limit.
    pub sustained_octets_per_s: u64,
    /// The maximum burst size at that rate, in octets of IP packets: the depth of the bucket.
    pub burst_octets: u64,
    /// The peak data rate, in octets of IP packets per second; 0 is without limit.
    pub peak_octets_per_s: u64,
    /// How much earlier than the peak rate says a packet may come: the delay variation tolerance.
    pub peak_tolerance: Duration,
}

/// The limits of media and of RTCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrafficLimits {
    /// What RTP may take.
    pub rtp: Option<TrafficLimit>,
    /// What RTCP may take.
    pub rtcp: Option<TrafficLimit>,
}

/// How full the buckets of one limit are.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Meter {
    sustained: Option<Instant>,
    peak: Option<Instant>,
}

/// The meters of media and of RTCP.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    rtp: Meter,
    rtcp: Meter,
}

impl TrafficLimits {
    /// The limit of a component.
    pub(crate) const fn of(&self, component: Component) -> Option<&TrafficLimit> {
        match component {
            Component::Rtp => self.rtp.as_ref(),
            Component::Rtcp => self.rtcp.as_ref(),
        }
    }
}

impl Meters {
    pub(crate) const fn of(&mut self, component: Component) -> &mut Meter {
        match component {
            Component::Rtp => &mut self.rtp,
            Component::Rtcp => &mut self.rtcp,
        }
    }
}

impl Meter {
    /// Charges a packet, if it conforms.
    pub(crate) fn take(&mut self, limit: &TrafficLimit, octets: u64, now: Instant) -> bool {
        let later = |full_at: Option<Instant>| full_at.map_or(now, |full_at| full_at.max(now));
        let TrafficLimit { sustained_octets_per_s, burst_octets, peak_octets_per_s, .. } = *limit;
        let sustained = later(self.sustained) + time_of(octets, sustained_octets_per_s);
        let depth = time_of(burst_octets, sustained_octets_per_s);
        let is_early = later(self.peak).saturating_duration_since(now) > limit.peak_tolerance;
        if sustained.saturating_duration_since(now) > depth || is_early {
            return false;
        }
        self.sustained = Some(sustained);
        self.peak = Some(later(self.peak) + time_of(octets, peak_octets_per_s));
        true
    }

    /// Gives back what a packet was charged that turned out not to be the peer's.
    pub(crate) fn give_back(&mut self, limit: &TrafficLimit, octets: u64) {
        for (full_at, rate) in [
            (&mut self.sustained, limit.sustained_octets_per_s),
            (&mut self.peak, limit.peak_octets_per_s),
        ] {
            *full_at = full_at.and_then(|at| at.checked_sub(time_of(octets, rate)));
        }
    }
}

/// The octets of the IP packet that carries a payload from or to an address.
pub(crate) const fn ip_octets(payload: usize, address: SocketAddr) -> u64 {
    let headers = if address.is_ipv4() { 20 + 8 } else { 40 + 8 };
    payload as u64 + headers
}

/// How long octets take at a rate; no time at all without one.
fn time_of(octets: u64, octets_per_s: u64) -> Duration {
    let nanoseconds = u128::from(octets) * 1_000_000_000;
    let taken = nanoseconds.checked_div(octets_per_s.into()).unwrap_or(0);
    // A century is as good as any longer time, and fits every clock.
    Duration::from_nanos(u64::try_from(taken).unwrap_or(u64::MAX)).min(CENTURY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::epoch;

    const SUSTAINED: TrafficLimit = TrafficLimit {
        sustained_octets_per_s: 1_000,
        burst_octets: 500,
        peak_octets_per_s: 0,
        peak_tolerance: Duration::ZERO,
    };
    const PEAK: TrafficLimit = TrafficLimit {
        sustained_octets_per_s: 0,
        burst_octets: 0,
        peak_octets_per_s: 1_000,
        peak_tolerance: Duration::from_millis(150),
    };

    /// Whether packets of 100 octets conform that come at these milliseconds.
    fn conform(limit: &TrafficLimit, at: &[u64]) -> Vec<bool> {
        let (mut meter, start) = (Meter::default(), epoch());
        at.iter().map(|&ms| meter.take(limit, 100, start + Duration::from_millis(ms))).collect()
    }

    //= tests/spec/relay.md#policing
    //= type=test
    //# What exceeds the sustainable data rate by more than the maximum burst size MUST be
    //# discarded.
    #[test]
    fn a_burst_passes_and_then_the_sustainable_rate_holds() {
        let passed = conform(&SUSTAINED, &[0, 0, 0, 0, 0, 0, 99, 100, 100, 10_000]);
        let expected = [true, true, true, true, true, false, false, true, false, true];
        assert_eq!(passed, expected);
    }

    //= tests/spec/relay.md#policing
    //= type=test
    //# What comes earlier than the peak data rate and the delay variation tolerance allow MUST be
    //# discarded.
    #[test]
    fn a_packet_may_come_as_early_as_the_tolerance_says_and_no_earlier() {
        // One is due every 100 ms; 150 ms early is just in time.
        assert_eq!(
            conform(&PEAK, &[0, 0, 49, 50, 149, 150]),
            [true, true, false, true, false, true]
        );
        let strict = TrafficLimit { peak_tolerance: Duration::ZERO, ..PEAK };
        assert_eq!(conform(&strict, &[0, 99, 100]), [true, false, true]);
    }

    #[test]
    fn what_does_not_conform_to_one_rate_is_not_charged_to_the_other() {
        let both = TrafficLimit { peak_octets_per_s: 10_000, ..SUSTAINED };
        // Every 10 ms at most; those between leave the bucket as it was.
        let passed = conform(&both, &[0, 5, 10, 15, 20, 30, 40]);
        assert_eq!(passed, [true, false, true, false, true, true, true]);
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let (mut meter, now) = (Meter::default(), epoch() + Duration::from_secs(10));
        assert!(meter.take(&SUSTAINED, 500, now));
        assert!(!meter.take(&SUSTAINED, 1, now));
        meter.give_back(&SUSTAINED, 500);
        assert!(meter.take(&SUSTAINED, 500, now));
    }

    #[test]
    fn no_number_is_too_large() {
        let (mut meter, now) = (Meter::default(), epoch());
        let most = TrafficLimit { sustained_octets_per_s: 1, burst_octets: u64::MAX, ..PEAK };
        for _ in 0..10 {
            let _either_way = meter.take(&most, u64::MAX, now);
        }
        assert_eq!(time_of(u64::MAX, 1), CENTURY);
        assert_eq!(ip_octets(172, "192.0.2.1:1".parse().unwrap()), 200);
        assert_eq!(ip_octets(172, "[::1]:1".parse().unwrap()), 220);
    }
}
