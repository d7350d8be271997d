//! Changing the keys of an ingress: re-key, stage, activate, overlap.

use std::time::{Duration, Instant};

use super::{Retired, Unprotector, table};
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
    /// on with theirs until the overlap is over. `window` and `max_sources` take effect when
    /// counters start anew. A staged key is dropped, and so are keys still retired from an
    /// earlier re-key.
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
            self.parameters.unencrypted_srtp = parameters.unencrypted_srtp;
            self.parameters.unencrypted_srtcp = parameters.unencrypted_srtcp;
            return Ok(Rekey::Unchanged);
        }
        let keys = KeySet::expand(engine, keys, parameters, &mut self.next_key_id)?;
        self.parameters = parameters;
        self.cancel_staged();
        self.replace(keys, roc, overlap, now);
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
        let staged = KeySet::expand(engine, keys, self.parameters, &mut id)?;
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
        let staged = self.staged.take().ok_or(KeyError::NothingStaged)?;
        if !self.current.is_same_keys(&staged) {
            self.replace(staged, roc, overlap, now);
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
        keys.carry_usage(self.current.spent());
        if let Some(retired) = &self.retired {
            keys.carry_usage(retired.keys.spent());
        }
        // The old ones take the place of the new ones in the box: a packet may bring this about, and
        // no packet allocates.
        std::mem::swap(&mut self.current, &mut *keys);
        //= tests/spec/srtp.md#new-keys
        //# With a new key the rollover counter MUST be kept, reset or set as the controller says.
        let old_sources = roc
            .restart()
            .map(|roc| std::mem::replace(&mut self.sources, table(self.parameters, roc)))
            .map(Box::new);
        let until = now.checked_add(overlap.min(MAX_OVERLAP)).unwrap_or(now);
        //= tests/spec/srtp.md#new-keys
        //# A replaced ingress key MUST open packets until its overlap ends and MUST NOT open any
        //# later.
        self.retired = (until > now).then_some(Retired { keys, sources: old_sources, until });
        (self.jump, self.has_superseded) = (None, false);
    }
}
