//! Where messages come in: who sends them, how fast, and whether they came before.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rand::{Rng, RngExt};
use tokio::net::UdpSocket;
use tokio::sync::{Semaphore, mpsc};
use tracing::debug;
use zeroize::Zeroizing;

use agw_ng::{
    Begun, CookieKey, CookieLimits, Cookies, Fingerprint, Fingerprinter, Form, Message, Overload,
    Refusal, Reply, Request, Value, WireError, reply,
};
use agw_relay::Network;

use super::face::Face;
use super::rate::Bucket;
use crate::config::Ng;
use crate::metrics::{Ignored, Metrics};

/// The longest datagram over IPv4, the shorter one.
const LONGEST: usize = 65_507;

/// Takes messages of every listener; clones are the same desk.
#[derive(Clone)]
pub(crate) struct Desk(Arc<Inner>);

struct Inner {
    face: Face,
    metrics: Metrics,
    pending: Arc<Semaphore>,
    connections: Arc<Semaphore>,
    fingerprinter: Fingerprinter,
    state: Mutex<State>,
}

struct State {
    cookies: Cookies<ReplyTo>,
    senders: Vec<(Network, Bucket)>,
}

/// Where a reply goes.
#[derive(Debug, Clone)]
pub(super) enum ReplyTo {
    Udp(Arc<UdpSocket>, SocketAddr),
    Tcp(mpsc::Sender<Reply>),
}

impl ReplyTo {
    /// Sends at once or not at all: whoever does not take replies asks again.
    fn send(&self, reply: &Reply) {
        match self {
            // A full buffer loses a datagram, as the way to the controller may.
            Self::Udp(socket, to) => drop(socket.try_send_to(reply, *to)),
            Self::Tcp(replies) => drop(replies.try_send(Reply::clone(reply))),
        }
    }
}

/// A request that is being carried out; dropped without a reply, it may be asked for again.
struct Ticket {
    desk: Desk,
    key: CookieKey,
    form: Form,
    reply_to: ReplyTo,
    is_open: bool,
}

impl Desk {
    pub(crate) fn new(face: Face, config: &Ng, metrics: Metrics, now: Instant) -> Self {
        let limits = CookieLimits {
            kept: Duration::from_millis(config.cookie_ms),
            ..CookieLimits::default()
        };
        let seed = rand::rng().random();
        let mut secret = Zeroizing::new([0; 64]);
        rand::rng().fill_bytes(&mut *secret);
        let senders = config.networks().into_iter();
        let senders = senders.map(|network| (network, Bucket::new(config.max_rate, now)));
        Self(Arc::new(Inner {
            face,
            metrics,
            pending: Arc::new(Semaphore::new(config.max_pending)),
            connections: Arc::new(Semaphore::new(config.max_connections)),
            fingerprinter: Fingerprinter::new(secret),
            state: Mutex::new(State {
                cookies: Cookies::new(limits, seed),
                senders: senders.collect(),
            }),
        }))
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(super) fn connections(&self) -> &Arc<Semaphore> {
        &self.0.connections
    }

    /// Whether somebody may speak at all.
    pub(super) fn knows(&self, from: IpAddr) -> bool {
        let from = from.to_canonical();
        let is_known = self.state().senders.iter().any(|(network, _)| network.contains(from));
        if !is_known {
            self.0.metrics.ng().ignored(Ignored::Address);
        }
        is_known
    }

    /// Takes a message; a reply, if there is one, goes its way later.
    pub(super) fn take(&self, datagram: &[u8], from: IpAddr, reply_to: ReplyTo) {
        let (now, from) = (Instant::now(), from.to_canonical());
        if let Err(ignored) = self.state().admit(from, now) {
            return self.0.metrics.ng().ignored(ignored);
        }
        let message = match Message::parse(datagram) {
            Ok(message) => message,
            //= tests/spec/ng.md#wire
            //# What is no message MUST get no reply, and MUST NOT harm other requests.
            Err(error @ (WireError::TooLong | WireError::NoCookie | WireError::NoDictionary)) => {
                debug!(%from, octets = datagram.len(), %error, "a message of ng is ignored");
                return self.0.metrics.ng().ignored(Ignored::Malformed);
            }
        };
        let Message { cookie, form, octets, body } = message;
        match Request::read(body) {
            Ok(Request::Ping) => {
                self.0.metrics.ng().answered("ping", "ok", now.elapsed());
                reply_to.send(&reply::write(cookie, form, &reply::pong()).into());
            }
            Ok(request) => {
                let said = self.0.fingerprinter.of(octets);
                self.begin(request, (from, cookie, said), form, reply_to, now);
            }
            Err(refusal) => {
                let (result, why) = (refusal.label(), refusal.logged());
                debug!(%from, result, %why, "a request of ng is refused");
                self.0.metrics.ng().answered("other", refusal.label(), now.elapsed());
                reply_to.send(&reply::write(cookie, form, &reply::error(&refusal)).into());
            }
        }
    }

    /// Carries a request out unless it came before.
    fn begin(
        &self,
        request: Request,
        (from, cookie, said): (IpAddr, &[u8], Fingerprint),
        form: Form,
        reply_to: ReplyTo,
        now: Instant,
    ) {
        let (name, knows_load_limit) = (request.name(), knows_load_limit(&request));
        let (begun, remembered) = {
            let mut state = self.state();
            let begun = state.cookies.begin((from, cookie, said), reply_to.clone(), now);
            (begun, state.cookies.len())
        };
        self.0.metrics.ng().cookies(remembered);
        let full = || {
            self.0.metrics.ng().answered(name, "overload", now.elapsed());
            let told = reply::overload(Overload::Load, knows_load_limit);
            reply_to.send(&reply::write(cookie, form, &told).into());
        };
        let key = match begun {
            Begun::First { key, cookie_is_known } => {
                if cookie_is_known {
                    self.0.metrics.ng().cookie_shared();
                }
                key
            }
            Begun::Again(reply) => {
                self.0.metrics.ng().repeated();
                return reply_to.send(&reply);
            }
            Begun::Waits => return self.0.metrics.ng().repeated(),
            Begun::Full => return full(),
        };
        let Ok(place) = Arc::clone(&self.0.pending).try_acquire_owned() else {
            self.state().cookies.abandon(&key);
            return full();
        };
        let ticket = Ticket { desk: self.clone(), key, form, reply_to, is_open: true };
        tokio::spawn(async move {
            let told = ticket.desk.0.face.carry_out(request).await;
            let result = told.as_ref().map_or_else(Refusal::label, |_| "ok");
            ticket.desk.0.metrics.ng().answered(name, result, now.elapsed());
            ticket.finish(&match told {
                Ok(reply) => reply,
                Err(Refusal::Overload(overload)) => reply::overload(overload, knows_load_limit),
                Err(refusal) => reply::error(&refusal),
            });
            drop(place);
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether somebody may speak now.
    fn admit(&mut self, from: IpAddr, now: Instant) -> Result<(), Ignored> {
        //= tests/spec/ng.md#who-may-speak
        //# Who is not on the list MUST NOT be heard.
        let sender = self.senders.iter_mut().find(|(network, _)| network.contains(from));
        let (_, bucket) = sender.ok_or(Ignored::Address)?;
        //= tests/spec/ng.md#who-may-speak
        //# Who speaks faster than configured MUST NOT be heard for as long.
        if bucket.take(now) { Ok(()) } else { Err(Ignored::Rate) }
    }
}

impl Ticket {
    fn finish(mut self, told: &Value) {
        self.is_open = false;
        let mut reply = reply::write(self.key.cookie(), self.form, told);
        if matches!(self.reply_to, ReplyTo::Udp(..)) && reply.len() > LONGEST {
            // Silence would be taken for a gateway that is gone.
            let refusal = Refusal::Other(format!(
                "The reply takes {} octets, more than a datagram",
                reply.len()
            ));
            reply = reply::write(self.key.cookie(), self.form, &reply::error(&refusal));
        }
        let reply = Reply::new(reply);
        let (kept, now) = (Reply::clone(&reply), Instant::now());
        let waiting = self.desk.state().cookies.finish(&self.key, kept, now);
        for waiting in waiting {
            waiting.send(&reply);
        }
        self.reply_to.send(&reply);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.is_open {
            self.desk.state().cookies.abandon(&self.key);
        }
    }
}

const fn knows_load_limit(request: &Request) -> bool {
    match request {
        Request::Offer(signalling) | Request::Answer(signalling) => {
            signalling.options.knows_load_limit
        }
        Request::Ping
        | Request::Delete(_)
        | Request::Query(_)
        | Request::List { .. }
        | Request::Statistics => false,
    }
}
