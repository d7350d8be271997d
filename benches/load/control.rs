//! Driving the control plane: many requests outstanding, each timed.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::task::JoinSet;

use crate::latency::Times;
use crate::result::ControlFigures;
use crate::target::{CallId, CallSpec, Control, Placed, TargetError};

/// What some tasks have asked for, and how long it took.
#[derive(Debug)]
pub(crate) struct Asked {
    set_up: Times,
    release: Times,
    failures: BTreeMap<String, u64>,
    set_ups: u64,
    releases: u64,
}

impl Asked {
    /// Nothing yet.
    ///
    /// # Errors
    /// Never, in truth.
    pub(crate) fn nothing() -> anyhow::Result<Self> {
        Ok(Self {
            set_up: Times::new()?,
            release: Times::new()?,
            failures: BTreeMap::new(),
            set_ups: 0,
            releases: 0,
        })
    }

    /// Takes all of another.
    ///
    /// # Errors
    /// Never, in truth.
    pub(crate) fn add(&mut self, other: &Self) -> anyhow::Result<()> {
        self.set_up.add(&other.set_up)?;
        self.release.add(&other.release)?;
        for (reason, count) in &other.failures {
            *self.failures.entry(reason.clone()).or_default() += count;
        }
        self.set_ups += other.set_ups;
        self.releases += other.releases;
        Ok(())
    }

    /// The figures of what took `time`.
    pub(crate) fn figures(&self, outstanding: usize, time: Duration) -> ControlFigures {
        let seconds = time.as_secs_f64();
        let rate = if seconds > 0.0 { self.set_ups as f64 / seconds } else { 0.0 };
        ControlFigures {
            outstanding,
            set_up: self.set_ups,
            released: self.releases,
            set_up_per_second: rate,
            cycles_per_second: None,
            set_up_latency: self.set_up.distribution(),
            release_latency: self.release.distribution(),
            failures: self.failures.clone(),
            gateway_cpu_seconds: 0.0,
        }
    }

    /// Sets a call up; a failure is counted.
    pub(crate) async fn set_up(
        &mut self,
        control: &impl Control,
        spec: Arc<CallSpec>,
    ) -> Result<Placed, TargetError> {
        let (outcome, time) = timed(control.set_up(spec)).await;
        if self.count(&outcome) {
            self.set_up.record(time);
            self.set_ups += 1;
        }
        outcome
    }

    /// Releases a call; a failure is counted.
    pub(crate) async fn release(&mut self, control: &impl Control, call: &CallId) {
        let (outcome, time) = timed(control.release(call)).await;
        if self.count(&outcome) {
            self.release.record(time);
            self.releases += 1;
        }
    }

    /// Counts a failure; whether there was none.
    pub(crate) fn count<T>(&mut self, outcome: &Result<T, TargetError>) -> bool {
        if let Err(error) = outcome {
            *self.failures.entry(error.to_string()).or_default() += 1;
        }
        outcome.is_ok()
    }
}

async fn timed<T>(future: impl Future<Output = T>) -> (T, Duration) {
    let began = Instant::now();
    let outcome = future.await;
    (outcome, began.elapsed())
}

/// Sets calls up, so many at a time, and tells where they are, in their order.
///
/// # Errors
/// The first refusal: without all calls there is nothing to measure. Those that stand already are
/// released.
pub(crate) async fn set_up_all<C: Control>(
    control: &C,
    specs: &[Arc<CallSpec>],
    outstanding: usize,
) -> anyhow::Result<(Vec<Placed>, Asked)> {
    let next = Arc::new(AtomicUsize::new(0));
    let wanted = specs.len();
    let specs: Arc<[Arc<CallSpec>]> = specs.into();
    let mut tasks = JoinSet::new();
    for _ in 0..outstanding.min(specs.len()) {
        let (control, next, specs) = (control.clone(), Arc::clone(&next), Arc::clone(&specs));
        tasks.spawn(async move {
            let (mut asked, mut placed) = (Asked::nothing()?, Vec::new());
            loop {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(spec) = specs.get(place) else {
                    return anyhow::Ok((asked, placed, None));
                };
                match asked.set_up(&control, Arc::clone(spec)).await {
                    Ok(call) => placed.push((place, call)),
                    Err(error) => return Ok((asked, placed, Some(error))),
                }
            }
        });
    }
    let (mut all, mut placed, mut refusal) = (Asked::nothing()?, BTreeMap::new(), None);
    while let Some(done) = tasks.join_next().await {
        let (asked, some, error) = done??;
        all.add(&asked)?;
        placed.extend(some);
        refusal = refusal.or(error);
    }
    let placed: Vec<Placed> = placed.into_values().collect();
    if let Some(refusal) = refusal {
        release_all(control, &placed, outstanding).await?;
        let count = placed.len();
        return Err(refusal).with_context(|| format!("{count} of {wanted} calls are set up"));
    }
    Ok((placed, all))
}

/// Releases calls, so many at a time.
///
/// # Errors
/// Never, in truth: refusals are counted.
pub(crate) async fn release_all<C: Control>(
    control: &C,
    calls: &[Placed],
    outstanding: usize,
) -> anyhow::Result<Asked> {
    let next = Arc::new(AtomicUsize::new(0));
    let ids: Arc<[CallId]> = calls.iter().map(|call| call.id.clone()).collect();
    let mut tasks = JoinSet::new();
    for _ in 0..outstanding.min(ids.len()) {
        let (control, next, ids) = (control.clone(), Arc::clone(&next), Arc::clone(&ids));
        tasks.spawn(async move {
            let mut asked = Asked::nothing()?;
            while let Some(id) = ids.get(next.fetch_add(1, Ordering::Relaxed)) {
                asked.release(&control, id).await;
            }
            anyhow::Ok(asked)
        });
    }
    join(tasks).await
}

/// Sets calls up and releases them, so many at a time, until it is told to stop.
///
/// # Errors
/// Never, in truth: refusals are counted.
pub(crate) async fn cycle<C: Control>(
    control: &C,
    spec: impl Fn(usize) -> CallSpec + Clone + Send + 'static,
    outstanding: usize,
    stop: &Arc<AtomicBool>,
) -> anyhow::Result<Asked> {
    let mut tasks = JoinSet::new();
    for _ in 0..outstanding {
        let (control, spec, stop) = (control.clone(), spec.clone(), Arc::clone(stop));
        tasks.spawn(async move {
            let mut asked = Asked::nothing()?;
            for turn in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                if let Ok(placed) = asked.set_up(&control, Arc::new(spec(turn))).await {
                    asked.release(&control, &placed.id).await;
                }
            }
            anyhow::Ok(asked)
        });
    }
    join(tasks).await
}

/// Waits for all tasks and adds up what they asked for.
///
/// # Errors
/// That of a task.
pub(crate) async fn join(mut tasks: JoinSet<anyhow::Result<Asked>>) -> anyhow::Result<Asked> {
    let mut all = Asked::nothing()?;
    while let Some(done) = tasks.join_next().await {
        all.add(&done??)?;
    }
    Ok(all)
}
