//! One request: planned, carried out by the gateway, concluded.

use std::collections::BTreeMap;

use rand::Rng;
use tracing::error;

use agw_context::{
    Command, CommandError, ContextChoice, ContextId, Controller, Priority, Refused, Reply,
    StreamId, TerminationId,
};
use agw_iq::Backend;
use agw_iq::alg::{AlgFailure, Answer, CallName, CallView, CountedStream, Deleted, Offer, Which};
use agw_iq::backend::{AuditQuery, AuditedContext, Completed, NewContexts, TransactError};
use agw_relay::{EgressSnapshot, IngressSnapshot};
use agw_sdp::{
    AlgError, AnswerRequest, Call, Calls, Dialogue, OfferRequest, Plan, Signalled, SignalledStream,
};

use super::SignalledCalls;
use super::later::{Due, Noted};
use super::table::Held;

pub(super) async fn offer(desk: SignalledCalls, offer: Offer) -> Result<Signalled, AlgFailure> {
    let key = (offer.name.controller.clone(), offer.name.call_id.clone());
    let mut held = desk.table.hold(key, true).await?;
    let mut outcome = try_offer(&desk, &mut held, &offer).await;
    if matches!(outcome, Err(AlgFailure::Signalling(AlgError::UnknownCall))) {
        // Its context ended a moment ago: the offer begins a call, as that of any dialogue that is
        // not known.
        outcome = try_offer(&desk, &mut held, &offer).await;
    }
    let call = held.find(&offer.name.call_id, &dialogue(&offer.name));
    if let Some(call) = call.filter(|_| outcome.is_ok()) {
        desk.later.take_back(held.key(), &held, call);
    }
    outcome
}

async fn try_offer(
    desk: &SignalledCalls,
    held: &mut Held,
    offer: &Offer,
) -> Result<Signalled, AlgFailure> {
    let Offer { name, sdp, near, far, rekey, supersedes, drops, priority } = offer;
    let dialogue = dialogue(name);
    if held.find(&name.call_id, &dialogue).is_none() {
        let realms = [near, far].map(|side| side.realm.as_deref().unwrap_or_default());
        let (controller, realms) = (&name.controller, realms.to_vec());
        let priority = priority.unwrap_or_default();
        desk.gateway.admit(&NewContexts { controller, priority, realms })?;
    }
    let (rekey, supersedes, drops) = (*rekey, *supersedes, *drops);
    let request = OfferRequest { dialogue, sdp, near, far, rekey, supersedes, drops };
    let policy = desk.policy.load_full();
    let call = held.for_offer(&name.call_id, &dialogue)?;
    let plan = call.plan_offer(&request, &policy, &mut random);
    let outcome = match plan {
        Ok(plan) => carry_out(desk, held, &dialogue, plan, *priority).await,
        Err(error) => Err(error.into()),
    };
    held.tidy(&name.call_id, &dialogue);
    outcome.map(|(signalled, _)| signalled)
}

pub(super) async fn answer(desk: SignalledCalls, answer: Answer) -> Result<Signalled, AlgFailure> {
    let Answer { name, sdp, status, drops } = answer;
    let dialogue = dialogue(&name);
    let mut held = desk.table.hold((name.controller.clone(), name.call_id.clone()), false).await?;
    let policy = desk.policy.load_full();
    let request = AnswerRequest { dialogue, sdp: &sdp, status, drops };
    let call = held.find(&name.call_id, &dialogue).ok_or(AlgError::UnknownCall)?;
    let plan = call.plan_answer(&request, &policy, &mut random)?;
    let outcome = carry_out(&desk, &mut held, &dialogue, plan, None).await;
    outcome.map(|(signalled, _)| signalled)
}

pub(super) async fn reject(desk: SignalledCalls, name: CallName) -> Result<Signalled, AlgFailure> {
    let dialogue = dialogue(&name);
    let mut held = desk.table.hold((name.controller.clone(), name.call_id.clone()), false).await?;
    let call = held.find(&name.call_id, &dialogue).ok_or(AlgError::UnknownCall)?;
    let plan = call.plan_reject(&dialogue)?;
    let outcome = carry_out(&desk, &mut held, &dialogue, plan, None).await;
    held.tidy(&name.call_id, &dialogue);
    outcome.map(|(signalled, _)| signalled)
}

pub(super) async fn delete(
    desk: SignalledCalls,
    controller: Controller,
    which: Which,
) -> Result<Deleted, AlgFailure> {
    let key = desk.table.seen_by(controller, &which.call_id);
    let mut held = desk.table.hold(key, false).await?;
    let tags = tags(&held, &which)?;
    end(&desk, &mut held, &which, &tags).await
}

/// Ends calls by a tag of each.
async fn end(
    desk: &SignalledCalls,
    held: &mut Held,
    which: &Which,
    tags: &[String],
) -> Result<Deleted, AlgFailure> {
    let mut deleted = Deleted::default();
    for tag in tags {
        let dialogue = dialogue_of(tag, which);
        let Some(call) = held.find(&which.call_id, &dialogue) else { continue };
        let (streams, context) = (call.streams(), call.context());
        let tags =
            call.tags().map(|(caller, callee)| (caller.to_owned(), callee.map(str::to_owned)));
        deleted.dialogues.extend(tags);
        let plan = plan_end(call, &dialogue, which)?;
        let completed = match carry_out(desk, held, &dialogue, plan, None).await {
            Ok((_, completed)) => completed,
            // It ended a moment ago, which is what was asked for.
            Err(AlgFailure::Signalling(AlgError::UnknownCall)) => Vec::new(),
            Err(failure) => return Err(failure),
        };
        held.tidy(&which.call_id, &dialogue);
        deleted.contexts.extend(context);
        deleted.streams.extend(last_counters(&streams, completed));
    }
    Ok(deleted)
}

/// Notes what a delete would end now, to end it later.
pub(super) async fn note_end(
    desk: &SignalledCalls,
    controller: Controller,
    which: &Which,
) -> Result<Noted, AlgFailure> {
    let key = desk.table.seen_by(controller, &which.call_id);
    let held = desk.table.hold(key, false).await?;
    let tags = tags(&held, which)?;
    for tag in &tags {
        let dialogue = dialogue_of(tag, which);
        let Some(call) = held.find(&which.call_id, &dialogue) else { continue };
        drop(plan_end(call, &dialogue, which)?);
    }
    Ok(desk.later.note(held.key(), which.clone(), tags))
}

//= tests/spec/ng.md#end
//# A delayed end MUST end the call that was told, and no later one of the same name.
/// Ends what was noted, as far as no offer has taken it back; tells whether that is all of it.
pub(super) async fn end_noted(desk: SignalledCalls, noted: Noted) -> Result<bool, AlgFailure> {
    let held = desk.table.hold_to_forget(noted.key.clone()).await;
    let Some(Due { which, tags, is_all }) = desk.later.due(&noted) else { return Ok(false) };
    if let Some(mut held) = held {
        end(&desk, &mut held, &which, &tags).await?;
    }
    Ok(is_all)
}

fn plan_end(call: &Call, dialogue: &Dialogue<'_>, which: &Which) -> Result<Plan, AlgError> {
    match which.from_tag {
        Some(_) if which.heard_ends_call => call.plan_end(dialogue),
        Some(_) => call.plan_delete(dialogue),
        None => Ok(call.plan_delete_all()),
    }
}

pub(super) async fn query(
    desk: SignalledCalls,
    controller: Controller,
    which: Which,
) -> Result<Vec<CallView>, AlgFailure> {
    let key = desk.table.seen_by(controller.clone(), &which.call_id);
    let held = desk.table.hold(key, false).await?;
    let tags = tags(&held, &which)?;
    let found = tags.iter().filter_map(|tag| held.find(&which.call_id, &dialogue_of(tag, &which)));
    let mut views: Vec<CallView> = found.map(view).collect();
    drop(held);
    for view in &mut views {
        let Some(context) = view.context else { continue };
        let query = AuditQuery {
            context: Some(context),
            correlation: None,
            after: None,
            limit: 1,
            statistics: true,
        };
        match desk.gateway.audit(controller.clone(), query).await {
            Ok(page) => page.contexts.iter().for_each(|audited| count(view, audited)),
            // It ended a moment ago.
            Err(TransactError::Refused(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(views)
}

/// Fills a buffer with unpredictable octets.
fn random(octets: &mut [u8]) {
    rand::rng().fill_bytes(octets);
}

fn dialogue(name: &CallName) -> Dialogue<'_> {
    let CallName { from_tag, to_tag, via_branch, .. } = name;
    let (to_tag, via_branch) = (to_tag.as_deref(), via_branch.as_deref());
    Dialogue { from_tag, to_tag, via_branch }
}

pub(super) fn dialogue_of<'a>(tag: &'a str, which: &'a Which) -> Dialogue<'a> {
    let Which { to_tag, via_branch, from_tag, .. } = which;
    let of_dialogue = |part: &'a Option<String>| part.as_deref().filter(|_| from_tag.is_some());
    let (to_tag, via_branch) = (of_dialogue(to_tag), of_dialogue(via_branch));
    Dialogue { from_tag: tag, to_tag, via_branch }
}

/// A tag of each call that is meant.
fn tags(calls: &Calls, which: &Which) -> Result<Vec<String>, AlgFailure> {
    let tags: Vec<String> = match &which.from_tag {
        Some(tag) => {
            let found = calls.find(&which.call_id, &dialogue_of(tag, which));
            found.map(|_| tag.clone()).into_iter().collect()
        }
        None => {
            let callers = calls.with_id(&which.call_id).filter_map(|call| call.tags().next());
            callers.map(|(caller, _)| caller.to_owned()).collect()
        }
    };
    if tags.is_empty() { Err(AlgError::UnknownCall.into()) } else { Ok(tags) }
}

/// Has the gateway carry a plan out, and concludes it.
async fn carry_out(
    desk: &SignalledCalls,
    held: &mut Held,
    dialogue: &Dialogue<'_>,
    plan: Plan,
    priority: Option<Priority>,
) -> Result<(Signalled, Vec<Completed>), AlgFailure> {
    let (mut commands, pending) = plan.into_parts();
    prefer(&mut commands, priority);
    let (controller, id) = held.key().clone();
    let completed = if commands.is_empty() {
        Vec::new()
    } else {
        match desk.gateway.transact(controller, commands).await {
            Ok(completed) => completed,
            Err(error) => return Err(after_failure(desk, held, dialogue, error)),
        }
    };
    let replies: Vec<Reply> = completed.iter().map(|one| one.reply.clone()).collect();
    let call = held.find_mut(&id, dialogue).ok_or(AlgError::UnknownCall)?;
    let before = call.context();
    let concluded = call.conclude(pending, &replies);
    let after = call.context();
    if let Some(context) = before.filter(|_| before != after) {
        desk.table.ended(context);
    }
    if let Some(context) = after {
        desk.table.note(context, held.key());
    }
    let signalled = concluded.inspect_err(|error| {
        error!(%error, context = ?after, "a call and its context differ: a fault of this program");
    });
    Ok((signalled?, completed))
}

/// The gateway learns the precedence of a call with its first reservation.
fn prefer(commands: &mut [Command], priority: Option<Priority>) {
    for command in commands {
        if let Command::Reserve(reserve) = command
            && (reserve.context == ContextChoice::New || priority.is_some())
        {
            reserve.priority = priority;
        }
    }
}

/// The gateway did not do it. If the call's context has ended meanwhile, so has the call.
fn after_failure(
    desk: &SignalledCalls,
    held: &mut Held,
    dialogue: &Dialogue<'_>,
    error: TransactError,
) -> AlgFailure {
    let gone: Vec<ContextId> = match &error {
        TransactError::Refused(Refused { error: CommandError::UnknownContext(id), .. }) => {
            vec![*id]
        }
        TransactError::Failed { released } => released.clone(),
        TransactError::Refused(_) | TransactError::Unavailable(_) => Vec::new(),
    };
    let id = held.key().1.clone();
    let context = held.find(&id, dialogue).and_then(Call::context);
    let Some(context) = context.filter(|context| gone.contains(context)) else {
        return error.into();
    };
    desk.table.ended(context);
    forget(held, &id, dialogue);
    match error {
        TransactError::Refused(_) => AlgError::UnknownCall.into(),
        TransactError::Failed { .. } | TransactError::Unavailable(_) => error.into(),
    }
}

/// Forgets a call whose context has ended.
pub(super) fn forget(calls: &mut Calls, id: &str, dialogue: &Dialogue<'_>) {
    if let Some(call) = calls.find_mut(id, dialogue) {
        let (_released_already, pending) = call.plan_delete_all().into_parts();
        // A plan that was made for the call as it is does not fail.
        let _ = call.conclude(pending, &[]);
    }
    calls.tidy(id, dialogue);
}

/// Matches the streams that ended with those that the call had.
fn last_counters(streams: &[SignalledStream], completed: Vec<Completed>) -> Vec<CountedStream> {
    let mut counters: BTreeMap<(TerminationId, StreamId), Option<_>> = BTreeMap::new();
    for Completed { reply, generation: _, statistics, groups: _ } in completed {
        if let Reply::Released(released) = reply {
            counters
                .extend(released.streams.iter().map(|one| ((one.termination, one.stream), None)));
        }
        let known = statistics
            .into_iter()
            .map(|(one, ingress, egress)| ((one.termination, one.stream), Some((ingress, egress))));
        counters.extend(known);
    }
    let ended = streams.iter().filter_map(|stream| {
        let counters = counters.remove(&(stream.termination, stream.local.id))?;
        Some(CountedStream { stream: *stream, counters })
    });
    ended.collect()
}

fn view(call: &Call) -> CallView {
    let dialogues =
        call.tags().map(|(caller, callee)| (caller.to_owned(), callee.map(str::to_owned)));
    let uncounted = |stream| CountedStream { stream, counters: None };
    CallView {
        call_id: call.id().to_owned(),
        dialogues: dialogues.collect(),
        context: call.context(),
        created: None,
        streams: call.streams().into_iter().map(uncounted).collect(),
    }
}

fn count(view: &mut CallView, audited: &AuditedContext) {
    view.created = Some(audited.view.created);
    for CountedStream { stream, counters } in &mut view.streams {
        let found = audited.statistics.iter().find(|(termination, id, _, _)| {
            (*termination, *id) == (stream.termination, stream.local.id)
        });
        *counters = found.map(|(_, _, ingress, egress)| owned(ingress, egress));
    }
}

fn owned(ingress: &IngressSnapshot, egress: &EgressSnapshot) -> (IngressSnapshot, EgressSnapshot) {
    (ingress.clone(), egress.clone())
}
