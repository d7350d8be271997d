//! Legs on which nothing happens any more (TS 23.334 §6.2.8, H.248.40).
//!
//! Nothing is done for a packet. A leg that is watched is looked at four times in the time that
//! makes it inactive: what arrives is known by when the last packet was accepted, what leaves by
//! whether its counter has moved since.
//!
//! ```text
//! Active ──nothing for the time──▶ Inactive, told ──something──▶ Active, told
//! a gate that is closed for media suspends its direction; with none left the time starts anew
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use agw_srtp::Engine;

use crate::relay::Relay;
use crate::report::Report;
use crate::spec::IngressId;

/// How often a leg is looked at within its time.
const LOOKS: u32 = 4;
/// No leg is looked at more often.
const LEAST: Duration = Duration::from_millis(5);

/// What counts as activity of a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActiveDirection {
    /// What arrives and is accepted: authentic on a secured leg, of the right source on others.
    Ingress,
    /// What leaves.
    Egress,
    /// Either: inactive is a leg on which neither arrives nor leaves anything.
    Either,
}

/// When a leg is inactive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inactivity {
    /// What counts.
    pub direction: ActiveDirection,
    /// After how long without it.
    pub after: Duration,
    /// Whether RTCP is no activity: what has lost its media reports on.
    pub media_only: bool,
}

/// The legs that are watched.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    watches: BTreeMap<IngressId, Watch>,
    due: BTreeSet<(Instant, IngressId)>,
}

#[derive(Debug)]
struct Watch {
    rule: Inactivity,
    /// When something happened last, or the watch began.
    active: Instant,
    /// Datagrams that had left then.
    sent: u64,
    /// Whether control was told of inactivity.
    told: bool,
    next: Instant,
}

/// What a look at a leg finds.
struct Seen {
    /// Directions that are watched and open for media.
    ingress: bool,
    egress: bool,
    accepted: Option<Instant>,
    sent: u64,
}

impl Watches {
    pub(crate) fn next(&self) -> Option<Instant> {
        self.due.first().map(|&(due, _)| due)
    }

    pub(crate) fn forget(&mut self, id: IngressId) {
        if let Some(watch) = self.watches.remove(&id) {
            self.due.remove(&(watch.next, id));
        }
    }

    /// Begins, changes or ends the watch of a leg; one that goes on as it was keeps its time.
    fn set(&mut self, id: IngressId, rule: Option<Inactivity>, sent: u64, now: Instant) {
        let before = self.watches.get(&id).map(|watch| watch.rule);
        if before == rule {
            return;
        }
        self.forget(id);
        if let Some(rule) = rule {
            let next = now + rule.interval();
            self.watches.insert(id, Watch { rule, active: now, sent, told: false, next });
            self.due.insert((next, id));
        }
    }

    fn due(&self, now: Instant) -> Option<IngressId> {
        self.due.first().filter(|&&(due, _)| due <= now).map(|&(_, id)| id)
    }

    /// Looks at a leg; tells what control is to know.
    fn look(&mut self, id: IngressId, seen: &Seen, now: Instant) -> Option<Report> {
        let watch = self.watches.get_mut(&id)?;
        self.due.remove(&(watch.next, id));
        watch.next = now + watch.rule.interval();
        self.due.insert((watch.next, id));
        let direction = watch.rule.direction;
        let arrived = seen.ingress && seen.accepted.is_some_and(|at| at > watch.active);
        let left = seen.egress && seen.sent > watch.sent;
        watch.sent = seen.sent;
        if arrived || left {
            watch.active = if left { now } else { seen.accepted.unwrap_or(now) };
            let was_told = std::mem::replace(&mut watch.told, false);
            return was_told.then_some(Report::MediaActive { ingress: id, direction });
        }
        //= tests/spec/relay.md#inactivity
        //# While its gates are closed for media a leg MUST NOT become inactive.
        if !seen.ingress && !seen.egress {
            watch.active = now;
            return None;
        }
        let since = now.saturating_duration_since(watch.active);
        //= tests/spec/relay.md#inactivity
        //# A leg on which nothing was accepted, or nothing left, for the time asked for MUST be told
        //# once, and once more when it is active again.
        if watch.told || since < watch.rule.after {
            return None;
        }
        watch.told = true;
        Some(Report::MediaInactive { ingress: id, direction, since })
    }
}

impl Inactivity {
    fn interval(&self) -> Duration {
        (self.after / LOOKS).max(LEAST)
    }
}

impl<E: Engine> Relay<E> {
    /// Watches a leg by its spec from now on.
    pub(crate) fn watch_activity(&mut self, id: IngressId, now: Instant) {
        let Some(ingress) = self.ingresses.at(id.0) else {
            return;
        };
        let rule = ingress.spec.extras.as_ref().and_then(|extras| extras.inactivity);
        let sent = rule.map_or(0, |rule| self.sent_by(id, rule.media_only));
        self.watches.set(id, rule, sent, now);
    }

    /// Looks at the legs whose time it is.
    pub(crate) fn look_for_activity(&mut self, now: Instant) {
        while let Some(id) = self.watches.due(now) {
            let Some(seen) = self.see(id) else {
                self.watches.forget(id);
                continue;
            };
            if let Some(report) = self.watches.look(id, &seen, now) {
                self.reports.push(report);
            }
        }
    }

    fn see(&self, id: IngressId) -> Option<Seen> {
        let ingress = self.ingresses.at(id.0)?;
        let Inactivity { direction, media_only, .. } = ingress.spec.extras.as_ref()?.inactivity?;
        let egress = self.egresses.at(ingress.spec.reverse.0);
        let is_open = egress.is_some_and(|egress| egress.spec.gate.rtp);
        let watched = |one| direction == one || direction == ActiveDirection::Either;
        Some(Seen {
            ingress: watched(ActiveDirection::Ingress) && ingress.spec.gate.rtp,
            egress: watched(ActiveDirection::Egress) && is_open,
            accepted: if media_only { ingress.last_media() } else { ingress.last_accepted() },
            sent: self.sent_by(id, media_only),
        })
    }

    /// Datagrams that have left on a leg.
    fn sent_by(&self, id: IngressId, media_only: bool) -> u64 {
        let reverse = self.ingresses.at(id.0).map(|ingress| ingress.spec.reverse);
        let Some(egress) = reverse.and_then(|reverse| self.egresses.at(reverse.0)) else {
            return 0;
        };
        let reports = if media_only { egress.stats.sent_rtcp.packets } else { 0 };
        //= tests/spec/relay.md#inactivity
        //# Where media alone counts, RTCP MUST NOT keep a leg active.
        egress.stats.sent.packets - reports
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::epoch;

    const ID: IngressId = IngressId(3);

    /// One moment for the whole of a test's thread.
    fn at(milliseconds: u64) -> Instant {
        thread_local! {
            static START: Instant = epoch();
        }
        START.with(|start| *start) + Duration::from_millis(milliseconds)
    }

    /// A leg that is inactive after a second.
    fn watches(direction: ActiveDirection) -> Watches {
        let mut watches = Watches::default();
        let rule = Inactivity { direction, after: Duration::from_secs(1), media_only: false };
        watches.set(ID, Some(rule), 0, at(0));
        watches
    }

    fn seen(accepted: Option<u64>, sent: u64) -> Seen {
        Seen { ingress: true, egress: true, accepted: accepted.map(at), sent }
    }

    #[test]
    fn a_leg_is_told_inactive_once_and_active_once() {
        let mut watches = watches(ActiveDirection::Either);
        assert_eq!(watches.next(), Some(at(250)));
        assert_eq!(watches.look(ID, &seen(Some(100), 0), at(250)), None);
        assert_eq!(watches.look(ID, &seen(Some(100), 0), at(1_099)), None);
        let Some(Report::MediaInactive { since, .. }) =
            watches.look(ID, &seen(Some(100), 0), at(1_100))
        else {
            panic!("inactive");
        };
        assert_eq!(since, Duration::from_secs(1));
        assert_eq!(watches.look(ID, &seen(Some(100), 0), at(5_000)), None);
        let told = watches.look(ID, &seen(Some(100), 1), at(5_250));
        assert!(matches!(told, Some(Report::MediaActive { .. })), "{told:?}");
        assert_eq!(watches.look(ID, &seen(Some(100), 1), at(5_500)), None);
    }

    #[test]
    fn closed_gates_stop_the_time_and_an_open_one_starts_it_anew() {
        let mut watches = watches(ActiveDirection::Ingress);
        let closed = Seen { ingress: false, egress: false, accepted: None, sent: 0 };
        assert_eq!(watches.look(ID, &closed, at(10_000)), None);
        let open = Seen { ingress: true, egress: false, accepted: None, sent: 9 };
        assert_eq!(watches.look(ID, &open, at(10_900)), None);
        let told = watches.look(ID, &open, at(11_000));
        assert!(matches!(told, Some(Report::MediaInactive { .. })), "{told:?}");
    }

    #[test]
    fn a_watch_that_is_told_again_keeps_its_time_and_another_one_starts_anew() {
        let mut watches = watches(ActiveDirection::Ingress);
        let (direction, after) = (ActiveDirection::Ingress, Duration::from_secs(1));
        let rule = Inactivity { direction, after, media_only: false };
        watches.set(ID, Some(rule), 0, at(900));
        let told = watches.look(ID, &seen(None, 0), at(1_000));
        assert!(matches!(told, Some(Report::MediaInactive { .. })), "{told:?}");
        let longer = Inactivity { after: Duration::from_secs(2), ..rule };
        watches.set(ID, Some(longer), 0, at(1_000));
        assert_eq!(watches.look(ID, &seen(None, 0), at(2_900)), None);
        watches.set(ID, None, 0, at(2_900));
        assert_eq!((watches.next(), watches.due(at(9_000))), (None, None));
    }
}
