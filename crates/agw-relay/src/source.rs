//! Whom an ingress listens to, and what it learns from whom (TS 23.334 §5.4, H.248.37).
//!
//! ```text
//! plain legs     Waiting ──gate opens──▶ Open(until) ──first packet──▶ Locked(address)
//!                Signalled: never learns
//! another peer   Locked(address) ──signalled──▶ Waiting, not for the former peer
//!                Locked(address) ──first packet of the signalled one──▶ Locked(signalled)
//! secured legs   Following ──authentic and newer──▶ Following       wrong tag: nothing happens
//!                Open ──authentic and newer──▶ Locked(address)      where latching once is asked for
//! re-latching    Locked(address) ──asked for──▶ Reopened(address) ──from another address──▶ Locked
//! ```

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::own::OwnPorts;
use crate::place::Place;
use crate::spec::{Component, IngressSpec, SourceRule};
use crate::stats::LatchSnapshot;

/// Authentic packets in a row that a short tag takes to move the peer's address: a tag of 32 bits
/// alone must not decide where media goes (RFC 3711 §9.5).
const CONFIRMATIONS_OF_SHORT_TAG: u8 = 3;

/// A change of the peer's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) to: SocketAddr,
    /// Whether another address had been learnt before.
    pub(crate) again: bool,
}

/// What both components have learnt.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Latch {
    rtp: Option<Place>,
    rtcp: Option<Place>,
    aside: Option<Aside>,
    /// End of the time gate of a plain leg, once it has started.
    until: Option<Instant>,
    /// Whether another address may take the place of the learnt one: re-latching was asked for.
    reopened_rtp: bool,
    reopened_rtcp: bool,
}

/// Somebody else than the peer, whom a leg has in mind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aside {
    /// Secured legs: where SRTP with short tags came from last, and how many packets in a row.
    /// SRTCP's tags are never short (RFC 3711 §5.2).
    Candidate(Place, u8),
    /// Plain legs that latch: who was the peer until another one was signalled, as an early answer
    /// of a fork is until the next one, and goes on sending for a while.
    Former(Place),
}

impl Latch {
    /// What a leg begins with when its spec has changed so that nothing learnt holds.
    pub(crate) fn anew(&self, before: &IngressSpec, after: &IngressSpec) -> Self {
        let (SourceRule::First { .. }, Some(last), Some(next)) =
            (after.source, before.signalled_rtp, after.signalled_rtp)
        else {
            return Self::default();
        };
        let before_last = match self.aside {
            Some(Aside::Former(place)) => Some(place),
            Some(Aside::Candidate(..)) | None => None,
        };
        // Who was signalled and never came is nobody's former peer: who came before it is.
        let former = self.rtp.or(before_last).unwrap_or(last.into());
        Self { aside: (last != next).then_some(Aside::Former(former)), ..Self::default() }
    }

    /// The learnt address of a component.
    pub(crate) fn address(&self, component: Component) -> Option<SocketAddr> {
        self.place(component).map(SocketAddr::from)
    }

    const fn place(&self, component: Component) -> Option<Place> {
        match component {
            Component::Rtp => self.rtp,
            Component::Rtcp => self.rtcp,
        }
    }

    fn is_at(&self, component: Component, source: SocketAddr) -> bool {
        self.place(component) == Some(source.into())
    }

    /// Whether a packet from `source` may be looked at; remembers nothing.
    pub(crate) fn admits(
        &self,
        spec: &IngressSpec,
        component: Component,
        source: SocketAddr,
        now: Instant,
    ) -> bool {
        let expected = signalled(spec, component);
        let signalled = match spec.extras.as_ref().and_then(|extras| extras.source_filter) {
            None => expected == Some(source),
            //= tests/spec/relay.md#source
            //# A packet from a source outside the filter of its leg MUST be discarded before any
            //# cryptography.
            Some(filter) if !filter.admits(spec.source, component, source, expected) => {
                return false;
            }
            // The filter takes the place of the one address.
            Some(_) => spec.source == SourceRule::Signalled || expected == Some(source),
        };
        match spec.source {
            SourceRule::Authenticated => true,
            //= tests/spec/relay.md#source
            //# Where latching once was asked for, a secured leg MUST listen to the first address
            //# that has proved itself and to no other.
            SourceRule::AuthenticatedOnce { .. } => {
                self.may_learn(component) || self.is_at(component, source)
            }
            //= tests/spec/relay.md#source
            //# On a plain leg a packet from any but the signalled source MUST be discarded unless
            //# latching was asked for.
            SourceRule::Signalled => signalled,
            //= tests/spec/relay.md#source
            //# A latched plain leg MUST listen to the first source within the time gate and to no
            //# other afterwards.
            SourceRule::First { .. } => match self.place(component) {
                Some(locked) if locked == source.into() => true,
                Some(_) if self.is_reopened(component) => self.may_lock(component, source, now),
                Some(_) => self.is_successor(spec, component, source),
                None => signalled || self.may_lock(component, source, now),
            },
        }
    }

    //= tests/spec/relay.md#source
    //# A packet from a media port of the gateway itself MUST be discarded unless exactly that port
    //# is the signalled source.
    /// Whether a packet is the gateway's own and nobody said that it would come: neither a filter
    /// nor latching lets it in, or two legs that hear each other at both sides would send it in
    /// circles.
    pub(crate) fn is_reflected(
        &self,
        spec: &IngressSpec,
        component: Component,
        source: SocketAddr,
        own: &[OwnPorts],
    ) -> bool {
        // What was learnt has passed here before, and is forgotten with the signalled address.
        let is_known = signalled(spec, component) == Some(source) || self.is_at(component, source);
        !is_known && own.iter().any(|ports| ports.has(source))
    }

    /// Whether everything learnt is within the filter.
    pub(crate) fn fits(&self, spec: &IngressSpec) -> bool {
        let Some(filter) = spec.extras.as_ref().and_then(|extras| extras.source_filter) else {
            return true;
        };
        let fits = |component| {
            self.address(component).is_none_or(|learnt| {
                filter.admits(spec.source, component, learnt, signalled(spec, component))
            })
        };
        fits(Component::Rtp) && fits(Component::Rtcp)
    }

    /// Whether the peer is known to be at `source`: learnt, or signalled while nothing is learnt.
    pub(crate) fn is_peers(
        &self,
        spec: &IngressSpec,
        component: Component,
        source: SocketAddr,
    ) -> bool {
        match self.place(component) {
            Some(learnt) => learnt == source.into(),
            None => signalled(spec, component) == Some(source),
        }
    }

    /// Takes note of an accepted plain packet.
    pub(crate) fn accepted_plain(
        &mut self,
        spec: &IngressSpec,
        component: Component,
        source: SocketAddr,
    ) -> Option<Move> {
        match spec.source {
            SourceRule::Authenticated
            | SourceRule::AuthenticatedOnce { .. }
            | SourceRule::Signalled => None,
            SourceRule::First { .. } => self.first(spec, component, source),
        }
    }

    //= tests/spec/relay.md#source
    //# A leg that re-latches MUST go on with the address it has until it accepts a packet from
    //# another one.
    /// Lets another address take the place of each learnt one, within a time gate that is to start.
    pub(crate) const fn reopen(&mut self) {
        self.reopened_rtp = true;
        self.reopened_rtcp = true;
        self.aside = None;
        self.until = None;
    }

    //= tests/spec/relay.md#source
    //# What a leg has learnt MUST hold when its peer's address is signalled for the first time.
    /// Takes note of the signalled sources: tells whether what was learnt holds, as it does unless
    /// another address takes the place of one (H.248.37 LATCH).
    pub(crate) fn signals(&mut self, before: &IngressSpec, after: &IngressSpec) -> bool {
        if replaces(before.signalled_rtp, after.signalled_rtp) {
            return false;
        }
        if replaces(before.signalled_rtcp, after.signalled_rtcp) {
            self.rtcp = None;
        }
        if self.rtp.is_none() && before.signalled_rtp != after.signalled_rtp {
            // An offer that was answered late: its peer had nobody to send to until now.
            self.until = None;
        }
        true
    }

    //= tests/spec/relay.md#source
    //# The time gate of a plain leg that latches MUST NOT start before media may enter.
    /// Starts the time gate of a leg that is open for media, unless it has started.
    pub(crate) fn start(&mut self, spec: &IngressSpec, now: Instant) {
        if let (SourceRule::First { within_ms, .. }, true) = (spec.source, spec.gate.rtp) {
            let within = Duration::from_millis(within_ms.into());
            self.until.get_or_insert(now + within);
        }
    }

    /// How far latching has come, by RTP.
    pub(crate) const fn snapshot(&self, spec: &IngressSpec) -> LatchSnapshot {
        let is_locked = !self.may_learn(Component::Rtp);
        match (spec.source, is_locked, self.until) {
            (SourceRule::Signalled, ..) => LatchSnapshot::Off,
            (SourceRule::Authenticated, ..) => LatchSnapshot::Following,
            (SourceRule::AuthenticatedOnce { .. } | SourceRule::First { .. }, true, _) => {
                LatchSnapshot::Locked
            }
            (SourceRule::AuthenticatedOnce { .. }, false, _) => LatchSnapshot::Open(None),
            (SourceRule::First { .. }, false, None) => LatchSnapshot::Waiting,
            (SourceRule::First { .. }, false, until) => LatchSnapshot::Open(until),
        }
    }

    const fn is_reopened(&self, component: Component) -> bool {
        match component {
            Component::Rtp => self.reopened_rtp,
            Component::Rtcp => self.reopened_rtcp,
        }
    }

    /// Takes note of an authenticated packet; `newer` if its index is above all before it.
    pub(crate) fn accepted_authentic(
        &mut self,
        spec: &IngressSpec,
        component: Component,
        source: SocketAddr,
        newer: bool,
        short_tag: bool,
    ) -> Option<Move> {
        match spec.source {
            //= tests/spec/relay.md#source
            //# On a secured leg the peer's address MUST follow only an authenticated packet with a
            //# newer index.
            //= tests/spec/relay.md#source
            //# A replayed or forged packet MUST NOT move the peer's address.
            SourceRule::Authenticated if newer => self.follow(component, source, short_tag),
            SourceRule::AuthenticatedOnce { .. } if newer && self.may_learn(component) => {
                self.follow(component, source, short_tag)
            }
            SourceRule::Authenticated
            | SourceRule::AuthenticatedOnce { .. }
            | SourceRule::Signalled
            | SourceRule::First { .. } => None,
        }
    }

    //= tests/spec/relay.md#source
    //# RTCP of a latched plain leg MUST be claimed by the host that has claimed RTP only, at any
    //# time.
    fn may_lock(&self, component: Component, source: SocketAddr, now: Instant) -> bool {
        match component {
            //= tests/spec/relay.md#source
            //# When another peer is signalled on a latched plain leg, the former one MUST NOT claim
            //# the leg within the time gate.
            // After it the leg is the former one's if it is anybody's: where a peer receives is not
            // always where it sends from, and it may have moved the one without the other.
            Component::Rtp => self.until.is_some_and(|until| {
                let is_former = self.aside == Some(Aside::Former(source.into()));
                is_former != (now < until)
            }),
            // Its first packet comes seconds after the first one of RTP (RFC 3550 §6.2).
            Component::Rtcp => {
                self.address(Component::Rtp).is_some_and(|rtp| rtp.ip() == source.ip())
            }
        }
    }

    const fn may_learn(&self, component: Component) -> bool {
        self.place(component).is_none() || self.is_reopened(component)
    }

    //= tests/spec/relay.md#source
    //# A peer that was signalled in place of another one MUST be listened to whoever has claimed
    //# its plain leg before.
    fn is_successor(&self, spec: &IngressSpec, component: Component, source: SocketAddr) -> bool {
        matches!(self.aside, Some(Aside::Former(_))) && signalled(spec, component) == Some(source)
    }

    fn first(
        &mut self,
        spec: &IngressSpec,
        component: Component,
        source: SocketAddr,
    ) -> Option<Move> {
        let may = self.may_learn(component) || self.is_successor(spec, component, source);
        let learns = may && !self.is_at(component, source);
        learns.then(|| self.learn(component, source))
    }

    fn follow(
        &mut self,
        component: Component,
        source: SocketAddr,
        short_tag: bool,
    ) -> Option<Move> {
        let moved = !self.is_at(component, source);
        //= tests/spec/relay.md#source
        //# A short tag alone MUST NOT move the peer's address.
        if moved && short_tag && !self.is_confirmed(source) {
            return None;
        }
        if component == Component::Rtp {
            self.aside = None;
        }
        moved.then(|| self.learn(component, source))
    }

    /// Counts a packet with a short tag; tells whether there were enough in a row.
    fn is_confirmed(&mut self, source: SocketAddr) -> bool {
        let seen = match self.aside {
            Some(Aside::Candidate(candidate, seen)) if candidate == source.into() => seen + 1,
            Some(Aside::Candidate(..) | Aside::Former(_)) | None => 1,
        };
        self.aside = Some(Aside::Candidate(source.into(), seen));
        seen >= CONFIRMATIONS_OF_SHORT_TAG
    }

    fn learn(&mut self, component: Component, source: SocketAddr) -> Move {
        let (learnt, reopened) = match component {
            Component::Rtp => (&mut self.rtp, &mut self.reopened_rtp),
            Component::Rtcp => (&mut self.rtcp, &mut self.reopened_rtcp),
        };
        *reopened = false;
        let again = learnt.replace(source.into()).is_some();
        Move { to: source, again }
    }
}

/// Whether an address is not what it was, and was known.
pub(crate) fn replaces(before: Option<SocketAddr>, after: Option<SocketAddr>) -> bool {
    before.is_some() && before != after
}

fn signalled(spec: &IngressSpec, component: Component) -> Option<SocketAddr> {
    match component {
        Component::Rtp => spec.signalled_rtp,
        Component::Rtcp => spec.signalled_rtcp,
    }
}

#[cfg(test)]
mod tests;
