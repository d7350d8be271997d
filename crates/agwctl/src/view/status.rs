//! The gateway as a whole.

use std::collections::BTreeMap;

use agw_iq::pb;
use comfy_table::Cell;
use serde::Serialize;

use super::{TrafficView, drops, text, word};
use crate::output::{alarm, dash, facts, moment, table};

/// The gateway's condition.
#[derive(Debug, Serialize)]
pub(crate) struct GatewayView {
    pub(crate) overload_percent: u32,
    pub(crate) restart_epoch: u64,
    pub(crate) draining: bool,
    overload_level: Option<String>,
    overload_limit: Option<String>,
    service_state: Option<String>,
}

/// Version, age, load and counters.
#[derive(Debug, Serialize)]
pub(crate) struct StatusView {
    version: String,
    commit: Option<String>,
    engine: String,
    started: Option<String>,
    uptime_ms: u64,
    contexts: u64,
    orphans: u64,
    gateway: GatewayView,
    totals: TotalsView,
    workers: Vec<WorkerView>,
}

/// Counters of one worker or of all.
#[derive(Debug, Serialize)]
pub(crate) struct TotalsView {
    pub(crate) received: TrafficView,
    pub(crate) forwarded: TrafficView,
    pub(crate) dropped: BTreeMap<String, u64>,
    pub(crate) send_errors: BTreeMap<String, u64>,
    pub(crate) kernel_drops: u64,
    pub(crate) unprotected: u64,
    pub(crate) protected: u64,
    pub(crate) copies: TrafficView,
    pub(crate) copies_dropped: BTreeMap<String, u64>,
}

#[derive(Debug, Serialize)]
struct WorkerView {
    worker: u32,
    totals: TotalsView,
}

impl From<pb::GatewayState> for GatewayView {
    fn from(gateway: pb::GatewayState) -> Self {
        let overload_level = word(gateway.overload_level().as_str_name(), "OVERLOAD_LEVEL_");
        let service_state = word(gateway.service_state().as_str_name(), "SERVICE_STATE_");
        let pb::GatewayState { overload_percent, restart_epoch, draining, overload_limit, .. } =
            gateway;
        Self {
            overload_percent,
            restart_epoch,
            draining,
            overload_level,
            overload_limit: text(&overload_limit),
            service_state,
        }
    }
}

impl GatewayView {
    /// In words.
    pub(crate) fn condition(&self) -> String {
        match self.service_state.as_deref() {
            Some("locked") => "locked: no contexts",
            _ if self.draining => "draining: no new contexts",
            Some(_) | None => "in service",
        }
        .to_owned()
    }

    /// The load with its level, and what is used most.
    fn load(&self) -> String {
        let level = dash(self.overload_level.clone());
        let limit = self.overload_limit.as_ref().map(|limit| format!(" ({limit})"));
        format!("{} %, {level}{}", self.overload_percent, limit.unwrap_or_default())
    }
}

impl From<pb::GetStatusResponse> for StatusView {
    fn from(status: pb::GetStatusResponse) -> Self {
        let pb::GetStatusResponse {
            gateway,
            version,
            started,
            uptime_ms,
            contexts,
            totals,
            workers,
            engine,
            orphans,
            commit,
        } = status;
        let worker = |status: pb::WorkerStatus| WorkerView {
            worker: status.worker,
            totals: status.totals.unwrap_or_default().into(),
        };
        Self {
            version,
            commit: text(&commit),
            engine,
            started: started.map(|started| started.to_string()),
            uptime_ms,
            contexts,
            orphans,
            gateway: gateway.unwrap_or_default().into(),
            totals: totals.unwrap_or_default().into(),
            workers: workers.into_iter().map(worker).collect(),
        }
    }
}

impl From<pb::Totals> for TotalsView {
    fn from(totals: pb::Totals) -> Self {
        let pb::Totals {
            received,
            forwarded,
            dropped,
            send_errors,
            kernel_drops,
            unprotected,
            protected,
            copies,
            copies_dropped,
        } = totals;
        Self {
            received: received.into(),
            forwarded: forwarded.into(),
            dropped: drops(&dropped),
            send_errors: send_errors
                .into_iter()
                .map(|error| (error.error_class, error.packets))
                .collect(),
            kernel_drops,
            unprotected,
            protected,
            copies: copies.into(),
            copies_dropped: drops(&copies_dropped),
        }
    }
}

impl StatusView {
    /// As tables.
    pub(crate) fn tables(&self) -> String {
        let facts = facts([
            ("version", self.version.clone()),
            ("engine", dash((!self.engine.is_empty()).then(|| self.engine.clone()))),
            ("condition", self.gateway.condition()),
            ("load", self.gateway.load()),
            ("contexts", format!("{}, {} without a controller", self.contexts, self.orphans)),
            ("up for", age(self.uptime_ms)),
            ("since", dash(self.started.as_deref().map(moment))),
            ("restart epoch", self.gateway.restart_epoch.to_string()),
        ]);
        let headings = [
            "worker",
            "received",
            "forwarded",
            "dropped",
            "unsent",
            "kernel drops",
            "opened",
            "sealed",
        ];
        let mut counters = table(&headings, 1);
        for WorkerView { worker, totals } in &self.workers {
            counters.add_row(totals.row(worker.to_string()));
        }
        counters.add_row(self.totals.row("all".to_owned()));
        format!("{facts}\n{counters}")
    }
}

impl TotalsView {
    fn row(&self, who: String) -> Vec<Cell> {
        vec![
            Cell::new(who),
            Cell::new(self.received.packets),
            Cell::new(self.forwarded.packets),
            alarm(self.dropped.values().sum()),
            alarm(self.send_errors.values().sum()),
            alarm(self.kernel_drops),
            Cell::new(self.unprotected),
            Cell::new(self.protected),
        ]
    }
}

/// Days, hours, minutes and seconds, from the first that is not zero.
fn age(milliseconds: u64) -> String {
    let seconds = milliseconds / 1_000;
    let parts = [(seconds / 86_400, "d"), (seconds / 3_600 % 24, "h"), (seconds / 60 % 60, "min")];
    let mut age: Vec<String> = parts
        .into_iter()
        .skip_while(|(number, _)| *number == 0)
        .map(|(number, unit)| format!("{number} {unit}"))
        .collect();
    age.push(format!("{} s", seconds % 60));
    age.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_starts_at_its_largest_unit() {
        assert_eq!(age(999), "0 s");
        assert_eq!(age(61_000), "1 min 1 s");
        assert_eq!(age(86_400_000 + 5_000), "1 d 0 h 0 min 5 s");
    }
}
