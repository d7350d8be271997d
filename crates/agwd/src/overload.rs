//! How loaded the gateway is by what can only be measured: packets, processor time, memory.
//!
//! Once a second. A worker's load is the share of the time that it was given in which it had work:
//! what it waited for its core while others had it, or while a quota was used up, was not given.
//! So a worker with half a core by quota is full at half a core, and a busy neighbour on the same
//! core makes no load. Time spent looking for packets (`busy_poll_us`) is no work.

use std::time::{Duration, Instant};

use crate::memory::Memory;
use crate::metrics;
use crate::worker::{Account, Spent, Totals};

/// Memory that is free in the allocator is given back at most so often.
const TRIM_EVERY: Duration = Duration::from_secs(5);

/// What was measured over the last second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Measured {
    /// Packets received in a second.
    pub(crate) packet_rate: u64,
    /// The share of its time in which the busiest worker had work, in percent; 0 if the kernel
    /// does not tell.
    pub(crate) cpu_percent: u8,
    /// What is in use of the memory that there is, in percent.
    pub(crate) memory_percent: u8,
}

/// Measures, from one time to the next.
pub(crate) struct Meter {
    accounts: Vec<Account>,
    memory: Option<Memory>,
    /// From which part of the memory on it is worth giving some back, in percent.
    full: u8,
    last: Option<Reading>,
    /// By worker; a mean of the newest and what was before.
    busy: Vec<f64>,
    trimmed: Option<Instant>,
}

struct Reading {
    at: Instant,
    received: u64,
    workers: Vec<(Option<Spent>, Duration)>,
}

impl Meter {
    pub(crate) fn new(accounts: Vec<Account>, memory: Option<Memory>, full: u8) -> Self {
        let busy = vec![0.0; accounts.len()];
        Self { accounts, memory, full, last: None, busy, trimmed: None }
    }

    /// Measures what has been since the last time; the first time there is nothing to compare with.
    pub(crate) fn measure(&mut self, totals: &[Totals], now: Instant) -> Measured {
        let spun = totals.iter().map(|totals| Duration::from_nanos(totals.io.spun_ns));
        let reading = Reading {
            at: now,
            received: totals.iter().map(|totals| totals.relay.received.packets).sum(),
            workers: self.accounts.iter().map(Account::spent).zip(spun).collect(),
        };
        let measured = Measured { memory_percent: self.memory_percent(now), ..Measured::default() };
        let Some(before) = self.last.replace(reading) else {
            return measured;
        };
        let Some(reading) = &self.last else {
            return measured;
        };
        let elapsed = reading.at.saturating_duration_since(before.at);
        if elapsed.is_zero() {
            return measured;
        }
        let packets = reading.received.saturating_sub(before.received) as f64;
        for ((busy, now), then) in self.busy.iter_mut().zip(&reading.workers).zip(&before.workers) {
            let newest = match (now, then) {
                ((Some(now), spun), (Some(then), spun_before)) => {
                    share(*now, *then, spun.saturating_sub(*spun_before), elapsed)
                }
                ((None, _), _) | (_, (None, _)) => 0.0,
            };
            *busy = (*busy + newest) / 2.0;
        }
        let busiest = self.busy.iter().copied().fold(0.0, f64::max);
        Measured {
            packet_rate: (packets / elapsed.as_secs_f64()) as u64,
            cpu_percent: (busiest * 100.0).round() as u8,
            ..measured
        }
    }

    fn memory_percent(&mut self, now: Instant) -> u8 {
        let Some(memory) = &self.memory else {
            return 0;
        };
        let used = memory.used_percent(metrics::resident_octets());
        let may_trim = self.trimmed.is_none_or(|at| now.saturating_duration_since(at) > TRIM_EVERY);
        if used < self.full || !may_trim {
            return used;
        }
        // What calls that have ended leave behind in the allocator must not keep others out.
        self.trimmed = Some(now);
        agw_net::give_memory_back();
        memory.used_percent(metrics::resident_octets())
    }
}

/// The share of the time that a worker was given in which it had work, 0 to 1.
fn share(now: Spent, then: Spent, spun: Duration, elapsed: Duration) -> f64 {
    let running = now.running.saturating_sub(then.running);
    let waiting = now.waiting.saturating_sub(then.waiting);
    let worked = running.saturating_sub(spun).as_secs_f64();
    let idle = elapsed.saturating_sub(running + waiting).as_secs_f64() + spun.as_secs_f64();
    let given = worked + idle;
    if given <= 0.0 { 1.0 } else { (worked / given).clamp(0.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn spent(running: u64, waiting: u64) -> Spent {
        let ms = Duration::from_millis;
        Spent { running: ms(running), waiting: ms(waiting) }
    }

    fn percent(running: u64, waiting: u64, spun: u64) -> f64 {
        let spun = Duration::from_millis(spun);
        (share(spent(running, waiting), Spent::default(), spun, SECOND) * 100.0).round()
    }

    #[test]
    fn a_worker_is_as_loaded_as_it_uses_what_it_is_given() {
        assert_eq!(percent(300, 0, 0), 30.0);
        // A quota of half a core, used up.
        assert_eq!(percent(500, 500, 0), 100.0);
        // A neighbour has most of the core, and what is left is enough.
        assert_eq!(percent(100, 500, 0), 20.0);
        // Looking for packets is no work.
        assert_eq!(percent(900, 0, 800), 10.0);
        assert_eq!(percent(0, 1_000, 0), 100.0);
        assert_eq!(percent(0, 0, 0), 0.0);
    }

    #[test]
    fn packets_are_told_by_the_second_whatever_the_interval() {
        let (mut meter, start) = (Meter::new(Vec::new(), None, 85), Instant::now());
        let mut totals = Totals::default();
        totals.relay.received.packets = 1_000;
        assert_eq!(meter.measure(&[totals], start), Measured::default());
        totals.relay.received.packets = 5_000;
        assert_eq!(meter.measure(&[totals], start + SECOND * 2).packet_rate, 2_000);
        assert_eq!(meter.measure(&[totals], start + SECOND * 3).packet_rate, 0);
    }
}
