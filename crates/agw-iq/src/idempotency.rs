//! Transactions that were carried out, so that a retry is answered and not carried out again.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use agw_context::Controller;
use prost::Message;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::pb;
use crate::status::Failure;

/// How long an answer is kept after it was given.
const KEPT: Duration = Duration::from_mins(10);
/// The most transactions kept.
const MAX_ENTRIES: usize = 100_000;
/// The most octets of answers kept.
const MAX_OCTETS: usize = 64 << 20;

/// What became of a transaction, with its replies.
#[derive(Debug, Clone)]
pub(crate) struct Outcome<M = pb::TransactionReplies>(pub(crate) Result<M, Failure>);

impl<M: Message> Outcome<M> {
    /// What is kept of it, if the answer would be the same later.
    fn to_keep(&self) -> Option<Answer> {
        match &self.0 {
            Ok(replies) => Some(Answer::Done(replies.encode_to_vec().into_boxed_slice())),
            Err(failure) => failure.is_final().then(|| Answer::Refused(Box::new(failure.clone()))),
        }
    }
}

/// A final answer as it is kept: replies encoded, which takes a fraction of their room.
enum Answer {
    /// Encoded replies.
    Done(Box<[u8]>),
    Refused(Box<Failure>),
}

impl Answer {
    /// The octets that it takes to keep, roughly.
    fn octets(&self) -> usize {
        match self {
            Self::Done(octets) => octets.len(),
            Self::Refused(failure) => failure.octets(),
        }
    }

    /// The answer once more; `None` never, in truth: it was encoded here.
    fn again<M: Message + Default>(&self) -> Option<Outcome<M>> {
        match self {
            Self::Done(octets) => Some(Outcome(Ok(M::decode(&**octets).ok()?))),
            Self::Refused(failure) => Some(Outcome(Err(Failure::clone(failure)))),
        }
    }
}

/// Waits for what becomes of a transaction; `None` if it was given up.
pub(crate) struct Pending<M = pb::TransactionReplies>(oneshot::Receiver<Outcome<M>>);

impl<M> Pending<M> {
    pub(crate) async fn outcome(self) -> Option<Outcome<M>> {
        self.0.await.ok()
    }

    /// The same, to be asked until it is there and not again.
    pub(crate) fn poll_outcome(&mut self, context: &mut Context<'_>) -> Poll<Option<Outcome<M>>> {
        Pin::new(&mut self.0).poll(context).map(Result::ok)
    }
}

/// The content of a request, so that two can be told apart but none can be told from it: two
/// SipHash sums under random keys of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digest([u64; 2]);

/// Whose transaction, and its id, in sums as those of a [`Digest`]: small, and soon compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key([u64; 2]);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self([sum, _]) = self;
        state.write_u64(*sum);
    }
}

/// Takes a key's sum for its hash: nobody outside can tell which ids share a place.
#[derive(Default)]
struct Summed(u64);

impl Hasher for Summed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, octets: &[u8]) {
        for octet in octets {
            self.0 = self.0.rotate_left(8) ^ u64::from(*octet);
        }
    }

    fn write_u64(&mut self, sum: u64) {
        self.0 = sum;
    }
}

/// The transactions of the last minutes, by the messages that answer them.
pub(crate) struct Transactions<M = pb::TransactionReplies> {
    digest_keys: [RandomState; 2],
    kept: Mutex<Kept<M>>,
    max_entries: usize,
    /// How long an answer is kept after it was given.
    kept_for: Duration,
}

struct Kept<M> {
    /// Looked into for every call that is refused: a retry of one that was taken is none.
    entries: HashMap<Key, Entry<M>, BuildHasherDefault<Summed>>,
    /// Those that are over, oldest first.
    over: VecDeque<Over>,
    octets: usize,
}

struct Entry<M> {
    digest: Digest,
    fate: Fate<M>,
}

/// What has become of a transaction so far.
enum Fate<M> {
    /// It is being carried out; these asked for it once more.
    UnderWay(Vec<oneshot::Sender<Outcome<M>>>),
    /// It was carried out, or refused for good.
    Over(Answer),
}

struct Over {
    key: Key,
    at: Instant,
    octets: usize,
}

/// How to go on with a transaction.
pub(crate) enum Begun<M: Message + Default + Clone = pb::TransactionReplies> {
    /// It is new: carry it out and finish the ticket.
    First(Ticket<M>, Pending<M>),
    /// It was carried out, or is being so: wait for its answer.
    Again(Pending<M>),
    /// Its id was used with other content.
    Reused,
    /// There is no room for it: more are under way than are kept.
    Full,
}

impl Transactions {
    pub(crate) fn new() -> Self {
        Self::with_room(MAX_ENTRIES, KEPT)
    }
}

impl<M: Message + Default + Clone> Transactions<M> {
    /// Keeps the answers of a time, as many as there is room for.
    pub(crate) fn keeping(time: Duration) -> Self {
        Self::with_room(MAX_ENTRIES, time)
    }

    fn with_room(max_entries: usize, kept_for: Duration) -> Self {
        Self {
            digest_keys: [RandomState::new(), RandomState::new()],
            kept: Mutex::new(Kept {
                entries: HashMap::default(),
                over: VecDeque::new(),
                octets: 0,
            }),
            max_entries,
            kept_for,
        }
    }

    /// Sums up a request to a procedure.
    pub(crate) fn digest(&self, procedure: &str, request: &impl Message) -> Digest {
        // Exactly as much room as needed: growing would leave copies of keys on the heap.
        let mut octets = Zeroizing::new(Vec::with_capacity(request.encoded_len()));
        let encoded = request.encode(&mut *octets);
        debug_assert!(encoded.is_ok(), "a vector has room");
        Digest(self.sums(procedure.as_bytes(), &octets))
    }

    fn key(&self, controller: &Controller, id: &str) -> Key {
        Key(self.sums(controller.0.as_bytes(), id.as_bytes()))
    }

    /// Sums of two strings; where one ends and the other begins makes a difference.
    fn sums(&self, first: &[u8], second: &[u8]) -> [u64; 2] {
        self.digest_keys.each_ref().map(|key| {
            let mut hasher = key.build_hasher();
            hasher.write_usize(first.len());
            hasher.write(first);
            hasher.write(second);
            hasher.finish()
        })
    }

    /// Looks a transaction up, and notes it if it is new.
    pub(crate) fn begin(
        self: &Arc<Self>,
        controller: &Controller,
        id: Option<String>,
        digest: Digest,
        now: Instant,
    ) -> Begun<M> {
        let (sender, receiver) = oneshot::channel();
        let pending = Pending(receiver);
        let Some(id) = id else {
            let ticket = Ticket { transactions: Arc::clone(self), key: None, sender: Some(sender) };
            return Begun::First(ticket, pending);
        };
        let key = self.key(controller, &id);
        let mut kept = self.kept();
        kept.forget_old(now, self.kept_for);
        if let Some(entry) = kept.entries.get_mut(&key) {
            if entry.digest != digest {
                //= tests/spec/iq.md#transactions
                //# A transaction id that comes with other content MUST be refused.
                return Begun::Reused;
            }
            //= tests/spec/iq.md#transactions
            //# A repeated transaction id MUST give the first answer again and MUST NOT act twice.
            entry.fate.tell_again(sender);
            return Begun::Again(pending);
        }
        if !kept.make_room(self.max_entries) {
            return Begun::Full;
        }
        let entry = Entry { digest, fate: Fate::UnderWay(Vec::new()) };
        kept.entries.insert(key, entry);
        let ticket =
            Ticket { transactions: Arc::clone(self), key: Some(key), sender: Some(sender) };
        Begun::First(ticket, pending)
    }

    /// Whether a transaction was carried out, refused for good, or is under way.
    pub(crate) fn knows(&self, controller: &Controller, id: &str) -> bool {
        !id.is_empty() && self.kept().entries.contains_key(&self.key(controller, id))
    }

    /// Whether no transaction is kept or under way.
    pub(crate) fn is_empty(&self) -> bool {
        self.kept().entries.is_empty()
    }

    /// Forgets what is too old.
    pub(crate) fn forget_old(&self, now: Instant) {
        self.kept().forget_old(now, self.kept_for);
    }

    fn kept(&self) -> MutexGuard<'_, Kept<M>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M: Message + Default> Fate<M> {
    /// Tells it to one who asks once more, now or when it is over.
    fn tell_again(&mut self, asker: oneshot::Sender<Outcome<M>>) {
        match self {
            Self::UnderWay(waiting) => waiting.push(asker),
            Self::Over(answer) => {
                if let Some(outcome) = answer.again() {
                    // The receiver is on its way to who asks.
                    let _ = asker.send(outcome);
                }
            }
        }
    }
}

impl<M> Kept<M> {
    /// Notes the end of a transaction; returns who waits for it besides the first.
    fn finish(
        &mut self,
        key: Key,
        answer: Option<Answer>,
        now: Instant,
    ) -> Vec<oneshot::Sender<Outcome<M>>> {
        let fate = match answer {
            Some(answer) => {
                let octets = answer.octets();
                let Some(entry) = self.entries.get_mut(&key) else {
                    return Vec::new();
                };
                self.octets += octets;
                self.over.push_back(Over { key, at: now, octets });
                std::mem::replace(&mut entry.fate, Fate::Over(answer))
            }
            None => match self.entries.remove(&key) {
                Some(entry) => entry.fate,
                None => return Vec::new(),
            },
        };
        match fate {
            Fate::UnderWay(waiting) => waiting,
            Fate::Over(_) => Vec::new(),
        }
    }

    /// Forgets what is too old.
    fn forget_old(&mut self, now: Instant, kept_for: Duration) {
        let is_old = |over: &Over| now.saturating_duration_since(over.at) >= kept_for;
        while self.over.front().is_some_and(is_old) {
            self.forget_oldest();
        }
    }

    /// Forgets the oldest to make room for one more; tells whether there is.
    fn make_room(&mut self, max_entries: usize) -> bool {
        while self.entries.len() >= max_entries || self.octets > MAX_OCTETS {
            if !self.forget_oldest() {
                return false;
            }
        }
        true
    }

    /// Forgets the oldest that is over, if there is one.
    fn forget_oldest(&mut self) -> bool {
        let Some(Over { key, octets, .. }) = self.over.pop_front() else {
            return false;
        };
        self.entries.remove(&key);
        self.octets -= octets;
        true
    }
}

/// A transaction under way; dropped without an outcome, it is as if it had never been.
pub(crate) struct Ticket<M: Message + Default + Clone = pb::TransactionReplies> {
    transactions: Arc<Transactions<M>>,
    key: Option<Key>,
    sender: Option<oneshot::Sender<Outcome<M>>>,
}

impl<M: Message + Default + Clone> Ticket<M> {
    /// Gives the outcome to all who wait, and keeps it if it is final.
    pub(crate) fn finish(mut self, outcome: Outcome<M>, now: Instant) {
        if let Some(key) = self.key.take() {
            let answer = outcome.to_keep();
            let waiting = self.transactions.kept().finish(key, answer, now);
            for asker in waiting {
                // Whoever asked may have gone: answers to nobody are dropped.
                let _ = asker.send(outcome.clone());
            }
        }
        if let Some(first) = self.sender.take() {
            let _ = first.send(outcome);
        }
    }
}

impl<M: Message + Default + Clone> Drop for Ticket<M> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.transactions.kept().entries.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome() -> Outcome {
        Outcome(Ok(pb::TransactionReplies { replies: vec![pb::CommandReply::default()] }))
    }

    fn begin(transactions: &Arc<Transactions>, id: &str, now: Instant) -> Begun {
        let digest = transactions.digest("P", &pb::ReleaseRequest::default());
        let controller = Controller("alg".to_owned());
        transactions.begin(&controller, Some(id.to_owned()), digest, now)
    }

    fn carry_out(transactions: &Arc<Transactions>, id: &str, now: Instant) {
        let Begun::First(ticket, _) = begin(transactions, id, now) else {
            panic!("{id} is not new");
        };
        ticket.finish(outcome(), now);
    }

    #[test]
    fn an_answer_is_kept_for_ten_minutes_and_no_longer() {
        let transactions = Arc::new(Transactions::new());
        let start = Instant::now();
        carry_out(&transactions, "t", start);
        let last = start + KEPT - Duration::from_nanos(1);
        assert!(matches!(begin(&transactions, "t", last), Begun::Again(_)));
        assert!(matches!(begin(&transactions, "t", start + KEPT), Begun::First(..)));
        assert_eq!(transactions.kept().octets, 0);
    }

    #[test]
    fn the_oldest_answer_makes_room_and_what_is_under_way_does_not() {
        let transactions = Arc::new(Transactions::with_room(2, KEPT));
        let now = Instant::now();
        let Begun::First(under_way, _) = begin(&transactions, "under way", now) else {
            panic!("not new");
        };
        carry_out(&transactions, "a", now);
        carry_out(&transactions, "b", now);
        assert!(matches!(begin(&transactions, "b", now), Begun::Again(_)));
        assert!(matches!(begin(&transactions, "under way", now), Begun::Again(_)));
        assert!(matches!(begin(&transactions, "a", now), Begun::First(..)));
        drop(under_way);
    }

    #[test]
    fn more_under_way_than_there_is_room_for_are_turned_away() {
        let transactions = Arc::new(Transactions::with_room(1, KEPT));
        let now = Instant::now();
        let first = begin(&transactions, "a", now);
        assert!(matches!(begin(&transactions, "b", now), Begun::Full));
        drop(first);
        assert!(matches!(begin(&transactions, "b", now), Begun::First(..)));
    }

    #[test]
    fn a_transaction_that_was_given_up_is_as_if_it_had_never_been() {
        let transactions = Arc::new(Transactions::new());
        let now = Instant::now();
        drop(begin(&transactions, "t", now));
        assert!(matches!(begin(&transactions, "t", now), Begun::First(..)));
    }

    #[test]
    fn digests_tell_procedures_and_contents_apart_and_differ_between_processes() {
        let transactions = Transactions::new();
        let (one, other) = (
            pb::ReleaseRequest::default(),
            pb::ReleaseRequest { transaction_id: "t".to_owned(), release: None },
        );
        assert_eq!(transactions.digest("P", &one), transactions.digest("P", &one));
        assert_ne!(transactions.digest("P", &one), transactions.digest("P", &other));
        assert_ne!(transactions.digest("P", &one), transactions.digest("Q", &one));
        assert_ne!(transactions.digest("P", &one), Transactions::new().digest("P", &one));
    }
}
