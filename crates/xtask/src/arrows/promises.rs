//! What crates promise about themselves: no unsafe code, and no clock or socket below the line.

use std::path::Path;

use crate::sources::Source;

/// Crates without clock, socket, thread, lock and environment.
pub(super) const SANS_IO: &[&str] =
    &["agw-context", "agw-ng", "agw-relay", "agw-rtp", "agw-sdes", "agw-sdp", "agw-srtp"];

/// The crate that calls a foreign library, for comparison, from one file.
pub(super) const ONE_FOREIGN_FILE: &str = "agw-testkit";

/// Crates that talk to the kernel or to the vector units.
const UNSAFE: &[&str] = &["agw-net", "agw-simd"];

/// What the `clippy.toml` of a sans-IO crate must ban.
const BANS: &[&str] = &[
    "std::time::Instant::now",
    "std::time::SystemTime::now",
    "std::thread::spawn",
    "std::thread::sleep",
    "std::env::var",
    "std::env::var_os",
    "std::fs::File::open",
    "std::fs::read",
    "std::fs::read_to_string",
    "std::net::UdpSocket",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::sync::Mutex",
    "std::sync::RwLock",
    "std::sync::Condvar",
    "std::collections::HashMap",
];

/// What is wrong with the first file of a library or program.
pub(super) fn check_root(package: &str, file: &Path, text: &str) -> Vec<String> {
    let level = match package {
        name if UNSAFE.contains(&name) => return Vec::new(),
        ONE_FOREIGN_FILE => "deny",
        _ => "forbid",
    };
    let promise = format!("#![{level}(unsafe_code)]");
    if text.lines().any(|line| line.trim() == promise) {
        return Vec::new();
    }
    vec![format!("{package}: {} lacks `{promise}`", file.display())]
}

/// What is wrong with the crate whose unsafe code must stand in one file.
pub(super) fn check_foreign_files(files: &[Source]) -> Vec<String> {
    let foreign: Vec<String> = files
        .iter()
        .filter(|file| file.text.lines().any(has_unsafe))
        .map(|file| file.path.display().to_string())
        .collect();
    if foreign.len() <= 1 {
        return Vec::new();
    }
    vec![format!("{ONE_FOREIGN_FILE}: unsafe code in more than one file: {}", foreign.join(", "))]
}

/// What is wrong with the bans of a sans-IO crate; its file replaces the root's thresholds.
pub(super) fn check_bans(package: &str, bans: &str, thresholds: &str) -> Vec<String> {
    let missing_bans = BANS
        .iter()
        .filter(|path| !bans.contains(&format!("\"{path}\"")))
        .map(|path| format!("{package}: clippy.toml does not ban `{path}`"));
    let missing_thresholds = thresholds
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter(|line| !bans.lines().any(|ours| ours == *line))
        .map(|line| format!("{package}: clippy.toml does not repeat `{line}`"));
    missing_bans.chain(missing_thresholds).collect()
}

fn has_unsafe(line: &str) -> bool {
    let code = line.trim_start();
    !code.starts_with("//")
        && ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"]
            .iter()
            .any(|form| code.contains(form))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    const FORBID: &str = "//! A crate.\n#![forbid(unsafe_code)]\n";

    #[test]
    fn a_crate_without_the_promise_is_named() {
        let file = Path::new("src/lib.rs");
        assert_eq!(check_root("agw-rtp", file, FORBID), Vec::<String>::new());
        assert_eq!(
            check_root("agw-rtp", file, "//! `#![forbid(unsafe_code)]` is missing here\n"),
            ["agw-rtp: src/lib.rs lacks `#![forbid(unsafe_code)]`"]
        );
    }

    #[test]
    fn the_crate_that_talks_to_the_kernel_is_exempt_and_test_doubles_deny() {
        let file = Path::new("src/lib.rs");
        assert!(check_root("agw-net", file, "").is_empty());
        assert!(check_root("agw-testkit", file, "#![deny(unsafe_code)]\n").is_empty());
        assert_eq!(check_root("agw-testkit", file, "").len(), 1);
    }

    #[test]
    fn foreign_calls_may_stand_in_one_file_only() {
        let source =
            |path: &str, text: &str| Source { path: PathBuf::from(path), text: text.to_owned() };
        let plain = source("a.rs", "// unsafe { } in a comment\nfn f() {}\n");
        let one = source("b.rs", "let x = unsafe { f() };\n");
        let two = source("c.rs", "unsafe extern \"C\" {}\n");

        let both = check_foreign_files(&[plain, one, two]);

        assert_eq!(both, ["agw-testkit: unsafe code in more than one file: b.rs, c.rs"]);
    }

    #[test]
    fn a_missing_ban_and_a_missing_threshold_are_named() {
        let all: String = BANS.iter().map(|path| format!("{{ path = \"{path}\" }},\n")).collect();
        let thresholds = "# why\nlines = 60\n";
        let good = format!("lines = 60\n{all}");

        assert_eq!(check_bans("agw-rtp", &good, thresholds), Vec::<String>::new());
        assert_eq!(
            check_bans("agw-rtp", &good.replace("std::sync::Mutex", "x"), thresholds),
            ["agw-rtp: clippy.toml does not ban `std::sync::Mutex`"]
        );
        assert_eq!(
            check_bans("agw-rtp", &all, thresholds),
            ["agw-rtp: clippy.toml does not repeat `lines = 60`"]
        );
    }
}
