//! Drops by policing that control has not been told of yet: told when their second is over.

use std::time::Instant;

use agw_srtp::Engine;

use crate::alarm::Alarm;
use crate::relay::Relay;
use crate::report::Report;
use crate::spec::{EgressId, IngressId};

/// Room that is there for what one batch, and the copies of it, may bring.
const ROOM: usize = 256;

/// Whose limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    Ingress(IngressId),
    Egress(EgressId),
}

/// The halves of legs that something is to be told of, each once.
#[derive(Debug)]
pub(crate) struct Untold {
    waiting: Vec<(Instant, Over)>,
    next: Option<Instant>,
}

impl Untold {
    pub(crate) fn new() -> Self {
        Self { waiting: Vec::with_capacity(ROOM), next: None }
    }

    /// Has told later what the alarm has counted and not told, unless that is to be done already.
    pub(crate) fn note(&mut self, over: Over, alarm: &mut Alarm) {
        let Some(due) = alarm.due().filter(|_| !alarm.waits) else {
            return;
        };
        // Without room the next drop asks again: no packet allocates memory.
        if self.waiting.len() < self.waiting.capacity() {
            self.waiting.push((due, over));
            self.next = Some(self.next.map_or(due, |next| next.min(due)));
            alarm.waits = true;
        }
    }

    pub(crate) const fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Makes room for what the next batch may bring.
    pub(crate) fn make_room(&mut self) {
        self.waiting.reserve(ROOM);
    }

    /// One of those whose second is over.
    fn take_due(&mut self, now: Instant) -> Option<Over> {
        if self.next.is_none_or(|next| next > now) {
            return None;
        }
        let due = self.waiting.iter().position(|&(due, _)| due <= now);
        let taken = due.map(|position| self.waiting.swap_remove(position).1);
        if taken.is_none() {
            self.next = self.waiting.iter().map(|&(due, _)| due).min();
        }
        taken
    }
}

impl<E: Engine> Relay<E> {
    //= tests/spec/relay.md#policing
    //# All that policing has dropped MUST be told, at the end of its second if nothing else comes.
    /// Tells what policing has dropped in seconds that are over.
    pub(crate) fn tell_untold(&mut self, now: Instant) {
        while let Some(over) = self.untold.take_due(now) {
            let alarm = match over {
                Over::Ingress(id) => self.ingresses.at_mut(id.0).and_then(|at| at.policed()),
                Over::Egress(id) => self.egresses.at_mut(id.0).and_then(|at| at.policed()),
            };
            let Some(alarm) = alarm else {
                continue;
            };
            alarm.waits = false;
            if alarm.due().is_some_and(|due| due > now) {
                // A drop has begun another second, and told the rest.
                self.untold.note(over, alarm);
                continue;
            }
            let report = alarm.end(now).map(|packets| match over {
                Over::Ingress(ingress) => Report::Policed { ingress, packets },
                Over::Egress(egress) => Report::EgressPoliced { egress, packets },
            });
            if let Some(report) = report {
                self.reports.push(report);
            }
        }
    }
}
