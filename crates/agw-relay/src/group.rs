//! A conference's group on one stream: its members, its keys, and whose SSRC is whose
//! (TR 33.829 §5.3).
//!
//! A group is an egress whose crypto state serves all members: what is routed to it is sealed once
//! and leaves to each of them ([`crate::FanOut`]). Members may also send under one key; then the
//! group is a *key domain*, in which two senders with one SSRC would encrypt under the same
//! keystream (RFC 3711 §9.1), and in which a tag no longer tells who sent a packet.

use std::time::{Duration, Instant};

use agw_rtp::Ssrc;

use crate::batch::MAX_BATCH;
use crate::drop::DropReason;
use crate::limiter::{Limiter, Rate};
use crate::member_keys::MemberKeys;
use crate::spec::{EgressId, IngressCrypto, IngressId};

/// Collisions are told at most so often for one group; the counter has them all.
const COLLISIONS_TOLD: Rate = Rate { interval: Duration::from_secs(1), burst: 4 };

/// SSRCs that a key domain remembers, those of members that left included.
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
}

/// What a group remembers besides its spec and the state of its keys.
#[derive(Debug)]
pub(crate) struct Group {
    domain: Domain,
    /// The keys that members send under, for those that join later.
    member_keys: Option<MemberKeys>,
    collisions: u64,
    told: Limiter,
}

/// A group copied out for audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupSnapshot {
    /// SSRCs that the key domain knows, those of members that left included.
    pub ssrcs: usize,
    /// Packets whose SSRC was another sender's under the same key.
    pub collisions: u64,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sender {
    /// The gateway itself, for the focus.
    Gateway,
    /// A member.
    Member(IngressId),
    /// A member that left, under keys of this generation.
    Gone(u32),
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
}

impl Group {
    pub(crate) fn new() -> Self {
        Self { domain: Domain::new(), member_keys: None, collisions: 0, told: Limiter::default() }
    }

    /// Whether `sender` may use an SSRC. A sender that may is remembered by [`Self::note`], once
    /// its packet has been accepted.
    pub(crate) fn look(
        &mut self,
        spec: &GroupSpec,
        ssrc: Ssrc,
        sender: Sender,
        now: Instant,
    ) -> Result<(), Collision> {
        if self.member_keys.is_none() {
            return Ok(());
        }
        let Err(owner) = self.domain.look(ssrc, sender) else {
            return Ok(());
        };
        self.collisions += 1;
        let with = match owner {
            Sender::Member(ingress) => Some(ingress),
            Sender::Gateway | Sender::Gone(_) => None,
        };
        let dropped = match spec.collisions {
            CollisionRule::Drop => Some(DropReason::SsrcCollision),
            CollisionRule::Alarm => None,
        };
        Err(Collision { with, dropped, told: self.told.take(COLLISIONS_TOLD, now) })
    }

    /// Remembers whose an SSRC is.
    pub(crate) fn note(&mut self, ssrc: Ssrc, sender: Sender) {
        if self.member_keys.is_some() {
            self.domain.note(ssrc, sender);
        }
    }

    //= tests/spec/group.md#members
    //# A member that has left MUST NOT be sent anything, and the others MUST go on undisturbed.
    /// Forgets who left, but not with which SSRCs: what was sent under the key stays sent.
    pub(crate) fn keep_members(&mut self, members: &[Member]) {
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
        self.domain.owners.capacity() - self.domain.owners.len() < MAX_BATCH
    }

    /// Makes room for the senders that a batch may bring.
    pub(crate) fn make_room(&mut self) {
        self.domain.owners.reserve(MAX_BATCH);
    }

    pub(crate) fn snapshot(&self) -> GroupSnapshot {
        GroupSnapshot { ssrcs: self.domain.owners.len(), collisions: self.collisions }
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

    /// Makes a free SSRC the sender's. Without room it stays free: members bring at most
    /// `max_sources` each, so only thousands of them that come and go between two re-keys do that.
    fn note(&mut self, ssrc: Ssrc, sender: Sender) {
        if let (true, Err(place)) = (self.owners.len() < MAX_SSRCS, self.place(ssrc)) {
            self.owners.insert(place, (ssrc, sender));
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
    /// which is so when these are replaced in turn.
    fn begin_generation(&mut self) {
        let before = self.generation;
        self.generation += 1;
        self.owners.retain(|(_, owner)| !matches!(*owner, Sender::Gone(at) if at < before));
    }
}
