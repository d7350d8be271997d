//! What the gateway has for a call, and what of it is still needed.

use std::collections::{BTreeMap, BTreeSet};

use agw_context::{Command, Configure, Release, StreamId, TerminationId};

use crate::call::{Branch, Call};
use crate::dialogues::{Initial, Located};
use crate::exchange::{Exchange, LineExchange};
use crate::leg::{Leg, Side, stream_id};
use crate::slot::{Slot, Turn};

/// Streams, each with its termination.
pub(crate) type Streams = BTreeSet<(TerminationId, StreamId)>;

impl Call {
    /// Everything that the gateway has for it.
    fn held(&self) -> Streams {
        let callees = self.branches.iter().map(|branch| &branch.callee);
        let in_force = std::iter::once(&self.caller).chain(callees).flat_map(|legs| of(legs));
        let reserved = self.exchanges().flat_map(|(_, exchange)| pending(exchange));
        in_force.map(|(_, stream)| stream).chain(reserved).collect()
    }

    /// What is needed if these exchanges, each of a branch, are all that may be answered and some
    /// branches end: streams that were agreed on, and those that an answer can still take.
    pub(crate) fn needed(&self, exchanges: &[(usize, &Exchange)], ends: &[usize]) -> Streams {
        let waits = |side: Side, line: usize, branch: Option<usize>| {
            exchanges.iter().any(|(of, exchange)| {
                branch.is_none_or(|branch| branch == *of) && uses(exchange, side, line)
            })
        };
        let caller = of(&self.caller)
            .filter(|((line, leg), _)| leg.agreed || waits(Side::Caller, *line, None));
        let mut needed: Streams = caller.map(|(_, stream)| stream).collect();
        for (branch, Branch { callee, .. }) in self.branches.iter().enumerate() {
            let callee = of(callee)
                .filter(|((line, leg), _)| leg.agreed || waits(Side::Callee, *line, Some(branch)));
            needed.extend(callee.map(|(_, stream)| stream).filter(|_| !ends.contains(&branch)));
        }
        needed.extend(exchanges.iter().flat_map(|(_, exchange)| pending(exchange)));
        needed
    }

    /// What is needed once this offer has taken its place.
    pub(crate) fn needed_with(&self, at: &Located, exchange: &Exchange) -> Streams {
        let place = match at {
            Located::Branch { position, .. } => Some(*position),
            Located::New { .. } | Located::Beside { .. } => None,
        };
        let stays = |slot: Slot| {
            let Some(branch) = self.branches.get(slot.branch) else { return false };
            let initial = branch.initial_after(exchange.within.as_deref());
            let is_initial = slot.turn == Turn::Initial;
            let becomes = if is_initial { Initial::Same } else { Initial::Last };
            place != Some(slot.branch) || initial == Some(becomes)
        };
        let others = self.exchanges().filter(|(slot, _)| stays(*slot));
        let mut exchanges: Vec<_> = others.map(|(slot, other)| (slot.branch, other)).collect();
        exchanges.push((place.unwrap_or(self.branches.len()), exchange));
        self.needed(&exchanges, &[])
    }

    //= tests/spec/sdp.md#offer-and-answer
    //# What was reserved for an offer MUST be released as soon as no answer can take it.
    /// What gives back all but what is needed.
    pub(crate) fn releases(&self, needed: &Streams) -> Vec<Command> {
        let Some(context) = self.context else { return Vec::new() };
        let mut gone: BTreeMap<TerminationId, Vec<StreamId>> = BTreeMap::new();
        for &(termination, stream) in self.held().difference(needed) {
            gone.entry(termination).or_default().push(stream);
        }
        let release = |(termination, removed)| {
            if needed.iter().any(|(kept, _)| *kept == termination) {
                let configure = Configure::of(context, termination, Vec::new());
                return Command::Configure(Configure { removed, ..configure });
            }
            Command::Release(Release { context, termination: Some(termination) })
        };
        gone.into_iter().map(release).collect()
    }

    /// Forgets the legs that were given back.
    pub(crate) fn keep(&mut self, needed: &Streams) {
        let callees = self.branches.iter_mut().map(|branch| &mut branch.callee);
        for legs in std::iter::once(&mut self.caller).chain(callees) {
            for (line, leg) in legs.iter_mut().enumerate() {
                leg.take_if(|leg| !needed.contains(&(leg.termination, stream_id(line))));
            }
        }
        let has = |termination, stream| needed.contains(&(termination, stream));
        self.connected.retain(|&(a, b, stream)| has(a, stream) && has(b, stream));
    }
}

/// The legs of a side with their lines and streams.
fn of(legs: &[Option<Leg>]) -> impl Iterator<Item = ((usize, &Leg), (TerminationId, StreamId))> {
    let live = legs.iter().enumerate().filter_map(|(line, leg)| Some((line, leg.as_ref()?)));
    live.map(|(line, leg)| ((line, leg), (leg.termination, stream_id(line))))
}

/// What an exchange has reserved beside what is in force.
fn pending(exchange: &Exchange) -> impl Iterator<Item = (TerminationId, StreamId)> {
    (0..exchange.lines.len()).flat_map(move |line| {
        let legs = [Side::Caller, Side::Callee].map(|side| exchange.leg(side, line));
        legs.into_iter().flatten().map(move |leg| (leg.termination, stream_id(line)))
    })
}

/// Whether an answer would take what is in force on a line.
fn uses(exchange: &Exchange, side: Side, line: usize) -> bool {
    let is_relayed = matches!(exchange.lines.get(line), Some(LineExchange::Relayed(_)));
    is_relayed && exchange.leg(side, line).is_none()
}
