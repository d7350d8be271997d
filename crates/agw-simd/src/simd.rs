//! The engine: jobs of a batch step by step, each step over all of them.

use std::fmt;

use agw_srtp::{Engine, Job, MasterKey};
use arrayvec::ArrayVec;

use crate::Level;
use crate::cm;
use crate::keys::{AsSimdKeys, SimdKeys, Transform};
use crate::sha1::{self, MAX_MESSAGES, Message};

/// How many jobs ahead keys are asked for: enough that they arrive in time, few enough that
/// they are still there.
const AHEAD: usize = 8;

/// The engine that works on many packets at once.
///
/// It exists only where the processor has the instructions of its level, so that whoever holds one
/// may use them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Simd {
    level: Level,
}

/// A job that waits for its MAC.
struct Pending {
    place: usize,
    covered_octets: usize,
}

impl Simd {
    /// The engine of the highest level that this processor supports; `None` if it supports none.
    #[must_use]
    pub fn detect() -> Option<Self> {
        Level::detect().and_then(Self::with)
    }

    /// The engine of a level; `None` if this processor does not support it.
    #[must_use]
    pub fn with(level: Level) -> Option<Self> {
        level.is_supported().then_some(Self { level })
    }

    /// Its level.
    #[must_use]
    pub fn level(self) -> Level {
        self.level
    }

    /// Runs the jobs whose keys are this engine's; leaves the others alone.
    pub(crate) fn run_with<K: AsSimdKeys>(self, jobs: &mut [Job<'_, K>]) {
        for jobs in jobs.chunks_mut(MAX_MESSAGES) {
            let pending = self.begin(jobs);
            let mut macs = [[0; 20]; MAX_MESSAGES];
            self.authenticate(jobs, &pending, &mut macs);
            self.finish(jobs, &pending, &macs);
        }
    }

    /// All that comes before a MAC, and for suites without one, everything.
    fn begin<K: AsSimdKeys>(self, jobs: &mut [Job<'_, K>]) -> ArrayVec<Pending, MAX_MESSAGES> {
        let mut pending = ArrayVec::new();
        for job in jobs.iter().take(AHEAD) {
            prefetch(job);
        }
        for place in 0..jobs.len() {
            if let Some(job) = jobs.get(place + AHEAD) {
                prefetch(job);
            }
            let Some(job) = jobs.get_mut(place) else { continue };
            let Some(keys) = job.keys().and_then(K::simd_keys) else { continue };
            let (frame, octets) = (job.frame(), job.packet_octets());
            let outcome = match keys.transform(&frame) {
                Transform::CounterMode(keys) => {
                    match cm::begin(keys, self.level, &frame, job.buffer(), octets) {
                        Ok(covered_octets) => {
                            pending.push(Pending { place, covered_octets });
                            continue;
                        }
                        Err(failure) => Err(failure),
                    }
                }
                Transform::Galois(keys) => keys.run(self.level, &frame, job.buffer(), octets),
            };
            job.finish(outcome);
        }
        pending
    }

    /// The MACs of pending jobs, in their order.
    fn authenticate<K: AsSimdKeys>(
        self,
        jobs: &[Job<'_, K>],
        pending: &[Pending],
        macs: &mut [[u8; 20]; MAX_MESSAGES],
    ) {
        let message = |pending: &Pending| {
            let job = jobs.get(pending.place)?;
            let frame = job.frame();
            let Transform::CounterMode(keys) = job.keys().and_then(K::simd_keys)?.transform(&frame)
            else {
                return None;
            };
            let packet = job.packet().get(..pending.covered_octets)?;
            Some(Message { key: keys.mac(), packet, appendix: cm::appendix(&frame) })
        };
        // Every pending job has a message, so that places stay what they are.
        let messages: ArrayVec<Message<'_>, MAX_MESSAGES> =
            pending.iter().filter_map(message).collect();
        sha1::authenticate(self.level, &messages, macs);
    }

    /// All that comes after a MAC.
    fn finish<K: AsSimdKeys>(
        self,
        jobs: &mut [Job<'_, K>],
        pending: &[Pending],
        macs: &[[u8; 20]; MAX_MESSAGES],
    ) {
        for (pending, mac) in pending.iter().zip(macs) {
            let Some(job) = jobs.get_mut(pending.place) else { continue };
            let Some(keys) = job.keys().and_then(K::simd_keys) else { continue };
            let (frame, octets) = (job.frame(), job.packet_octets());
            if let Transform::CounterMode(keys) = keys.transform(&frame) {
                let outcome = cm::finish(keys, self.level, &frame, job.buffer(), octets, mac);
                job.finish(outcome);
            }
        }
    }
}

impl Engine for Simd {
    type Keys = SimdKeys;

    fn expand(&self, master: &MasterKey) -> SimdKeys {
        SimdKeys::expand(self.level, master)
    }

    fn run(&self, jobs: &mut [Job<'_, SimdKeys>]) {
        self.run_with(jobs);
    }
}

impl fmt::Debug for Simd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Simd").field(&self.level).finish()
    }
}

#[inline]
fn prefetch<K: AsSimdKeys>(job: &Job<'_, K>) {
    if let Some(keys) = job.keys().and_then(K::simd_keys) {
        keys.prefetch();
    }
}
