//! `cargo xtask fuzz`: discovery with libFuzzer, and replay of the corpus without it.
//!
//! The body of a fuzz target is a plain function of agw-testkit; `tests/fuzz/fuzz_targets` calls
//! it from libFuzzer and the test binary `corpus` of agw-tests calls it with every committed
//! input, so that discovery and replay run the same code.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};
use cargo_metadata::MetadataCommand;
use clap::Args;

use crate::process;
use crate::test::peers;
use crate::workspace::Workspace;

/// What to fuzz and for how long.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The target; all of them in turn when left out.
    target: Option<String>,
    /// How long each target runs.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Replay the committed corpus with the stable compiler instead.
    #[arg(long, conflicts_with_all = ["target", "seconds"])]
    replay: bool,
}

/// Fuzzes or replays.
///
/// # Errors
///
/// When a target finds something, is unknown, or cannot be built.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    if options.replay {
        return replay(workspace);
    }
    let folder = workspace.root().join("tests/fuzz");
    let all = targets(&folder)?;
    let chosen = match &options.target {
        Some(target) if all.contains(target) => vec![target.clone()],
        Some(target) => bail!("there is no target `{target}`; there are: {}", all.join(", ")),
        None => all,
    };
    peers::python::install(workspace)?;
    for target in chosen {
        discover(workspace, &folder, &target, options.seconds)?;
    }
    Ok(())
}

fn replay(workspace: &Workspace) -> anyhow::Result<()> {
    let mut command = Command::new("cargo");
    command.current_dir(workspace.root()).args(["test", "-p", "agw-tests", "--test", "corpus"]);
    process::run(&mut command)
}

/// The names of the fuzz targets, from their own manifest.
fn targets(folder: &Path) -> anyhow::Result<Vec<String>> {
    let metadata = MetadataCommand::new()
        .manifest_path(folder.join("Cargo.toml"))
        .no_deps()
        .exec()
        .context("cannot read the manifest of the fuzz targets")?;
    let packages = metadata.packages.iter();
    Ok(packages.flat_map(|package| &package.targets).map(|target| target.name.clone()).collect())
}

/// Runs one target; what it finds new goes to the target directory, not among committed files.
fn discover(
    workspace: &Workspace,
    folder: &Path,
    target: &str,
    seconds: u32,
) -> anyhow::Result<()> {
    let found = workspace.target().join("fuzz-corpus").join(target);
    let committed = folder.join("corpus").join(target);
    for corpus in [&found, &committed] {
        fs::create_dir_all(corpus)
            .with_context(|| format!("cannot make the directory {}", corpus.display()))?;
    }
    let mut command = Command::new("cargo");
    command
        .current_dir(workspace.root())
        .env("PATH", process::path_with(&workspace.peers_environment().join("bin"))?)
        .args(["+nightly", "fuzz", "run", "--fuzz-dir"])
        .arg(folder)
        .arg(target)
        .args([&found, &committed])
        .arg("--")
        .arg(format!("-max_total_time={seconds}"));
    process::run(&mut command)
}
