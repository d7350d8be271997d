//! Other software as a peer: found, or its absence told.
//!
//! A test that misses its peer says so three times over: on standard output, in the file that
//! `AGW_SKIP_FILE` names (one line `peer<TAB>test`), and, where `AGW_REQUIRE_PEERS` is 1, by
//! failing. So a skip is never silent, and no skip passes where every peer is installed.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, thread};

/// Finds a program in the search path; `None` was told as a skip of the running test.
///
/// # Panics
///
/// When the program is missing and `AGW_REQUIRE_PEERS` is 1.
#[must_use]
pub fn program(name: &str) -> Option<PathBuf> {
    let found = search(name);
    if found.is_none() {
        skip(name);
    }
    found
}

/// Finds a GStreamer element beside `gst-launch-1.0`; `None` was told as a skip of the running
/// test.
///
/// # Panics
///
/// When either is missing and `AGW_REQUIRE_PEERS` is 1.
#[must_use]
pub fn gstreamer(elements: &[&str]) -> Option<PathBuf> {
    let launcher = program("gst-launch-1.0")?;
    let inspector = program("gst-inspect-1.0")?;
    for element in elements {
        if !succeeds(Command::new(&inspector).arg(element)) {
            skip(element);
            return None;
        }
    }
    Some(launcher)
}

/// Finds the Python that has the given modules: the one that `AGW_PEERS_PYTHON` names, else that
/// of `target/peers-venv`; `None` was told as a skip of the running test.
///
/// # Panics
///
/// When it is missing and `AGW_REQUIRE_PEERS` is 1.
#[must_use]
pub fn python(modules: &[&str]) -> Option<PathBuf> {
    let named = env::var_os("AGW_PEERS_PYTHON").map(PathBuf::from);
    let python = named.unwrap_or_else(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        root.join("target/peers-venv/bin/python")
    });
    let import = format!("import {}", modules.join(", "));
    if succeeds(Command::new(&python).arg("-c").arg(import)) {
        return Some(python);
    }
    skip(&format!("Python with {}", modules.join(", ")));
    None
}

/// Tells that the running test misses `peer`; the test returns early then.
///
/// # Panics
///
/// When `AGW_REQUIRE_PEERS` is 1, or the skip cannot be told.
pub fn skip(peer: &str) {
    let test = running_test();
    let required = env::var("AGW_REQUIRE_PEERS").is_ok_and(|value| value == "1");
    assert!(!required, "{peer} is missing, and AGW_REQUIRE_PEERS is 1");
    println!("SKIPPED: {peer}");
    let Some(file) = env::var_os("AGW_SKIP_FILE") else { return };
    let told = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&file)
        .and_then(|mut file| file.write_all(format!("{peer}\t{test}\n").as_bytes()));
    assert!(told.is_ok(), "cannot write to {}: {told:?}", file.display());
}

/// The name of the running test: that of its thread, or, where the test has the main thread, the
/// name that the runner asked for.
fn running_test() -> String {
    match thread::current().name() {
        Some(name) if name != "main" => name.to_owned(),
        Some(_) | None => env::args()
            .skip(1)
            .find(|argument| !argument.starts_with('-'))
            .unwrap_or_else(|| "a test without a name".to_owned()),
    }
}

fn search(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file())
}

fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
