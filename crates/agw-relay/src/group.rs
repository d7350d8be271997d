//! A conference's group on one stream: its members, its keys, and whose SSRC is whose
//! (TR 33.829 §5.3).
//!
//! A group is an egress whose crypto state serves all members: what is routed to it is sealed once
//! and leaves to each of them ([`crate::FanOut`]). Members may also send under one key; then the
//! group is a *key domain*, in which two senders with one SSRC would encrypt under the same
//! keystream (RFC 3711 §9.1), and in which a tag no longer tells who sent a packet.

use std::time::{Duration, Instant};

use agw_rtp::Ssrc;
use agw_srtp::{KeyPool, MAX_RETIRED};

use crate::batch::MAX_BATCH;
use crate::drop::DropReason;
use crate::fanout::{Arrived, Claim};
use crate::limiter::{Limiter, Rate};
use crate::member_keys::MemberKeys;
use crate::rename::{Names, RenamedSource};
use crate::spec::{EgressId, IngressCrypto, IngressId};

/// Collisions are told at most so often for one group; the counter has them all.
const COLLISIONS_TOLD: Rate = Rate { interval: Duration::from_secs(1), burst: 4 };

/// SSRCs that a key domain remembers, those of members that left included: members bring at most
/// `max_sources` each, so only thousands of them that come and go between two re-keys fill it.
const MAX_SSRCS: usize = 65_536;

/// A group as control describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSpec {
    /// The members' legs, in order.
    pub members: Vec<Member>,
    /// What becomes of a second sender with one SSRC under one key.
    pub collisions: CollisionRule,
    /// Whether a key that members send under is also the gateway's own for the group.
    pub seals_in_domain: bool,
    /// A random number, from which fresh SSRCs follow.
    pub seed: u64,
}

/// A member's leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// Where the member's media arrives.
    pub ingress: IngressId,
    /// Where the member's copy leaves.
    pub egress: EgressId,
}

/// What becomes of a second sender with one SSRC under one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CollisionRule {
    /// Its packets are dropped.
    #[default]
    Drop,
    /// Its packets pass; control is told.
    Alarm,
    /// Its packets leave under a fresh SSRC; control is told. Where members bring keys of their own,
    /// this is so as well: they meet under the key of the focus.
    Rewrite,
}

/// What a group remembers besides its spec and the state of its keys.
#[derive(Debug)]
pub(crate) struct Group {
    domain: Domain,
    /// The keys that members send under, for those that join later.
    pub(crate) member_keys: Option<MemberKeys>,
    /// What is used of keys that members share, once there were any.
    pub(crate) key_pool: Option<Box<KeyPool>>,
    /// With [`CollisionRule::Rewrite`], the SSRCs of second senders.
    names: Option<Box<Names>>,
    collisions: u64,
    told: Limiter,
}

/// A group copied out for audit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupSnapshot {
    /// SSRCs that the key domain knows, those of members that left included.
    pub ssrcs: usize,
    /// Packets whose SSRC was another sender's under the same key; of a sender that was given a
    /// fresh one, the first.
    pub collisions: u64,
    /// Sources that leave under fresh SSRCs.
    pub renamed: Vec<RenamedSource>,
}

/// Whose SSRC is whose under one key.
#[derive(Debug)]
struct Domain {
    /// In order of their SSRCs, with room for what a batch may bring.
    owners: Vec<(Ssrc, Sender)>,
    /// How many times members' keys were replaced.
    generation: u32,
}

/// Who sends with an SSRC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sender {
    /// The gateway itself, for the focus.
    Gateway,
    /// A member.
    Member(IngressId),
    /// A member that left, under keys of this generation.
    Gone(u32),
    /// The gateway has given it to a second sender.
    Renamed,
}

impl Sender {
    /// Why its packet is dropped where there is no room for its SSRC.
    const fn without_room(self) -> DropReason {
        match self {
            Self::Gateway => DropReason::EgressSourceLimit,
            Self::Member(_) | Self::Gone(_) | Self::Renamed => DropReason::SourceLimit,
        }
    }
}

/// Why a sender may not use an SSRC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is another sender's.
    Taken(Collision),
    /// It is new, and there is no room to remember whose it is.
    NoRoom(DropReason),
}

/// An SSRC that is another sender's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Collision {
    /// The member whose it is; `None` if it is the gateway's or a former member's.
    pub(crate) with: Option<IngressId>,
    /// Why the packet goes no further, if it does not.
    pub(crate) dropped: Option<DropReason>,
    /// Whether control is to be told now.
    pub(crate) told: bool,
    /// The SSRC that it leaves under from now on, if it was given one.
    pub(crate) fresh: Option<Ssrc>,
}

impl Group {
    pub(crate) fn new(spec: &GroupSpec) -> Self {
        let mut group = Self {
            domain: Domain::new(),
            member_keys: None,
            key_pool: None,
            names: None,
            collisions: 0,
            told: Limiter::default(),
        };
        group.change(spec);
        group
    }

    /// Takes a new spec.
    pub(crate) fn change(&mut self, spec: &GroupSpec) {
        match spec.collisions {
            CollisionRule::Rewrite => {
                self.names.get_or_insert_with(|| Box::new(Names::new(spec.seed)));
            }
            CollisionRule::Drop | CollisionRule::Alarm => self.forget_names(),
        }
        self.keep_members(&spec.members);
    }

    /// The SSRCs of second senders, where they are given any.
    pub(crate) fn names(&self) -> Option<&Names> {
        self.names.as_deref()
    }

    /// Whether a sender may use an SSRC, or one in its place. Who may is remembered by
    /// [`Self::note`], once the packet has been accepted.
    pub(crate) fn look(
        &mut self,
        spec: &GroupSpec,
        claim: Claim,
        now: Instant,
    ) -> Result<(), Refused> {
        let Claim { ssrc, sender, arrived, group: _ } = claim;
        if !self.is_domain() {
            return Ok(());
        }
        //= tests/spec/group.md#ssrc
        //# A sender whose SSRC a group has no room to remember MUST be refused.
        let no_room = Err(Refused::NoRoom(sender.without_room()));
        let Err(owner) = self.domain.look(ssrc, sender) else {
            let is_remembered = self.domain.place(ssrc).is_ok() || self.domain.has_room();
            return if is_remembered { Ok(()) } else { no_room };
        };
        //= tests/spec/group.md#ssrc
        //# A copy of what one member sent MUST NOT be taken for a second sender, and a second sender
        //# MUST NOT move a member's address.
        let is_theft = |names: &Names, Arrived { mark, moves }| {
            self.member_keys.is_some() && (moves || names.remembers(mark))
        };
        let is_told_apart = self.names.as_ref().is_some_and(|names| {
            names.has_room_for(sender, ssrc) && !arrived.is_some_and(|it| is_theft(names, it))
        });
        if is_told_apart {
            let has_name = self.names.as_ref().is_some_and(|names| names.has(sender, ssrc));
            return if has_name || self.domain.has_room() { Ok(()) } else { no_room };
        }
        let dropped = match spec.collisions {
            CollisionRule::Drop | CollisionRule::Rewrite => Some(DropReason::SsrcCollision),
            CollisionRule::Alarm => None,
        };
        Err(Refused::Taken(self.collide(owner, dropped, now)))
    }

    fn collide(&mut self, owner: Sender, dropped: Option<DropReason>, now: Instant) -> Collision {
        self.collisions += 1;
        let with = match owner {
            Sender::Member(ingress) => Some(ingress),
            Sender::Gateway | Sender::Gone(_) | Sender::Renamed => None,
        };
        Collision { with, dropped, told: self.told.take(COLLISIONS_TOLD, now), fresh: None }
    }

    /// Remembers whose an SSRC is, and gives a second sender a fresh one, which is told.
    pub(crate) fn note(
        &mut self,
        claim: Claim,
        is_sealed: &dyn Fn(Ssrc) -> bool,
        now: Instant,
    ) -> Option<Collision> {
        let Claim { ssrc, sender, arrived, group: _ } = claim;
        if !self.is_domain() {
            return None;
        }
        if let (Some(names), Some(Arrived { mark, moves: _ })) = (&mut self.names, arrived) {
            names.remember(mark);
        }
        let Err(owner) = self.domain.look(ssrc, sender) else {
            self.domain.note(ssrc, sender);
            return None;
        };
        let names = self.names.as_mut().filter(|names| !names.has(sender, ssrc))?;
        //= tests/spec/group.md#ssrc
        //# A second sender with an SSRC MUST leave under a fresh one, random and nobody else's, where
        //# the controller has asked for that.
        let is_taken = |ssrc: Ssrc| self.domain.place(ssrc).is_ok() || is_sealed(ssrc);
        let fresh = names.name(sender, ssrc, &is_taken);
        if let Some(fresh) = fresh {
            self.domain.note(fresh, Sender::Renamed);
        }
        Some(Collision { fresh, ..self.collide(owner, None, now) })
    }

    /// Takes note that the gateway has sealed packets of an SSRC.
    pub(crate) fn note_sealed(&mut self, ssrc: Ssrc) {
        if self.is_domain() {
            self.domain.note(ssrc, Sender::Gateway);
        }
    }

    /// Whether two senders with one SSRC are told apart: they share a key, or are given others.
    const fn is_domain(&self) -> bool {
        self.member_keys.is_some() || self.names.is_some()
    }

    /// The SSRCs of second senders are nobody's any more.
    fn forget_names(&mut self) {
        if self.names.take().is_some() {
            self.domain.owners.retain(|(_, owner)| *owner != Sender::Renamed);
        }
    }

    //= tests/spec/group.md#members
    //# A member that has left MUST NOT be sent anything, and the others MUST go on undisturbed.
    /// Forgets who left, but not with which SSRCs: what was sent under the key stays sent.
    fn keep_members(&mut self, members: &[Member]) {
        for fresh in self.names.iter_mut().flat_map(|names| names.keep(members)) {
            self.domain.leave(fresh);
        }
        // What a packet with its identifier puts in force may have been its key already.
        let early = self.member_keys.as_ref().is_some_and(MemberKeys::may_begin_early);
        let some_left = self.domain.keep(members, u32::from(early));
        if let (true, Some(keys)) = (some_left, &mut self.member_keys) {
            keys.doubt();
        }
    }

    /// Keeps a change of the members' keys for those that join later.
    pub(crate) fn change_member_keys(&mut self, change: IngressCrypto) {
        if MemberKeys::change(&mut self.member_keys, change) {
            self.domain.begin_generation();
        }
    }

    /// The keys that members send under, if they share them.
    pub(crate) const fn member_keys(&self) -> Option<&MemberKeys> {
        self.member_keys.as_ref()
    }

    /// Whether a batch might bring more senders than there is room for.
    pub(crate) fn is_crowded(&self) -> bool {
        let owners = &self.domain.owners;
        let is_crowded = owners.capacity() - owners.len() < self.most_of_a_batch();
        is_crowded || self.names.as_ref().is_some_and(|names| names.is_crowded())
    }

    /// Whether it has no room for the SSRCs of further senders.
    pub(crate) fn is_full(&self) -> bool {
        self.is_domain() && !self.domain.has_room()
    }

    /// Makes room for the senders that a batch may bring.
    pub(crate) fn make_room(&mut self) {
        self.domain.owners.reserve(self.most_of_a_batch());
        self.names.iter_mut().for_each(|names| names.make_room());
    }

    /// SSRCs that a batch may bring: a packet's own, and the fresh one that it is given.
    const fn most_of_a_batch(&self) -> usize {
        if self.names.is_some() { 2 * MAX_BATCH } else { MAX_BATCH }
    }

    pub(crate) fn snapshot(&self) -> GroupSnapshot {
        GroupSnapshot {
            ssrcs: self.domain.owners.len(),
            collisions: self.collisions,
            renamed: self.names.iter().flat_map(|names| names.sources()).collect(),
        }
    }
}

impl Domain {
    fn new() -> Self {
        Self { owners: Vec::with_capacity(2 * MAX_BATCH), generation: 0 }
    }

    fn place(&self, ssrc: Ssrc) -> Result<usize, usize> {
        self.owners.binary_search_by_key(&ssrc, |&(known, _)| known)
    }

    /// Tells who else an SSRC belongs to.
    fn look(&self, ssrc: Ssrc, sender: Sender) -> Result<(), Sender> {
        match self.place(ssrc).ok().and_then(|place| self.owners.get(place)) {
            Some(&(_, owner)) if owner != sender => Err(owner),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether another SSRC can be remembered.
    const fn has_room(&self) -> bool {
        self.owners.len() < MAX_SSRCS
    }

    /// Makes a free SSRC the sender's, whom [`Group::look`] has let pass, or the gateway's, which has
    /// few.
    fn note(&mut self, ssrc: Ssrc, sender: Sender) {
        if let Err(place) = self.place(ssrc) {
            self.owners.insert(place, (ssrc, sender));
        }
    }

    /// An SSRC that was given to a member that has left.
    fn leave(&mut self, fresh: Ssrc) {
        let generation = self.generation;
        if let Some((_, owner)) = self.place(fresh).ok().and_then(|at| self.owners.get_mut(at)) {
            *owner = Sender::Gone(generation);
        }
    }

    /// Tells whether some have left; they may have used keys so many generations ahead.
    fn keep(&mut self, members: &[Member], ahead: u32) -> bool {
        let mut some_left = false;
        for (_, owner) in &mut self.owners {
            if let Sender::Member(ingress) = *owner
                && members.binary_search_by_key(&ingress, |member| member.ingress).is_err()
            {
                *owner = Sender::Gone(self.generation + ahead);
                some_left = true;
            }
        }
        some_left
    }

    /// Other keys: SSRCs of members that left are free once their keys no longer open packets,
    /// which is so when as many were replaced since as may overlap. Not when the overlap is over:
    /// a controller may put a key in force again that it has replaced a moment ago, as a rejected
    /// offer does (RFC 4568 §7.1.4), and under it what the member had sent stays sent.
    fn begin_generation(&mut self) {
        self.generation += 1;
        let oldest = self.generation.saturating_sub(MAX_RETIRED as u32);
        self.owners.retain(|(_, owner)| !matches!(*owner, Sender::Gone(at) if at < oldest));
    }
}
