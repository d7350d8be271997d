//! Programs that a target starts: where they run, and how they end.

use std::ffi::OsStr;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::process::Stdio;

use tempfile::NamedTempFile;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::TargetError;

/// Where a program runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The network namespace, by its name; ours if not given.
    pub(crate) namespace: Option<String>,
    /// The only core that it may use.
    pub(crate) core: Option<usize>,
}

impl Place {
    /// The command that starts `program` here. Every step of it becomes the next, so that the
    /// process started is the program's.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut words: Vec<&OsStr> = Vec::new();
        if let Some(namespace) = &self.namespace {
            words.extend(["ip", "netns", "exec", namespace].map(OsStr::new));
        }
        let core = self.core.map(|core| core.to_string());
        if let Some(core) = &core {
            words.extend(["taskset", "--cpu-list", core].map(OsStr::new));
        }
        words.push(program.as_os_str());
        let mut words = words.into_iter();
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words);
        command
    }
}

/// A program that was started, with its log.
#[derive(Debug)]
pub(super) struct Running {
    name: &'static str,
    child: Child,
    pid: u32,
    log: NamedTempFile,
}

impl Running {
    /// Starts a command with both its outputs into a log; it ends when this is dropped.
    ///
    /// # Errors
    /// [`TargetError::Start`] if there is no such program, or it cannot run.
    pub(super) fn start(name: &'static str, mut command: Command) -> Result<Self, TargetError> {
        let log = NamedTempFile::new().map_err(|error| cannot_start(name, &error))?;
        let output = log.reopen().map_err(|error| cannot_start(name, &error))?;
        command.stdin(Stdio::null()).stdout(output);
        Self::spawn(name, command, log)
    }

    /// Starts a command that is talked to by its input and output; only its errors are logged.
    ///
    /// # Errors
    /// As [`Running::start`].
    pub(super) fn start_talking(
        name: &'static str,
        mut command: Command,
    ) -> Result<(Self, ChildStdin, ChildStdout), TargetError> {
        let log = NamedTempFile::new().map_err(|error| cannot_start(name, &error))?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut running = Self::spawn(name, command, log)?;
        match (running.child.stdin.take(), running.child.stdout.take()) {
            (Some(input), Some(output)) => Ok((running, input, output)),
            (None, _) | (_, None) => Err(running.failure("it has no pipes")),
        }
    }

    fn spawn(
        name: &'static str,
        mut command: Command,
        log: NamedTempFile,
    ) -> Result<Self, TargetError> {
        let errors = log.reopen().map_err(|error| cannot_start(name, &error))?;
        command.stderr(errors).kill_on_drop(true);
        let program = command.as_std().get_program().to_string_lossy().into_owned();
        let child = command
            .spawn()
            .map_err(|error| TargetError::Start { name, reason: format!("{program}: {error}") })?;
        let pid = child.id().ok_or_else(|| cannot_start(name, &"it ended at once"))?;
        Ok(Self { name, child, pid, log })
    }

    /// Its process.
    pub(super) const fn pid(&self) -> u32 {
        self.pid
    }

    /// An error of this program, with the end of its log.
    pub(super) fn failure(&mut self, what: &str) -> TargetError {
        let ended = match self.child.try_wait() {
            Ok(Some(status)) => format!(" ({status})"),
            Ok(None) | Err(_) => String::new(),
        };
        let reason = format!("{what}{ended}; its log ends with:\n{}", self.log_tail());
        TargetError::Start { name: self.name, reason }
    }

    /// Whether it still runs.
    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it.
    ///
    /// # Errors
    /// [`TargetError::Connection`] with the end of its log if it had ended by itself.
    pub(super) async fn stop(mut self) -> Result<(), TargetError> {
        if !self.is_alive() {
            let reason = self.failure("it ended by itself").to_string();
            return Err(TargetError::Connection { reason });
        }
        // It keeps nothing that an orderly end would save.
        self.child
            .kill()
            .await
            .map_err(|error| TargetError::Connection { reason: error.to_string() })
    }

    fn log_tail(&mut self) -> String {
        const TAIL: u64 = 2_000;
        let mut text = Vec::new();
        let file = self.log.as_file_mut();
        let read = file.seek(SeekFrom::End(0)).and_then(|length| {
            file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
            file.read_to_end(&mut text)
        });
        match read {
            Ok(_) => String::from_utf8_lossy(&text).trim().to_owned(),
            Err(error) => format!("(unreadable: {error})"),
        }
    }
}

fn cannot_start(name: &'static str, reason: &dyn std::fmt::Display) -> TargetError {
    TargetError::Start { name, reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_runs_in_its_namespace_on_its_core() {
        let place = Place { namespace: Some("agw-gw".to_owned()), core: Some(1) };
        let command = place.command(Path::new("/usr/bin/rtpengine"));
        let words: Vec<_> = command.as_std().get_args().collect();
        assert_eq!(command.as_std().get_program(), "ip");
        let expected =
            ["netns", "exec", "agw-gw", "taskset", "--cpu-list", "1", "/usr/bin/rtpengine"];
        assert_eq!(words, expected);
        let here = Place::default().command(Path::new("prog"));
        assert_eq!(here.as_std().get_program(), "prog");
    }

    #[tokio::test]
    async fn a_program_that_ends_by_itself_is_told_with_its_last_words() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo no port left >&2; exit 3"]);
        let mut running = Running::start("sh", command).unwrap();
        while running.is_alive() {
            tokio::task::yield_now().await;
        }
        let error = running.stop().await.unwrap_err().to_string();
        assert!(error.contains("exit status: 3"), "{error}");
        assert!(error.contains("no port left"), "{error}");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let error = Running::start("peer", Command::new("/nowhere/peer")).unwrap_err().to_string();
        assert!(error.starts_with("peer does not start: /nowhere/peer: "), "{error}");
    }
}
