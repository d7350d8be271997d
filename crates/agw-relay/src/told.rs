//! How often control is told of what one leg repeats.
//!
//! Few legs ever have anything to tell, so they share a fixed number of places: two noisy legs of
//! one place keep each other's reports back at worst, and counters and snapshots have it all.

use std::time::{Duration, Instant};

use crate::limiter::{Limiter, Rate};
use crate::report::Half;
use crate::spec::{EgressId, IngressId};

const PLACES: usize = 256;

/// Further moves of the peer's address are told at most so often, so that a peer that moves with
/// every packet does not push the events of others out of control's log.
const MOVES: Rate = Rate { interval: Duration::from_secs(1), burst: 8 };

/// A reused index is told at most once in this time for one egress.
const REUSES: Rate = Rate { interval: Duration::from_secs(1), burst: 1 };

/// Refused sources are told at most once in this time for one half of a leg.
const REFUSED_SOURCES: Rate = Rate { interval: Duration::from_secs(1), burst: 1 };

/// What control has been told lately.
#[derive(Debug)]
pub(crate) struct Told {
    moves: Box<[Limiter]>,
    reuses: Box<[Limiter]>,
    sources: Box<[Limiter]>,
}

impl Told {
    pub(crate) fn new() -> Self {
        let places = || vec![Limiter::default(); PLACES].into_boxed_slice();
        Self { moves: places(), reuses: places(), sources: places() }
    }

    /// Whether control is told of a further move now.
    pub(crate) fn tells_move(&mut self, ingress: IngressId, now: Instant) -> bool {
        self.moves.get_mut(ingress.0 as usize % PLACES).is_some_and(|place| place.take(MOVES, now))
    }

    /// Whether control is told of a reused index now.
    pub(crate) fn tells_reuse(&mut self, egress: EgressId, now: Instant) -> bool {
        self.reuses.get_mut(egress.0 as usize % PLACES).is_some_and(|place| place.take(REUSES, now))
    }

    /// Whether control is told now that half of a leg refuses sources.
    pub(crate) fn tells_sources(&mut self, half: Half, now: Instant) -> bool {
        let number = match half {
            Half::Ingress(IngressId(number)) => 2 * number as usize,
            Half::Egress(EgressId(number)) => 2 * number as usize + 1,
        };
        self.sources.get_mut(number % PLACES).is_some_and(|place| place.take(REFUSED_SOURCES, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::epoch;

    #[test]
    fn each_leg_is_told_of_at_its_rate() {
        let (mut told, now) = (Told::new(), epoch());
        let moves = (0..20).filter(|_| told.tells_move(IngressId(1), now)).count();
        let reuses = (0..20).filter(|_| told.tells_reuse(EgressId(1), now)).count();
        assert_eq!((moves, reuses), (8, 1));
        let halves = [Half::Ingress(IngressId(1)), Half::Egress(EgressId(1))];
        for half in halves {
            assert_eq!((0..20).filter(|_| told.tells_sources(half, now)).count(), 1, "{half:?}");
        }
        assert!(told.tells_move(IngressId(2), now) && told.tells_reuse(EgressId(2), now));
        let later = now + Duration::from_secs(1);
        assert!(told.tells_move(IngressId(1), later) && told.tells_reuse(EgressId(1), later));
    }
}
