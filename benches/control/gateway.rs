//! The gateway that is measured, as a process.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use super::Options;

/// The gateway gets ready within this.
const PATIENCE: Duration = Duration::from_secs(10);

/// The daemon of this profile, built if need be.
pub(crate) fn built_agwd() -> PathBuf {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--release", "--package", "agwd", "--bin", "agwd"]);
    assert!(cargo.status().unwrap().success(), "agwd cannot be built");
    let benchmark = env::current_exe().unwrap();
    benchmark.parent().and_then(Path::parent).unwrap().join("agwd")
}

/// A daemon with ports enough for calls that come and go.
pub(crate) struct Gateway {
    pub(crate) process: Child,
    pub(crate) address: String,
    /// Where ng is spoken over UDP.
    pub(crate) ng: Option<String>,
    _directory: tempfile::TempDir,
}

impl Gateway {
    pub(crate) fn start(agwd: &Path, options: &Options) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ready_file = directory.path().join("ready.json");
        let mut command = match options.core {
            None => Command::new(agwd),
            Some(core) => {
                let mut pinned = Command::new("taskset");
                pinned.args(["--cpu-list", &core.to_string()]).arg(agwd);
                pinned
            }
        };
        let settings = [
            "iq.listen=127.0.0.1:0",
            "admin.listen=127.0.0.1:0",
            "media.workers=1",
            "policy.port_rest_ms=200",
            "log.filter=warn,h2=error",
            "ng.udp=[\"127.0.0.1:0\"]",
            "ng.max_rate=0",
            // Calls come as fast as they are taken, and however loaded the machine is.
            "limits.cpu_percent=0",
            "limits.memory_percent=0",
            "limits.reserve_percent=0",
            r#"realm=[{name="access",addresses=["127.0.0.1"],ports="10000-31999"},
                      {name="core",addresses=["127.0.0.3"],ports="10000-31999"}]"#,
        ];
        let most = format!("limits.contexts={}", options.most_contexts());
        for setting in settings
            .into_iter()
            .chain([most.as_str()])
            .chain(options.settings.iter().map(String::as_str))
        {
            command.args(["--set", setting]);
        }
        command.arg("--ready-file").arg(&ready_file).stdin(Stdio::null());
        let process = command.spawn().unwrap();
        let deadline = Instant::now() + PATIENCE;
        let ready = loop {
            if let Ok(ready) = fs::read(&ready_file) {
                break ready;
            }
            assert!(Instant::now() < deadline, "agwd does not get ready");
            thread::sleep(Duration::from_millis(10));
        };
        let ready: serde_json::Value = serde_json::from_slice(&ready).unwrap();
        let address = format!("http://{}", ready.get("iq").unwrap().as_str().unwrap());
        let ng = ready.get("ng_udp").and_then(|told| told.get(0)?.as_str()).map(str::to_owned);
        Self { process, address, ng, _directory: directory }
    }

    /// Nanoseconds on a core of all threads so far.
    pub(crate) fn on_cpu(&self) -> u64 {
        self.threads().iter().map(|thread| thread.on_cpu).sum()
    }

    /// What every thread has cost so far.
    pub(crate) fn threads(&self) -> Vec<Thread> {
        let tasks = format!("/proc/{}/task", self.process.id());
        fs::read_dir(tasks)
            .unwrap()
            .map(|task| {
                let task = task.unwrap().path();
                let read = |name| fs::read_to_string(task.join(name)).unwrap();
                let on_cpu = read("schedstat");
                let on_cpu = on_cpu.split_whitespace().next().unwrap().parse().unwrap();
                Thread { name: read("comm").trim().to_owned(), on_cpu }
            })
            .collect()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Wherever it stands, it is of no more use.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A thread of the gateway.
pub(crate) struct Thread {
    pub(crate) name: String,
    /// Nanoseconds on a core.
    pub(crate) on_cpu: u64,
}
