//! Legs under attack, or deaf: how often tags fail and packets come again, by the second, and for
//! how long nothing else has come.
//!
//! There is room for a fixed number of them at a time, so that the many legs that nobody attacks
//! pay nothing. A leg has several places to choose from. One that finds all of them taken by others
//! that are under attack is not limited then, and nothing is told of it: each of its packets costs
//! one MAC, as ever.

use std::time::{Duration, Instant};

use crate::spec::IngressId;

/// Legs that can be watched at a time.
const PLACES: usize = 1_024;
/// Places that a leg can choose from.
const CHOICE: usize = 16;
const WINDOW: Duration = Duration::from_secs(1);
/// Failures of a leg within a second after which strangers are sampled.
const FAILURES: u32 = 500;
/// One of so many is tried beyond that.
const SAMPLE: u32 = 16;
/// Failures, and replays, of a leg within a second of which control is told.
const TOLD: u32 = 50;
/// A leg is deaf on which every packet has failed for so long ...
const DEAF_AFTER: Duration = Duration::from_secs(2);
/// ... and not less than this many.
const DEAF_PACKETS: u32 = 10;
/// A leg that is deaf again is told again, at most so often.
const DEAF_TOLD_EVERY: Duration = Duration::from_secs(60);
/// A place is free again after so long without failures and replays.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(10);

/// One leg within one second.
#[derive(Debug, Clone, Copy)]
struct Suspect {
    ingress: IngressId,
    since: Instant,
    failures: u32,
    replays: u32,
    passed_over: u32,
    /// Its last failure or replay.
    last: Instant,
    deafness: Deafness,
}

/// Failures without anything right in between.
#[derive(Debug, Clone, Copy, Default)]
struct Deafness {
    since: Option<Instant>,
    packets: u32,
    is_told: bool,
    told: Option<Instant>,
}

/// What control is to know of tags that fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failing {
    /// Tags that have failed: within this second, or without anything right in between.
    pub(crate) packets: u32,
    /// For how long nothing was right, if that is what is told.
    pub(crate) deaf: Option<Duration>,
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

    /// Counts a tag that failed, of a leg that accepted a packet last at `accepted`; tells what
    /// control is to know.
    pub(crate) fn failed(
        &mut self,
        ingress: IngressId,
        accepted: Option<Instant>,
        now: Instant,
    ) -> Option<Failing> {
        let suspect = self.place(ingress, now)?;
        suspect.failures += 1;
        let failures = suspect.failures;
        let deaf = suspect.deafness.failed(accepted, now);
        if failures >= FAILURES {
            self.alert_until = Some(now + WINDOW);
        }
        deaf.or((failures == TOLD).then_some(Failing { packets: failures, deaf: None }))
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
        let is_over = |it: &&mut Suspect| it.is_current(now) && it.failures >= FAILURES;
        let Some(suspect) = self.find(ingress).filter(is_over) else {
            return true;
        };
        // Who borrows the peer's address cannot be told from the peer: all of that is tried.
        if is_peers {
            return true;
        }
        suspect.passed_over = suspect.passed_over.wrapping_add(1);
        suspect.passed_over % SAMPLE == 0
    }

    /// The places that a leg can choose from.
    fn choice(&mut self, ingress: IngressId) -> &mut [Option<Suspect>] {
        // Neighbours share them: of a call of many streams all may be attacked.
        let first = ingress.0 as usize / CHOICE % (PLACES / CHOICE) * CHOICE;
        self.places.get_mut(first..first + CHOICE).unwrap_or_default()
    }

    /// What is remembered of a leg.
    fn find(&mut self, ingress: IngressId) -> Option<&mut Suspect> {
        self.choice(ingress).iter_mut().flatten().find(|suspect| suspect.ingress == ingress)
    }

    /// As [`Self::find`] for this second, and takes a place if one is free.
    fn place(&mut self, ingress: IngressId, now: Instant) -> Option<&mut Suspect> {
        let choice = self.choice(ingress);
        let is_its = |place: &Option<Suspect>| place.is_some_and(|it| it.ingress == ingress);
        let is_free = |place: &Option<Suspect>| place.is_none_or(|it| it.is_forgotten(now));
        let own = choice.iter().position(is_its);
        let position = own.or_else(|| choice.iter().position(is_free))?;
        let place = choice.get_mut(position)?;
        if place.is_none_or(|it| it.ingress != ingress || it.is_forgotten(now)) {
            *place = Some(Suspect::new(ingress, now));
        }
        let suspect = place.as_mut()?;
        if !suspect.is_current(now) {
            *suspect = Suspect { deafness: suspect.deafness, ..Suspect::new(ingress, now) };
        }
        suspect.last = now;
        Some(suspect)
    }
}

impl Suspect {
    fn new(ingress: IngressId, now: Instant) -> Self {
        let deafness = Deafness::default();
        Self { ingress, since: now, failures: 0, replays: 0, passed_over: 0, last: now, deafness }
    }

    fn is_current(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < WINDOW
    }

    fn is_forgotten(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) >= FORGOTTEN_AFTER
    }
}

impl Deafness {
    //= tests/spec/relay.md#memory
    //# A leg on which every packet has failed its tag for some seconds MUST be told.
    /// Counts a failure; tells when nothing else has come for long.
    fn failed(&mut self, accepted: Option<Instant>, now: Instant) -> Option<Failing> {
        let since = match self.since {
            Some(since) if accepted.is_none_or(|accepted| accepted < since) => since,
            Some(_) | None => {
                *self = Self { since: Some(now), told: self.told, ..Self::default() };
                now
            }
        };
        self.packets = self.packets.saturating_add(1);
        let lasts = now.saturating_duration_since(since);
        let is_due =
            self.told.is_none_or(|told| now.saturating_duration_since(told) >= DEAF_TOLD_EVERY);
        if self.is_told || !is_due || lasts < DEAF_AFTER || self.packets < DEAF_PACKETS {
            return None;
        }
        (self.is_told, self.told) = (true, Some(now));
        Some(Failing { packets: self.packets, deaf: Some(lasts) })
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
            let _ = suspects.failed(LEG, Some(now), now);
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
        let _ = suspects.failed(LEG, Some(now), now);
        assert!(suspects.is_alert(now) && !suspects.is_alert(now + WINDOW));
        assert!((0..100).all(|_| suspects.admits(LEG, false, now + WINDOW)));
    }

    #[test]
    fn control_is_told_once_a_second_of_failures_and_of_replays() {
        let now = epoch();
        let mut suspects = Suspects::new();
        let failed: Vec<_> =
            (0..200).filter_map(|_| suspects.failed(LEG, Some(now), now)).collect();
        let replayed: Vec<_> = (0..200).filter_map(|_| suspects.replayed(LEG, now)).collect();
        assert_eq!((failed, replayed), (vec![Failing { packets: TOLD, deaf: None }], vec![TOLD]));
        let later = now + WINDOW;
        assert_eq!((0..TOLD).filter_map(|_| suspects.failed(LEG, Some(later), later)).count(), 1);
    }

    #[test]
    fn as_many_legs_as_there_are_places_are_told_and_one_more_when_a_place_is_free() {
        let now = epoch();
        let mut suspects = Suspects::new();
        for leg in (0..PLACES as u32).map(IngressId) {
            let told = (0..TOLD).filter_map(|_| suspects.failed(leg, Some(now), now)).count();
            assert_eq!(told, 1, "{leg:?}");
        }
        let twin = IngressId(PLACES as u32);
        assert!((0..TOLD).all(|_| suspects.failed(twin, Some(now), now).is_none()));
        assert!(suspects.admits(twin, false, now));
        let later = now + FORGOTTEN_AFTER;
        let told = (0..TOLD).filter_map(|_| suspects.failed(twin, Some(later), later)).count();
        assert_eq!(told, 1);
    }

    //= tests/spec/relay.md#memory
    //= type=test
    //# A leg on which every packet has failed its tag for some seconds MUST be told.
    #[test]
    fn a_leg_is_deaf_when_nothing_but_failures_came_for_two_seconds_and_told_once() {
        let start = epoch();
        let mut suspects = Suspects::new();
        let mut run = |accepted: Option<u64>, times: std::ops::Range<u64>| -> Vec<_> {
            let at = |tenths| start + Duration::from_millis(100 * tenths);
            times
                .filter_map(|time| suspects.failed(LEG, accepted.map(at), at(time)))
                .map(|told| (told.packets, told.deaf.map(|deaf| deaf.as_millis())))
                .collect()
        };
        assert_eq!(run(Some(0), 1..100), [(21, Some(2_000))]);
        // It has recovered, and is deaf again before it may be told again.
        assert_eq!(run(Some(100), 101..200), []);
        assert_eq!(run(Some(100), 200..700), [(521, Some(52_000))]);
        // What is accepted now and then is not deaf.
        for second in (1_000..2_000).step_by(10) {
            assert_eq!(run(Some(second), second..second + 10), []);
        }
    }

    #[test]
    fn a_few_failures_far_apart_are_no_deafness() {
        let start = epoch();
        let mut suspects = Suspects::new();
        let seconds = |seconds| start + Duration::from_secs(seconds);
        assert!((0..9).all(|at| suspects.failed(LEG, None, seconds(at)).is_none()));
        assert!(suspects.failed(LEG, None, seconds(9)).is_some());
        assert!((3..30).all(|at| suspects.failed(IngressId(8), None, seconds(11 * at)).is_none()));
    }
}
