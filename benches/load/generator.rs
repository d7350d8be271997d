//! The generator: one thread that sends what is due, hears what has arrived, and keeps the books.
//!
//! Sending and hearing in one loop needs no lock and no second core; latency does not suffer,
//! because sockets tell when the kernel got a packet, and `AF_XDP` is polled without a pause.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::clock::Clock;
use crate::latency::Times;
use crate::packet::{Direction, PacketId, RTCP, write_rtcp};
use crate::plan::{Pace, Traffic};
use crate::prepare::Prepared;
use crate::process::Threads;
use crate::schedule::Timetable;
use crate::sink::Sink;
use crate::under_way::UnderWay;
use crate::wire::{Outgoing, Wire};

/// Packets sent before the generator looks what has arrived.
const BURST: usize = 32;
/// Times the generator looks at a wire in one round.
const LOOKS: usize = 4;
/// A pause is worth it from here on; it ends this much before the next packet is due.
const PAUSE: Duration = Duration::from_micros(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_micros(500);
/// How long nothing may arrive before the rest counts as lost.
const SILENCE: Duration = Duration::from_secs(1);
/// How long the kernel may refuse to take packets.
const REFUSAL: Duration = Duration::from_secs(2);

/// What others may see and ask while the generator runs.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// RTP and RTCP packets sent.
    pub(crate) sent: AtomicU64,
    /// RTP and RTCP packets that arrived.
    pub(crate) arrived: AtomicU64,
    /// Ends the window early.
    pub(crate) stop: AtomicBool,
}

/// Where a call's packets of one direction leave and go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route {
    /// The generator's address, by its place in the wire.
    pub(crate) from: usize,
    /// The gateway's address.
    pub(crate) to: SocketAddr,
}

/// What came of the window.
#[derive(Debug)]
pub(crate) struct Generated {
    /// The sinks, by direction; figures of what was sent are in them too.
    pub(crate) sinks: [Sink; 2],
    /// When each packet was sent, by direction and place in the schedule; 0 for never.
    pub(crate) sent_at: [Vec<u64>; 2],
    /// From sending to arrival.
    pub(crate) times: Times,
    /// How late packets were sent.
    pub(crate) lateness: Times,
    /// How long packets were sent.
    pub(crate) sending: Duration,
    /// How long there was nothing to do.
    pub(crate) idle: Duration,
    /// Sends that had to be tried again.
    pub(crate) retries: u64,
    /// What the generator's thread used.
    pub(crate) threads: Threads,
}

/// The generator at work.
pub(crate) struct Generator<'a, W> {
    pub(crate) traffic: &'a Traffic,
    pub(crate) prepared: &'a Prepared,
    /// By direction and call.
    pub(crate) routes: &'a [Vec<Route>; 2],
    /// The wire to the access side and the one to the core side.
    pub(crate) wires: &'a mut [W; 2],
    /// Addresses of a wire.
    pub(crate) addresses: usize,
    pub(crate) shared: &'a Shared,
    pub(crate) clock: Clock,
    pub(crate) out: Generated,
}

/// One packet of a burst.
#[derive(Debug, Clone, Copy)]
struct Item {
    direction: Direction,
    call: u32,
    number: u32,
    place: usize,
    is_rtcp: bool,
}

impl<W: Wire> Generator<'_, W> {
    /// Sends everything, hears everything; returns when no more is to be expected.
    ///
    /// # Errors
    /// The kernel's, if a wire fails or takes no more packets.
    pub(crate) fn run(mut self) -> anyhow::Result<Generated> {
        let timetable = Timetable::new(self.traffic);
        let steps = 2 * self.traffic.packets_each_way() as u64;
        let rtcp_steps = 2 * self.traffic.rtcp_each_way() as u64;
        let duration = self.traffic.duration;
        let mut under_way = UnderWay::default();
        let (mut step, mut rtcp_step) = (0, 0);
        let start = self.clock.now();
        let mut now = start;
        while step < steps && !self.shared.stop.load(Ordering::Relaxed) {
            let elapsed = now.saturating_sub(start);
            if !timetable.is_paced() && Duration::from_nanos(elapsed) >= duration {
                break;
            }
            let left = steps - step;
            let rtp = match self.traffic.pace {
                Pace::Every(_) => due(left, |ahead| timetable.rtp_step(step + ahead), elapsed),
                Pace::Window(most) => {
                    let open = under_way.count(now, step, |from| self.arrived_from(from, step));
                    most.saturating_sub(open).min(BURST).min(left as usize)
                }
            };
            self.note_lateness(&timetable, step, rtp, elapsed);
            let rtcp_due = |ahead| timetable.rtcp_step(rtcp_step + ahead);
            let rtcp = due(rtcp_steps - rtcp_step, rtcp_due, elapsed);
            self.send(false, step, rtp)?;
            self.send(true, rtcp_step, rtcp)?;
            (step, rtcp_step) = (step + rtp as u64, rtcp_step + rtcp as u64);
            let is_idle = self.hear()? + rtp + rtcp == 0;
            if is_idle && timetable.is_paced() {
                self.pause(timetable.rtp_step(step).saturating_sub(elapsed));
            }
            let before = std::mem::replace(&mut now, self.clock.now());
            if is_idle {
                self.out.idle += Duration::from_nanos(now.saturating_sub(before));
            }
            self.tell();
        }
        self.out.sending = Duration::from_nanos(now.saturating_sub(start));
        self.drain()?;
        self.out.threads = Threads::of_this_thread()?;
        Ok(self.out)
    }

    fn sent(&self) -> u64 {
        let sent = |sink: &Sink| sink.figures.sent + sink.figures.rtcp_sent;
        self.out.sinks.iter().map(sent).sum()
    }

    fn arrived(&self) -> u64 {
        let arrived = |sink: &Sink| sink.figures.delivered + sink.figures.rtcp_delivered;
        self.out.sinks.iter().map(arrived).sum()
    }

    /// How many RTP packets of some steps of the schedule have arrived.
    fn arrived_from(&self, from: u64, to: u64) -> u64 {
        let [up, down] = &self.out.sinks;
        let places = |from: u64, to: u64| from as usize..to as usize;
        // Even steps go up, odd ones down.
        up.count(places(from.div_ceil(2), to.div_ceil(2))) + down.count(places(from / 2, to / 2))
    }

    fn note_lateness(&mut self, timetable: &Timetable, step: u64, count: usize, elapsed: u64) {
        if timetable.is_paced() {
            for step in step..step + count as u64 {
                self.out.lateness.record_ns(elapsed.saturating_sub(timetable.rtp_step(step)));
            }
        }
    }

    fn tell(&self) {
        self.shared.sent.store(self.sent(), Ordering::Relaxed);
        self.shared.arrived.store(self.arrived(), Ordering::Relaxed);
    }

    /// Waits for less than `until_due` nanoseconds, if that is long enough to be worth it.
    fn pause(&self, until_due: u64) {
        let until_due = Duration::from_nanos(until_due);
        if W::TELLS_TIME && until_due > 2 * PAUSE {
            std::thread::sleep((until_due - PAUSE).min(LONGEST_PAUSE));
        } else {
            // Threads of the kernel that bring packets may have no other core.
            std::thread::yield_now();
        }
    }

    /// Hears until everything has arrived, or nothing has for a while.
    fn drain(&mut self) -> anyhow::Result<()> {
        let mut heard = Instant::now();
        while self.arrived() < self.sent() && heard.elapsed() < SILENCE {
            if self.hear()? > 0 {
                heard = Instant::now();
            } else if W::TELLS_TIME {
                std::thread::sleep(PAUSE);
            }
            self.tell();
        }
        // What comes on top, as copies, comes now.
        while self.hear()? > 0 {}
        Ok(())
    }

    /// Sends `count` packets from `step` of the RTP or RTCP schedule on.
    fn send(&mut self, is_rtcp: bool, step: u64, count: usize) -> anyhow::Result<()> {
        if count == 0 {
            return Ok(());
        }
        let calls = u64::from(self.traffic.calls);
        let item = |step: u64| {
            let place = step / 2;
            let direction = if step.is_multiple_of(2) { Direction::Up } else { Direction::Down };
            Item {
                direction,
                call: (place % calls) as u32,
                number: (place / calls) as u32,
                place: place as usize,
                is_rtcp,
            }
        };
        let items: Vec<Item> = (step..step + count as u64).map(item).collect();
        let stride = self.traffic.longest();
        let mut scratch = vec![0; stride * items.len()];
        for (item, room) in items.iter().zip(scratch.chunks_exact_mut(stride)) {
            self.write_down(*item, room);
        }
        let packets: Vec<&[u8]> = items
            .iter()
            .zip(scratch.chunks_exact(stride))
            .map(|(item, room)| self.octets(*item, room))
            .collect();
        for direction in Direction::BOTH {
            for from in 0..self.addresses {
                self.send_from(direction, from, &items, &packets)?;
            }
        }
        Ok(())
    }

    fn write_down(&self, item: Item, room: &mut [u8]) {
        let id = PacketId { direction: item.direction, call: item.call, number: item.number };
        match (item.direction, item.is_rtcp) {
            (Direction::Up, _) => {}
            (Direction::Down, false) => self.traffic.form.write(id, room),
            (Direction::Down, true) => {
                if let Some(front) = room.first_chunk_mut() {
                    write_rtcp(id, front);
                }
            }
        }
    }

    fn octets<'b>(&self, item: Item, room: &'b [u8]) -> &'b [u8]
    where
        Self: 'b,
    {
        let len = if item.is_rtcp { RTCP } else { self.traffic.form.octets() };
        match (item.direction, item.is_rtcp) {
            (Direction::Up, false) => self.prepared.rtp(item.place),
            (Direction::Up, true) => self.prepared.rtcp(item.place),
            (Direction::Down, _) => room.get(..len).unwrap_or_default(),
        }
    }

    /// Sends those of a burst that leave from one address.
    fn send_from(
        &mut self,
        direction: Direction,
        from: usize,
        items: &[Item],
        packets: &[&[u8]],
    ) -> anyhow::Result<()> {
        let side = direction.index();
        let routes = self.routes.get(side).context("no routes")?;
        let (mut leaving, mut datagrams) = (Vec::new(), Vec::new());
        for (item, octets) in items.iter().zip(packets) {
            let Some(route) = routes.get(item.call as usize) else { continue };
            if item.direction == direction && route.from == from && !octets.is_empty() {
                leaving.push(*item);
                datagrams.push(Outgoing { destination: route.to, octets });
            }
        }
        let mut done = 0;
        let mut refused_since: Option<Instant> = None;
        while let Some(rest) = datagrams.get(done..).filter(|rest| !rest.is_empty()) {
            self.stamp(side, leaving.get(done..).unwrap_or_default());
            let wire = self.wires.get_mut(side).context("no wire")?;
            match wire.send(from, rest) {
                Ok(count) => {
                    let sent = leaving.get(done..done + count).unwrap_or_default();
                    self.count_sent(side, sent);
                    done += count;
                    refused_since = None;
                }
                Err(error) if is_passing(&error) => {
                    self.out.retries += 1;
                    if refused_since.get_or_insert_with(Instant::now).elapsed() > REFUSAL {
                        bail!("the generator's wire takes no more packets: {error}");
                    }
                    self.hear()?;
                }
                Err(error) => return Err(error).context("the generator cannot send"),
            }
        }
        Ok(())
    }

    fn stamp(&mut self, side: usize, items: &[Item]) {
        let now = self.clock.now();
        let Some(sent_at) = self.out.sent_at.get_mut(side) else { return };
        for item in items.iter().filter(|item| !item.is_rtcp) {
            if let Some(time) = sent_at.get_mut(item.place) {
                *time = now;
            }
        }
    }

    fn count_sent(&mut self, side: usize, items: &[Item]) {
        let Some(sink) = self.out.sinks.get_mut(side) else { return };
        let rtcp = items.iter().filter(|item| item.is_rtcp).count() as u64;
        sink.figures.rtcp_sent += rtcp;
        sink.figures.sent += items.len() as u64 - rtcp;
    }

    /// Takes what has arrived on both wires and tells how much.
    fn hear(&mut self) -> anyhow::Result<usize> {
        let Self { wires: [access, core], clock, out, .. } = self;
        let Generated { sinks: [up, down], sent_at: [sent_up, sent_down], times, .. } = out;
        let mut heard = 0;
        for _ in 0..LOOKS {
            let now = clock.now();
            let at = |arrived: Option<Duration>| arrived.map_or(now, |time| clock.of(time));
            let from_core = core.receive(|datagram| {
                up.take(datagram.source, datagram.octets, at(datagram.arrived), sent_up, times);
            })?;
            let from_access = access.receive(|datagram| {
                down.take(datagram.source, datagram.octets, at(datagram.arrived), sent_down, times);
            })?;
            if from_core + from_access == 0 {
                break;
            }
            heard += from_core + from_access;
        }
        Ok(heard)
    }
}

/// How many of the next steps are due, at most a burst.
fn due(left: u64, time: impl Fn(u64) -> u64, elapsed: u64) -> usize {
    let most = left.min(BURST as u64);
    (0..most).take_while(|&ahead| time(ahead) <= elapsed).count()
}

/// Whether the kernel may take the packet a moment later.
fn is_passing(error: &io::Error) -> bool {
    const ENOBUFS: i32 = 105;
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
        || error.raw_os_error() == Some(ENOBUFS)
}
