//! A call: its dialogues and what the gateway has for them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use agw_context::{
    Command, Configure, ContextId, StreamChange, StreamId, StreamMode, TerminationId,
};

use crate::error::AlgError;
use crate::exchange::{Exchange, LineExchange};
use crate::leg::{Leg, Side, stream_id, unchanged};
use crate::plan::SignalledStream;

/// Who hears whom on a stream: the caller's termination and a callee's.
pub(crate) type Pair = (TerminationId, TerminationId, StreamId);

/// A call, from its first offer on.
///
/// The caller is on one leg for each media line. Behind a fork each branch has legs of its own
/// towards its callee; what was answered last is heard (RFC 4568 §7.3).
#[derive(Debug)]
pub struct Call {
    pub(crate) id: String,
    pub(crate) generation: u64,
    pub(crate) context: Option<ContextId>,
    pub(crate) caller: Vec<Option<Leg>>,
    pub(crate) branches: Vec<Branch>,
    /// Who hears whom in the gateway.
    pub(crate) connected: Vec<Pair>,
    /// Whether all media is dropped, whatever signalling says of gates.
    pub(crate) dropping: bool,
}

/// One way that the call took.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) via_branch: Option<String>,
    pub(crate) caller_tag: String,
    pub(crate) callee_tag: Option<String>,
    pub(crate) callee: Vec<Option<Leg>>,
    pub(crate) exchange: Option<Exchange>,
    /// Whether an offer was answered.
    pub(crate) established: bool,
    /// How many media lines its session has: they never become fewer (RFC 3264 §8).
    pub(crate) lines: usize,
}

/// How signalling names a dialogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialogue<'a> {
    /// The tag of who sends the request, or of who sent the request that is answered.
    pub from_tag: &'a str,
    /// The other tag, as far as it is known.
    pub to_tag: Option<&'a str>,
    /// What tells the branches of a fork apart before they have tags.
    pub via_branch: Option<&'a str>,
}

/// Where an offer belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Located {
    New { via_branch: Option<String>, caller_tag: String, callee_tag: Option<String> },
    Branch { position: usize, offerer: Side },
}

impl Call {
    /// A call without anything yet. The identifier names its context in audits if it consists of
    /// 1 to 128 visible ASCII characters.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            generation: 0,
            context: None,
            caller: Vec::new(),
            branches: Vec::new(),
            connected: Vec::new(),
            dropping: false,
        }
    }

    /// Its identifier.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The gateway's context for it.
    #[must_use]
    pub const fn context(&self) -> Option<ContextId> {
        self.context
    }

    /// Whether nothing is left of it: no offer came, or all was deleted.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.branches.is_empty()
    }

    /// The tags of its dialogues: the caller's and, once it is known, the callee's.
    pub fn tags(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.branches.iter().map(|one| (one.caller_tag.as_str(), one.callee_tag.as_deref()))
    }

    /// Whether a request that names this dialogue is about this call.
    #[must_use]
    pub fn knows(&self, dialogue: &Dialogue<'_>) -> bool {
        let Dialogue { from_tag, to_tag, via_branch: _ } = *dialogue;
        self.branches.iter().any(|branch| {
            let known = [Some(branch.caller_tag.as_str()), branch.callee_tag.as_deref()];
            known.contains(&Some(from_tag)) || (to_tag.is_some() && known.contains(&to_tag))
        })
    }

    /// Whether both tags are those of one of its dialogues, either way round.
    pub(crate) fn has_dialogue(&self, dialogue: &Dialogue<'_>) -> bool {
        let Dialogue { from_tag, to_tag, via_branch: _ } = *dialogue;
        let Some(to_tag) = to_tag else { return false };
        self.tags().any(|tags| tags == (from_tag, Some(to_tag)) || tags == (to_tag, Some(from_tag)))
    }

    /// Everything that the gateway has for the call.
    #[must_use]
    pub fn streams(&self) -> Vec<SignalledStream> {
        let of = |side, legs: &[Option<Leg>]| -> Vec<SignalledStream> {
            let live =
                legs.iter().enumerate().filter_map(|(line, leg)| Some((line, leg.as_ref()?)));
            let told = live.map(|(line, leg)| {
                let Leg { termination, local, transport, media, .. } = leg;
                let (termination, local, media) = (*termination, *local, *media);
                SignalledStream { side, line, media, termination, local, transport: *transport }
            });
            told.collect()
        };
        let mut streams = of(Side::Caller, &self.caller);
        for branch in &self.branches {
            streams.extend(of(Side::Callee, &branch.callee));
        }
        streams
    }

    /// Finds where an offer belongs.
    pub(crate) fn locate_offer(&self, dialogue: &Dialogue<'_>) -> Result<Located, AlgError> {
        let Dialogue { from_tag, to_tag, via_branch } = *dialogue;
        let found = |position, offerer| Ok(Located::Branch { position, offerer });
        let new = || Located::New {
            via_branch: via_branch.map(str::to_owned),
            caller_tag: from_tag.to_owned(),
            callee_tag: to_tag.map(str::to_owned),
        };
        // An offer in a response to a request without one, or in a dialogue from before a restart.
        if self.branches.is_empty() {
            return Ok(new());
        }
        let position = |fits: &dyn Fn(&Branch) -> bool| self.branches.iter().position(fits);
        if let Some(to_tag) = to_tag {
            for (caller, callee, offerer) in
                [(from_tag, to_tag, Side::Caller), (to_tag, from_tag, Side::Callee)]
            {
                let exact = |one: &Branch| {
                    one.caller_tag == caller && one.callee_tag.as_deref() == Some(callee)
                };
                let open = |one: &Branch| one.caller_tag == caller && one.callee_tag.is_none();
                if let Some(position) = position(&exact).or_else(|| position(&open)) {
                    return found(position, offerer);
                }
            }
            return Err(AlgError::UnknownDialogue);
        }
        let same_way =
            |one: &Branch| one.caller_tag == from_tag && one.via_branch.as_deref() == via_branch;
        match position(&same_way) {
            Some(position) => found(position, Side::Caller),
            None if self.branches.iter().all(|one| one.caller_tag == from_tag) => Ok(new()),
            None => Err(AlgError::UnknownDialogue),
        }
    }

    /// Finds the branch whose offer is answered or rejected: the tags may stand either way round.
    pub(crate) fn locate_answer(&self, dialogue: &Dialogue<'_>) -> Result<usize, AlgError> {
        let Dialogue { from_tag, to_tag, via_branch } = *dialogue;
        let has = |tag: &str| tag == from_tag || Some(tag) == to_tag;
        let exact = |one: &Branch| {
            has(&one.caller_tag) && one.callee_tag.as_deref().is_some_and(has) && to_tag.is_some()
        };
        let waits = |one: &Branch| one.exchange.as_ref().is_some_and(|one| !one.answered);
        let is_way = |one: &Branch| via_branch.is_some() && one.via_branch.as_deref() == via_branch;
        let rules: [&dyn Fn(&Branch) -> bool; 4] = [
            &exact,
            &|one| has(&one.caller_tag) && is_way(one),
            &|one| has(&one.caller_tag) && waits(one),
            &|one| has(&one.caller_tag) && one.exchange.is_some(),
        ];
        let found = rules.iter().find_map(|rule| self.branches.iter().position(rule));
        found.ok_or(AlgError::UnknownDialogue)
    }

    /// What is in force on a media line of a side.
    pub(crate) fn leg(&self, branch: Option<usize>, side: Side, line: usize) -> Option<&Leg> {
        let legs = match side {
            Side::Caller => &self.caller,
            Side::Callee => &self.branches.get(branch?)?.callee,
        };
        legs.get(line)?.as_ref()
    }

    /// An address of the gateway that a side was told.
    pub(crate) fn known_to(&self, branch: usize, side: Side) -> Option<IpAddr> {
        let lines = self.branches.get(branch).map_or(0, |branch| branch.callee.len());
        let legs =
            (0..lines.max(self.caller.len())).filter_map(|line| self.used(branch, side, line));
        legs.map(|leg| leg.local.rtp.ip()).next()
    }

    /// What a media line uses on a side: what its offer has reserved, else what is in force.
    pub(crate) fn used(&self, branch: usize, side: Side, line: usize) -> Option<&Leg> {
        let exchange = self.branches.get(branch)?.exchange.as_ref();
        let reserved = exchange.and_then(|exchange| exchange.leg(side, line));
        reserved.or_else(|| self.leg(Some(branch), side, line))
    }

    /// The terminations in use on both sides, but for those of one branch.
    pub(crate) fn terminations(&self, without: Option<usize>) -> BTreeSet<TerminationId> {
        let branches = self.branches.iter().enumerate();
        let others = branches.filter(|(position, _)| Some(*position) != without);
        let callees = others.flat_map(|(_, branch)| &branch.callee);
        self.caller.iter().chain(callees).flatten().map(|leg| leg.termination).collect()
    }

    /// Who must hear whom for a branch once its exchange is answered.
    pub(crate) fn wanted(&self, branch: usize) -> Vec<Pair> {
        self.pairs(branch, |side, line| self.used(branch, side, line))
    }

    /// Who must hear whom for the branch that is heard when another one ends.
    pub(crate) fn heir(&self, ending: usize) -> Option<Vec<Pair>> {
        let is_heir =
            |(position, branch): (usize, &Branch)| position != ending && branch.established;
        let position = self.branches.iter().enumerate().rposition(is_heir)?;
        Some(self.pairs(position, |side, line| self.leg(Some(position), side, line)))
    }

    fn pairs<'a>(&self, branch: usize, leg: impl Fn(Side, usize) -> Option<&'a Leg>) -> Vec<Pair> {
        let callee = self.branches.get(branch).map_or(&[][..], |branch| &branch.callee);
        let pairs = (0..callee.len()).filter_map(|line| {
            let (caller, callee) = (leg(Side::Caller, line)?, leg(Side::Callee, line)?);
            Some((caller.termination, callee.termination, stream_id(line)))
        });
        pairs.collect()
    }

    //= tests/spec/ng.md#gates
    //# Media MUST pass again, as signalling has it by then, when its dropping stops.
    /// What closes every gate of the call, or puts all of them back to what signalling wants;
    /// nothing if that is how they are.
    pub(crate) fn drop_or_pass(&self, drops: bool) -> Vec<Command> {
        let Some(context) = self.context.filter(|_| drops != self.dropping) else {
            return Vec::new();
        };
        let mut changes: BTreeMap<TerminationId, Vec<StreamChange>> = BTreeMap::new();
        let callees = self.branches.iter().map(|branch| &branch.callee);
        for legs in std::iter::once(&self.caller).chain(callees) {
            for (line, leg) in legs.iter().enumerate() {
                let Some(leg) = leg else { continue };
                let mode = Some(if drops { StreamMode::Inactive } else { leg.mode });
                let change = StreamChange { mode, ..unchanged(line) };
                changes.entry(leg.termination).or_default().push(change);
            }
        }
        let configure = |(termination, streams)| {
            Command::Configure(Configure::of(context, termination, streams))
        };
        changes.into_iter().map(configure).collect()
    }

    /// Lets what an offer has reserved take effect: where nothing was before, or, with the
    /// answer, everywhere.
    pub(crate) fn put_in_force(&mut self, branch: usize, exchange: &mut Exchange, all: bool) {
        let offerer = exchange.offerer;
        for (line, one) in exchange.lines.iter_mut().enumerate() {
            let LineExchange::Relayed(offered) = one else { continue };
            for (side, leg) in [(offerer, &mut offered.near), (offerer.other(), &mut offered.far)] {
                let legs = match side {
                    Side::Caller => Some(&mut self.caller),
                    Side::Callee => self.branches.get_mut(branch).map(|branch| &mut branch.callee),
                };
                let Some(legs) = legs else { continue };
                if legs.len() <= line {
                    legs.resize_with(line + 1, || None);
                }
                if let Some(place) = legs.get_mut(line)
                    && (all || place.is_none())
                    && leg.is_some()
                {
                    *place = leg.take();
                }
            }
        }
    }

    /// Refuses what was planned before the call changed.
    pub(crate) const fn check(&self, generation: u64) -> Result<(), AlgError> {
        if self.generation == generation { Ok(()) } else { Err(AlgError::Stale) }
    }
}
