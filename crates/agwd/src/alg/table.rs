//! The calls of all faces: found by their owner and identifier, changed by one request at a time.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use agw_context::{ContextId, Controller};
use agw_iq::alg::AlgFailure;
use agw_sdp::{AlgError, Calls};

/// Requests under way at a time, of all calls.
const REQUESTS: usize = 2_048;
/// Requests of one call at a time: one that is carried out, and those that wait for it.
const REQUESTS_OF_A_CALL: usize = 16;
/// Calls of one controller with the same identifier, by different tags.
const CALLS_OF_AN_ID: usize = 16;

/// Whose call, and its identifier.
pub(super) type Key = (Controller, String);

type Entry = Arc<tokio::sync::Mutex<Calls>>;

/// Every call; clones are the same table.
#[derive(Clone)]
pub(super) struct Table {
    inner: Arc<Mutex<Inner>>,
    requests: Arc<Semaphore>,
}

struct Inner {
    entries: BTreeMap<Key, Entry>,
    contexts: BTreeMap<ContextId, Key>,
    limit: usize,
}

/// The calls of one identifier, held by one request; given back on drop.
pub(super) struct Held {
    table: Table,
    key: Key,
    calls: Option<OwnedMutexGuard<Calls>>,
    /// Calls that hold nothing, in place of those that were given back.
    none: Calls,
    _permit: OwnedSemaphorePermit,
}

impl Table {
    /// A table of at most `limit` calls.
    pub(super) fn new(limit: usize) -> Self {
        let (entries, contexts) = (BTreeMap::new(), BTreeMap::new());
        let inner = Arc::new(Mutex::new(Inner { entries, contexts, limit }));
        Self { inner, requests: Arc::new(Semaphore::new(REQUESTS)) }
    }

    /// Puts another limit in force; calls beyond it go on.
    pub(super) fn set_limit(&self, limit: usize) {
        self.lock().limit = limit;
    }

    /// How many calls there are.
    pub(super) fn len(&self) -> usize {
        self.lock().entries.len()
    }

    /// Waits for the calls of an identifier; there may be none of them yet if `is_offer`.
    pub(super) async fn hold(&self, key: Key, is_offer: bool) -> Result<Held, AlgFailure> {
        let requests = Arc::clone(&self.requests);
        let permit = requests.try_acquire_owned().map_err(|_none| AlgFailure::Busy)?;
        let entry = self.entry(&key, is_offer)?;
        let calls = Some(entry.lock_owned().await);
        Ok(Held { table: self.clone(), key, calls, none: Calls::new(0), _permit: permit })
    }

    fn entry(&self, key: &Key, is_offer: bool) -> Result<Entry, AlgFailure> {
        let mut inner = self.lock();
        let limit = inner.limit;
        if let Some(entry) = inner.entries.get(key) {
            // The table has one itself, and who holds it has two for a moment.
            if Arc::strong_count(entry) > REQUESTS_OF_A_CALL {
                return Err(AlgFailure::Busy);
            }
            return Ok(Arc::clone(entry));
        }
        if !is_offer {
            return Err(AlgError::UnknownCall.into());
        }
        if inner.entries.len() >= limit {
            return Err(AlgError::TooManyCalls { limit }.into());
        }
        let entry = Entry::new(tokio::sync::Mutex::new(Calls::new(CALLS_OF_AN_ID)));
        inner.entries.insert(key.clone(), Arc::clone(&entry));
        Ok(entry)
    }

    /// The key of a controller's calls with an identifier. Who sees everything sees those of others
    /// as well, if it has none itself.
    pub(super) fn seen_by(&self, controller: Controller, call_id: &str) -> Key {
        let own = (controller, call_id.to_owned());
        let inner = self.lock();
        if own.0 != Controller::local() || inner.entries.contains_key(&own) {
            return own;
        }
        let others = inner.entries.keys().find(|(_, id)| id == call_id);
        others.cloned().unwrap_or(own)
    }

    /// Notes whose call a context is for.
    pub(super) fn note(&self, context: ContextId, key: &Key) {
        self.lock().contexts.entry(context).or_insert_with(|| key.clone());
    }

    /// Forgets a context; tells whose call it was for.
    pub(super) fn ended(&self, context: ContextId) -> Option<Key> {
        self.lock().contexts.remove(&context)
    }

    /// The contexts of all calls.
    pub(super) fn contexts(&self) -> Vec<ContextId> {
        self.lock().contexts.keys().copied().collect()
    }

    /// The identifiers of a controller's calls after one.
    pub(super) fn list(
        &self,
        controller: &Controller,
        after: Option<&str>,
        limit: usize,
    ) -> Vec<String> {
        let from = (controller.clone(), after.unwrap_or_default().to_owned());
        let inner = self.lock();
        let keys = inner.entries.range(from..).map(|(key, _)| key);
        let own = keys.take_while(|(owner, _)| owner == controller).map(|(_, id)| id);
        own.filter(|id| Some(id.as_str()) != after).take(limit).cloned().collect()
    }

    /// Takes calls out that have ended, unless somebody waits for them.
    fn tidy(&self, key: &Key) {
        let mut inner = self.lock();
        let is_over = inner.entries.get(key).is_some_and(|entry| {
            Arc::strong_count(entry) == 1 && entry.try_lock().is_ok_and(|calls| calls.is_empty())
        });
        if is_over {
            inner.entries.remove(key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Whose calls, and their identifier.
    pub(super) const fn key(&self) -> &Key {
        &self.key
    }
}

impl Deref for Held {
    type Target = Calls;

    fn deref(&self) -> &Calls {
        self.calls.as_deref().unwrap_or(&self.none)
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut Calls {
        self.calls.as_deref_mut().unwrap_or(&mut self.none)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let is_empty = self.is_empty();
        drop(self.calls.take());
        if is_empty {
            self.table.tidy(&self.key);
        }
    }
}
