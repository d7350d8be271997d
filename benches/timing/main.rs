//! Whether the time that a wrong tag takes tells how wrong it is: dudect's question to every engine
//! of this processor.
//!
//! Two classes of packets, in random turns through the same memory: the first octet of the tag is
//! wrong, or the last. Should a comparison end at the first difference, one class would take longer,
//! and whoever can measure it could guess a tag octet by octet. Told is Welch's t, the farthest from
//! zero over shares of the measurements; beyond 4.5 the classes differ. Noise is not what is looked
//! for, so what differs is measured again, and counts if it differs each time.
//!
//! The same is asked of the same engines with a comparison behind them that does end at the first
//! difference: if that is not found, the bench could find nothing, and fails as well.
#![expect(clippy::unwrap_used, reason = "a benchmark may fail")]

mod subject;

use std::process::ExitCode;

use agw_bench::welch::farthest_t;
use agw_simd::{AnyEngine, Choice};
use agw_srtp::Suite;
use clap::Parser;

use subject::{Comparison, Protocol, Subject};

/// Beyond this the classes differ (dudect).
const DIFFERENT: f64 = 4.5;
/// How often a difference is looked at before it is believed.
const LOOKS: usize = 3;
/// Packets of a run: alone, and as many as an engine hashes side by side.
const DEPTHS: [usize; 2] = [1, 32];

/// What is measured.
#[derive(Debug, Parser)]
struct Options {
    /// Packets whose tag is wrong, for each engine, suite, protocol and depth.
    #[arg(long, default_value_t = 1_000_000)]
    samples: usize,
    /// Only suites whose names contain this.
    #[arg(long, default_value = "")]
    suite: String,
    /// What `cargo bench` adds.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    println!(
        "t of a wrong first octet of the tag against a wrong last one; beyond 4.5 they differ"
    );
    println!(
        "{:26}{:7}{:10}{:>8}{:>12}{:>10}",
        "suite", "", "engine", "packets", "as it is", "planted"
    );
    let (mut leaks, mut blind, mut asked) = (0, 0, 0);
    for suite in Suite::ALL.into_iter().filter(|suite| suite.name().contains(&options.suite)) {
        for protocol in [Protocol::Srtp, Protocol::Srtcp] {
            for engine in engines() {
                for depth in DEPTHS {
                    let mut subject = Subject::new(engine, suite, protocol, depth);
                    let told = look(&mut subject, Comparison::Engines, &options);
                    let planted = look(&mut subject, Comparison::Planted, &options);
                    let name = suite.name();
                    let (protocol, engine) = (protocol.name(), engine.name());
                    println!("{name:26}{protocol:7}{engine:10}{depth:8}{told:12.2}{planted:10.2}");
                    asked += 1;
                    leaks += usize::from(told.abs() > DIFFERENT);
                    blind += usize::from(planted.abs() <= DIFFERENT);
                }
            }
        }
    }
    println!("{leaks} of {asked} differ; a planted comparison was missed {blind} times");
    if leaks + blind == 0 && asked > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Every engine that this processor runs.
fn engines() -> Vec<AnyEngine> {
    let known = [Choice::Portable, Choice::ShaNi, Choice::Avx512];
    known.into_iter().filter_map(|choice| AnyEngine::new(choice).ok()).collect()
}

/// The t nearest to zero of as many looks as it takes to believe a difference.
fn look(subject: &mut Subject, comparison: Comparison, options: &Options) -> f64 {
    let runs = (options.samples / subject.depth()).max(2);
    let mut nearest = f64::INFINITY;
    for _ in 0..LOOKS {
        let classes = subject.measure(comparison, runs);
        let t = farthest_t(classes.each_ref().map(Vec::as_slice));
        if t.abs() < nearest.abs() {
            nearest = t;
        }
        // What is planted differs at the first look, and what does not differ needs no other one.
        if nearest.abs() <= DIFFERENT || comparison == Comparison::Planted {
            break;
        }
    }
    nearest
}
