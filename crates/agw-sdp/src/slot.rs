//! Where a branch keeps its exchanges.

use crate::call::{Branch, Call};
use crate::exchange::Exchange;

/// One exchange of a branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) branch: usize,
    pub(crate) turn: Turn,
}

/// Which exchange of a branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// That of the first offer, which dialogues that are not heard of yet may still answer.
    Initial,
    /// The last one.
    Last,
    /// What a dialogue agreed on before the last one, by its position.
    Agreed(usize),
}

impl Slot {
    pub(crate) const fn initial(branch: usize) -> Self {
        Self { branch, turn: Turn::Initial }
    }

    pub(crate) const fn last(branch: usize) -> Self {
        Self { branch, turn: Turn::Last }
    }
}

impl Branch {
    fn turn(&self, turn: Turn) -> Option<&Exchange> {
        match turn {
            Turn::Initial => self.initial.as_deref(),
            Turn::Last => self.exchange.as_ref(),
            Turn::Agreed(position) => self.agreed.get(position),
        }
    }

    /// Takes an exchange out, to be put back once it has changed.
    pub(crate) fn take(&mut self, turn: Turn) -> Option<Exchange> {
        match turn {
            Turn::Initial => self.initial.take().map(|initial| *initial),
            Turn::Last => self.exchange.take(),
            Turn::Agreed(position) => {
                (position < self.agreed.len()).then(|| self.agreed.remove(position))
            }
        }
    }

    pub(crate) fn put(&mut self, turn: Turn, exchange: Exchange) {
        match turn {
            Turn::Initial => self.initial = Some(Box::new(exchange)),
            Turn::Last => self.exchange = Some(exchange),
            Turn::Agreed(position) => {
                self.agreed.insert(position.min(self.agreed.len()), exchange);
            }
        }
    }
}

impl Call {
    /// An exchange of a branch.
    pub(crate) fn exchange(&self, place: Slot) -> Option<&Exchange> {
        self.branches.get(place.branch)?.turn(place.turn)
    }

    /// Every exchange that a new answer could end, with its place.
    pub(crate) fn exchanges(&self) -> impl Iterator<Item = (Slot, &Exchange)> {
        self.branches.iter().enumerate().flat_map(|(branch, one)| {
            let slots = [Slot::initial(branch), Slot::last(branch)];
            slots.into_iter().filter_map(|slot| Some((slot, one.turn(slot.turn)?)))
        })
    }
}
