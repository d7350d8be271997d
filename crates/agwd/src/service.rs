//! The daemon as a service: signals, the service manager, the ready file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sd_notify::NotifyState;
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::interval;
use tracing::{error, info, warn};

use crate::config::{Config, Sources};
use crate::daemon::{Addresses, Daemon, Running, StartError};
use crate::logging::LogFilter;
use crate::reload::Changes;
use crate::xdp::Carriers;

/// What a service needs besides its configuration.
pub(crate) struct Service {
    pub(crate) config: Config,
    /// Read again on SIGHUP.
    pub(crate) sources: Sources,
    pub(crate) ready_file: Option<PathBuf>,
    pub(crate) log_filter: LogFilter,
}

/// The signals that the daemon answers.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    reload: Signal,
}

/// What a signal asks for.
enum Order {
    End,
    Reload,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reload: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Order {
        tokio::select! {
            _ = self.terminate.recv() => Order::End,
            _ = self.interrupt.recv() => Order::End,
            _ = self.reload.recv() => Order::Reload,
        }
    }
}

impl Service {
    /// Runs until SIGTERM or SIGINT and the drain after it.
    pub(crate) async fn run(self, carriers: Carriers) -> Result<(), StartError> {
        let system = |what| move |source| StartError::System { what, source };
        let mut signals = Signals::new().map_err(system("asking for signals"))?;
        let filter = self.log_filter.clone();
        let running = Daemon::start_over(self.config.clone(), Some(filter), carriers).await?;
        let ready_path = self.ready_file.clone();
        let ready_file = ready_path.as_deref().map(|path| ReadyFile::write(path, &running));
        let _ready_file = ready_file.transpose().map_err(system("writing the ready file"))?;
        let watchdog = feed_watchdog(&running);
        let Addresses { iq, admin, unix_socket, ng_udp, ng_tcp } = running.reached_at();
        let text = |shown: Option<String>| shown.unwrap_or_else(|| "none".to_owned());
        info!(
            version = env!("CARGO_PKG_VERSION"),
            iq = text(iq.map(|address| address.to_string())),
            unix_socket = text(unix_socket.as_ref().map(|path| path.display().to_string())),
            admin = %admin,
            ng_udp = ?ng_udp,
            ng_tcp = ?ng_tcp,
            "agwd is ready"
        );
        notify(&[NotifyState::Ready]);
        let mut service = self;
        while let Order::Reload = signals.next().await {
            service.reload(&running).await;
        }
        notify(&[NotifyState::Stopping]);
        service.drain(&running, &mut signals).await;
        watchdog.abort();
        running.shutdown().await;
        Ok(())
    }

    /// Certificates, limits, policy and log filter again; each stays as it is if it cannot be read.
    async fn reload(&mut self, running: &Running) {
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            notify(&[NotifyState::Reloading, now]);
        }
        let certificates = running.reload_certificates();
        if let Err(error) = &certificates {
            error!(%error, "certificates not reloaded, those before stay in force");
        }
        let configuration = Config::load(&self.sources);
        let configured = match &configuration {
            Ok(config) => self.put_in_force(config, running).await,
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = &configured {
            error!(error, "configuration not reloaded, the one before stays in force");
        }
        let is_good = certificates.is_ok() && configured.is_ok();
        running.metrics().reloaded(is_good);
        info!(is_good, "reloaded");
        notify(&[NotifyState::Ready]);
    }

    /// Puts what can change at run time in force, and tells what cannot.
    async fn put_in_force(&mut self, config: &Config, running: &Running) -> Result<(), String> {
        let changes = Changes::between(&self.config, config);
        self.log_filter.set(&config.log.filter).map_err(|error| error.to_string())?;
        let keys = changes.for_controllers();
        if !keys.is_empty() {
            running.reconfigure(config, keys).await;
        }
        if !changes.now.is_empty() {
            info!(keys = changes.now.join(","), "configuration changed");
        }
        if !changes.restart.is_empty() {
            warn!(keys = changes.restart.join(","), "changed keys that take a restart");
        }
        self.config = self.config.with_changes(config);
        Ok(())
    }

    /// No new contexts; waits for those there are, for a second signal, or for the time limit.
    async fn drain(&self, running: &Running, signals: &mut Signals) {
        let longest = self.config.drain.timeout();
        info!(
            contexts = running.contexts(),
            timeout_s = longest.as_secs(),
            "ending: waiting for contexts to be released; a second signal ends at once"
        );
        let second = async { while let Order::Reload = signals.next().await {} };
        let emptied = tokio::select! {
            emptied = running.drain(longest) => emptied,
            () = second => false,
        };
        if !emptied {
            warn!(contexts = running.contexts(), "ending with contexts that were not released");
            running.release_rest().await;
        }
    }
}

/// Feeds the service manager's watchdog as long as control and workers move.
fn feed_watchdog(running: &Running) -> JoinHandle<()> {
    let vitals = running.vitals();
    let deadline = sd_notify::watchdog_enabled();
    tokio::spawn(async move {
        let Some(deadline) = deadline else {
            return;
        };
        let mut every = interval((deadline / 3).max(Duration::from_millis(10)));
        loop {
            every.tick().await;
            // A monitor that is gone says nothing good any more.
            if vitals.has_changed().is_ok() && vitals.borrow().are_good() {
                notify(&[NotifyState::Watchdog]);
            }
        }
    })
}

/// Without a service manager there is nobody to tell.
fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        warn!(%error, "the service manager was not told");
    }
}

/// A file that tells scripts where the daemon is; removed on drop.
struct ReadyFile<'a> {
    path: &'a Path,
}

impl<'a> ReadyFile<'a> {
    fn write(path: &'a Path, running: &Running) -> io::Result<Self> {
        let Addresses { iq, admin, unix_socket, ng_udp, ng_tcp } = running.reached_at();
        let content = json!({
            "pid": std::process::id(),
            "iq": iq,
            "admin": admin,
            "unix_socket": unix_socket,
            "ng_udp": ng_udp,
            "ng_tcp": ng_tcp,
        });
        let mut beside = path.as_os_str().to_owned();
        beside.push(".new");
        fs::write(&beside, format!("{content}\n"))?;
        fs::rename(&beside, path)?;
        Ok(Self { path })
    }
}

impl Drop for ReadyFile<'_> {
    fn drop(&mut self) {
        // Somebody tidied up before.
        let _ = fs::remove_file(self.path);
    }
}
