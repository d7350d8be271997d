//! Rejected offers, and the end of branches and calls.

use agw_context::{Command, Release, Reply, SetTopology, TopologyChange};
use zeroize::Zeroizing;

use crate::answer::associations;
use crate::call::{Branch, Call, Dialogue, Pair};
use crate::error::AlgError;
use crate::exchange::Exchange;
use crate::needed::Streams;
use crate::plan::{LeaveStep, Pending, Plan, Signalled, Step};
use crate::slot::Slot;

/// Branches that have ended of which late answers are known.
const MAX_ENDED: usize = 16;

impl Call {
    /// Plans the end of an offer that was rejected. An earlier session goes on as it was, under
    /// its old keys (RFC 4568 §7.1.4); a branch that had none ends.
    ///
    /// # Errors
    /// [`AlgError::UnknownDialogue`], or [`AlgError::NoOffer`] if none waits.
    pub fn plan_reject(&self, dialogue: &Dialogue<'_>) -> Result<Plan, AlgError> {
        let place = self.locate_answer(dialogue)?;
        let branch = self.branches.get(place.branch).ok_or(AlgError::UnknownDialogue)?;
        let exchange = self.exchange(place).filter(|exchange| !exchange.is_answered());
        exchange.ok_or(AlgError::NoOffer)?;
        if !branch.established {
            return Ok(self.plan_leave(None, vec![place.branch]));
        }
        let needed = self.needed_without(|slot| slot == place, &[]);
        let commands = self.releases(&needed);
        let step = Step::Reject { place, needed };
        Ok(Plan { commands, pending: Pending { generation: self.generation, step } })
    }

    /// What is needed when some exchanges are over, and some branches.
    fn needed_without(&self, over: impl Fn(Slot) -> bool, ends: &[usize]) -> Streams {
        let left = self.exchanges().filter(|(slot, _)| !over(*slot));
        let left: Vec<_> = left.map(|(slot, exchange)| (slot.branch, exchange)).collect();
        self.needed(&left, ends)
    }

    //= tests/spec/sdp.md#forking
    //# The end of a dialogue that the call does not have MUST be refused and change nothing.
    /// Plans the end of a dialogue, or of the whole call if neither a `to_tag` nor a branch is
    /// named. Its last dialogue takes the call with it; one that shares its legs with others
    /// leaves them to those.
    ///
    /// # Errors
    /// [`AlgError::UnknownDialogue`], also for a `to_tag` that is nobody's, unless its branch is a
    /// way of the call or nobody has answered on one: it may be whose error response ends that, and
    /// with it every early dialogue there (RFC 3261 §13.2.2.3).
    pub fn plan_delete(&self, dialogue: &Dialogue<'_>) -> Result<Plan, AlgError> {
        if !self.knows(dialogue) {
            return Err(AlgError::UnknownDialogue);
        }
        let Dialogue { from_tag, to_tag, via_branch } = *dialogue;
        let Some(to_tag) = to_tag else {
            let is_whole = via_branch.is_none() || self.branches.len() == 1;
            return Ok(match is_whole {
                true => self.plan_delete_all(),
                false => self.plan_leave_way(self.locate_answer(dialogue)?.branch),
            });
        };
        // An INVITE that was accepted fails for nobody any more.
        let is_confirmed =
            |one: &Branch, but: &str| self.confirmed.iter().any(|tag| tag != but && one.has(tag));
        let is_way = |one: &Branch| via_branch.is_some() && one.via_branch.as_deref() == via_branch;
        for (caller, callee) in [(from_tag, to_tag), (to_tag, from_tag)] {
            let mut of_caller = self.branches.iter().filter(|one| one.caller_tag == caller);
            if of_caller.any(|one| one.has(callee)) {
                let is_its = |one: &Branch| {
                    is_way(one) && !one.is_beside && one.callee_tag.as_deref() == Some(callee)
                };
                let way =
                    self.branches.iter().position(|one| is_its(one) && !is_confirmed(one, callee));
                let dialogue = || self.plan_leave_dialogue(caller, callee);
                return Ok(way.map_or_else(dialogue, |way| self.plan_leave_way(way)));
            }
        }
        let is_callers = |one: &Branch| [from_tag, to_tag].contains(&one.caller_tag.as_str());
        let is_open = |one: &Branch| one.callee_tag.is_none() && one.early.is_empty();
        //= tests/spec/sdp.md#forking
        //# A way MUST end with all its dialogues when a tag that nobody has ends it.
        let way = self.branches.iter().position(|one| is_callers(one) && is_way(one));
        let ends = way.or_else(|| self.branches.iter().position(is_open));
        let ends =
            ends.filter(|way| !self.branches.get(*way).is_some_and(|way| is_confirmed(way, "")));
        Ok(self.plan_leave_way(ends.ok_or(AlgError::UnknownDialogue)?))
    }

    /// Plans the end of the whole call.
    pub fn plan_delete_all(&self) -> Plan {
        let release = |context| Command::Release(Release { context, termination: None });
        let commands = self.context.map(release).into_iter().collect();
        Plan { commands, pending: Pending { generation: self.generation, step: Step::Delete } }
    }

    /// A way ends, and with it what its dialogues have beside it.
    fn plan_leave_way(&self, way: usize) -> Plan {
        let ending = self.branches.get(way);
        let is_its = |one: &Branch| {
            let callee = one.callee_tag.as_deref().filter(|_| one.is_beside);
            let is_named = |ending: &Branch| {
                ending.via_branch.is_some() && ending.via_branch == one.via_branch
            };
            callee
                .zip(ending)
                .is_some_and(|(callee, ending)| ending.has(callee) || is_named(ending))
        };
        let branches = self.branches.iter().enumerate();
        let ends = branches.filter(|(position, one)| *position == way || is_its(one));
        self.plan_leave(None, ends.map(|(position, _)| position).collect())
    }

    //= tests/spec/sdp.md#forking
    //# What a callee has on its own and on common legs MUST end with its dialogue.
    /// A dialogue ends, with the branches that are its alone.
    fn plan_leave_dialogue(&self, caller: &str, callee: &str) -> Plan {
        let is_alone = |one: &Branch| {
            let is_heard = one.callee_tag.as_deref().is_none_or(|tag| tag == callee);
            let is_its = one.caller_tag == caller && (one.has(callee) || one.is_vacant());
            is_its && is_heard && one.early.iter().all(|tag| tag == callee)
        };
        //= tests/spec/sdp.md#forking
        //# The first offer MUST be one that other callees can answer, though one of them has gone on.
        let goes_on = |way: &Branch| {
            let is_its = |one: &Branch| one.is_beside && one.via_branch == way.via_branch;
            !way.is_beside && self.branches.iter().any(|one| is_its(one) && !is_alone(one))
        };
        let ends_too = |one: &Branch| is_alone(one) && !goes_on(one);
        let branches = self.branches.iter().enumerate();
        let ends = branches.filter(|(_, one)| ends_too(one)).map(|(position, _)| position);
        self.plan_leave(Some(callee), ends.collect())
    }

    fn plan_leave(&self, callee: Option<&str>, ends: Vec<usize>) -> Plan {
        if ends.len() == self.branches.len() {
            return self.plan_delete_all();
        }
        let asks = |slot: Slot| {
            let within = self.exchange(slot).and_then(|exchange| exchange.within.as_deref());
            ends.contains(&slot.branch) || (callee.is_some() && within == callee)
        };
        let needed = self.needed_without(asks, &ends);
        let connected = self.connected_without(callee, &ends);
        let mut commands = Vec::new();
        let changes = associations(&self.connected, &connected);
        if let Some(context) = self.context
            && !changes.is_empty()
        {
            let change = TopologyChange::Associate(changes);
            commands.push(Command::SetTopology(SetTopology { context, change }));
        }
        commands.extend(self.releases(&needed));
        let callee = callee.map(str::to_owned);
        let step = Step::Leave(LeaveStep { callee, ends, connected, needed });
        Plan { commands, pending: Pending { generation: self.generation, step } }
    }

    //= tests/spec/sdp.md#forking
    //# Nobody MUST hear a call on a leg whose callee has ended until another one answers on it.
    /// Who hears whom when a callee and some branches are gone: if those were heard, the last
    /// branch that has a callee of its own; a leg knows the address and keys of no other one.
    fn connected_without(&self, callee: Option<&str>, ends: &[usize]) -> Vec<Pair> {
        let is_left = |position: usize, one: &Branch| {
            ends.contains(&position) || (callee.is_some() && one.callee_tag.as_deref() == callee)
        };
        let is_heard = |one: &Branch| {
            let mut legs = one.callee.iter().flatten();
            legs.any(|leg| self.connected.iter().any(|(_, to, _)| *to == leg.termination))
        };
        let mut branches = self.branches.iter().enumerate();
        if !branches.any(|(position, one)| is_left(position, one) && is_heard(one)) {
            return self.connected.clone();
        }
        let is_heir = |(position, one): (usize, &Branch)| {
            one.established && !one.is_vacant() && !is_left(position, one)
        };
        let heir = self.branches.iter().enumerate().rposition(is_heir);
        heir.map_or_else(Vec::new, |heir| self.agreed(heir))
    }

    /// Takes over what a plan leads to, now that the gateway has carried out its commands.
    ///
    /// # Errors
    /// [`AlgError::Stale`] if the call has changed since the plan was made, [`AlgError::Replies`]
    /// if the replies are not those to the plan's commands.
    pub fn conclude(&mut self, pending: Pending, replies: &[Reply]) -> Result<Signalled, AlgError> {
        let Pending { generation, step } = pending;
        self.check(generation)?;
        self.generation += 1;
        let signalled = self.take_over(step, replies)?;
        let is_end = |reply: &Reply| matches!(reply, Reply::Released(one) if one.context_ended);
        if !replies.iter().any(is_end) {
            return Ok(signalled);
        }
        self.forget_context();
        Ok(Signalled { context: None, streams: Vec::new(), ..signalled })
    }

    fn take_over(&mut self, step: Step, replies: &[Reply]) -> Result<Signalled, AlgError> {
        match step {
            Step::Offer(step) => self.conclude_offer(*step, replies),
            Step::Answer(step) => self.conclude_answer(*step),
            Step::Reject { place, needed } => {
                if let Some(branch) = self.branches.get_mut(place.branch) {
                    branch.take(place.turn);
                }
                self.keep(&needed);
                Ok(self.nothing_to_say())
            }
            Step::Leave(step) => {
                self.leave(step);
                Ok(self.nothing_to_say())
            }
            Step::Delete => {
                *self = Self { generation: self.generation, ..Self::new(&self.id) };
                Ok(self.nothing_to_say())
            }
        }
    }

    fn leave(&mut self, LeaveStep { callee, ends, connected, needed }: LeaveStep) {
        if let Some(callee) = &callee {
            for branch in &mut self.branches {
                let asks = |one: &mut Exchange| one.within.as_deref() == Some(callee.as_str());
                branch.exchange.take_if(asks);
                branch.said.retain(|said| said.callee != *callee);
                branch.forget_agreed(Some(callee));
                branch.end(callee);
            }
        }
        let mut position = 0;
        let ended = &mut self.ended;
        self.branches.retain_mut(|branch| {
            position += 1;
            let is_left = !ends.contains(&(position - 1));
            ended.extend(branch.via_branch.take_if(|_| !is_left && !branch.is_beside));
            is_left
        });
        let excess = self.ended.len().saturating_sub(MAX_ENDED);
        self.ended.drain(..excess);
        self.connected = connected;
        self.keep(&needed);
        self.keep_confirmed(callee.as_deref());
    }

    /// The gateway's last termination of the call is gone, and its context with it.
    fn forget_context(&mut self) {
        self.context = None;
        self.caller.clear();
        self.connected.clear();
        self.branches.iter_mut().for_each(|branch| branch.callee.clear());
    }

    fn nothing_to_say(&self) -> Signalled {
        let (context, streams) = (self.context, self.streams());
        Signalled { sdp: Zeroizing::default(), context, streams, rekey_advised: false }
    }
}
