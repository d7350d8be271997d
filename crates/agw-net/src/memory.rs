//! A backend without a kernel: datagrams are put in and taken out by a test.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    Batch, ErrnoClass, IoCounters, PacketIo, PortCounters, PortToken, SendError, Transmit, Waker,
    batch::{Arrival, BATCH, MAX_DATAGRAM, PAYLOAD_ROOM},
    outbox::Payloads,
    poller::Poller,
    table::Table,
};

/// A backend for tests; what the sockets are to a [`crate::SocketsBackend`] its wire is to it.
///
/// A port is just its local address. Datagrams to an address that is no port vanish, as they
/// would on a host.
pub struct MemoryBackend {
    wire: MemoryWire,
    poller: Poller,
    ports: Table<MemoryPort>,
    counters: IoCounters,
}

/// The other end of a [`MemoryBackend`], used from any thread.
#[derive(Debug, Clone)]
pub struct MemoryWire {
    queues: Arc<Mutex<Queues>>,
    waker: Waker,
}

/// A datagram on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryDatagram {
    /// Who sent it.
    pub from: SocketAddr,
    /// Whom it was sent to.
    pub to: SocketAddr,
    /// The IPv4 type of service or IPv6 traffic class octet; 0 if it was left to the port.
    pub traffic_class: u8,
    /// The payload.
    pub octets: Vec<u8>,
}

impl MemoryBackend {
    /// Makes a backend without ports, and its wire.
    ///
    /// # Errors
    /// The kernel's: waiting and waking are real (no descriptor left).
    pub fn new() -> io::Result<(Self, MemoryWire)> {
        let poller = Poller::new()?;
        let wire = MemoryWire { queues: Arc::default(), waker: poller.waker().clone() };
        let backend = Self {
            wire: wire.clone(),
            poller,
            ports: Table::new(),
            counters: IoCounters::default(),
        };
        Ok((backend, wire))
    }

    /// Moves what has arrived into free slots.
    fn fill(&mut self, batch: &mut Batch) {
        let mut queues = self.wire.queues();
        while batch.len() < BATCH {
            let Some(datagram) = queues.arriving.pop_front() else {
                return;
            };
            let Some(token) = token_of(&self.ports, datagram.to) else {
                continue;
            };
            let (arena, places, arrivals) = batch.free_mut();
            let (Some(place), Some(arrival)) = (places.first_mut(), arrivals.first_mut()) else {
                return;
            };
            *arrival = land(&datagram, token, place.landing_mut(arena));
            self.counters.received += 1;
            self.counters.received_octets += arrival.len as u64;
            self.counters.truncated += u64::from(arrival.truncated);
            if let Some(port) = self.ports.get_mut(token) {
                port.counters.received += 1;
            }
            batch.advance(1);
        }
    }

    fn send(&mut self, payloads: Payloads<'_>, transmit: &Transmit) -> Result<(), SendError> {
        let Some(port) = self.ports.get_mut(transmit.port) else {
            self.counters.unknown_port += 1;
            return Err(SendError::UnknownPort);
        };
        let mut queues = self.wire.queues();
        if let Some(class) = queues.failures.pop_front() {
            self.counters.send_errors.record(class);
            return Err(SendError::Errno(class));
        }
        let octets = payloads.of(transmit);
        queues.sent.push(MemoryDatagram {
            from: port.local,
            to: transmit.destination,
            traffic_class: transmit.traffic_class.unwrap_or_default(),
            octets: octets.to_vec(),
        });
        port.counters.sent += 1;
        self.counters.sent += 1;
        self.counters.sent_octets += octets.len() as u64;
        Ok(())
    }
}

impl PacketIo for MemoryBackend {
    type Port = SocketAddr;

    fn add_port(&mut self, token: PortToken, port: SocketAddr) -> io::Result<()> {
        if token_of(&self.ports, port).is_some() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        *self.ports.vacant(token)? =
            Some(MemoryPort { local: port, counters: PortCounters::default() });
        Ok(())
    }

    fn remove_port(&mut self, token: PortToken) -> io::Result<PortCounters> {
        let MemoryPort { local, mut counters } = self.ports.remove(token)?;
        let mut queues = self.wire.queues();
        let before = queues.arriving.len();
        queues.arriving.retain(|datagram| datagram.to != local);
        counters.discarded_at_removal = (before - queues.arriving.len()) as u64;
        self.counters.discarded_at_removal += counters.discarded_at_removal;
        Ok(counters)
    }

    fn watch_traffic_class(&mut self, token: PortToken, _watch: bool) -> io::Result<()> {
        self.ports.get_mut(token).map(drop).ok_or(io::ErrorKind::NotFound.into())
    }

    fn new_batch(&mut self) -> io::Result<Batch> {
        Ok(Batch::new())
    }

    fn receive(&mut self, batch: &mut Batch, timeout: Option<Duration>) -> io::Result<usize> {
        batch.clear();
        self.fill(batch);
        if batch.is_empty() && self.poller.wait(timeout)? > 0 {
            self.poller.waker().reset();
            self.counters.wakes += 1;
            self.fill(batch);
        }
        self.counters.rounds += u64::from(!batch.is_empty());
        Ok(batch.len())
    }

    fn transmit(&mut self, batch: &mut Batch, mut on_error: impl FnMut(u32, SendError)) -> usize {
        let (payloads, departures) = batch.departures();
        let mut sent = 0;
        for transmit in departures {
            match self.send(payloads, transmit) {
                Ok(()) => sent += 1,
                Err(error) => on_error(transmit.tag, error),
            }
        }
        batch.clear_outbox();
        sent
    }

    fn waker(&self) -> Waker {
        self.wire.waker.clone()
    }

    fn counters(&self) -> &IoCounters {
        &self.counters
    }

    fn port_counters(&mut self, token: PortToken) -> Option<PortCounters> {
        self.ports.get_mut(token).map(|port| port.counters)
    }
}

impl MemoryWire {
    /// Puts a datagram in front of the port with the local address `to` and wakes the backend.
    pub fn inject(&self, to: SocketAddr, from: SocketAddr, payload: &[u8]) {
        self.inject_marked(to, from, 0, payload);
    }

    /// As [`MemoryWire::inject`], with a traffic class octet.
    pub fn inject_marked(
        &self,
        to: SocketAddr,
        from: SocketAddr,
        traffic_class: u8,
        payload: &[u8],
    ) {
        let octets = payload.to_vec();
        self.queues().arriving.push_back(MemoryDatagram { from, to, traffic_class, octets });
        self.waker.wake();
    }

    /// Takes what was sent, oldest first.
    #[must_use]
    pub fn take_sent(&self) -> Vec<MemoryDatagram> {
        std::mem::take(&mut self.queues().sent)
    }

    /// Lets one send to come fail; several calls queue up.
    pub fn fail_next_send(&self, class: ErrnoClass) {
        self.queues().failures.push_back(class);
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct Queues {
    arriving: VecDeque<MemoryDatagram>,
    sent: Vec<MemoryDatagram>,
    failures: VecDeque<ErrnoClass>,
}

#[derive(Debug)]
struct MemoryPort {
    local: SocketAddr,
    counters: PortCounters,
}

fn token_of(ports: &Table<MemoryPort>, local: SocketAddr) -> Option<PortToken> {
    ports.iter().find(|(_, port)| port.local == local).map(|(token, _)| token)
}

fn land(datagram: &MemoryDatagram, port: PortToken, landing: &mut [u8]) -> Arrival {
    let octets = datagram.octets.iter();
    landing.iter_mut().zip(octets).for_each(|(into, octet)| *into = *octet);
    Arrival {
        port,
        source: datagram.from,
        len: datagram.octets.len().min(MAX_DATAGRAM),
        room: PAYLOAD_ROOM,
        truncated: datagram.octets.len() > MAX_DATAGRAM,
        traffic_class: datagram.traffic_class,
    }
}
