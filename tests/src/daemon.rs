//! The daemon as a process: built, configured, started, ended.

use std::fs;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use std::{env, thread};

use tempfile::TempDir;

use crate::{PATIENCE, PortBlock, Program, Side, Stage, stage};

/// The file of a daemon that is ready, in its directory.
const READY: &str = "ready.json";

/// A running `agwd` with listeners, ports and a directory of its own.
#[derive(Debug)]
pub struct Daemon {
    /// The process.
    pub program: Program,
    /// Where its Iq API listens.
    pub iq: SocketAddr,
    /// Where its admin pages are.
    pub admin: SocketAddr,
    /// Where it listens for ng over UDP.
    pub ng_udp: Vec<SocketAddr>,
    /// Where it listens for ng over TCP.
    pub ng_tcp: Vec<SocketAddr>,
    /// Its ports.
    pub ports: PortBlock,
    /// Its directory, for files of the test as well.
    pub directory: TempDir,
}

impl Daemon {
    /// Starts the daemon; every setting is `key=value` as for `--set`, or `access.key=value` or
    /// `core.key=value` for a key of that realm, or one more realm: a whole table `[[realm]]`.
    ///
    /// # Panics
    ///
    /// When it does not become ready.
    #[must_use]
    pub fn start(directory: TempDir, settings: &[&str]) -> Self {
        Self::start_by(Program::start, directory, settings)
    }

    /// The same by another way to start a program.
    pub(crate) fn start_by(
        start: impl Fn(&mut Command, &Path) -> Program,
        directory: TempDir,
        settings: &[&str],
    ) -> Self {
        let ports = PortBlock::take();
        let mut command = Command::new(Self::executable());
        Self::configure(&mut command, &directory, &ports, settings);
        let ready_file = directory.path().join(READY);
        let mut program = start(&mut command, directory.path());
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
        let addresses = |key: &str| {
            let told = ready.get(key).cloned().unwrap_or_default();
            serde_json::from_value(told).unwrap_or_default()
        };
        let (ng_udp, ng_tcp) = (addresses("ng_udp"), addresses("ng_tcp"));
        Self { program, iq, admin, ng_udp, ng_tcp, ports, directory }
    }

    /// Adds the daemon's arguments to a command that starts it; the test's thread is on its stage
    /// then, if it has one.
    ///
    /// # Panics
    ///
    /// When the configuration cannot be written.
    pub fn configure(
        command: &mut Command,
        directory: &TempDir,
        ports: &PortBlock,
        settings: &[&str],
    ) {
        if stage::is_set() {
            let _ = Stage::enter();
        }
        let config = directory.path().join("agwd.toml");
        let is_of_realms = |setting: &&str| realm_of(setting).is_some() || is_realm(setting);
        let (of_realms, settings): (Vec<&str>, Vec<&str>) =
            settings.iter().partition(|setting| is_of_realms(setting));
        fs::write(&config, configuration(ports, &of_realms)).expect("the configuration");
        command.arg("--config").arg(&config);
        command.arg("--ready-file").arg(directory.path().join(READY));
        for setting in settings {
            command.args(["--set", setting]);
        }
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
    env::var_os("AGW_AGWD").map_or_else(|| beside_test("agwd"), PathBuf::from)
}

/// A program of this repository that was built beside the running test; built now if there is none.
///
/// # Panics
///
/// When it is missing and cannot be built.
#[must_use]
pub fn beside_test(name: &str) -> PathBuf {
    let test = env::current_exe().expect("the running test");
    let profile = test.parent().and_then(|deps| deps.parent()).expect("target/PROFILE/deps");
    let program = profile.join(name);
    if !program.is_file() {
        build(name, profile.ends_with("release"));
    }
    assert!(program.is_file(), "{} is missing", program.display());
    program
}

/// The realm that a setting is for: `access.key=value` is in none of the sections.
fn realm_of(setting: &str) -> Option<(Side, &str)> {
    Side::ALL.into_iter().find_map(|side| {
        let rest = setting.strip_prefix(side.name())?;
        Some((side, rest.strip_prefix('.')?))
    })
}

/// Whether a setting is one more realm.
fn is_realm(setting: &str) -> bool {
    setting.starts_with("[[realm]]")
}

fn configuration(ports: &PortBlock, of_realms: &[&str]) -> String {
    let (iq, admin) = (ports.iq(), ports.admin());
    let realm = |side: Side, range: RangeInclusive<u16>| {
        let name = side.name();
        let (low, high) = (range.start(), range.end());
        let place = if stage::is_set() {
            let (v4, v6) = side.addresses(1);
            let backend = if stage::is_by_xdp(side) { "xdp" } else { "sockets" };
            format!(
                "addresses = [\"{v4}\", \"{v6}\"]\nbackend = \"{backend}\"\ndevice = \"{name}\""
            )
        } else {
            "addresses = [\"127.0.0.1\", \"::1\"]".to_owned()
        };
        let settings = of_realms.iter().filter_map(|setting| realm_of(setting));
        let own: Vec<_> = settings.filter(|(of, _)| *of == side).map(|(_, line)| line).collect();
        let own = own.join("\n");
        format!("[[realm]]\nname = \"{name}\"\nports = \"{low}-{high}\"\n{place}\n{own}\n")
    };
    let (access, core) = (realm(Side::Access, ports.access()), realm(Side::Core, ports.core()));
    let more: Vec<&str> = of_realms.iter().copied().filter(|one| is_realm(one)).collect();
    let more = more.join("\n");
    format!(
        r#"
        [iq]
        listen = "127.0.0.1:{iq}"
        [admin]
        listen = "127.0.0.1:{admin}"
        [media]
        workers = 2
        # Whatever else this machine does must not decide who gets in.
        [limits]
        cpu_percent = 0
        memory_percent = 0
        [log]
        filter = "debug"
        {access}
        {core}
        {more}
        "#,
    )
}

fn build(name: &str, release: bool) {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--package", name, "--bin", name]);
    if release {
        command.arg("--release");
    }
    let status = command.current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("cargo");
    assert!(status.success(), "{name} cannot be built");
}
