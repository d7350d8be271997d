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
use crate::repeats::Said;
use crate::slot::Slot;

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
    /// The names of branches that have ended, the last ones.
    pub(crate) ended: Vec<String>,
    /// Who hears whom in the gateway.
    pub(crate) connected: Vec<Pair>,
    /// The callees whose dialogues were confirmed, as far as it was told.
    pub(crate) confirmed: Vec<String>,
    /// The callee in whose dialogue was agreed on last what is in force.
    pub(crate) agreed_with: Option<String>,
    /// Whether all media is dropped, whatever signalling says of gates.
    pub(crate) dropping: bool,
}

/// One way that the call took.
#[derive(Debug)]
pub(crate) struct Branch {
    /// The way's name; that of the way behind which a dialogue is, where the branch is beside it.
    pub(crate) via_branch: Option<String>,
    pub(crate) caller_tag: String,
    pub(crate) callee_tag: Option<String>,
    /// The other dialogues behind it that have answered its offer, the last one last: they share
    /// its legs (RFC 3261 §12.1).
    pub(crate) early: Vec<String>,
    /// Whether it is for one dialogue of a fork behind another branch.
    pub(crate) is_beside: bool,
    pub(crate) callee: Vec<Option<Leg>>,
    pub(crate) exchange: Option<Exchange>,
    /// The exchange of the first offer, which dialogues that are not heard of yet may still
    /// answer, once one of them has an exchange of its own.
    pub(crate) initial: Option<Box<Exchange>>,
    /// How many offers within dialogues came after it.
    pub(crate) further: u8,
    /// What was said in exchanges within its dialogues before the last one.
    pub(crate) said: Vec<Said>,
    /// The exchanges that dialogues agreed on before the last one, one each, while that waits or is
    /// another dialogue's.
    pub(crate) agreed: Vec<Exchange>,
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
            ended: Vec::new(),
            connected: Vec::new(),
            confirmed: Vec::new(),
            agreed_with: None,
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
        self.branches.iter().flat_map(|one| {
            let heard = std::iter::once(one.callee_tag.as_deref());
            let early = one.early.iter().map(|tag| Some(tag.as_str()));
            heard.chain(early).map(|callee| (one.caller_tag.as_str(), callee))
        })
    }

    /// Whether a request that names this dialogue is about this call.
    #[must_use]
    pub fn knows(&self, dialogue: &Dialogue<'_>) -> bool {
        let Dialogue { from_tag, to_tag, via_branch: _ } = *dialogue;
        let has = |tag: &str| tag == from_tag || Some(tag) == to_tag;
        self.tags().any(|(caller, callee)| has(caller) || callee.is_some_and(has))
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

    /// What is in force on a media line of a side.
    pub(crate) fn leg(&self, branch: Option<usize>, side: Side, line: usize) -> Option<&Leg> {
        let legs = match side {
            Side::Caller => &self.caller,
            Side::Callee => &self.branches.get(branch?)?.callee,
        };
        legs.get(line)?.as_ref()
    }

    /// An address of the gateway that a side was told.
    pub(crate) fn known_to(&self, place: Slot, side: Side) -> Option<IpAddr> {
        let lines = self.branches.get(place.branch).map_or(0, |branch| branch.callee.len());
        let legs =
            (0..lines.max(self.caller.len())).filter_map(|line| self.used(place, side, line));
        legs.map(|leg| leg.local.rtp.ip()).next()
    }

    /// What a media line uses on a side: what its offer has reserved, else what is in force.
    pub(crate) fn used(&self, place: Slot, side: Side, line: usize) -> Option<&Leg> {
        let reserved = self.exchange(place).and_then(|exchange| exchange.leg(side, line));
        reserved.or_else(|| self.leg(Some(place.branch), side, line))
    }

    /// The terminations in use on both sides, but for those of one branch.
    pub(crate) fn terminations(&self, without: Option<usize>) -> BTreeSet<TerminationId> {
        let branches = self.branches.iter().enumerate();
        let others = branches.filter(|(position, _)| Some(*position) != without);
        let callees = others.flat_map(|(_, branch)| &branch.callee);
        self.caller.iter().chain(callees).flatten().map(|leg| leg.termination).collect()
    }

    /// Who must hear whom for a branch once its exchange is answered.
    pub(crate) fn wanted(&self, place: Slot) -> Vec<Pair> {
        self.pairs(place.branch, |side, line| self.used(place, side, line))
    }

    /// Who must hear whom for a branch as it is.
    pub(crate) fn agreed(&self, branch: usize) -> Vec<Pair> {
        self.pairs(branch, |side, line| self.leg(Some(branch), side, line))
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
