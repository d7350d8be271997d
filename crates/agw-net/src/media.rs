//! The backend of a worker: sockets, and `xdp` beside them if a realm wants it.

use std::{io, time::Duration};

use crate::{
    Batch, IoCounters, PacketIo, PortCounters, PortToken, SendError, SocketsBackend,
    SocketsOptions, UdpPort, Waker, XdpPort, XdpWorker, batch::BATCH,
};

/// A media port of either kind.
#[derive(Debug)]
pub enum MediaPort {
    /// A UDP socket of the kernel.
    Udp(UdpPort),
    /// A port of the `xdp` backend.
    Xdp(XdpPort),
}

/// Sockets and `xdp` in one wait and one batch: what is received by either may leave by either.
///
/// Without an [`XdpWorker`] it is a [`SocketsBackend`] and costs what that costs.
pub struct MediaBackend {
    sockets: SocketsBackend,
    xdp: Option<Box<XdpWorker>>,
}

impl MediaBackend {
    /// Makes a backend without ports.
    ///
    /// # Errors
    /// The kernel's (no descriptor left).
    pub fn new(options: SocketsOptions, xdp: Option<XdpWorker>) -> io::Result<Self> {
        let sockets = SocketsBackend::new(options)?;
        let mut xdp = xdp.map(Box::new);
        if let Some(xdp) = &mut xdp {
            xdp.join(sockets.poller(), sockets.waker())?;
        }
        Ok(Self { sockets, xdp })
    }

    /// Changes how long to let datagrams gather, at most 500 us.
    pub fn set_coalesce(&mut self, coalesce: Duration) {
        self.sockets.set_coalesce(coalesce);
    }

    /// Changes how long to poll busily, at most 1,000 us.
    pub fn set_busy_poll(&mut self, busy_poll: Duration) {
        self.sockets.set_busy_poll(busy_poll);
    }

    fn no_such_backend() -> io::Error {
        io::Error::new(io::ErrorKind::InvalidInput, "the worker has no xdp backend")
    }
}

/// How long to sleep at most while a device has not taken all frames: nothing tells when it can.
const STUCK: Duration = Duration::from_millis(1);

/// A worker's thread takes it over.
const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<MediaBackend>();
};

impl PacketIo for MediaBackend {
    type Port = MediaPort;

    fn add_port(&mut self, token: PortToken, port: MediaPort) -> io::Result<()> {
        match port {
            MediaPort::Udp(port) => {
                if self.xdp.as_mut().is_some_and(|xdp| xdp.has_port(token)) {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                self.sockets.add_port(token, port)
            }
            MediaPort::Xdp(port) => {
                if self.sockets.has_port(token) {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                self.xdp.as_mut().ok_or_else(Self::no_such_backend)?.add_port(token, port)
            }
        }
    }

    fn remove_port(&mut self, token: PortToken) -> io::Result<PortCounters> {
        if let Some(xdp) = &mut self.xdp
            && xdp.has_port(token)
        {
            return xdp.remove_port(token);
        }
        self.sockets.remove_port(token)
    }

    fn watch_traffic_class(&mut self, token: PortToken, watch: bool) -> io::Result<()> {
        if self.xdp.as_mut().is_some_and(|xdp| xdp.has_port(token)) {
            return Ok(());
        }
        self.sockets.watch_traffic_class(token, watch)
    }

    fn new_batch(&mut self) -> io::Result<Batch> {
        match &mut self.xdp {
            Some(xdp) => xdp.new_batch(),
            None => self.sockets.new_batch(),
        }
    }

    fn receive(&mut self, batch: &mut Batch, timeout: Option<Duration>) -> io::Result<usize> {
        let Self { sockets, xdp } = self;
        let Some(xdp) = xdp else {
            return sockets.receive(batch, timeout);
        };
        if !xdp.made(batch) {
            let text = "a batch over the memory of another backend";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        batch.clear();
        xdp.tidy(sockets.counters_mut());
        let timeout = if xdp.is_stuck() {
            Some(timeout.map_or(STUCK, |timeout| timeout.min(STUCK)))
        } else {
            timeout
        };
        let listed = sockets.wait(timeout, &mut **xdp)?;
        // Neither side can starve the other.
        let kept = listed.min(BATCH / 2);
        let mut busy = xdp.receive(batch, BATCH - kept, sockets.counters_mut());
        sockets.fill(batch, listed);
        busy |= xdp.receive(batch, BATCH, sockets.counters_mut());
        if !busy && listed == 0 {
            // Time to look how things are.
            xdp.observe_drops(sockets.counters_mut());
        } else {
            sockets.counters_mut().rounds += 1;
        }
        Ok(batch.len())
    }

    fn transmit(&mut self, batch: &mut Batch, mut on_error: impl FnMut(u32, SendError)) -> usize {
        let Self { sockets, xdp } = self;
        let Some(xdp) = xdp else {
            return sockets.transmit(batch, on_error);
        };
        let before = sockets.counters().sent;
        let (mut departures, queued) = batch.departures_mut();
        for run in queued.chunk_by(|one, next| one.port == next.port) {
            if run.first().is_some_and(|first| xdp.has_port(first.port)) {
                xdp.queue_run(&mut departures, run, sockets.counters_mut(), &mut on_error);
            } else {
                sockets.send_run(departures.payloads(), run, &mut on_error);
            }
        }
        xdp.flush_and_tell(sockets.counters_mut(), &mut on_error);
        batch.clear_outbox();
        usize::try_from(sockets.counters().sent - before).unwrap_or(usize::MAX)
    }

    fn waker(&self) -> Waker {
        self.sockets.waker()
    }

    fn counters(&self) -> &IoCounters {
        self.sockets.counters()
    }

    fn port_counters(&mut self, token: PortToken) -> Option<PortCounters> {
        let Self { sockets, xdp } = self;
        let counters = xdp.as_mut().and_then(|xdp| xdp.port_counters(token));
        match (counters, xdp) {
            (Some(counters), Some(xdp)) => {
                xdp.observe_drops(sockets.counters_mut());
                Some(counters)
            }
            (_, _) => sockets.port_counters(token),
        }
    }
}
