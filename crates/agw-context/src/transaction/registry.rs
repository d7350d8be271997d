//! Which keys a transaction takes into use and out of it.

use agw_srtp::MAX_FORMER_KEYS;

use super::Transaction;
use crate::command::Direction;
use crate::error::CommandError;
use crate::fingerprint::{Fingerprint, Spent};
use crate::held::{Keys, Staged};
use crate::id::ContextId;
use crate::model::Stream;

impl Transaction<'_, '_> {
    //= tests/spec/iq.md#keys
    //# An ingress key that returns MUST be refused where more keys came to the call than the gateway
    //# remembers.
    /// Whether an ingress key may return that was in force on the call before: what was opened under
    /// it must be known, and the packet path remembers that of so many keys of a call, the first.
    pub(crate) fn may_return(&mut self, context: ContextId) -> Result<bool, CommandError> {
        Ok(usize::from(self.context(context)?.ingress_keys) <= MAX_FORMER_KEYS)
    }

    /// Counts an ingress key that comes to a call.
    pub(crate) fn count_ingress_key(&mut self, context: ContextId) -> Result<(), CommandError> {
        let count = &mut self.context(context)?.ingress_keys;
        *count = count.saturating_add(1);
        Ok(())
    }

    /// Takes a key into use, unless it is in use or has sealed, or is to seal and was in use.
    pub(crate) fn add_key(
        &mut self,
        key: Fingerprint,
        context: ContextId,
        direction: Direction,
        field: &str,
    ) -> Result<(), CommandError> {
        let in_use = self.gateway.keys.contains(key) && !self.keys.removed.contains(&key);
        let spent_by = self.spent_by(key);
        // A key that has sealed would open what the gateway itself has sent, reflected.
        let used_up = spent_by.is_some_and(|by| by.sealed || direction == Direction::Egress);
        //= tests/spec/iq.md#keys
        //# An ingress key of another call that has ended MUST be refused unless policy allows it.
        let returns = spent_by.is_some_and(|by| by.context != context)
            && direction == Direction::Ingress
            && !self.gateway.policy.allow_ingress_key_return;
        //= tests/spec/iq.md#keys
        //# A key for both directions of a stream MUST be refused.
        //= tests/spec/iq.md#keys
        //# A key that another stream uses MUST be refused.
        if in_use || self.keys.added.contains(&key) || used_up {
            return Err(CommandError::KeyReuse { field: field.to_owned(), direction });
        }
        if returns {
            return Err(CommandError::KeyReturns { field: field.to_owned() });
        }
        if direction == Direction::Ingress {
            if spent_by.is_some_and(|by| by.context == context) && !self.may_return(context)? {
                return Err(CommandError::KeyReuse { field: field.to_owned(), direction });
            }
            self.count_ingress_key(context)?;
        }
        self.keys.removed.remove(&key);
        self.keys.added.insert(key);
        Ok(())
    }

    /// What a key was in force as, on a stream that has ended.
    pub(crate) fn spent_by(&self, key: Fingerprint) -> Option<Spent> {
        let here = self.keys.spent.get(&key).copied();
        here.or_else(|| self.gateway.keys.spent_by(key))
    }

    /// Takes a key out of use that was never in force.
    pub(crate) fn remove_key(&mut self, key: Fingerprint) {
        self.keys.added.remove(&key);
        self.keys.removed.insert(key);
    }

    /// Leaves a key in use after all.
    pub(crate) fn keep_key(&mut self, key: Fingerprint) {
        self.keys.removed.remove(&key);
        self.keys.added.insert(key);
    }

    /// Takes a key out of use that was in force.
    pub(crate) fn spend_key(&mut self, key: Fingerprint, context: ContextId, direction: Direction) {
        self.remove_key(key);
        let spent = self.keys.spent.entry(key).or_insert(Spent { context, sealed: false });
        spent.sealed |= direction == Direction::Egress;
    }

    /// Takes all keys of a stream out of use.
    pub(crate) fn remove_keys_of(&mut self, stream: &Stream, context: ContextId) {
        self.retire(&stream.ingress_keys, context, Direction::Ingress);
        self.retire(&stream.egress_keys, context, Direction::Egress);
    }

    /// Takes all keys of one direction out of use.
    pub(crate) fn retire(&mut self, keys: &Keys, context: ContextId, direction: Direction) {
        keys.fingerprints().for_each(|key| self.remove_key(key));
        keys.used().for_each(|key| self.spend_key(key, context, direction));
        //= tests/spec/iq.md#keys
        //# A key that waits when its stream ends MUST count as used if a packet may have put it in
        //# force.
        // Its identifier may have come a moment ago, and nobody will tell any more. One without an
        // identifier waits for a command, and one that is to seal for the same: both are free.
        let may_have_opened = |staged: &&Staged| staged.key.mki.is_some();
        let staged = keys.staged.as_deref().filter(may_have_opened);
        if let (Some(staged), Direction::Ingress) = (staged, direction) {
            self.spend_key(staged.key.fingerprint, context, direction);
        }
    }
}
