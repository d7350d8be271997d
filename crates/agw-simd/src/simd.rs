//! The engine: jobs of a batch step by step, each step over all of them.

use std::fmt;

use agw_srtp::{Engine, Job, MasterKey};
use arrayvec::ArrayVec;

use crate::Level;
use crate::cm::{self, StreamCipher};
use crate::keys::{self, AsSimdKeys, SimdKeys, Transform};
use crate::sha1::{self, MacKey, Message};

/// Jobs that go through all steps together; a longer batch is taken in pieces. As many as the
/// widest kernel hashes at once, and few enough that keys, packets and scratch stay in the first
/// cache.
const PIECE: usize = 32;

/// How many jobs ahead keys are asked for: enough that they arrive in time, few enough that
/// they are still there.
const AHEAD: usize = 8;

/// How many jobs' keys are asked for between two blocks of a hash.
const MEANWHILE: usize = 8;

/// The engine that works on many packets at once.
///
/// It exists only where the processor has the instructions of its level, so that whoever holds one
/// may use them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Simd {
    level: Level,
}

/// A job that waits for its MAC.
struct Pending<'a> {
    place: usize,
    keys: &'a dyn StreamCipher,
    mac: &'a MacKey,
    /// The tag is inside the packet: it is to be opened.
    opens: bool,
    covered_octets: usize,
    appendix: u32,
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
    pub(crate) fn run_with<K: AsSimdKeys>(self, mut jobs: &mut [Job<'_, K>]) {
        for job in jobs.iter().take(AHEAD) {
            prefetch_first(job);
        }
        while !jobs.is_empty() {
            let (piece, rest) = jobs.split_at_mut(PIECE.min(jobs.len()));
            let pending = self.begin(piece, rest);
            let macs = self.authenticate(piece, rest, &pending);
            self.finish(piece, &pending, &macs);
            jobs = rest;
        }
    }

    /// All that comes before a MAC, and for suites without one, everything.
    fn begin<'a, K: AsSimdKeys>(
        self,
        jobs: &mut [Job<'a, K>],
        next: &[Job<'_, K>],
    ) -> ArrayVec<Pending<'a>, PIECE> {
        let mut pending = ArrayVec::new();
        for place in 0..jobs.len() {
            let ahead = place + AHEAD;
            let beyond = ahead.checked_sub(jobs.len()).and_then(|ahead| next.get(ahead));
            jobs.get(ahead).into_iter().for_each(prefetch_first);
            beyond.into_iter().for_each(prefetch_first);
            let Some(job) = jobs.get_mut(place) else { continue };
            let Some(keys) = job.keys().and_then(K::simd_keys) else { continue };
            let (frame, octets) = (job.frame(), job.packet_octets());
            let outcome = match keys.transform(&frame) {
                Transform::Stream(keys) => {
                    match cm::begin(keys, self.level, &frame, job.buffer(), octets) {
                        Ok(covered_octets) => {
                            let opens = octets != covered_octets;
                            let mac = keys.mac();
                            let appendix = cm::appendix(&frame);
                            pending.push(Pending {
                                place,
                                keys,
                                mac,
                                opens,
                                covered_octets,
                                appendix,
                            });
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

    /// The MACs of pending jobs, in their order. Meanwhile, asks for the keys that come next:
    /// what these jobs need after their MACs, and then the first keys of the jobs after them.
    fn authenticate<'a, K: AsSimdKeys>(
        self,
        jobs: &'a [Job<'_, K>],
        next: &[Job<'_, K>],
        pending: &[Pending<'a>],
    ) -> [[u8; 20]; PIECE] {
        let message = |pending: &Pending<'a>| {
            let packet = jobs.get(pending.place).map(Job::packet).unwrap_or_default();
            let packet = packet.get(..pending.covered_octets).unwrap_or_default();
            Message { key: pending.mac, packet, appendix: pending.appendix }
        };
        let messages: ArrayVec<Message<'_>, PIECE> = pending.iter().map(message).collect();
        let mut opening = pending.iter().filter(|pending| pending.opens);
        let mut next = next.iter().take(PIECE);
        let mut meanwhile = || {
            for _ in 0..MEANWHILE {
                if let Some(pending) = opening.next() {
                    jobs.get(pending.place).into_iter().for_each(prefetch_rest);
                } else if let Some(job) = next.next() {
                    prefetch_first(job);
                } else {
                    break;
                }
            }
        };
        let mut macs = [[0; 20]; PIECE];
        sha1::authenticate(self.level, &messages, &mut macs, &mut meanwhile);
        macs
    }

    /// All that comes after a MAC.
    fn finish<K>(self, jobs: &mut [Job<'_, K>], pending: &[Pending<'_>], macs: &[[u8; 20]; PIECE]) {
        for (pending, mac) in pending.iter().zip(macs) {
            let Some(job) = jobs.get_mut(pending.place) else { continue };
            let (frame, octets) = (job.frame(), job.packet_octets());
            let outcome = cm::finish(pending.keys, self.level, &frame, job.buffer(), octets, mac);
            job.finish(outcome);
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

    #[inline]
    fn prefetch<T>(&self, value: &T) {
        keys::prefetch(value, 0..1);
    }
}

impl fmt::Debug for Simd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Simd").field(&self.level).finish()
    }
}

#[inline]
fn prefetch_first<K: AsSimdKeys>(job: &Job<'_, K>) {
    if let Some(keys) = job.keys().and_then(K::simd_keys) {
        keys.prefetch_first(job.frame().operation);
    }
}

#[inline]
fn prefetch_rest<K: AsSimdKeys>(job: &Job<'_, K>) {
    if let Some(keys) = job.keys().and_then(K::simd_keys) {
        keys.prefetch_rest(job.frame().operation);
    }
}
