//! Values that run out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Values by name, each until a time.
#[derive(Debug)]
pub(super) struct Dated<N, V> {
    values: BTreeMap<N, (Instant, V)>,
    ends: BTreeSet<(Instant, N)>,
}

impl<N: Ord + Clone, V> Dated<N, V> {
    pub(super) const fn new() -> Self {
        Self { values: BTreeMap::new(), ends: BTreeSet::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn find(&self, name: &N) -> Option<&V> {
        self.values.get(name).map(|(_, value)| value)
    }

    /// The values from a name on.
    pub(super) fn from(&self, name: &N) -> impl Iterator<Item = (&N, &V)> {
        self.values.range(name..).map(|(name, (_, value))| (name, value))
    }

    pub(super) fn find_mut(&mut self, name: &N) -> Option<&mut V> {
        self.values.get_mut(name).map(|(_, value)| value)
    }

    /// Puts a value in place of what has the name.
    pub(super) fn insert(&mut self, name: N, value: V, until: Instant) {
        self.remove(&name);
        self.ends.insert((until, name.clone()));
        self.values.insert(name, (until, value));
    }

    /// Gives other names to those that have one for them, unless something has that name already:
    /// then they go.
    pub(super) fn rename(&mut self, renamed: impl Fn(&N) -> Option<N>) {
        let names: Vec<(N, N)> =
            self.values.keys().filter_map(|name| Some((name.clone(), renamed(name)?))).collect();
        for (before, after) in names {
            let Some((until, value)) = self.values.remove(&before) else { continue };
            self.ends.remove(&(until, before));
            if !self.values.contains_key(&after) {
                self.insert(after, value, until);
            }
        }
    }

    pub(super) fn remove(&mut self, name: &N) -> Option<V> {
        let (name, (until, value)) = self.values.remove_entry(name)?;
        self.ends.remove(&(until, name));
        Some(value)
    }

    /// Takes out what runs out first.
    pub(super) fn pop_first(&mut self) {
        if let Some((_, name)) = self.ends.pop_first() {
            self.values.remove(&name);
        }
    }

    /// Takes out what has run out.
    pub(super) fn expire(&mut self, now: Instant) {
        while self.ends.first().is_some_and(|(until, _)| *until <= now) {
            self.pop_first();
        }
    }
}
