//! The JSON is a promise: every field there is, is described.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::alg;
use crate::gateway::{EPOCH, Rig};

const DESCRIBED: &str = include_str!("../../json.md");

/// The names of all fields, but not those of counters whose names are data.
fn names(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                found.insert(name.clone());
                if !["dropped", "send_errors", "refusals"].contains(&name.as_str()) {
                    names(value, found);
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| names(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_field_of_every_answer_is_described() {
    let rig = Rig::new();
    let mut found = BTreeSet::new();
    for command in [
        "call add --access-remote 127.0.0.2:30000",
        "status",
        "capabilities",
        "contexts list",
        "contexts adopt 1",
        "contexts show 1",
        "stats",
        "stats 1",
        "why 1",
        "events",
        "contexts rm 1",
        "service restore",
        "drain",
    ] {
        names(&rig.json(command), &mut found);
    }
    let rig = Rig::new();
    let offered = rig.agwctl_with(&format!("--output json {}", alg::OFFER), &alg::offer());
    names(&serde_json::from_str(&offered.stdout).unwrap(), &mut found);
    for command in ["alg query call-1", "alg delete call-1", "alg list", "alg registration alice"] {
        names(&rig.json(command), &mut found);
    }
    assert!(found.len() > 60, "{found:?}");
    for name in found {
        assert!(
            DESCRIBED.contains(&format!("`{name}`")) || DESCRIBED.contains(&format!("\"{name}\"")),
            "{name}"
        );
    }
    assert_eq!(rig.agwctl("json").stdout.trim_end(), DESCRIBED.trim_end());
}

#[test]
fn a_list_is_compared_and_a_difference_is_an_exit_code_of_its_own() {
    let rig = Rig::new();
    assert_eq!(rig.agwctl("call add --correlation call-1").code, 0);
    let same = rig.agwctl_with("--output json contexts diff -", "1 call-1\n");
    assert_eq!((same.code, same.stderr.as_str()), (0, ""));
    let same: Value = serde_json::from_str(&same.stdout).unwrap();
    assert_eq!((&same["compared"], &same["listed"]), (&1.into(), &1.into()));

    let other = rig.agwctl_with("--output json contexts diff -", "7\n");
    assert_eq!(other.code, 8, "{}", other.stderr);
    let other: Value = serde_json::from_str(&other.stdout).unwrap();
    let kinds: Vec<_> =
        other["differences"].as_array().unwrap().iter().map(|one| &one["kind"]).collect();
    assert_eq!(kinds, ["unknown_there", "unknown_here"]);
    let mut found = BTreeSet::new();
    names(&other, &mut found);
    assert!(found.iter().all(|name| DESCRIBED.contains(&format!("\"{name}\""))), "{found:?}");
}

#[test]
fn service_is_taken_away_and_given_back() {
    let rig = Rig::new();
    for (command, state, code) in [
        ("service drain --reason works", "draining", 5),
        ("service lock", "locked", 5),
        ("service restore", "in_service", 0),
    ] {
        assert_eq!(rig.json(command)["service_state"], state);
        assert_eq!(rig.agwctl("call add --priority emergency").code, code, "{state}");
    }
    assert_eq!(rig.json("contexts show 1")["priority"], "emergency");
}

#[test]
fn a_status_has_its_counters_by_worker_and_by_class() {
    let status = Rig::new().json("status");
    assert_eq!(status["gateway"]["restart_epoch"], EPOCH);
    assert_eq!(status["started"], "1970-01-01T00:00:00Z");
    assert_eq!(status["totals"]["send_errors"]["ENOBUFS"], 2);
    assert_eq!(status["workers"][0]["totals"]["received"]["packets"], 7);
}

#[test]
fn watched_counters_are_one_object_a_line_and_have_rates_from_the_second_one_on() {
    let rig = Rig::new();
    let run = rig.agwctl("--output json stats --watch --count 2");
    let objects: Vec<Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [first, second] = &objects[..] else { panic!("{}", run.stdout) };
    assert!(first["interval_ms"].is_null() && first["rows"][0]["rates"].is_null());
    assert!(second["interval_ms"].is_u64());
    assert_eq!(second["rows"][0]["rates"]["received_packets"], 0.0);
}

#[test]
fn events_go_on_after_the_number_given_and_say_when_they_are_gone() {
    let rig = Rig::new();
    for id in 1..=3 {
        assert_eq!(rig.agwctl("call add").code, 0);
        assert_eq!(rig.agwctl(&format!("contexts rm {id}")).code, 0);
    }
    let event = rig.json("events --after 5");
    assert_eq!((&event["sequence"], &event["kind"]), (&6.into(), &"context_released".into()));
    assert_eq!(event["context_id"], 3);

    let gone = rig.agwctl("events");
    assert_eq!(gone.code, 6);
    assert!(gone.stderr.contains("go on with --after 2 [EVENTS_GONE]"), "{}", gone.stderr);
}
