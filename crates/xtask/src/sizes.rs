//! The size of files: a file holds one idea, and one idea fits on a few screens.

use anyhow::bail;

use crate::sources::{self, Source};
use crate::workspace::Workspace;

/// Lines that a file may have before its `#[cfg(test)]` module.
const CODE_LINES: usize = 400;

/// Lines that a file may have altogether.
const ALL_LINES: usize = 500;

/// Checks every Rust file of the workspace.
///
/// # Errors
///
/// When a file is too long; all such files are named.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<()> {
    let files = sources::rust_files(workspace.root())?;
    let long: Vec<String> = files.iter().filter_map(complaint).collect();
    if !long.is_empty() {
        bail!("split what is too long:\n{}", long.join("\n"));
    }
    println!("{} files, none longer than {CODE_LINES} lines of code", files.len());
    Ok(())
}

fn complaint(source: &Source) -> Option<String> {
    let all = source.text.lines().count();
    let code = source.text.lines().take_while(|line| *line != "#[cfg(test)]").count();
    let path = source.path.display();
    if code > CODE_LINES {
        Some(format!("  {path}: {code} lines before its tests, at most {CODE_LINES}"))
    } else if all > ALL_LINES {
        Some(format!("  {path}: {all} lines, at most {ALL_LINES}"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn tests_do_not_count_against_the_code_but_against_the_file() {
        let code = "x\n".repeat(CODE_LINES);
        let with_tests = |lines: usize| format!("{code}#[cfg(test)]\n{}", "t\n".repeat(lines));
        let table = [
            (code.clone(), false),
            (format!("{code}x\n"), true),
            (with_tests(ALL_LINES - CODE_LINES - 1), false),
            (with_tests(ALL_LINES - CODE_LINES), true),
        ];
        for (text, refused) in table {
            let lines = text.lines().count();
            let source = Source { path: PathBuf::from("a.rs"), text };
            assert_eq!(complaint(&source).is_some(), refused, "{lines} lines");
        }
    }
}
