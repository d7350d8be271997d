//! The daemon with a controller's connection to it.

use std::future::Future;
use std::process::{Command, Stdio};

use agw_iq::client::{IqClient, Tls};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::capture::Watch;
use crate::daemon::beside_test;
use crate::{Daemon, Ledger, PATIENCE, Program};

/// A daemon and a controller that is connected to it.
pub struct Gateway {
    /// The controller's connection.
    pub iq: IqClient,
    /// The daemon.
    pub daemon: Daemon,
    runtime: Runtime,
    _watch: Watch,
}

impl Gateway {
    /// A daemon as configured for tests.
    #[must_use]
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// A daemon with other settings, each `key=value`.
    #[must_use]
    pub fn with(settings: &[&str]) -> Self {
        Self::over(directory(), settings, "http", None)
    }

    /// A daemon with a prepared directory and a controller with certificates, if they are needed.
    ///
    /// # Panics
    ///
    /// When there is no connection.
    #[must_use]
    pub fn over(directory: TempDir, settings: &[&str], scheme: &str, tls: Option<Tls>) -> Self {
        Self::of(Daemon::start(directory, settings), scheme, tls)
    }

    /// A daemon whose standard error nobody reads.
    #[must_use]
    pub fn unheard(settings: &[&str]) -> Self {
        Self::of(Daemon::start_by(Program::unheard, directory(), settings), "http", None)
    }

    fn of(daemon: Daemon, scheme: &str, tls: Option<Tls>) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let address = format!("{scheme}://{}", daemon.iq);
        let iq = runtime.block_on(IqClient::connect(&address, tls)).expect("a connection");
        Self { iq, daemon, runtime, _watch: Watch }
    }

    /// Ends the controller's connection and makes another, without TLS.
    ///
    /// # Panics
    ///
    /// When there is no connection, or the old one does not end.
    pub fn reconnect(&mut self) {
        let address = format!("http://{}", self.daemon.iq);
        self.iq = self.wait(IqClient::connect(&address, None)).expect("a connection");
        self.ledger().await_line("agwd_connections{listener=\"tcp\"} 1");
    }

    /// Waits for an answer.
    ///
    /// # Panics
    ///
    /// When none comes.
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime
            .block_on(async { tokio::time::timeout(PATIENCE, future).await })
            .expect("an answer")
    }

    /// The ledger.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        Ledger::new(self.daemon.admin)
    }

    /// Runs `agwctl` on this gateway; tells its exit code and what it wrote to standard output.
    ///
    /// # Panics
    ///
    /// When it cannot be run.
    #[must_use]
    pub fn agwctl(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(beside_test("agwctl"));
        command.arg("--endpoint").arg(format!("http://{}", self.daemon.iq)).args(arguments);
        let output = command.stdin(Stdio::null()).output().expect("agwctl");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What the daemon has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.daemon.program.output()
    }
}

/// A directory for a daemon.
///
/// # Panics
///
/// When it cannot be made.
#[must_use]
pub fn directory() -> TempDir {
    tempfile::Builder::new().prefix("agw-test-").tempdir().expect("a directory")
}
