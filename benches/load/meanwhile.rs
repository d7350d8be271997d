//! What changes in the gateway while media runs.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep_until;

use crate::calls::{Calls, HOLD, Peers, spec};
use crate::clock::Clock;
use crate::control::{Asked, cycle, join};
use crate::plan::Traffic;
use crate::target::{Control, Placed};

/// What goes on besides media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meanwhile {
    /// The rates of the plan.
    Planned,
    /// Calls come and go as fast as they can, so many requests outstanding.
    FullSpeed(usize),
}

/// A call's time on hold, on the clock of the window, from the request that began it to the answer
/// that ended it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    /// The call.
    pub(crate) call: u32,
    /// From here on packets may be dropped on purpose.
    pub(crate) from: u64,
    /// From here on they may not.
    pub(crate) to: u64,
}

/// What happened.
#[derive(Debug)]
pub(crate) struct Happened {
    /// Requests and their times.
    pub(crate) asked: Asked,
    /// Times on hold.
    pub(crate) held: Vec<Held>,
    /// How long it all took.
    pub(crate) time: Duration,
}

/// The calls that things happen to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene<'a> {
    /// The plan.
    pub(crate) traffic: &'a Traffic,
    /// The calls.
    pub(crate) calls: &'a Calls,
    /// Where they are.
    pub(crate) placed: &'a [Placed],
    /// The generator's addresses.
    pub(crate) peers: &'a Peers,
    /// The clock of the window.
    pub(crate) clock: Clock,
}

/// Carries out what was planned, until all of it is done or, at full speed, until told to stop.
///
/// # Errors
/// A call cannot be put on hold; other refusals are counted.
pub(crate) async fn happen<C: Control>(
    meanwhile: Meanwhile,
    control: &C,
    scene: Scene<'_>,
    stop: &Arc<AtomicBool>,
) -> anyhow::Result<Happened> {
    let Scene { traffic, calls, placed, peers, clock } = scene;
    let began = Instant::now();
    let (asked, held) = match meanwhile {
        Meanwhile::FullSpeed(outstanding) => {
            let (mix, peers) = (traffic.mix.clone(), peers.clone());
            let next = move |turn: usize| {
                let suite = mix.get(turn % mix.len().max(1));
                spec(suite.copied().flatten(), &peers)
            };
            (cycle(control, next, outstanding, stop).await?, Vec::new())
        }
        Meanwhile::Planned => {
            let mut tasks = rekeys(control, calls, placed);
            come_and_go(&mut tasks, control, traffic, peers);
            let held = holds(control, calls, placed, clock).await?;
            (join(tasks).await?, held)
        }
    };
    Ok(Happened { asked, held, time: began.elapsed() })
}

fn rekeys<C: Control>(
    control: &C,
    calls: &Calls,
    placed: &[Placed],
) -> JoinSet<anyhow::Result<Asked>> {
    let start = tokio::time::Instant::now();
    let mut tasks = JoinSet::new();
    for rekey in &calls.rekeys {
        let Some(call) = placed.get(rekey.call as usize) else { continue };
        let (control, id, keys) = (control.clone(), call.id.clone(), Arc::clone(&rekey.keys));
        let at = start + rekey.at;
        tasks.spawn(async move {
            sleep_until(at).await;
            let mut asked = Asked::nothing()?;
            asked.count(&control.rekey(&id, keys).await);
            Ok(asked)
        });
    }
    tasks
}

fn come_and_go<C: Control>(
    tasks: &mut JoinSet<anyhow::Result<Asked>>,
    control: &C,
    traffic: &Traffic,
    peers: &Peers,
) {
    let rate = traffic.churn.set_ups;
    let count = (rate * traffic.duration.as_secs_f64()) as u32;
    let start = tokio::time::Instant::now();
    for place in 0..count {
        let suite = traffic.mix.get(place as usize % traffic.mix.len().max(1));
        let spec = Arc::new(spec(suite.copied().flatten(), peers));
        let control = control.clone();
        let at = start + Duration::from_secs_f64(f64::from(place) / rate);
        tasks.spawn(async move {
            sleep_until(at).await;
            let mut asked = Asked::nothing()?;
            if let Ok(placed) = asked.set_up(&control, spec).await {
                asked.release(&control, &placed.id).await;
            }
            Ok(asked)
        });
    }
}

async fn holds<C: Control>(
    control: &C,
    calls: &Calls,
    placed: &[Placed],
    clock: Clock,
) -> anyhow::Result<Vec<Held>> {
    let start = tokio::time::Instant::now();
    let mut tasks = JoinSet::new();
    for hold in &calls.holds {
        let Some(call) = placed.get(hold.call as usize) else { continue };
        let (control, id, hold) = (control.clone(), call.id.clone(), *hold);
        tasks.spawn(async move {
            sleep_until(start + hold.at).await;
            let from = clock.now();
            control.hold(&id, true).await?;
            sleep_until(start + hold.at + HOLD).await;
            control.hold(&id, false).await?;
            anyhow::Ok(Held { call: hold.call, from, to: clock.now() })
        });
    }
    let mut held = Vec::new();
    while let Some(done) = tasks.join_next().await {
        held.push(done??);
    }
    Ok(held)
}
