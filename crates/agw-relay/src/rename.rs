//! Second senders with one SSRC in a group, told apart: what they send leaves under an SSRC of its
//! own, and RTCP fits it in both directions (RFC 3550 §8.2, RFC 3711 §9.1).
//!
//! Numbers and timestamps stay; SSRCs change between opening and sealing. A fresh SSRC is nobody
//! else's in the group, so that one name back is enough for all that speak of it.

use std::time::Instant;

use agw_rtp::{Reception, RtcpEdit, SenderCounts, Ssrc, edit_rtcp};
use agw_srtp::Engine;

use crate::batch::MAX_BATCH;
use crate::drop::DropReason;
use crate::group::{Member, Sender};
use crate::relay::Relay;
use crate::spec::{Component, EgressId, IngressId};

/// Fresh SSRCs of a group; members have few sources each.
const MOST: usize = 1_024;

/// Packets that are known again: a copy of one at another member's port is no second sender.
const REMEMBERED: usize = 1_024;

/// Where a fresh SSRC was not found so many times, something is wrong with chance.
const ATTEMPTS: usize = 64;

/// The SSRC of an RTP packet.
const SSRC: std::ops::Range<usize> = 8..12;

/// The fresh SSRCs of a group.
#[derive(Debug)]
pub(crate) struct Names {
    /// In order of who was given them, with room for what a batch may bring.
    fresh: Vec<((Sender, Ssrc), Ssrc)>,
    /// Whose they are, in their own order.
    own: Vec<(Ssrc, Ssrc)>,
    /// The last octets of packets, the tag at the end of them.
    recent: Box<[u64]>,
    next: usize,
    random: u64,
}

/// A source that leaves under another SSRC than its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RenamedSource {
    /// Whose it is; `None` is the focus's.
    pub member: Option<IngressId>,
    /// Its own SSRC.
    pub ssrc: Ssrc,
    /// The SSRC that it leaves under.
    pub fresh: Ssrc,
}

impl Names {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            fresh: Vec::with_capacity(2 * MAX_BATCH),
            own: Vec::with_capacity(2 * MAX_BATCH),
            recent: vec![0; REMEMBERED].into_boxed_slice(),
            next: 0,
            random: seed,
        }
    }

    /// Whether a source has a fresh SSRC, or can be given one.
    pub(crate) fn has_room_for(&self, sender: Sender, ssrc: Ssrc) -> bool {
        self.fresh.len() < MOST || self.has(sender, ssrc)
    }

    pub(crate) fn has(&self, sender: Sender, ssrc: Ssrc) -> bool {
        self.fresh_of(sender, ssrc).is_some()
    }

    /// Whether a batch might bring more second senders than there is room for.
    pub(crate) fn is_crowded(&self) -> bool {
        self.fresh.capacity().min(self.own.capacity()) - self.fresh.len() < MAX_BATCH
    }

    /// Makes room for the second senders that a batch may bring.
    pub(crate) fn make_room(&mut self) {
        self.fresh.reserve(MAX_BATCH);
        self.own.reserve(MAX_BATCH);
    }

    /// The SSRC that a source was given.
    fn fresh_of(&self, sender: Sender, ssrc: Ssrc) -> Option<Ssrc> {
        let place = self.fresh.binary_search_by_key(&(sender, ssrc), |&(source, _)| source).ok()?;
        self.fresh.get(place).map(|&(_, fresh)| fresh)
    }

    /// The source's own SSRC, of one that it was given.
    fn own_of(&self, fresh: Ssrc) -> Option<Ssrc> {
        let place = self.own.binary_search_by_key(&fresh, |&(fresh, _)| fresh).ok()?;
        self.own.get(place).map(|&(_, own)| own)
    }

    /// Gives a source an SSRC that is not taken; `None` if there is none.
    pub(crate) fn name(
        &mut self,
        sender: Sender,
        ssrc: Ssrc,
        is_taken: &dyn Fn(Ssrc) -> bool,
    ) -> Option<Ssrc> {
        let source = (sender, ssrc);
        let place = self.fresh.binary_search_by_key(&source, |&(source, _)| source).err()?;
        if self.fresh.len() >= MOST {
            return None;
        }
        for _ in 0..ATTEMPTS {
            let fresh = Ssrc(self.draw());
            let known = self.own.binary_search_by_key(&fresh, |&(fresh, _)| fresh);
            if let (Err(place_of_own), false) = (known, fresh == Ssrc(0) || is_taken(fresh)) {
                self.fresh.insert(place, (source, fresh));
                self.own.insert(place_of_own, (fresh, ssrc));
                return Some(fresh);
            }
        }
        None
    }

    /// The next number of the generator SplitMix64, which control seeds by chance.
    fn draw(&mut self) -> u32 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed >> 32) as u32
    }

    /// Forgets members that left, and returns the SSRCs that were theirs.
    pub(crate) fn keep(&mut self, members: &[Member]) -> Vec<Ssrc> {
        let mut gone = Vec::new();
        self.fresh.retain(|((sender, _), fresh)| {
            let Sender::Member(ingress) = *sender else {
                return true;
            };
            let stays = members.binary_search_by_key(&ingress, |member| member.ingress).is_ok();
            if !stays {
                gone.push(*fresh);
            }
            stays
        });
        self.own.retain(|(fresh, _)| !gone.contains(fresh));
        gone
    }

    pub(crate) fn remember(&mut self, mark: u64) {
        if let Some(place) = self.recent.get_mut(self.next) {
            *place = mark;
        }
        self.next = (self.next + 1) % REMEMBERED;
    }

    pub(crate) fn remembers(&self, mark: u64) -> bool {
        self.recent.contains(&mark)
    }

    pub(crate) fn sources(&self) -> impl Iterator<Item = RenamedSource> {
        self.fresh.iter().map(|&((sender, ssrc), fresh)| {
            let member = match sender {
                Sender::Member(ingress) => Some(ingress),
                Sender::Gateway | Sender::Gone(_) | Sender::Renamed => None,
            };
            RenamedSource { member, ssrc, fresh }
        })
    }

    fn rename(
        &self,
        sender: Sender,
        component: Component,
        packet: &mut [u8],
    ) -> Result<usize, DropReason> {
        if self.fresh.is_empty() {
            return Ok(packet.len());
        }
        match component {
            Component::Rtp => {
                let field = packet.get_mut(SSRC).ok_or(DropReason::Malformed)?;
                let octets = <[u8; 4]>::try_from(&*field).map_err(|_| DropReason::Malformed)?;
                let ssrc = Ssrc(u32::from_be_bytes(octets));
                if let Some(fresh) = self.fresh_of(sender, ssrc) {
                    field.copy_from_slice(&fresh.0.to_be_bytes());
                }
                Ok(packet.len())
            }
            Component::Rtcp => edit_rtcp(packet, &mut Renaming { names: self, sender })
                .map_err(|_| DropReason::Malformed),
        }
    }
}

/// The last octets of a packet as it arrived, by which a copy of it is known again.
pub(crate) fn mark_of(datagram: &[u8]) -> u64 {
    datagram.last_chunk().map_or(0, |last| u64::from_be_bytes(*last))
}

/// RTCP of one sender on its way.
struct Renaming<'a> {
    names: &'a Names,
    sender: Sender,
}

//= tests/spec/group.md#ssrc
//# RTCP MUST name a second sender by its fresh SSRC, and reach it with its own.
impl RtcpEdit for Renaming<'_> {
    fn sender(&mut self, ssrc: Ssrc) -> Ssrc {
        self.names.fresh_of(self.sender, ssrc).unwrap_or(ssrc)
    }

    fn sender_info(&mut self, _: Ssrc, info: SenderCounts) -> Option<SenderCounts> {
        Some(info)
    }

    fn subject(&mut self, ssrc: Ssrc) -> Ssrc {
        self.names.own_of(ssrc).unwrap_or(ssrc)
    }

    fn report(&mut self, block: Reception) -> Option<Reception> {
        Some(Reception { ssrc: self.subject(block.ssrc), ..block })
    }

    fn sequence(&mut self, _: Ssrc, sequence: u16) -> Option<u16> {
        Some(sequence)
    }

    fn leaving(&mut self, ssrc: Ssrc) -> Option<Ssrc> {
        Some(self.sender(ssrc))
    }
}

impl<E: Engine> Relay<E> {
    /// Gives a plain packet the SSRCs and numbers under which it leaves, and returns its new length.
    pub(crate) fn translate(
        &mut self,
        from: IngressId,
        to: EgressId,
        component: Component,
        packet: &mut [u8],
        now: Instant,
    ) -> Result<usize, DropReason> {
        let member_of = self.ingresses.at(from.0).and_then(|ingress| ingress.spec.group());
        let egress = self.egresses.at(to.0);
        let is_group = egress.is_some_and(|egress| egress.group_spec().is_some());
        let rewrites =
            egress.is_some_and(|egress| egress.rewrites()) || component == Component::Rtcp;
        let mut len = packet.len();
        if let Some(group) = member_of {
            len = self.rename(group, Sender::Member(from), component, packet)?;
        }
        if rewrites {
            let packet = packet.get_mut(..len).unwrap_or_default();
            len = self.rewrite(from, to, component, packet, now)?;
        }
        if is_group {
            let packet = packet.get_mut(..len).unwrap_or_default();
            len = self.rename(to, Sender::Gateway, component, packet)?;
        }
        Ok(len)
    }

    fn rename(
        &self,
        group: EgressId,
        sender: Sender,
        component: Component,
        packet: &mut [u8],
    ) -> Result<usize, DropReason> {
        let group = self.egresses.at(group.0).and_then(|egress| egress.group());
        match group.and_then(|group| group.names()) {
            Some(names) => names.rename(sender, component, packet),
            None => Ok(packet.len()),
        }
    }
}
