//! Whom an ingress listens to, and what it learns from whom (TS 23.334 §5.4, H.248.37).
//!
//! ```text
//! plain legs     Waiting ──gate opens──▶ Open(until) ──first packet──▶ Locked(address)
//!                Signalled: never learns
//! secured legs   Following ──authentic and newer──▶ Following       wrong tag: nothing happens
//!                Open ──authentic and newer──▶ Locked(address)      where latching once is asked for
//! re-latching    Locked(address) ──asked for──▶ Reopened(address) ──from another address──▶ Locked
//! ```

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::place::Place;
use crate::spec::{Component, IngressSpec, SourceRule};

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
    /// Where SRTP with short tags came from last, and how many packets in a row. SRTCP's tags are
    /// never short (RFC 3711 §5.2).
    candidate: Option<(Place, u8)>,
    /// End of the time gate of a plain leg, once it has started.
    until: Option<Instant>,
    /// Whether another address may take the place of the learnt one: re-latching was asked for.
    reopened_rtp: bool,
    reopened_rtcp: bool,
}

impl Latch {
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
                Some(_) => self.is_reopened(component) && self.may_lock(component, source, now),
                None => signalled || self.may_lock(component, source, now),
            },
        }
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
            SourceRule::First { .. } => self.first(component, source),
        }
    }

    //= tests/spec/relay.md#source
    //# A leg that re-latches MUST go on with the address it has until it accepts a packet from
    //# another one.
    /// Lets another address take the place of each learnt one, within a time gate that is to start.
    pub(crate) const fn reopen(&mut self) {
        self.reopened_rtp = true;
        self.reopened_rtcp = true;
        self.candidate = None;
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
            Component::Rtp => self.until.is_some_and(|until| now < until),
            // Its first packet comes seconds after the first one of RTP (RFC 3550 §6.2).
            Component::Rtcp => {
                self.address(Component::Rtp).is_some_and(|rtp| rtp.ip() == source.ip())
            }
        }
    }

    const fn may_learn(&self, component: Component) -> bool {
        self.place(component).is_none() || self.is_reopened(component)
    }

    fn first(&mut self, component: Component, source: SocketAddr) -> Option<Move> {
        let learns = self.may_learn(component) && !self.is_at(component, source);
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
            self.candidate = None;
        }
        moved.then(|| self.learn(component, source))
    }

    /// Counts a packet with a short tag; tells whether there were enough in a row.
    fn is_confirmed(&mut self, source: SocketAddr) -> bool {
        let seen = match self.candidate {
            Some((candidate, seen)) if candidate == source.into() => seen + 1,
            Some(_) | None => 1,
        };
        self.candidate = Some((source.into(), seen));
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
mod tests {
    use super::*;
    use crate::spec::{EgressId, Gate, PortId, RtcpIngress, Transport};
    use crate::testing::epoch;

    const A: &str = "127.0.0.1:4000";
    const B: &str = "127.0.0.2:4000";
    const GATE: Duration = Duration::from_secs(3);

    fn first(since: Instant) -> SourceRule {
        SourceRule::First { since, within_ms: 3_000 }
    }

    fn at(address: &str) -> SocketAddr {
        address.parse().unwrap()
    }

    fn spec(source: SourceRule) -> IngressSpec {
        IngressSpec {
            transport: Transport::Plain,
            gate: Gate::OPEN,
            source,
            signalled_rtp: Some(at(A)),
            signalled_rtcp: Some(at("127.0.0.1:4001")),
            rtp: PortId(0),
            rtcp: RtcpIngress::Mux,
            output: None,
            reverse: EgressId(0),
            extras: None,
        }
    }

    //= tests/spec/relay.md#source
    //= type=test
    //# On a plain leg a packet from any but the signalled source MUST be discarded unless latching
    //# was asked for.
    #[test]
    fn only_the_signalled_source_is_admitted_and_nothing_is_learnt_from_it() {
        let spec = spec(SourceRule::Signalled);
        let mut latch = Latch::default();
        assert!(latch.admits(&spec, Component::Rtp, at(A), epoch()));
        assert!(!latch.admits(&spec, Component::Rtp, at(B), epoch()));
        assert!(!latch.admits(&spec, Component::Rtcp, at(A), epoch()));
        assert_eq!(latch.accepted_plain(&spec, Component::Rtp, at(A)), None);
        assert_eq!(latch, Latch::default());
    }

    //= tests/spec/relay.md#source
    //= type=test
    //# A latched plain leg MUST listen to the first source within the time gate and to no other
    //# afterwards.
    #[test]
    fn the_first_source_within_the_gate_is_locked() {
        let start = epoch();
        let spec = spec(first(start));
        let mut latch = Latch::default();
        latch.start(&spec, start);
        assert!(latch.admits(&spec, Component::Rtp, at(B), start));
        assert!(!latch.admits(&spec, Component::Rtcp, at("127.0.0.2:9"), start), "RTP comes first");
        assert!(latch.admits(&spec, Component::Rtcp, at("127.0.0.1:4001"), start));
        let learnt = latch.accepted_plain(&spec, Component::Rtp, at(B));
        assert_eq!(learnt, Some(Move { to: at(B), again: false }));
        assert!(!latch.admits(&spec, Component::Rtp, at(A), start));
        assert!(!latch.admits(&spec, Component::Rtcp, at("127.0.0.3:4001"), start));
        assert!(latch.admits(&spec, Component::Rtcp, at("127.0.0.2:9"), start));
        assert_eq!(latch.accepted_plain(&spec, Component::Rtp, at(A)), None);
    }

    //= tests/spec/relay.md#source
    //= type=test
    //# A latched plain leg MUST listen to the first source within the time gate and to no other
    //# afterwards.
    #[test]
    fn after_the_gate_only_the_signalled_source_is_admitted() {
        let start = epoch();
        let spec = spec(first(start));
        let mut latch = Latch::default();
        latch.start(&spec, start);
        let after = start + GATE;
        assert!(latch.admits(&spec, Component::Rtp, at(B), after - Duration::from_millis(1)));
        assert!(!latch.admits(&spec, Component::Rtp, at(B), after));
        assert!(latch.admits(&spec, Component::Rtp, at(A), after));
        assert!(!latch.admits(&spec, Component::Rtcp, at(B), after), "nobody has claimed RTP");
    }

    //= tests/spec/relay.md#source
    //= type=test
    //# The time gate of a plain leg that latches MUST NOT start before media may enter.
    #[test]
    fn the_time_gate_starts_when_media_may_enter_and_once() {
        let asked = epoch();
        let open = spec(first(asked));
        let closed = IngressSpec { gate: Gate { rtp: false, rtcp: true }, ..open.clone() };
        let mut latch = Latch::default();
        latch.start(&closed, asked);
        assert!(!latch.admits(&closed, Component::Rtp, at(B), asked), "nobody claims it before");
        let answered = asked + 10 * GATE;
        latch.start(&open, answered);
        let late = answered + GATE - Duration::from_millis(1);
        assert!(latch.admits(&open, Component::Rtp, at(B), late));
        latch.start(&open, late);
        assert!(!latch.admits(&open, Component::Rtp, at(B), answered + GATE));
    }

    #[test]
    fn a_first_signalled_source_keeps_what_was_learnt_and_another_one_does_not() {
        let start = epoch();
        let signalled = spec(first(start));
        let mut unknown = signalled.clone();
        (unknown.signalled_rtp, unknown.signalled_rtcp) = (None, None);
        let mut latch = Latch::default();
        latch.start(&unknown, start);
        latch.accepted_plain(&unknown, Component::Rtp, at(B)).unwrap();
        latch.accepted_plain(&unknown, Component::Rtcp, at("127.0.0.2:9")).unwrap();
        assert!(latch.signals(&unknown, &signalled));
        let late = start + 10 * GATE;
        assert!(latch.admits(&signalled, Component::Rtp, at(B), late));
        assert!(!latch.admits(&signalled, Component::Rtp, at(A), late), "it is claimed");
        let other_rtcp =
            IngressSpec { signalled_rtcp: Some(at("127.0.0.1:9")), ..signalled.clone() };
        assert!(latch.signals(&signalled, &other_rtcp));
        assert_eq!(latch.address(Component::Rtp), Some(at(B)));
        assert_eq!(latch.address(Component::Rtcp), None);
        let other_rtp = IngressSpec { signalled_rtp: Some(at(B)), ..signalled.clone() };
        assert!(!latch.signals(&signalled, &other_rtp));
    }

    #[test]
    fn a_first_signalled_source_starts_the_time_gate_of_whom_nobody_has_claimed_anew() {
        let start = epoch();
        let signalled = spec(first(start));
        let unknown = IngressSpec { signalled_rtp: None, ..signalled.clone() };
        let mut latch = Latch::default();
        latch.start(&unknown, start);
        let late = start + 10 * GATE;
        assert!(!latch.admits(&unknown, Component::Rtp, at(B), late));
        assert!(latch.signals(&unknown, &signalled));
        latch.start(&signalled, late);
        assert!(latch.admits(&signalled, Component::Rtp, at(B), late));
        assert!(!latch.admits(&signalled, Component::Rtp, at(B), late + GATE));
        assert!(latch.signals(&signalled, &signalled));
        latch.start(&signalled, late + GATE);
        assert!(!latch.admits(&signalled, Component::Rtp, at(B), late + GATE), "told again");
    }

    //= tests/spec/relay.md#source
    //= type=test
    //# RTCP of a latched plain leg MUST be claimed by the host that has claimed RTP only, at any
    //# time.
    #[test]
    fn rtcp_is_claimed_once_by_the_host_of_rtp_however_late() {
        let start = epoch();
        let spec = spec(first(start));
        let mut latch = Latch::default();
        latch.start(&spec, start);
        latch.accepted_plain(&spec, Component::Rtp, at(B)).unwrap();
        let late = start + 100 * GATE;
        let rtcp = |latch: &Latch, from| latch.admits(&spec, Component::Rtcp, at(from), late);
        assert!(!rtcp(&latch, "127.0.0.3:9") && rtcp(&latch, "127.0.0.2:9"));
        latch.accepted_plain(&spec, Component::Rtcp, at("127.0.0.2:9")).unwrap();
        assert!(rtcp(&latch, "127.0.0.2:9") && !rtcp(&latch, "127.0.0.2:10"));
    }

    //= tests/spec/relay.md#source
    //= type=test
    //# On a secured leg the peer's address MUST follow only an authenticated packet with a newer
    //# index.
    #[test]
    fn a_secured_leg_follows_newer_authentic_packets_only() {
        let spec = spec(SourceRule::Authenticated);
        let mut latch = Latch::default();
        let mut on = |source, newer| {
            latch.accepted_authentic(&spec, Component::Rtp, at(source), newer, false)
        };
        assert_eq!(on(A, true), Some(Move { to: at(A), again: false }));
        assert_eq!(on(B, false), None);
        assert_eq!(on(A, true), None);
        assert_eq!(on(B, true), Some(Move { to: at(B), again: true }));
    }

    //= tests/spec/relay.md#source
    //= type=test
    //# Where latching once was asked for, a secured leg MUST listen to the first address that has
    //# proved itself and to no other.
    //= tests/spec/relay.md#source
    //= type=test
    //# A leg that re-latches MUST go on with the address it has until it accepts a packet from
    //# another one.
    #[test]
    fn a_secured_leg_that_latches_once_moves_when_it_is_asked_to_and_only_then() {
        let spec = spec(SourceRule::AuthenticatedOnce { since: epoch() });
        let mut latch = Latch::default();
        let admits =
            |latch: &Latch, source| latch.admits(&spec, Component::Rtp, at(source), epoch());
        let on = |latch: &mut Latch, source, newer| {
            latch.accepted_authentic(&spec, Component::Rtp, at(source), newer, false)
        };
        assert!(admits(&latch, A) && admits(&latch, B));
        assert_eq!(on(&mut latch, B, true), Some(Move { to: at(B), again: false }));
        assert!(!admits(&latch, A) && admits(&latch, B));
        latch.reopen();
        assert!(admits(&latch, A) && admits(&latch, B));
        assert_eq!(on(&mut latch, B, true), None, "the address it has goes on");
        assert_eq!(on(&mut latch, A, false), None, "what is old moves nothing");
        assert_eq!(on(&mut latch, A, true), Some(Move { to: at(A), again: true }));
        assert!(admits(&latch, A) && !admits(&latch, B));
    }

    #[test]
    fn a_plain_leg_re_latches_within_its_new_time_gate_only() {
        let start = epoch();
        let until = start + GATE;
        let spec = spec(first(start));
        let mut latch = Latch::default();
        latch.accepted_plain(&spec, Component::Rtp, at(A)).unwrap();
        latch.accepted_plain(&spec, Component::Rtcp, at("127.0.0.1:4001")).unwrap();
        latch.reopen();
        latch.start(&spec, start);
        let rtp = |latch: &Latch, source, now| latch.admits(&spec, Component::Rtp, at(source), now);
        let rtcp = |latch: &Latch| latch.admits(&spec, Component::Rtcp, at("127.0.0.2:9"), start);
        assert!(rtp(&latch, A, until) && !rtp(&latch, B, until));
        assert!(rtp(&latch, B, start) && !rtcp(&latch), "RTP comes first");
        assert_eq!(latch.accepted_plain(&spec, Component::Rtp, at(A)), None);
        let moved = latch.accepted_plain(&spec, Component::Rtp, at(B));
        assert_eq!(moved, Some(Move { to: at(B), again: true }));
        assert!(!rtp(&latch, A, start), "another has claimed it");
        assert!(rtcp(&latch));
    }

    #[test]
    fn a_short_tag_needs_three_packets_in_a_row_to_move_the_address() {
        let spec = spec(SourceRule::Authenticated);
        let mut latch = Latch::default();
        let mut on = |source| {
            latch.accepted_authentic(&spec, Component::Rtp, at(source), true, true).is_some()
        };
        let sources = [A, A, A, B, B, A, B, B, B];
        let moved: Vec<bool> = sources.into_iter().map(&mut on).collect();
        assert_eq!(moved, [false, false, true, false, false, false, false, false, true]);
    }
}
