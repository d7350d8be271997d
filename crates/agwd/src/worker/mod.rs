//! One worker: a thread that owns its ports, its flows and nothing else.
//!
//! A round: wait for packets, take them through the relay in their slots, send what may leave, then
//! do what control ordered, and what had waited for the keys among it. Orders are done between two
//! rounds, so an acknowledged order is in force for the next packet. Nothing here locks, allocates
//! or logs for a packet.

#[cfg(test)]
mod allocations;
#[cfg(test)]
mod broken;
mod busy;
mod handle;
mod order;
#[cfg(test)]
mod pre_key;
mod refusal;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use rtrb::Consumer;
use tokio::sync::{mpsc, oneshot};
use tracing::error;
use zeroize::zeroize_stack;

use agw_net::{BATCH, Batch, PacketIo, PortToken, Transmit};
use agw_relay::{
    CallId, Command, Datagram, Departure, DropReason, EgressId, FanOut, Kept, PortId, Refusal,
    Relay, Removed, Report, RtcpIngress, Verdict,
};
use agw_simd::AnyEngine;

pub(crate) use busy::{Account, Spent};
pub(crate) use handle::{StartOptions, WorkerHandle, start};
pub(crate) use order::{Applied, Assignment, Order, Seen, Totals};
use refusal::refusal;

/// The longest that a worker sleeps, so that its heartbeat can be seen.
const LONGEST_WAIT: Duration = Duration::from_millis(250);
/// Orders that are done between two rounds, so that calls that come and go do not hold up media.
const ORDERS_AT_ONCE: usize = 16;
/// More octets of the stack than a round uses: 330,000 in a development build.
const STACK_OF_A_ROUND: usize = 448 * 1024;

/// What one thread owns.
struct Worker<I: PacketIo> {
    index: usize,
    io: I,
    batch: Batch,
    relay: Relay<AnyEngine>,
    orders: Consumer<Order<I::Port>>,
    /// What was done since the round before, to be told together.
    done: ArrayVec<Done, ORDERS_AT_ONCE>,
    reports: mpsc::Sender<Report>,
    heartbeat: Arc<AtomicU64>,
}

/// An assignment that was carried out, and whom to tell.
struct Done {
    applied: Applied,
    answer: oneshot::Sender<Applied>,
}

/// Whether the worker goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Round,
    Stop,
}

impl<I: PacketIo> Worker<I> {
    /// Works until it is told to stop or the backend fails.
    fn run(mut self) -> io::Result<()> {
        let mut now = Instant::now();
        while self.round(&mut now, LONGEST_WAIT)? == Next::Round {}
        Ok(())
    }

    /// One round; `now` is the time of the round before and becomes that of this one.
    fn round(&mut self, now: &mut Instant, longest_wait: Duration) -> io::Result<Next> {
        let due = self.relay.poll_timeout().map(|due| due.saturating_duration_since(*now));
        let longest_wait = if self.orders.is_empty() { longest_wait } else { Duration::ZERO };
        let wait = due.unwrap_or(longest_wait).min(longest_wait);
        self.io.receive(&mut self.batch, Some(wait))?;
        *now = Instant::now();
        self.forward(*now);
        let wipes = self.relay.wipes_keys(*now);
        self.relay.handle_timeout(*now);
        let next = self.carry_out_orders(*now);
        if wipes || !self.done.is_empty() {
            // Keys may have ended, and packets and orders left copies of them where they passed.
            zeroize_stack::<STACK_OF_A_ROUND>();
        }
        self.answer();
        self.forward_kept(*now);
        self.report();
        self.heartbeat.fetch_add(1, Ordering::Relaxed);
        Ok(next)
    }

    /// Takes the batch through the relay and sends what may leave.
    fn forward(&mut self, now: Instant) {
        let (slots, mut outbox) = self.batch.split_mut();
        let mut places: ArrayVec<usize, BATCH> = ArrayVec::new();
        let mut datagrams: ArrayVec<Datagram<'_>, BATCH> = ArrayVec::new();
        for slot in slots {
            places.push(slot.index);
            datagrams.push(Datagram {
                port: PortId(slot.port.0),
                source: slot.source,
                slot: slot.octets,
                len: slot.len,
                truncated: slot.truncated,
                traffic_class: slot.traffic_class,
                verdict: Verdict::Drop(DropReason::NoFlow),
            });
        }
        if datagrams.is_empty() {
            // What waited for its way is told of without anybody sending more.
            drop(datagrams);
            return self.flush(now);
        }
        self.relay.handle_batch(&mut datagrams, now);
        let mut fan_outs: ArrayVec<(usize, FanOut), BATCH> = ArrayVec::new();
        for (&slot, datagram) in places.iter().zip(&datagrams) {
            match datagram.verdict {
                Verdict::Forward { via, to, traffic_class, len, egress } => {
                    let (port, tag) = (PortToken(via.0), egress.0);
                    let transmit =
                        Transmit { port, destination: to, slot, len, tag, traffic_class };
                    if outbox.push(transmit).is_err() {
                        self.relay.handle_send_refused(egress, Refusal::Other, len, now);
                    }
                }
                Verdict::FanOut(fan_out) => fan_outs.push((slot, fan_out)),
                Verdict::Kept | Verdict::Drop(_) => {}
            }
        }
        drop(datagrams);
        for (slot, fan_out) in fan_outs {
            self.fan_out(slot, fan_out, now);
        }
        self.flush(now);
    }

    /// Takes what has waited for the keys that came through the relay, before more is received.
    fn forward_kept(&mut self, now: Instant) {
        while let Some(Kept { port, source, traffic_class, octets }) = self.relay.poll_kept(now) {
            self.batch.clear();
            // Shorter than a slot.
            let _ = self.batch.put(PortToken(port.0), source, traffic_class, octets);
            while self.batch.len() < BATCH
                && let Some(Kept { port, source, traffic_class, octets }) =
                    self.relay.poll_kept(now)
            {
                let _ = self.batch.put(PortToken(port.0), source, traffic_class, octets);
            }
            self.forward(now);
        }
    }

    /// Queues a copy of a datagram for each member of its group; a full queue leaves first.
    fn fan_out(&mut self, slot: usize, mut fan_out: FanOut, now: Instant) {
        while let Some(departure) = self.relay.next_copy(&mut fan_out, now) {
            if self.batch.outbox().is_full() {
                self.flush(now);
            }
            let Departure { via, to, traffic_class, egress } = departure;
            let (port, len, tag) = (PortToken(via.0), fan_out.len, egress.0);
            let transmit = Transmit { port, destination: to, slot, len, tag, traffic_class };
            let mut outbox = self.batch.outbox();
            outbox.keep(slot);
            if outbox.push(transmit).is_err() {
                self.relay.handle_send_refused(egress, Refusal::Other, len, now);
            }
        }
    }

    /// Sends what is queued, and has the relay make room before more goes through it.
    fn flush(&mut self, now: Instant) {
        let relay = &mut self.relay;
        self.io.transmit(&mut self.batch, |egress, error| {
            let (refusal, octets) = refusal(error);
            relay.handle_send_refused(EgressId(egress), refusal, octets, now);
        });
        relay.make_room();
    }

    /// Tells what was done since the round before: who is told is woken, and on a shared core takes
    /// the worker's place.
    fn answer(&mut self) {
        for Done { applied, answer } in self.done.drain(..) {
            // Nobody waits any more: the work is done all the same.
            //= tests/spec/iq.md#acknowledgement
            //# An acknowledged command MUST be in force in the packet path.
            let _ = answer.send(applied);
        }
    }

    /// Does some of what control ordered.
    fn carry_out_orders(&mut self, now: Instant) -> Next {
        while !self.done.is_full()
            && let Ok(order) = self.orders.pop()
        {
            match order {
                Order::Apply(assignment) => self.apply(assignment, now),
                Order::Look { legs, groups, answer } => {
                    let look = |&(ingress, egress): &_| {
                        Some((self.relay.ingress(ingress)?, self.relay.egress(egress)?))
                    };
                    // Nobody waits any more: the audit was given up.
                    let legs = legs.iter().map(look).collect();
                    let groups = groups.iter().map(|&group| self.relay.egress(group)).collect();
                    let _ = answer.send(Seen { legs, groups });
                }
                Order::Heard { ingresses, answer } => {
                    let heard = ingresses.iter().filter_map(|&id| self.relay.last_accepted(id));
                    // Control has ended.
                    let _ = answer.send(heard.max());
                }
                Order::Count { answer } => {
                    let _ = answer.send(self.totals());
                }
                Order::Stop => return Next::Stop,
            }
        }
        Next::Round
    }

    /// Does all that a transaction means for one context.
    fn apply(&mut self, assignment: Assignment<I::Port>, now: Instant) {
        let Assignment { context, added, steps, closed, done } = assignment;
        let mut applied = Applied::default();
        for (port, socket) in added {
            if let Err(error) = self.io.add_port(PortToken(port.0), socket) {
                error!(%context, worker = self.index, ?port, %error, "port not taken over");
                applied.failed = true;
            }
        }
        for step in steps {
            self.watch_traffic_class(&step);
            match self.relay.handle_command_of(CallId(context.0), step, now) {
                Ok(Removed::Ingress(id, last)) => applied.ingresses.push((id, *last)),
                Ok(Removed::Egress(id, last)) => applied.egresses.push((id, *last)),
                Ok(Removed::Nothing) => {}
                Err(error) => {
                    error!(%context, worker = self.index, %error, "step not applied");
                    applied.failed = true;
                }
            }
        }
        for port in closed {
            if let Err(error) = self.io.remove_port(PortToken(port.0)) {
                error!(%context, worker = self.index, ?port, %error, "port not closed");
            }
        }
        self.done.push(Done { applied, answer: done });
    }

    /// Has the backend look at what is copied from what arrives, and at nothing else.
    fn watch_traffic_class(&mut self, step: &Command) {
        let Command::SetIngress(_, spec) = step else {
            return;
        };
        let reads = spec.extras.as_ref().is_some_and(|extras| extras.reads_traffic_class);
        let rtcp = match spec.rtcp {
            RtcpIngress::Port(port) => Some(port),
            RtcpIngress::Mux | RtcpIngress::Off => None,
        };
        for port in [spec.rtp].into_iter().chain(rtcp) {
            if let Err(error) = self.io.watch_traffic_class(PortToken(port.0), reads) {
                error!(worker = self.index, ?port, %error, "traffic class not watched");
            }
        }
    }

    fn totals(&self) -> Totals {
        Totals {
            relay: *self.relay.stats(),
            io: *self.io.counters(),
            reports_lost: self.relay.reports_lost(),
        }
    }

    /// Hands reports to control; what finds no room waits for the next round.
    fn report(&mut self) {
        while let Ok(place) = self.reports.try_reserve() {
            let Some(report) = self.relay.poll_report() else {
                return;
            };
            place.send(report);
        }
    }
}
