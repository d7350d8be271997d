//! Starting the threads that carry media, as the configuration says.

use std::time::Duration;

use tokio::sync::mpsc;

use agw_net::{MediaBackend, MediaPort, SocketsOptions, XdpWorker};
use agw_relay::{OwnPorts, Report};
use agw_simd::AnyEngine;

use super::StartError;
use crate::config::Config;
use crate::worker::{self, StartOptions, WorkerHandle};

/// Starts the worker of a number, of so many.
pub(super) fn start_worker(
    config: &Config,
    engine: AnyEngine,
    (index, workers): (usize, usize),
    xdp: Option<XdpWorker>,
    own_ports: Vec<OwnPorts>,
    reports: mpsc::Sender<Report>,
) -> Result<WorkerHandle<MediaPort>, StartError> {
    let coalesce = Duration::from_micros(config.media.coalesce_us);
    let busy_poll = Duration::from_micros(config.media.busy_poll_us);
    let system = |what| move |source| StartError::System { what, source };
    let cores = agw_net::allowed_cores().map_err(system("asking for cores"))?;
    let core = cores.get(index % cores.len().max(1)).copied().filter(|_| config.media.pin);
    let pre_key_octets = config.limits.pre_key_octets / workers.max(1);
    let options = SocketsOptions { coalesce, busy_poll, ..SocketsOptions::default() };
    let io = MediaBackend::new(options, xdp).map_err(system("opening epoll"))?;
    let coalesces = !coalesce.is_zero();
    let options = StartOptions { index, core, engine, coalesces, pre_key_octets, own_ports };
    worker::start(options, io, reports).map_err(system("starting a worker"))
}
