//! Changing the keys of an ingress: re-key, stage, activate, overlap.

use std::time::{Duration, Instant};

use super::retired::Left;
use super::{Unprotector, table};
use crate::engine::Engine;
use crate::live::{KeySet, ValidKeys};
use crate::ticket::KeyId;
use crate::{IngressKey, KeyError, Rekey, RocOnRekey, SessionParameters};

/// No overlap is longer, whatever is asked for.
const MAX_OVERLAP: Duration = Duration::from_secs(600);

impl<K> Unprotector<K> {
    /// Puts new keys in force; the old ones still open packets for `overlap` (at most 600 s).
    ///
    /// The very keys that are in force change nothing: windows, counters and indices stay whatever
    /// `roc` says; only lifetimes and the `unencrypted` parameters are taken. With
    /// [`RocOnRekey::Keep`] old and new keys share windows and counters; otherwise the old keys go
    /// on with theirs until the overlap is over. With [`RocOnRekey::Auto`] they go on as with
    /// `Keep`, and sources may start anew once no replaced keys are left. `window` and `max_sources`
    /// take effect at once; what a longer window knows nothing of counts as seen. A staged key is
    /// dropped. Keys still retired from earlier re-keys stay until their own overlaps end, unless they
    /// are too many ([`MAX_RETIRED`](crate::MAX_RETIRED)).
    ///
    /// # Errors
    /// Any [`KeyError`] about the keys or the parameters; nothing has changed then.
    pub fn rekey<E: Engine<Keys = K>>(
        &mut self,
        engine: &E,
        keys: Vec<IngressKey>,
        parameters: SessionParameters,
        roc: RocOnRekey,
        overlap: Duration,
        now: Instant,
    ) -> Result<Rekey, KeyError> {
        let parameters = parameters.validate()?;
        let keys = ValidKeys::new(keys)?;
        //= tests/spec/srtp.md#new-keys
        //# Installing the key that is in force MUST change nothing.
        if self.current.is_same_material(&keys) {
            self.current.redeclare(&keys, parameters);
            self.parameters = parameters;
            self.sources.reshape(parameters.window, parameters.max_sources);
            return Ok(Rekey::Unchanged);
        }
        let mut keys = KeySet::expand(engine, keys, parameters, &mut self.next_key_id)?;
        self.parameters = parameters;
        self.cancel_staged();
        self.wipe_until(Some(now));
        self.resume_here(&mut keys, roc);
        self.retired.make_room();
        self.replace(keys, roc, overlap, now);
        self.wipe_until(Some(now));
        self.hold_sources();
        self.sources.reshape(parameters.window, parameters.max_sources);
        Ok(Rekey::Installed)
    }

    /// Holds a key ready. With an identifier it opens packets that carry it at once, and the first
    /// of them activates it; without one it waits for [`activate`](Self::activate). A key staged
    /// before is dropped. `number`, below 2^31, names the key in events.
    ///
    /// # Errors
    /// [`KeyError::MkiMismatch`] if a key in force has the same identifier, otherwise any
    /// [`KeyError`] about the key; nothing has changed then.
    pub fn stage<E: Engine<Keys = K>>(
        &mut self,
        engine: &E,
        key: IngressKey,
        number: u32,
    ) -> Result<(), KeyError> {
        let keys = ValidKeys::new(vec![key])?;
        let mki = keys.first_mki();
        let taken = mki.is_some() && self.current.iter().any(|key| key.mki() == mki.as_ref());
        if taken && !self.current.is_same_material(&keys) {
            return Err(KeyError::MkiMismatch);
        }
        let mut id = KeyId::of_staged(number).0;
        let mut staged = KeySet::expand(engine, keys, self.parameters, &mut id)?;
        self.wipe_until(None);
        self.resume_here(&mut staged, RocOnRekey::Keep);
        // A packet may put it in force, and no packet allocates.
        self.retired.make_room();
        self.staged = Some(staged);
        Ok(())
    }

    /// Puts the staged key in force, as a re-key would.
    ///
    /// # Errors
    /// [`KeyError::NothingStaged`] if no key is staged, or the key was activated already.
    pub fn activate(
        &mut self,
        roc: RocOnRekey,
        overlap: Duration,
        now: Instant,
    ) -> Result<(), KeyError> {
        let mut staged = self.staged.take().ok_or(KeyError::NothingStaged)?;
        if !self.current.is_same_keys(&staged) {
            self.wipe_until(Some(now));
            self.resume_here(&mut staged, roc);
            self.replace(staged, roc, overlap, now);
            self.wipe_until(Some(now));
            self.hold_sources();
        }
        Ok(())
    }

    /// Drops the staged key and returns whether there was one.
    pub fn cancel_staged(&mut self) -> bool {
        //= tests/spec/iq.md#keys
        //# A cancelled key MUST be wiped.
        self.staged.take().is_some()
    }

    /// The number of the staged key, if packets could activate it.
    #[must_use]
    pub fn staged_number(&self) -> Option<u32> {
        let staged = self.staged.as_ref().filter(|staged| staged.first.mki().is_some())?;
        staged.first.id.staged_number()
    }

    pub(super) fn replace(
        &mut self,
        mut keys: Box<KeySet<K>>,
        roc: RocOnRekey,
        overlap: Duration,
        now: Instant,
    ) {
        let was_known =
            [keys.carry_usage(self.current.spent()), keys.carry_usage(self.retired.spent())]
                .contains(&true);
        // The old ones take the place of the new ones in the box: a packet may bring this about, and
        // no packet allocates.
        std::mem::swap(&mut self.current, &mut *keys);
        keys.yield_to(&self.current);
        self.retired.yield_to(&self.current);
        let generation = self.sources.generation();
        //= tests/spec/srtp.md#new-keys
        //# With a new key the rollover counter MUST be kept, reset or set as the controller says.
        let sources = roc
            .restart()
            .map(|roc| std::mem::replace(&mut self.sources, table(self.parameters, roc)));
        if sources.is_none() {
            self.sources.replace_key();
            if was_known {
                self.sources.hold_all();
            }
        }
        let until = now.checked_add(overlap.min(MAX_OVERLAP)).unwrap_or(now);
        //= tests/spec/srtp.md#new-keys
        //# A replaced ingress key MUST open packets until its overlap ends and MUST NOT open any
        //# later.
        let has_superseded = std::mem::take(&mut self.has_superseded);
        self.retired.push(keys, Left { sources, generation, has_superseded }, until, now);
        self.hold_sources();
        self.jump = None;
        self.may_restart = roc == RocOnRekey::Auto && !was_known;
    }

    /// Holds the sources that a live key was seen to open, and no others.
    pub(super) fn hold_sources(&mut self) {
        let oldest = self.retired.oldest_sharing();
        self.sources.hold_since(oldest.unwrap_or(self.sources.generation()));
    }
}
