//! A daemon that runs, and how it ends.

use std::net::SocketAddr;
use std::path::Path;
use std::process;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use agw_context::{EventKind, ReleaseCause};
use agw_iq::backend::Unavailable;
use agw_iq::server::Health;

use super::bind::Bound;
use super::{Addresses, MediaPlane};
use crate::alg::{SignalledCalls, forget_ended};
use crate::config::Config;
use crate::control::{ControlClient, Told};
use crate::exit::Exit;
use crate::expiry::{ExpiryWatch, seconds};
use crate::listener::UnixSocket;
use crate::logging::last_words;
use crate::metrics::Metrics;
use crate::monitor::Vitals;
use crate::ng;
use crate::presence::Presence;
use crate::service_change::release_all;
use crate::tls::{Certificates, TlsError};

/// How often the certificate's end is looked at.
const EXPIRY_EVERY: Duration = Duration::from_secs(60);
/// How long control and its workers may take to end.
const LAST_ORDERS: Duration = Duration::from_secs(5);
/// How long the events of what ended at last may take to their subscribers.
const LAST_EVENTS: Duration = Duration::from_millis(300);
/// How long open connections may take to end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A daemon that runs; dropping it stops it without waiting.
pub struct Running {
    reached_at: Addresses,
    control: ControlClient,
    vitals: watch::Receiver<Vitals>,
    certificates: Option<Arc<Certificates>>,
    metrics: Metrics,
    stop: CancellationToken,
    tasks: JoinSet<()>,
    server: Option<JoinHandle<()>>,
    control_task: Option<JoinHandle<()>>,
    unix_socket: Option<UnixSocket>,
    calls: Option<SignalledCalls>,
}

impl Running {
    pub(super) fn new(
        bound: &Bound,
        media: &MediaPlane,
        stop: CancellationToken,
        metrics: Metrics,
    ) -> Self {
        Self {
            reached_at: bound.reached_at.clone(),
            control: media.control.clone(),
            vitals: media.vitals.clone(),
            certificates: bound.certificates.clone(),
            metrics,
            stop,
            tasks: JoinSet::new(),
            server: None,
            control_task: None,
            unix_socket: None,
            calls: None,
        }
    }

    /// The TCP address of the Iq API, with the port that was bound.
    #[must_use]
    pub fn iq_address(&self) -> Option<SocketAddr> {
        self.reached_at.iq
    }

    /// The unix socket of the Iq API.
    #[must_use]
    pub fn unix_socket(&self) -> Option<&Path> {
        self.reached_at.unix_socket.as_deref()
    }

    /// The UDP addresses of ng, with the ports that were bound.
    #[must_use]
    pub fn ng_udp(&self) -> &[SocketAddr] {
        &self.reached_at.ng_udp
    }

    /// The TCP addresses of ng, with the ports that were bound.
    #[must_use]
    pub fn ng_tcp(&self) -> &[SocketAddr] {
        &self.reached_at.ng_tcp
    }

    /// The address of the admin server, with the port that was bound.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        self.reached_at.admin
    }

    /// Reads the certificates again; without TLS there is nothing to do.
    ///
    /// # Errors
    /// [`TlsError`]; those in force stay so.
    pub fn reload_certificates(&self) -> Result<(), TlsError> {
        let Some(certificates) = &self.certificates else {
            return Ok(());
        };
        certificates.reload()?;
        self.metrics.certificate_expires(certificates.expiry());
        Ok(())
    }

    /// Puts limits and policy of a configuration in force that was checked; `keys` are what has
    /// changed.
    pub(crate) async fn reconfigure(&self, config: &Config, keys: String) {
        if let Some(calls) = &self.calls {
            calls.reconfigure(config.alg_policy(), config.alg_limits());
        }
        let (policy, limits) = (config.gateway_policy(Vec::new()), config.load_limits());
        // Control that is gone ends the process.
        let _ = self.control.reconfigure(policy, limits, keys).await;
    }

    /// Takes no new contexts, tells health so, and waits until there are none; tells whether that
    /// came to pass in time.
    pub async fn drain(&self, longest: Duration) -> bool {
        let drained = async {
            if self.control.drain().await.is_ok() {
                // Control that ends has no contexts left.
                let _ = self.control.watch().wait_for(|seen| seen.contexts == 0).await;
            }
        };
        timeout(longest, drained).await.is_ok()
    }

    /// Releases the contexts that are left, and leaves their controllers a moment to hear of it.
    pub(crate) async fn release_rest(&self) {
        let rest = release_all(self.control.clone(), ReleaseCause::Drained);
        match timeout(LAST_ORDERS, rest).await {
            Ok(Ok(_)) => sleep(LAST_EVENTS).await,
            Ok(Err(Unavailable)) | Err(_) => warn!("contexts that are left end without a word"),
        }
    }

    /// Ends every connection and context at once; keys are wiped when it returns.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        self.tasks.shutdown().await;
        if let Some(control) = self.control_task.take()
            // It ended by itself or by a panic that `watch` has told.
            && timeout(LAST_ORDERS, control).await.is_err()
        {
            error!("control waits for a worker that does not move: ending without it");
        }
        if let Some(mut server) = self.server.take()
            && timeout(LAST_WORDS, &mut server).await.is_err()
        {
            server.abort();
        }
        info!("stopped");
    }

    /// What the monitor finds.
    pub(crate) fn vitals(&self) -> watch::Receiver<Vitals> {
        self.vitals.clone()
    }

    /// Where certificates and log filter are counted.
    pub(crate) const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Where the daemon can be reached.
    pub(crate) const fn reached_at(&self) -> &Addresses {
        &self.reached_at
    }

    /// Contexts now.
    pub(crate) fn contexts(&self) -> usize {
        self.control.overview().contexts
    }

    /// Keeps the calls of the IMS-ALG in step with their contexts.
    pub(super) fn serve_calls(&mut self, calls: SignalledCalls) {
        self.tasks.spawn(forget_ended(calls.clone(), self.control.clone()));
        self.calls = Some(calls);
    }

    /// Serves ng, which is a controller for as long as the daemon is up.
    pub(super) fn serve_ng(
        &mut self,
        sockets: ng::Sockets,
        desk: ng::Desk,
        face: ng::Face,
        presence: &Presence,
    ) {
        let present = presence.enter(&ng::controller());
        self.tasks.spawn(face.sweep());
        self.tasks.spawn(async move {
            sockets.serve(desk).await;
            drop(present);
        });
    }

    /// Runs a task that ends together with the daemon.
    pub(super) fn own(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Keeps the socket's file until the daemon ends.
    pub(super) fn own_unix_socket(&mut self, socket: Option<UnixSocket>) {
        self.unix_socket = socket;
    }

    /// The gRPC server, which ends on its own when told to stop.
    pub(super) fn serve(&mut self, server: JoinHandle<()>) {
        self.server = Some(server);
    }

    /// Control: half a gateway is worse than none, so its failure ends the process.
    pub(super) fn own_control(&mut self, control: JoinHandle<()>) {
        self.control_task = Some(tokio::spawn(async move {
            if control.await.is_err_and(|error| error.is_panic()) {
                error!("control panicked: agwd ends");
                last_words();
                process::exit(Exit::Software.code().into());
            }
        }));
    }

    /// Health follows draining, whoever asked for it.
    pub(super) fn serve_health(&mut self, health: Health) {
        let mut overview = self.control.watch();
        self.tasks.spawn(async move {
            let mut serves = true;
            while overview.wait_for(|seen| seen.condition.is_draining() == serves).await.is_ok() {
                serves = !serves;
                if serves {
                    health.set_serving().await;
                } else {
                    health.set_not_serving().await;
                }
            }
        });
    }

    /// Tells in time that the certificate expires.
    pub(super) fn watch_certificates(&mut self) {
        let Some(certificates) = self.certificates.clone() else {
            return;
        };
        let control = self.control.clone();
        self.tasks.spawn(async move {
            let (mut watch, mut every) = (ExpiryWatch::default(), interval(EXPIRY_EVERY));
            loop {
                every.tick().await;
                if let Some(days) = watch.due(certificates.expiry(), seconds()) {
                    warn!(days, "the certificate of the Iq listener expires soon");
                    let kind = EventKind::CertificateExpires { days };
                    // Control that is gone ends the process.
                    let _ = control.tell(Told { about: None, kind }).await;
                }
            }
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
