//! The `sockets` backend: one UDP socket per port, epoll, `recvmmsg` and `sendmmsg`.

mod wait;

use std::{io, os::fd::AsFd, time::Duration};

use crate::{
    Batch, ErrnoClass, IoCounters, PacketIo, PortCounters, PortToken, SendError, Transmit, UdpPort,
    Waker,
    batch::BATCH,
    messages::{Receiver, Sender},
    options::ReceiveQueue,
    outbox::Payloads,
    overflow::OverflowCounter,
    poller::Poller,
    spin::Spin,
    table::Table,
};

pub(crate) use wait::Beside;
use wait::Nothing;

/// How a [`SocketsBackend`] reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketsOptions {
    /// How long to let datagrams gather before a round takes them; at most 500 us. A wake ends it.
    /// Call [`crate::set_timer_slack`] in the worker, or the kernel adds its 50 us.
    pub coalesce: Duration,
    /// How long to look again and again before sleeping, at most 1,000 us; zero for never. It
    /// adapts: only after a round with traffic, and less the less it finds.
    pub busy_poll: Duration,
    /// Datagrams read from one port in a round, 1 to [`BATCH`].
    pub port_budget: usize,
}

impl SocketsOptions {
    /// The longest wait for datagrams to gather.
    pub const COALESCE_LIMIT: Duration = Duration::from_micros(500);
    /// The longest busy poll.
    pub const BUSY_POLL_LIMIT: Duration = Spin::LIMIT;
}

impl Default for SocketsOptions {
    /// No gathering, no busy polling, 16 datagrams.
    fn default() -> Self {
        Self { coalesce: Duration::ZERO, busy_poll: Duration::ZERO, port_budget: 16 }
    }
}

/// Ports as UDP sockets of the kernel, read in turns.
///
/// A round gives each ready port at least one slot before any port gets the rest, and takes at
/// most the budget from one port; ports left undrained are reported again, in turn. How many
/// datagrams a port is asked for at once follows how many it had, so that a voice port costs one
/// system call and a busy one a call per budget.
pub struct SocketsBackend {
    poller: Poller,
    ports: Table<PortState>,
    /// Ports in the table.
    open: usize,
    turns: [Turn; BATCH],
    receiver: Receiver,
    sender: Sender,
    counters: IoCounters,
    options: SocketsOptions,
    spin: Spin,
    /// Whether the last round found several datagrams, but not more than it could take.
    steady: bool,
}

impl SocketsBackend {
    /// Makes a backend without ports. A wait or budget outside its range is brought into it.
    ///
    /// # Errors
    /// The kernel's (no descriptor left).
    pub fn new(options: SocketsOptions) -> io::Result<Self> {
        let SocketsOptions { coalesce, busy_poll, port_budget } = options;
        let options = SocketsOptions {
            coalesce: coalesce.min(SocketsOptions::COALESCE_LIMIT),
            busy_poll: busy_poll.min(SocketsOptions::BUSY_POLL_LIMIT),
            port_budget: port_budget.clamp(1, BATCH),
        };
        Ok(Self {
            poller: Poller::new()?,
            ports: Table::new(),
            open: 0,
            turns: [Turn::NONE; BATCH],
            receiver: Receiver::new(),
            sender: Sender::new(),
            counters: IoCounters::default(),
            options,
            spin: Spin::new(busy_poll),
            steady: false,
        })
    }

    /// Changes how long to let datagrams gather, at most 500 us.
    pub fn set_coalesce(&mut self, coalesce: Duration) {
        self.options.coalesce = coalesce.min(SocketsOptions::COALESCE_LIMIT);
    }

    /// Changes how long to poll busily, at most 1,000 us.
    pub fn set_busy_poll(&mut self, busy_poll: Duration) {
        self.options.busy_poll = busy_poll.min(SocketsOptions::BUSY_POLL_LIMIT);
        self.spin = Spin::new(busy_poll);
    }

    pub(crate) fn poller(&self) -> &Poller {
        &self.poller
    }

    pub(crate) fn counters_mut(&mut self) -> &mut IoCounters {
        &mut self.counters
    }

    pub(crate) fn has_port(&mut self, token: PortToken) -> bool {
        self.ports.get_mut(token).is_some()
    }

    /// Gives each listed port its turn, then those that may hold more another one, while there
    /// are free slots.
    pub(crate) fn fill(&mut self, batch: &mut Batch, listed: usize) {
        let mut pending = listed;
        while pending > 0 && batch.len() < BATCH {
            let mut kept = 0;
            for position in 0..pending {
                let free = BATCH - batch.len();
                let Some(turn) = self.turns.get(position).copied() else {
                    break;
                };
                if free == 0 {
                    break;
                }
                let share = (free / (pending - position)).max(1);
                let Some(turn) = self.take_turn(turn, share, batch) else {
                    continue;
                };
                if let Some(place) = self.turns.get_mut(kept) {
                    *place = turn;
                    kept += 1;
                }
            }
            pending = kept;
        }
    }

    /// Reads a port once, at most `share` datagrams; returns its turn if it may hold more.
    fn take_turn(&mut self, turn: Turn, share: usize, batch: &mut Batch) -> Option<Turn> {
        let state = self.ports.get_mut(turn.port)?;
        let left = self.options.port_budget - turn.taken;
        let limit = share.min(left).min(state.depth.into()).max(1);
        let (arena, places, arrivals) = batch.free_mut();
        let places = places.get_mut(..limit)?;
        let socket = state.port.as_fd();
        let reading = self.receiver.receive(socket, turn.port, arena, places, arrivals);
        let reading = match reading {
            Ok(reading) => reading,
            Err(error) => {
                let class = ErrnoClass::of(&error);
                if class != ErrnoClass::Again {
                    self.counters.receive_errors.record(class);
                }
                state.depth = 1;
                return None;
            }
        };
        for arrival in arrivals.iter().take(reading.count) {
            self.counters.received_octets += arrival.len as u64;
            self.counters.truncated += u64::from(arrival.truncated);
        }
        self.counters.received += reading.count as u64;
        state.counters.received += reading.count as u64;
        if let Some(drops) = reading.drops {
            self.counters.kernel_dropped += state.observe_drops(drops);
        }
        batch.advance(reading.count);

        let more = state.adapt(limit, reading.count, self.counters.rounds, self.options);
        let taken = turn.taken + reading.count;
        (more && taken < self.options.port_budget).then_some(Turn { taken, ..turn })
    }

    /// Sends datagrams that leave from one port.
    pub(crate) fn send_run(
        &mut self,
        payloads: Payloads<'_>,
        run: &[Transmit],
        on_error: &mut impl FnMut(u32, SendError),
    ) -> usize {
        let Some(state) = run.first().and_then(|first| self.ports.get_mut(first.port)) else {
            self.counters.unknown_port += run.len() as u64;
            run.iter().for_each(|transmit| on_error(transmit.tag, SendError::UnknownPort));
            return 0;
        };
        let mut sent = 0;
        let mut rest = run;
        let mut retried = false;
        while let Some((first, others)) = rest.split_first() {
            let error = match self.sender.send(state.port.as_fd(), payloads, rest) {
                Ok(0) => ErrnoClass::Other,
                Ok(count) => {
                    let (gone, unsent) = rest.split_at(count.min(rest.len()));
                    self.counters.sent_octets += octets(gone);
                    sent += gone.len();
                    rest = unsent;
                    retried = false;
                    continue;
                }
                Err(error) => ErrnoClass::of(&error),
            };
            //= tests/spec/relay.md#sockets
            //# An ICMP error MUST NOT end a stream.
            if !retried && is_about_something_else(error) {
                self.counters.retried_sends += 1;
                retried = true;
                continue;
            }
            //= tests/spec/relay.md#sockets
            //# Datagrams that the kernel refused to send MUST be counted.
            self.counters.send_errors.record(error);
            on_error(first.tag, SendError::of(error, first.len));
            rest = others;
            retried = false;
        }
        self.counters.sent += sent as u64;
        state.counters.sent += sent as u64;
        sent
    }
}

impl PacketIo for SocketsBackend {
    type Port = UdpPort;

    fn add_port(&mut self, token: PortToken, port: UdpPort) -> io::Result<()> {
        let entry = self.ports.vacant(token)?;
        self.poller.add(port.as_fd(), token)?;
        *entry = Some(PortState::new(port));
        self.open += 1;
        Ok(())
    }

    fn remove_port(&mut self, token: PortToken) -> io::Result<PortCounters> {
        let mut state = self.ports.remove(token)?;
        self.open -= 1;
        // Cannot fail for a socket that was added and is open; closing it would do the same.
        let _ = self.poller.remove(state.port.as_fd());
        self.counters.kernel_dropped += state.empty();
        self.counters.discarded_at_removal += state.counters.discarded_at_removal;
        Ok(state.counters)
    }

    fn watch_traffic_class(&mut self, token: PortToken, watch: bool) -> io::Result<()> {
        let state = self.ports.get_mut(token).ok_or(io::ErrorKind::NotFound)?;
        if state.watches_class != watch {
            state.port.watch_traffic_class(watch)?;
            state.watches_class = watch;
        }
        Ok(())
    }

    fn new_batch(&mut self) -> io::Result<Batch> {
        Ok(Batch::new())
    }

    fn receive(&mut self, batch: &mut Batch, timeout: Option<Duration>) -> io::Result<usize> {
        batch.clear();
        let listed = self.wait(timeout, &mut Nothing)?;
        if listed == 0 {
            return Ok(0);
        }
        self.counters.rounds += 1;
        self.fill(batch, listed);
        Ok(batch.len())
    }

    fn transmit(&mut self, batch: &mut Batch, mut on_error: impl FnMut(u32, SendError)) -> usize {
        let (payloads, departures) = batch.departures();
        let mut sent = 0;
        for run in departures.chunk_by(|one, next| one.port == next.port) {
            sent += self.send_run(payloads, run, &mut on_error);
        }
        batch.clear_outbox();
        sent
    }

    fn waker(&self) -> Waker {
        self.poller.waker().clone()
    }

    fn counters(&self) -> &IoCounters {
        &self.counters
    }

    fn port_counters(&mut self, token: PortToken) -> Option<PortCounters> {
        let state = self.ports.get_mut(token)?;
        self.counters.kernel_dropped += state.ask_for_drops();
        Some(state.counters)
    }
}

/// Whether an error says nothing about the datagram that met it.
///
/// A send is never refused itself: `ECONNREFUSED` is an ICMP answer to an earlier datagram. (The
/// kernel keeps these from sockets that are neither connected nor ask for them, as ours.) The
/// unreachable errors are not in here: they come from the route look-up for this very datagram,
/// and a second try would double the cost of an outage.
fn is_about_something_else(error: ErrnoClass) -> bool {
    error == ErrnoClass::ConnectionRefused || error == ErrnoClass::Interrupted
}

/// A number of datagrams of a batch.
fn small(count: usize) -> u8 {
    u8::try_from(count).unwrap_or(u8::MAX)
}

fn octets(transmits: &[Transmit]) -> u64 {
    transmits.iter().map(|transmit| transmit.len as u64).sum()
}

/// A port's place in a round.
#[derive(Debug, Clone, Copy)]
struct Turn {
    port: PortToken,
    /// Datagrams taken from it in this round.
    taken: usize,
}

impl Turn {
    const NONE: Self = Self { port: PortToken(0), taken: 0 };
}

#[derive(Debug)]
struct PortState {
    port: UdpPort,
    counters: PortCounters,
    overflow: OverflowCounter,
    /// Datagrams to ask for at once, 1 to the budget.
    depth: u8,
    /// The round it was last read in.
    round: u64,
    /// Whether the kernel tells the traffic class.
    watches_class: bool,
}

impl PortState {
    fn new(port: UdpPort) -> Self {
        Self {
            port,
            counters: PortCounters::default(),
            overflow: OverflowCounter::default(),
            depth: 1,
            round: 0,
            watches_class: false,
        }
    }

    /// Learns from a read of `count` datagrams where `limit` were asked for; tells whether it is
    /// worth reading again in this round.
    ///
    /// A single datagram means nothing: most ports hold one at a time, and asking again would
    /// double their cost. Only a port that is ready in two rounds in a row is asked for more.
    fn adapt(&mut self, limit: usize, count: usize, round: u64, options: SocketsOptions) -> bool {
        let in_a_row = self.round + 1 >= round;
        self.round = round;
        if count < limit {
            self.depth = small(count.max(1));
            return false;
        }
        if limit > 1 || in_a_row {
            self.depth = small((usize::from(self.depth) * 2).min(options.port_budget));
        }
        limit > 1
    }

    fn observe_drops(&mut self, reading: u32) -> u64 {
        let new = self.overflow.observe(reading);
        self.counters.kernel_dropped += new;
        new
    }

    /// Discards what is still queued; returns the drops that are new. A port at rest, as most are
    /// when their call ends, costs one question.
    fn empty(&mut self) -> u64 {
        match self.port.receive_queue() {
            Ok(ReceiveQueue { octets: 0, drops }) => self.observe_drops(drops),
            Ok(ReceiveQueue { .. }) | Err(_) => {
                self.counters.discarded_at_removal = self.port.discard_queue();
                self.ask_for_drops()
            }
        }
    }

    /// Asks the socket, since the last drops before a silence are told by no datagram.
    fn ask_for_drops(&mut self) -> u64 {
        self.port.kernel_drops().map_or(0, |reading| self.observe_drops(reading))
    }
}
