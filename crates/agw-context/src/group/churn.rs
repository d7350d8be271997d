//! Members that come and go, gathered into one wish for new keys (TR 33.829 §5.1.2).
//!
//! A re-key when a member joins or leaves keeps past and future of the conference from it. At the
//! beginning and the end of a large one that would be a re-key every second, so changes gather.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Instant, SystemTime};

use super::Group;
use crate::event::{EventKind, Subject};
use crate::gateway::Gateway;
use crate::id::{ContextId, GroupId, StreamId, TerminationId};
use crate::model::Context;

/// Changes of membership that were not told yet.
#[derive(Debug, Default)]
pub(crate) struct Churn {
    waiting: BTreeMap<(ContextId, GroupId), Changes>,
    due: BTreeSet<(Instant, ContextId, GroupId)>,
}

#[derive(Debug, Clone, Copy)]
struct Changes {
    due: Instant,
    joined: u32,
    left: u32,
}

impl Churn {
    /// Takes note of what a transaction changed.
    pub(crate) fn note(
        &mut self,
        id: ContextId,
        before: Option<&Context>,
        after: Option<&Context>,
        now: Instant,
    ) {
        let has_groups = |context: Option<&Context>| context.is_some_and(|c| c.groups.is_some());
        if !has_groups(before) && !has_groups(after) {
            return;
        }
        for (group, old) in before.iter().flat_map(|context| context.groups()) {
            let new = after.and_then(|context| Some((context, context.group(group)?)));
            match (before, new) {
                (Some(before), Some((after, new))) if !is_rekeyed(old, new) => {
                    let (were, are) = (members(before, group), members(after, group));
                    let count = |of: &BTreeSet<u32>, not_in: &BTreeSet<u32>| {
                        u32::try_from(of.difference(not_in).count()).unwrap_or(u32::MAX)
                    };
                    self.gather((id, group), new, count(&are, &were), count(&were, &are), now);
                }
                (_, _) => self.forget((id, group)),
            }
        }
    }

    //= tests/spec/group.md#re-key
    //# Changes of membership within the interval MUST be told as one event, and not at all if the
    //# group was re-keyed meanwhile.
    fn gather(
        &mut self,
        key: (ContextId, GroupId),
        group: &Group,
        joined: u32,
        left: u32,
        now: Instant,
    ) {
        let Some(interval) = group.rekey_interval else {
            self.forget(key);
            return;
        };
        if joined == 0 && left == 0 {
            return;
        }
        let due = now + interval;
        let changes = self.waiting.entry(key).or_insert(Changes { due, joined: 0, left: 0 });
        changes.joined = changes.joined.saturating_add(joined);
        changes.left = changes.left.saturating_add(left);
        self.due.insert((changes.due, key.0, key.1));
    }

    pub(super) fn forget(&mut self, key: (ContextId, GroupId)) {
        if let Some(Changes { due, .. }) = self.waiting.remove(&key) {
            self.due.remove(&(due, key.0, key.1));
        }
    }

    fn pop_due(&mut self, now: Instant) -> Option<(ContextId, GroupId, Changes)> {
        let &(due, context, group) = self.due.first().filter(|(due, ..)| *due <= now)?;
        self.due.remove(&(due, context, group));
        Some((context, group, self.waiting.remove(&(context, group))?))
    }
}

impl Gateway {
    /// Tells the changes of membership whose time has come; call it every second.
    pub fn tell_churn(&mut self, now: Instant, at: SystemTime) {
        while let Some((id, number, changes)) = self.churn.pop_due(now) {
            let Some(context) = self.contexts.get(&id) else {
                continue;
            };
            let place = context.group(number).map(|group| (group.focus, group.stream));
            let Changes { joined, left, due: _ } = changes;
            let subject = subject(id, context, place);
            let kind = EventKind::GroupRekeyWanted { group: number, joined, left };
            self.events.push(at, Some(subject), kind);
        }
    }
}

fn subject(id: ContextId, context: &Context, place: Option<(TerminationId, StreamId)>) -> Subject {
    let (termination, stream) = place.unzip();
    Subject { context: id, correlation: context.correlation.clone(), termination, stream }
}

fn members(context: &Context, group: GroupId) -> BTreeSet<u32> {
    context.members(group).map(|(_, stream)| stream.leg).collect()
}

/// Whether what leaves to members is sealed with other keys.
fn is_rekeyed(old: &Group, new: &Group) -> bool {
    !old.egress_keys.in_force().eq(new.egress_keys.in_force())
}
