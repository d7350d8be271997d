//! Start and end: programs, privileges.

use std::fs;

use agw_srtp::Suite;
use agw_tests::{Call, Gateway, Side, stage};

use crate::on_stage;

/// Whether a program is at work on an interface.
fn is_attached(side: Side) -> bool {
    stage::ip(&format!("link show {}", side.name())).contains("prog/xdp")
}

#[test]
fn a_daemon_that_is_killed_leaves_no_program_behind_and_the_next_one_starts() {
    let Some(_stage) = on_stage(&Side::ALL) else { return };
    for signal in ["KILL", "TERM", "KILL"] {
        let gateway = Gateway::with(&["drain.timeout_s=0"]);
        let (mut call, ..) = Call::e2ae(&gateway, Suite::AesCm128HmacSha1_80);
        call.talk();
        assert!(Side::ALL.into_iter().all(is_attached));
        gateway.daemon.program.signal(signal);
        let _ = gateway.daemon.program.finish();
        assert!(!Side::ALL.into_iter().any(is_attached), "after {signal}");
    }
}

#[test]
fn once_it_has_the_devices_the_daemon_keeps_no_privilege_but_to_ask_for_neighbours() {
    let Some(_stage) = on_stage(&Side::ALL) else { return };
    let gateway = Gateway::start();
    let threads = format!("/proc/{}/task", gateway.daemon.program.id());
    let mut seen = Vec::new();
    for thread in fs::read_dir(threads).expect("its threads") {
        let path = thread.expect("a thread").path();
        let read = |file| fs::read_to_string(path.join(file)).expect("a thread's file");
        let status = read("status");
        let set = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a set");
            u64::from_str_radix(line.trim(), 16).expect("hexadecimal")
        };
        let name = read("comm").trim().to_owned();
        // CAP_NET_ADMIN is number 12.
        let expected = if name == "agw-nexthops" { 1 << 12 } else { 0 };
        assert_eq!((set("CapEff:"), set("CapPrm:")), (expected, expected), "{name}");
        assert_eq!((set("CapInh:"), set("CapAmb:")), (0, 0), "{name}");
        seen.push(name);
    }
    for name in ["agw-nexthops", "agw-worker-0", "agw-worker-1", "agw-control"] {
        assert!(seen.iter().any(|one| one.starts_with(name)), "{name} is not among {seen:?}");
    }
}
