//! How an answer is read: as what it says, or as what its author has said before.
//!
//! The first answer to an INVITE stands, and its later responses may repeat it (RFC 3261 §13.2.1,
//! RFC 6337 §3.1.1), though UPDATEs have changed the session meanwhile:
//!
//! ```text
//!  INVITE ──▶      offer
//!     183 ◀──     answer: port 30000
//!  UPDATE ──▶      offer
//!     200 ◀──     answer: port 30002
//!     200 ◀──  repetition: port 30000, and the session stays at 30002
//! ```

use crate::call::{Branch, Call, Dialogue};
use crate::description::Fingerprint;
use crate::error::AlgError;
use crate::exchange::Exchange;
use crate::leg::Side;
use crate::slot::{Slot, Turn};

/// Descriptions of a branch that are remembered after their exchange.
const MAX_SAID: usize = 32;
/// Dialogues of a branch of which more is remembered.
const MAX_AGREED: usize = 16;

/// What a party of a dialogue has said in an exchange before the last one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) callee: String,
    author: Side,
    what: Fingerprint,
}

/// Whose words count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Words {
    /// Those that came.
    These,
    /// Those of the exchange's last answer.
    Newest,
}

/// How an answer is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    /// What the offerer is told.
    pub(crate) shown: (Slot, Words),
    /// What is in force from then on; nothing changes without it.
    pub(crate) effect: Option<(Slot, Words)>,
}

impl Reading {
    const fn both(slot: Slot, words: Words) -> Self {
        Self { shown: (slot, words), effect: Some((slot, words)) }
    }
}

impl Branch {
    /// Remembers an exchange that gives way to another one.
    pub(crate) fn remember(&mut self, exchange: Exchange) {
        let Exchange { offerer, within, offer, answers, .. } = &exchange;
        let answers = answers.iter().filter_map(|(callee, what)| Some((callee.clone()?, *what)));
        let answers = answers.map(|(callee, what)| (callee, offerer.other(), what));
        let offer = within.clone().map(|callee| (callee, *offerer, *offer));
        for (callee, author, what) in answers.chain(offer) {
            let said = Said { callee, author, what };
            self.said.retain(|one| *one != said);
            self.said.push(said);
        }
        let excess = self.said.len().saturating_sub(MAX_SAID);
        self.said.drain(..excess);
        if exchange.within.is_some() && exchange.is_answered() {
            self.forget_agreed(exchange.within.as_deref());
            self.agreed.push(exchange);
        }
        let excess = self.agreed.len().saturating_sub(MAX_AGREED);
        self.agreed.drain(..excess);
    }

    /// Forgets what a dialogue agreed on before.
    pub(crate) fn forget_agreed(&mut self, callee: Option<&str>) {
        self.agreed.retain(|exchange| exchange.within.as_deref() != callee);
    }

    /// Its last exchange, if that was within this dialogue.
    fn last_within(&self, callee: &str) -> Option<&Exchange> {
        self.exchange.as_ref().filter(|exchange| exchange.within.as_deref() == Some(callee))
    }
}

impl Call {
    //= tests/spec/sdp.md#offer-and-answer
    //# An answer that was given before, to an offer before the last one of its dialogue, MUST leave
    //# the session as it was agreed on since.
    /// Reads an answer.
    pub(crate) fn read(
        &self,
        dialogue: &Dialogue<'_>,
        what: Fingerprint,
    ) -> Result<Reading, AlgError> {
        let place = self.locate_answer(dialogue)?;
        let branch = self.branches.get(place.branch).ok_or(AlgError::UnknownDialogue)?;
        let is_callers = branch.caller_tag == dialogue.from_tag;
        let sender = if is_callers { Side::Caller } else { Side::Callee };
        let these = |slot| Reading::both(slot, Words::These);
        let callee = branch.callee_of(dialogue).filter(|_| dialogue.to_tag.is_some());
        let goes_on = |callee: &&str| {
            let is_known = branch.said.iter().any(|said| said.callee == **callee);
            is_known || branch.last_within(callee).is_some()
        };
        let Some(callee) = callee.filter(goes_on) else {
            return self.answered(place, sender).map(these);
        };
        let is_known = self.has_said(callee, sender.other(), what);
        let last = branch.last_within(callee);
        let is_own = last.is_some_and(|last| last.offerer == sender);
        let is_past = is_known && !last.is_some_and(|last| last.was_answered(callee, what));
        let is_agreed = last.is_some_and(Exchange::is_answered);
        if is_own && !(is_agreed && is_past) {
            return Ok(these(Slot::last(place.branch)));
        }
        let first = || self.first(place, callee, sender);
        let is_heard = self.agreed_with.as_deref() == Some(callee);
        if !is_known && !is_agreed && is_heard {
            return Err(AlgError::NoOffer);
        }
        let agreed =
            if is_agreed { Some(Slot::last(place.branch)) } else { self.agreed_in(callee) };
        match agreed {
            Some(slot) if self.exchange(slot).is_some_and(|one| one.offerer == sender) => {
                Ok(Reading::both(slot, Words::Newest))
            }
            Some(slot) => {
                let effect = Some((slot, Words::Newest));
                Ok(Reading { shown: (first()?, Words::These), effect })
            }
            None if is_heard => Ok(Reading { shown: (first()?, Words::These), effect: None }),
            None => first().map(these),
        }
    }

    /// What a dialogue agreed on before its last exchange.
    fn agreed_in(&self, callee: &str) -> Option<Slot> {
        let branches = self.branches.iter().enumerate();
        let all = branches.flat_map(|(branch, one)| {
            let numbered = one.agreed.iter().enumerate();
            numbered.map(move |(turn, it)| (Slot { branch, turn: Turn::Agreed(turn) }, it))
        });
        let mut its = all.filter(|(_, exchange)| exchange.within.as_deref() == Some(callee));
        its.next().map(|(slot, _)| slot)
    }

    //= tests/spec/sdp.md#offer-and-answer
    //# An answer MUST be one to an offer of whose From tag it names.
    /// The exchange that an answer is about in a dialogue that has answered the first offer at
    /// most. Only to that one the tags may stand either way round: its answerer has offered
    /// nothing yet.
    fn answered(&self, place: Slot, sender: Side) -> Result<Slot, AlgError> {
        let is_senders = |slot: &Slot| {
            let is_first = |one: &Exchange| one.within.is_none() && slot.turn == Turn::Last;
            self.exchange(*slot).is_some_and(|one| one.offerer == sender || is_first(one))
        };
        [place, Slot::initial(place.branch)].into_iter().find(is_senders).ok_or(AlgError::NoOffer)
    }

    /// The first offer that a callee has answered, or could have.
    fn first(&self, place: Slot, callee: &str, sender: Side) -> Result<Slot, AlgError> {
        let firsts = || {
            let all = self.exchanges();
            all.filter(|(_, one)| one.within.is_none() && one.offerer == sender)
        };
        let by_callee =
            |one: &Exchange| one.answers.iter().any(|(by, _)| by.as_deref() == Some(callee));
        let answered = firsts().find(|(_, one)| by_callee(one));
        let found = answered.or_else(|| firsts().find(|(slot, _)| slot.branch == place.branch));
        found.map(|(slot, _)| slot).ok_or(AlgError::NoOffer)
    }

    /// Whether a party of a dialogue has said this before.
    fn has_said(&self, callee: &str, author: Side, what: Fingerprint) -> bool {
        let before = self.branches.iter().flat_map(|branch| &branch.said).any(|said| {
            let Said { callee: in_dialogue, author: by, what: said } = said;
            in_dialogue == callee && *by == author && *said == what
        });
        let is_in = |exchange: &Exchange| {
            let is_offer = exchange.within.as_deref() == Some(callee)
                && exchange.offerer == author
                && exchange.offer == what;
            is_offer || (exchange.offerer != author && exchange.was_answered(callee, what))
        };
        before || self.exchanges().any(|(_, exchange)| is_in(exchange))
    }
}
