//! Against a real agwd over the loopback.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs};

use super::job;
use crate::result::{PathFigures, Phase, RunResult};
use crate::run;
use crate::screen::Screen;

/// The agwd beside this test; built now if there is none.
fn agwd() -> PathBuf {
    static AGWD: OnceLock<PathBuf> = OnceLock::new();
    let found = AGWD.get_or_init(|| {
        let test = env::current_exe().unwrap();
        let profile = test.parent().and_then(|deps| deps.parent()).unwrap().to_owned();
        let program = profile.join("agwd");
        if !program.is_file() {
            let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
            let mut command = Command::new(cargo);
            command.args(["build", "--quiet", "--package", "agwd", "--bin", "agwd"]);
            command.args(profile.ends_with("release").then_some("--release"));
            assert!(command.status().unwrap().success());
        }
        program
    });
    found.clone()
}

async fn measure(line: &str) -> RunResult {
    let job = job(&format!("{line} --program {}", agwd().display()));
    run::check(&job).unwrap();
    run::carry_out(&job, &Screen::new()).await.unwrap()
}

/// Every packet is somewhere, and what arrived is what was sent.
fn assert_whole(phase: &Phase) {
    assert_eq!(phase.troubles(), Vec::<String>::new(), "{phase:?}");
    for PathFigures { sent, delivered, lost, held, .. } in [&phase.up, &phase.down] {
        assert_eq!(*sent, delivered + lost + held);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_packet_of_a_mix_of_suites_is_accounted_for_and_compared() {
    let suites = "AES_CM_128_HMAC_SHA1_80=2,AEAD_AES_256_GCM,AES_192_CM_HMAC_SHA1_32,none";
    let line = "run --calls 10 --seconds 1 --rtcp 0.5 --verify-one-in 1";
    let result = measure(&format!("{line} --suite {suites}")).await;
    let [phase] = &result.phases[..] else { panic!("{result:?}") };
    assert_whole(phase);
    assert_eq!((phase.up.sent, phase.down.sent), (500, 500));
    for path in [&phase.up, &phase.down] {
        assert!(path.rtcp_sent > 0 && path.rtcp_delivered <= path.rtcp_sent);
        assert_eq!(path.verified, path.delivered + path.rtcp_delivered);
    }
    assert_eq!(phase.latency.count, phase.up.delivered + phase.down.delivered);
    let control = result.control.unwrap();
    assert_eq!((control.set_up, control.released), (10, 10));
    assert!(control.failures.is_empty());
    assert!(phase.gateway.cpu_seconds > 0.0);
    assert!(phase.gateway.descriptors_per_call >= 2.0, "a socket on each side");
    assert_eq!(result.plan.suites["AES_CM_128_HMAC_SHA1_80"], 4);
    let text = serde_json::to_string(&phase).unwrap();
    assert_eq!(serde_json::from_str::<Phase>(&text).unwrap().ledger, phase.ledger);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holds_and_new_keys_lose_nothing_that_was_not_held_on_purpose() {
    let changes = "--churn-holds 2 --churn-rekeys 4 --churn-set-ups 10";
    let line = "run --calls 12 --seconds 3 --rtcp 0 --verify-one-in 1";
    let result = measure(&format!("{line} {changes}")).await;
    let [phase] = &result.phases[..] else { panic!("{result:?}") };
    assert_whole(phase);
    assert_eq!(result.control.unwrap().failures, Default::default());
    // Two counts of the same packets, one by when they were sent, one by the gateway's gate.
    let held = phase.up.held + phase.down.held;
    assert!(held > 0);
    assert_eq!(phase.ledger.gateway_drops.get("ingress_gate"), Some(&held));
    assert_eq!(phase.up.verified, phase.up.delivered);
    assert_eq!(phase.down.verified, phase.down.delivered);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_speed_is_bounded_by_the_window_and_accounted_for_over_ipv6() {
    let line = "run --calls 4 --seconds 0.5 --rate max --window 16 --family v6 --media video";
    let result = measure(line).await;
    let [phase] = &result.phases[..] else { panic!("{result:?}") };
    assert_whole(phase);
    assert_eq!(result.plan.packets_per_second, None);
    assert!(phase.up.sent > 100, "{phase:?}");
    assert!(phase.up.verified > 0 && phase.down.verified > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_come_and_go_while_media_runs() {
    let result = measure("churn --calls 4 --seconds 1 --outstanding 8").await;
    let [phase] = &result.phases[..] else { panic!("{result:?}") };
    assert_whole(phase);
    let control = result.control.unwrap();
    assert_eq!(control.failures, Default::default());
    assert_eq!(control.set_up, control.released);
    assert!(control.set_up > 8 && control.cycles_per_second.unwrap() > 0.0);
    assert_eq!(control.set_up_latency.count, control.set_up);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_runs_already_is_measured_and_left_running() {
    let directory = tempfile::tempdir().unwrap();
    let ready = directory.path().join("ready.json");
    let mut command = Command::new(agwd());
    command.args(["--set", "iq.listen=127.0.0.1:0", "--set", "admin.listen=127.0.0.1:0"]);
    command.args([
        "--set",
        "realm=[{name=\"a\",addresses=[\"127.9.9.1\"],ports=\"2000-2999\"},\
        {name=\"b\",addresses=[\"127.9.9.2\"],ports=\"2000-2999\"}]",
    ]);
    let mut gateway = command.arg("--ready-file").arg(&ready).spawn().unwrap();
    while !ready.exists() {
        assert_eq!(gateway.try_wait().unwrap(), None);
        tokio::task::yield_now().await;
    }
    let text = fs::read_to_string(&ready).unwrap();
    let iq = serde_json::from_str::<serde_json::Value>(&text).unwrap()["iq"].to_string();
    let (iq, pid) = (iq.trim_matches('"').to_owned(), gateway.id());
    let line = format!("run --attach http://{iq} --pid {pid} --realms a,b --calls 2 --seconds 0.2");
    let job = job(&line);
    let result = run::carry_out(&job, &Screen::new()).await;
    let still_runs = gateway.try_wait().unwrap().is_none();
    gateway.kill().unwrap();
    gateway.wait().unwrap();
    let result = result.unwrap();
    assert_whole(&result.phases[0]);
    assert!(still_runs);
}
