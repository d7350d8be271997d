//! What a transaction holds against how contexts stood before it.

use super::Transaction;
use crate::checks::invalid;
use crate::error::{CommandError, Reason};
use crate::id::{ContextId, TerminationId};
use crate::model::Stream;

impl Transaction<'_, '_> {
    //= tests/spec/iq.md#generations
    //# A command that expects another generation than its context's MUST be refused.
    /// Refuses a command whose context is not as it was when its sender looked.
    pub(crate) fn check_generation(
        &mut self,
        context: Option<ContextId>,
        expected: u64,
    ) -> Result<(), CommandError> {
        let Some(id) = context else {
            let rule = "is for a context that exists";
            return Err(invalid("expected_generation", rule, Reason::FieldValue));
        };
        // Within the transaction it stays what it was before: one number for all its commands.
        let is = self.context(id)?.generation;
        if is == expected { Ok(()) } else { Err(CommandError::OtherGeneration { expected, is }) }
    }

    /// Whether a context was there before this transaction with this termination.
    pub(crate) fn is_committed(&self, context: ContextId, termination: TerminationId) -> bool {
        let context = self.gateway.contexts.get(&context);
        context.is_some_and(|context| context.terminations.contains_key(termination))
    }

    /// Whether a stream was there before this transaction at this termination.
    pub(crate) fn is_committed_stream(
        &self,
        context: ContextId,
        termination: TerminationId,
        stream: &Stream,
    ) -> bool {
        let context = self.gateway.contexts.get(&context);
        let before = context.and_then(|context| context.terminations.get(termination));
        before.is_some_and(|before| before.streams.values().any(|one| one.leg == stream.leg))
    }
}
