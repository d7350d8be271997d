//! Developer commands of the workspace: `cargo xtask <verb>`.
//!
//! This crate knows how the project is checked. It does not know what the product does and no
//! other crate depends on it. Start at [`Verb`]; each verb has a module of its own name, and the
//! steps of `test` stand in one table, `test/step.rs`.
#![forbid(unsafe_code)]

mod arrows;
mod bench;
mod fuzz;
mod process;
mod reference;
mod sizes;
mod sources;
mod spec;
mod test;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// Developer commands of the agw workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

/// What can be asked for.
#[derive(Debug, Subcommand)]
enum Verb {
    /// Install the peers that tests need, run every check and every test, print a summary.
    Test(test::Options),
    /// Check which crate depends on which, and what every crate promises in its first lines.
    Arrows,
    /// Check the quotations of requirements in the code and count what is cited and tested.
    Spec(spec::Options),
    /// Run the benchmarks; everything after the verb goes to `cargo bench`.
    Bench(bench::Options),
    /// Write the API reference, proto/REFERENCE.md, from the proto.
    Reference,
    /// Run the fuzz targets, or replay their committed corpus.
    Fuzz(fuzz::Options),
}

fn main() -> ExitCode {
    match run(&Arguments::parse().verb) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: &Verb) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::load()?;
    match verb {
        Verb::Test(options) => return test::run(&workspace, options),
        Verb::Arrows => arrows::run(&workspace)?,
        Verb::Spec(options) => spec::run(&workspace, options)?,
        Verb::Bench(options) => bench::run(&workspace, options)?,
        Verb::Reference => reference::run(&workspace)?,
        Verb::Fuzz(options) => fuzz::run(&workspace, options)?,
    }
    Ok(ExitCode::SUCCESS)
}
