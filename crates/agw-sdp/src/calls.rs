//! All calls of a face.

use std::collections::BTreeMap;

use agw_context::ContextId;

use crate::call::{Call, Dialogue};
use crate::error::AlgError;

/// All calls, by their identifier and the tag of who sent the first offer.
#[derive(Debug)]
pub struct Calls {
    calls: BTreeMap<(String, String), Call>,
    limit: usize,
}

/// Why a call that was taken out elsewhere cannot be put among others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// Another call has its identifier and one of its tags.
    #[error("another call has its identifier and one of its tags: requests could mean either")]
    Ambiguous,
    /// There are as many calls as there may be.
    #[error("there are {limit} calls of its identifier, which is the limit")]
    NoRoom {
        /// The limit.
        limit: usize,
    },
    /// Nothing is left of it.
    #[error("nothing is left of it")]
    Over,
}

impl Calls {
    /// No calls yet, and at most `limit` of them ever.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { calls: BTreeMap::new(), limit }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// The call of a request, whoever of the two sends it.
    #[must_use]
    pub fn find(&self, call_id: &str, dialogue: &Dialogue<'_>) -> Option<&Call> {
        self.calls.get(&self.key(call_id, dialogue)?)
    }

    /// The call of a request, to be concluded.
    pub fn find_mut(&mut self, call_id: &str, dialogue: &Dialogue<'_>) -> Option<&mut Call> {
        let key = self.key(call_id, dialogue)?;
        self.calls.get_mut(&key)
    }

    /// The call of an offer; a new one if none is known, also for an offer with both tags: it may
    /// stand in the response to a request without an offer, or belong to a dialogue from before a
    /// restart. [`Self::tidy`] takes it out again if nothing comes of it.
    ///
    /// # Errors
    /// [`AlgError::TooManyCalls`].
    pub fn for_offer(
        &mut self,
        call_id: &str,
        dialogue: &Dialogue<'_>,
    ) -> Result<&mut Call, AlgError> {
        let key = match self.key(call_id, dialogue) {
            Some(key) => key,
            None if self.calls.len() >= self.limit => {
                return Err(AlgError::TooManyCalls { limit: self.limit });
            }
            None => (call_id.to_owned(), dialogue.from_tag.to_owned()),
        };
        Ok(self.calls.entry(key).or_insert_with(|| Call::new(call_id)))
    }

    /// Forgets the call of a request if nothing is left of it.
    pub fn tidy(&mut self, call_id: &str, dialogue: &Dialogue<'_>) {
        if let Some(key) = self.key(call_id, dialogue)
            && self.calls.get(&key).is_some_and(Call::is_empty)
        {
            self.calls.remove(&key);
        }
    }

    /// Takes the call of a context out, for those of another controller.
    pub fn take(&mut self, context: ContextId) -> Option<Call> {
        let (key, _) = self.calls.iter().find(|(_, call)| call.context() == Some(context))?;
        let key = key.clone();
        self.calls.remove(&key)
    }

    /// Puts a call among these that was taken out elsewhere.
    ///
    /// # Errors
    /// Why it cannot be one of these: it is forgotten.
    pub fn give(&mut self, call: Call) -> Result<(), NotTaken> {
        let has = |tag: &str| {
            let dialogue = Dialogue { from_tag: tag, to_tag: None, via_branch: None };
            self.with_id(call.id()).any(|one| one.knows(&dialogue))
        };
        if call.tags().any(|(caller, callee)| has(caller) || callee.is_some_and(has)) {
            return Err(NotTaken::Ambiguous);
        }
        if self.calls.len() >= self.limit {
            return Err(NotTaken::NoRoom { limit: self.limit });
        }
        let (caller, _) = call.tags().next().ok_or(NotTaken::Over)?;
        self.calls.insert((call.id().to_owned(), caller.to_owned()), call);
        Ok(())
    }

    /// Every call with this identifier.
    pub fn with_id<'a>(&'a self, call_id: &'a str) -> impl Iterator<Item = &'a Call> {
        let from = (call_id.to_owned(), String::new());
        self.calls.range(from..).take_while(move |((id, _), _)| id == call_id).map(|(_, call)| call)
    }

    /// Every call, in the order of identifiers.
    pub fn iter(&self) -> impl Iterator<Item = &Call> {
        self.calls.values()
    }

    /// The caller may be who sends, or who is sent to; the same one may be in two calls.
    fn key(&self, call_id: &str, dialogue: &Dialogue<'_>) -> Option<(String, String)> {
        let tags = [Some(dialogue.from_tag), dialogue.to_tag].into_iter().flatten();
        let keys = tags.map(|tag| (call_id.to_owned(), tag.to_owned()));
        let mut keys: Vec<_> = keys.filter(|key| self.calls.contains_key(key)).collect();
        let has = |key: &_| self.calls.get(key).is_some_and(|call| call.has_dialogue(dialogue));
        let exact = keys.iter().position(has);
        let first = exact.or((!keys.is_empty()).then_some(0))?;
        Some(keys.swap_remove(first))
    }
}
