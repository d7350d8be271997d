//! What was found, as it is written to the JSON file, and the comparison made of it.

use serde::{Deserialize, Serialize};

use super::cost::{Cost, cost};
use super::scenario::Scenario;
use super::subject::Subject;
use crate::cli::PeerArgs;
use crate::report::comparison::{Comparison, Group, Measured, Row};
use crate::report::figures::{Better, window};
use crate::report::format::Unit;
use crate::result::{Machine, RunResult};

/// All measurements of a comparison.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// The version of the format.
    pub(crate) format: u32,
    /// When it began, seconds since 1970.
    pub(crate) started_unix_s: u64,
    /// The command line, as typed.
    pub(crate) command: Vec<String>,
    /// Where it ran.
    pub(crate) machine: Machine,
    /// The core that every gateway had for itself.
    pub(crate) gateway_core: usize,
    /// The measurements, in the order in which they were made.
    pub(crate) measurements: Vec<Measurement>,
    /// What was not measured, and why.
    pub(crate) skipped: Vec<String>,
}

/// One measurement.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Measurement {
    /// Its round, from 1.
    pub(crate) round: usize,
    /// Who.
    pub(crate) subject: Subject,
    /// What.
    pub(crate) scenario: Scenario,
    /// The command line that repeats it.
    pub(crate) command: Vec<String>,
    /// The figures.
    pub(crate) result: RunResult,
}

impl Measurement {
    fn place(&self, args: &PeerArgs) -> String {
        let scenario = self.scenario.title().to_lowercase();
        format!("round {}, {}, {scenario}", self.round, self.subject.name(args))
    }
}

/// A row of the comparison before it is filled in.
struct Kind {
    scenario: Scenario,
    name: &'static str,
    unit: Unit,
    better: Better,
    read: fn(&RunResult, usize) -> Option<f64>,
}

impl Outcome {
    /// The measurements of a subject in a scenario.
    pub(crate) fn of(
        &self,
        subject: Subject,
        scenario: Scenario,
    ) -> impl Iterator<Item = &RunResult> {
        self.measurements
            .iter()
            .filter(move |one| one.subject == subject && one.scenario == scenario)
            .map(|one| &one.result)
    }

    /// Subjects with at least one measurement, in the order of columns.
    pub(crate) fn subjects(&self) -> Vec<Subject> {
        let is_measured =
            |subject: &Subject| self.measurements.iter().any(|one| one.subject == *subject);
        Subject::ALL.into_iter().filter(is_measured).collect()
    }

    /// Medians and ratios.
    pub(crate) fn comparison(&self, args: &PeerArgs) -> Comparison {
        let subjects = self.subjects();
        let group = |scenario: Scenario| {
            let kinds = KINDS.iter().filter(|kind| kind.scenario == scenario);
            let rows: Vec<Row> = kinds.map(|kind| self.row(kind, &subjects)).collect();
            Group { title: scenario.title(), rows }
        };
        let mut groups: Vec<Group> = Scenario::ALL.into_iter().map(group).collect();
        for group in &mut groups {
            group.rows.retain(|row| row.values.iter().any(Option::is_some));
        }
        groups.retain(|group| !group.rows.is_empty());
        Comparison { subjects: subjects.iter().map(|one| one.name(args)).collect(), groups }
    }

    /// Who was left out, and what is wrong with measurements.
    pub(crate) fn troubles(&self, args: &PeerArgs) -> Vec<String> {
        let mut troubles = self.skipped.clone();
        for one in &self.measurements {
            let found = one.result.troubles();
            troubles.extend(found.iter().map(|text| format!("{}: {text}", one.place(args))));
        }
        troubles
    }

    /// Measurements that say more of the generator than of the gateway.
    pub(crate) fn limits(&self, args: &PeerArgs) -> Vec<String> {
        let mut limits = Vec::new();
        for one in &self.measurements {
            // A search goes on until something is the limit: only the window that speaks for it.
            let found = window(&one.result).map(|phase| phase.limited_by_generator.as_slice());
            let found = found.unwrap_or_default().iter();
            limits.extend(found.map(|text| format!("{}: {text}", one.place(args))));
        }
        limits
    }

    /// Whether every packet of agw is accounted for; what a peer does with packets is its own matter.
    pub(crate) fn is_sound(&self) -> bool {
        let ours = self.measurements.iter().filter(|one| one.subject != Subject::Rtpengine);
        ours.into_iter().all(|one| one.result.troubles().is_empty())
    }

    fn row(&self, kind: &Kind, subjects: &[Subject]) -> Row {
        let core = self.gateway_core;
        let values = subjects.iter().map(|subject| {
            let runs = self.of(*subject, kind.scenario);
            Measured::of(runs.filter_map(|run| (kind.read)(run, core)).collect())
        });
        Row {
            name: kind.name.to_owned(),
            unit: kind.unit,
            better: kind.better,
            values: values.collect(),
        }
    }
}

const fn less(
    scenario: Scenario,
    name: &'static str,
    unit: Unit,
    read: fn(&RunResult, usize) -> Option<f64>,
) -> Kind {
    Kind { scenario, name, unit, better: Better::Less, read }
}

const fn more(
    scenario: Scenario,
    name: &'static str,
    unit: Unit,
    read: fn(&RunResult, usize) -> Option<f64>,
) -> Kind {
    Kind { scenario, name, unit, better: Better::More, read }
}

/// The name of the row that says what a packet costs.
pub(crate) const GROSS: &str = "processor time a packet, gross";

const KINDS: &[Kind] = &[
    less(Scenario::Saturation, GROSS, Unit::Nanoseconds, |run, core| {
        Some(spent(run, core)?.gross_ns)
    }),
    less(Scenario::Saturation, "the same, net of the sink", Unit::Nanoseconds, |run, core| {
        Some(spent(run, core)?.net_ns)
    }),
    more(Scenario::Saturation, "packets delivered", Unit::PerSecond, |run, _| {
        window(run).map(|phase| phase.delivered_per_second())
    }),
    less(Scenario::Light, GROSS, Unit::Nanoseconds, |run, core| Some(spent(run, core)?.gross_ns)),
    less(Scenario::Light, "the same, net of the sink", Unit::Nanoseconds, |run, core| {
        Some(spent(run, core)?.net_ns)
    }),
    less(Scenario::Light, "latency, median", Unit::Microseconds, |run, _| {
        window(run).map(|phase| phase.latency.p50_us)
    }),
    less(Scenario::Light, "latency, p99", Unit::Microseconds, |run, _| {
        window(run).map(|phase| phase.latency.p99_us)
    }),
    more(Scenario::Highest, "packets a second", Unit::PerSecond, |run, _| {
        run.highest.as_ref().map(|highest| highest.packets_per_second)
    }),
    more(Scenario::Highest, "calls", Unit::Count, |run, _| {
        run.highest.as_ref().map(|highest| highest.calls as f64)
    }),
    less(Scenario::Half, "latency, median", Unit::Microseconds, |run, _| {
        window(run).map(|phase| phase.latency.p50_us)
    }),
    less(Scenario::Half, "latency, p99", Unit::Microseconds, |run, _| {
        window(run).map(|phase| phase.latency.p99_us)
    }),
    less(Scenario::Half, "latency, p99.9", Unit::Microseconds, |run, _| {
        window(run).map(|phase| phase.latency.p999_us)
    }),
    less(Scenario::Half, "latency added, p99.9", Unit::Microseconds, |run, _| {
        window(run).map(|phase| phase.added_p999_us)
    }),
    less(Scenario::Saturation, "memory of a call", Unit::Octets, |run, _| {
        window(run).map(|phase| phase.gateway.octets_per_call)
    }),
    less(Scenario::Saturation, "descriptors of a call", Unit::Count, |run, _| {
        window(run).map(|phase| phase.gateway.descriptors_per_call)
    }),
    more(Scenario::Calls, "set up and released", Unit::PerSecond, |run, _| {
        run.control
            .as_ref()
            .map(|control| control.cycles_per_second.unwrap_or(control.set_up_per_second))
    }),
    less(Scenario::Calls, "set-up, p99", Unit::Microseconds, |run, _| {
        run.control.as_ref().map(|control| control.set_up_latency.p99_us)
    }),
];

fn spent(run: &RunResult, core: usize) -> Option<Cost> {
    window(run).and_then(|phase| cost(phase, core))
}
