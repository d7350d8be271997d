//! Which dialogue of a call a request is about, and whose offer it answers.

use crate::call::{Branch, Call, Dialogue};
use crate::error::AlgError;
use crate::exchange::Exchange;
use crate::leg::{Leg, Side};
use crate::slot::Slot;

/// Dialogues behind one branch that are remembered: a proxy forks to fewer.
const MAX_EARLY: usize = 16;
/// Offers within one dialogue alone after which no other one is expected to answer the first one:
/// preconditions and early media take fewer (RFC 3312, RFC 3960).
const MAX_FURTHER: u8 = 8;

/// Where an offer belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Located {
    /// It begins a branch.
    New { via_branch: Option<String>, caller_tag: String, callee_tag: Option<String> },
    /// In a dialogue behind a branch without keys that another one has at the moment: it goes its
    /// own way.
    Beside { position: usize, callee_tag: String, offerer: Side },
    /// On a branch that there is.
    Branch { position: usize, offerer: Side },
}

/// The same, as far as its media lines need to know.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) branch: Option<usize>,
    pub(crate) offerer: Side,
    /// The branch behind which its dialogue has been so far.
    pub(crate) beside: Option<usize>,
}

impl Place {
    pub(crate) const fn of(at: &Located) -> Self {
        match at {
            Located::New { .. } => Self { branch: None, offerer: Side::Caller, beside: None },
            Located::Beside { position, offerer, .. } => {
                Self { branch: None, offerer: *offerer, beside: Some(*position) }
            }
            Located::Branch { position, offerer } => {
                Self { branch: Some(*position), offerer: *offerer, beside: None }
            }
        }
    }
}

/// The callee of the dialogue within which an offer is made; none of a first offer.
pub(crate) fn within(at: &Located, dialogue: &Dialogue<'_>) -> Option<String> {
    let Dialogue { from_tag, to_tag, via_branch: _ } = *dialogue;
    match at {
        Located::New { .. } => None,
        Located::Beside { callee_tag, .. } => Some(callee_tag.clone()),
        Located::Branch { offerer: Side::Caller, .. } => to_tag.map(str::to_owned),
        Located::Branch { offerer: Side::Callee, .. } => Some(from_tag.to_owned()),
    }
}

/// Which exchange is that of the first offer from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Initial {
    /// The one that is the last one yet.
    Last,
    /// The same as before.
    Same,
}

impl Branch {
    /// The tag of a dialogue that is not the caller's.
    pub(crate) fn callee_of<'a>(&self, dialogue: &Dialogue<'a>) -> Option<&'a str> {
        let tags = [Some(dialogue.from_tag), dialogue.to_tag].into_iter().flatten();
        tags.into_iter().find(|tag| *tag != self.caller_tag)
    }

    /// Whether its last offer was made within this dialogue.
    fn asks(&self, callee: &str) -> bool {
        let within = self.exchange.as_ref().and_then(|exchange| exchange.within.as_deref());
        within == Some(callee)
    }

    /// Whether its last offer was made within another dialogue, and waits.
    pub(crate) fn asks_another(&self, callee: &str) -> bool {
        let waiting = self.exchange.as_ref().filter(|exchange| !exchange.is_answered());
        let within = waiting.and_then(|exchange| exchange.within.as_deref());
        within.is_some_and(|within| within != callee)
    }

    /// Whether its legs have or had keys.
    fn is_keyed(&self) -> bool {
        self.callee.iter().flatten().any(|leg| leg.own.is_some())
    }

    /// Which exchange an answer of this callee is about: what was asked in another dialogue is not
    /// its to answer.
    fn is_about_initial(&self, callee: Option<&str>) -> bool {
        let is_other = match &self.exchange {
            Some(exchange) => exchange.within.is_some() && exchange.within.as_deref() != callee,
            None => self.callee_tag.as_deref() != callee,
        };
        self.initial.is_some() && is_other
    }

    //= tests/spec/sdp.md#forking
    //# The first offer MUST be one that other callees can answer, though one of them has gone on.
    /// Which exchange dialogues that are not heard of yet may answer once an offer is made within
    /// this dialogue: that of the first offer, until one dialogue alone has gone much further than
    /// the UPDATEs of a call that is set up.
    pub(crate) fn initial_after(&self, within: Option<&str>) -> Option<Initial> {
        within?;
        match &self.exchange {
            Some(last) if last.within.is_none() => {
                let is_answered = last.is_answered() || self.callee_tag.is_some();
                is_answered.then_some(Initial::Last)
            }
            Some(last) if last.is_answered() && self.early.is_empty() && self.is_far() => None,
            Some(_) | None => self.initial.is_some().then_some(Initial::Same),
        }
    }

    const fn is_far(&self) -> bool {
        self.further >= MAX_FURTHER
    }

    /// Puts an exchange in the place of the last one.
    pub(crate) fn begin(&mut self, exchange: Exchange) {
        match self.initial_after(exchange.within.as_deref()) {
            Some(Initial::Last) => {
                self.initial = self.exchange.take().map(Box::new);
                self.further = 0;
            }
            Some(Initial::Same) => {}
            None => self.initial = None,
        }
        let before = self.exchange.replace(exchange);
        match &self.exchange {
            Some(exchange) if exchange.within.is_some() => {
                self.further = self.further.saturating_add(1);
                before.into_iter().for_each(|before| self.remember(before));
            }
            // What is offered to any callee begins anew.
            Some(_) | None => {
                self.said.clear();
                self.agreed.clear();
            }
        }
    }

    /// A callee has answered: it is the one that is heard.
    pub(crate) fn hear(&mut self, callee: Option<String>) {
        let Some(callee) = callee else { return };
        self.early.retain(|tag| *tag != callee);
        let before = self.callee_tag.replace(callee);
        if before != self.callee_tag {
            self.early.extend(before);
        }
        if self.early.len() > MAX_EARLY {
            self.early.remove(0);
        }
    }

    /// A callee has a branch of its own. If others are behind this one, nobody has it until one of
    /// them answers again: what it knows of addresses and keys is that callee's.
    /// The last one behind it stays its callee.
    pub(crate) fn lose(&mut self, callee: &str) {
        let was_vacant = self.is_vacant();
        self.early.retain(|tag| tag != callee);
        if self.callee_tag.as_deref() == Some(callee) && !self.early.is_empty() {
            self.callee_tag = None;
        } else if was_vacant && self.early.is_empty() {
            self.callee_tag = Some(callee.to_owned());
        }
    }

    /// A callee's dialogue is over.
    pub(crate) fn end(&mut self, callee: &str) {
        self.early.retain(|tag| tag != callee);
        self.callee_tag.take_if(|tag| tag == callee);
    }

    /// Whether its callee has left it, and nobody has answered on it since.
    pub(crate) const fn is_vacant(&self) -> bool {
        self.callee_tag.is_none() && self.established
    }

    /// Whether this callee answers where another one has answered before.
    pub(crate) fn is_taken_over(&self, callee: Option<&str>) -> bool {
        let is_other = callee.is_some() && self.callee_tag.as_deref() != callee;
        self.established && is_other && (self.callee_tag.is_some() || self.is_vacant())
    }

    /// Whether a callee's dialogue is behind it.
    pub(crate) fn has(&self, callee: &str) -> bool {
        self.callee_tag.as_deref() == Some(callee) || self.has_early(callee) || self.asks(callee)
    }

    fn has_early(&self, callee: &str) -> bool {
        self.early.iter().any(|tag| tag == callee)
    }
}

impl Call {
    /// Whether the branch that is named with a dialogue is one of the call's: that of a BYE is not.
    #[must_use]
    pub fn has_way(&self, dialogue: &Dialogue<'_>) -> bool {
        let named = |one: &Branch| one.via_branch.as_deref() == dialogue.via_branch;
        dialogue.via_branch.is_some() && self.branches.iter().any(named)
    }

    /// Whether a dialogue, by both its tags, is the one that is heard.
    #[must_use]
    pub fn is_heard(&self, dialogue: &Dialogue<'_>) -> bool {
        let heard = self.branches.iter().filter(|branch| {
            let mut legs = branch.callee.iter().flatten();
            legs.any(|leg| self.connected.iter().any(|(_, callee, _)| *callee == leg.termination))
        });
        heard.into_iter().any(|branch| {
            let callee = branch.callee_of(dialogue).filter(|_| dialogue.to_tag.is_some());
            let tags = [Some(dialogue.from_tag), dialogue.to_tag];
            let is_callers = tags.contains(&Some(branch.caller_tag.as_str()));
            is_callers && callee.is_some() && callee == branch.callee_tag.as_deref()
        })
    }

    /// Finds where an offer belongs.
    pub(crate) fn locate_offer(&self, dialogue: &Dialogue<'_>) -> Result<Located, AlgError> {
        let Dialogue { from_tag, to_tag, via_branch } = *dialogue;
        let new = || Located::New {
            via_branch: via_branch.map(str::to_owned),
            caller_tag: from_tag.to_owned(),
            callee_tag: to_tag.map(str::to_owned),
        };
        // An offer in a response to a request without one, or in a dialogue from before a restart.
        if self.branches.is_empty() {
            return Ok(new());
        }
        if let Some(to_tag) = to_tag {
            let from_caller = self.locate_within(from_tag, to_tag, Side::Caller);
            let found = from_caller.or_else(|| self.locate_within(to_tag, from_tag, Side::Callee));
            return found.ok_or(AlgError::UnknownDialogue);
        }
        let same_way = |one: &Branch| {
            let is_way = one.via_branch.as_deref() == via_branch && !one.is_beside;
            one.caller_tag == from_tag && is_way
        };
        match self.branches.iter().position(same_way) {
            Some(position) => Ok(Located::Branch { position, offerer: Side::Caller }),
            None if self.branches.iter().all(|one| one.caller_tag == from_tag) => Ok(new()),
            None => Err(AlgError::UnknownDialogue),
        }
    }

    //= tests/spec/sdp.md#forking
    //# An offer within any dialogue of a fork MUST be taken, whichever of them is heard.
    fn locate_within(&self, caller: &str, callee: &str, offerer: Side) -> Option<Located> {
        let position = |fits: &dyn Fn(&Branch) -> bool| {
            self.branches.iter().position(|one| one.caller_tag == caller && fits(one))
        };
        let is_heard = |one: &Branch| one.callee_tag.as_deref() == Some(callee);
        let heard = || position(&|one| is_heard(one) && !one.asks_another(callee));
        if let Some(position) = position(&|one| one.asks(callee)).or_else(heard) {
            return Some(Located::Branch { position, offerer });
        }
        let is_behind = |one: &Branch| is_heard(one) || one.has_early(callee);
        // Keys that it has stay with the leg: what was opened under them is known there.
        if let Some(position) = position(&|one| is_behind(one) && one.is_keyed()) {
            return Some(Located::Branch { position, offerer });
        }
        if let Some(position) = position(&is_behind) {
            return Some(Located::Beside { position, callee_tag: callee.to_owned(), offerer });
        }
        let position = position(&|one| one.callee_tag.is_none() && !one.is_vacant())?;
        Some(Located::Branch { position, offerer })
    }

    /// Finds the branch whose offer is answered or rejected: the tags may stand either way round.
    pub(crate) fn locate_answer(&self, dialogue: &Dialogue<'_>) -> Result<Slot, AlgError> {
        let Dialogue { from_tag, to_tag, via_branch } = *dialogue;
        //= tests/spec/sdp.md#forking
        //# An answer that comes after the end of its branch MUST be refused.
        if via_branch.is_some_and(|name| self.ended.iter().any(|ended| ended == name)) {
            return Err(AlgError::UnknownDialogue);
        }
        let has = |tag: &str| tag == from_tag || Some(tag) == to_tag;
        let callee = |one: &Branch| one.callee_of(dialogue).filter(|_| to_tag.is_some());
        let waits = |one: &Branch| one.exchange.as_ref().is_some_and(|one| !one.is_answered());
        let is_way = |one: &Branch| via_branch.is_some() && one.via_branch.as_deref() == via_branch;
        let rules: [&dyn Fn(&Branch) -> bool; 6] = [
            &|one| callee(one).is_some_and(|callee| one.asks(callee)),
            &|one| one.callee_tag.is_some() && callee(one) == one.callee_tag.as_deref(),
            &|one| callee(one).is_some_and(|callee| one.has_early(callee)),
            &|one| is_way(one) && !one.is_beside,
            &|one| waits(one) && !one.is_beside,
            &|one| one.exchange.is_some() || one.initial.is_some(),
        ];
        let found = rules.iter().find_map(|rule| {
            self.branches.iter().position(|one| has(&one.caller_tag) && rule(one))
        });
        let branch = found.ok_or(AlgError::UnknownDialogue)?;
        let about = self.branches.get(branch);
        let is_initial = about.is_some_and(|one| one.is_about_initial(callee(one)));
        Ok(if is_initial { Slot::initial(branch) } else { Slot::last(branch) })
    }

    /// Whether the answerer of a dialogue, of the callee that is heard if it has no tag, was
    /// secured on a line.
    pub(crate) fn was_secured(&self, side: Side, callee: Option<&str>, line: usize) -> bool {
        let is_secured = |branch: &Branch| {
            let legs = if side == Side::Caller { &self.caller } else { &branch.callee };
            let leg = legs.get(line).and_then(Option::as_ref);
            let callee = callee.or(branch.callee_tag.as_deref()).unwrap_or_default();
            leg.is_some_and(|leg| leg.secured_for.iter().any(|tag| tag == callee))
        };
        self.branches.iter().any(is_secured)
    }
}

impl Leg {
    /// Notes that it is secured in the dialogue of a callee.
    pub(crate) fn note_secured(&mut self, callee: &str) {
        let is_known = self.secured_for.iter().any(|tag| tag == callee);
        if !is_known && self.secured_for.len() <= MAX_EARLY {
            self.secured_for.push(callee.to_owned());
        }
    }
}
