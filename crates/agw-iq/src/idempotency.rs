//! Transactions that were carried out, so that a retry is answered and not carried out again.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, VecDeque};
use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use agw_context::Controller;
use prost::Message;
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::pb;
use crate::status::Failure;

/// How long an answer is kept after it was given.
const KEPT: Duration = Duration::from_mins(10);
/// The most transactions kept.
const MAX_ENTRIES: usize = 100_000;
/// The most octets of answers kept.
const MAX_OCTETS: usize = 64 << 20;

/// What became of a transaction.
#[derive(Debug, Clone)]
pub(crate) struct Outcome(pub(crate) Result<Vec<pb::CommandReply>, Failure>);

impl Outcome {
    /// Whether the answer would be the same later.
    fn is_final(&self) -> bool {
        self.0.as_ref().err().is_none_or(Failure::is_final)
    }

    /// The octets that it takes to keep, roughly.
    fn octets(&self) -> usize {
        match &self.0 {
            Ok(replies) => replies.iter().map(pb::CommandReply::encoded_len).sum(),
            Err(failure) => failure.octets(),
        }
    }
}

/// Waits for what becomes of a transaction; `None` if it was given up.
pub(crate) struct Pending(watch::Receiver<Option<Outcome>>);

impl Pending {
    pub(crate) async fn outcome(mut self) -> Option<Outcome> {
        self.0.wait_for(Option::is_some).await.ok()?.clone()
    }
}

/// The content of a request, so that two can be told apart but none can be told from it: two
/// SipHash sums under random keys of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digest([u64; 2]);

/// Whose transaction, and its id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    controller: Controller,
    id: String,
}

/// The transactions of the last 10 minutes.
pub(crate) struct Transactions {
    digest_keys: [RandomState; 2],
    kept: Mutex<Kept>,
    max_entries: usize,
}

#[derive(Default)]
struct Kept {
    entries: BTreeMap<Key, Entry>,
    /// Those that are over, oldest first.
    over: VecDeque<Over>,
    octets: usize,
}

struct Entry {
    digest: Digest,
    outcome: watch::Receiver<Option<Outcome>>,
}

struct Over {
    key: Key,
    at: Instant,
    octets: usize,
}

/// How to go on with a transaction.
pub(crate) enum Begun {
    /// It is new: carry it out and finish the ticket.
    First(Ticket, Pending),
    /// It was carried out, or is being so: wait for its answer.
    Again(Pending),
    /// Its id was used with other content.
    Reused,
    /// There is no room for it: more are under way than are kept.
    Full,
}

impl Transactions {
    pub(crate) fn new() -> Self {
        Self::with_room(MAX_ENTRIES)
    }

    fn with_room(max_entries: usize) -> Self {
        Self {
            digest_keys: [RandomState::new(), RandomState::new()],
            kept: Mutex::new(Kept::default()),
            max_entries,
        }
    }

    /// Sums up a request to a procedure.
    pub(crate) fn digest(&self, procedure: &str, request: &impl Message) -> Digest {
        // Exactly as much room as needed: growing would leave copies of keys on the heap.
        let mut octets = Zeroizing::new(Vec::with_capacity(request.encoded_len()));
        let encoded = request.encode(&mut *octets);
        debug_assert!(encoded.is_ok(), "a vector has room");
        Digest(self.digest_keys.each_ref().map(|key| {
            let mut hasher = key.build_hasher();
            hasher.write(procedure.as_bytes());
            hasher.write_u8(0);
            hasher.write(&octets);
            hasher.finish()
        }))
    }

    /// Looks a transaction up, and notes it if it is new.
    pub(crate) fn begin(
        self: &Arc<Self>,
        controller: &Controller,
        id: Option<String>,
        digest: Digest,
        now: Instant,
    ) -> Begun {
        let (sender, receiver) = watch::channel(None);
        let Some(id) = id else {
            let ticket = Ticket { transactions: Arc::clone(self), key: None, sender };
            return Begun::First(ticket, Pending(receiver));
        };
        let key = Key { controller: controller.clone(), id };
        let mut kept = self.kept();
        kept.forget(now, self.max_entries);
        if let Some(entry) = kept.entries.get(&key) {
            if entry.digest != digest {
                return Begun::Reused;
            }
            return Begun::Again(Pending(entry.outcome.clone()));
        }
        if kept.entries.len() >= self.max_entries {
            return Begun::Full;
        }
        let entry = Entry { digest, outcome: receiver.clone() };
        kept.entries.insert(key.clone(), entry);
        let ticket = Ticket { transactions: Arc::clone(self), key: Some(key), sender };
        Begun::First(ticket, Pending(receiver))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Forgets what is too old, and the oldest of what is too much.
    fn forget(&mut self, now: Instant, max_entries: usize) {
        while let Some(oldest) = self.over.front() {
            let is_old = now.saturating_duration_since(oldest.at) >= KEPT;
            if !is_old && self.entries.len() < max_entries && self.octets <= MAX_OCTETS {
                return;
            }
            if let Some(Over { key, octets, .. }) = self.over.pop_front() {
                self.entries.remove(&key);
                self.octets -= octets;
            }
        }
    }
}

/// A transaction under way; dropped without an outcome, it is as if it had never been.
pub(crate) struct Ticket {
    transactions: Arc<Transactions>,
    key: Option<Key>,
    sender: watch::Sender<Option<Outcome>>,
}

impl Ticket {
    /// Gives the outcome to all who wait, and keeps it if it is final.
    pub(crate) fn finish(mut self, outcome: Outcome, now: Instant) {
        if outcome.is_final() {
            if let Some(key) = self.key.take() {
                let octets = outcome.octets();
                let mut kept = self.transactions.kept();
                kept.octets += octets;
                kept.over.push_back(Over { key, at: now, octets });
            }
        } else {
            self.give_up();
        }
        self.sender.send_replace(Some(outcome));
    }

    fn give_up(&mut self) {
        if let Some(key) = self.key.take() {
            self.transactions.kept().entries.remove(&key);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.give_up();
    }
}
