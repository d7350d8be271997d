//! Key procedures: install, remove, stage, activate, cancel.

use std::time::{Duration, SystemTime};

use agw_relay::{Command as Step, EgressCrypto, IngressCrypto, Transport};
use agw_srtp::{EgressKey, IngressKey, KeyError, Mki, RocOnRekey};

use crate::checks::{self, Key, invalid};
use crate::command::{
    ActivateKey, CancelKey, CryptoChange, CryptoContext, DirectedKey, Direction, KeySlot, StageKey,
};
use crate::error::{CommandError, Reason};
use crate::fingerprint::Fingerprint;
use crate::held::{Installed, Keys, KnownKey, Staged, Timed};
use crate::id::ContextId;
use crate::model::Stream;
use crate::reply::Reply;
use crate::terms::Terms;
use crate::transaction::Transaction;

//= tests/spec/iq.md#keys
//# A new peer address on a secured leg MUST come with a new key.
/// What keys of a peer that has moved have to be.
const ONLY_NEW_KEYS: &str =
    "new keys only are needed because the peer's address changes (RFC 4568 §7.1.4)";

/// Refuses a change of the peer's address that leaves a direction under the keys it has.
pub(crate) fn refuse_old_keys(
    stream: &Stream,
    ingress: &CryptoChange<IngressKey>,
    egress: &CryptoChange<EgressKey>,
    field: &str,
) -> Result<(), CommandError> {
    let stay = [
        (&stream.ingress_keys, matches!(ingress, CryptoChange::Keep), "ingress_crypto"),
        (&stream.egress_keys, matches!(egress, CryptoChange::Keep), "egress_crypto"),
    ];
    let is_old = |(keys, stays, _): &(&Keys, bool, &str)| *stays && keys.installed.is_some();
    let Some((_, _, name)) = stay.into_iter().find(is_old) else {
        return Ok(());
    };
    let rule = "a new key is needed because the peer's address changes (RFC 4568 §7.1.4)";
    Err(invalid(format!("{field}.{name}"), rule, Reason::KeyRequired))
}

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
                self.take_keys_away(&mut stream.ingress_keys, Direction::Ingress);
                IngressCrypto::Remove
            }
            CryptoChange::Install(crypto) => {
                let keys = self.checked(&crypto, &field)?;
                let natural = if moved { RocOnRekey::Reset } else { RocOnRekey::Auto };
                let roc = crypto.roc.unwrap_or(natural);
                let held = &mut stream.ingress_keys;
                let place = (context, Direction::Ingress);
                let stays = held.installed.as_ref().is_some_and(|old| old.is_same_material(&keys));
                let goes_on = stays && crypto.roc == Some(RocOnRekey::Keep);
                let are_new = self.install_keys(held, keys, place, roc, &field)?;
                //= tests/spec/iq.md#keys
                //# A key in force MUST stay for a new peer address only where the controller says
                //# that its rollover counters go on.
                if moved && !are_new && !goes_on {
                    return Err(invalid(field, ONLY_NEW_KEYS, Reason::KeyRequired));
                }
                let CryptoContext { keys, parameters, roc: _, overlap, source: _ } = crypto;
                let overlap = overlap.unwrap_or(self.gateway.policy.default_overlap);
                IngressCrypto::Install { keys, parameters, roc, overlap }
            }
        };
        self.push_crypto(context, Step::IngressCrypto(stream.ingress_id(), change));
        Ok(())
    }

    /// Changes the keys that seal what leaves; `moved` if the peer's address changes with them.
    ///
    /// The very keys in force may seal for the new address only if the controller says that their
    /// counters go on: an answer may come from another address than the offer that named the key
    /// went to.
    pub(crate) fn change_egress(
        &mut self,
        context: ContextId,
        stream: &mut Stream,
        change: CryptoChange<EgressKey>,
        moved: bool,
        field: &str,
    ) -> Result<(), CommandError> {
        let field = format!("{field}.egress_crypto");
        let change = match change {
            CryptoChange::Keep => return Ok(()),
            CryptoChange::Remove => {
                self.take_keys_away(&mut stream.egress_keys, Direction::Egress);
                EgressCrypto::Remove
            }
            CryptoChange::Install(crypto) => {
                let keys = self.checked(&crypto, &field)?;
                let natural = if moved { RocOnRekey::Reset } else { RocOnRekey::Keep };
                let roc = crypto.roc.unwrap_or(natural);
                let held = &mut stream.egress_keys;
                let place = (context, Direction::Egress);
                let goes_on = crypto.roc == Some(RocOnRekey::Keep);
                let are_new = self.install_keys(held, keys, place, roc, &field)?;
                if moved && !are_new && !goes_on {
                    return Err(invalid(field, ONLY_NEW_KEYS, Reason::KeyRequired));
                }
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
                let number = self.stage(&mut stream.ingress_keys, &key, slot.context)?;
                Step::IngressCrypto(stream.ingress_id(), IngressCrypto::Stage(key, number))
            }
            DirectedKey::Egress(key) => {
                //= tests/spec/iq.md#keys
                //# A staged key MUST NOT be used for sending before it is activated.
                self.stage(&mut stream.egress_keys, &key, slot.context)?;
                Step::EgressCrypto(stream.egress_id(), EgressCrypto::Stage(key))
            }
        };
        self.push_crypto(slot.context, step);
        self.put_slot(slot, stream)
    }

    pub(crate) fn activate_key(&mut self, command: ActivateKey) -> Result<Reply, CommandError> {
        let ActivateKey { slot, direction, roc, overlap, at } = command;
        let given = overlap;
        let overlap = self.overlap(given)?;
        let mut stream = self.slot(slot)?;
        if let Some(at) = at {
            let nothing = CommandError::NothingStaged { stream: slot.stream, direction };
            let timed = self.timed(at, roc, overlap)?;
            stream.keys(direction).staged.as_mut().ok_or(nothing)?.timed = Some(timed);
            return self.put_slot(slot, stream);
        }
        if !stream.keys(direction).put_staged_in_force(given) {
            return Err(CommandError::NothingStaged { stream: slot.stream, direction });
        }
        self.push_crypto(slot.context, activation(&stream, direction, roc, overlap));
        self.put_slot(slot, stream)
    }

    pub(crate) fn cancel_key(&mut self, command: CancelKey) -> Result<Reply, CommandError> {
        let CancelKey { slot, direction } = command;
        let mut stream = self.slot(slot)?;
        if !self.discard_staged(stream.keys(direction), direction) {
            return Err(CommandError::NothingStaged { stream: slot.stream, direction });
        }
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
        let suite = suite.ok_or(no_key)?;
        let terms = Terms::of(crypto).kept(suite);
        Ok(Installed { source: crypto.source, suite, keys: keys.collect(), terms })
    }

    /// Puts keys in force; tells whether none of them was in force before.
    ///
    /// A key that was replaced does not come back to seal, and one that stays does not start its
    /// counters anew: either could seal an index twice (RFC 3711 §9.1). An ingress key may come back:
    /// the packet path knows what was opened under it, and goes on from there.
    pub(crate) fn install_keys(
        &mut self,
        keys: &mut Keys,
        installed: Installed,
        (context, direction): (ContextId, Direction),
        roc: RocOnRekey,
        field: &str,
    ) -> Result<bool, CommandError> {
        let new: Vec<Fingerprint> = installed.fingerprints().collect();
        let before: Vec<Fingerprint> = keys.in_force().collect();
        let waiting = keys.staged.as_ref().map(|staged| staged.key.fingerprint);
        let is_same = keys.installed.as_ref().is_some_and(|old| old.is_same_material(&installed));
        for (position, known) in installed.keys.iter().enumerate() {
            let (key, field) = (known.fingerprint, format!("{field}.keys[{position}]"));
            let stays = before.contains(&key);
            //= tests/spec/iq.md#keys
            //# An ingress key that was replaced MUST be taken on its stream again.
            let was_used = keys.was_used(key);
            let returns =
                was_used && direction == Direction::Ingress && self.may_return(context)?;
            let goes_on = matches!(roc, RocOnRekey::Keep | RocOnRekey::Auto);
            let is_reset = stays && !is_same && !goes_on;
            if (was_used && !returns) || is_reset {
                return Err(CommandError::KeyReuse { field, direction });
            }
            // Under another salt the packet path remembers it as another key.
            let is_resalted = direction == Direction::Ingress && keys.is_resalted(known);
            if returns || is_resalted {
                self.count_ingress_key(context)?;
            } else if !stays && waiting != Some(key) {
                self.add_key(key, context, direction, &field)?;
            }
        }
        // Keys that are merely told again leave the one that waits waiting.
        if !is_same {
            if waiting.is_some_and(|waiting| new.contains(&waiting)) {
                keys.staged = None;
            } else {
                self.discard_staged(keys, direction);
            }
        }
        keys.take_back(&new);
        keys.put_in_force(Some(installed));
        let forgotten = keys.forget_oldest().into_iter();
        forgotten.for_each(|key| self.spend_key(key, context, direction));
        Ok(!new.iter().any(|key| before.contains(key)))
    }

    fn take_keys_away(&mut self, keys: &mut Keys, direction: Direction) {
        self.discard_staged(keys, direction);
        keys.put_in_force(None);
    }

    /// Discards the key that waits, with its activation; tells whether there was one.
    ///
    /// A packet with its identifier may have put it in force a moment ago, of which control has
    /// not heard yet: then it counts as used until the packet path tells.
    pub(crate) fn discard_staged(&mut self, keys: &mut Keys, direction: Direction) -> bool {
        let Some(staged) = keys.staged.take() else {
            return false;
        };
        match direction {
            Direction::Ingress if staged.key.mki.is_some() => keys.doubt(*staged),
            Direction::Ingress | Direction::Egress => self.remove_key(staged.key.fingerprint),
        }
        true
    }

    /// An activation at a time, which lies ahead and not too far.
    pub(crate) fn timed(
        &self,
        at: SystemTime,
        roc: RocOnRekey,
        overlap: Duration,
    ) -> Result<Timed, CommandError> {
        //= tests/spec/iq.md#keys
        //# A time of activation in the past or too far ahead MUST be refused.
        let wrong = |rule| invalid("at", rule, Reason::FieldValue);
        let ahead = at.duration_since(self.around.at).unwrap_or_default();
        if ahead.is_zero() {
            return Err(wrong("lies in the future"));
        }
        if ahead > self.gateway.policy.max_activation_delay {
            return Err(wrong("is further ahead than policy allows"));
        }
        let due = self.around.now.checked_add(ahead);
        let due = due.ok_or_else(|| wrong("is further ahead than policy allows"))?;
        Ok(Timed { due, at, roc, overlap })
    }

    /// Takes a key to wait; returns what the packet path is to call it.
    pub(crate) fn stage<K: Key>(
        &mut self,
        keys: &mut Keys,
        key: &K,
        context: ContextId,
    ) -> Result<u32, CommandError> {
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
        self.discard_staged(keys, K::DIRECTION);
        self.add_key(fingerprint, context, K::DIRECTION, field)?;
        let with_salt = self.gateway.fingerprinter.of_key_and_salt(key.master());
        let mki = key.mki().copied().map(Box::new);
        let (known, lifetime) = (KnownKey { mki, fingerprint, with_salt }, key.lifetime());
        let number = self.gateway.next_staged();
        keys.staged = Some(Box::new(Staged { key: known, lifetime, number, timed: None }));
        let forgotten = keys.forget_oldest().into_iter();
        forgotten.for_each(|key| self.spend_key(key, context, K::DIRECTION));
        Ok(number)
    }

    pub(crate) fn overlap(&self, overlap: Option<Duration>) -> Result<Duration, CommandError> {
        let policy = &self.gateway.policy;
        let overlap = overlap.unwrap_or(policy.default_overlap);
        if overlap > policy.max_overlap {
            return Err(invalid("overlap_ms", "is longer than policy allows", Reason::FieldValue));
        }
        Ok(overlap)
    }

    fn slot(&mut self, slot: KeySlot) -> Result<Stream, CommandError> {
        let unknown = || CommandError::unknown_stream(slot.termination, slot.stream);
        let termination = self.termination(slot.context, slot.termination)?;
        termination.streams.get(slot.stream).cloned().ok_or_else(unknown)
    }

    fn put_slot(&mut self, slot: KeySlot, stream: Stream) -> Result<Reply, CommandError> {
        self.termination(slot.context, slot.termination)?.streams.insert(slot.stream, stream);
        Ok(Reply::Done { context: slot.context })
    }
}

/// What the packet path does to put a staged key in force.
pub(crate) fn activation(
    stream: &Stream,
    direction: Direction,
    roc: RocOnRekey,
    overlap: Duration,
) -> Step {
    match direction {
        Direction::Ingress => {
            Step::IngressCrypto(stream.ingress_id(), IngressCrypto::Activate { roc, overlap })
        }
        Direction::Egress => Step::EgressCrypto(stream.egress_id(), EgressCrypto::Activate { roc }),
    }
}
