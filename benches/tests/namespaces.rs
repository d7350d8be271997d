//! The program itself, in network namespaces of its own.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

use std::path::Path;
use std::process::{Command, Output};

use agw_testkit::peer;
use serde_json::Value;

fn is_root() -> bool {
    agw_net::effective_uid() == 0
}

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_agw-load")).args(arguments).output().unwrap()
}

/// Namespaces that a process of this name has left.
fn left(pid: u32) -> bool {
    let places = ["gateway", "generator"];
    places.iter().any(|place| Path::new(&format!("/run/netns/agw-load-{pid}-{place}")).exists())
}

#[test]
fn a_run_between_namespaces_accounts_for_every_packet_and_leaves_nothing_behind() {
    if !is_root() {
        return peer::skip("root");
    }
    let (Some(_), Some(_)) = (peer::program("ip"), peer::program("ethtool")) else { return };
    let directory = tempfile::tempdir().unwrap();
    let json = directory.path().join("run.json");
    let lines = [
        "--generator sockets",
        "--generator xdp --family mixed --rate max",
        "--generator xdp --backend xdp --family v6",
    ];
    for line in lines {
        let mut command = Command::new(env!("CARGO_BIN_EXE_agw-load"));
        command.args("run --netns --calls 6 --seconds 1 --verify-one-in 1 --json".split(' '));
        command.arg(&json).args(line.split(' '));
        let child = command.spawn().unwrap();
        let pid = child.id();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
        assert!(!left(pid), "{line}");
        let result: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
        let phase = &result["phases"][0];
        assert_eq!(phase["ledger"]["gap"], 0, "{line}");
        assert!(phase["up"]["delivered"].as_u64().unwrap() > 0, "{line}");
        assert!(phase["down"]["verified"].as_u64().unwrap() > 0, "{line}");
    }
}

#[test]
fn what_cannot_be_measured_is_said_with_an_exit_code_of_its_own() {
    let table = [
        (&["run", "--generator", "xdp"][..], "--netns"),
        (&["run", "--calls", "1", "--program", "/nowhere/agwd"], "/nowhere/agwd"),
        (&["run", "--attach", "http://127.0.0.1:1", "--pid", "1"], "no usable answer"),
    ];
    for (arguments, said) in table {
        let Output { status, stderr, .. } = run(arguments);
        let stderr = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(said), "{arguments:?}: {stderr}");
    }
}
