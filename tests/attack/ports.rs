//! C10: what the daemon listens at.

use std::collections::BTreeSet;
use std::fs;

use agw_tests::stage::{self, Backend};

use crate::scene::Scene;

/// Ports of sockets in a state, of the gateway's namespace, where nobody else lives.
fn ports(tables: [&str; 2], state: &str) -> BTreeSet<u16> {
    let read = |table| fs::read_to_string(format!("/proc/thread-self/net/{table}"));
    let tables = tables.map(|table| read(table).expect("a table of sockets"));
    let lines = tables.iter().flat_map(|table| table.lines().skip(1));
    lines
        .filter_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            let (local, _, is) = (words.next()?, words.next()?, words.next()?);
            let port = local.rsplit_once(':')?.1;
            (is == state).then(|| u16::from_str_radix(port, 16).expect("a port"))
        })
        .collect()
}

#[test]
fn the_daemon_listens_where_it_is_documented_to_and_nowhere_else() {
    let title = "ports for metrics, health and debugging";
    let Some(mut scene) = Scene::new("C10", title) else { return };
    let daemon = &scene.gateway.daemon;
    let listening = ports(["tcp", "tcp6"], "0A");
    assert_eq!(listening, [daemon.iq.port(), daemon.admin.port()].into());
    assert!(daemon.iq.ip().is_loopback() && daemon.admin.ip().is_loopback());
    let media: BTreeSet<u16> = match stage::backend() {
        Backend::Sockets => scene.ports().map(|port| port.port()).into(),
        Backend::Xdp => BTreeSet::new(),
    };
    assert_eq!(ports(["udp", "udp6"], "07"), media);
    // Pages for debugging, and contexts that could be told apart in labels.
    let ledger = scene.gateway.ledger();
    for path in ["/debug/pprof/", "/console", "/shutdown", "/env", "/config", "/contexts", "/"] {
        let answer = ledger.page(path);
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
    }
    let metrics = ledger.page("/metrics");
    let context = scene.call.context.to_string();
    assert!(!metrics.contains(&format!("\"{context}\"")), "a context in a label");
    scene.row.tried(7 + u64::try_from(listening.len() + media.len()).expect("a count"));
}
