//! Replaced keys that still open packets, each set until its own overlap ends.

use std::time::Instant;

use crate::live::{Fingerprint, KeySet, LiveKey};
use crate::sources::SourceTable;
use crate::ticket::KeyId;
use crate::usage::Spent;

/// Sets of replaced keys that open packets beside the keys in force: a conference whose members
/// change every second re-keys as often, and its overlaps last for seconds.
pub const MAX_RETIRED: usize = 4;

/// Replaced keys, the oldest first.
pub(super) struct OldKeys<K> {
    sets: Vec<Retired<K>>,
}

/// Keys that were replaced and still open packets.
struct Retired<K> {
    keys: Box<KeySet<K>>,
    /// The table that these keys go on with; `None` if they share that of the next newer ones.
    sources: Option<Box<SourceTable>>,
    until: Instant,
    /// What their table calls them.
    generation: u8,
    /// A newer key has opened a packet since.
    is_superseded: bool,
    /// They were too many: they open nothing any more, and go when there is time.
    is_over: bool,
}

/// One set, to open a packet with.
pub(super) struct Retirement<'a, K> {
    pub(super) keys: &'a mut KeySet<K>,
    /// `None` if they share the table of the keys in force.
    pub(super) sources: Option<&'a mut SourceTable>,
    pub(super) generation: u8,
    pub(super) is_superseded: bool,
}

/// What becomes of a table of sources at a re-key.
pub(super) struct Left {
    /// The old table, if the new keys do not share it.
    pub(super) sources: Option<SourceTable>,
    /// What that table calls the keys that leave.
    pub(super) generation: u8,
    /// Whether the keys that replace them have opened a packet since the keys before left.
    pub(super) has_superseded: bool,
}

impl<K> Default for OldKeys<K> {
    fn default() -> Self {
        Self { sets: Vec::new() }
    }
}

impl<K> OldKeys<K> {
    pub(super) fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// Makes room for one more, so that a packet may bring it about: no packet allocates.
    pub(super) fn make_room(&mut self) {
        self.sets.reserve_exact(1);
    }

    /// Takes the keys that were in force, until some moment; if they are too many then, the oldest
    /// open nothing any more. None is wiped: a packet may have brought it about, and what they have
    /// opened is noted first.
    pub(super) fn push(&mut self, keys: Box<KeySet<K>>, left: Left, until: Instant, now: Instant) {
        let Left { sources, generation, has_superseded } = left;
        self.sets.iter_mut().for_each(|old| old.is_superseded |= has_superseded);
        let mut live = self.sets.iter_mut().filter(|old| now < old.until);
        if now < until
            && let Some(oldest) = live.next()
            && live.count() + 1 >= MAX_RETIRED
        {
            (oldest.until, oldest.is_over) = (now, true);
        }
        let sources = sources.map(Box::new);
        let (is_superseded, is_over) = (false, false);
        self.sets.push(Retired { keys, sources, until, generation, is_superseded, is_over });
    }

    /// Wipes those whose overlap is over by now, or which were too many, after `note` has seen each of their keys with its table,
    /// unless that is the one of the keys in force.
    pub(super) fn wipe_until(
        &mut self,
        now: Option<Instant>,
        mut note: impl FnMut(&LiveKey<K>, Option<&SourceTable>),
    ) {
        for place in (0..self.sets.len()).rev() {
            let is_over = |old: &Retired<K>| old.is_over || now.is_some_and(|now| old.until <= now);
            if self.sets.get(place).is_some_and(is_over) {
                let sources = self.sources_at(place);
                let keys = self.sets.get(place).into_iter().flat_map(|old| old.keys.iter());
                keys.for_each(|key| note(key, sources));
                let gone = self.sets.remove(place);
                self.hand_down(place, gone.sources);
            }
        }
    }

    /// The table of the keys at a place, unless they share that of the keys in force.
    fn sources_at(&self, place: usize) -> Option<&SourceTable> {
        let newer = self.sets.get(place..).unwrap_or_default();
        newer.iter().find_map(|old| old.sources.as_deref())
    }

    /// Every key with its table, unless it shares that of the keys in force.
    pub(super) fn all(&self) -> impl Iterator<Item = (&LiveKey<K>, Option<&SourceTable>)> {
        (0..).zip(&self.sets).flat_map(|(place, old)| {
            let sources = self.sources_at(place);
            old.keys.iter().map(move |key| (key, sources))
        })
    }

    /// Shows every key with its table, unless it shares that of the keys in force.
    pub(super) fn each_mut(&mut self, mut show: impl FnMut(&mut LiveKey<K>, Option<&SourceTable>)) {
        for place in 0..self.sets.len() {
            let Some((old, newer)) = self.sets.get_mut(place..).and_then(<[_]>::split_first_mut)
            else {
                return;
            };
            let of_newer = || newer.iter().find_map(|old| old.sources.as_deref());
            let sources = old.sources.as_deref().or_else(of_newer);
            old.keys.iter_mut().for_each(|key| show(key, sources));
        }
    }

    /// The keys before a place go on with a table that their successors shared with them.
    fn hand_down(&mut self, place: usize, sources: Option<Box<SourceTable>>) {
        let before = place.checked_sub(1).and_then(|before| self.sets.get_mut(before));
        if let (Some(before), Some(sources)) = (before, sources) {
            before.sources.get_or_insert(sources);
        }
    }

    /// When the first overlap ends.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.sets.iter().map(|old| old.until).min()
    }

    /// The keys, newest first.
    pub(super) fn sets(&self) -> impl Iterator<Item = &KeySet<K>> {
        self.sets.iter().rev().map(|old| &*old.keys)
    }

    /// The keys with when their overlap ends, newest first.
    pub(super) fn ends(&self) -> impl Iterator<Item = (&KeySet<K>, Instant)> {
        let live = self.sets.iter().rev().filter(|old| !old.is_over);
        live.map(|old| (&*old.keys, old.until))
    }

    /// The keys that open packets now, newest first, with their table unless they share that of the
    /// keys in force.
    pub(super) fn live(
        &self,
        now: Instant,
    ) -> impl Iterator<Item = (&LiveKey<K>, Option<&SourceTable>)> {
        //= tests/spec/srtp.md#new-keys
        //# A replaced ingress key MUST open packets until its overlap ends and MUST NOT open any
        //# later.
        let live = (0..self.sets.len()).rev().filter_map(move |place| {
            let old = self.sets.get(place).filter(|old| now < old.until)?;
            Some((old, self.sources_at(place)))
        });
        live.flat_map(|(old, sources)| old.keys.iter().map(move |key| (key, sources)))
    }

    /// Where a key is.
    #[inline]
    pub(super) fn place(&self, id: KeyId) -> Option<usize> {
        self.sets.iter().position(|old| old.keys.find(id).is_some())
    }

    /// The set at a place.
    pub(super) fn at(&mut self, place: usize) -> Option<Retirement<'_, K>> {
        let (these, newer) = self.sets.get_mut(place..)?.split_first_mut()?;
        let Retired { keys, sources, generation, is_superseded, .. } = these;
        let of_newer = newer.iter_mut().find_map(|old| old.sources.as_deref_mut());
        Some(Retirement {
            keys,
            sources: sources.as_deref_mut().or(of_newer),
            generation: *generation,
            is_superseded: *is_superseded,
        })
    }

    /// Keys at a place have opened a packet: nothing that older ones open is the newest any more.
    pub(super) fn supersede_before(&mut self, place: usize) {
        self.sets.iter_mut().take(place).for_each(|old| old.is_superseded = true);
    }

    /// What the shared table calls the oldest keys that share it.
    pub(super) fn oldest_sharing(&self) -> Option<u8> {
        let sharing = self.sets.iter().rev().take_while(|old| old.sources.is_none());
        sharing.last().map(|old| old.generation)
    }

    /// Gives up the keys that `newer` has in the same form.
    pub(super) fn yield_to(&mut self, newer: &KeySet<K>) {
        self.sets.iter_mut().for_each(|old| old.keys.yield_to(newer));
    }

    /// What the keys were used for.
    pub(super) fn spent(&self) -> impl Iterator<Item = (&Fingerprint, Spent)> + Clone {
        self.sets.iter().flat_map(|old| old.keys.spent())
    }
}
