//! The calls of all faces: found by their owner and identifier, changed by one request at a time.

use std::collections::BTreeMap;
use std::ops::{Bound, Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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

/// How long a call without media stays for sure after the last request about it; then it makes room
/// for others where there is none left.
const BARE: Duration = Duration::from_mins(5);

/// Whose call, and its identifier.
pub(super) type Key = (Controller, String);

type Entry = Arc<tokio::sync::Mutex<Calls>>;

/// Every call; clones are the same table.
#[derive(Clone)]
pub(crate) struct Table {
    inner: Arc<Mutex<Inner>>,
    requests: Arc<Semaphore>,
}

struct Inner {
    entries: BTreeMap<Key, Entry>,
    /// Calls without any media at the gateway, and when a request last was about them: no context
    /// ends that would take them along.
    bare: BTreeMap<Key, Instant>,
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
    _permit: Option<OwnedSemaphorePermit>,
}

impl Table {
    /// A table of at most `limit` calls.
    pub(crate) fn new(limit: usize) -> Self {
        let (entries, bare, contexts) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let inner = Arc::new(Mutex::new(Inner { entries, bare, contexts, limit }));
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
        let entry = self.entry(&key, is_offer, Instant::now())?;
        Ok(self.held(key, entry, Some(permit)).await)
    }

    /// Waits for the calls of an identifier, however many do already; `None` if there are none.
    pub(super) async fn hold_to_forget(&self, key: Key) -> Option<Held> {
        let entry = self.lock().entries.get(&key).map(Arc::clone)?;
        Some(self.held(key, entry, None).await)
    }

    /// Waits for the calls of an identifier that is to have one more, whatever the limit says: it
    /// was counted under another controller.
    pub(super) async fn hold_to_adopt(&self, key: Key) -> Held {
        let entry = {
            let mut inner = self.lock();
            Arc::clone(inner.entries.entry(key.clone()).or_insert_with(new_entry))
        };
        self.held(key, entry, None).await
    }

    async fn held(&self, key: Key, entry: Entry, permit: Option<OwnedSemaphorePermit>) -> Held {
        let calls = Some(entry.lock_owned().await);
        Held { table: self.clone(), key, calls, none: Calls::new(0), _permit: permit }
    }

    fn entry(&self, key: &Key, is_offer: bool, now: Instant) -> Result<Entry, AlgFailure> {
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
        if inner.entries.len() >= limit && !inner.make_room(now) {
            return Err(AlgError::TooManyCalls { limit }.into());
        }
        let entry = new_entry();
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

    /// Whose call a context is for.
    pub(super) fn owner(&self, context: ContextId) -> Option<Key> {
        self.lock().contexts.get(&context).cloned()
    }

    /// Notes that a context is for another one's call now; tells whether it has not ended.
    pub(super) fn passes(&self, context: ContextId, to: Key) -> bool {
        self.lock().contexts.get_mut(&context).map(|owner| *owner = to).is_some()
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

    /// The calls that a controller sees, after one: its own, and all of them for who sees
    /// everything.
    pub(super) fn seen(
        &self,
        controller: &Controller,
        after: Option<&Key>,
        limit: usize,
    ) -> Vec<Key> {
        let sees_all = *controller == Controller::local();
        let first = (controller.clone(), String::new());
        let from = match after {
            Some(after) if sees_all || after.0 == *controller => Bound::Excluded(after),
            Some(_) | None if sees_all => Bound::Unbounded,
            Some(_) | None => Bound::Included(&first),
        };
        let inner = self.lock();
        let keys = inner.entries.range((from, Bound::Unbounded)).map(|(key, _)| key);
        keys.take_while(|key| sees_all || key.0 == *controller).take(limit).cloned().collect()
    }

    /// Notes whether calls have no media at the gateway, as of now.
    fn note_bare(&self, key: &Key, since: Option<Instant>) {
        let bare = &mut self.lock().bare;
        match since {
            Some(since) => bare.insert(key.clone(), since),
            None => bare.remove(key),
        };
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

impl Inner {
    /// Takes the call without media out that nobody asked about for longest, if there is one.
    fn make_room(&mut self, now: Instant) -> bool {
        let Self { entries, bare, .. } = self;
        let is_left = |key: &Key| entries.get(key).is_none_or(|one| Arc::strong_count(one) == 1);
        let is_old = |since: Instant| now.saturating_duration_since(since) >= BARE;
        let old = bare.iter().filter(|(key, since)| is_old(**since) && is_left(key));
        let Some(oldest) = old.min_by_key(|(_, since)| **since).map(|(key, _)| key.clone()) else {
            return false;
        };
        bare.remove(&oldest);
        entries.remove(&oldest).is_some()
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
        let is_bare = !is_empty && self.iter().all(|call| call.context().is_none());
        drop(self.calls.take());
        self.table.note_bare(&self.key, is_bare.then(Instant::now));
        if is_empty {
            self.table.tidy(&self.key);
        }
    }
}

fn new_entry() -> Entry {
    Entry::new(tokio::sync::Mutex::new(Calls::new(CALLS_OF_AN_ID)))
}

#[cfg(test)]
mod tests {
    use agw_sdp::{AlgPolicy, Dialogue, OfferRequest, SideOptions};

    use super::*;

    const OFFER: &[u8] = b"v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 0 RTP/AVP 8\r\n";

    /// Begins a call without media.
    async fn begin_bare(table: &Table, key: &Key) {
        let mut held = table.hold(key.clone(), true).await.unwrap_or_else(|_| panic!("room"));
        let dialogue = Dialogue { from_tag: "a", to_tag: None, via_branch: None };
        let side = SideOptions::core(None);
        let request = OfferRequest {
            dialogue,
            sdp: OFFER,
            near: &side,
            far: &side,
            rekey: false,
            supersedes: false,
            drops: None,
        };
        let call = held.for_offer(&key.1, &dialogue).expect("a call");
        let plan = call.plan_offer(&request, &AlgPolicy::default(), &mut |_| ());
        let (commands, pending) = plan.expect("a plan").into_parts();
        assert!(commands.is_empty());
        let call = held.find_mut(&key.1, &dialogue).expect("a call");
        call.conclude(pending, &[]).expect("an offer");
    }

    #[tokio::test]
    async fn a_call_without_media_that_nobody_asks_about_makes_room_in_time() {
        let table = Table::new(2);
        let (first, second, third) = (key("alg", "1"), key("alg", "2"), key("alg", "3"));
        begin_bare(&table, &first).await;
        begin_bare(&table, &second).await;
        assert_eq!(table.len(), 2);
        let now = Instant::now();
        assert!(table.entry(&third, true, now).is_err());
        // Somebody asks about the first one.
        drop(table.hold(first.clone(), false).await);
        let later = Instant::now() + BARE;
        assert!(table.entry(&third, true, later).is_ok());
        assert!(table.hold(first, false).await.is_ok(), "not the oldest");
        assert!(table.hold(second, false).await.is_err(), "the oldest");
    }

    fn key(controller: &str, call_id: &str) -> Key {
        (Controller(controller.to_owned()), call_id.to_owned())
    }

    async fn begin(table: &Table, key: &Key) -> Result<(), AlgFailure> {
        let mut held = table.hold(key.clone(), true).await?;
        let dialogue = Dialogue { from_tag: "a", to_tag: None, via_branch: None };
        held.for_offer(&key.1, &dialogue)?;
        // A call without a branch is empty; what counts here is that somebody holds it.
        std::mem::forget(held);
        Ok(())
    }

    #[tokio::test]
    async fn there_are_as_many_calls_as_the_limit_says_and_room_again_when_one_is_given_back() {
        let table = Table::new(1);
        let first = table.hold(key("alg", "one"), true).await.unwrap_or_else(|_| panic!("room"));
        let refused = table.hold(key("alg", "two"), true).await.err();
        assert_eq!(refused.map(|failure| failure.sip_status()), Some(503));
        drop(first);
        assert_eq!(table.len(), 0);
        assert!(table.hold(key("alg", "two"), true).await.is_ok());
    }

    #[tokio::test]
    async fn a_request_that_begins_no_call_finds_only_those_that_there_are() {
        let table = Table::new(1);
        let refused = table.hold(key("alg", "one"), false).await.err();
        assert_eq!(refused.map(|failure| failure.reason()), Some("UNKNOWN_CALL"));
        assert_eq!(table.len(), 0);
    }

    #[tokio::test]
    async fn so_many_requests_wait_for_a_call_and_no_more() {
        let table = Table::new(1);
        let held = table.hold(key("alg", "one"), true).await.unwrap_or_else(|_| panic!("room"));
        let waiting: Vec<_> = (1..REQUESTS_OF_A_CALL)
            .map(|_| {
                let table = table.clone();
                tokio::spawn(async move { table.hold(key("alg", "one"), true).await.is_ok() })
            })
            .collect();
        for _ in 0..REQUESTS_OF_A_CALL {
            tokio::task::yield_now().await;
        }
        let refused = table.hold(key("alg", "one"), true).await.err();
        assert!(matches!(refused, Some(AlgFailure::Busy)));
        drop(held);
        for one in waiting {
            assert!(one.await.expect("a request"));
        }
        assert_eq!(table.len(), 0);
    }

    #[tokio::test]
    async fn a_list_has_the_calls_of_its_controller_in_order_and_goes_on_after_one() {
        let table = Table::new(8);
        for (controller, call_id) in [("b", "2"), ("a", "9"), ("b", "1"), ("b", "3"), ("c", "0")] {
            begin(&table, &key(controller, call_id)).await.unwrap_or_else(|_| panic!("room"));
        }
        let controller = Controller("b".to_owned());
        assert_eq!(table.list(&controller, None, 2), ["1", "2"]);
        assert_eq!(table.list(&controller, Some("2"), 2), ["3"]);
        let (a, c) = (Controller("a".to_owned()), Controller("c".to_owned()));
        assert_eq!(table.seen(&a, None, 9), [key("a", "9")]);
        assert_eq!(table.seen(&controller, Some(&key("b", "1")), 1), [key("b", "2")]);
        assert_eq!(table.seen(&c, Some(&key("a", "9")), 9), [key("c", "0")], "only its own");
        let all = table.seen(&Controller::local(), Some(&key("b", "2")), 9);
        assert_eq!(all, [key("b", "3"), key("c", "0")]);
        assert_eq!(table.seen_by(Controller::local(), "9"), key("a", "9"));
        assert_eq!(table.seen_by(controller, "9"), key("b", "9"));
    }
}
