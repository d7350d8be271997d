//! Ends that were asked for and are carried out later, unless an offer takes them back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use agw_iq::alg::Which;
use agw_sdp::{Call, Calls};

use super::request::dialogue_of;
use super::table::Key;

/// Which calls end later; clones are the same.
///
/// Whoever changes what stands here holds the calls of the key.
#[derive(Clone, Default)]
pub(super) struct Later(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    /// The last one's number.
    last: u64,
    ends: BTreeMap<Key, Vec<End>>,
}

struct End {
    number: u64,
    which: Which,
    /// A tag of each call that is to end.
    tags: Vec<String>,
    /// Whether a call was taken out of it.
    is_less: bool,
}

/// An end that was noted.
#[derive(Debug)]
pub(crate) struct Noted {
    pub(super) key: Key,
    number: u64,
}

/// What is left of an end that was noted.
pub(super) struct Due {
    pub(super) which: Which,
    pub(super) tags: Vec<String>,
    /// Whether it is all that was to end.
    pub(super) is_all: bool,
}

impl Later {
    pub(super) fn note(&self, key: &Key, which: Which, tags: Vec<String>) -> Noted {
        let mut inner = self.lock();
        inner.last += 1;
        let number = inner.last;
        let end = End { number, which, tags, is_less: false };
        inner.ends.entry(key.clone()).or_default().push(end);
        Noted { key: key.clone(), number }
    }

    /// The time has come; `None` if all of it was taken back.
    pub(super) fn due(&self, noted: &Noted) -> Option<Due> {
        let mut inner = self.lock();
        let ends = inner.ends.get_mut(&noted.key)?;
        let place = ends.iter().position(|end| end.number == noted.number)?;
        let End { which, tags, is_less, number: _ } = ends.swap_remove(place);
        if ends.is_empty() {
            inner.ends.remove(&noted.key);
        }
        Some(Due { which, tags, is_all: !is_less })
    }

    //= tests/spec/ng.md#end
    //# An offer that is taken MUST take the delayed ends of its call back.
    /// Takes back whatever was to end of a call among those of a key.
    pub(super) fn take_back(&self, key: &Key, calls: &Calls, call: &Call) {
        let mut inner = self.lock();
        let Some(ends) = inner.ends.get_mut(key) else { return };
        ends.retain_mut(|End { which, tags, is_less, number: _ }| {
            let is_it = |tag: &String| {
                let found = calls.find(&which.call_id, &dialogue_of(tag, which));
                found.is_some_and(|found| std::ptr::eq(found, call))
            };
            let before = tags.len();
            tags.retain(|tag| !is_it(tag));
            *is_less |= tags.len() < before;
            !tags.is_empty()
        });
        if ends.is_empty() {
            inner.ends.remove(key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
