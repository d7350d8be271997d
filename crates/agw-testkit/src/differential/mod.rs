//! Runs of operations through agw-srtp, with any of its engines, and libsrtp side by side.
//!
//! A [`Scenario`] is what a sender does and what the network makes of it. [`run`] seals every
//! packet with both and compares the octets, lets every packet arrive at both and compares what
//! they decide; what they are known to see differently has a name in [`Divergence`], and anything
//! else is a [`Mismatch`]. [`search`] runs many scenarios from seeds and shrinks one that fails.

mod bench;
mod ours;
mod outcome;
mod scenario;
mod theirs;

use std::fmt;
use std::ops::Range;

use agw_simd::AnyEngine;
use agw_srtp::Suite;

use crate::draw::{Draw, octets_of_seed};
use crate::libsrtp::Libsrtp;

pub use outcome::{Divergence, Mismatch, Octets, Tally};
pub use scenario::{Operation, Scenario};

/// Octets of choices that a seed stands for: about a hundred operations.
const OCTETS_PER_SEED: usize = 512;

/// Runs a scenario, with `engine` on our side.
///
/// # Errors
/// The first thing that the two do not see alike.
pub fn run(library: Libsrtp, engine: AnyEngine, scenario: &Scenario) -> Result<Tally, Mismatch> {
    let mut bench = bench::Bench::new(library, engine, scenario)?;
    for operation in &scenario.operations {
        bench.carry_out(operation)?;
    }
    Ok(bench.tally)
}

/// Runs the scenarios of many seeds with one suite.
///
/// # Errors
/// The first seed whose scenario fails, with the scenario shrunk to what is needed to fail.
pub fn search(
    library: Libsrtp,
    engine: AnyEngine,
    suite: Suite,
    seeds: Range<u64>,
) -> Result<Tally, Box<Failure>> {
    let mut sum = Tally::default();
    for seed in seeds {
        let octets = octets_of_seed(seed, OCTETS_PER_SEED);
        let scenario = Scenario::draw(suite, &mut Draw::new(&octets));
        match run(library, engine, &scenario) {
            Ok(tally) => sum += tally,
            Err(mismatch) => {
                return Err(Box::new(shrink(library, engine, seed, scenario, mismatch)));
            }
        }
    }
    Ok(sum)
}

/// A seed on which the two differ.
#[derive(Clone)]
pub struct Failure {
    seed: u64,
    mismatch: Mismatch,
    scenario: Scenario,
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, mismatch, scenario } = self;
        write!(f, "seed {seed}: {mismatch}\nshrunk to: {scenario:#?}")
    }
}

/// Leaves out every operation without which the scenario still fails.
fn shrink(
    library: Libsrtp,
    engine: AnyEngine,
    seed: u64,
    mut scenario: Scenario,
    mut mismatch: Mismatch,
) -> Failure {
    let mut position = scenario.operations.len();
    while let Some(before) = position.checked_sub(1) {
        position = before;
        let mut fewer = scenario.clone();
        fewer.operations.remove(position);
        if let Err(still) = run(library, engine, &fewer) {
            mismatch = still;
            scenario = fewer;
            position = position.min(scenario.operations.len());
        }
    }
    Failure { seed, mismatch, scenario }
}
