//! Which requests were answered, so that a retry is answered alike and not carried out again.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::fingerprint::Fingerprint;
use crate::value::Octets;

/// How much is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CookieLimits {
    /// Requests under way and answered.
    pub entries: usize,
    /// Octets of replies.
    pub octets: usize,
    /// How long after its reply a request is remembered.
    pub kept: Duration,
    /// Retries that wait for the reply of one request.
    pub waiting: usize,
}

impl Default for CookieLimits {
    fn default() -> Self {
        Self { entries: 100_000, octets: 64 << 20, kept: Duration::from_mins(1), waiting: 16 }
    }
}

/// Whose request, its cookie and what it says; clones are the same key.
///
/// A sum of the first two stands before them, so that finding one among a hundred thousand looks at
/// one cookie. Controllers behind one address may use the same cookies, as of processes with the
/// same numbers in containers of one host: what differs in its octets is another request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CookieKey {
    sum: u64,
    from: IpAddr,
    cookie: Arc<[u8]>,
    said: Fingerprint,
}

impl CookieKey {
    /// The cookie.
    #[must_use]
    pub fn cookie(&self) -> &[u8] {
        &self.cookie
    }
}

/// A reply as it is kept and sent; clones are the same octets.
pub type Reply = Arc<Octets>;

/// The requests of the last minute. `W` is who waits for a reply.
#[derive(Debug)]
pub struct Cookies<W> {
    limits: CookieLimits,
    /// A random number: nobody can tell which cookies have sums that are alike.
    seed: u64,
    entries: BTreeMap<CookieKey, Fate<W>>,
    /// Those that are answered, oldest first.
    over: VecDeque<(Instant, CookieKey)>,
    octets: usize,
}

#[derive(Debug)]
enum Fate<W> {
    UnderWay(Vec<W>),
    Over(Reply),
}

/// How to go on with a request.
#[derive(Debug)]
pub enum Begun {
    /// It is new: carry it out, then [`Cookies::finish`] it by its key.
    First {
        /// Its key.
        key: CookieKey,
        /// Whether another request under this cookie is remembered, from the same address.
        cookie_is_known: bool,
    },
    /// It was answered: send this.
    Again(Reply),
    /// It is being carried out: whoever asked is told with the others.
    Waits,
    /// There is no room: more are under way than may be remembered, or more wait for this one
    /// than may.
    Full,
}

impl<W> Cookies<W> {
    /// Nothing is remembered yet; `seed` is a random number.
    #[must_use]
    pub const fn new(limits: CookieLimits, seed: u64) -> Self {
        Self { limits, seed, entries: BTreeMap::new(), over: VecDeque::new(), octets: 0 }
    }

    /// Looks a request up by its sender and cookie and by what it says, and notes it if it is new.
    pub fn begin(
        &mut self,
        (from, cookie, said): (IpAddr, &[u8], Fingerprint),
        waiter: W,
        now: Instant,
    ) -> Begun {
        self.forget_old(now);
        let key = self.key(from, cookie, said);
        match self.entries.get_mut(&key) {
            //= tests/spec/ng.md#retries
            //# The same request under the same cookie from the same address within a minute MUST get the same reply, and nothing MUST be done twice.
            Some(Fate::Over(reply)) => return Begun::Again(reply.clone()),
            //= tests/spec/ng.md#retries
            //# A retry that comes while its request is carried out MUST wait for the one reply.
            Some(Fate::UnderWay(waiting)) if waiting.len() < self.limits.waiting => {
                waiting.push(waiter);
                return Begun::Waits;
            }
            Some(Fate::UnderWay(_)) => return Begun::Full,
            None => {}
        }
        while self.entries.len() >= self.limits.entries {
            if !self.forget_oldest() {
                return Begun::Full;
            }
        }
        //= tests/spec/ng.md#retries
        //# Another request under the same cookie MUST be carried out, and counted.
        let cookie_is_known = self.knows_cookie(&key);
        self.entries.insert(key.clone(), Fate::UnderWay(Vec::new()));
        Begun::First { key, cookie_is_known }
    }

    fn knows_cookie(&self, key: &CookieKey) -> bool {
        let least = CookieKey { said: Fingerprint::LEAST, ..key.clone() };
        self.entries.range(least..).next().is_some_and(|(one, _)| {
            (one.sum, one.from, &one.cookie) == (key.sum, key.from, &key.cookie)
        })
    }

    fn key(&self, from: IpAddr, cookie: &[u8], said: Fingerprint) -> CookieKey {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.seed);
        from.hash(&mut hasher);
        hasher.write(cookie);
        CookieKey { sum: hasher.finish(), from, cookie: Arc::from(cookie), said }
    }

    /// Notes the reply of a request; tells who else waits for it.
    pub fn finish(&mut self, key: &CookieKey, reply: Reply, now: Instant) -> Vec<W> {
        let Some(fate) = self.entries.get_mut(key) else { return Vec::new() };
        let waiting = match fate {
            Fate::UnderWay(waiting) => std::mem::take(waiting),
            Fate::Over(_) => return Vec::new(),
        };
        self.octets += reply.len();
        *fate = Fate::Over(reply);
        self.over.push_back((now, key.clone()));
        while self.octets > self.limits.octets && self.forget_oldest() {}
        waiting
    }

    //= tests/spec/ng.md#retries
    //# A request that came to nothing MUST be carried out when it is asked for again.
    /// Forgets a request that came to nothing; a retry is carried out.
    pub fn abandon(&mut self, key: &CookieKey) {
        if let Some(Fate::UnderWay(_)) = self.entries.get(key) {
            self.entries.remove(key);
        }
    }

    /// How many requests are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The octets of replies that are remembered.
    #[must_use]
    pub const fn octets(&self) -> usize {
        self.octets
    }

    /// Forgets what is older than it may be. Every look-up does so too; this is for quiet times.
    pub fn forget_old(&mut self, now: Instant) {
        while let Some((at, _)) = self.over.front()
            && now.saturating_duration_since(*at) >= self.limits.kept
        {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) -> bool {
        let Some((_, key)) = self.over.pop_front() else { return false };
        if let Some(Fate::Over(reply)) = self.entries.remove(&key) {
            self.octets = self.octets.saturating_sub(reply.len());
        }
        true
    }
}
