//! The steps, in one table.

use std::fs;
use std::process::Command;

use super::attacks;
use super::environment::Environment;
use super::peers;
use super::skips::{self, Skip};
use super::summary::Verdict;
use super::tally::{Runner, Tally};
use crate::{arrows, process, sizes, spec};

/// One step of the test command.
#[derive(Debug)]
pub(super) struct Step {
    /// Its name, for `--only` and the summary.
    pub(super) name: &'static str,
    /// What it does.
    pub(super) what: &'static str,
    /// The step without which it makes no sense.
    pub(super) needs: Option<&'static str>,
    action: Action,
}

/// How a step is carried out.
#[derive(Debug)]
enum Action {
    /// Looks for peers and installs what is missing.
    Peers,
    /// Runs in this program.
    Check(fn(&Environment<'_>) -> anyhow::Result<()>),
    /// Runs `cargo` with these arguments.
    Cargo(&'static [&'static str]),
    /// Runs a tool with these arguments in a folder of the workspace.
    Tool(&'static str, &'static [&'static str], &'static str),
    /// Runs the tests that a nextest filter names, or without nextest those of `cargo test`.
    Tests { filter: &'static str, without: &'static [&'static str], backend: Backend },
    /// Runs the tests of attacks on every backend.
    Attacks { filter: &'static str, without: &'static [&'static str] },
    /// Runs the examples of the documentation, which nextest cannot.
    DocTests,
}

/// What the gateway under test carries packets with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backend {
    /// UDP sockets: between network namespaces as well where root makes them, else on the loopback.
    Sockets,
    /// AF_XDP, between network namespaces that the tests make.
    Xdp,
}

/// The steps, in their order: what is quick and tells most comes first.
pub(super) const STEPS: &[Step] = &[
    step("peers", "tools and peers that tests need", Action::Peers),
    step("fmt", "formatting", Action::Cargo(&["fmt", "--all", "--check"])),
    step("arrows", "who depends on whom, unsafe, bans, versions", Action::Check(check_arrows)),
    step("sizes", "no file too long to hold one idea", Action::Check(check_sizes)),
    step("spec", "quotations of requirements", Action::Check(check_spec)),
    step(
        "deny",
        "bans, licenses and sources of dependencies",
        Action::Tool("cargo-deny", DENY, "."),
    ),
    step("proto", "lint of the Iq API", Action::Tool("buf", &["lint"], "proto")),
    step("clippy", "lints, warnings denied", Action::Cargo(CLIPPY)),
    step("build", "everything that the tests run", Action::Cargo(BUILD)),
    after_build("unit", "unit, property and vector tests of every crate", UNIT),
    after_build("e2e", "the daemon end to end", E2E),
    after_build("interop", "the daemon with other software", INTEROP),
    after_build("xdp", "end to end and interoperability once more, on AF_XDP", XDP),
    after_build("attack", "attacks on media and control, on sockets and on AF_XDP", ATTACK),
    after_build("corpus", "replay of the fuzz corpus", CORPUS),
    Step {
        name: "doc",
        what: "examples in the documentation",
        needs: Some("build"),
        action: Action::DocTests,
    },
];

const DENY: &[&str] =
    &["--workspace", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"];
const CLIPPY: &[&str] = &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
const BUILD: &[&str] = &["build", "--workspace", "--bins", "--tests"];
const UNIT: Action = Action::Tests {
    filter: "not package(agw-tests)",
    without: &["--exclude", "agw-tests", "--tests"],
    backend: Backend::Sockets,
};
const E2E: Action = Action::Tests {
    filter: "package(agw-tests) and not (binary(interop) or binary(corpus) or binary(attack))",
    without: &["--test", "e2e", "--test", "guide", "--test", "xdp"],
    backend: Backend::Sockets,
};
const INTEROP: Action = Action::Tests {
    filter: "package(agw-tests) and binary(interop)",
    without: &["--test", "interop"],
    backend: Backend::Sockets,
};
// Without the minute of signalling: it has no media, and its realms are on the loopback.
const XDP: Action = Action::Tests {
    filter: "package(agw-tests) and (binary(e2e) or binary(guide) or binary(interop)) \
             and not test(fifty_calls_a_second)",
    without: &["--test", "e2e", "--test", "guide", "--test", "interop"],
    backend: Backend::Xdp,
};
const ATTACK: Action = Action::Attacks {
    filter: "package(agw-tests) and binary(attack)",
    without: &["--test", "attack"],
};
const CORPUS: Action = Action::Tests {
    filter: "package(agw-tests) and binary(corpus)",
    without: &["--test", "corpus"],
    backend: Backend::Sockets,
};

const fn step(name: &'static str, what: &'static str, action: Action) -> Step {
    Step { name, what, needs: None, action }
}

const fn after_build(name: &'static str, what: &'static str, action: Action) -> Step {
    Step { name, what, needs: Some("build"), action }
}

/// What came of a step.
#[derive(Debug)]
pub(super) struct Outcome {
    /// Whether it passed.
    pub(super) verdict: Verdict,
    /// The tests that it ran, if it runs tests.
    pub(super) tests: Option<Tally>,
    /// The tests that skipped for want of a peer.
    pub(super) skips: Vec<Skip>,
    /// What the step has found, for the summary.
    pub(super) table: String,
}

impl From<Verdict> for Outcome {
    fn from(verdict: Verdict) -> Self {
        Self { verdict, tests: None, skips: Vec::new(), table: String::new() }
    }
}

impl Outcome {
    /// What came of two runs: the worse verdict, all tests.
    fn and(mut self, other: Self) -> Self {
        let plus = |one: Tally| other.tests.map_or(one, |two| one.plus(two));
        self.tests = self.tests.map(plus).or(other.tests);
        self.skips.extend(other.skips);
        if !matches!(self.verdict, Verdict::Failed(_)) && other.verdict != Verdict::Passed {
            self.verdict = other.verdict;
        }
        self
    }
}

impl Step {
    /// Carries the step out.
    pub(super) fn run(&self, environment: &Environment<'_>) -> Outcome {
        let result = match &self.action {
            Action::Peers => Ok(Outcome::from(peers::provide(environment))),
            Action::Check(check) => check(environment).map(|()| Verdict::Passed.into()),
            Action::Cargo(arguments) => run_cargo(environment, arguments),
            Action::Tool(name, arguments, folder) => run_tool(environment, name, arguments, folder),
            Action::Tests { filter, without, backend } => {
                run_tests(environment, filter, without, *backend)
            }
            Action::Attacks { filter, without } => run_attacks(environment, filter, without),
            Action::DocTests => {
                let arguments = ["test", "--workspace", "--doc"];
                run_runner(environment, Runner::CargoTest, &arguments, Backend::Sockets)
            }
        };
        result.unwrap_or_else(|error| Verdict::Failed(format!("{error:#}")).into())
    }
}

fn check_arrows(environment: &Environment<'_>) -> anyhow::Result<()> {
    arrows::run(environment.workspace)
}

fn check_sizes(environment: &Environment<'_>) -> anyhow::Result<()> {
    sizes::run(environment.workspace)
}

fn check_spec(environment: &Environment<'_>) -> anyhow::Result<()> {
    spec::check(environment.workspace)
}

fn run_cargo(environment: &Environment<'_>, arguments: &[&str]) -> anyhow::Result<Outcome> {
    process::run(&mut environment.cargo(arguments)?)?;
    Ok(Verdict::Passed.into())
}

fn run_tool(
    environment: &Environment<'_>,
    name: &str,
    arguments: &[&str],
    folder: &str,
) -> anyhow::Result<Outcome> {
    let Some(program) = environment.program(name) else {
        return Ok(Verdict::Skipped(format!("{name} is not installed")).into());
    };
    let folder = environment.workspace.root().join(folder);
    process::run(Command::new(program).args(arguments).current_dir(folder))?;
    Ok(Verdict::Passed.into())
}

/// Runs tests, those marked `#[ignore]` too: the mark spares a plain `cargo test` their length.
fn run_tests(
    environment: &Environment<'_>,
    filter: &str,
    without: &[&str],
    backend: Backend,
) -> anyhow::Result<Outcome> {
    if backend == Backend::Xdp && !peers::debian::is_root() {
        let text = "network namespaces, XDP programs and AF_XDP sockets take root";
        return Ok(Verdict::Skipped(text.to_owned()).into());
    }
    if environment.program("cargo-nextest").is_some() {
        let nextest = ["nextest", "run", "--workspace", "--no-fail-fast", "--run-ignored", "all"];
        let arguments = [&nextest[..], &["-E", filter]].concat();
        return run_runner(environment, Runner::Nextest, &arguments, backend);
    }
    let test = ["test", "--workspace", "--no-fail-fast"];
    let arguments = [&test[..], without, &["--", "--include-ignored"]].concat();
    run_runner(environment, Runner::CargoTest, &arguments, backend)
}

/// Runs the tests of attacks on one backend after the other, and reads the rows that they write.
fn run_attacks(
    environment: &Environment<'_>,
    filter: &str,
    without: &[&str],
) -> anyhow::Result<Outcome> {
    let file = environment.attack_file();
    fs::create_dir_all(environment.workspace.target())?;
    fs::write(&file, "")?;
    let first = run_tests(environment, filter, without, Backend::Sockets)?;
    let second = run_tests(environment, filter, without, Backend::Xdp)?;
    let told = fs::read_to_string(&file)?;
    let mut outcome = first.and(second);
    outcome.table = attacks::table(&told);
    let untried = attacks::untried(&told, &["sockets", "xdp"]);
    if outcome.verdict == Verdict::Passed && !untried.is_empty() {
        let untried = untried.join(", ");
        outcome.verdict = Verdict::Failed(format!("threats that nothing tried: {untried}"));
    }
    Ok(outcome)
}

fn run_runner(
    environment: &Environment<'_>,
    runner: Runner,
    arguments: &[&str],
    backend: Backend,
) -> anyhow::Result<Outcome> {
    let mut command = environment.cargo(arguments)?;
    environment.describe_peers(&mut command);
    let backend = match backend {
        Backend::Sockets => "sockets",
        Backend::Xdp => "xdp",
    };
    command.env("AGW_TEST_BACKEND", backend);
    let stage = if peers::debian::is_root() { "netns" } else { "loopback" };
    command.env("AGW_TEST_STAGE", stage);
    let skip_file = environment.skip_file();
    fs::create_dir_all(environment.workspace.target())?;
    fs::write(&skip_file, "")?;
    let run = process::run_and_keep(&mut command)?;
    let skips = skips::read(&fs::read_to_string(&skip_file)?);
    let tests = Tally::read(runner, &run.text).without_skips(skips.len());
    let verdict = if !run.status.success() {
        Verdict::Failed(format!("the test runner ended with {}", run.status))
    } else if tests.failed > 0 {
        Verdict::Failed("the test runner counts failures".to_owned())
    } else if tests == Tally::default() {
        Verdict::Failed("no test ran".to_owned())
    } else {
        Verdict::Passed
    };
    Ok(Outcome { tests: Some(tests), skips, ..verdict.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_needs_only_steps_before_it_and_names_are_unique() {
        for (position, step) in STEPS.iter().enumerate() {
            let before = &STEPS[..position];
            assert!(before.iter().all(|one| one.name != step.name), "{} twice", step.name);
            if let Some(needed) = step.needs {
                assert!(before.iter().any(|one| one.name == needed), "{} before", step.name);
            }
        }
    }
}
