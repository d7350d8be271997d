//! The program: command line, exit codes, signals, the ready file.

use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;
use std::{fs, thread};

use agw_iq::client::IqClient;
use agw_iq::pb;
use serde_json::Value;
use tempfile::TempDir;

use crate::rig;

const EVERYWHERE: [&str; 6] = [
    "--set",
    "iq.listen=127.0.0.1:0",
    "--set",
    "admin.listen=127.0.0.1:0",
    "--set",
    "media.workers=1",
];

fn agwd() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agwd"));
    command.env_clear();
    command
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = agwd().args(arguments).output().expect("run");
    let text = |octets| String::from_utf8(octets).expect("UTF-8");
    (status.code().expect("an exit code"), text(stdout), text(stderr))
}

/// The program as a service.
struct Service {
    child: Child,
    ready: Value,
    ready_file: PathBuf,
    _directory: TempDir,
}

impl Service {
    fn start(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let ready_file = directory.path().join("ready.json");
        let mut child = agwd()
            .args(EVERYWHERE)
            .args(arguments)
            .arg("--ready-file")
            .arg(&ready_file)
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        while !ready_file.exists() {
            assert_eq!(child.try_wait().expect("asked"), None, "it runs");
            thread::sleep(Duration::from_millis(10));
        }
        let ready = fs::read(&ready_file).expect("read");
        let ready = serde_json::from_slice(&ready).expect("JSON");
        Self { child, ready, ready_file, _directory: directory }
    }

    fn address(&self, key: &str) -> SocketAddr {
        self.ready[key].as_str().and_then(|text| text.parse().ok()).expect("an address")
    }

    async fn client(&self) -> IqClient {
        let address = format!("http://{}", self.address("iq"));
        IqClient::connect(&address, None).await.expect("connected")
    }

    async fn get(&self, path: &str) -> (u16, String) {
        rig::http(self.address("admin"), "GET", path, "").await
    }

    fn signal(&self, name: &str) {
        let number = self.child.id().to_string();
        let kill = Command::new("kill").args(["-s", name, &number]).status().expect("kill");
        assert!(kill.success());
    }

    /// Waits for the end; the exit status and what was logged.
    fn end(mut self) -> (ExitStatus, String) {
        let mut log = String::new();
        let mut stderr = self.child.stderr.take().expect("piped");
        stderr.read_to_string(&mut log).expect("UTF-8");
        let status = self.child.wait().expect("ended");
        assert!(!self.ready_file.exists(), "the ready file is gone");
        (status, log)
    }
}

#[test]
fn exit_codes_tell_what_is_wrong() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
    let taken = format!("iq.listen={}", taken.local_addr().expect("bound"));
    let directory = tempfile::tempdir().expect("a directory");
    let broken = directory.path().join("agwd.toml");
    fs::write(&broken, "[iq]\nlisten = 1\n").expect("written");
    let broken = broken.to_str().expect("UTF-8");
    let table: [(&[&str], i32, &str); 8] = [
        (&["--check-config"], 0, ""),
        (&["--version"], 0, ""),
        (&["--no-such-option"], 64, "--no-such-option"),
        (&["--config", "/nowhere/agwd.toml"], 64, "agwd: /nowhere/agwd.toml: "),
        (&["--check-config", "--config", broken], 64, "agwd.toml:2:10: "),
        (&["--set", "iq.listen=0.0.0.0:0"], 64, "[iq.tls]"),
        (&["--set", &taken, "--set", "admin.listen=127.0.0.1:0"], 69, "agwd: iq.listen: "),
        (
            &["--set", "iq.unix_socket=/nowhere/iq.sock", "--set", "iq.listen=127.0.0.1:0"],
            71,
            "/nowhere/iq.sock",
        ),
    ];
    for (arguments, code, said) in table {
        let (found, _, stderr) = run(arguments);
        assert_eq!(found, code, "{arguments:?}: {stderr}");
        assert!(stderr.contains(said), "{arguments:?}: {stderr}");
    }
}

#[test]
fn the_printed_configuration_is_a_configuration() {
    let (code, printed, _) = run(&["--print-config", "--set", "drain.timeout_s=7"]);
    assert_eq!(code, 0);
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("agwd.toml");
    fs::write(&path, &printed).expect("written");
    let path = path.to_str().expect("UTF-8");
    assert_eq!(run(&["--print-config", "--config", path]), (0, printed, String::new()));
}

#[tokio::test]
async fn sigterm_waits_for_the_last_context_and_ends_well() {
    let service = Service::start(&[]);
    let gateway = service.client().await;
    let peer: SocketAddr = ([127, 0, 0, 1], 9).into();
    let reserve = || rig::reserve("core", rig::stream(peer));
    let context_id = gateway.reserve_and_configure(reserve()).await.expect("room").context_id;
    service.signal("TERM");
    while service.get("/readyz").await.0 == 200 {}
    let refused = gateway.reserve_and_configure(reserve()).await.expect_err("draining");
    assert_eq!(refused.reason.as_deref(), Some("DRAINING"));
    gateway
        .release(pb::Release { context_id, termination_id: 0, ..Default::default() })
        .await
        .expect("released");
    let (status, log) = service.end();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("agwd is ready") && log.contains("draining"), "{log}");
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let service = Service::start(&["--set", "log.format=json"]);
    let gateway = service.client().await;
    let peer: SocketAddr = ([127, 0, 0, 1], 9).into();
    let reserve = rig::reserve("core", rig::stream(peer));
    gateway.reserve_and_configure(reserve).await.expect("room");
    service.signal("TERM");
    while service.get("/readyz").await.0 == 200 {}
    service.signal("INT");
    let (status, log) = service.end();
    assert_eq!(status.code(), Some(0), "{log}");
    let last = log.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let told = last.filter(|line| line["level"] == "WARN").any(|line| line["contexts"] == 1);
    assert!(told, "{log}");
}

#[tokio::test]
async fn sighup_reads_the_log_filter_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("agwd.toml");
    fs::write(&path, "[log]\nfilter = \"info\"\n").expect("written");
    let service = Service::start(&["--config", path.to_str().expect("UTF-8")]);
    assert_eq!(service.get("/log-filter").await, (200, "info\n".to_owned()));
    fs::write(&path, "[log]\nfilter = \"agwd=debug\"\n").expect("written");
    service.signal("HUP");
    while service.get("/log-filter").await.1 != "agwd=debug\n" {}
    fs::write(&path, "[log]\nfilter = \"agwd=\n").expect("written");
    service.signal("HUP");
    let failed = "agwd_reloads_total{result=\"failed\"} 1";
    while !service.get("/metrics").await.1.lines().any(|line| line == failed) {}
    assert_eq!(service.get("/log-filter").await.1, "agwd=debug\n");
    service.signal("TERM");
    assert!(service.end().0.success());
}

#[tokio::test]
async fn the_log_filter_can_be_changed_over_http_if_the_operator_allows_it() {
    let service = Service::start(&[]);
    let refused = rig::http(service.address("admin"), "PUT", "/log-filter", "trace").await;
    assert_eq!((refused.0, service.get("/log-filter").await.1.as_str()), (403, "h2=error,info\n"));
    service.signal("TERM");
    assert!(service.end().0.success());
    let service = Service::start(&["--set", "admin.set_log_filter=true"]);
    let admin = service.address("admin");
    let changed = rig::http(admin, "PUT", "/log-filter", "agwd=debug").await;
    assert_eq!(changed, (200, "agwd=debug\n".to_owned()));
    assert_eq!(rig::http(admin, "PUT", "/log-filter", "agwd=loud").await.0, 400);
    assert_eq!(rig::http(admin, "POST", "/metrics", "").await.0, 405);
    assert_eq!(service.get("/nothing").await.0, 404);
    assert_eq!(service.get("/log-filter").await.1, "agwd=debug\n");
    service.signal("TERM");
    assert!(service.end().0.success());
}

#[tokio::test]
async fn neither_core_dumps_nor_new_privileges() {
    let service = Service::start(&[]);
    let read = |file: &str| {
        fs::read_to_string(format!("/proc/{}/{file}", service.child.id())).expect("proc")
    };
    let status = read("status");
    assert!(status.lines().any(|line| line == "NoNewPrivs:\t1"), "{status}");
    let limits = read("limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
    assert_eq!(core.split_whitespace().collect::<Vec<_>>()[4..6], ["0", "0"], "{core}");
    service.signal("TERM");
    assert!(service.end().0.success());
}
