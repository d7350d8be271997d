//! `cargo xtask bench`: the benchmarks, which live in the package agw-bench, and the comparison with
//! other gateways.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use clap::Args;

use crate::process;
use crate::test::peers::debian;
use crate::workspace::Workspace;

/// What is measured, and what goes to the program that measures.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Compares agw with rtpengine and a bare forwarder (agw-load peer): installs what it needs,
    /// builds, measures in turns, prints a table and writes JSON, HTML and Markdown.
    #[arg(long)]
    peer: bool,
    /// With --peer: short measurements, to see that it works, not to quote.
    #[arg(long, requires = "peer")]
    quick: bool,
    /// Arguments for `cargo bench -p agw-bench`, as in `--bench NAME` or `-- FILTER`; with --peer for
    /// `agw-load peer`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Runs the benchmarks or the comparison.
///
/// # Errors
///
/// When one of the programs fails.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    if options.peer {
        return compare(workspace, options);
    }
    let mut command = Command::new("cargo");
    command
        .current_dir(workspace.root())
        .args(["bench", "-p", "agw-bench"])
        .args(&options.arguments);
    process::run(&mut command)
}

fn compare(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    if let Err(error) = debian::install_all(debian::FOR_COMPARISON) {
        // Whatever can be measured without it is; agw-load tells what was left out.
        println!("not everything is installed: {error:#}");
    }
    let mut build = Command::new("cargo");
    build
        .current_dir(workspace.root())
        .args(["build", "--release", "-p", "agwd", "-p", "agw-bench"])
        .args(["--bin", "agwd", "--bin", "agw-load"]);
    process::run(&mut build)?;
    let reports = workspace.target().join("peer");
    fs::create_dir_all(&reports).with_context(|| format!("cannot make {}", reports.display()))?;
    let mut command = Command::new(workspace.target().join("release/agw-load"));
    process::run(command.args(arguments(options, &reports, debian::is_root())))?;
    println!("the reports are in {}", reports.display());
    Ok(())
}

/// What `agw-load` is asked for. Network namespaces, and so AF_XDP, need root.
fn arguments(options: &Options, reports: &Path, is_root: bool) -> Vec<String> {
    let mut arguments = vec!["peer".to_owned()];
    let is_asked = |name: &str| options.arguments.iter().any(|argument| argument.starts_with(name));
    arguments.extend(is_root.then(|| "--netns".to_owned()).filter(|name| !is_asked(name)));
    arguments.extend(options.quick.then(|| "--quick".to_owned()));
    for (name, file) in
        [("--json", "peer.json"), ("--html", "peer.html"), ("--markdown", "peer.md")]
    {
        if !is_asked(name) {
            let path: PathBuf = reports.join(file);
            arguments.extend([name.to_owned(), path.display().to_string()]);
        }
    }
    arguments.extend_from_slice(&options.arguments);
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(quick: bool, arguments: &[&str]) -> Options {
        let arguments = arguments.iter().map(|text| (*text).to_owned()).collect();
        Options { peer: true, quick, arguments }
    }

    #[test]
    fn reports_go_to_the_target_directory_unless_the_caller_says_where() {
        let asked = options(true, &["--rounds", "5", "--json=/x.json"]);
        let expected = [
            "peer",
            "--netns",
            "--quick",
            "--html",
            "/t/peer.html",
            "--markdown",
            "/t/peer.md",
            "--rounds",
            "5",
            "--json=/x.json",
        ];
        assert_eq!(arguments(&asked, Path::new("/t"), true), expected);
    }

    #[test]
    fn without_root_there_are_no_namespaces() {
        let arguments = arguments(&options(false, &[]), Path::new("/t"), false);
        assert!(!arguments.iter().any(|argument| argument == "--netns"));
    }
}
