//! Refused keys: a controller that repeats keys is told to everyone who watches, but not too often.

use std::time::{Duration, Instant, SystemTime};

use crate::command::{Command, ContextChoice, Direction};
use crate::error::CommandError;
use crate::event::{EventKind, Subject};
use crate::gateway::Gateway;
use crate::id::ContextId;

/// Refused keys are told at most so often.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// Keys that were refused because they are or were in use.
#[derive(Debug, Default)]
pub(crate) struct Blocked {
    told: Option<Instant>,
    /// Since they were told.
    untold: u32,
}

impl Blocked {
    /// Counts one; tells how many there are to tell, if it is time.
    fn count(&mut self, now: Instant) -> Option<u32> {
        self.untold = self.untold.saturating_add(1);
        if self.told.is_some_and(|told| now.saturating_duration_since(told) < TOLD_EVERY) {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

impl Gateway {
    /// Tells of a refusal if it was about a key that is or was in use.
    pub(crate) fn note_refusal(
        &mut self,
        context: Option<ContextId>,
        error: &CommandError,
        now: Instant,
        at: SystemTime,
    ) {
        let direction = if let CommandError::KeyReuse { direction, .. } = error {
            *direction
        } else if matches!(error, CommandError::KeyReturns { .. }) {
            Direction::Ingress
        } else {
            return;
        };
        let Some(refused) = self.blocked.count(now) else {
            return;
        };
        let known = context.and_then(|id| self.contexts.get_key_value(&id));
        let subject = known.map(|(&context, known)| Subject {
            context,
            correlation: known.correlation.clone(),
            termination: None,
            stream: None,
        });
        self.events.push(at, subject, EventKind::KeyReuseBlocked { direction, refused });
    }
}

impl Command {
    /// The context that the command names.
    pub(crate) fn named_context(&self) -> Option<ContextId> {
        match self {
            Self::Reserve(reserve) => match reserve.context {
                ContextChoice::Existing(context) => Some(context),
                ContextChoice::New | ContextChoice::Latest => None,
            },
            Self::SetGroup(set) => match set.context {
                ContextChoice::Existing(context) => Some(context),
                ContextChoice::New | ContextChoice::Latest => None,
            },
            Self::GroupKey(command) => Some(command.context),
            Self::RemoveGroup(remove) => Some(remove.context),
            Self::Configure(configure) => Some(configure.context),
            Self::ChangeThroughConnection(change) => Some(change.context),
            Self::SetTopology(topology) => Some(topology.context),
            Self::Release(release) => Some(release.context),
            Self::StageKey(stage) => Some(stage.slot.context),
            Self::ActivateKey(activate) => Some(activate.slot.context),
            Self::CancelKey(cancel) => Some(cancel.slot.context),
            Self::Expecting(expecting) => expecting.command.named_context(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::epoch;

    #[test]
    fn refused_keys_are_told_once_a_second_with_their_number() {
        let (mut blocked, start) = (Blocked::default(), epoch());
        assert_eq!(blocked.count(start), Some(1));
        for _ in 0..5 {
            assert_eq!(blocked.count(start + TOLD_EVERY / 2), None);
        }
        assert_eq!(blocked.count(start + TOLD_EVERY), Some(6));
    }
}
