//! One engine call for many packets.

use agw_srtp::{CryptoFailure, Engine, Job};
use arrayvec::ArrayVec;

use crate::batch::MAX_BATCH;

/// What the engine said to the packet at one place in the batch.
pub(crate) struct Outcome {
    pub(crate) place: usize,
    pub(crate) result: Result<usize, CryptoFailure>,
}

/// The jobs of one engine call and the places in the batch that they are for.
pub(crate) struct Round<'a, K> {
    jobs: ArrayVec<Job<'a, K>, MAX_BATCH>,
    places: ArrayVec<usize, MAX_BATCH>,
}

impl<'a, K> Round<'a, K> {
    pub(crate) fn new() -> Self {
        Self { jobs: ArrayVec::new(), places: ArrayVec::new() }
    }

    pub(crate) fn push(&mut self, place: usize, job: Job<'a, K>) {
        self.jobs.push(job);
        self.places.push(place);
    }

    pub(crate) fn run<E: Engine<Keys = K>>(mut self, engine: &E) -> ArrayVec<Outcome, MAX_BATCH> {
        engine.run(&mut self.jobs);
        let results = self.jobs.iter().map(Job::outcome);
        self.places
            .into_iter()
            .zip(results)
            .map(|(place, result)| Outcome { place, result })
            .collect()
    }
}
