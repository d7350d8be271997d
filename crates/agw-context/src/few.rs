//! A map of a few entries.

/// Entries in order of their keys, in exactly the memory that they need.
///
/// A call has two terminations of one stream or two. A node of a `BTreeMap` has room for eleven
/// entries, which would be most of what control remembers of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Few<K, V>(Vec<(K, V)>);

impl<K, V> Default for Few<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Ord + Copy, V> Few<K, V> {
    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn contains_key(&self, key: K) -> bool {
        self.place(key).is_ok()
    }

    pub(crate) fn get(&self, key: K) -> Option<&V> {
        let place = self.place(key).ok()?;
        self.0.get(place).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        let place = self.place(key).ok()?;
        self.0.get_mut(place).map(|(_, value)| value)
    }

    /// Puts a value in, in place of the one that was there.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        match self.place(key) {
            Ok(place) => {
                if let Some(entry) = self.0.get_mut(place) {
                    entry.1 = value;
                }
            }
            Err(place) => {
                self.0.reserve_exact(1);
                self.0.insert(place, (key, value));
            }
        }
    }

    pub(crate) fn remove(&mut self, key: K) -> Option<V> {
        let place = self.place(key).ok()?;
        Some(self.0.remove(place).1)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = K> {
        self.0.iter().map(|&(key, _)| key)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        self.0.iter().map(|(key, value)| (*key, value))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (K, &mut V)> {
        self.0.iter_mut().map(|(key, value)| (*key, value))
    }

    fn place(&self, key: K) -> Result<usize, usize> {
        self.0.binary_search_by_key(&key, |&(key, _)| key)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::testing::Dice;

    #[test]
    fn a_few_entries_are_as_those_of_a_tree() {
        let (mut few, mut tree) = (Few::default(), BTreeMap::new());
        let mut dice = Dice::new(3);
        for value in 0..10_000 {
            let key = dice.below(8);
            match dice.below(3) {
                0 => assert_eq!(few.remove(key), tree.remove(&key)),
                1 => assert_eq!(few.get_mut(key), tree.get_mut(&key)),
                _ => {
                    few.insert(key, value);
                    tree.insert(key, value);
                }
            }
            assert_eq!(few.get(key), tree.get(&key));
            assert_eq!(few.contains_key(key), tree.contains_key(&key));
            assert_eq!((few.len(), few.is_empty()), (tree.len(), tree.is_empty()));
            assert!(few.iter().eq(tree.iter().map(|(&key, value)| (key, value))));
        }
        assert!(few.0.capacity() <= 8);
    }
}
