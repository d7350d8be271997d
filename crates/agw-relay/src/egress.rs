//! The sending half of a leg: spec, keys, destination, counters.

use std::net::SocketAddr;
use std::time::Instant;

use agw_rtp::Ssrc;
use agw_srtp::{Engine, KeyError, ProtectError, Protector, SealTicket, SpareRooms, SrtcpIndex};

use crate::alarm::Alarm;
use crate::drop::DropReason;
use crate::fanout::Claim;
use crate::group::{Collision, Group, GroupSpec, Member};
use crate::place::Place;
use crate::police::{Meters, TrafficLimits, ip_octets};
use crate::quality::Quality;
use crate::refusal::{Refusal, Refusals, Telling, Trouble};
use crate::rewrite::{RewriteSpec, Rewriter};
use crate::source::replaces;
use crate::spare::Spare;
use crate::spec::{
    Component, EgressCrypto, EgressSpec, PortId, RtcpEgress, Transport, initial_roc,
};
use crate::stats::{CryptoSnapshot, Drops, EgressSnapshot, EgressStats, SourceSnapshot};

/// What every packet reads stands first.
#[repr(C)]
pub(crate) struct Egress<K> {
    /// Elsewhere, because half of all legs have none.
    pub(crate) crypto: Option<Box<Protector<K>>>,
    pub(crate) spec: EgressSpec,
    pub(crate) stats: EgressStats,
    learnt_rtp: Option<Place>,
    learnt_rtcp: Option<Place>,
    /// What few sending halves remember.
    pub(crate) extras: Option<Box<EgressState>>,
}

/// What few sending halves remember: apart, so that all others pay for a pointer only.
#[derive(Default)]
pub(crate) struct EgressState {
    /// Of a group, what is not in its spec.
    pub(crate) group: Option<Group>,
    /// Of a rewritten stream, where its numbers are.
    rewriter: Option<Box<Rewriter>>,
    /// How the peer hears what leaves; made when the first RTCP has passed.
    quality: Option<Box<Quality>>,
    /// What the kernel refused.
    trouble: Option<Box<Trouble>>,
    /// What has left.
    meters: Meters,
    /// What was too much.
    policed: Alarm,
    /// Of a group's member, why copies did not leave; made when it joins.
    copies_dropped: Option<Box<Drops>>,
}

// A call has two.
const _: () = assert!(size_of::<Egress<[u64; 64]>>() <= 216);

/// A way out of the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) via: PortId,
    pub(crate) to: SocketAddr,
}

impl<K> Egress<K> {
    pub(crate) fn new(spec: EgressSpec) -> Self {
        Self {
            stats: EgressStats::default(),
            crypto: None,
            learnt_rtp: None,
            learnt_rtcp: None,
            extras: EgressState::of(&spec),
            spec,
        }
    }

    /// Of a group, its members and rules.
    pub(crate) fn group_spec(&self) -> Option<&GroupSpec> {
        self.spec.group()
    }

    /// Of a group, what it is to be and what it remembers.
    pub(crate) fn group_mut(&mut self) -> Option<(&GroupSpec, &mut Group)> {
        Some((self.spec.group()?, self.extras.as_mut()?.group.as_mut()?))
    }

    /// Of a group, what it remembers.
    pub(crate) fn group(&self) -> Option<&Group> {
        self.extras.as_ref()?.group.as_ref()
    }

    /// Of a group, remembers whose an SSRC is; tells of a second sender that was given another one.
    pub(crate) fn note_sender(&mut self, claim: Claim, now: Instant) -> Option<Collision> {
        let crypto = self.crypto.as_deref();
        let is_sealed =
            |ssrc| crypto.is_some_and(|crypto| crypto.sources().any(|source| source.ssrc == ssrc));
        self.extras.as_mut()?.group.as_mut()?.note(claim, &is_sealed, now)
    }

    /// The SSRCs that it has sealed packets of.
    pub(crate) fn sealed_ssrcs(&self) -> impl Iterator<Item = Ssrc> {
        self.crypto.iter().flat_map(|crypto| crypto.sources().map(|source| source.ssrc))
    }

    /// Whether what leaves is a rewritten stream.
    #[inline]
    pub(crate) fn rewrites(&self) -> bool {
        self.extras.as_ref().is_some_and(|state| state.rewriter.is_some())
    }

    /// The place of a rewritten stream's state.
    pub(crate) fn rewriter_mut(&mut self) -> Option<&mut Option<Box<Rewriter>>> {
        self.extras.as_mut().map(|state| &mut state.rewriter)
    }

    /// Asks memory for what a packet is going to read here.
    pub(crate) fn prefetch<E: Engine<Keys = K>>(&self, engine: &E) {
        engine.prefetch(self);
        engine.prefetch(&self.stats);
    }

    /// Takes a new spec; a learnt destination stays unless another one took the place of the
    /// signalled one.
    pub(crate) fn change(&mut self, spec: EgressSpec) {
        if let (Some(group), Some(state)) = (spec.group(), &mut self.extras) {
            state.group.get_or_insert_with(|| Group::new(group)).change(group);
        }
        if spec.limits() != self.spec.limits() {
            // What filled a bucket of another size says nothing about this one.
            self.extras.get_or_insert_default().meters = Meters::default();
        }
        let rewrite = spec.rewrite();
        if rewrite != self.spec.rewrite() {
            let state = self.extras.get_or_insert_default();
            state.rewriter = rewrite.map(|rewrite| Box::new(Rewriter::new(rewrite)));
        }
        let moves = replaces(self.spec.to, spec.to);
        if moves {
            self.learnt_rtp = None;
        }
        if moves || self.spec.rtcp.is_replaced_by(spec.rtcp) {
            self.learnt_rtcp = None;
        }
        self.spec = spec;
    }

    /// Sends a component to the address that the leg's other half has learnt.
    pub(crate) fn follow(&mut self, component: Component, address: SocketAddr) {
        match component {
            Component::Rtp => self.learnt_rtp = Some(address.into()),
            Component::Rtcp => self.learnt_rtcp = Some(address.into()),
        }
    }

    /// Sends to the signalled addresses again, until others are learnt.
    pub(crate) fn unlearn(&mut self) {
        self.learnt_rtp = None;
        self.learnt_rtcp = None;
    }

    /// Changes the keys.
    pub(crate) fn change_crypto<E: Engine<Keys = K>>(
        &mut self,
        engine: &E,
        change: EgressCrypto,
    ) -> Result<(), KeyError> {
        match (change, self.crypto.as_mut()) {
            (EgressCrypto::Install { keys, parameters, roc }, Some(crypto)) => {
                crypto.rekey(engine, keys, parameters, roc).map(drop)
            }
            (EgressCrypto::Install { keys, parameters, roc }, None) => {
                let crypto = Protector::new(engine, keys, parameters, initial_roc(roc))?;
                self.crypto = Some(Box::new(crypto));
                Ok(())
            }
            (EgressCrypto::Stage(key), Some(crypto)) => crypto.stage(engine, key),
            (EgressCrypto::Activate { roc }, Some(crypto)) => crypto.activate(roc),
            (EgressCrypto::Cancel, Some(crypto)) => {
                crypto.cancel_staged();
                Ok(())
            }
            (EgressCrypto::Remove, _) => {
                self.crypto = None;
                Ok(())
            }
            (
                EgressCrypto::Stage(_) | EgressCrypto::Activate { .. } | EgressCrypto::Cancel,
                None,
            ) => Err(KeyError::NoKey),
        }
    }

    /// Where a packet of `component` leaves, if it may.
    pub(crate) fn route(&self, component: Component) -> Result<Route, DropReason> {
        if !self.spec.gate.passes(component) {
            //= tests/spec/relay.md#gates
            //# Media MUST NOT pass a closed gate in either direction.
            return Err(DropReason::EgressGate);
        }
        //= tests/spec/relay.md#rtcp
        //# RTCP MUST be relayed on a port of its own, on an explicit port or on the RTP port, as
        //# each leg asks.
        let (via, to) = match (component, self.spec.rtcp) {
            (Component::Rtp, _) | (Component::Rtcp, RtcpEgress::Mux) => {
                (self.spec.via, self.destination_rtp())
            }
            (Component::Rtcp, RtcpEgress::Port { via, .. }) => (via, self.destination_rtcp()),
            //= tests/spec/relay.md#rtcp
            //# RTCP MUST NOT pass where it is off.
            (Component::Rtcp, RtcpEgress::Off) => return Err(DropReason::RtcpOff),
        };
        let to = to.ok_or(DropReason::NoDestination)?;
        Ok(Route { via, to })
    }

    /// Reserves the index under which a packet is sealed; `None` on a leg that seals nothing. A new
    /// source may take its room from `spare`.
    pub(crate) fn begin(
        &mut self,
        component: Component,
        packet: &[u8],
        spare: &mut SpareRooms,
    ) -> Result<Option<SealTicket>, DropReason> {
        match self.spec.transport {
            Transport::Plain | Transport::Transparent => return Ok(None),
            Transport::Secured => {}
        }
        //= tests/spec/relay.md#transport
        //# On a secured leg nothing MUST leave before an egress key is installed.
        let crypto = self.crypto.as_mut().ok_or(DropReason::NoEgressKey)?;
        match (component, self.extras.as_mut().and_then(|state| state.key_pool())) {
            (Component::Rtp, None) => crypto.begin_srtp(packet, spare),
            (Component::Rtcp, None) => crypto.begin_srtcp(packet),
            (Component::Rtp, Some(pool)) => crypto.begin_srtp_shared(packet, spare, pool),
            (Component::Rtcp, Some(pool)) => crypto.begin_srtcp_shared(packet, pool),
        }
        .map(Some)
        .map_err(sealing)
    }

    /// What is known of how the peer hears, if there is room for it.
    pub(crate) fn quality(&mut self) -> Option<&mut Quality> {
        self.extras.as_mut().and_then(|state| state.quality.as_deref_mut())
    }

    /// Makes room for how the peer hears.
    pub(crate) fn make_room_for_quality(&mut self) {
        self.extras.get_or_insert_default().quality.get_or_insert_default();
    }

    /// Whether a packet is more than may leave; before it is sealed, as octets of an IP packet.
    #[inline]
    pub(crate) fn is_policed(
        &mut self,
        component: Component,
        payload: usize,
        now: Instant,
    ) -> bool {
        let Some(extras) = &self.spec.extras else {
            return false;
        };
        let (Some(limit), Some(state), Some(to)) = (
            extras.limits.of(component),
            &mut self.extras,
            self.learnt_rtp.map(SocketAddr::from).or(self.spec.to),
        ) else {
            return false;
        };
        !state.meters.of(component).take(limit, ip_octets(payload, to), now)
    }

    /// What counts packets that were too much, if there is a limit.
    pub(crate) fn policed(&mut self) -> Option<&mut Alarm> {
        self.extras.as_mut().map(|state| &mut state.policed)
    }

    /// Makes room for why copies do not leave, of a group's member.
    pub(crate) fn make_room_for_copies(&mut self) {
        self.extras.get_or_insert_default().copies_dropped.get_or_insert_default();
    }

    /// Counts a copy that does not leave.
    pub(crate) fn count_copy_dropped(&mut self, reason: DropReason) {
        self.extras.get_or_insert_default().copies_dropped.get_or_insert_default().count(reason);
    }

    fn refusals(&self) -> Refusals {
        let trouble = self.extras.as_ref().and_then(|state| state.trouble.as_ref());
        trouble.map_or_else(Refusals::default, |trouble| trouble.refusals)
    }

    /// Counts a datagram that the kernel refused; tells what is to be reported now.
    /// The first one takes its room from `spare`.
    pub(crate) fn refused(&mut self, refusal: Refusal, now: Instant, spare: &mut Spare) -> Telling {
        self.stats.refused += 1;
        let state = self.extras.get_or_insert_with(|| spare.states.take());
        let trouble = state.trouble.get_or_insert_with(|| spare.troubles.take());
        trouble.note(refusal, self.stats.sent.packets, now)
    }

    pub(crate) fn snapshot(&self) -> EgressSnapshot {
        EgressSnapshot {
            stats: self.stats,
            refusals: self.refusals(),
            copies_dropped: self
                .extras
                .as_ref()
                .and_then(|state| state.copies_dropped.as_deref().copied())
                .unwrap_or_default(),
            crypto: self.crypto.as_ref().map(|crypto| CryptoSnapshot {
                suite: crypto.suite(),
                sources: crypto.sources().map(SourceSnapshot::from).collect(),
                keys: crypto.keys_in(self.key_pool()).collect(),
                srtcp_index: crypto.srtcp_index().map(SrtcpIndex::get),
            }),
            destination_rtp: self.destination_rtp(),
            destination_rtcp: match self.spec.rtcp {
                RtcpEgress::Port { .. } => self.destination_rtcp(),
                RtcpEgress::Mux => self.destination_rtp(),
                RtcpEgress::Off => None,
            },
            group: self.group().map(Group::snapshot),
            rewrite: self
                .extras
                .as_ref()
                .and_then(|state| state.rewriter.as_ref())
                .map(|rewriter| rewriter.snapshot()),
            quality: self
                .extras
                .as_ref()
                .and_then(|state| state.quality.as_ref())
                .and_then(|quality| quality.snapshot()),
        }
    }

    fn destination_rtp(&self) -> Option<SocketAddr> {
        self.learnt_rtp.map(SocketAddr::from).or(self.spec.to)
    }

    fn destination_rtcp(&self) -> Option<SocketAddr> {
        let RtcpEgress::Port { to, .. } = self.spec.rtcp else {
            return None;
        };
        self.learnt_rtcp.map(SocketAddr::from).or(to)
    }
}

impl EgressState {
    /// What a new sending half remembers, if anything.
    fn of(spec: &EgressSpec) -> Option<Box<Self>> {
        let group = spec.group().map(Group::new);
        let rewriter = spec.rewrite().map(|rewrite| Box::new(Rewriter::new(rewrite)));
        let is_limited = spec.limits() != TrafficLimits::default();
        let is_needed = is_limited || group.is_some() || rewriter.is_some();
        is_needed.then(|| Box::new(Self { group, rewriter, ..Self::default() }))
    }
}

impl EgressSpec {
    /// How much may leave.
    fn limits(&self) -> TrafficLimits {
        self.extras.as_ref().map(|extras| extras.limits).unwrap_or_default()
    }

    fn rewrite(&self) -> Option<RewriteSpec> {
        self.extras.as_ref()?.rewrite
    }

    fn group(&self) -> Option<&GroupSpec> {
        self.extras.as_ref()?.group.as_ref()
    }

    /// Members of this group that another description of it does not have.
    pub(crate) fn joined(&self, before: Option<&GroupSpec>) -> Vec<Member> {
        let was_there = |member: &Member| {
            before.is_some_and(|before| before.members.binary_search(member).is_ok())
        };
        let members = self.group().map(|group| group.members.as_slice()).unwrap_or_default();
        members.iter().copied().filter(|member| !was_there(member)).collect()
    }
}

pub(crate) fn sealing(error: ProtectError) -> DropReason {
    match error {
        ProtectError::Malformed => DropReason::Malformed,
        ProtectError::IndexReused => DropReason::IndexReused,
        ProtectError::TooOld => DropReason::EgressTooOld,
        ProtectError::SourceLimit => DropReason::EgressSourceLimit,
        ProtectError::KeyExpired => DropReason::EgressKeyExpired,
        ProtectError::NoRoom => DropReason::NoRoom,
    }
}
