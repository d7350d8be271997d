//! `agw-load peer`: agw, rtpengine and a bare forwarder under the same loads, in turns.
//!
//! Every measurement is a command line of this program ([`scenario`]); rounds go through all
//! subjects again, each round in another order, so that what disturbs the machine for a while
//! disturbs all alike. Medians and ratios are made of them by [`outcome`].

mod cost;
mod outcome;
mod page;
mod scenario;
mod subject;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::Parser;

use crate::cli::{Cli, Command, PeerArgs};
use crate::process;
use crate::report::format::{command, moment};
use crate::result::{FORMAT, RunResult};
use crate::run::{self, Job};
use crate::screen::Screen;

use outcome::{Measurement, Outcome};
use scenario::Scenario;
use subject::Subject;

/// Measures, prints and writes what was asked for; tells whether every packet of agw is accounted for.
///
/// # Errors
/// Nothing could be measured, or a file cannot be written.
pub(crate) async fn run(args: &PeerArgs) -> anyhow::Result<bool> {
    let mut series = Series::new(args)?;
    let rounds = if args.quick { args.rounds.min(2) } else { args.rounds };
    for round in 1..=rounds {
        for scenario in Scenario::ALL {
            // Whoever begins one round comes last in the next.
            let mut subjects = series.subjects.clone();
            let turn = (round - 1) % subjects.len().max(1);
            subjects.rotate_left(turn);
            for subject in subjects.into_iter().filter(|one| scenario.applies_to(*one)) {
                series.measure(round, subject, scenario).await;
            }
        }
    }
    series.screen.done();
    anyhow::ensure!(
        !series.outcome.measurements.is_empty(),
        "{}",
        series.outcome.skipped.join("\n")
    );
    tell(args, &series.outcome)?;
    Ok(series.outcome.is_sound())
}

/// Measurements as they are made.
struct Series<'a> {
    args: &'a PeerArgs,
    screen: Screen,
    subjects: Vec<Subject>,
    /// The most calls within the objective that a subject had in its last search.
    highest: BTreeMap<Subject, usize>,
    outcome: Outcome,
}

impl<'a> Series<'a> {
    fn new(args: &'a PeerArgs) -> anyhow::Result<Self> {
        let (subjects, left_out): (Vec<_>, Vec<_>) =
            Subject::ALL.into_iter().partition(|subject| args.netns || !subject.needs_netns());
        let because =
            |subject: &Subject| format!("{}: not measured, it needs --netns", subject.name(args));
        Ok(Self {
            args,
            screen: Screen::new(),
            subjects,
            highest: BTreeMap::new(),
            outcome: Outcome {
                format: FORMAT,
                started_unix_s: SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
                command: std::env::args().collect(),
                machine: process::machine(),
                gateway_core: args.gateway_core,
                measurements: Vec::new(),
                skipped: left_out.iter().map(because).collect(),
            },
        })
    }

    /// Makes one measurement. A subject that fails is left out from then on, and told about.
    async fn measure(&mut self, round: usize, subject: Subject, scenario: Scenario) {
        if !self.subjects.contains(&subject) {
            return;
        }
        let highest = self.highest.get(&subject.ungathered()).copied().unwrap_or_default();
        if scenario == Scenario::Half && highest == 0 {
            return;
        }
        let name = subject.name(self.args);
        let mut command = vec!["agw-load".to_owned()];
        command.extend(scenario.words(self.args, subject, highest));
        self.screen.say(&format!("round {round}: {name}: {}", scenario.title().to_lowercase()));
        match carry_out(&command, &self.screen).await {
            Ok(result) => {
                if let Some(found) = &result.highest {
                    self.highest.insert(subject, found.calls);
                }
                let measurement = Measurement { round, subject, scenario, command, result };
                self.outcome.measurements.push(measurement);
            }
            Err(error) => {
                self.subjects.retain(|other| *other != subject);
                let what = scenario.title().to_lowercase();
                let told = format!("{name}: left out from round {round} on, {what}: {error:#}");
                self.screen.say(&told);
                self.outcome.skipped.push(told);
            }
        }
    }
}

async fn carry_out(command: &[String], screen: &Screen) -> anyhow::Result<RunResult> {
    let job = match Cli::try_parse_from(command)?.command {
        Command::Run(args) => Job::Run(args),
        Command::FindMax(args) => Job::FindMax(args),
        Command::Churn(args) => Job::Churn(args),
        Command::Compare(_) | Command::Forward(_) | Command::Peer(_) => {
            anyhow::bail!("no measurement")
        }
    };
    let mut result = run::carry_out(&job, screen).await?;
    result.command = command.to_vec();
    Ok(result)
}

/// Prints the comparison and writes the files that were asked for.
fn tell(args: &PeerArgs, outcome: &Outcome) -> anyhow::Result<()> {
    let comparison = outcome.comparison(args);
    println!("{}", comparison.table());
    for trouble in outcome.troubles(args) {
        println!("{trouble}");
    }
    for limit in outcome.limits(args) {
        println!("the generator was the limit: {limit}");
    }
    write(args.json.as_deref(), "--json", || Ok(serde_json::to_string_pretty(outcome)?))?;
    write(args.html.as_deref(), "--html", || Ok(page::page(args, outcome)))?;
    write(args.markdown.as_deref(), "--markdown", || Ok(markdown(args, outcome)))
}

/// The table for a README, with where it comes from.
fn markdown(args: &PeerArgs, outcome: &Outcome) -> String {
    let machine = &outcome.machine;
    format!(
        "{}\nMedians of {} rounds; in brackets the ratio to the first column. {} with {} cores, \
         Linux {}, {}, `{}`.\n",
        outcome.comparison(args).markdown(),
        outcome.measurements.iter().map(|one| one.round).max().unwrap_or_default(),
        machine.cpu,
        machine.cores,
        machine.kernel,
        moment(outcome.started_unix_s),
        command(&outcome.command),
    )
}

fn write(
    path: Option<&Path>,
    option: &str,
    text: impl FnOnce() -> anyhow::Result<String>,
) -> anyhow::Result<()> {
    if let Some(path) = path {
        let written = std::fs::write(path, text()?);
        written.with_context(|| format!("{option} {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
