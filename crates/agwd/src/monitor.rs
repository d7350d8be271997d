//! Whether everything that must move does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, interval, timeout};
use tracing::error;

use crate::control::ControlClient;
use crate::overload::Meter;

/// How often is looked.
const EVERY: Duration = Duration::from_secs(1);
/// A worker that has not finished a round for so long is stalled; it should do so four times a
/// second.
const STALLED: Duration = Duration::from_secs(5);
/// Control and workers together answer within this.
const ANSWER: Duration = Duration::from_secs(5);

/// What was found last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Vitals {
    /// Workers that are stalled.
    pub(crate) stalled: Vec<usize>,
    /// Control did not answer.
    pub(crate) control_is_silent: bool,
}

impl Vitals {
    /// Whether everything moves.
    pub(crate) const fn are_good(&self) -> bool {
        self.stalled.is_empty() && !self.control_is_silent
    }
}

/// Looks every second and tells what has changed, until nobody listens.
pub(crate) async fn watch_vitals(
    heartbeats: Vec<Arc<AtomicU64>>,
    control: ControlClient,
    vitals: watch::Sender<Vitals>,
    mut meter: Meter,
) {
    let start = Instant::now();
    let mut pulses: Vec<_> = heartbeats.into_iter().map(|beat| Pulse::new(beat, start)).collect();
    let mut every = interval(EVERY);
    loop {
        let now = tokio::select! {
            now = every.tick() => now,
            () = vitals.closed() => return,
        };
        let stalled = pulses
            .iter_mut()
            .enumerate()
            .filter_map(|(worker, pulse)| pulse.is_stalled(now).then_some(worker));
        let stalled = stalled.collect();
        let counted = timeout(ANSWER, control.count()).await;
        let control_is_silent = !matches!(counted, Ok(Ok(_)));
        if let Ok(Ok(totals)) = counted {
            let measured = meter.measure(&totals, std::time::Instant::now());
            // Control that is gone ends the process.
            let _ = control.measured(measured).await;
        }
        let found = Vitals { stalled, control_is_silent };
        vitals.send_if_modified(|known| {
            let is_new = *known != found;
            if is_new && !found.are_good() {
                error!(stalled = ?found.stalled, control_is_silent, "the gateway is stalled");
            }
            *known = found;
            is_new
        });
    }
}

/// One worker's heartbeat and when it moved last.
struct Pulse {
    heartbeat: Arc<AtomicU64>,
    last: u64,
    moved: Instant,
}

impl Pulse {
    fn new(heartbeat: Arc<AtomicU64>, now: Instant) -> Self {
        Self { last: heartbeat.load(Ordering::Relaxed), heartbeat, moved: now }
    }

    fn is_stalled(&mut self, now: Instant) -> bool {
        let beat = self.heartbeat.load(Ordering::Relaxed);
        if beat != self.last {
            self.last = beat;
            self.moved = now;
        }
        now.saturating_duration_since(self.moved) >= STALLED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_stalled_when_its_heartbeat_stands_still_for_five_seconds() {
        let (heartbeat, start) = (Arc::new(AtomicU64::new(7)), Instant::now());
        let mut pulse = Pulse::new(Arc::clone(&heartbeat), start);
        assert!(!pulse.is_stalled(start + STALLED - Duration::from_millis(1)));
        assert!(pulse.is_stalled(start + STALLED));
        heartbeat.fetch_add(1, Ordering::Relaxed);
        assert!(!pulse.is_stalled(start + STALLED));
    }
}
