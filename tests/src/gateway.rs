//! The daemon with a controller's connection to it.

use std::future::Future;

use agw_iq::client::{IqClient, Tls};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::capture::Watch;
use crate::{Daemon, Ledger, PATIENCE};

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
        let daemon = Daemon::start(directory, settings);
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let address = format!("{scheme}://{}", daemon.iq);
        let iq = runtime.block_on(IqClient::connect(&address, tls)).expect("a connection");
        Self { iq, daemon, runtime, _watch: Watch }
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
