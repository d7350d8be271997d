//! Dialogues that a 2xx response has confirmed (RFC 3261 §12.1), as far as a controller tells of it.
//!
//! Without that, who answered last is heard, and its end is that of the call. With it, a dialogue
//! is the call's from its 2xx on, whatever early ones of other dialogues arrive after it.

use crate::answer::AnswerRequest;
use crate::call::{Call, Dialogue};
use crate::error::AlgError;
use crate::leg::Side;
use crate::plan::Plan;
use crate::slot::Slot;

/// Confirmed dialogues of a call that are remembered.
const MAX_CONFIRMED: usize = 16;

impl Call {
    //= tests/spec/sdp.md#forking
    //# The end of the one dialogue that was confirmed MUST be that of the call, and the end of
    //# another one MUST NOT, whichever is heard.
    /// Plans an end where nobody tells that of a call from that of an early dialogue: both tags end
    /// the call if theirs is the one dialogue that was confirmed or, as long as none was, the one
    /// that is heard. So does a `delete` without `to_tag`. A branch that is none of the call's, as
    /// that of a BYE is not, counts as none.
    ///
    /// # Errors
    /// As [`Call::plan_delete`], which has all else.
    pub fn plan_end(&self, dialogue: &Dialogue<'_>) -> Result<Plan, AlgError> {
        let is_named = |tag: &String| names(dialogue, tag);
        let is_only = !self.confirmed.is_empty() && self.confirmed.iter().all(is_named);
        let is_heard = self.confirmed.is_empty() && self.is_heard(dialogue);
        let is_calls = dialogue.to_tag.is_none() || is_heard;
        let is_whole = is_only || (is_calls && !self.has_way(dialogue));
        if is_whole { Ok(self.plan_delete_all()) } else { self.plan_delete(dialogue) }
    }

    //= tests/spec/sdp.md#forking
    //# Once a dialogue was confirmed a provisional response of another one MUST NOT take its media.
    /// Whether an answer is that of an early dialogue after another one was confirmed.
    pub(crate) fn is_overtaken(&self, request: &AnswerRequest<'_>) -> bool {
        let is_provisional = request.status.is_some_and(|status| status < 200);
        let is_named = |tag: &String| names(&request.dialogue, tag);
        is_provisional && !self.confirmed.is_empty() && !self.confirmed.iter().any(is_named)
    }

    /// The callee whose dialogue an answer confirms. That to an UPDATE does not, though it comes in
    /// a 2xx: it is the only one to what was offered within the dialogue.
    pub(crate) fn confirms(&self, request: &AnswerRequest<'_>, place: Slot) -> Option<String> {
        let is_accepted = request.status.is_some_and(|status| (200..300).contains(&status));
        let exchange = self.exchange(place).filter(|_| is_accepted)?;
        let is_repeated = exchange.is_answered() && exchange.offerer == Side::Caller;
        let is_invites = exchange.within.is_none() || is_repeated;
        let callee = self.branches.get(place.branch)?.callee_of(&request.dialogue);
        callee.filter(|_| is_invites).map(str::to_owned)
    }

    /// Notes that a callee's dialogue is confirmed.
    pub(crate) fn confirm(&mut self, callee: String) {
        if self.confirmed.contains(&callee) {
            return;
        }
        if self.confirmed.len() >= MAX_CONFIRMED {
            self.confirmed.remove(0);
        }
        self.confirmed.push(callee);
    }

    /// Forgets the confirmed dialogues that have ended.
    pub(crate) fn keep_confirmed(&mut self, ended: Option<&str>) {
        let Self { confirmed, branches, .. } = self;
        confirmed.retain(|tag| {
            Some(tag.as_str()) != ended && branches.iter().any(|branch| branch.has(tag))
        });
    }
}

/// Whether one of a request's two tags is this one.
fn names(dialogue: &Dialogue<'_>, tag: &str) -> bool {
    dialogue.to_tag.is_some_and(|to_tag| to_tag == tag || dialogue.from_tag == tag)
}
