//! Keys that come in force by themselves: at a time that the controller said, or with a packet.

use std::collections::BTreeSet;
use std::time::{Instant, SystemTime};

use agw_relay::Command as Step;

use crate::command::Direction;
use crate::event::{EventKind, Subject};
use crate::gateway::Gateway;
use crate::id::{ContextId, StreamId, TerminationId};
use crate::keys::activation;
use crate::model::{Context, Stream};
use crate::transaction::Work;

/// The activations to come, by time; `Direction` of the key at the leg of that number.
#[derive(Debug, Default)]
pub(crate) struct Activations(BTreeSet<(Instant, u32, Direction)>);

impl Activations {
    /// Takes over what a transaction has made of a context.
    pub(crate) fn change(&mut self, before: Option<&Context>, after: Option<&Context>) {
        for entry in before.into_iter().flat_map(timed) {
            self.0.remove(&entry);
        }
        self.0.extend(after.into_iter().flat_map(timed));
    }

    fn remove(&mut self, due: Instant, leg: u32, direction: Direction) {
        self.0.remove(&(due, leg, direction));
    }

    fn pop_due(&mut self, now: Instant) -> Option<(Instant, u32, Direction)> {
        let first = self.0.first().copied().filter(|&(due, ..)| due <= now)?;
        self.0.remove(&first);
        Some(first)
    }
}

fn timed(context: &Context) -> impl Iterator<Item = (Instant, u32, Direction)> {
    let of_groups = context.groups().flat_map(|(_, group)| group.timed());
    let of_streams = context.streams().flat_map(|(_, _, stream)| {
        let of = |direction| {
            let keys = match direction {
                Direction::Ingress => &stream.ingress_keys,
                Direction::Egress => &stream.egress_keys,
            };
            keys.timed().map(|timed| (timed.due, stream.leg, direction))
        };
        [Direction::Ingress, Direction::Egress].into_iter().filter_map(of)
    });
    of_streams.chain(of_groups)
}

impl Gateway {
    /// When [`Gateway::handle_activations`] is due at the latest; ask again after every
    /// transaction.
    #[must_use]
    pub fn poll_activation(&self) -> Option<Instant> {
        self.activations.0.first().map(|&(due, ..)| due)
    }

    //= tests/spec/iq.md#keys
    //# A staged key MUST come in force at the time that the controller has said and not before.
    /// Puts keys in force whose time has come, and returns what the packet path must do.
    pub fn handle_activations(&mut self, now: Instant, at: SystemTime) -> Vec<Work> {
        let mut work = Vec::new();
        while let Some((due, leg, direction)) = self.activations.pop_due(now) {
            let Some(owner @ (context, ..)) = self.owner_of_leg(leg) else { continue };
            let (group, steps) = match self.activate_group_key(context, leg, due, direction) {
                Some((group, steps)) => (Some(group), steps),
                None => match self.activate_stream_key(owner, leg, due, direction) {
                    Some(step) => (None, vec![step]),
                    None => continue,
                },
            };
            work.push(Work { context, is_new: false, steps, closed: Vec::new() });
            self.outdate(context);
            self.tell_of_stream(owner, EventKind::KeyActivated { direction, group }, at);
        }
        work
    }

    /// Puts a stream's key in force whose time has come.
    fn activate_stream_key(
        &mut self,
        owner: (ContextId, TerminationId, StreamId),
        leg: u32,
        due: Instant,
        direction: Direction,
    ) -> Option<Step> {
        let stream = self.stream_mut(owner).filter(|stream| stream.leg == leg)?;
        let timed = stream.keys(direction).timed().filter(|timed| timed.due == due)?;
        stream.keys(direction).put_staged_in_force(Some(timed.overlap));
        Some(activation(stream, direction, timed.roc, timed.overlap))
    }

    /// The packet path activated a staged key because its identifier came. Tells whether that is
    /// news: a command or a time may have done the same meanwhile.
    pub(crate) fn staged_key_came_in_force(
        &mut self,
        owner: (ContextId, TerminationId, StreamId),
        number: u32,
    ) -> bool {
        let Some(stream) = self.stream_mut(owner) else {
            return false;
        };
        let (leg, known) = (stream.leg, stream.ingress_keys.came_in_force(number));
        if let Some(Some(timed)) = known {
            self.activations.remove(timed.due, leg, Direction::Ingress);
        }
        known.is_some()
    }

    /// The packet path discarded a staged key that no packet had activated.
    pub(crate) fn staged_key_was_discarded(
        &mut self,
        owner: (ContextId, TerminationId, StreamId),
        number: u32,
    ) {
        let key = self.stream_mut(owner).and_then(|s| s.ingress_keys.was_discarded(number));
        if let Some(key) = key {
            self.keys.free(key);
        }
    }

    //= tests/spec/iq.md#generations
    //# The generation of a context MUST grow when a staged key comes in force by its time, or as
    //# soon as the packet path has told that its identifier came.
    /// Takes note that a context is no more as its controller was told.
    pub(crate) fn outdate(&mut self, context: ContextId) {
        if let Some(context) = self.contexts.get_mut(&context) {
            context.generation += 1;
        }
    }

    /// Appends an event about a stream.
    pub(crate) fn tell_of_stream(
        &mut self,
        (context, termination, stream): (ContextId, TerminationId, StreamId),
        kind: EventKind,
        at: SystemTime,
    ) {
        let correlation = self.contexts.get(&context).and_then(|c| c.correlation.clone());
        let (termination, stream) = (Some(termination), Some(stream));
        self.events.push(at, Some(Subject { context, correlation, termination, stream }), kind);
    }

    fn stream_mut(
        &mut self,
        (context, termination, stream): (ContextId, TerminationId, StreamId),
    ) -> Option<&mut Stream> {
        let context = self.contexts.get_mut(&context)?;
        context.terminations.get_mut(termination)?.streams.get_mut(stream)
    }
}
