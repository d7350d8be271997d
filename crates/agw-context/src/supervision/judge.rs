//! The end of what nobody wants any more.

use std::time::Instant;

use super::heartbeat::Stage;
use super::policy::Hanging;
use super::queue::Orphan;
use super::{Forsaken, ReleaseCause, Suspect, Unasked};
use crate::command::Release;
use crate::event::{EventKind, Subject};
use crate::gateway::Gateway;
use crate::id::{ContextId, Controller, TerminationId};
use crate::reply::{ReleaseReply, Reply};
use crate::transaction::{Circumstances, Transaction};

impl Gateway {
    /// Releases a suspect if its media has been silent for long enough, or if that does not
    /// matter; `heard` is when the packet path accepted something from it last. A suspect that
    /// has become known or owned meanwhile stays.
    pub fn judge(
        &mut self,
        suspect: &Suspect,
        heard: Option<Instant>,
        around: &mut Circumstances<'_>,
    ) -> Unasked {
        let silent_from = heard.map_or(suspect.since, |heard| heard.max(suspect.since));
        let over = match suspect.termination {
            Some(_) if suspect.cause == ReleaseCause::Rejected => true,
            Some(termination) => {
                self.hangs((suspect.context, termination), silent_from, around.now)
            }
            None if suspect.cause == ReleaseCause::Silent => {
                self.is_silent(suspect, silent_from, around.now)
            }
            None => self.is_forsaken(suspect, silent_from, around.now),
        };
        if !over {
            return Unasked::default();
        }
        self.release_unasked(&[(suspect.context, suspect.termination)], suspect.cause, around)
    }

    /// Releases what exists of these on the gateway's own account; `None` is the whole context.
    pub fn release_unasked(
        &mut self,
        places: &[(ContextId, Option<TerminationId>)],
        cause: ReleaseCause,
        around: &mut Circumstances<'_>,
    ) -> Unasked {
        let at = around.at;
        let mut forsaken = Vec::new();
        let mut transaction = Transaction::new(self, around);
        for &place in places {
            let (context, termination) = place;
            let release = Release { context, termination };
            let exists = transaction.context(context).is_ok_and(|context| {
                termination.is_none_or(|id| context.terminations.contains_key(id))
            });
            if exists && let Ok(Reply::Released(released)) = transaction.release(release) {
                let kind = EventKind::ReleasedByGateway { cause };
                transaction.gateway.tell(context, termination, kind, at);
                forsaken.extend(transaction.gateway.forsake(place, cause, released));
            }
        }
        Unasked { work: transaction.commit(), forsaken }
    }

    /// Whose what is released was, before it is forgotten.
    fn forsake(
        &self,
        (context, termination): (ContextId, Option<TerminationId>),
        cause: ReleaseCause,
        released: ReleaseReply,
    ) -> Option<Forsaken> {
        let ReleaseReply { streams, groups, context: _, context_ended: _ } = released;
        let known = self.contexts.get(&context)?;
        let controller = Controller::clone(&known.controller);
        let correlation = known.correlation.clone();
        let subject = Subject { context, correlation, termination, stream: None };
        Some(Forsaken { subject, controller, cause, streams, groups })
    }

    /// Whether a suspected termination is to go now; says when to look again if not.
    fn hangs(
        &mut self,
        place: (ContextId, TerminationId),
        silent_from: Instant,
        now: Instant,
    ) -> bool {
        let stage = self.supervisor.beats.get(&place).map(|beat| beat.stage);
        if !matches!(stage, Some(Stage::Suspected { .. })) {
            return false;
        }
        match (self.policy.supervision.hanging, stage) {
            (Hanging::Release, _) => true,
            (Hanging::ReleaseIfSilent(silence), Some(stage)) if silent_from + silence > now => {
                self.supervisor.set_beat(place, stage, silent_from + silence);
                false
            }
            (Hanging::ReleaseIfSilent(_), _) => true,
            (Hanging::Keep, _) => false,
        }
    }

    //= tests/spec/iq.md#supervision
    //# An orphan MUST be released only when nothing authentic has arrived for the configured time,
    //# or at the limit of its age.
    /// Whether an orphan is to go now; says when to look again if not.
    fn is_forsaken(&mut self, suspect: &Suspect, silent_from: Instant, now: Instant) -> bool {
        let Some(&Orphan { since, .. }) = self.supervisor.orphan(suspect.context) else {
            return false;
        };
        // Lost, found and lost again since it was looked at.
        if since != suspect.since {
            return false;
        }
        let policy = &self.policy.supervision;
        let silence_ends = silent_from.max(since) + policy.orphan_silence;
        let over = suspect.cause == ReleaseCause::OrphanedTooLong || silence_ends <= now;
        let next = silence_ends.min(since + policy.orphan_limit);
        if !over {
            self.supervisor.set_orphan(suspect.context, next);
        }
        over
    }
}
