//! The commands that measure, each against any target.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};

use crate::cli::{ChurnArgs, FindMaxArgs, Generator, RunArgs, TargetArgs, TargetKind, TrafficArgs};
use crate::direct::direct;
use crate::meanwhile::Meanwhile;
use crate::netns::Namespaces;
use crate::plan::Traffic;
use crate::process;
use crate::result::{FORMAT, LoadPoint, Phase, RunResult};
use crate::screen::Screen;
use crate::search::{Observed, Search};
use crate::site::{Side, Site};
use crate::target::agw::{Agw, AgwOptions};
use crate::target::forwarder::{Forwarder, ForwarderOptions};
use crate::target::launch::Place;
use crate::target::rtpengine::{Rtpengine, RtpengineOptions};
use crate::target::{Target, TargetError};
use crate::window::{Bench, Task};
use crate::wire::{SocketWire, Wire, XdpWire};

/// Sockets on each side of the generator.
const SOCKETS: usize = 4;
/// rtpengine's port for requests where it has an address of its own.
const NG_PORT: u16 = 2_223;
/// Contexts beyond those of the calls, for those that come and go.
const SPARE_CONTEXTS: usize = 2_000;

/// What to measure.
#[derive(Debug, Clone)]
pub(crate) enum Job {
    /// One window.
    Run(RunArgs),
    /// Windows until the highest load is known.
    FindMax(FindMaxArgs),
    /// Calls that come and go.
    Churn(ChurnArgs),
}

impl Job {
    /// What is measured.
    pub(crate) const fn target(&self) -> &TargetArgs {
        match self {
            Self::Run(args) => &args.target,
            Self::FindMax(args) => &args.target,
            Self::Churn(args) => &args.target,
        }
    }

    /// What goes through it.
    pub(crate) const fn traffic(&self) -> &TrafficArgs {
        match self {
            Self::Run(args) => &args.traffic,
            Self::FindMax(args) => &args.traffic,
            Self::Churn(args) => &args.traffic,
        }
    }

    /// The most calls at a time.
    const fn most_calls(&self) -> usize {
        match self {
            Self::Run(args) => args.traffic.calls,
            Self::FindMax(args) => args.most,
            Self::Churn(args) => args.traffic.calls + args.outstanding,
        }
    }
}

/// Starts the target that is asked for, measures it and ends it.
///
/// # Errors
/// Options that exclude each other, by name; a target that does not start or answer; a generator
/// that cannot send.
pub(crate) async fn carry_out(job: &Job, screen: &Screen) -> anyhow::Result<RunResult> {
    let traffic = job.traffic();
    if !traffic.netns {
        let site = Site::loopback(traffic.family);
        let mut wires = sides(&site, |side| Ok(SocketWire::bind(side, SOCKETS)?))?;
        screen.step("the way without a gateway", 0);
        let baseline = tokio::task::block_in_place(|| direct(&mut wires))?;
        return start_and_drive(job, &site, Bench::new(wires, Some(baseline), screen, job)).await;
    }
    let namespaces = Namespaces::around().context("--netns: not in namespaces of our own")?;
    let site = Site::netns(traffic.family, namespaces)?;
    match traffic.generator {
        Generator::Sockets => {
            let wires = sides(&site, |side| Ok(SocketWire::bind(side, SOCKETS)?))?;
            start_and_drive(job, &site, Bench::new(wires, None, screen, job)).await
        }
        Generator::Xdp => {
            let wires = sides(&site, XdpWire::open)?;
            start_and_drive(job, &site, Bench::new(wires, None, screen, job)).await
        }
    }
}

fn sides<W>(site: &Site, wire: impl Fn(&Side) -> anyhow::Result<W>) -> anyhow::Result<[W; 2]> {
    Ok([wire(&site.access)?, wire(&site.core)?])
}

async fn start_and_drive<W: Wire + 'static>(
    job: &Job,
    site: &Site,
    bench: Bench<W>,
) -> anyhow::Result<RunResult> {
    let args = job.target();
    bench.screen.step("the gateway starts", 0);
    let place = Place { namespace: site.namespace.clone(), core: args.gateway_core };
    match args.target {
        TargetKind::Agw => {
            let agw = match (&args.attach, args.pid) {
                (Some(address), Some(pid)) => {
                    Agw::attach(address, pid, realms(&args.realms)?).await?
                }
                _ => {
                    let contexts = job.most_calls() + SPARE_CONTEXTS;
                    Agw::start(&AgwOptions::new(args, site, contexts)).await?
                }
            };
            drive(job, agw, bench).await
        }
        TargetKind::Rtpengine => {
            let options = RtpengineOptions {
                program: args.program.clone(),
                place,
                threads: args.workers,
                access: site.access.gateway,
                core: site.core.gateway,
                control: ng_address(site)?,
                ports: site.access.ports.clone(),
            };
            drive(job, Rtpengine::start(options).await?, bench).await
        }
        TargetKind::Forwarder => {
            let options = ForwarderOptions {
                program: std::env::current_exe()?,
                place,
                access: site.access.gateway,
                core: site.core.gateway,
                coalesce: Duration::from_micros(args.coalesce_us),
            };
            drive(job, Forwarder::start(options).await?, bench).await
        }
    }
}

/// Where rtpengine listens for requests.
fn ng_address(site: &Site) -> anyhow::Result<SocketAddr> {
    if site.namespace.is_some() {
        return Ok(SocketAddr::new(site.access.gateway, NG_PORT));
    }
    // A free port: the kernel gives it to nobody else for a while.
    Ok(UdpSocket::bind((site.access.peer, 0))?.local_addr()?)
}

/// Refuses options that exclude each other.
///
/// # Errors
/// Their names.
pub(crate) fn check(job: &Job) -> anyhow::Result<()> {
    let (traffic, target) = (job.traffic(), job.target());
    if traffic.generator == Generator::Xdp && !traffic.netns {
        bail!("--generator xdp needs --netns");
    }
    if target.backend == crate::cli::Backend::Xdp && !traffic.netns && target.attach.is_none() {
        bail!("--backend xdp needs --netns: there is no XDP on the loopback");
    }
    if target.target == TargetKind::Forwarder && traffic.suite.iter().any(|one| one.suite.is_some())
    {
        bail!("--target forwarder needs --suite none: it opens and seals nothing");
    }
    match job {
        Job::Run(_) | Job::FindMax(_) if traffic.calls == 0 => bail!("--calls must be 1 or more"),
        Job::Run(_) | Job::FindMax(_) | Job::Churn(_) => Ok(()),
    }
}

fn realms(text: &str) -> anyhow::Result<[String; 2]> {
    match text.split_once(',') {
        Some((access, core)) => Ok([access.trim().to_owned(), core.trim().to_owned()]),
        None => bail!("--realms {text}: two names with a comma between"),
    }
}

async fn drive<T: Target, W: Wire + 'static>(
    job: &Job,
    mut target: T,
    mut bench: Bench<W>,
) -> anyhow::Result<RunResult> {
    let args = job.traffic();
    let mut result = RunResult {
        format: FORMAT,
        started_unix_s: SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
        command: std::env::args().collect(),
        machine: process::machine(),
        target: target.info(),
        plan: Traffic::new(args, args.calls)?.plan(args),
        phases: Vec::new(),
        series: Vec::new(),
        highest: None,
        control: None,
    };
    match job {
        Job::Run(_) => {
            let traffic = Traffic::new(args, args.calls)?;
            let task = task("media", &traffic, args, Meanwhile::Planned);
            let found = bench.measure(&mut target, task).await?;
            result.phases.push(found.phase);
            result.control = Some(found.control);
        }
        Job::Churn(churn) => {
            let traffic = Traffic::new(args, args.calls)?;
            let meanwhile = Meanwhile::FullSpeed(churn.outstanding);
            let task = task("churn", &traffic, args, meanwhile);
            let found = bench.measure(&mut target, task).await?;
            if args.calls > 0 {
                result.phases.push(found.phase);
            }
            result.control = Some(found.control);
        }
        Job::FindMax(find) => find_max(find, &mut target, &mut bench, &mut result).await?,
    }
    target.stop().await?;
    Ok(result)
}

const fn task<'a>(
    name: &'a str,
    traffic: &'a Traffic,
    args: &TrafficArgs,
    meanwhile: Meanwhile,
) -> Task<'a> {
    Task { name, traffic, slo: args.slo(), meanwhile }
}

async fn find_max<T: Target, W: Wire + 'static>(
    find: &FindMaxArgs,
    target: &mut T,
    bench: &mut Bench<W>,
    result: &mut RunResult,
) -> anyhow::Result<()> {
    let args = &find.traffic;
    let mut search = Search::new(args.calls, find.most, find.resolution / 100.0);
    while let Some(calls) = search.next() {
        let traffic = Traffic::new(args, calls)?;
        let name = format!("{calls} calls");
        let task = task(&name, &traffic, args, Meanwhile::Planned);
        let found = match bench.measure(target, task).await {
            Ok(found) => found,
            Err(error) if is_refusal(&error) => {
                bench.screen.say(&format!("{calls:6} calls: {error:#}"));
                search.observe(calls, Observed { kept: false });
                continue;
            }
            Err(error) => return Err(error),
        };
        let point = point(calls, &traffic, &found.phase);
        bench.screen.say(&format!(
            "{calls:6} calls: loss {:.4} %, p99 +{:.0} us{}",
            point.loss_percent,
            point.added_p99_us,
            if point.slo_kept { "" } else { ", beyond the objective" },
        ));
        search.observe(calls, Observed { kept: point.slo_kept });
        result.series.push(point);
        result.phases.push(found.phase);
        result.control = Some(found.control);
    }
    let mut best = result
        .series
        .iter()
        .filter(|point| point.slo_kept && Some(point.calls) == search.highest());
    result.highest = best.next_back().cloned();
    Ok(())
}

/// Whether the gateway takes no more calls, which ends a search as well as loss does.
fn is_refusal(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(TargetError::Refused { .. }))
}

fn point(calls: usize, traffic: &Traffic, phase: &Phase) -> LoadPoint {
    let offered = traffic.offered_per_second();
    LoadPoint {
        calls,
        packets_per_second: offered.unwrap_or_else(|| phase.delivered_per_second()),
        loss_percent: phase.loss_percent(),
        added_p99_us: phase.added_p99_us,
        gateway_cores: phase.gateway.cpu_seconds / phase.seconds.max(1e-9),
        cpu_seconds_per_million: phase.cpu_seconds_per_million,
        slo_kept: phase.slo_kept,
        limited_by_generator: !phase.limited_by_generator.is_empty(),
    }
}
