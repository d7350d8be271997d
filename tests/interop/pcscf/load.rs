//! Fifty calls a second through the sample for a minute, by SIPp: none fails, nothing is left.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use agw_srtp::Suite;
use agw_testkit::peer;
use agw_tests::{Gateway, Key, PATIENCE, Program};

use super::CLEAR;
use super::edge::{Edge, VERIFYING};
use crate::kamailio::Kamailio;
use crate::sip::Agent;

/// Calls in a second.
const RATE: usize = 50;
/// Calls before the first look at what the daemon holds, and those of the minute after it.
const WARM_UP: usize = 10 * RATE;
const CALLS: usize = 60 * RATE;
/// What the daemon may keep of a call that has ended, in octets: fingerprints of its keys, events.
const KEPT_OF_A_CALL: u64 = 2_000;

/// As many ports as the calls of a minute can have, whatever else this machine does; the addresses
/// are nobody else's.
const REALMS: [&str; 2] = [
    "[[realm]]\nname = \"ues\"\naddresses = [\"127.0.0.21\"]\nports = \"20000-23999\"\n",
    "[[realm]]\nname = \"network\"\naddresses = [\"127.0.0.22\"]\nports = \"20000-23999\"\n",
];

/// What the daemon holds.
#[derive(Debug)]
struct Held {
    descriptors: u64,
    resident_octets: u64,
}

#[test]
#[ignore = "takes more than a minute"]
fn fifty_calls_a_second_for_a_minute_all_succeed_and_leave_nothing() {
    if peer::program("sipp").is_none() {
        return;
    }
    let settings = ["ng.udp=[\"127.0.0.1:0\"]", "ng.cookie_ms=5000", "policy.port_rest_ms=1000"];
    let gateway = Gateway::with(&[&settings[..], &REALMS].concat());
    let ng = gateway.daemon.ng_udp[0];
    let site = format!(
        "#!define AGW \"udp:{ng}\"\n#!define ACCESS_REALM \"ues\"\n\
         #!define CORE_REALM \"network\"\n{CLEAR}"
    );
    let Some(edge) = Edge::before(gateway, &site) else { return };
    edge.await_ping();
    let ue = Agent::at(edge.gateway.daemon.ports.peer(8), "alice", edge.access);
    edge.registers(&ue, "alice", &VERIFYING);
    let places = (ue.address().port(), edge.core.address().port());
    let Edge { proxy, access, gateway, core, .. } = edge;
    // SIPp takes both places from here on.
    drop((ue, core));

    let run = |calls| run_calls(&gateway, access, places, calls);
    run(WARM_UP);
    let before = at_rest(&gateway, &proxy);
    run(CALLS);
    let after = at_rest(&gateway, &proxy);

    assert_eq!(after.descriptors, before.descriptors);
    let grown = after.resident_octets.saturating_sub(before.resident_octets);
    assert!(grown <= CALLS as u64 * KEPT_OF_A_CALL, "{before:?} {after:?}");
    gateway.ledger().await_line("agw_ng_unknown_flags_total 0");
    assert!(!proxy.output().contains("ERROR"), "{}", proxy.output());
}

/// Plays calls; each succeeds, and what is sent twice is the exception.
fn run_calls(gateway: &Gateway, edge: SocketAddr, (ue, core): (u16, u16), calls: usize) {
    let directory = tempfile::tempdir_in(gateway.daemon.directory.path()).expect("a directory");
    let directory = directory.path();
    let keys = keys(directory, calls);
    let called = Program::start(&mut sipp(directory, "core", core, calls), directory);
    agw_tests::await_listener(core);
    let mut calling = sipp(directory, "ue", ue, calls);
    calling.arg("-inf").arg(keys).args(["-r", &RATE.to_string(), "-l", "1000", "-d", "300"]);
    calling.arg(edge.to_string());
    let mut calling = Program::start(&mut calling, directory);
    let deadline = Instant::now() + Duration::from_secs((calls / RATE) as u64) + 2 * PATIENCE;
    while calling.runs() {
        assert!(Instant::now() < deadline, "the calls do not end: {}", errors(directory));
        thread::sleep(Duration::from_millis(100));
    }
    let status = calling.finish().status;
    assert!(status.success(), "{status}: {}", errors(directory));
    called.succeed();
    for role in ["ue", "core"] {
        let told = statistics(&directory.join(format!("{role}.csv")));
        let of = |column: &str| told[column].parse::<usize>().expect("a number");
        assert_eq!((of("SuccessfulCall(C)"), of("FailedCall(C)")), (calls, 0), "{told:?}");
        assert!(of("Retransmissions(C)") < calls / 10, "{told:?}");
    }
}

/// SIPp with a scenario of this directory.
fn sipp(directory: &Path, role: &str, port: u16, calls: usize) -> Command {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/sipp");
    let mut command = Command::new("sipp");
    command.arg("-sf").arg(scenarios.join(format!("{role}.xml")));
    command.args(["-i", "127.0.0.1", "-p", &port.to_string(), "-m", &calls.to_string()]);
    command.args(["-nostdin", "-skip_rlimit", "-trace_err", "-error_file"]);
    command.arg(directory.join(format!("{role}.errors")));
    command.args(["-trace_stat", "-fd", "1", "-stf"]).arg(directory.join(format!("{role}.csv")));
    command.current_dir(directory);
    command
}

/// A file with two keys for each call.
fn keys(directory: &Path, calls: usize) -> PathBuf {
    let mut text = "SEQUENTIAL\n".to_owned();
    let key = || Key::random(Suite::AesCm128HmacSha1_80).base64();
    for _ in 0..calls {
        let _ = writeln!(text, "{};{}", key(), key());
    }
    let file = directory.join("keys.csv");
    fs::write(&file, text).expect("a file of keys");
    file
}

/// The last line of SIPp's statistics, by its columns.
fn statistics(file: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(file).expect("statistics");
    let mut lines = text.lines();
    let names = lines.next().expect("names").split(';').map(str::to_owned);
    names.zip(lines.last().expect("numbers").split(';').map(str::to_owned)).collect()
}

fn errors(directory: &Path) -> String {
    let read = |role: &str| fs::read_to_string(directory.join(format!("{role}.errors")));
    ["ue", "core"].map(|role| read(role).unwrap_or_default()).concat()
}

/// What is held once no call is left anywhere.
fn at_rest(gateway: &Gateway, proxy: &Kamailio) -> Held {
    let ledger = gateway.ledger();
    ledger.await_line("agw_contexts 0");
    ledger.await_line("agw_alg_calls 0");
    ledger.await_line("agw_ports_open 0");
    for realm in ["ues", "network"] {
        for counter in ["used", "resting"] {
            ledger.await_line(&format!("agw_realm_ports_{counter}{{realm=\"{realm}\"}} 0"));
        }
    }
    let deadline = Instant::now() + 3 * PATIENCE;
    let is_idle = || {
        proxy.asked(&["tm.stats"]).contains("\tcurrent: 0\n")
            && proxy.asked(&["htable.dump", "late"]).is_empty()
            && proxy.asked(&["rtpengine.get_hash_total"]).trim() == "0"
    };
    while !is_idle() {
        assert!(Instant::now() < deadline, "{}", proxy.asked(&["tm.stats"]));
        thread::sleep(Duration::from_millis(100));
    }
    let page = ledger.page("/metrics");
    let of = |name: &str| {
        let mut values = page.lines().filter_map(|line| line.strip_prefix(name));
        values.next().and_then(|value| value.trim().parse::<f64>().ok()).expect("a number") as u64
    };
    Held {
        descriptors: of("process_open_fds "),
        resident_octets: of("process_resident_memory_bytes "),
    }
}
