//! From readings to figures: where every packet went, and what it cost.

use std::collections::BTreeMap;

use crate::generator::Generated;
use crate::meanwhile::Held;
use crate::netns::Namespaces;
use crate::plan::{Pace, Traffic};
use crate::process::{self, Threads};
use crate::result::{CoreUse, Distribution, Footprint, Ledger, PathFigures, Phase, Schedule, Slo};
use crate::sink::Sink;
use crate::target::{Counters, Target};

/// Packets this late, at p99, are a generator that does not keep up, in microseconds.
const LATE: f64 = 1_000.0;
/// A generator that is busy for more than this share of the time has no reserve.
const BUSY: f64 = 0.97;

/// Where the time comes from that can be told by interface.
pub(crate) const NAPI_THREADS: &str = "threads of the kernel for the interfaces";

/// All counters at a moment.
#[derive(Debug)]
pub(crate) struct Readings {
    counters: Counters,
    threads: Threads,
    own_threads: Threads,
    footprint: Footprint,
    bare: Footprint,
    own_footprint: Footprint,
    /// Threads of the kernel that work on what arrives at the gateway's and at our interfaces.
    napi: [Threads; 2],
    cores: Vec<CoreUse>,
    sink_drops: u64,
    /// Packets that the network between has dropped, by place; others' packets too.
    network: [(&'static str, u64); 2],
}

impl Readings {
    /// Reads all counters before a window: the process last, so that asking costs it nothing.
    ///
    /// # Errors
    /// The target does not answer, or is gone.
    pub(crate) async fn take<T: Target>(
        target: &mut T,
        sink_drops: u64,
        namespaces: Option<Namespaces>,
    ) -> anyhow::Result<Self> {
        let counters = target.counters().await?;
        Ok(Self { counters, ..Self::processes(target.pid(), sink_drops, namespaces)? })
    }

    /// Reads all counters after a window: the process first, for the same reason. `bare` is what
    /// it held before there were calls.
    ///
    /// # Errors
    /// The target does not answer, or is gone.
    pub(crate) async fn take_after<T: Target>(
        target: &mut T,
        sink_drops: u64,
        namespaces: Option<Namespaces>,
        bare: Footprint,
    ) -> anyhow::Result<Self> {
        let readings = Self::processes(target.pid(), sink_drops, namespaces)?;
        Ok(Self { bare, counters: target.counters().await?, ..readings })
    }

    /// Takes counters that were read once the calls were released: of ports that are closed a
    /// target knows to the last what the kernel dropped at them.
    pub(crate) fn complete(&mut self, counters: Counters) {
        self.counters.kernel_drops = self.counters.kernel_drops.max(counters.kernel_drops);
        self.counters.send_errors.extend(counters.send_errors);
    }

    fn processes(
        pid: u32,
        sink_drops: u64,
        namespaces: Option<Namespaces>,
    ) -> anyhow::Result<Self> {
        let napi = |device: fn(Namespaces, usize) -> String| {
            let devices = namespaces.map(|all| [device(all, 0), device(all, 1)]);
            Threads::of_devices(devices.iter().flatten())
        };
        let us = std::process::id();
        Ok(Self {
            counters: Counters::default(),
            threads: Threads::read(pid)?,
            own_threads: Threads::read(us)?,
            footprint: process::footprint(pid)?,
            bare: Footprint::default(),
            own_footprint: process::footprint(us)?,
            napi: [napi(Namespaces::gateway_device), napi(Namespaces::generator_device)],
            cores: process::cores(),
            sink_drops,
            network: [
                ("interface queues", process::device_drops(&[pid, us], namespaces)),
                ("kernel backlog", process::backlog_drops()),
            ],
        })
    }
}

/// The figures of a window.
pub(crate) fn account(
    generated: &Generated,
    held: &[Held],
    before: &Readings,
    after: &Readings,
    traffic: &Traffic,
) -> Phase {
    let [up_sink, down_sink] = &generated.sinks;
    let [up_sent, down_sent] = &generated.sent_at;
    let up = path(up_sink, up_sent, held, traffic);
    let down = path(down_sink, down_sent, held, traffic);
    let ledger = ledger(&up, &down, before, after);
    let calls = traffic.calls;
    let gateway = process::process_use(
        after.threads.since(&before.threads),
        after.bare,
        after.footprint,
        calls,
    );
    // The generator's thread has ended: it has told by itself what it used.
    let mut own = after.own_threads.since(&before.own_threads);
    own.extend(generated.threads.since(&Threads::default()));
    let generator = process::process_use(own, before.own_footprint, after.own_footprint, 0);
    let cores = process::cores_since(&after.cores, &before.cores);
    let received = after.counters.received.saturating_sub(before.counters.received);
    let soft = SoftInterrupts::new(before, after, &cores);
    let per_million = |seconds: f64| seconds * 1e6 / (received as f64).max(1.0);
    let seconds = generated.sending.as_secs_f64();
    let busy = 1.0 - generated.idle.as_secs_f64() / seconds.max(1e-9);
    Phase {
        seconds,
        up,
        down,
        latency: generated.times.distribution(),
        cpu_seconds_per_million: per_million(gateway.cpu_seconds),
        cpu_with_softirq_per_million: per_million(gateway.cpu_seconds + soft.gateway),
        cpu_gross_per_million: per_million(gateway.cpu_seconds + soft.all),
        softirq_source: soft.source.to_owned(),
        gateway,
        generator,
        schedule: Schedule {
            lateness: generated.lateness.distribution(),
            busy_share: busy.clamp(0.0, 1.0),
            send_retries: generated.retries,
        },
        cores,
        limited_by_generator: limits(generated, busy, &ledger, traffic),
        ledger,
        ..Phase::default()
    }
}

impl Phase {
    /// Compares with the way without a gateway, and with the objective.
    pub(crate) fn judge(&mut self, direct: Option<&Distribution>, slo: Slo) {
        let base = direct.map_or(0.0, |direct| direct.p50_us);
        self.direct = direct.cloned();
        self.added_p99_us = (self.latency.p99_us - base).max(0.0);
        self.added_p999_us = (self.latency.p999_us - base).max(0.0);
        self.slo_kept = self.loss_percent() <= slo.max_loss_percent
            && self.added_p99_us <= slo.max_added_p99_ms * 1_000.0
            && self.up.delivered + self.down.delivered > 0;
    }
}

/// Seconds that the kernel has worked on packets beside the processes.
struct SoftInterrupts {
    /// For the gateway.
    gateway: f64,
    /// For the gateway and for our sinks.
    all: f64,
    source: &'static str,
}

impl SoftInterrupts {
    fn new(before: &Readings, after: &Readings, cores: &[CoreUse]) -> Self {
        let [gateway, sinks] = [0, 1].map(|end| {
            let at = |readings: &Readings| readings.napi.get(end).cloned().unwrap_or_default();
            at(after).since(&at(before)).iter().map(process::seconds).sum::<f64>()
        });
        if gateway > 0.0 {
            return Self { gateway, all: gateway + sinks, source: NAPI_THREADS };
        }
        let all = cores.iter().map(|core| core.softirq_seconds).sum();
        Self { gateway: all, all, source: "soft interrupts of all cores" }
    }
}

/// The figures of a direction, with what is lost told apart from what was held on purpose.
fn path(sink: &Sink, sent_at: &[u64], held: &[Held], traffic: &Traffic) -> PathFigures {
    let mut figures = sink.figures.clone();
    let missing = figures.sent.saturating_sub(figures.delivered);
    let calls = traffic.calls as usize;
    let is_held = |held: &Held, place: usize| {
        let sent = sent_at.get(place).copied().unwrap_or_default();
        (held.from..=held.to).contains(&sent) && !sink.has(place)
    };
    let held: usize = held
        .iter()
        .map(|held| {
            let places = (held.call as usize..sent_at.len()).step_by(calls.max(1));
            places.filter(|&place| is_held(held, place)).count()
        })
        .sum();
    figures.held = held as u64;
    figures.lost = missing.saturating_sub(figures.held);
    figures
}

fn ledger(up: &PathFigures, down: &PathFigures, before: &Readings, after: &Readings) -> Ledger {
    let (was, is) = (&before.counters, &after.counters);
    let mut ledger = Ledger {
        sent: up.sent + down.sent + up.rtcp_sent + down.rtcp_sent,
        delivered: up.delivered + down.delivered + up.rtcp_delivered + down.rtcp_delivered,
        gateway_received: is.received.saturating_sub(was.received),
        gateway_forwarded: is.forwarded.saturating_sub(was.forwarded),
        gateway_drops: grown(&is.dropped, &was.dropped),
        gateway_kernel_drops: is.kernel_drops.saturating_sub(was.kernel_drops),
        gateway_send_errors: grown(&is.send_errors, &was.send_errors),
        sink_kernel_drops: after.sink_drops.saturating_sub(before.sink_drops),
        network_drops: BTreeMap::new(),
        gap: 0,
    };
    ledger.close();
    // Other programs' packets are in these counters too: they explain a gap, they make none.
    for ((place, now), (_, before)) in after.network.iter().zip(before.network) {
        let missing = u64::try_from(ledger.gap).unwrap_or_default();
        let explained = missing.min(now.saturating_sub(before));
        if explained > 0 {
            ledger.network_drops.insert((*place).to_owned(), explained);
            ledger.close();
        }
    }
    ledger
}

fn grown(now: &BTreeMap<String, u64>, before: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let grown = |(name, count): (&String, &u64)| {
        let more = count.saturating_sub(before.get(name).copied().unwrap_or_default());
        (more > 0).then(|| (name.clone(), more))
    };
    now.iter().filter_map(grown).collect()
}

/// Why the generator was the limit.
fn limits(generated: &Generated, busy: f64, ledger: &Ledger, traffic: &Traffic) -> Vec<String> {
    let mut limits = Vec::new();
    let late = generated.lateness.distribution().p99_us;
    match traffic.pace {
        Pace::Every(_) if late > LATE => {
            limits.push(format!("1 of 100 packets left {late:.0} us late or more"));
        }
        Pace::Window(_) if busy > BUSY => {
            limits.push("it never had to wait for the gateway".to_owned());
        }
        Pace::Every(_) | Pace::Window(_) => {}
    }
    if ledger.sink_kernel_drops > 0 {
        let drops = ledger.sink_kernel_drops;
        limits.push(format!("its own sockets dropped {drops} packets"));
    }
    limits
}
