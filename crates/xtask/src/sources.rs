//! Which files are ours: everything tracked or about to be, found by walking the source folders.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The folders that hold code.
const FOLDERS: &[&str] = &["benches", "crates", "tests"];

/// Folders of that name hold what tools made.
const MADE: &[&str] = &["target", "artifacts", "corpus", "coverage", "__pycache__"];

/// A file's path from the root of the workspace and its text.
#[derive(Debug)]
pub(crate) struct Source {
    /// The path, from the root of the workspace.
    pub(crate) path: PathBuf,
    /// What stands in it.
    pub(crate) text: String,
}

/// Every Rust file of the workspace, ordered by path.
///
/// # Errors
///
/// When a folder or a file cannot be read.
pub(crate) fn rust_files(root: &Path) -> anyhow::Result<Vec<Source>> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        walk(&root.join(folder), &mut found)?;
    }
    read_all(root, found)
}

/// Every Rust file under one folder, ordered by path; paths are from that folder.
///
/// # Errors
///
/// When a folder or a file cannot be read.
pub(crate) fn rust_files_under(folder: &Path) -> anyhow::Result<Vec<Source>> {
    let mut found = Vec::new();
    walk(folder, &mut found)?;
    read_all(folder, found)
}

/// The text of a file.
///
/// # Errors
///
/// When it cannot be read, with its name.
pub(crate) fn read(file: &Path) -> anyhow::Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

fn read_all(root: &Path, mut files: Vec<PathBuf>) -> anyhow::Result<Vec<Source>> {
    files.sort();
    files
        .into_iter()
        .map(|file| {
            let text = read(&file)?;
            let path = file.strip_prefix(root).unwrap_or(&file).to_path_buf();
            Ok(Source { path, text })
        })
        .collect()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !MADE.contains(&name.as_str()) {
            walk(&path, found)?;
        } else if path.is_file() && name.ends_with(".rs") {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_folders_and_other_files_are_left_out() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["crates/a/src", "crates/a/target", "deploy"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        for file in ["crates/a/src/lib.rs", "crates/a/src/notes.md", "crates/a/target/made.rs"] {
            fs::write(root.path().join(file), "").unwrap();
        }

        let files = rust_files(root.path()).unwrap();

        let paths: Vec<_> = files.iter().map(|file| file.path.as_path()).collect();
        assert_eq!(paths, [Path::new("crates/a/src/lib.rs")]);
    }
}
