//! Changing the keys of an egress, and refusing those that would repeat a keystream.

use subtle::ConstantTimeEq;

use super::{Protector, guard, table};
use crate::engine::Engine;
use crate::live::{Fingerprint, KeySet, ValidKeys};
use crate::usage::Spent;
use crate::{EgressKey, KeyError, Rekey, RocOnRekey, SessionParameters};

/// Former keys remembered; a session that is re-keyed more often forgets the oldest.
const MAX_HISTORY: usize = 256;

/// Keys that sealed packets and were replaced, by fingerprint.
#[derive(Default)]
pub(super) struct History {
    former: Vec<Former>,
}

struct Former {
    fingerprint: Fingerprint,
    spent: Spent,
    /// Counters have started anew since: indices used under the key are no longer known.
    counters_lost: bool,
}

impl<K> Protector<K> {
    /// Puts new keys in force; the old ones are wiped.
    ///
    /// The very keys that are in force change nothing: the guard, counters and indices stay
    /// whatever `roc` says; only lifetimes and the `unencrypted` parameters are taken. With
    /// [`RocOnRekey::Keep`] the guard and the SRTCP index go on; otherwise they start anew.
    /// `window` and `max_sources` take effect at once; what a longer guard knows nothing of counts as
    /// used. A staged key is dropped.
    ///
    /// # Errors
    /// [`KeyError::KeyReused`] if a key sealed packets of which the guard knows nothing any more,
    /// or would forget them now; otherwise any [`KeyError`] about keys or parameters. Nothing has
    /// changed then.
    pub fn rekey<E: Engine<Keys = K>>(
        &mut self,
        engine: &E,
        keys: Vec<EgressKey>,
        parameters: SessionParameters,
        roc: RocOnRekey,
    ) -> Result<Rekey, KeyError> {
        let parameters = parameters.validate()?;
        let keys = ValidKeys::new(keys)?;
        //= tests/spec/srtp.md#new-keys
        //# Installing the key that is in force MUST change nothing.
        if self.current.is_same_material(&keys) {
            self.current.redeclare(&keys, parameters);
            self.parameters = parameters;
            self.sources.reshape(guard(parameters), parameters.max_sources);
            return Ok(Rekey::Unchanged);
        }
        self.refuse_reuse(keys.fingerprints(), roc)?;
        let keys = KeySet::expand(engine, keys, parameters, &mut self.next_key_id)?;
        self.parameters = parameters;
        self.staged = None;
        self.replace(*keys, roc);
        self.sources.reshape(guard(parameters), parameters.max_sources);
        Ok(Rekey::Installed)
    }

    /// Holds a key ready for [`activate`](Self::activate). A key staged before is dropped.
    ///
    /// # Errors
    /// Any [`KeyError`] about the key; nothing has changed then.
    pub fn stage<E: Engine<Keys = K>>(
        &mut self,
        engine: &E,
        key: EgressKey,
    ) -> Result<(), KeyError> {
        let keys = ValidKeys::new(vec![key])?;
        self.refuse_reuse(keys.fingerprints(), RocOnRekey::Keep)?;
        let staged = KeySet::expand(engine, keys, self.parameters, &mut self.next_key_id)?;
        self.staged = Some(staged);
        Ok(())
    }

    /// Puts the staged key in force, as a re-key would.
    ///
    /// # Errors
    /// [`KeyError::NothingStaged`] if no key is staged; [`KeyError::KeyReused`] as for a re-key,
    /// the key stays staged then.
    pub fn activate(&mut self, roc: RocOnRekey) -> Result<(), KeyError> {
        let staged = self.staged.take().ok_or(KeyError::NothingStaged)?;
        if self.current.is_same_keys(&staged) {
            return Ok(());
        }
        let refused = self.refuse_reuse(staged.spent().map(|(fingerprint, _)| fingerprint), roc);
        if refused.is_err() {
            self.staged = Some(staged);
            return refused;
        }
        self.replace(*staged, roc);
        Ok(())
    }

    /// Drops the staged key and returns whether there was one.
    pub fn cancel_staged(&mut self) -> bool {
        //= tests/spec/iq.md#keys
        //# A cancelled key MUST be wiped.
        self.staged.take().is_some()
    }

    fn refuse_reuse<'a>(
        &self,
        mut fingerprints: impl Iterator<Item = &'a Fingerprint>,
        roc: RocOnRekey,
    ) -> Result<(), KeyError> {
        let restarts = roc.restart().is_some();
        let repeats = |fingerprint: &Fingerprint| {
            let former = self.history.former.iter().any(|former| {
                (former.counters_lost || restarts)
                    && bool::from(former.fingerprint.ct_eq(fingerprint))
            });
            let current = self.current.spent().any(|(current, spent)| {
                restarts && !spent.is_zero() && bool::from(current.ct_eq(fingerprint))
            });
            former || current
        };
        if fingerprints.any(repeats) {
            //= tests/spec/srtp.md#transmit-guard
            //# Two packets MUST NOT be protected with the same key, SSRC and index.
            return Err(KeyError::KeyReused);
        }
        Ok(())
    }

    fn replace(&mut self, mut keys: KeySet<K>, roc: RocOnRekey) {
        self.history.add(self.current.spent());
        keys.carry_usage(self.history.spent());
        let seals_again = keys.spent().any(|(_, spent)| !spent.is_zero());
        self.current = keys;
        //= tests/spec/srtp.md#srtcp-index
        //# A new key for the same crypto context MUST NOT set the SRTCP index back when the
        //# rollover counter is kept.
        if let Some(roc) = roc.restart() {
            self.history.lose_counters();
            self.sources = table(self.parameters, roc);
            self.next_srtcp = 1;
            return;
        }
        self.sources.replace_key();
        if seals_again {
            self.sources.hold_all();
        }
    }

    //= tests/spec/srtp.md#transmit-guard
    //# A source that only replaced keys have sealed MUST give way to a new one when there is no other
    //# room.
    /// Forgets a source that only replaced keys have sealed; they are refused from then on.
    #[cold]
    pub(super) fn make_place(&mut self) -> bool {
        let made = self.sources.forget_replaced();
        if made {
            self.history.lose_counters();
        }
        made
    }
}

impl History {
    fn add<'a>(&mut self, keys: impl Iterator<Item = (&'a Fingerprint, Spent)>) {
        for (fingerprint, spent) in keys.filter(|(_, spent)| !spent.is_zero()) {
            let known = self
                .former
                .iter_mut()
                .find(|former| bool::from(former.fingerprint.ct_eq(fingerprint)));
            if let Some(former) = known {
                former.spent = former.spent.max(spent);
                continue;
            }
            if self.former.len() == MAX_HISTORY {
                self.former.remove(0);
            }
            self.former.push(Former { fingerprint: *fingerprint, spent, counters_lost: false });
        }
    }

    pub(super) fn spent(&self) -> impl Iterator<Item = (&Fingerprint, Spent)> + Clone {
        self.former.iter().map(|former| (&former.fingerprint, former.spent))
    }

    fn lose_counters(&mut self) {
        for former in &mut self.former {
            former.counters_lost = true;
        }
    }
}
