//! Rejected offers, and the end of branches and calls.

use std::collections::BTreeSet;

use agw_context::{Command, Release, Reply, SetTopology, TerminationId, TopologyChange};
use zeroize::Zeroizing;

use crate::answer::associations;
use crate::call::{Branch, Call, Dialogue};
use crate::error::AlgError;
use crate::leg::Leg;
use crate::plan::{Pending, Plan, Signalled, Step};

impl Call {
    /// Plans the end of an offer that was rejected. An earlier session goes on as it was, under
    /// its old keys (RFC 4568 §7.1.4); a branch that had none ends.
    ///
    /// # Errors
    /// [`AlgError::UnknownDialogue`], or [`AlgError::NoOffer`] if none waits.
    pub fn plan_reject(&self, dialogue: &Dialogue<'_>) -> Result<Plan, AlgError> {
        let position = self.locate_answer(dialogue)?;
        let branch = self.branches.get(position).ok_or(AlgError::UnknownDialogue)?;
        let exchange = branch.exchange.as_ref().filter(|exchange| !exchange.answered);
        let exchange = exchange.ok_or(AlgError::NoOffer)?;
        if !branch.established {
            return Ok(self.plan_end(Some(position)));
        }
        let commands = self.releases(exchange.reserved.iter().copied().collect());
        let step = Step::Reject { branch: position };
        Ok(Plan { commands, pending: Pending { generation: self.generation, step } })
    }

    /// Plans the end of a dialogue, or of the whole call if neither a `to_tag` nor a branch is
    /// named. Its last dialogue takes the call with it.
    ///
    /// # Errors
    /// [`AlgError::UnknownDialogue`].
    pub fn plan_delete(&self, dialogue: &Dialogue<'_>) -> Result<Plan, AlgError> {
        if !self.knows(dialogue) {
            return Err(AlgError::UnknownDialogue);
        }
        let is_whole = dialogue.to_tag.is_none() && dialogue.via_branch.is_none();
        if is_whole || self.branches.len() == 1 {
            return Ok(self.plan_end(None));
        }
        Ok(self.plan_end(Some(self.locate_answer(dialogue)?)))
    }

    /// Plans the end of the whole call.
    pub fn plan_delete_all(&self) -> Plan {
        self.plan_end(None)
    }

    fn plan_end(&self, branch: Option<usize>) -> Plan {
        let branch = branch.filter(|_| self.branches.len() > 1);
        let connected = branch.and_then(|branch| self.heir(branch));
        let commands = match (branch, self.context) {
            (_, None) => Vec::new(),
            (None, Some(context)) => {
                vec![Command::Release(Release { context, termination: None })]
            }
            (Some(branch), Some(context)) => {
                let kept = self.terminations(Some(branch));
                let all = self.terminations(None);
                let gone = all.difference(&kept).copied();
                let exchange = self.branches.get(branch).and_then(|one| one.exchange.as_ref());
                let reserved = exchange.map_or(&[][..], |exchange| &exchange.reserved);
                let reserved = reserved.iter().copied().filter(|one| !kept.contains(one));
                let released = self.releases(gone.chain(reserved).collect());
                let changes =
                    connected.iter().flat_map(|after| associations(&self.connected, after));
                let changes: Vec<_> = changes.collect();
                let topology = (!changes.is_empty()).then(|| {
                    let change = TopologyChange::Associate(changes);
                    Command::SetTopology(SetTopology { context, change })
                });
                topology.into_iter().chain(released).collect()
            }
        };
        let step = Step::Delete { branch, connected };
        Plan { commands, pending: Pending { generation: self.generation, step } }
    }

    fn releases(&self, terminations: BTreeSet<TerminationId>) -> Vec<Command> {
        let Some(context) = self.context else { return Vec::new() };
        let release = |one| Command::Release(Release { context, termination: Some(one) });
        terminations.into_iter().map(release).collect()
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
            Step::Reject { branch } => {
                self.forget_offer(branch);
                Ok(self.nothing_to_say())
            }
            Step::Delete { branch: None, .. } => {
                *self = Self { generation: self.generation, ..Self::new(&self.id) };
                Ok(self.nothing_to_say())
            }
            Step::Delete { branch: Some(branch), connected } => {
                self.branches.remove(branch);
                self.connected = connected.unwrap_or(std::mem::take(&mut self.connected));
                let left = self.terminations(None);
                self.connected.retain(|(a, b, _)| left.contains(a) && left.contains(b));
                Ok(self.nothing_to_say())
            }
        }
    }

    fn forget_offer(&mut self, position: usize) {
        let Some(branch) = self.branches.get_mut(position) else { return };
        let Some(exchange) = branch.exchange.take() else { return };
        let gone = |leg: &Leg| exchange.reserved.contains(&leg.termination);
        let Branch { callee, .. } = branch;
        for leg in self.caller.iter_mut().chain(callee) {
            leg.take_if(|leg| gone(leg));
        }
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
