//! T20: how long a wrong tag takes must not tell how wrong it is.
//!
//! Here the comparison is read; it is timed by `cargo bench -p agw-bench --bench timing`, which needs
//! a release build and a machine that does little else: Welch's t for every engine and suite, with a
//! planted comparison that is found.

use std::fs;
use std::path::{Path, PathBuf};

use crate::row::Row;

/// The crates that compare tags.
const CRATES: [&str; 2] = ["agw-srtp", "agw-simd"];

#[test]
fn tags_are_compared_in_constant_time_and_in_no_other_way() {
    let mut row = Row::new("T20", "timing of the comparison of tags");
    let mut constant = 0;
    for name in CRATES {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates").join(name).join("src");
        for file in sources(&source) {
            let text = fs::read_to_string(&file).expect("a source file");
            // What is for tests alone stands last in a file, or in a file of its own.
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
                row.tried(1);
                let is_compared = line.contains("==") || line.contains("!=");
                let of_a_tag = ["tag ", "tag)", "tag[", "mac "].iter().any(|it| line.contains(it));
                let is_length = line.contains("len") || line.contains("octets");
                assert!(!is_compared || !of_a_tag || is_length, "{}: {line}", file.display());
                constant += usize::from(line.contains(".ct_eq("));
            }
        }
    }
    assert!(constant >= CRATES.len(), "nothing compares in constant time");
}

/// The source files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder of sources");
    let mut files = Vec::new();
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
