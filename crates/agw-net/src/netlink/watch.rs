//! The thread that keeps the table.

use std::{
    collections::BTreeSet,
    io, mem,
    net::{IpAddr, SocketAddr, SocketAddrV6, UdpSocket},
    os::fd::AsFd,
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use netlink_packet_route::RouteNetlinkMessage;

use super::{
    Shared, messages,
    socket::{Asker, Heard, Listener},
    table::{Event, Hop, Outcome, Pair, Route, Table},
};
use crate::{Capability, PortToken, keep_capabilities, poller::Poller};

/// How often neighbours that do not answer are asked again.
const TICK: Duration = Duration::from_secs(1);
/// Ticks between two sweeps.
const SWEEP: u32 = 60;
/// A change of routes seldom comes alone: the last of them counts.
const SETTLE: Duration = Duration::from_millis(20);
/// Datagrams of the kernel heard before workers get their answers.
const MOST_HEARD: usize = 4_096;
/// Routes asked for again before workers get their answers: a few milliseconds' work.
const REFRESHED_AT_ONCE: usize = 128;

/// The port that answers nothing (RFC 863).
const DISCARD: u16 = 9;

/// The thread's own.
pub(super) struct Watch {
    shared: Arc<Shared>,
    poller: Poller,
    asker: Asker,
    listener: Listener,
    next_tick: Instant,
    ticks: u32,
    /// When to ask for the routes in use again.
    routes_at: Option<Instant>,
    /// All may be wrong: read links and neighbours again.
    lost: bool,
}

impl Watch {
    /// Listens first and reads then, so that nothing falls between.
    pub(super) fn new() -> io::Result<(Self, Arc<Shared>)> {
        let poller = Poller::new()?;
        let listener = Listener::new()?;
        poller.add(listener.as_fd(), PortToken(0))?;
        let asker = Asker::new()?;
        let shared = Arc::new(Shared {
            table: RwLock::new(Table::default()),
            generation: AtomicU64::new(0),
            wanted: Mutex::new(BTreeSet::new()),
            stop: AtomicBool::new(false),
            waker: poller.waker().clone(),
        });
        let next_tick = Instant::now() + TICK;
        let mut watch = Self {
            shared: Arc::clone(&shared),
            poller,
            asker,
            listener,
            next_tick,
            ticks: 0,
            routes_at: None,
            lost: false,
        };
        watch.read_all()?;
        Ok((watch, shared))
    }

    /// Until the last user is gone.
    pub(super) fn run(mut self) {
        // It may keep more than it needs: that is no reason not to run.
        let _ = keep_capabilities(&[Capability::NetAdmin]);
        while !self.shared.stop.load(Ordering::Acquire) {
            // What is told comes from outside: a message that nobody has thought of must not leave
            // the workers with what was known last.
            if panic::catch_unwind(AssertUnwindSafe(|| self.step())).is_err() {
                self.lost = true;
                thread::sleep(TICK);
            }
        }
    }

    /// Waits for something to do and does it.
    pub(super) fn step(&mut self) {
        let until = self.routes_at.map_or(self.next_tick, |at| at.min(self.next_tick));
        // An error would be a bad descriptor, which these are not.
        let _ = self.poller.wait(Some(until.saturating_duration_since(Instant::now())));
        self.shared.waker.reset();
        let all_heard = self.listen();
        if self.lost && all_heard {
            self.lost = self.read_all().is_err();
            self.routes_at = Some(Instant::now());
        }
        self.serve();
        if self.routes_at.is_some_and(|at| at <= Instant::now()) {
            self.routes_at = None;
            self.refresh();
        }
        if self.next_tick <= Instant::now() {
            self.tick();
        }
    }

    /// Links and neighbours from the beginning.
    fn read_all(&mut self) -> io::Result<()> {
        let mut told = self.asker.ask(messages::list_links())?;
        told.append(&mut self.asker.ask(messages::list_neighbours())?);
        {
            let mut table = self.shared.write();
            table.forget();
            for event in told.iter().filter_map(messages::event) {
                let _ = table.apply(event);
            }
        }
        self.changed();
        Ok(())
    }

    /// Takes in what was told; tells whether that was all.
    fn listen(&mut self) -> bool {
        for _ in 0..MOST_HEARD {
            let (told, next_hops) = match self.listener.hear() {
                Heard::Messages { told, next_hops } => (told, next_hops),
                Heard::Nothing => return true,
                Heard::Lost => {
                    // What still waits is older than what was lost, and until it is heard the
                    // kernel drops more without a word: all is read anew behind it.
                    self.lost = true;
                    continue;
                }
            };
            let next_hops = next_hops.then_some(Event::Routes);
            for event in told.iter().filter_map(messages::event).chain(next_hops) {
                let outcome = self.shared.write().apply(event);
                self.follow_up(outcome);
            }
        }
        false
    }

    /// Asks for the routes that workers want.
    fn serve(&mut self) {
        let wanted = mem::take(&mut *self.shared.wanted());
        self.ask_routes(wanted);
    }

    /// Asks for the routes in use again. New ones do not wait until all are done.
    pub(super) fn refresh(&mut self) {
        let pairs = self.shared.read().pairs();
        for some in pairs.chunks(REFRESHED_AT_ONCE) {
            self.ask_routes(some.iter().copied());
            self.serve();
        }
    }

    fn ask_routes(&mut self, pairs: impl IntoIterator<Item = Pair>) {
        let mut changed = false;
        for pair in pairs {
            let route = self.ask_route(&pair);
            let outcome = self.shared.write().set_route(pair, route);
            changed |= outcome.changed;
            self.follow_up(Outcome { changed: false, ..outcome });
        }
        if changed {
            self.changed();
        }
    }

    fn ask_route(&mut self, pair: &Pair) -> Route {
        // The kernel's error is that there is none.
        let answer = self.asker.ask(messages::ask_route(pair)).unwrap_or_default();
        let route = answer.iter().find_map(|message| {
            let RouteNetlinkMessage::NewRoute(route) = message else { return None };
            Some(messages::route(pair, route))
        });
        route.unwrap_or(Route::None)
    }

    fn follow_up(&mut self, outcome: Outcome) {
        let Outcome { changed, routes, ask } = outcome;
        if changed {
            self.changed();
        }
        if routes && self.routes_at.is_none() {
            self.routes_at = Some(Instant::now() + SETTLE);
        }
        if let Some((hop, source)) = ask {
            self.ask_neighbour(&hop, source);
        }
    }

    fn tick(&mut self) {
        self.next_tick = Instant::now() + TICK;
        self.ticks += 1;
        if self.ticks.is_multiple_of(SWEEP) && self.shared.write().sweep() {
            self.changed();
        }
        let to_ask = self.shared.read().to_ask();
        for (hop, source, is_known) in to_ask {
            self.ask_neighbour(&hop, source);
            if !is_known {
                // Over IPv6 the kernel asks from a link-local address, which may not be there yet,
                // unless it has a packet from another one.
                let _ = probe(&hop, source);
            }
        }
    }

    /// Without the privilege, a datagram to the discard port makes the kernel ask. It does not
    /// leave the link.
    fn ask_neighbour(&mut self, hop: &Hop, source: IpAddr) {
        let asked = self.asker.ask(messages::ask_neighbour(hop));
        if asked.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied) {
            // If there is no route or no memory at the moment, the next tick tries again.
            let _ = probe(hop, source);
        }
    }

    /// After the table, never before: who reads the new number finds the new answers.
    fn changed(&self) {
        self.shared.generation.fetch_add(1, Ordering::Release);
    }
}

fn probe(hop: &Hop, source: IpAddr) -> io::Result<()> {
    let socket = UdpSocket::bind((source, 0))?;
    match hop.address {
        IpAddr::V4(_) => socket.set_ttl(1)?,
        IpAddr::V6(_) => socket2::SockRef::from(&socket).set_unicast_hops_v6(1)?,
    }
    let to = match hop.address {
        IpAddr::V4(v4) => SocketAddr::from((v4, DISCARD)),
        IpAddr::V6(v6) => SocketAddrV6::new(v6, DISCARD, 0, hop.interface).into(),
    };
    socket.send_to(&[], to).map(drop)
}
