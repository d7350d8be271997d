//! `cargo xtask bench`: the benchmarks, which live in the package agw-bench.

use std::process::Command;

use clap::Args;

use crate::process;
use crate::workspace::Workspace;

/// What goes to `cargo bench`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Arguments for `cargo bench -p agw-bench`, as in `--bench NAME` or `-- FILTER`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Runs the benchmarks.
///
/// # Errors
///
/// When `cargo bench` fails.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    let mut command = Command::new("cargo");
    command
        .current_dir(workspace.root())
        .args(["bench", "-p", "agw-bench"])
        .args(&options.arguments);
    process::run(&mut command)
}
