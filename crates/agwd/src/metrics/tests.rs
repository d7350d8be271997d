//! The exposition as a scraper sees it.

use std::collections::BTreeSet;
use std::time::Duration;

use agw_context::Capabilities;
use agw_iq::backend::Unavailable;
use agw_net::{AttachedMode, XdpInterface};
use agw_relay::DropReason;

use super::{Metrics, RefusedConnection, Snapshot};
use crate::config::Config;
use crate::control::Overview;
use crate::worker::Totals;

fn text() -> String {
    let metrics = Metrics::new().expect("metrics");
    metrics.transaction(&Ok::<(), _>(()), Duration::from_millis(1));
    metrics.transaction(&Err::<(), _>(Unavailable.into()), Duration::from_millis(1));
    metrics.accepted("tcp");
    metrics.refused("tcp", RefusedConnection::Tls);
    metrics.connections("tcp").inc();
    metrics.reloaded(true);
    metrics.xdp(&[XdpInterface {
        name: "eth0".to_owned(),
        queues: 4,
        attached: AttachedMode::Native,
        native_refusal: None,
        zero_copy: false,
    }]);
    let config = Config::default();
    let realms = config.realm.iter().map(|realm| realm.model()).collect();
    let secret = zeroize::Zeroizing::new([0; 64]);
    let gateway =
        agw_context::Gateway::new(config.gateway_policy(Vec::new()), realms, secret, 1, 1)
            .expect("a gateway");
    let capabilities: Capabilities = gateway.capabilities(std::time::Instant::now());
    let workers = vec![Totals::default(); 2];
    let engine = "portable";
    let snapshot = Snapshot { workers, capabilities, overview: Overview::default(), engine };
    String::from_utf8(metrics.text(&snapshot).expect("text")).expect("UTF-8")
}

#[test]
fn every_drop_reason_of_every_worker_is_there_from_the_start() {
    let text = text();
    for reason in DropReason::ALL {
        for worker in 0..2 {
            let sample = format!(
                "agw_packets_dropped_total{{reason=\"{}\",worker=\"{worker}\"}} 0",
                reason.name()
            );
            assert!(text.lines().any(|line| line == sample), "{sample}");
        }
    }
}

#[test]
fn names_carry_our_prefix_and_counters_end_in_total() {
    for line in text().lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').expect("name and type");
        let is_ours = ["agw_", "agwd_", "process_"].iter().any(|ours| name.starts_with(ours));
        assert!(is_ours, "{name}");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
    }
}

#[test]
fn every_family_is_told_once_with_help() {
    let text = text();
    let names: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# HELP "))
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(names.len(), names.iter().collect::<BTreeSet<_>>().len());
    assert_eq!(names.len(), text.lines().filter(|line| line.starts_with("# TYPE ")).count());
}

//= tests/spec/iq.md#daemon
//= type=test
//# Metrics MUST NOT carry a label per call.
#[test]
fn labels_come_from_closed_sets() {
    let allowed = [
        "reason",
        "class",
        "realm",
        "worker",
        "listener",
        "result",
        "limit",
        "le",
        "engine",
        "version",
        "device",
        "mode",
        "zero_copy",
        "cause",
        "command",
        "procedure",
    ];
    for line in text().lines().filter(|line| !line.starts_with('#')) {
        let labels = line.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
        for label in labels.iter().flat_map(|(labels, _)| labels.split(',')) {
            let (name, _) = label.split_once('=').expect("name and value");
            assert!(allowed.contains(&name), "{line}");
        }
    }
}

#[test]
fn the_devices_of_xdp_realms_are_told_with_their_modes() {
    let sample = "agw_xdp_queues{device=\"eth0\",mode=\"native\",zero_copy=\"false\"} 4";
    assert!(text().lines().any(|line| line == sample));
}

#[test]
fn the_process_tells_what_the_kernel_knows_of_it() {
    let text = text();
    for name in [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
        "process_open_fds",
        "process_max_fds",
    ] {
        assert!(text.lines().any(|line| line.starts_with(&format!("{name} "))), "{name}");
    }
}
