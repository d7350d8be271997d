//! Running other programs: output is shown as it comes and, where asked, kept for reading.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::{env, thread};

use anyhow::{Context as _, bail};

/// What a program printed and how it ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Its exit status.
    pub(crate) status: ExitStatus,
    /// Standard output and standard error, one after the other, without colours.
    pub(crate) text: String,
}

/// Runs `command` with its output on ours.
///
/// # Errors
///
/// When the program cannot be started or exits with anything but zero.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let name = describe(command);
    println!("$ {name}");
    let status =
        command.stdin(Stdio::null()).status().with_context(|| format!("cannot start `{name}`"))?;
    if !status.success() {
        bail!("`{name}` ended with {status}");
    }
    Ok(())
}

/// Runs `command`, shows its output line by line and returns it.
///
/// # Errors
///
/// When the program cannot be started or its output cannot be read.
pub(crate) fn run_and_keep(command: &mut Command) -> anyhow::Result<Outcome> {
    let name = describe(command);
    println!("$ {name}");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{name}`"))?;
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        bail!("`{name}` has no output to read");
    };
    let errors = thread::spawn(move || show(stderr, std::io::stderr()));
    let mut text = show(stdout, std::io::stdout())?;
    match errors.join() {
        Ok(shown) => text.push_str(&shown?),
        Err(_) => bail!("the reader of standard error of `{name}` failed"),
    }
    let status = child.wait()?;
    Ok(Outcome { status, text: without_colours(&text) })
}

/// Whether a program of this name stands in the search path.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file())
}

/// The search path with `directory` as its last place.
pub(crate) fn path_with(directory: &Path) -> anyhow::Result<OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    let places = env::split_paths(&path).chain([directory.to_path_buf()]);
    env::join_paths(places).context("the search path cannot be extended")
}

fn show(from: impl Read, mut to: impl Write) -> std::io::Result<String> {
    let mut kept = String::new();
    let mut reader = BufReader::new(from);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        kept.push_str(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok(kept)
}

fn describe(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Removes terminal colour sequences: ESC `[` ... letter.
fn without_colours(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        if character == '\u{1b}' {
            for skipped in rest.by_ref() {
                if skipped.is_ascii_alphabetic() {
                    break;
                }
            }
        } else {
            plain.push(character);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_removed_and_nothing_else() {
        let coloured = "\u{1b}[32;1mSummary\u{1b}[0m [   0.1s] ok";
        assert_eq!(without_colours(coloured), "Summary [   0.1s] ok");
    }

    #[test]
    fn both_outputs_of_a_failing_program_are_kept() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo err >&2; exit 3"]);

        let outcome = run_and_keep(&mut command).unwrap();

        assert_eq!(outcome.status.code(), Some(3));
        assert_eq!(outcome.text, "out\nerr\n");
    }

    #[test]
    fn a_program_that_fails_is_an_error_with_its_name() {
        let mut command = Command::new("sh");
        command.args(["-c", "exit 1"]);

        let error = run(&mut command).unwrap_err().to_string();

        assert!(error.contains("sh -c exit 1"), "{error}");
    }
}
