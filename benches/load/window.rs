//! One measured window: calls set up, media through them, calls released, every packet accounted
//! for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use agw_srtp::Portable;
use anyhow::{Context, anyhow, bail};

use crate::account::{Readings, account};
use crate::calls::{Calls, Peers};
use crate::clock::Clock;
use crate::control::{Asked, release_all, set_up_all};
use crate::generator::{Generated, Generator, Route, Shared};
use crate::latency::Times;
use crate::meanwhile::{Happened, Meanwhile, Scene, happen};
use crate::netns::Namespaces;
use crate::packet::Direction;
use crate::plan::Traffic;
use crate::prepare::{Prepared, prepare};
use crate::process::{self, Threads};
use crate::result::{ControlFigures, Distribution, Phase, Slo};
use crate::run::Job;
use crate::screen::Screen;
use crate::sink::Sink;
use crate::target::{Placed, Target};
use crate::verify::verify;
use crate::wire::Wire;

/// Requests outstanding while calls are set up and released around media.
const OUTSTANDING: usize = 64;
/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// What a window needs beside its target.
pub(crate) struct Bench<W> {
    /// The wire to the access side and the one to the core side; taken while a window runs.
    pub(crate) wires: Option<[W; 2]>,
    /// Where progress is told.
    pub(crate) screen: Screen,
    /// The core that the generator is pinned to.
    pub(crate) pin: Option<usize>,
    /// Latency without a gateway, once it is known.
    pub(crate) direct: Option<Distribution>,
    /// The namespaces that the bench is in.
    pub(crate) namespaces: Option<Namespaces>,
    /// Somebody has pressed Ctrl-C.
    pub(crate) interrupted: bool,
}

/// What a window is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Task<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// The traffic.
    pub(crate) traffic: &'a Traffic,
    /// The objective.
    pub(crate) slo: Slo,
    /// What goes on besides.
    pub(crate) meanwhile: Meanwhile,
}

/// What a window found.
pub(crate) struct Found {
    /// Media.
    pub(crate) phase: Phase,
    /// Set-up and release of its calls, or of those that came and went at full speed.
    pub(crate) control: ControlFigures,
}

/// Calls under way.
struct Stage {
    traffic: Traffic,
    calls: Calls,
    placed: Vec<Placed>,
    peers: Peers,
    clock: Clock,
}

impl<W: Wire + 'static> Bench<W> {
    /// A bench with these wires.
    pub(crate) fn new(
        wires: [W; 2],
        direct: Option<Distribution>,
        screen: &Screen,
        job: &Job,
    ) -> Self {
        let (traffic, screen) = (job.traffic(), screen.clone());
        let namespaces = if traffic.netns { Namespaces::around() } else { None };
        Self {
            wires: Some(wires),
            screen,
            pin: traffic.pin,
            direct,
            namespaces,
            interrupted: false,
        }
    }

    /// Measures one window.
    ///
    /// # Errors
    /// The target refuses calls or does not answer, or the generator cannot send.
    pub(crate) async fn measure<T: Target>(
        &mut self,
        target: &mut T,
        task: Task<'_>,
    ) -> anyhow::Result<Found> {
        let control = target.control();
        let bare = process::footprint(target.pid())?;
        let (traffic, peers) = (task.traffic.clone(), self.peers()?);
        let calls = Calls::new(&traffic, &peers)?;
        let prepared = self.prepare(&traffic, &calls)?;
        self.screen.step("calls are set up", 0);
        let began = std::time::Instant::now();
        let (placed, mut asked) = set_up_all(&control, &calls.specs, OUTSTANDING).await?;
        let setting_up = began.elapsed();
        let stage = Stage { traffic, calls, placed, peers, clock: Clock::start() };

        let before = Readings::take(target, self.drops()?, self.namespaces).await?;
        let (generated, happened) = self.play(&control, &stage, task, prepared).await?;
        if self.interrupted {
            bail!("interrupted");
        }
        let mut after = Readings::take_after(target, self.drops()?, self.namespaces, bare).await?;

        self.screen.step("calls are released", 0);
        let released = release_all(&control, &stage.placed, OUTSTANDING).await?;
        asked.add(&released)?;
        after.complete(target.counters().await?);
        self.screen.step("packets are compared", 0);
        let Stage { traffic, calls, placed, .. } = stage;
        let checked = tokio::task::spawn_blocking(move || {
            let mut generated = generated;
            for direction in Direction::BOTH {
                if let Some(sink) = generated.sinks.get_mut(direction.index()) {
                    verify(&Portable, direction, &traffic, &calls, &placed, sink)?;
                }
            }
            anyhow::Ok((generated, traffic))
        });
        let (generated, traffic) = checked.await??;
        let mut phase = account(&generated, &happened.held, &before, &after, &traffic);
        phase.name = task.name.to_owned();
        phase.judge(self.direct.as_ref(), task.slo);
        let control = figures(task.meanwhile, &asked, &happened, setting_up, &phase)?;
        Ok(Found { phase, control })
    }

    /// The generator's addresses.
    fn peers(&self) -> anyhow::Result<Peers> {
        let [access, core] = self.wires.as_ref().context("the wires are in use")?;
        Ok(Peers { access: access.addresses(), core: core.addresses() })
    }

    /// Packets that the kernel has dropped at the generator's sinks.
    fn drops(&self) -> anyhow::Result<u64> {
        let [access, core] = self.wires.as_ref().context("the wires are in use")?;
        Ok(access.drops()? + core.drops()?)
    }

    fn prepare(&self, traffic: &Traffic, calls: &Calls) -> anyhow::Result<Prepared> {
        self.screen.step("packets are sealed", traffic.packets_each_way() as u64);
        tokio::task::block_in_place(|| {
            prepare(&Portable, traffic, calls, |done| self.screen.at(done as u64))
        })
    }

    /// Sends and hears in a thread of its own, while things happen.
    async fn play<C: crate::target::Control>(
        &mut self,
        control: &C,
        stage: &Stage,
        task: Task<'_>,
        prepared: Prepared,
    ) -> anyhow::Result<(Generated, Happened)> {
        let mut wires = self.wires.take().context("the wires are in use")?;
        let shared = Arc::new(Shared::default());
        let stop = Arc::new(AtomicBool::new(false));
        let work = (stage.traffic.clone(), prepared, stage.routes()?, Arc::clone(&shared));
        let (sinks, clock, pin) = (stage.sinks(), stage.clock, self.pin);
        let done = Arc::clone(&stop);
        let thread = thread::Builder::new().name("generator".to_owned()).spawn(move || {
            let generated = generate(&mut wires, &work, sinks, clock, pin);
            done.store(true, Ordering::Relaxed);
            (wires, generated)
        })?;
        let Stage { traffic, calls, placed, peers, clock } = stage;
        let scene = Scene { traffic, calls, placed, peers, clock: *clock };
        let teller = tell(self.screen.clone(), shared, Arc::clone(&stop), &stage.traffic);
        let happening = happen(task.meanwhile, control, scene, &stop);
        let (happened, interrupted) = tokio::join!(happening, teller);
        self.interrupted = interrupted;
        let ended = tokio::task::spawn_blocking(move || thread.join()).await?;
        let (wires, generated) = ended.map_err(|_| anyhow!("the generator has failed"))?;
        self.wires = Some(wires);
        Ok((generated?, happened?))
    }
}

/// Tells how far the generator is, until it is done; ends it on Ctrl-C, and tells whether it was.
async fn tell(
    screen: Screen,
    shared: Arc<Shared>,
    stop: Arc<AtomicBool>,
    traffic: &Traffic,
) -> bool {
    screen.step("media", 2 * traffic.packets_each_way() as u64);
    let mut interrupted = false;
    while !stop.load(Ordering::Relaxed) {
        tokio::select! {
            () = tokio::time::sleep(TELL_EVERY) => {}
            _ = tokio::signal::ctrl_c() => {
                shared.stop.store(true, Ordering::Relaxed);
                interrupted = true;
            }
        }
        screen.at(shared.sent.load(Ordering::Relaxed));
    }
    interrupted
}

impl Stage {
    fn routes(&self) -> anyhow::Result<[Vec<Route>; 2]> {
        let (mut up, mut down) = (Vec::new(), Vec::new());
        for (spec, placed) in self.calls.specs.iter().zip(&self.placed) {
            let from = |all: &[_], one| all.iter().position(|address| *address == one);
            let access = from(&self.peers.access, spec.access_peer).context("no such peer")?;
            let core = from(&self.peers.core, spec.core_peer).context("no such peer")?;
            up.push(Route { from: access, to: placed.access });
            down.push(Route { from: core, to: placed.core });
        }
        Ok([up, down])
    }

    /// What goes up comes out at the gateway's core side.
    fn sinks(&self) -> [Sink; 2] {
        let core: Vec<_> = self.placed.iter().map(|placed| placed.core).collect();
        let access: Vec<_> = self.placed.iter().map(|placed| placed.access).collect();
        [
            Sink::new(Direction::Up, &self.traffic, &core),
            Sink::new(Direction::Down, &self.traffic, &access),
        ]
    }
}

fn generate<W: Wire>(
    wires: &mut [W; 2],
    work: &(Traffic, Prepared, [Vec<Route>; 2], Arc<Shared>),
    sinks: [Sink; 2],
    clock: Clock,
    pin: Option<usize>,
) -> anyhow::Result<Generated> {
    let (traffic, prepared, routes, shared) = work;
    if let Some(core) = pin {
        agw_net::pin_current_thread(core).with_context(|| format!("--pin {core}"))?;
    }
    // Pauses of less than a millisecond would be rounded up otherwise.
    agw_net::set_timer_slack(Duration::from_micros(1))?;
    if traffic.calls == 0 {
        thread::sleep(traffic.duration);
    }
    let places = traffic.packets_each_way();
    let out = Generated {
        sinks,
        sent_at: [vec![0; places], vec![0; places]],
        times: Times::new()?,
        lateness: Times::new()?,
        sending: Duration::ZERO,
        idle: Duration::ZERO,
        retries: 0,
        threads: Threads::default(),
    };
    let addresses = wires.first().map_or(0, |wire| wire.addresses().len());
    Generator { traffic, prepared, routes, wires, addresses, shared, clock, out }.run()
}

fn figures(
    meanwhile: Meanwhile,
    asked: &Asked,
    happened: &Happened,
    setting_up: Duration,
    phase: &Phase,
) -> anyhow::Result<ControlFigures> {
    match meanwhile {
        Meanwhile::Planned => {
            let mut figures = asked.figures(OUTSTANDING, setting_up);
            let besides = happened.asked.figures(OUTSTANDING, happened.time);
            for (reason, count) in besides.failures {
                *figures.failures.entry(reason).or_default() += count;
            }
            Ok(figures)
        }
        Meanwhile::FullSpeed(outstanding) => {
            let mut figures = happened.asked.figures(outstanding, happened.time);
            figures.cycles_per_second = Some(figures.released as f64 / happened.time.as_secs_f64());
            figures.gateway_cpu_seconds = phase.gateway.cpu_seconds;
            Ok(figures)
        }
    }
}
