//! Answers: keys are installed and gates opened, and the offerer is shown its own side.

use std::collections::{BTreeMap, BTreeSet};

use agw_context::{
    Association, Command, Configure, ContextId, Relation, Release, SetTopology, StreamChange,
    StreamMode, TerminationId, TopologyChange,
};
use agw_sdes::Mode;
use zeroize::Zeroizing;

use crate::call::{Call, Dialogue, Pair};
use crate::description::{Fingerprint, MediaDescription, SessionDescription, Text};
use crate::error::AlgError;
use crate::exchange::{Exchange, LineExchange, Offered};
use crate::keys::Random;
use crate::leg::{Side, unchanged};
use crate::options::AlgPolicy;
use crate::plan::{AnswerStep, Effect, Pending, Plan, Signalled, Step};
use crate::render::{MediaEdit, render};
use crate::repeats::{Reading, Words};
use crate::settle::{Agreed, Answer, Settled, SettledLeg};
use crate::slot::{Slot, Turn};

/// An answer on its way.
#[derive(Clone, Copy)]
pub struct AnswerRequest<'a> {
    /// The dialogue; its `from_tag` is the offerer's, unless the first offer is answered: then the
    /// tags may stand either way round.
    pub dialogue: Dialogue<'a>,
    /// The answer.
    pub sdp: &'a [u8],
    /// The status of the response that brings it, if that is known and it comes in one: a 2xx makes
    /// the dialogue the call's, and later provisional ones of others change nothing.
    pub status: Option<u16>,
    /// Whether all media of the call is dropped from now on, whatever signalling says of gates;
    /// `None` leaves that as it is.
    pub drops: Option<bool>,
}

/// An answer with the exchange that it ends.
#[derive(Clone, Copy)]
struct Answering<'a> {
    place: Slot,
    exchange: &'a Exchange,
    description: &'a SessionDescription,
    callee: Option<&'a str>,
    policy: &'a AlgPolicy,
    dropping: bool,
}

/// What the lines of an answer lead to.
#[derive(Default)]
struct Outcome {
    callee_tag: Option<String>,
    /// Whether another callee answers than the one before.
    took_over: bool,
    changes: BTreeMap<TerminationId, Vec<StreamChange>>,
    settled: Vec<Option<Settled>>,
    edits: Vec<MediaEdit>,
    rekey_advised: bool,
}

impl Call {
    /// Plans an answer: keys, addresses and gates of both sides at once, so that media passes
    /// before the offerer is told.
    ///
    /// An offer can be answered more than once, as in a 183 and a 200 response, or by several who
    /// got it behind a fork: the last one is heard.
    ///
    /// # Errors
    /// Why the answer is refused. Nothing has changed then.
    pub fn plan_answer(
        &self,
        request: &AnswerRequest<'_>,
        policy: &AlgPolicy,
        random: &mut Random<'_>,
    ) -> Result<Plan, AlgError> {
        let these = SessionDescription::parse(request.sdp)?;
        let newest = |slot| {
            let text = self.exchange(slot).and_then(|exchange| exchange.newest.as_ref());
            let text = text.ok_or(AlgError::NoOffer)?;
            SessionDescription::parse(&text.0).map_err(AlgError::from)
        };
        let what = Fingerprint::of(request.sdp);
        let Reading { shown, effect } = self.read(&request.dialogue, what)?;
        let effect = effect.filter(|_| !self.is_overtaken(request));
        let (place, words) = shown;
        let description = match words {
            Words::These => these,
            Words::Newest => newest(place)?,
        };
        let mut told = self.outcome(request, place, &description, policy, random)?;
        let edits = std::mem::take(&mut told.edits);
        let exchange = self.exchange(place).ok_or(AlgError::NoOffer)?;
        let known = self.known_to(place, exchange.offerer);
        let sdp = render(description, &edits, known, policy.hides_origin);
        let agreed = match effect {
            Some(effect) if effect == shown => Some((place, told)),
            Some((slot, _)) => {
                Some((slot, self.outcome(request, slot, &newest(slot)?, policy, random)?))
            }
            None => None,
        };
        let is_new = effect.is_some_and(|(_, words)| words == Words::These);
        let text = exchange.within.is_some().then(|| Text(Zeroizing::new(request.sdp.to_vec())));
        let said = is_new.then_some((what, text));
        let confirms = self.confirms(request, place);
        Ok(self.answer_plan(request, agreed, said, (sdp, confirms)))
    }

    /// Puts the commands together for what is agreed on, if anything changes.
    fn answer_plan(
        &self,
        request: &AnswerRequest<'_>,
        agreed: Option<(Slot, Outcome)>,
        said: Option<(Fingerprint, Option<Text>)>,
        (sdp, confirms): (Zeroizing<Vec<u8>>, Option<String>),
    ) -> Plan {
        let dropping = request.drops.unwrap_or(self.dropping);
        let mut commands = self.drop_or_pass(dropping);
        let rekey_advised = agreed.as_ref().is_some_and(|(_, outcome)| outcome.rekey_advised);
        let effect = agreed.map(|(place, outcome)| {
            let Outcome { callee_tag, changes, settled, .. } = outcome;
            let connected = self.wanted(place);
            if let Some(context) = self.context {
                commands.extend(self.answer_commands(context, changes, &connected, place));
            }
            Effect { place, callee_tag, said, settled, connected }
        });
        let step = AnswerStep { effect, confirms, sdp: Text(sdp), rekey_advised, dropping };
        let generation = self.generation;
        Plan { commands, pending: Pending { generation, step: Step::Answer(Box::new(step)) } }
    }

    /// What a description leads to as the answer of an exchange.
    fn outcome(
        &self,
        request: &AnswerRequest<'_>,
        place: Slot,
        description: &SessionDescription,
        policy: &AlgPolicy,
        random: &mut Random<'_>,
    ) -> Result<Outcome, AlgError> {
        let branch = self.branches.get(place.branch).ok_or(AlgError::UnknownDialogue)?;
        let exchange = self.exchange(place).ok_or(AlgError::NoOffer)?;
        //= tests/spec/sdp.md#forking
        //# What was offered within one dialogue MUST NOT be answered within another one.
        let is_asked = |callee: &&str| exchange.within.as_deref() != Some(*callee);
        let callee = branch.callee_of(&request.dialogue);
        if exchange.within.is_some() && callee.filter(is_asked).is_some() {
            return Err(AlgError::NoOffer);
        }
        let offered = self.count_lines(place, exchange, description, policy)?;
        let took_over = branch.is_taken_over(callee);
        let dropping = request.drops.unwrap_or(self.dropping);
        let answered = Answering { place, exchange, description, callee, policy, dropping };
        let callee_tag = callee.map(str::to_owned);
        let mut outcome = Outcome { took_over, callee_tag, ..Outcome::default() };
        for line in 0..offered {
            self.settle_line(&answered, line, random, &mut outcome)?;
        }
        //= tests/spec/sdp.md#forking
        //# When others know the keys of a call, a new offer MUST be advised.
        let forked = self.branches.len() > 1 || took_over || exchange.shared;
        let is_secured = outcome.settled.iter().flatten().any(|one| one.far.keys.is_some());
        outcome.rekey_advised |= forked && is_secured;
        Ok(outcome)
    }

    //= tests/spec/sdp.md#offer-and-answer
    //# Media lines that are left out at the end MUST be taken for declined, unless the mode is
    //# strict.
    /// How many lines there are to settle: those of the offer, and those that it has left out.
    fn count_lines(
        &self,
        place: Slot,
        exchange: &Exchange,
        description: &SessionDescription,
        policy: &AlgPolicy,
    ) -> Result<usize, AlgError> {
        let (offered, found) = (exchange.lines.len(), description.media.len());
        // What stands in place of another line would be taken for it.
        let is_other = |(line, media): (usize, &MediaDescription)| {
            let leg = self.used(place, exchange.offerer.other(), line);
            leg.is_some_and(|leg| leg.media != media.media)
        };
        let is_short = found < offered;
        let is_refused = found > offered
            || (is_short && (found == 0 || policy.mode == Mode::Strict))
            || (is_short && description.media.iter().enumerate().any(is_other));
        if is_refused {
            return Err(AlgError::MediaCount { offered, found });
        }
        let branch = self.branches.get(place.branch);
        Ok(branch.map_or(0, |branch| branch.lines).max(offered))
    }

    fn settle_line(
        &self,
        answered: &Answering<'_>,
        line: usize,
        random: &mut Random<'_>,
        outcome: &mut Outcome,
    ) -> Result<(), AlgError> {
        let Answering { place, exchange, description, callee, policy, dropping } = *answered;
        let Some(media) = description.media.get(line) else {
            self.silence(place, line, outcome);
            outcome.settled.push(None);
            return Ok(());
        };
        let (edit, settled) = match exchange.lines.get(line).ok_or(AlgError::Replies)? {
            LineExchange::Declined { transport, shown: _ } => {
                self.silence(place, line, outcome);
                (MediaEdit::Decline { transport: Some(transport.clone()) }, None)
            }
            LineExchange::PassBy => (MediaEdit::PassBy, None),
            LineExchange::Relayed(offered) if media.port == 0 => {
                self.silence(place, line, outcome);
                (MediaEdit::Decline { transport: Some(offered.transport.clone()) }, None)
            }
            LineExchange::Relayed(offered) => {
                let leg = |side| self.used(place, side, line).ok_or(AlgError::Replies);
                let (near, far) = (leg(exchange.offerer)?, leg(exchange.offerer.other())?);
                let offered: &Offered = offered;
                let took_over = outcome.took_over;
                let was_secured = self.was_secured(exchange.offerer.other(), callee, line);
                let answer = Answer {
                    line,
                    media,
                    description,
                    exchange,
                    offered,
                    near,
                    far,
                    policy,
                    took_over,
                    was_secured,
                    dropping,
                };
                let answered = answer.settle(random)?;
                outcome.changes.entry(far.termination).or_default().push(answered.far);
                outcome.changes.entry(near.termination).or_default().push(answered.near);
                outcome.rekey_advised |= answered.rekey_advised;
                (MediaEdit::Relay(Box::new(answered.edit)), Some(answered.settled))
            }
        };
        outcome.edits.push(edit);
        outcome.settled.push(settled);
        Ok(())
    }

    /// Closes the gates of a declined line, where it has some.
    fn silence(&self, place: Slot, line: usize, outcome: &mut Outcome) {
        for side in [Side::Caller, Side::Callee] {
            if let Some(leg) = self.used(place, side, line) {
                let mode = Some(StreamMode::Inactive);
                let change = StreamChange { mode, ..unchanged(line) };
                outcome.changes.entry(leg.termination).or_default().push(change);
            }
        }
    }

    fn answer_commands(
        &self,
        context: ContextId,
        changes: BTreeMap<TerminationId, Vec<StreamChange>>,
        wanted: &[Pair],
        place: Slot,
    ) -> Vec<Command> {
        let configure = |(termination, streams)| {
            Command::Configure(Configure::of(context, termination, streams))
        };
        let mut commands: Vec<Command> = changes.into_iter().map(configure).collect();
        let associations = associations(&self.connected, wanted);
        if !associations.is_empty() {
            let change = TopologyChange::Associate(associations);
            commands.push(Command::SetTopology(SetTopology { context, change }));
        }
        let released = self.replaced(place).into_iter().map(|termination| {
            Command::Release(Release { context, termination: Some(termination) })
        });
        commands.extend(released);
        commands
    }

    /// The terminations that nobody uses any more once the exchange of a branch is answered.
    fn replaced(&self, place: Slot) -> BTreeSet<TerminationId> {
        let before = self.terminations(None);
        let mut after: BTreeSet<TerminationId> = BTreeSet::new();
        for (other, branch) in self.branches.iter().enumerate() {
            for line in 0..self.caller.len().max(branch.callee.len()) {
                let legs = match other == place.branch {
                    true => [Side::Caller, Side::Callee].map(|side| self.used(place, side, line)),
                    false => [None, self.leg(Some(other), Side::Callee, line)],
                };
                after.extend(legs.into_iter().flatten().map(|leg| leg.termination));
            }
        }
        before.difference(&after).copied().collect()
    }

    /// The keys are installed: the offerer can be told.
    pub(crate) fn conclude_answer(&mut self, step: AnswerStep) -> Result<Signalled, AlgError> {
        let AnswerStep { effect, confirms, sdp, rekey_advised, dropping } = step;
        self.dropping = dropping;
        if let Some(effect) = effect {
            self.take_effect(effect)?;
        }
        if let Some(callee) = confirms {
            self.confirm(callee);
        }
        let (context, streams) = (self.context, self.streams());
        Ok(Signalled { sdp: sdp.0, context, streams, rekey_advised })
    }

    fn take_effect(&mut self, effect: Effect) -> Result<(), AlgError> {
        let Effect { place, callee_tag, said, settled, connected } = effect;
        let position = place.branch;
        let branch = self.branches.get_mut(position).ok_or(AlgError::UnknownDialogue)?;
        let mut exchange = branch.take(place.turn).ok_or(AlgError::NoOffer)?;
        self.put_in_force(position, &mut exchange, true);
        let heard = self.branches.get(position).and_then(|branch| branch.callee_tag.clone());
        let callee = callee_tag.clone().or(heard).unwrap_or_default();
        for (line, settled) in settled.into_iter().enumerate() {
            let (near, far) = settled.map_or((None, None), |one| (Some(one.near), Some(one.far)));
            for (side, settled) in [(exchange.offerer, near), (exchange.offerer.other(), far)] {
                self.remember((position, &callee), side, line, settled);
            }
        }
        if let Some((what, text)) = said {
            exchange.note(callee_tag.clone(), what, text);
            let within = exchange.within.as_deref().filter(|_| place.turn == Turn::Last);
            if within.is_some() {
                self.branches.iter_mut().for_each(|branch| branch.forget_agreed(within));
            }
        }
        if let Some(callee) = &callee_tag {
            let others =
                self.branches.iter_mut().enumerate().filter(|(other, _)| *other != position);
            others.for_each(|(_, other)| other.lose(callee));
        }
        if let Some(branch) = self.branches.get_mut(position) {
            branch.lines = branch.lines.max(exchange.lines.len());
            branch.put(place.turn, exchange);
            branch.established = true;
            branch.hear(callee_tag.clone());
        }
        self.connected = connected;
        self.agreed_with = callee_tag;
        Ok(())
    }

    /// Remembers what was agreed on a leg; nothing for a line that was declined.
    fn remember(
        &mut self,
        (position, callee): (usize, &str),
        side: Side,
        line: usize,
        settled: Option<SettledLeg>,
    ) {
        let legs = match side {
            Side::Caller => Some(&mut self.caller),
            Side::Callee => self.branches.get_mut(position).map(|branch| &mut branch.callee),
        };
        let leg = legs.and_then(|legs| legs.get_mut(line)).and_then(Option::as_mut);
        let Some(leg) = leg else { return };
        let Some(SettledLeg { keys, remote, transport, rtcp, mode }) = settled else {
            leg.mode = StreamMode::Inactive;
            return;
        };
        leg.local = leg.local_with(rtcp);
        // Keys that rest are known when their stream is secured again.
        if let Some(Agreed { own, theirs }) = keys {
            (leg.own, leg.theirs) = (Some(own), Some(theirs));
            leg.note_secured(callee);
        }
        (leg.agreed, leg.transport, leg.rtcp, leg.mode) = (true, transport, rtcp, mode);
        leg.remote = remote.or(leg.remote);
    }
}

/// What changes who hears whom; nothing if nothing does.
pub(crate) fn associations(before: &[Pair], after: &[Pair]) -> Vec<Association> {
    let only = |these: &[Pair], those: &[Pair], relation| -> Vec<Association> {
        let gone = these.iter().filter(|pair| !those.contains(pair));
        gone.map(|&(from, to, stream)| Association { from, to, relation, stream: Some(stream) })
            .collect()
    };
    //= tests/spec/sdp.md#forking
    //# Of the branches of a call only the one that answered last MUST be heard.
    let mut changes = only(before, after, Relation::Isolate);
    changes.extend(only(after, before, Relation::BothWay));
    changes
}
