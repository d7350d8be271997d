//! Rejected offers, and the end of branches and calls.

use agw_context::{Command, Release, Reply, SetTopology, TopologyChange};
use zeroize::Zeroizing;

use crate::answer::associations;
use crate::call::{Call, Dialogue};
use crate::dialogues::Slot;
use crate::error::AlgError;
use crate::exchange::Exchange;
use crate::needed::Streams;
use crate::plan::{Pending, Plan, Signalled, Step};

impl Call {
    /// Plans the end of an offer that was rejected. An earlier session goes on as it was, under
    /// its old keys (RFC 4568 §7.1.4); a branch that had none ends.
    ///
    /// # Errors
    /// [`AlgError::UnknownDialogue`], or [`AlgError::NoOffer`] if none waits.
    pub fn plan_reject(&self, dialogue: &Dialogue<'_>) -> Result<Plan, AlgError> {
        let place = self.locate_answer(dialogue)?;
        let branch = self.branches.get(place.branch).ok_or(AlgError::UnknownDialogue)?;
        let exchange = self.exchange(place).filter(|exchange| !exchange.answered);
        exchange.ok_or(AlgError::NoOffer)?;
        if !branch.established {
            return Ok(self.plan_end(Some(place.branch)));
        }
        let needed = self.needed_without(|slot| slot == place, None);
        let commands = self.releases(&needed);
        let step = Step::Reject { place, needed };
        Ok(Plan { commands, pending: Pending { generation: self.generation, step } })
    }

    /// What is needed when some exchanges are over, and a branch.
    fn needed_without(&self, over: impl Fn(Slot) -> bool, ends: Option<usize>) -> Streams {
        let left = self.exchanges().filter(|(slot, _)| !over(*slot));
        let left: Vec<_> = left.map(|(slot, exchange)| (slot.branch, exchange)).collect();
        self.needed(&left, ends)
    }

    /// Plans the end of a dialogue, or of the whole call if neither a `to_tag` nor a branch is
    /// named. Its last dialogue takes the call with it; one that shares its legs with the one that
    /// is heard leaves them to it.
    ///
    /// # Errors
    /// [`AlgError::UnknownDialogue`].
    pub fn plan_delete(&self, dialogue: &Dialogue<'_>) -> Result<Plan, AlgError> {
        if !self.knows(dialogue) {
            return Err(AlgError::UnknownDialogue);
        }
        if let Some((branch, callee)) = self.locate_early(dialogue) {
            return Ok(self.plan_forget(branch, callee));
        }
        let is_whole = dialogue.to_tag.is_none() && dialogue.via_branch.is_none();
        if is_whole || self.branches.len() == 1 {
            return Ok(self.plan_end(None));
        }
        Ok(self.plan_end(Some(self.locate_answer(dialogue)?.branch)))
    }

    /// Plans the end of the whole call.
    pub fn plan_delete_all(&self) -> Plan {
        self.plan_end(None)
    }

    fn plan_forget(&self, branch: usize, callee: String) -> Plan {
        let asks = |slot: Slot| {
            let exchange = self.exchange(slot).filter(|_| slot.branch == branch);
            exchange.is_some_and(|exchange| exchange.within.as_ref() == Some(&callee))
        };
        let needed = self.needed_without(asks, None);
        let commands = self.releases(&needed);
        let step = Step::Forget { branch, callee, needed };
        Plan { commands, pending: Pending { generation: self.generation, step } }
    }

    fn plan_end(&self, branch: Option<usize>) -> Plan {
        let branch = branch.filter(|_| self.branches.len() > 1);
        let connected = branch.and_then(|branch| self.heir(branch));
        let needed = self.needed_without(|slot| Some(slot.branch) == branch, branch);
        let commands = match (branch, self.context) {
            (_, None) => Vec::new(),
            (None, Some(context)) => {
                vec![Command::Release(Release { context, termination: None })]
            }
            (Some(_), Some(context)) => {
                let changes =
                    connected.iter().flat_map(|after| associations(&self.connected, after));
                let changes: Vec<_> = changes.collect();
                let topology = (!changes.is_empty()).then(|| {
                    let change = TopologyChange::Associate(changes);
                    Command::SetTopology(SetTopology { context, change })
                });
                topology.into_iter().chain(self.releases(&needed)).collect()
            }
        };
        let step = Step::Delete { branch, connected, needed };
        Plan { commands, pending: Pending { generation: self.generation, step } }
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
                self.forget_offer(place);
                self.keep(&needed);
                Ok(self.nothing_to_say())
            }
            Step::Forget { branch, callee, needed } => {
                let branch = self.branches.get_mut(branch).ok_or(AlgError::UnknownDialogue)?;
                branch.early.retain(|tag| *tag != callee);
                let asks = |one: &mut Exchange| one.within.as_ref() == Some(&callee);
                branch.exchange.take_if(asks);
                self.keep(&needed);
                Ok(self.nothing_to_say())
            }
            Step::Delete { branch: None, .. } => {
                *self = Self { generation: self.generation, ..Self::new(&self.id) };
                Ok(self.nothing_to_say())
            }
            Step::Delete { branch: Some(branch), connected, needed } => {
                self.branches.remove(branch);
                self.connected = connected.unwrap_or(std::mem::take(&mut self.connected));
                self.keep(&needed);
                Ok(self.nothing_to_say())
            }
        }
    }

    fn forget_offer(&mut self, place: Slot) {
        let Some(branch) = self.branches.get_mut(place.branch) else { return };
        if place.is_initial {
            branch.initial = None;
        } else {
            branch.exchange = None;
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
