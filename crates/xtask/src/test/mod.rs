//! `cargo xtask test`: every check and every test, in one command, with a summary at the end.
//!
//! What is counted: a step that runs tests counts each of its tests; any other step counts as
//! one. A test that misses its peer passes as far as its runner knows, but writes a line into
//! the file that `AGW_SKIP_FILE` names, and is counted as skipped here.

mod attacks;
mod environment;
pub(crate) mod peers;
mod skips;
mod step;
mod summary;
mod tally;

use std::env;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::bail;
use clap::Args;

use crate::workspace::Workspace;
use environment::Environment;
use step::{STEPS, Step};
use summary::{Record, Summary, Verdict};

/// What to run and how strictly.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Run only these steps, in their usual order; may be given several times.
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    only: Vec<String>,
    /// List the steps and run nothing.
    #[arg(long)]
    list: bool,
    /// Use the peers that are there and install none.
    #[arg(long)]
    no_install: bool,
    /// A skip is a failure; the default when the environment says CI=true.
    #[arg(long)]
    deny_skips: bool,
}

/// Runs the steps and prints the summary.
///
/// # Errors
///
/// When a step's name is unknown or nothing can be run at all; a failed step is no error but an
/// exit code.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<ExitCode> {
    if options.list {
        for step in STEPS {
            println!("{:<9} {}", step.name, step.what);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let environment = Environment::new(workspace, !options.no_install);
    let mut summary = Summary::default();
    for step in chosen(&options.only)? {
        println!("\n=== {}: {}", step.name, step.what);
        let began = Instant::now();
        let outcome = match step.needs.filter(|name| summary.has_failed(name)) {
            Some(name) => step::Outcome::from(Verdict::Failed(format!("not run: {name} failed"))),
            None => step.run(&environment),
        };
        if let Verdict::Failed(reason) | Verdict::Skipped(reason) = &outcome.verdict {
            println!("{}: {reason}", step.name);
        }
        summary.add(Record { name: step.name, outcome, duration: began.elapsed() });
    }
    let deny_skips = options.deny_skips || is_ci();
    print!("{}", summary.text(deny_skips));
    Ok(if summary.is_good(deny_skips) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn chosen(only: &[String]) -> anyhow::Result<Vec<&'static Step>> {
    if let Some(unknown) = only.iter().find(|name| STEPS.iter().all(|step| step.name != **name)) {
        bail!("there is no step `{unknown}`; see --list");
    }
    let wanted = |step: &&Step| only.is_empty() || only.iter().any(|name| name == step.name);
    Ok(STEPS.iter().filter(wanted).collect())
}

fn is_ci() -> bool {
    env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_run_in_the_order_of_the_table_whatever_was_asked_first() {
        let names = |only: &[&str]| {
            let only: Vec<String> = only.iter().map(ToString::to_string).collect();
            chosen(&only).map(|steps| steps.iter().map(|step| step.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&["clippy", "fmt"]).unwrap(), ["fmt", "clippy"]);
        assert_eq!(names(&[]).unwrap().len(), STEPS.len());
        assert!(names(&["nonsense"]).is_err());
    }
}
