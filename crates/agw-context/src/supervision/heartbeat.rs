//! Heartbeats of terminations (TS 23.334 §6.2.6, H.248.36): does the controller still know them?

use std::ops::RangeInclusive;
use std::time::{Duration, Instant, SystemTime};

use super::policy::Hanging;
use super::queue::Watched;
use super::{ReleaseCause, Suspect};
use crate::checks::invalid;
use crate::error::{CommandError, Reason};
use crate::event::{EventKind, Subject};
use crate::gateway::Gateway;
use crate::id::{ContextId, Controller, TerminationId};

/// What is due is done in pieces, so that requests are not held up by heartbeats of many calls.
const AT_ONCE: usize = 256;
/// Whoever was to look at a suspect has not come back: it is suspected again.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// How often a controller may ask to be asked.
pub const HEARTBEAT_PERIODS: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(86_400);

/// Checks the period of heartbeats.
pub(crate) fn check_period(period: Option<Duration>) -> Result<(), CommandError> {
    if period.is_some_and(|period| !HEARTBEAT_PERIODS.contains(&period)) {
        let rule = "must be 1000 to 86400000";
        return Err(invalid("heartbeat_ms", rule, Reason::FieldValue));
    }
    Ok(())
}

/// A termination that has heartbeats.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beat {
    pub(super) period: Duration,
    pub(super) due: Instant,
    pub(super) stage: Stage,
}

/// Where a termination stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Until the next heartbeat.
    Resting,
    /// The controller was asked first at this time, and has left so many questions unanswered.
    Asked { first: Instant, unanswered: u32 },
    /// Nobody answers for it, since then.
    Suspected { since: Instant },
}

/// A controller's word on one termination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confirmation {
    /// The context.
    pub context: ContextId,
    /// The termination.
    pub termination: TerminationId,
    /// Whether the controller knows it.
    pub known: bool,
}

impl Gateway {
    /// Does what is due, some of it if there is much; tells what may have to be released. Each
    /// suspect is to be given to [`Gateway::judge`].
    #[must_use]
    pub fn handle_timeout(&mut self, now: Instant, at: SystemTime) -> Vec<Suspect> {
        let mut suspects = Vec::new();
        for _ in 0..AT_ONCE {
            match self.supervisor.take_due(now) {
                None => break,
                Some(Watched::Termination(context, termination)) => {
                    suspects.extend(self.beat(context, termination, now, at));
                }
                Some(Watched::Orphan(context)) => suspects.extend(self.orphan_due(context, now)),
                Some(Watched::Controller(controller)) => self.lose(&controller, now, at),
                Some(Watched::Silence(context)) => suspects.extend(self.silence_due(context, now)),
            }
        }
        suspects
    }

    /// When [`Gateway::handle_timeout`] is due at the latest; ask again after every call.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.supervisor.poll_timeout()
    }

    //= tests/spec/iq.md#supervision
    //# A termination MUST be told to its controller once a period if heartbeats were asked for.
    fn beat(
        &mut self,
        context: ContextId,
        termination: TerminationId,
        now: Instant,
        at: SystemTime,
    ) -> Option<Suspect> {
        let place = (context, termination);
        let Beat { period, stage, .. } = *self.supervisor.beats.get(&place)?;
        let owner = self.contexts.get(&context).map(|context| &context.controller)?;
        let is_alone = self.supervisor.orphan(context).is_some()
            || self.supervisor.absent.contains_key(owner.as_ref());
        if is_alone && !matches!(stage, Stage::Suspected { .. }) {
            // A controller that is not there cannot answer: that is what orphans are for.
            self.supervisor.set_beat(place, Stage::Resting, now + period);
            return None;
        }
        let policy = &self.policy.supervision;
        let (first, unanswered) = match stage {
            Stage::Resting => (now, 0),
            Stage::Asked { first, unanswered } => (first, unanswered + 1),
            Stage::Suspected { since } => return self.suspect(place, since, now),
        };
        if unanswered >= policy.heartbeat_misses {
            return self.suspect(place, now, now);
        }
        let due = now + policy.heartbeat_answer;
        self.supervisor.set_beat(place, Stage::Asked { first, unanswered }, due);
        self.tell(context, Some(termination), EventKind::TerminationHeartbeat, at);
        None
    }

    /// What becomes of a termination that nobody answers for.
    fn suspect(
        &mut self,
        place: (ContextId, TerminationId),
        since: Instant,
        now: Instant,
    ) -> Option<Suspect> {
        let period = self.supervisor.beats.get(&place)?.period;
        let (context, termination) = place;
        let ingresses = match self.policy.supervision.hanging {
            Hanging::Keep => {
                self.supervisor.set_beat(place, Stage::Resting, now + period);
                return None;
            }
            Hanging::Release => Vec::new(),
            Hanging::ReleaseIfSilent(_) => {
                let at = self.contexts.get(&context)?.terminations.get(termination)?;
                at.streams.values().map(|stream| stream.ingress_id()).collect()
            }
        };
        self.supervisor.set_beat(place, Stage::Suspected { since }, now + LOOK_AGAIN);
        let (termination, cause) = (Some(termination), ReleaseCause::Hanging);
        Some(Suspect { context, termination, cause, ingresses, since })
    }

    /// Takes a controller's word on terminations; tells those that it may not speak for, because
    /// they do not exist or belong to another one, and what may have to be released.
    pub fn confirm(
        &mut self,
        controller: &Controller,
        words: &[Confirmation],
        now: Instant,
    ) -> (Vec<Confirmation>, Vec<Suspect>) {
        let (mut unknown, mut suspects) = (Vec::new(), Vec::new());
        for word in words {
            let place = (word.context, word.termination);
            let visible = self.contexts.get(&word.context).is_some_and(|context| {
                controller.may_touch(&context.controller)
                    && context.terminations.contains_key(word.termination)
            });
            match (visible, word.known) {
                (false, _) => unknown.push(*word),
                (true, true) => self.confirmed(place, now),
                (true, false) => suspects.extend(self.reject(place, now)),
            }
        }
        (unknown, suspects)
    }

    //= tests/spec/iq.md#supervision
    //# A termination that its controller does not know MUST be released by policy.
    /// What becomes of a termination that its controller does not know, whether heartbeats were
    /// asked for or not: it goes at once, unless hanging terminations are to stay.
    fn reject(&self, place: (ContextId, TerminationId), now: Instant) -> Option<Suspect> {
        let (context, termination) = (place.0, Some(place.1));
        let cause = ReleaseCause::Rejected;
        match self.policy.supervision.hanging {
            Hanging::Keep => None,
            Hanging::Release | Hanging::ReleaseIfSilent(_) => {
                Some(Suspect { context, termination, cause, ingresses: Vec::new(), since: now })
            }
        }
    }

    fn confirmed(&mut self, place: (ContextId, TerminationId), now: Instant) {
        let Some(&Beat { period, stage, .. }) = self.supervisor.beats.get(&place) else {
            return;
        };
        let due = match stage {
            Stage::Resting => return,
            Stage::Asked { first, .. } => (first + period).max(now),
            Stage::Suspected { .. } => now + period,
        };
        self.supervisor.set_beat(place, Stage::Resting, due);
    }

    /// Puts an event about a context into the log.
    pub(super) fn tell(
        &mut self,
        context: ContextId,
        termination: Option<TerminationId>,
        kind: EventKind,
        at: SystemTime,
    ) {
        let correlation = self.contexts.get(&context).and_then(|c| c.correlation.clone());
        let subject = Subject { context, correlation, termination, stream: None };
        self.events.push(at, Some(subject), kind);
    }
}
