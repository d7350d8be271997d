//! The figures of a run, each with what it means and which way is better. The summary, the page
//! and the comparison all take them from here.

use super::format::Unit;
use crate::result::{Distribution, Phase, RunResult};

/// Which way a figure is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    /// The lower, the better.
    Less,
    /// The higher, the better.
    More,
}

/// One figure.
pub(crate) struct Figure {
    /// What it is.
    pub(crate) name: &'static str,
    /// What it is measured in.
    pub(crate) unit: Unit,
    /// Which way it is better.
    pub(crate) better: Better,
    /// Reads it; `None` if the run has no such figure.
    pub(crate) read: fn(&RunResult) -> Option<f64>,
}

/// Every figure, in the order of tables.
pub(crate) const FIGURES: &[Figure] = &[
    Figure {
        name: "highest load within the objective",
        unit: Unit::PerSecond,
        better: Better::More,
        read: |run| run.highest.as_ref().map(|highest| highest.packets_per_second),
    },
    Figure {
        name: "calls at that load",
        unit: Unit::Count,
        better: Better::More,
        read: |run| run.highest.as_ref().map(|highest| highest.calls as f64),
    },
    Figure {
        name: "packets delivered",
        unit: Unit::PerSecond,
        better: Better::More,
        read: |run| window(run).map(Phase::delivered_per_second),
    },
    Figure {
        name: "loss",
        unit: Unit::Percent,
        better: Better::Less,
        read: |run| window(run).map(Phase::loss_percent),
    },
    Figure {
        name: "processor time of the gateway a packet",
        unit: Unit::Nanoseconds,
        better: Better::Less,
        read: |run| window(run).map(|phase| phase.cpu_seconds_per_million * 1_000.0),
    },
    Figure {
        name: "the same with the kernel's work for it",
        unit: Unit::Nanoseconds,
        better: Better::Less,
        read: |run| window(run).map(|phase| phase.cpu_with_softirq_per_million * 1_000.0),
    },
    Figure {
        name: "the same with the delivery to the sink",
        unit: Unit::Nanoseconds,
        better: Better::Less,
        read: |run| window(run).map(|phase| phase.cpu_gross_per_million * 1_000.0),
    },
    Figure {
        name: "latency, median",
        unit: Unit::Microseconds,
        better: Better::Less,
        read: |run| latency(run).map(|latency| latency.p50_us),
    },
    Figure {
        name: "latency, p99",
        unit: Unit::Microseconds,
        better: Better::Less,
        read: |run| latency(run).map(|latency| latency.p99_us),
    },
    Figure {
        name: "latency, p99.9",
        unit: Unit::Microseconds,
        better: Better::Less,
        read: |run| latency(run).map(|latency| latency.p999_us),
    },
    Figure {
        name: "latency added by the gateway, p99",
        unit: Unit::Microseconds,
        better: Better::Less,
        read: |run| added(run).map(|phase| phase.added_p99_us),
    },
    Figure {
        name: "latency added by the gateway, p99.9",
        unit: Unit::Microseconds,
        better: Better::Less,
        read: |run| added(run).map(|phase| phase.added_p999_us),
    },
    Figure {
        name: "memory of a call",
        unit: Unit::Octets,
        better: Better::Less,
        read: |run| window(run).map(|phase| phase.gateway.octets_per_call),
    },
    Figure {
        name: "descriptors of a call",
        unit: Unit::Count,
        better: Better::Less,
        read: |run| window(run).map(|phase| phase.gateway.descriptors_per_call),
    },
    Figure {
        name: "calls set up",
        unit: Unit::PerSecond,
        better: Better::More,
        read: |run| run.control.as_ref().map(|control| control.set_up_per_second),
    },
    Figure {
        name: "set-up of a call, p99",
        unit: Unit::Microseconds,
        better: Better::Less,
        read: |run| run.control.as_ref().map(|control| control.set_up_latency.p99_us),
    },
    Figure {
        name: "release of a call, p99",
        unit: Unit::Microseconds,
        better: Better::Less,
        read: |run| run.control.as_ref().map(|control| control.release_latency.p99_us),
    },
];

/// The measured window that speaks for a run: the last one that kept to the objective, else the
/// last.
pub(crate) fn window(run: &RunResult) -> Option<&Phase> {
    run.phases.iter().rfind(|phase| phase.slo_kept).or(run.phases.last())
}

/// A short name of what was measured: its kind, how it moves packets and how long it gathers them.
pub(crate) fn label(run: &RunResult) -> String {
    let settings = &run.target.settings;
    let mut label = run.target.name.clone();
    if let Some(backend) = settings.get("backend").filter(|_| run.target.name == "agw") {
        label.push_str(&format!(" {backend}"));
    }
    let gathers = ["coalesce_us", "coalesce"].iter().find_map(|name| settings.get(*name));
    if let Some(gathers) = gathers.filter(|value| !value.starts_with('0')) {
        let unit = if gathers.contains("us") { "" } else { " us" };
        label.push_str(&format!(", {gathers}{unit}"));
    }
    label
}

fn latency(run: &RunResult) -> Option<&Distribution> {
    window(run).map(|phase| &phase.latency).filter(|latency| latency.count > 0)
}

fn added(run: &RunResult) -> Option<&Phase> {
    window(run).filter(|phase| phase.direct.is_some() && phase.latency.count > 0)
}
