//! The daemon as a process: built, configured, started, ended.

use std::fs;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use std::{env, thread};

use tempfile::TempDir;

use crate::{PATIENCE, PortBlock, Program, Side, Stage, stage};

/// A running `agwd` with listeners, ports and a directory of its own.
#[derive(Debug)]
pub struct Daemon {
    /// The process.
    pub program: Program,
    /// Where its Iq API listens.
    pub iq: SocketAddr,
    /// Where its admin pages are.
    pub admin: SocketAddr,
    /// Its ports.
    pub ports: PortBlock,
    /// Its directory, for files of the test as well.
    pub directory: TempDir,
}

impl Daemon {
    /// Starts the daemon; every setting is `key=value` as for `--set`.
    ///
    /// # Panics
    ///
    /// When it does not become ready.
    #[must_use]
    pub fn start(directory: TempDir, settings: &[&str]) -> Self {
        if stage::is_xdp() {
            let _ = Stage::enter();
        }
        let ports = PortBlock::take();
        let config = directory.path().join("agwd.toml");
        fs::write(&config, configuration(&ports)).expect("the configuration");
        let ready_file = directory.path().join("ready.json");
        let mut command = Command::new(Self::executable());
        command.arg("--config").arg(&config).arg("--ready-file").arg(&ready_file);
        for setting in settings {
            command.args(["--set", setting]);
        }
        let mut program = Program::start(&mut command, directory.path());
        let deadline = Instant::now() + PATIENCE;
        let ready = loop {
            match fs::read(&ready_file) {
                Ok(ready) => break ready,
                Err(_) => {
                    let waits = program.runs() && Instant::now() < deadline;
                    assert!(waits, "agwd does not get ready: {}", program.output());
                    thread::sleep(Duration::from_millis(10));
                }
            }
        };
        let ready: serde_json::Value = serde_json::from_slice(&ready).expect("JSON");
        let address = |key: &str| {
            let text = ready.get(key).and_then(serde_json::Value::as_str);
            text.and_then(|text| text.parse().ok()).expect("an address in the ready file")
        };
        let (iq, admin) = (address("iq"), address("admin"));
        Self { program, iq, admin, ports, directory }
    }

    /// Its executable: what `AGW_AGWD` names, else the one that was built beside the running test;
    /// built now if there is none.
    ///
    /// # Panics
    ///
    /// When there is none and it cannot be built.
    #[must_use]
    pub fn executable() -> PathBuf {
        static EXECUTABLE: OnceLock<PathBuf> = OnceLock::new();
        EXECUTABLE.get_or_init(find).clone()
    }
}

fn find() -> PathBuf {
    if let Some(named) = env::var_os("AGW_AGWD") {
        return PathBuf::from(named);
    }
    let test = env::current_exe().expect("the running test");
    let profile = test.parent().and_then(|deps| deps.parent()).expect("target/PROFILE/deps");
    let agwd = profile.join("agwd");
    if !agwd.is_file() {
        build(profile.ends_with("release"));
    }
    assert!(agwd.is_file(), "{} is missing", agwd.display());
    agwd
}

fn configuration(ports: &PortBlock) -> String {
    let (iq, admin) = (ports.iq(), ports.admin());
    let realm = |side: Side, range: RangeInclusive<u16>| {
        let name = side.name();
        let (low, high) = (range.start(), range.end());
        let place = if stage::is_xdp() {
            let (v4, v6) = side.addresses(1);
            format!("addresses = [\"{v4}\", \"{v6}\"]\nbackend = \"xdp\"\ndevice = \"{name}\"")
        } else {
            "addresses = [\"127.0.0.1\", \"::1\"]".to_owned()
        };
        format!("[[realm]]\nname = \"{name}\"\nports = \"{low}-{high}\"\n{place}\n")
    };
    let (access, core) = (realm(Side::Access, ports.access()), realm(Side::Core, ports.core()));
    format!(
        r#"
        [iq]
        listen = "127.0.0.1:{iq}"
        [admin]
        listen = "127.0.0.1:{admin}"
        [media]
        workers = 2
        [log]
        filter = "debug"
        {access}
        {core}
        "#,
    )
}

fn build(release: bool) {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--package", "agwd", "--bin", "agwd"]);
    if release {
        command.arg("--release");
    }
    let status = command.current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("cargo");
    assert!(status.success(), "agwd cannot be built");
}
