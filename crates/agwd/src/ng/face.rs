//! One request, carried out over the calls of the IMS-ALG.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tracing::debug;

use agw_context::Controller;
use agw_iq::alg::{
    Alg, AlgFailure, Answer, CallName, CallView, Deleted, NG_CONTROLLER, Offer, Which,
};
use agw_ng::reply::{self, CallReport, Sealing, Statistics, Traffic};
use agw_ng::{
    Book, Delete, Octets, Options, Overload, Query, Refusal, Request, Shown, Signalling, Value,
    came_through, from_source,
};
use agw_relay::DropReason;
use agw_sdp::{AlgError, Signalled};

use super::{failure, report};
use crate::alg::SignalledCalls;
use crate::config::Ng;
use crate::control::ControlClient;
use crate::metrics::Metrics;

/// The most calls that wait for their delayed end.
const DELAYED: usize = 10_000;
/// The most calls that `list` tells.
const LISTED: usize = 1_000;
/// How often what is remembered of calls is held against the calls that there are.
const SWEEP: Duration = Duration::from_secs(60);

/// Carries requests out; clones are the same face.
#[derive(Clone)]
pub(crate) struct Face {
    calls: SignalledCalls,
    control: ControlClient,
    metrics: Metrics,
    started: Instant,
    own: Arc<Own>,
}

/// What the face itself has.
struct Own {
    /// What marks descriptions that passed here.
    mark: String,
    /// Whether signalling that nothing is said of is protected.
    protected_signalling: bool,
    book: Mutex<Book>,
    delayed: Arc<Semaphore>,
}

/// Under which name contexts of ng are.
pub(crate) fn controller() -> Controller {
    Controller(NG_CONTROLLER.to_owned())
}

impl Face {
    /// `random` is a number that nobody can tell; `limit` the most calls.
    pub(crate) fn new(
        calls: SignalledCalls,
        control: ControlClient,
        metrics: Metrics,
        (random, limit): (u64, usize),
        config: &Ng,
    ) -> Self {
        let own = Own {
            mark: format!("{:016x}", random.rotate_left(17)),
            protected_signalling: config.protected_signalling,
            book: Mutex::new(Book::new(random, limit)),
            delayed: Arc::new(Semaphore::new(DELAYED)),
        };
        // The desk has a task for every request, which sees it through.
        let calls = calls.seen_through();
        Self { calls, control, metrics, started: Instant::now(), own: Arc::new(own) }
    }

    pub(super) async fn carry_out(&self, request: Request) -> Result<Value, Refusal> {
        match request {
            Request::Ping => Ok(reply::pong()),
            Request::Offer(offer) => self.offer(*offer).await,
            Request::Answer(answer) => self.answer(*answer).await,
            Request::Delete(delete) => self.delete(delete).await,
            Request::Query(query) => self.query(query).await,
            Request::List { limit } => {
                Ok(reply::list(&self.calls.list(&controller(), None, limit.min(LISTED))))
            }
            Request::Statistics => self.statistics().await,
        }
    }

    async fn offer(&self, offer: Signalling) -> Result<Value, Refusal> {
        let Signalling { call_id, from_tag, to_tag, via_branch, sdp, options } = offer;
        self.metrics.ng().unknown_flags(options.unknown);
        if options.loop_protect && came_through(&sdp, &self.own.mark) {
            return Ok(reply::signalled(sdp, None));
        }
        let sdp = as_received(sdp, &options);
        let protected = self.own.protected_signalling;
        let (near, far) = (options.near(protected), options.far(&sdp, protected));
        let name = name(&call_id, &from_tag, to_tag, via_branch);
        // ng has no word for an offer that was rejected.
        let (rekey, supersedes, priority) = (false, true, None);
        //= tests/spec/ng.md#gates
        //# From `drop-traffic=start` on no media of the call MUST pass, in either direction.
        let drops = options.drops;
        let offer = Offer { name, sdp, near, far, rekey, supersedes, drops, priority };
        let signalled = self.calls.offer(offer).await.map_err(|one| failure::refusal(&one))?;
        Ok(self.passed_on(&call_id, &from_tag, &options, signalled))
    }

    async fn answer(&self, answer: Signalling) -> Result<Value, Refusal> {
        let Signalling { call_id, from_tag, to_tag, via_branch, sdp, options } = answer;
        self.metrics.ng().unknown_flags(options.unknown);
        if options.loop_protect && came_through(&sdp, &self.own.mark) {
            return Ok(reply::signalled(sdp, None));
        }
        let sdp = as_received(sdp, &options);
        let answerer = to_tag.clone().unwrap_or_default();
        let name = name(&call_id, &from_tag, to_tag, via_branch);
        let answer = Answer { name, sdp, status: options.status, drops: options.drops };
        let signalled = self.calls.answer(answer).await.map_err(|one| failure::refusal(&one))?;
        Ok(self.passed_on(&call_id, &answerer, &options, signalled))
    }

    /// The description that goes on, with what ng asks of it besides.
    fn passed_on(&self, call: &str, tag: &str, options: &Options, signalled: Signalled) -> Value {
        let Signalled { sdp, context, streams, rekey_advised: _ } = signalled;
        let mut local: Vec<IpAddr> = streams.iter().map(|one| one.local.rtp.ip()).collect();
        // The receiver's own comes first: its port stands in the description.
        let port = first_port(&sdp);
        let own = streams.iter().position(|one| Some(one.local.rtp.port()) == port);
        if let Some(own) = own {
            local.swap(0, own);
        }
        let shown = Shown { local: &local, mark: &self.own.mark };
        let sdp = self.book().pass(call, tag, options, options.edit(&sdp, &shown));
        reply::signalled(sdp, context.map(|context| u64::from(context.0)))
    }

    async fn delete(&self, delete: Delete) -> Result<Value, Refusal> {
        let Delete { call_id, from_tag, to_tag, via_branch, delay, fatal, unknown } = delete;
        self.metrics.ng().unknown_flags(unknown);
        let to_tag = to_tag.filter(|_| from_tag.is_some());
        //= tests/spec/ng.md#end
        //# The end of the dialogue that is heard MUST be that of its call, with its other branches.
        let which = Which { call_id, from_tag, to_tag, via_branch, heard_ends_call: true };
        let place = Arc::clone(&self.own.delayed).try_acquire_owned();
        let told = match place {
            Ok(place) if !delay.is_zero() => {
                let views = self.end_later(&which, delay, place).await;
                views.map(|views| report::report(&which.call_id, &views, &self.book()))
            }
            Ok(_) | Err(_) => self.end(which).await.map(|deleted| self.last_words(&deleted)),
        };
        match told {
            Ok(told) => Ok(reply::query(&told)),
            Err(AlgFailure::Signalling(AlgError::UnknownCall | AlgError::UnknownDialogue)) => {
                //= tests/spec/ng.md#end
                //# To end an unknown call MUST be a warning, unless the request says that it is fatal.
                if fatal { Err(Refusal::UnknownCall) } else { Ok(reply::unknown_call()) }
            }
            Err(failure) => Err(failure::refusal(&failure)),
        }
    }

    /// Ends a call or a branch, whoever of its parties ends it.
    async fn end(&self, which: Which) -> Result<Deleted, AlgFailure> {
        let ended = self.calls.delete(controller(), which.clone()).await;
        let ended = match ended {
            //= tests/spec/ng.md#end
            //# Either party's tag MUST end the call.
            // Calls are known by who offered first: the other party's tag alone does not tell.
            Err(AlgFailure::Signalling(AlgError::UnknownCall)) if which.from_tag.is_some() => {
                self.calls.delete(controller(), self.of_other_party(which.clone()).await?).await
            }
            ended => ended,
        };
        if ended.is_ok() && which.to_tag.is_none() && which.via_branch.is_none() {
            self.book().forget(&which.call_id);
        }
        ended
    }

    /// The same request, with the tag by which the call is known.
    async fn of_other_party(&self, which: Which) -> Result<Which, AlgFailure> {
        let every = Which {
            call_id: which.call_id.clone(),
            from_tag: None,
            to_tag: None,
            via_branch: None,
            heard_ends_call: false,
        };
        let views = self.calls.query(controller(), every).await?;
        let mut dialogues = views.into_iter().flat_map(|view| view.dialogues);
        // Its dialogue is with the caller, whatever else is named.
        let is_its = |caller: &String| which.to_tag.as_ref().is_none_or(|tag| tag == caller);
        let caller = dialogues.find(|(caller, callee)| *callee == which.from_tag && is_its(caller));
        let (caller, callee) = caller.ok_or(AlgError::UnknownCall)?;
        let to_tag = which.to_tag.and(callee);
        Ok(Which { from_tag: Some(caller), to_tag, ..which })
    }

    /// Ends a call or a branch after a while; tells what it is now.
    async fn end_later(
        &self,
        which: &Which,
        delay: Duration,
        place: OwnedSemaphorePermit,
    ) -> Result<Vec<CallView>, AlgFailure> {
        let mut which = which.clone();
        let mut views = self.calls.query(controller(), which.clone()).await;
        if matches!(views, Err(AlgFailure::Signalling(AlgError::UnknownCall)))
            && which.from_tag.is_some()
        {
            which = self.of_other_party(which).await?;
            views = self.calls.query(controller(), which.clone()).await;
        }
        let views = views?;
        let noted = self.calls.note_end(controller(), &which).await?;
        debug!(call = which.call_id, "a call ends later");
        let (face, call_id) = (self.clone(), which.call_id.clone());
        let is_whole = which.to_tag.is_none() && which.via_branch.is_none();
        tokio::spawn(async move {
            sleep(delay).await;
            // It may have ended otherwise meanwhile.
            let is_over = face.calls.end_noted(noted).await.unwrap_or_default();
            if is_over && is_whole {
                face.book().forget(&call_id);
            }
            drop(place);
        });
        Ok(views)
    }

    async fn views(&self, which: &Which) -> Result<Vec<CallView>, AlgFailure> {
        let views = self.calls.query(controller(), which.clone()).await;
        match views {
            Err(AlgFailure::Signalling(AlgError::UnknownCall)) if which.from_tag.is_some() => {
                let which = self.of_other_party(which.clone()).await?;
                self.calls.query(controller(), which).await
            }
            views => views,
        }
    }

    //= tests/spec/ng.md#end
    //# The reply to a delete MUST tell the call's last counters.
    fn last_words(&self, deleted: &Deleted) -> CallReport {
        let Deleted { dialogues, contexts, streams } = deleted;
        CallReport {
            created: 0,
            contexts: contexts.iter().map(|context| u64::from(context.0)).collect(),
            parties: report::parties(dialogues, streams),
        }
    }

    async fn query(&self, query: Query) -> Result<Value, Refusal> {
        let Query { call_id, from_tag, to_tag } = query;
        let to_tag = to_tag.filter(|_| from_tag.is_some());
        let (via_branch, heard_ends_call) = (None, false);
        let which = Which { call_id, from_tag, to_tag, via_branch, heard_ends_call };
        let views = self.views(&which).await.map_err(|one| failure::refusal(&one))?;
        if views.is_empty() {
            return Err(Refusal::UnknownCall);
        }
        Ok(reply::query(&report::report(&which.call_id, &views, &self.book())))
    }

    async fn statistics(&self) -> Result<Value, Refusal> {
        let gone = |_stopped| Refusal::Overload(Overload::Load);
        let workers = self.control.count().await.map_err(gone)?;
        let (mut relayed, mut srtp) = (Traffic::default(), Sealing::default());
        for worker in &workers {
            let relay = &worker.relay;
            relayed.packets += relay.forwarded.packets;
            relayed.bytes += relay.forwarded.octets;
            relayed.errors += relay.dropped.total();
            srtp.opened += relay.unprotected;
            srtp.sealed += relay.protected;
            srtp.authentication_failures += relay.dropped.of(DropReason::Authentication);
            srtp.replays +=
                relay.dropped.of(DropReason::Replay) + relay.dropped.of(DropReason::TooOld);
        }
        let (requests, refused) = self.metrics.ng().requests();
        Ok(reply::statistics(&Statistics {
            own_sessions: self.calls.count() as u64,
            contexts: self.control.overview().contexts as u64,
            uptime: self.started.elapsed().as_secs(),
            relayed,
            srtp,
            requests,
            refused,
        }))
    }

    /// Forgets what is remembered of calls that ended otherwise, for as long as it is awaited.
    pub(crate) async fn sweep(self) {
        loop {
            sleep(SWEEP).await;
            if self.book().is_empty() {
                continue;
            }
            let mut there = std::collections::BTreeSet::new();
            let mut after: Option<String> = None;
            loop {
                let some = self.calls.list(&controller(), after.as_deref(), LISTED);
                let is_last = some.len() < LISTED;
                after = some.last().cloned();
                there.extend(some);
                if is_last {
                    break;
                }
                tokio::task::yield_now().await;
            }
            self.book().keep(|call| there.contains(call));
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.own.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name(call: &str, from: &str, to_tag: Option<String>, via_branch: Option<String>) -> CallName {
    let (call_id, from_tag) = (call.to_owned(), from.to_owned());
    CallName { controller: controller(), call_id, from_tag, to_tag, via_branch }
}

/// The sender's description, as it counts.
fn as_received(sdp: Octets, options: &Options) -> Octets {
    match options.received_from.filter(|_| options.trusts_source) {
        Some(address) => from_source(&sdp, address),
        None => sdp,
    }
}

/// The port of the first media line that has one.
fn first_port(sdp: &[u8]) -> Option<u16> {
    let lines = sdp.split(|octet| *octet == b'\n');
    let mut ports = lines.filter_map(|line| {
        let mut fields = line.strip_prefix(b"m=")?.split(|octet| *octet == b' ');
        std::str::from_utf8(fields.nth(1)?).ok()?.parse().ok()
    });
    ports.find(|port| *port != 0)
}
