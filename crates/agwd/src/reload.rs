//! What SIGHUP changes while the daemon runs, and what takes a restart.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::config::{Alg, Config, Limits, Policy};

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
        let merged = before.with_changes(after);
        Self { now: changed(before, &merged), restart: changed(&merged, after) }
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
        config.limits = Limits {
            events: self.limits.events,
            memory_octets: self.limits.memory_octets,
            pre_key_octets: self.limits.pre_key_octets,
            ..new.limits.clone()
        };
        config.policy = Policy { port_rest_ms: self.policy.port_rest_ms, ..new.policy.clone() };
        config.supervision = new.supervision.clone();
        config.alg = Alg { enabled: self.alg.enabled, ..new.alg.clone() };
        config.log.filter.clone_from(&new.log.filter);
        for realm in &mut config.realm {
            if let Some(new) = new.realm.iter().find(|new| new.name == realm.name) {
                realm.max_ports = new.max_ports;
            }
        }
        config
    }
}

/// The keys that differ, sorted.
fn changed(before: &Config, after: &Config) -> Vec<String> {
    let (before, after) = (keys(before), keys(after));
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    let other = after.iter().filter(|(key, value)| before.get(*key) != Some(*value));
    let mut changed: Vec<String> = gone.chain(other.map(|(key, _)| key)).cloned().collect();
    changed.sort();
    changed
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
        after.policy.policing_burst_ms += 1;
        after.supervision.orphan_silence_ms += 1;
        after.limits.pre_key_octets += 1;
        after.log.filter = "debug".to_owned();
        after.realm[1].max_ports = Some(10);
        after.realm[1].dscp = Some(46);
        after.iq.max_connections = 5;
        let changes = Changes::between(&before, &after);
        let now = [
            "limits.contexts",
            "log.filter",
            "policy.allow_null",
            "policy.policing_burst_ms",
            "realm[1].max_ports",
            "supervision.orphan_silence_ms",
        ];
        assert_eq!(changes.now, now);
        let restart = [
            "iq.max_connections",
            "limits.events",
            "limits.pre_key_octets",
            "policy.port_rest_ms",
            "realm[1].dscp",
        ];
        assert_eq!(changes.restart, restart);
        let told = "limits.contexts,policy.allow_null,policy.policing_burst_ms,\
                    realm[1].max_ports,supervision.orphan_silence_ms";
        assert_eq!(changes.for_controllers(), told);

        let merged = before.with_changes(&after);
        let rest = Changes::between(&merged, &after);
        assert_eq!((rest.now.len(), rest.restart), (0, changes.restart));
    }
}
