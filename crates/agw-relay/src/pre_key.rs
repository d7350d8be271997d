//! Media that arrives before its key (RFC 4568 §5.1.1): it waits for it, within bounds.
//!
//! A kept packet is counted nowhere until its fate is known: as received and expired or dropped
//! when it goes away, as received like any other when [`Relay::poll_kept`] has handed it back and it
//! goes through. So `received == forwarded + dropped` holds meanwhile, and nothing is learnt from
//! a packet before its tag has verified.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use agw_srtp::Engine;

use crate::datagram::Datagram;
use crate::drop::DropReason;
use crate::ingress::Ingress;
use crate::relay::Relay;
use crate::spec::{Component, IngressId, PortId, Transport};

/// The longest datagram that is kept, in octets: what fits the common link.
const ROOM: usize = 1_500;
/// Legs are looked at for packets whose time is over no more often than this; exactly when a packet
/// arrives and when the key is there.
const LEAST_TICK: Duration = Duration::from_millis(250);
/// Octets that the buffers of one relay may take unless it is told otherwise.
const DEFAULT_OCTETS: usize = 16 << 20;

/// How much waits for the key of a secured leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreKeySpec {
    /// The most datagrams; of those of more than 1,500 octets none is kept.
    pub packets: u8,
    /// How long each waits at most.
    pub time: Duration,
}

/// A datagram that was kept; its octets as they arrived.
#[derive(Debug)]
pub struct Kept<'a> {
    /// The local port it arrived on.
    pub port: PortId,
    /// Who sent it.
    pub source: SocketAddr,
    /// The traffic class octet that it came with.
    pub traffic_class: u8,
    /// The payload.
    pub octets: &'a [u8],
}

/// What the buffers of all legs take together, and which of them have their keys.
pub(crate) struct PreKeys {
    limit: usize,
    used: usize,
    /// Legs whose key has come, and whose packets are to be handed back.
    released: VecDeque<IngressId>,
}

impl PreKeys {
    pub(crate) const fn new() -> Self {
        Self { limit: DEFAULT_OCTETS, used: 0, released: VecDeque::new() }
    }
}

/// The packets of one leg, oldest first, in room that was made before they came.
pub(crate) struct PreKeyBuffer {
    spec: PreKeySpec,
    octets: Box<[u8]>,
    waiting: VecDeque<Waiting>,
    /// Where the octets of the oldest are, in datagrams.
    first: usize,
    /// When to look at it next.
    due: Option<Instant>,
}

/// A packet without its octets.
struct Waiting {
    port: PortId,
    source: SocketAddr,
    component: Component,
    traffic_class: u8,
    len: usize,
    since: Instant,
}

impl PreKeyBuffer {
    fn new(spec: PreKeySpec, now: Instant) -> Self {
        let packets = usize::from(spec.packets);
        Self {
            spec,
            octets: vec![0; octets_of(spec)].into_boxed_slice(),
            waiting: VecDeque::with_capacity(packets),
            first: 0,
            due: Some(now + spec.time.max(LEAST_TICK)),
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    fn is_full(&self) -> bool {
        self.waiting.len() >= usize::from(self.spec.packets)
    }

    /// Copies a packet; not if it finds no room.
    fn push(&mut self, component: Component, datagram: &Datagram<'_>, now: Instant) {
        let Datagram { port, source, len, traffic_class, .. } = *datagram;
        let place = (self.first + self.waiting.len()) % usize::from(self.spec.packets).max(1);
        if self.is_full() {
            return;
        }
        let room = self.octets.get_mut(place * ROOM..place * ROOM + len);
        if let (Some(packet), Some(room)) = (datagram.slot.get(..len), room) {
            room.copy_from_slice(packet);
            let since = now;
            self.waiting.push_back(Waiting { port, source, component, traffic_class, len, since });
        }
    }

    /// Takes the oldest packet out; its octets stay until another one takes their place.
    fn pop(&mut self) -> Option<(Waiting, &[u8])> {
        let waiting = self.waiting.pop_front()?;
        let start = self.first * ROOM;
        self.first = (self.first + 1) % usize::from(self.spec.packets).max(1);
        let octets = self.octets.get(start..start + waiting.len).unwrap_or_default();
        Some((waiting, octets))
    }

    fn has_expired(&self, now: Instant) -> bool {
        let time = self.spec.time;
        self.waiting.front().is_some_and(|oldest| now >= oldest.since + time)
    }
}

impl<K> Ingress<K> {
    /// What waits for the key.
    pub(crate) fn pre_key(&self) -> Option<&PreKeyBuffer> {
        self.extras.as_ref()?.pre_key.as_deref()
    }

    /// What is asked for, while the leg has no key.
    fn awaits_key(&self) -> Option<PreKeySpec> {
        let is_keyless = self.spec.transport == Transport::Secured && self.crypto.is_none();
        self.spec.extras.as_ref()?.pre_key.filter(|_| is_keyless)
    }
}

impl<E: Engine> Relay<E> {
    /// Limits what the pre-key buffers of all legs take together, in octets; those that there are
    /// stay.
    pub const fn set_pre_key_octets(&mut self, octets: usize) {
        self.pre_keys.limit = octets;
    }

    /// The oldest datagram whose key has come, to go through [`Relay::handle_batch`] before
    /// what arrives next; call until `None` after every command.
    //= tests/spec/relay.md#pre-key-buffer
    //# Kept packets MUST go through in the order of their arrival once the key is there, before
    //# any that arrive later.
    pub fn poll_kept(&mut self, now: Instant) -> Option<Kept<'_>> {
        while let Some(&id) = self.pre_keys.released.front() {
            self.expire_kept(id, now);
            if self.pre_key_of(id).is_some_and(|buffer| buffer.len() != 0) {
                break;
            }
            self.pre_keys.released.pop_front();
            self.free_pre_key(id);
        }
        let id = *self.pre_keys.released.front()?;
        let ingress = self.ingresses.at_mut(id.0)?;
        let oldest = ingress.extras.as_ref()?.pre_key.as_ref()?.waiting.front()?;
        // It is charged as it goes through.
        let (component, source, len) = (oldest.component, oldest.source, oldest.len);
        ingress.uncharge(component, source, len);
        let (waiting, octets) = ingress.extras.as_mut()?.pre_key.as_mut()?.pop()?;
        let Waiting { port, source, traffic_class, .. } = waiting;
        Some(Kept { port, source, traffic_class, octets })
    }

    /// Keeps a packet that was refused for want of a key, if that was asked for and there is room.
    //= tests/spec/relay.md#pre-key-buffer
    //# Media that arrives before its key MUST wait for it where the controller asks, within bounds.
    #[cold]
    pub(crate) fn keep(
        &mut self,
        id: IngressId,
        component: Component,
        datagram: &Datagram<'_>,
        reason: DropReason,
        now: Instant,
    ) -> Result<(), DropReason> {
        if reason != DropReason::NoIngressKey {
            return Err(reason);
        }
        self.expire_kept(id, now);
        let ingress = self.ingresses.at_mut(id.0).ok_or(reason)?;
        let has_room = |buffer: &PreKeyBuffer| !buffer.is_full() && datagram.len <= ROOM;
        if !ingress.pre_key().is_some_and(has_room) {
            return Err(reason);
        }
        let is_peers = ingress.is_peers(component, datagram.source);
        ingress.police(component, is_peers, datagram.source, datagram.len, now)?;
        if let Some(buffer) = ingress.extras.as_mut().and_then(|extras| extras.pre_key.as_mut()) {
            buffer.push(component, datagram, now);
        }
        //= tests/spec/relay.md#pre-key-buffer
        //# A kept packet MUST NOT be counted before its fate is known.
        self.stats.received.take_back(datagram.len);
        ingress.stats.received.take_back(datagram.len);
        if component == Component::Rtcp {
            ingress.stats.received_rtcp.take_back(datagram.len);
        }
        Ok(())
    }

    /// Makes room for what is to wait, or lets go of it, as the leg's spec and keys say now.
    pub(crate) fn arrange_pre_key(&mut self, id: IngressId, now: Instant) {
        let Some(ingress) = self.ingresses.at_mut(id.0) else {
            return;
        };
        let (wanted, there) = (ingress.awaits_key(), ingress.pre_key().map(|buffer| buffer.spec));
        if wanted == there {
            return;
        }
        if let (None, Some(_), true) = (wanted, there, ingress.crypto.is_some()) {
            if !self.pre_keys.released.contains(&id) {
                self.pre_keys.released.push_back(id);
            }
            if let Some(extras) = &mut ingress.extras
                && let Some(buffer) = &mut extras.pre_key
            {
                buffer.due = None;
            }
            return;
        }
        self.drop_kept(id);
        let (Some(spec), Some(ingress)) = (wanted, self.ingresses.at_mut(id.0)) else {
            return;
        };
        //= tests/spec/relay.md#pre-key-buffer
        //# Buffers MUST NOT take more memory together than is configured.
        if self.pre_keys.used + octets_of(spec) > self.pre_keys.limit {
            self.stats.pre_key_refused += 1;
            return;
        }
        self.pre_keys.used += octets_of(spec);
        let extras = ingress.extras.get_or_insert_default();
        extras.pre_key = Some(Box::new(PreKeyBuffer::new(spec, now)));
    }

    /// Drops what waits for too long, and says when to look again.
    pub(crate) fn handle_pre_key_timeout(&mut self, id: IngressId, now: Instant) {
        self.expire_kept(id, now);
        let ingress = self.ingresses.at_mut(id.0);
        let extras = ingress.and_then(|ingress| ingress.extras.as_mut());
        if let Some(buffer) = extras.and_then(|extras| extras.pre_key.as_mut()) {
            let oldest = buffer.waiting.front().map_or(now, |oldest| oldest.since);
            buffer.due = Some((oldest + buffer.spec.time).max(now + LEAST_TICK));
        }
    }

    /// Drops what a leg has kept, and its room.
    pub(crate) fn drop_kept(&mut self, id: IngressId) {
        while self.drop_oldest(id, DropReason::NoIngressKey) {}
        self.free_pre_key(id);
        self.pre_keys.released.retain(|released| *released != id);
    }

    //= tests/spec/relay.md#pre-key-buffer
    //# A packet that has waited for longer than asked for MUST NOT be forwarded.
    fn expire_kept(&mut self, id: IngressId, now: Instant) {
        while self.pre_key_of(id).is_some_and(|buffer| buffer.has_expired(now)) {
            self.drop_oldest(id, DropReason::PreKeyExpired);
        }
    }

    /// Counts the oldest packet as received and dropped; tells whether there was one.
    fn drop_oldest(&mut self, id: IngressId, reason: DropReason) -> bool {
        let Some(ingress) = self.ingresses.at_mut(id.0) else {
            return false;
        };
        let buffer = ingress.extras.as_mut().and_then(|extras| extras.pre_key.as_mut());
        let Some((waiting, _)) = buffer.and_then(|buffer| buffer.pop()) else {
            return false;
        };
        self.stats.received.add(waiting.len);
        self.stats.dropped.count(reason);
        ingress.stats.received.add(waiting.len);
        if waiting.component == Component::Rtcp {
            ingress.stats.received_rtcp.add(waiting.len);
        }
        ingress.stats.count_drop(reason, &mut self.spare.drops);
        true
    }

    fn pre_key_of(&self, id: IngressId) -> Option<&PreKeyBuffer> {
        self.ingresses.at(id.0)?.pre_key()
    }

    fn free_pre_key(&mut self, id: IngressId) {
        let ingress = self.ingresses.at_mut(id.0);
        let extras = ingress.and_then(|ingress| ingress.extras.as_mut());
        if let Some(buffer) = extras.and_then(|extras| extras.pre_key.take()) {
            self.pre_keys.used -= octets_of(buffer.spec);
        }
    }
}

const fn octets_of(spec: PreKeySpec) -> usize {
    spec.packets as usize * ROOM
}
