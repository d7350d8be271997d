//! The receiving half of a leg: spec, keys, latch, counters.

mod policing;
mod reasons;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use agw_srtp::{Engine, KeyError, KeyPool, OpenTicket, SpareRooms, Unprotector};

use crate::alarm::Alarm;
use crate::drop::DropReason;
use crate::limiter::{Limiter, Rate};
use crate::own::OwnPorts;
use crate::police::{Meters, TrafficLimits};
use crate::pre_key::PreKeyBuffer;
use crate::source::{Latch, Move};
use crate::spec::{
    Component, EgressId, Gate, IngressCrypto, IngressExtras, IngressSpec, RtcpIngress, SourceRule,
    Transport, initial_roc,
};
use crate::stats::{CryptoSnapshot, IngressCounters, IngressSnapshot, SourceSnapshot};
pub(crate) use reasons::opening;
use reasons::well_formed;

/// Unknown SSRCs and far indices are tried this often after a burst of two batches, so that a
/// flood of them does not buy a MAC each. Where the peer is known to be and anywhere else count
/// apart: strangers do not keep the peer out.
const IMPLAUSIBLE: Rate = Rate { interval: Duration::from_millis(50), burst: 128 };

/// What every packet reads stands first.
#[repr(C)]
pub(crate) struct Ingress<K> {
    /// Elsewhere, because half of all legs have none.
    pub(crate) crypto: Option<Box<Unprotector<K>>>,
    last_accepted: Option<Instant>,
    pub(crate) spec: IngressSpec,
    pub(crate) stats: IngressCounters,
    latch: Latch,
    limiter_of_peer: Limiter,
    limiter_of_strangers: Limiter,
    /// The deadline under which the relay watches the keys.
    pub(crate) watched: Option<Instant>,
    /// What few receiving halves remember.
    pub(crate) extras: Option<Box<IngressState>>,
}

/// What few receiving halves remember: apart, so that all others pay for a pointer only.
#[derive(Default)]
pub(crate) struct IngressState {
    /// What the peer has sent, from where it is known to be.
    of_peer: Meters,
    /// What came from elsewhere.
    of_strangers: Meters,
    /// What was too much.
    pub(crate) policed: Alarm,
    /// When media was accepted last, where that counts.
    last_media: Option<Instant>,
    /// What waits for the key.
    pub(crate) pre_key: Option<Box<PreKeyBuffer>>,
}

// A call has two.
const _: () = assert!(size_of::<Ingress<[u64; 64]>>() <= 392);

/// What an admitted packet needs next.
pub(crate) enum Admission {
    /// Nothing: it may go to the output as it is.
    Accepted(Option<Move>),
    /// The tag must verify first.
    Open(OpenTicket),
}

impl<K> Ingress<K> {
    pub(crate) fn new(spec: IngressSpec, now: Instant) -> Self {
        let mut latch = Latch::default();
        latch.start(&spec, now);
        Self {
            crypto: None,
            last_accepted: None,
            spec,
            stats: IngressCounters::default(),
            latch,
            limiter_of_peer: Limiter::default(),
            limiter_of_strangers: Limiter::default(),
            watched: None,
            extras: None,
        }
        .with_extras()
    }

    /// Makes room for what its spec needs remembered, and only for that.
    fn with_extras(mut self) -> Self {
        self.keep_extras();
        self
    }

    fn keep_extras(&mut self) {
        let extras = self.spec.extras.as_ref();
        let of_media = |extras: &IngressExtras| extras.inactivity.is_some_and(|it| it.media_only);
        if self.spec.limits() != TrafficLimits::default() || extras.is_some_and(|it| of_media(it)) {
            self.extras.get_or_insert_default();
        }
    }

    /// Asks memory for what a packet is going to read here.
    pub(crate) fn prefetch<E: Engine<Keys = K>>(&self, engine: &E) {
        engine.prefetch(self);
        engine.prefetch(&self.stats);
        engine.prefetch(&self.latch);
    }

    /// Takes a new spec; what was learnt about the source stays unless its rule changed, another
    /// address took the place of the signalled one, or its filter leaves that out.
    /// Tells whether it stays.
    pub(crate) fn change(&mut self, spec: IngressSpec, now: Instant) -> bool {
        let same_source = spec.source.is_same_rule(self.spec.source)
            && self.latch.signals(&self.spec, &spec)
            && self.latch.fits(&spec);
        if !same_source {
            self.latch = self.latch.anew(&self.spec, &spec);
        } else if spec.source != self.spec.source {
            self.latch.reopen();
        }
        self.latch.start(&spec, now);
        let same_limits = spec.limits() == self.spec.limits();
        self.spec = spec;
        if let (false, Some(state)) = (same_limits, &mut self.extras) {
            // What filled a bucket of another size says nothing about this one.
            (state.of_peer, state.of_strangers) = (Meters::default(), Meters::default());
        }
        self.keep_extras();
        same_source
    }

    /// When its keys, or what waits for them, are to be looked at.
    pub(crate) fn due(&self) -> Option<Instant> {
        let of_keys = self.crypto.as_ref().and_then(|crypto| crypto.poll_timeout());
        of_keys.or_else(|| self.pre_key().and_then(PreKeyBuffer::poll_timeout))
    }

    /// The number of the staged key, if packets could activate it.
    pub(crate) fn staged_number(&self) -> Option<u32> {
        self.crypto.as_ref()?.staged_number()
    }

    /// Changes the keys.
    pub(crate) fn change_crypto<E: Engine<Keys = K>>(
        &mut self,
        engine: &E,
        change: IngressCrypto,
        now: Instant,
    ) -> Result<(), KeyError> {
        match (change, self.crypto.as_mut()) {
            (IngressCrypto::Install { keys, parameters, roc, overlap }, Some(crypto)) => {
                crypto.rekey(engine, keys, parameters, roc, overlap, now).map(drop)
            }
            (IngressCrypto::Install { keys, parameters, roc, .. }, None) => {
                let crypto = Unprotector::new(engine, keys, parameters, initial_roc(roc))?;
                self.crypto = Some(Box::new(crypto));
                Ok(())
            }
            (IngressCrypto::Stage(key, number), Some(crypto)) => crypto.stage(engine, key, number),
            (IngressCrypto::Activate { roc, overlap }, Some(crypto)) => {
                match crypto.activate(roc, overlap, now) {
                    // Its MKI came first, a moment ago: the key is in force.
                    Err(KeyError::NothingStaged) => Ok(()),
                    outcome => outcome,
                }
            }
            (IngressCrypto::Cancel, Some(crypto)) => {
                crypto.cancel_staged();
                Ok(())
            }
            (IngressCrypto::Remove, _) => {
                self.crypto = None;
                Ok(())
            }
            (
                IngressCrypto::Stage(..) | IngressCrypto::Activate { .. } | IngressCrypto::Cancel,
                None,
            ) => Err(KeyError::NoKey),
        }
    }

    /// Decides whether a packet is worth opening or forwarding; remembers nothing of the packet
    /// itself.
    ///
    /// On a secured leg the gate decides after the tag: a peer that talks into a closed gate for
    /// long must not lose its rollover counter.
    pub(crate) fn admit(
        &mut self,
        component: Component,
        source: SocketAddr,
        packet: &[u8],
        own: &[OwnPorts],
        now: Instant,
    ) -> Result<Admission, DropReason> {
        let learning = self.spec.learning(component);
        if self.latch.is_reflected(&self.spec, learning, source, own) {
            return Err(DropReason::WrongSource);
        }
        if self.spec.transport != Transport::Secured && !self.is_open(component) {
            self.note_life(component, source, packet, now);
            //= tests/spec/relay.md#gates
            //# Media MUST NOT pass a closed gate in either direction.
            return Err(DropReason::IngressGate);
        }
        if !self.latch.admits(&self.spec, learning, source, now) {
            return Err(DropReason::WrongSource);
        }
        if self.spec.transport != Transport::Secured {
            well_formed(component, packet)?;
            self.police(component, true, source, packet.len(), now)?;
            self.note_accepted(component, now);
            return Ok(Admission::Accepted(
                self.latch.accepted_plain(&self.spec, learning, source),
            ));
        }
        let Some(crypto) = &self.crypto else {
            return Err(if self.is_open(component) {
                DropReason::NoIngressKey
            } else {
                DropReason::IngressGate
            });
        };
        //= tests/spec/relay.md#transport
        //# On a secured leg plain RTP MUST NOT be forwarded.
        let ticket = match component {
            Component::Rtp => crypto.check_srtp(packet, now),
            Component::Rtcp => crypto.check_srtcp(packet, now),
        }
        .map_err(opening)?;
        //= tests/spec/relay.md#policing
        //# Policing MUST take place before any cryptography.
        if self.extras.is_some() {
            let is_peers = self.latch.is_peers(&self.spec, learning, source);
            self.police(component, is_peers, source, packet.len(), now)?;
        }
        //= tests/spec/relay.md#memory
        //# A flood of unknown SSRCs MUST NOT harm the genuine stream.
        if ticket.is_new_source() || ticket.is_implausible() {
            let limiter = if self.latch.is_peers(&self.spec, learning, source) {
                &mut self.limiter_of_peer
            } else {
                &mut self.limiter_of_strangers
            };
            if !limiter.take(IMPLAUSIBLE, now) {
                self.give_back(component, source, packet.len());
                return Err(DropReason::Implausible);
            }
        }
        Ok(Admission::Open(ticket))
    }

    /// Whether the peer is known to be where a packet comes from.
    pub(crate) fn is_peers(&self, component: Component, source: SocketAddr) -> bool {
        self.latch.is_peers(&self.spec, self.spec.learning(component), source)
    }

    /// Whether a packet would move the address that was learnt.
    pub(crate) fn would_move(&self, component: Component, source: SocketAddr) -> bool {
        let learnt = self.latch.address(self.spec.learning(component));
        learnt.is_some_and(|learnt| learnt != source)
    }

    /// Takes note of a packet whose tag verified; a new source may take its room from `spare`. Of a
    /// group's member, `pool` counts keys that it shares.
    pub(crate) fn commit(
        &mut self,
        component: Component,
        source: SocketAddr,
        ticket: OpenTicket,
        now: Instant,
        spare: &mut SpareRooms,
        pool: Option<&mut KeyPool>,
    ) -> Result<Option<Move>, DropReason> {
        let Some(crypto) = &mut self.crypto else {
            return Err(DropReason::NoIngressKey);
        };
        let accepted = match pool {
            Some(pool) => crypto.commit_shared(ticket, now, spare, pool),
            None => crypto.commit(ticket, now, spare),
        }
        .map_err(opening)?;
        let short_tag = component == Component::Rtp && crypto.suite().srtp_tag_len() < 10;
        self.note_accepted(component, now);
        let learning = self.spec.learning(component);
        Ok(self.latch.accepted_authentic(&self.spec, learning, source, accepted.newer, short_tag))
    }

    //= tests/spec/relay.md#gates
    //# What the known peer of a plain leg sends into a closed gate MUST count as its sign of life.
    /// Takes note that a peer is there which talks into a closed gate of a leg without keys, as one
    /// on hold keeps its NAT's mapping alive; nobody claims the leg that way.
    fn note_life(&mut self, component: Component, source: SocketAddr, packet: &[u8], now: Instant) {
        let learning = self.spec.learning(component);
        let is_known = self.spec.source == SourceRule::Signalled
            || self.latch.is_peers(&self.spec, learning, source);
        if is_known
            && self.latch.admits(&self.spec, learning, source, now)
            && well_formed(component, packet).is_ok()
        {
            self.last_accepted = Some(now);
        }
    }

    #[inline]
    fn note_accepted(&mut self, component: Component, now: Instant) {
        self.last_accepted = Some(now);
        if let (Component::Rtp, Some(state)) = (component, &mut self.extras) {
            state.last_media = Some(now);
        }
    }

    /// When media was accepted last, for whom that counts.
    pub(crate) fn last_media(&self) -> Option<Instant> {
        self.extras.as_ref().and_then(|state| state.last_media)
    }

    pub(crate) const fn last_accepted(&self) -> Option<Instant> {
        self.last_accepted
    }

    pub(crate) fn is_open(&self, component: Component) -> bool {
        self.spec.gate.passes(component)
    }

    /// Copied out; of a group's member, keys that are in `pool` as all have used them.
    pub(crate) fn snapshot(&self, pool: Option<&KeyPool>) -> IngressSnapshot {
        IngressSnapshot {
            stats: self.stats.snapshot(),
            crypto: self.crypto.as_ref().map(|crypto| CryptoSnapshot {
                suite: crypto.suite(),
                sources: crypto.sources().map(SourceSnapshot::from).collect(),
                keys: crypto.keys_in(pool).collect(),
                srtcp_index: None,
            }),
            learnt_rtp: self.latch.address(Component::Rtp),
            learnt_rtcp: self.latch.address(Component::Rtcp),
            last_accepted: self.last_accepted,
            waiting: self.pre_key().map_or(0, PreKeyBuffer::len),
            latch: self.latch.snapshot(&self.spec),
        }
    }
}

impl SourceRule {
    /// Whether both are the same rule, whatever their moments.
    const fn is_same_rule(self, other: Self) -> bool {
        matches!(
            (self, other),
            (
                Self::Authenticated | Self::AuthenticatedOnce { .. },
                Self::Authenticated | Self::AuthenticatedOnce { .. }
            ) | (Self::Signalled, Self::Signalled)
                | (Self::First { .. }, Self::First { .. })
        )
    }
}

impl IngressSpec {
    /// The group whose member sends here.
    pub(crate) fn group(&self) -> Option<EgressId> {
        self.extras.as_ref()?.group
    }

    /// How much may arrive.
    fn limits(&self) -> TrafficLimits {
        self.extras.as_ref().map(|extras| extras.limits).unwrap_or_default()
    }

    /// With multiplexing both components come from one address, so they learn together.
    pub(crate) const fn learning(&self, component: Component) -> Component {
        match self.rtcp {
            RtcpIngress::Mux => Component::Rtp,
            RtcpIngress::Port(_) | RtcpIngress::Off => component,
        }
    }
}

impl Gate {
    pub(crate) const fn passes(self, component: Component) -> bool {
        match component {
            Component::Rtp => self.rtp,
            //= tests/spec/relay.md#gates
            //# RTCP MUST pass while media is on hold.
            Component::Rtcp => self.rtcp,
        }
    }
}
