//! Key procedures: install, remove, stage, activate, cancel.

use std::time::Duration;

use agw_relay::{Command as Step, EgressCrypto, IngressCrypto, Transport};
use agw_srtp::{EgressKey, IngressKey, KeyError, Mki, RocOnRekey};

use crate::checks::{self, Key, invalid};
use crate::command::{
    ActivateKey, CancelKey, CryptoChange, CryptoContext, DirectedKey, Direction, KeySlot, StageKey,
};
use crate::error::{CommandError, Reason};
use crate::fingerprint::Fingerprint;
use crate::held::{Installed, Keys, KnownKey};
use crate::id::ContextId;
use crate::model::Stream;
use crate::reply::Reply;
use crate::transaction::Transaction;

/// Refuses keys for a leg that is not secured.
pub(crate) fn refuse_crypto<C>(
    crypto: &Option<C>,
    field: &str,
    name: &str,
) -> Result<(), CommandError> {
    if crypto.is_none() {
        return Ok(());
    }
    //= tests/spec/iq.md#keys
    //# Keys for a leg that is not secured MUST be refused.
    let rule = "keys are for secured streams only";
    Err(invalid(format!("{field}.{name}"), rule, Reason::CryptoOnPlainTransport))
}

impl Transaction<'_, '_> {
    /// Changes the keys that open what arrives; `moved` if the peer's address changes with them.
    pub(crate) fn change_ingress(
        &mut self,
        context: ContextId,
        stream: &mut Stream,
        change: CryptoChange<IngressKey>,
        moved: bool,
        field: &str,
    ) -> Result<(), CommandError> {
        let field = format!("{field}.ingress_crypto");
        let change = match change {
            CryptoChange::Keep => return Ok(()),
            CryptoChange::Remove => {
                self.take_keys_away(&mut stream.ingress_keys);
                IngressCrypto::Remove
            }
            CryptoChange::Install(crypto) => {
                let keys = self.checked(&crypto, &field)?;
                let natural = if moved { RocOnRekey::Reset } else { RocOnRekey::Keep };
                let roc = crypto.roc.unwrap_or(natural);
                let held = &mut stream.ingress_keys;
                let are_new = self.install_keys(held, keys, Direction::Ingress, roc, &field)?;
                //= tests/spec/iq.md#keys
                //# A new peer address on a secured leg MUST come with a new key.
                if moved && !are_new {
                    let rule = "new keys only are needed because the peer's address changes \
                                (RFC 4568 §7.1.4)";
                    return Err(invalid(field, rule, Reason::KeyRequired));
                }
                let CryptoContext { keys, parameters, roc: _, overlap, source: _ } = crypto;
                let overlap = overlap.unwrap_or(self.gateway.policy.default_overlap);
                IngressCrypto::Install { keys, parameters, roc, overlap }
            }
        };
        self.push_crypto(context, Step::IngressCrypto(stream.ingress_id(), change));
        Ok(())
    }

    /// Changes the keys that seal what leaves.
    pub(crate) fn change_egress(
        &mut self,
        context: ContextId,
        stream: &mut Stream,
        change: CryptoChange<EgressKey>,
        field: &str,
    ) -> Result<(), CommandError> {
        let field = format!("{field}.egress_crypto");
        let change = match change {
            CryptoChange::Keep => return Ok(()),
            CryptoChange::Remove => {
                self.take_keys_away(&mut stream.egress_keys);
                EgressCrypto::Remove
            }
            CryptoChange::Install(crypto) => {
                let keys = self.checked(&crypto, &field)?;
                let roc = crypto.roc.unwrap_or_default();
                let held = &mut stream.egress_keys;
                self.install_keys(held, keys, Direction::Egress, roc, &field)?;
                let CryptoContext { keys, parameters, roc: _, overlap: _, source: _ } = crypto;
                EgressCrypto::Install { keys, parameters, roc }
            }
        };
        self.push_crypto(context, Step::EgressCrypto(stream.egress_id(), change));
        Ok(())
    }

    pub(crate) fn stage_key(&mut self, command: StageKey) -> Result<Reply, CommandError> {
        let StageKey { slot, key } = command;
        let mut stream = self.slot(slot)?;
        if stream.transport != Transport::Secured {
            let rule = "keys are for secured streams only";
            return Err(invalid("transport", rule, Reason::CryptoOnPlainTransport));
        }
        let step = match key {
            DirectedKey::Ingress(key) => {
                self.stage(&mut stream.ingress_keys, &key)?;
                Step::IngressCrypto(stream.ingress_id(), IngressCrypto::Stage(key))
            }
            DirectedKey::Egress(key) => {
                //= tests/spec/iq.md#keys
                //# A staged key MUST NOT be used for sending before it is activated.
                self.stage(&mut stream.egress_keys, &key)?;
                Step::EgressCrypto(stream.egress_id(), EgressCrypto::Stage(key))
            }
        };
        self.push_crypto(slot.context, step);
        self.put_slot(slot, stream)
    }

    pub(crate) fn activate_key(&mut self, command: ActivateKey) -> Result<Reply, CommandError> {
        let ActivateKey { slot, direction, roc, overlap } = command;
        let overlap = self.overlap(overlap)?;
        let mut stream = self.slot(slot)?;
        if !stream.keys(direction).put_staged_in_force() {
            return Err(CommandError::NothingStaged { stream: slot.stream, direction });
        }
        let step = match direction {
            Direction::Ingress => {
                Step::IngressCrypto(stream.ingress_id(), IngressCrypto::Activate { roc, overlap })
            }
            Direction::Egress => {
                Step::EgressCrypto(stream.egress_id(), EgressCrypto::Activate { roc })
            }
        };
        self.push_crypto(slot.context, step);
        self.put_slot(slot, stream)
    }

    pub(crate) fn cancel_key(&mut self, command: CancelKey) -> Result<Reply, CommandError> {
        let CancelKey { slot, direction } = command;
        let mut stream = self.slot(slot)?;
        let staged = take_staged(&mut stream, slot, direction)?;
        self.remove_key(staged.fingerprint);
        let step = match direction {
            Direction::Ingress => Step::IngressCrypto(stream.ingress_id(), IngressCrypto::Cancel),
            //= tests/spec/iq.md#keys
            //# A cancelled key MUST be wiped.
            Direction::Egress => Step::EgressCrypto(stream.egress_id(), EgressCrypto::Cancel),
        };
        self.push_crypto(slot.context, step);
        self.put_slot(slot, stream)
    }

    /// Refuses keys that are wrong by themselves, and tells how to know them again.
    pub(crate) fn checked<K: Key>(
        &self,
        crypto: &CryptoContext<K>,
        field: &str,
    ) -> Result<Installed, CommandError> {
        let (policy, fingerprinter) = (&self.gateway.policy, &self.gateway.fingerprinter);
        let fingerprints = checks::crypto_context(crypto, field, policy, fingerprinter)?;
        let keys = crypto.keys.iter().zip(fingerprints).map(|(key, fingerprint)| KnownKey {
            mki: key.mki().copied().map(Box::new),
            fingerprint,
            with_salt: fingerprinter.of_key_and_salt(key.master()),
        });
        let suite = crypto.keys.first().map(|key| key.master().suite());
        let no_key = CommandError::Key { field: field.to_owned(), error: KeyError::NoKey };
        Ok(Installed { source: crypto.source, suite: suite.ok_or(no_key)?, keys: keys.collect() })
    }

    /// Puts keys in force; tells whether none of them was in force before.
    ///
    /// A key that was replaced does not come back, and one that stays does not start its counters
    /// anew: either could seal an index twice (RFC 3711 §9.1).
    pub(crate) fn install_keys(
        &mut self,
        keys: &mut Keys,
        installed: Installed,
        direction: Direction,
        roc: RocOnRekey,
        field: &str,
    ) -> Result<bool, CommandError> {
        let new: Vec<Fingerprint> = installed.fingerprints().collect();
        let before: Vec<Fingerprint> = keys.in_force().collect();
        let waiting = keys.staged.as_ref().map(|staged| staged.fingerprint);
        let is_same = keys.installed.as_ref().is_some_and(|old| old.is_same_material(&installed));
        for (position, &key) in new.iter().enumerate() {
            let field = format!("{field}.keys[{position}]");
            let stays = before.contains(&key);
            if keys.was_used(key) || (stays && !is_same && roc != RocOnRekey::Keep) {
                return Err(CommandError::KeyReuse { field });
            }
            if !stays && waiting != Some(key) {
                self.add_key(key, direction, &field)?;
            }
        }
        // Keys that are merely told again leave the one that waits waiting.
        if !is_same
            && let Some(staged) = keys.staged.take()
            && !new.contains(&staged.fingerprint)
        {
            self.remove_key(staged.fingerprint);
        }
        keys.put_in_force(Some(installed));
        keys.forget_oldest().into_iter().for_each(|key| self.spend_key(key));
        Ok(!new.iter().any(|key| before.contains(key)))
    }

    fn take_keys_away(&mut self, keys: &mut Keys) {
        keys.put_in_force(None);
        if let Some(staged) = keys.staged.take() {
            self.remove_key(staged.fingerprint);
        }
    }

    fn stage<K: Key>(&mut self, keys: &mut Keys, key: &K) -> Result<(), CommandError> {
        let field = match K::DIRECTION {
            Direction::Ingress => "ingress_crypto.key",
            Direction::Egress => "egress_crypto.key",
        };
        let (policy, fingerprinter) = (&self.gateway.policy, &self.gateway.fingerprinter);
        let fingerprint = checks::single_key(key, field, policy, fingerprinter)?;
        let error = |error| CommandError::Key { field: field.to_owned(), error };
        let installed = keys.installed.as_ref().ok_or(error(KeyError::NoKey))?;
        if installed.suite != key.master().suite() {
            return Err(error(KeyError::SuiteMismatch));
        }
        let length = |mki: Option<&Mki>| mki.map(|mki| mki.as_slice().len());
        let is_twin =
            key.mki().is_some_and(|mki| installed.mkis().any(|installed| installed == mki));
        if is_twin || length(key.mki()) != length(installed.mkis().next()) {
            return Err(error(KeyError::MkiMismatch));
        }
        if let Some(waiting) = keys.staged.take() {
            self.remove_key(waiting.fingerprint);
        }
        self.add_key(fingerprint, K::DIRECTION, field)?;
        let with_salt = self.gateway.fingerprinter.of_key_and_salt(key.master());
        let mki = key.mki().copied().map(Box::new);
        keys.staged = Some(Box::new(KnownKey { mki, fingerprint, with_salt }));
        keys.forget_oldest().into_iter().for_each(|key| self.spend_key(key));
        Ok(())
    }

    fn overlap(&self, overlap: Option<Duration>) -> Result<Duration, CommandError> {
        let policy = &self.gateway.policy;
        let overlap = overlap.unwrap_or(policy.default_overlap);
        if overlap > policy.max_overlap {
            return Err(invalid("overlap_ms", "is longer than policy allows", Reason::FieldValue));
        }
        Ok(overlap)
    }

    fn slot(&mut self, slot: KeySlot) -> Result<Stream, CommandError> {
        let unknown = CommandError::UnknownStream(slot.termination, slot.stream);
        let termination = self.termination(slot.context, slot.termination)?;
        termination.streams.get(slot.stream).cloned().ok_or(unknown)
    }

    fn put_slot(&mut self, slot: KeySlot, stream: Stream) -> Result<Reply, CommandError> {
        self.termination(slot.context, slot.termination)?.streams.insert(slot.stream, stream);
        Ok(Reply::Done { context: slot.context })
    }
}

fn take_staged(
    stream: &mut Stream,
    slot: KeySlot,
    direction: Direction,
) -> Result<Box<KnownKey>, CommandError> {
    let nothing = CommandError::NothingStaged { stream: slot.stream, direction };
    stream.keys(direction).staged.take().ok_or(nothing)
}
