//! Keys that return: what was opened under a key is noted when it leaves and holds when it is back.

use std::time::Instant;

use subtle::ConstantTimeEq;

use super::Unprotector;
use crate::former::{FormerKeys, Horizon};
use crate::live::{Fingerprint, KeySet, LiveKey};
use crate::sources::SourceTable;
use crate::{KeyPool, RocOnRekey};

impl<K> Unprotector<K> {
    /// Gives the keys that there are what other sessions have opened under them before: nothing of
    /// that is opened again, rollover counters and lifetimes go on. To be called before the first
    /// packet under a key that was in force elsewhere; the session knows by itself of the keys
    /// that were in force in it.
    pub fn resume(&mut self, former: &FormerKeys) {
        let staged = self.staged.iter_mut().flat_map(|keys| keys.iter_mut());
        for key in self.current.iter_mut().chain(staged) {
            key.resume(former);
        }
    }

    /// Notes what was opened here under keys in force, now or before, for sessions in which they may
    /// return. To be called when this session ends.
    ///
    /// Keys of `shared`, a pool, are in force in other sessions as well: one that ends says nothing
    /// of what those may open.
    pub fn note_former(&self, former: &mut FormerKeys, shared: Option<&KeyPool>) {
        let is_own = |key: &Fingerprint| shared.is_none_or(|pool| pool.place(key).is_none());
        self.former.iter().for_each(|here| former.note_all(here, is_own));
        let in_force = self.current.iter().map(|key| (key, None));
        for (key, sources) in in_force.chain(self.retired.all()) {
            if is_own(&key.fingerprint) {
                former.note(key, sources.unwrap_or(&self.sources));
            }
        }
    }

    /// Wipes retired keys whose overlap is over by now, or which were too many.
    pub(super) fn wipe_until(&mut self, now: Option<Instant>) {
        let Self { retired, sources, former, .. } = self;
        let mut is_known = false;
        retired.wipe_until(now, |key, of_key| {
            note(former, key, of_key.unwrap_or(sources));
            is_known = true;
        });
        if is_known && let (Some(staged), Some(former)) = (&mut self.staged, &self.former) {
            // The table may forget from now on what only they have opened.
            staged.iter_mut().for_each(|key| key.resume(former));
        }
    }

    //= tests/spec/srtp.md#keys-that-return
    //# Under a key that returns nothing at or below the highest index that was opened under it from a
    //# source MUST be opened again.
    /// Gives keys that come in force, or wait, what was opened under them before in this session. One
    /// that is live still ends where it opens packets by another table: two tables would let
    /// through the same packet twice.
    pub(super) fn resume_here(&mut self, keys: &mut KeySet<K>, roc: RocOnRekey) {
        let shares = roc.restart().is_none();
        let Self { current, retired, sources, former, .. } = self;
        for key in keys.iter_mut() {
            let mut goes_on: Option<Horizon> = None;
            let mut meet = |live: &mut LiveKey<K>, of_live: Option<&SourceTable>| {
                if !bool::from(live.fingerprint.ct_eq(&key.fingerprint)) {
                    return;
                }
                if shares && of_live.is_none() {
                    // The table that it goes on with knows all that it has opened since it came.
                    let known = goes_on.get_or_insert_default();
                    live.horizon.iter().for_each(|horizon| known.raise_all(horizon));
                } else {
                    note(former, live, of_live.unwrap_or(sources));
                    live.usage.end();
                }
            };
            current.iter_mut().for_each(|live| meet(live, None));
            retired.each_mut(meet);
            if let Some(horizon) = goes_on {
                key.horizon = horizon.kept();
            } else if let Some(former) = former {
                key.resume(former);
            }
        }
    }
}

impl<K> LiveKey<K> {
    fn resume(&mut self, former: &FormerKeys) {
        if let Some((spent, horizon)) = former.of(&self.fingerprint) {
            self.usage.take_over(spent);
            let mut known = self.horizon.take().unwrap_or_default();
            known.raise_all(horizon);
            self.horizon = known.kept();
        }
    }
}

fn note<K>(former: &mut Option<Box<FormerKeys>>, key: &LiveKey<K>, sources: &SourceTable) {
    former.get_or_insert_default().note(key, sources);
}
