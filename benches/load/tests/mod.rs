//! The harness at work: against agwd, and against gateways that do wrong on purpose.

mod doctored;
mod faults;
mod gateway;
mod options;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::plan::Traffic;
use crate::run::Job;

/// The traffic of a command line.
pub(crate) fn traffic(line: &str) -> Traffic {
    let job = job(line);
    Traffic::new(job.traffic(), job.traffic().calls).unwrap()
}

/// The job of a command line.
fn job(line: &str) -> Job {
    let words = ["agw-load"].into_iter().chain(line.split_whitespace());
    match Cli::try_parse_from(words).unwrap().command {
        Command::Run(args) => Job::Run(args),
        Command::FindMax(args) => Job::FindMax(args),
        Command::Churn(args) => Job::Churn(args),
        other @ (Command::Compare(_) | Command::Peer(_) | Command::Forward(_)) => {
            panic!("{other:?} measures nothing")
        }
    }
}
