//! What SIGHUP changes while the daemon runs, and what takes a restart.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::config::Config;

/// Keys that change at run time, by their beginnings; the rest takes a restart.
const RELOADABLE: [&str; 15] = [
    "limits.contexts",
    "limits.terminations",
    "limits.streams",
    "limits.sources",
    "limits.reserve_percent",
    "limits.packet_rate",
    "limits.cpu_percent",
    "limits.memory_percent",
    "limits.controller_share_percent",
    "limits.controller_shares",
    "policy.allow_",
    "policy.default_overlap_ms",
    "policy.max_overlap_ms",
    "policy.latch_gate_ms",
    LOG_FILTER,
];
/// Changes at run time, but is nothing that a controller could see.
const LOG_FILTER: &str = "log.filter";

/// The keys that differ between two configurations.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// Those that can be put in force now.
    pub(crate) now: Vec<String>,
    /// Those that take a restart.
    pub(crate) restart: Vec<String>,
}

impl Changes {
    /// Compares what is in force with what was read.
    pub(crate) fn between(before: &Config, after: &Config) -> Self {
        let (before, after) = (keys(before), keys(after));
        let all = before.keys().chain(after.keys().filter(|key| !before.contains_key(*key)));
        let mut changed: Vec<&String> =
            all.filter(|key| before.get(*key) != after.get(*key)).collect();
        changed.sort();
        let (now, restart) = changed.into_iter().cloned().partition(|key| is_reloadable(key));
        Self { now, restart }
    }

    /// What controllers should know of, comma-separated; empty if there is nothing.
    pub(crate) fn for_controllers(&self) -> String {
        let keys: Vec<&str> =
            self.now.iter().map(String::as_str).filter(|key| *key != LOG_FILTER).collect();
        keys.join(",")
    }
}

impl Config {
    /// This configuration with all of `new` that can change at run time.
    pub(crate) fn with_changes(&self, new: &Self) -> Self {
        let mut config = self.clone();
        let (events, memory_octets) = (config.limits.events, config.limits.memory_octets);
        config.limits = new.limits.clone();
        (config.limits.events, config.limits.memory_octets) = (events, memory_octets);
        let port_rest_ms = config.policy.port_rest_ms;
        config.policy = new.policy.clone();
        config.policy.port_rest_ms = port_rest_ms;
        config.log.filter.clone_from(&new.log.filter);
        for realm in &mut config.realm {
            if let Some(new) = new.realm.iter().find(|new| new.name == realm.name) {
                realm.max_ports = new.max_ports;
            }
        }
        config
    }
}

fn is_reloadable(key: &str) -> bool {
    RELOADABLE.iter().any(|reloadable| key.starts_with(reloadable))
        || key.starts_with("realm[") && key.ends_with("].max_ports")
}

/// Every key with its value, dotted.
fn keys(config: &Config) -> BTreeMap<String, Value> {
    let mut keys = BTreeMap::new();
    // What was loaded can be written.
    if let Ok(table) = Table::try_from(config) {
        flatten("", &Value::Table(table), &mut keys);
    }
    keys
}

fn flatten(path: &str, value: &Value, keys: &mut BTreeMap<String, Value>) {
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(&path, value, keys);
            }
        }
        Value::Array(values) if values.iter().all(Value::is_table) => {
            for (position, value) in values.iter().enumerate() {
                flatten(&format!("{path}[{position}]"), value, keys);
            }
        }
        Value::String(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_)
        | Value::Array(_) => {
            keys.insert(path.to_owned(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_policy_and_log_filter_change_now_and_the_rest_takes_a_restart() {
        let before = Config::default();
        let mut after = before.clone();
        assert_eq!(Changes::between(&before, &after), Changes::default());
        after.limits.contexts = 7;
        after.limits.events = 7;
        after.policy.allow_null = true;
        after.policy.port_rest_ms = 1;
        after.log.filter = "debug".to_owned();
        after.realm[1].max_ports = Some(10);
        after.realm[1].dscp = Some(46);
        after.iq.max_connections = 5;
        let changes = Changes::between(&before, &after);
        let now = ["limits.contexts", "log.filter", "policy.allow_null", "realm[1].max_ports"];
        assert_eq!(changes.now, now);
        let restart =
            ["iq.max_connections", "limits.events", "policy.port_rest_ms", "realm[1].dscp"];
        assert_eq!(changes.restart, restart);
        let told = "limits.contexts,policy.allow_null,realm[1].max_ports";
        assert_eq!(changes.for_controllers(), told);

        let merged = before.with_changes(&after);
        let rest = Changes::between(&merged, &after);
        assert_eq!((rest.now.len(), rest.restart), (0, changes.restart));
    }
}
