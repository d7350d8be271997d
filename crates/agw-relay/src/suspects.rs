//! Legs that are under attack: how often tags fail and packets come again, by the second.
//!
//! There is room for a fixed number of them at a time, so that the many legs that nobody attacks
//! pay nothing. A leg that finds its place taken by another one under attack is not limited then:
//! each of its packets costs one MAC, as ever.

use std::time::{Duration, Instant};

use crate::spec::IngressId;

/// Legs that can be watched at a time.
const PLACES: usize = 256;
const WINDOW: Duration = Duration::from_secs(1);
/// Failures of a leg within a second after which strangers are sampled.
const FAILURES: u32 = 500;
/// One of so many is tried beyond that.
const SAMPLE: u32 = 16;
/// Failures, and replays, of a leg within a second of which control is told.
const TOLD: u32 = 50;

/// One leg within one second.
#[derive(Debug, Clone, Copy)]
struct Suspect {
    ingress: IngressId,
    since: Instant,
    failures: u32,
    replays: u32,
    passed_over: u32,
}

/// The legs under attack.
#[derive(Debug)]
pub(crate) struct Suspects {
    places: Box<[Option<Suspect>]>,
    /// Until when some leg may be over its limit; what every packet looks at.
    alert_until: Option<Instant>,
}

impl Suspects {
    pub(crate) fn new() -> Self {
        Self { places: vec![None; PLACES].into_boxed_slice(), alert_until: None }
    }

    /// Counts a tag that failed; tells how many did in this second when control is to know.
    pub(crate) fn failed(&mut self, ingress: IngressId, now: Instant) -> Option<u32> {
        let suspect = self.place(ingress, now)?;
        suspect.failures += 1;
        let failures = suspect.failures;
        if failures >= FAILURES {
            self.alert_until = Some(now + WINDOW);
        }
        (failures == TOLD).then_some(failures)
    }

    /// Counts a replay; tells how many came in this second when control is to know.
    pub(crate) fn replayed(&mut self, ingress: IngressId, now: Instant) -> Option<u32> {
        let suspect = self.place(ingress, now)?;
        suspect.replays += 1;
        (suspect.replays == TOLD).then_some(suspect.replays)
    }

    /// Whether any leg is over its limit.
    #[inline]
    pub(crate) fn is_alert(&self, now: Instant) -> bool {
        self.alert_until.is_some_and(|until| now < until)
    }

    //= tests/spec/relay.md#memory
    //# Failed tags of a leg MUST be limited, and what the peer sends MUST be tried nevertheless.
    /// Whether a packet is worth a MAC, after all that failed on its leg.
    #[cold]
    pub(crate) fn admits(&mut self, ingress: IngressId, is_peers: bool, now: Instant) -> bool {
        let Some(suspect) = self.find(ingress, now).filter(|it| it.failures >= FAILURES) else {
            return true;
        };
        // Who borrows the peer's address cannot be told from the peer: all of that is tried.
        if is_peers {
            return true;
        }
        suspect.passed_over = suspect.passed_over.wrapping_add(1);
        suspect.passed_over % SAMPLE == 0
    }

    /// The leg in this second.
    fn find(&mut self, ingress: IngressId, now: Instant) -> Option<&mut Suspect> {
        let suspect = self.places.get_mut(ingress.0 as usize % PLACES)?.as_mut()?;
        (suspect.ingress == ingress && suspect.is_current(now)).then_some(suspect)
    }

    /// As [`Self::find`], and takes the place if it is free.
    fn place(&mut self, ingress: IngressId, now: Instant) -> Option<&mut Suspect> {
        let place = self.places.get_mut(ingress.0 as usize % PLACES)?;
        let is_new = place.is_none_or(|suspect| !suspect.is_current(now));
        if is_new {
            let fresh = Suspect { ingress, since: now, failures: 0, replays: 0, passed_over: 0 };
            *place = Some(fresh);
        }
        place.as_mut().filter(|suspect| suspect.ingress == ingress)
    }
}

impl Suspect {
    fn is_current(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < WINDOW
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::epoch;

    const LEG: IngressId = IngressId(7);

    fn attacked(failures: u32, now: Instant) -> Suspects {
        let mut suspects = Suspects::new();
        for _ in 0..failures {
            let _ = suspects.failed(LEG, now);
        }
        suspects
    }

    //= tests/spec/relay.md#memory
    //= type=test
    //# Failed tags of a leg MUST be limited, and what the peer sends MUST be tried nevertheless.
    #[test]
    fn strangers_are_sampled_once_too_many_tags_failed_and_the_peer_is_not() {
        let now = epoch();
        let mut suspects = attacked(FAILURES, now);
        assert!(suspects.is_alert(now));
        let mut tried =
            |is_peers, count| (0..count).filter(|_| suspects.admits(LEG, is_peers, now)).count();
        assert_eq!(tried(false, 1_600), 100);
        assert_eq!(tried(true, 10_000), 10_000);
        assert!(suspects.admits(IngressId(8), false, now), "another leg is not concerned");
    }

    #[test]
    fn a_leg_is_limited_within_its_second_only() {
        let now = epoch();
        let mut suspects = attacked(FAILURES - 1, now);
        assert!(!suspects.is_alert(now));
        let _ = suspects.failed(LEG, now);
        assert!(suspects.is_alert(now) && !suspects.is_alert(now + WINDOW));
        assert!((0..100).all(|_| suspects.admits(LEG, false, now + WINDOW)));
    }

    #[test]
    fn control_is_told_once_a_second_of_failures_and_of_replays() {
        let now = epoch();
        let mut suspects = Suspects::new();
        let failed: Vec<_> = (0..200).filter_map(|_| suspects.failed(LEG, now)).collect();
        let replayed: Vec<_> = (0..200).filter_map(|_| suspects.replayed(LEG, now)).collect();
        assert_eq!((failed, replayed), (vec![TOLD], vec![TOLD]));
        let later = now + WINDOW;
        assert_eq!((0..TOLD).filter_map(|_| suspects.failed(LEG, later)).count(), 1);
    }

    #[test]
    fn a_place_that_is_taken_is_free_again_after_its_second() {
        let now = epoch();
        let mut suspects = attacked(FAILURES, now);
        let twin = IngressId(LEG.0 + PLACES as u32);
        assert!((0..TOLD).all(|_| suspects.failed(twin, now).is_none()));
        assert!(suspects.admits(twin, false, now));
        let later = now + WINDOW;
        assert_eq!((0..TOLD).filter_map(|_| suspects.failed(twin, later)).count(), 1);
    }
}
