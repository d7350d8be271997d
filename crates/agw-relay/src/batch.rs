//! A batch of datagrams on its way through: admit, open, commit, route, seal.
//!
//! Each step runs over the whole batch before the next one, so that the engine sees packets of
//! many contexts at once. Nothing is remembered of a packet before its tag has verified.

use std::time::Instant;

use agw_rtp::{PacketKind, classify};
use agw_srtp::{CryptoFailure, Engine};
use arrayvec::ArrayVec;

use crate::datagram::{Datagram, Verdict};
use crate::drop::DropReason;
use crate::egress::{Route, sealing};
use crate::fanout::{Arrived, Claim, FanOut, look_up, ssrc_of};
use crate::group::Sender;
use crate::ingress::{Admission, opening};
use crate::passage::{Passage, Stage, Way};
use crate::relay::{Relay, report_egress_keys, report_ingress_keys};
use crate::rename::mark_of;
use crate::report::Report;
use crate::round::{Outcome, Round};
use crate::spec::{Component, IngressId, Transport};
use crate::trouble::egress_policed;

/// The most datagrams that go through together; longer batches are taken in pieces.
pub const MAX_BATCH: usize = 64;

impl<E: Engine> Relay<E> {
    /// Takes datagrams through gates, source rules and crypto, in their slots.
    ///
    /// Every datagram ends with a verdict and is counted once, as forwarded or as dropped for a
    /// reason; one that is kept for its key ([`Verdict::Kept`]) is counted when its fate is known.
    pub fn handle_batch(&mut self, batch: &mut [Datagram<'_>], now: Instant) {
        for datagrams in batch.chunks_mut(MAX_BATCH) {
            //= tests/spec/relay.md#accounting
            //# No packet MUST allocate memory, whatever arrives.
            let mut passages = ArrayVec::<Option<Passage>, MAX_BATCH>::new();
            for (place, datagram) in datagrams.iter().enumerate() {
                self.prefetch_ingress(place, |place| datagrams.get(place).map(|one| one.port));
                passages.push(self.admit(datagram, now));
            }
            self.open(datagrams, &mut passages, now);
            self.route(datagrams, &mut passages, now);
            self.seal(datagrams, &mut passages);
            for (datagram, passage) in datagrams.iter_mut().zip(&passages) {
                self.conclude(datagram, passage.as_ref(), now);
            }
        }
    }

    /// Finds the flow and decides whether the packet is worth a MAC.
    fn admit(&mut self, datagram: &Datagram<'_>, now: Instant) -> Option<Passage> {
        self.stats.received.add(datagram.len);
        let binding = *self.ports.at(datagram.port.0)?;
        let ingress = self.ingresses.at_mut(binding.ingress.0)?;
        ingress.stats.received.add(datagram.len);
        let packet = datagram.slot.get(..datagram.len).unwrap_or_default();
        //= tests/spec/relay.md#demultiplexing
        //# On a multiplexed port RTCP MUST be told from RTP by its packet type before any
        //# cryptography.
        let is_rtcp = match classify(packet) {
            PacketKind::Rtp => Some(false),
            PacketKind::Rtcp => Some(true),
            PacketKind::Stun
            | PacketKind::Zrtp
            | PacketKind::Dtls
            | PacketKind::TurnChannel
            | PacketKind::Unknown => None,
        };
        let component = is_rtcp.and_then(|is_rtcp| binding.carries.component(is_rtcp));
        if component == Some(Component::Rtcp) {
            ingress.stats.received_rtcp.add(datagram.len);
        }
        let stage = match (datagram.truncated, is_rtcp, component) {
            (true, ..) => Stage::Dropped(DropReason::TooLong),
            //= tests/spec/relay.md#demultiplexing
            //# A datagram whose first octet is not that of RTP or RTCP MUST NOT reach a crypto
            //# context.
            (false, None, _) => Stage::Dropped(DropReason::NotMedia),
            (false, Some(_), None) => Stage::Dropped(DropReason::WrongComponent),
            (false, Some(_), Some(component)) => {
                match ingress.admit(component, datagram.source, packet, &self.own_ports, now) {
                    Ok(Admission::Open(ticket)) if !self.suspects.is_alert(now) => {
                        Stage::Opening(ticket)
                    }
                    Ok(Admission::Open(ticket)) => {
                        let is_peers = ingress.is_peers(component, datagram.source);
                        if self.suspects.admits(binding.ingress, is_peers, now) {
                            Stage::Opening(ticket)
                        } else {
                            ingress.give_back(component, datagram.source, datagram.len);
                            Stage::Dropped(DropReason::AuthenticationLimited)
                        }
                    }
                    Ok(Admission::Accepted(moved)) => {
                        self.follow(binding.ingress, component, moved, now);
                        Stage::Accepted(datagram.len)
                    }
                    Err(reason) => self
                        .keep(binding.ingress, component, datagram, reason, now)
                        .map_or_else(Stage::Dropped, |()| Stage::Kept),
                }
            }
        };
        let component = component.unwrap_or(Component::Rtp);
        Some(Passage { component, ingress: binding.ingress, stage })
    }

    /// Verifies and decrypts what is secured, then remembers what verified.
    fn open(
        &mut self,
        datagrams: &mut [Datagram<'_>],
        passages: &mut [Option<Passage>],
        now: Instant,
    ) {
        for Outcome { place, result } in self.run_open(datagrams, passages) {
            let (Some(datagram), Some(Some(passage))) =
                (datagrams.get_mut(place), passages.get_mut(place))
            else {
                continue;
            };
            passage.stage = match self.settle(datagram, passage, result, now) {
                Ok(len) => Stage::Accepted(len),
                Err(reason) => {
                    self.give_back(datagram, passage.ingress, passage.component, reason);
                    Stage::Dropped(reason)
                }
            };
        }
    }

    /// One engine call for every packet of the batch that is to be opened.
    fn run_open(
        &self,
        datagrams: &mut [Datagram<'_>],
        passages: &[Option<Passage>],
    ) -> ArrayVec<Outcome, MAX_BATCH> {
        let mut round = Round::new();
        for (place, (datagram, passage)) in datagrams.iter_mut().zip(passages).enumerate() {
            let Some(Passage { ingress, stage: Stage::Opening(ticket), .. }) = passage else {
                continue;
            };
            let crypto = self.ingresses.at(ingress.0).and_then(|ingress| ingress.crypto.as_ref());
            if let Some(crypto) = crypto {
                round.push(place, crypto.job(ticket, datagram.slot, datagram.len));
            }
        }
        round.run(&self.engine)
    }

    /// Remembers an opened packet, or tries the other ways to read it that its context allows.
    fn settle(
        &mut self,
        datagram: &mut Datagram<'_>,
        passage: &mut Passage,
        outcome: Result<usize, CryptoFailure>,
        now: Instant,
    ) -> Result<usize, DropReason> {
        let Stage::Opening(ticket) = std::mem::replace(&mut passage.stage, Stage::Accepted(0))
        else {
            return Err(DropReason::Authentication);
        };
        let ingress = self.ingresses.at_mut(passage.ingress.0).ok_or(DropReason::NoIngressKey)?;
        let (mut ticket, mut opened) = (ticket, outcome);
        while let (Err(CryptoFailure::Authentication), Some(crypto)) = (opened, &ingress.crypto) {
            let packet = datagram.slot.get(..datagram.len).unwrap_or_default();
            let again = crypto.retry(&ticket, packet, now).ok_or(DropReason::Authentication)?;
            let mut job = [crypto.job(&again, datagram.slot, datagram.len)];
            self.engine.run(&mut job);
            let [job] = &job;
            (ticket, opened) = (again, job.outcome());
        }
        //= tests/spec/relay.md#transport
        //# A packet whose tag does not verify MUST NOT be forwarded.
        let len = opened.map_err(|failure| opening(failure.into()))?;
        let claim = ingress.spec.group().and_then(|group| {
            let packet = datagram.slot.get(..len).unwrap_or_default();
            let ssrc = ssrc_of(passage.component, packet)?;
            let moves = ingress.would_move(passage.component, datagram.source);
            // What stands behind the opened packet is as it arrived.
            let mark = mark_of(datagram.slot.get(..datagram.len).unwrap_or_default());
            let sender = Sender::Member(passage.ingress);
            Some(Claim { group, sender, ssrc, arrived: Some(Arrived { mark, moves }) })
        });
        let (egresses, reports) = (&mut self.egresses, &mut self.reports);
        if let Some(claim) = claim {
            // Before the packet is remembered: under a group's key a tag does not tell who sent it,
            // and what one member sent must not move another one's address.
            look_up(egresses, reports, claim, passage.ingress, now)?;
        }
        let (spare, group) = (&mut self.spare.sources, ingress.spec.group());
        let pool = group.and_then(|group| egresses.at_mut(group.0)?.key_pool_mut());
        let moved = ingress.commit(passage.component, datagram.source, ticket, now, spare, pool)?;
        self.stats.unprotected += 1;
        report_ingress_keys(passage.ingress, ingress, &mut self.reports);
        let is_open = ingress.is_open(passage.component);
        if let Some(claim) = claim {
            self.note(claim, passage.ingress, now);
            self.report_shared_keys(claim.group);
        }
        self.note_deadline(passage.ingress);
        self.follow(passage.ingress, passage.component, moved, now);
        if is_open { Ok(len) } else { Err(DropReason::IngressGate) }
    }

    /// Finds the way out and reserves the index of what is to be sealed.
    fn route(
        &mut self,
        datagrams: &mut [Datagram<'_>],
        passages: &mut [Option<Passage>],
        now: Instant,
    ) {
        for (place, datagram) in datagrams.iter_mut().enumerate() {
            self.prefetch_egress(place, |place| {
                let passage = passages.get(place)?.as_ref()?;
                matches!(passage.stage, Stage::Accepted(_)).then_some(passage.ingress)
            });
            let Some(Some(Passage { ingress, component, stage })) = passages.get_mut(place) else {
                continue;
            };
            let Stage::Accepted(len) = *stage else {
                continue;
            };
            let packet = datagram.slot.get_mut(..len).unwrap_or_default();
            if *component == Component::Rtcp {
                self.note_reports_received(*ingress, packet, now);
            }
            *stage =
                self.route_one(*ingress, *component, packet, now).unwrap_or_else(Stage::Dropped);
            if let (Component::Rtcp, Some((egress, len))) = (*component, stage.leaving()) {
                let packet = packet.get(..len).unwrap_or_default();
                self.note_reports_sent(egress, packet, now);
            }
        }
    }

    fn route_one(
        &mut self,
        ingress: IngressId,
        component: Component,
        packet: &mut [u8],
        now: Instant,
    ) -> Result<Stage, DropReason> {
        let from = ingress;
        let ingress = self.ingresses.at(from.0).ok_or(DropReason::NoOutput)?;
        let id = ingress.spec.output.ok_or(DropReason::NoOutput)?;
        let is_member = ingress.spec.group().is_some();
        let egress = self.egresses.at_mut(id.0).ok_or(DropReason::NoOutput)?;
        let sealed_end_to_end =
            [ingress.spec.transport, egress.spec.transport].map(|t| t == Transport::Transparent);
        if matches!(sealed_end_to_end, [true, false] | [false, true]) {
            return Err(DropReason::NoOutput);
        }
        let (mut egress, way) = match egress.route(component) {
            Ok(route) => (egress, Way::Leg(route)),
            // A group has no address of its own.
            Err(_) if egress.group_spec().is_some() => {
                self.check_fan_out(id, from, component, packet, now)?;
                (self.egresses.at_mut(id.0).ok_or(DropReason::NoOutput)?, Way::Members)
            }
            Err(reason) => return Err(reason),
        };
        if egress.is_policed(component, packet.len(), now) {
            egress_policed(id, egress, (&mut self.reports, &mut self.untold), now);
            return Err(DropReason::EgressPoliced);
        }
        let mut len = packet.len();
        let in_group = is_member || matches!(way, Way::Members);
        if in_group || egress.rewrites() || component == Component::Rtcp {
            len = self.translate(from, id, component, packet, now)?;
            egress = self.egresses.at_mut(id.0).ok_or(DropReason::NoOutput)?;
        }
        let packet = packet.get(..len).unwrap_or_default();
        let begun = egress.begin(component, packet, &mut self.spare.sources);
        let is_reuse =
            |&reason: &_| matches!(reason, DropReason::IndexReused | DropReason::EgressTooOld);
        if begun.as_ref().is_err_and(is_reuse) && self.told.tells_reuse(id, now) {
            self.reports.push(Report::IndexReused(id));
        }
        report_egress_keys(id, egress, &mut self.reports);
        Ok(match begun? {
            //= tests/spec/relay.md#transport
            //# SRTP MUST be turned into SRTP of another suite where both legs are secured.
            Some(ticket) => Stage::Sealing(id, way, ticket, len),
            //= tests/spec/relay.md#transport
            //# On a transparent leg packets MUST be forwarded octet by octet.
            None => Stage::Leaving(id, way, len),
        })
    }

    /// Seals what leaves on a secured leg.
    fn seal(&mut self, datagrams: &mut [Datagram<'_>], passages: &mut [Option<Passage>]) {
        for Outcome { place, result } in self.run_seal(datagrams, passages) {
            let Some(Some(passage)) = passages.get_mut(place) else {
                continue;
            };
            let Stage::Sealing(id, way, ..) = passage.stage else {
                continue;
            };
            passage.stage = match result {
                Ok(len) => Stage::Leaving(id, way, len),
                Err(error) => Stage::Dropped(sealing(error.into())),
            };
            self.stats.protected += u64::from(result.is_ok());
        }
    }

    /// One engine call for every packet of the batch that is to be sealed.
    fn run_seal(
        &self,
        datagrams: &mut [Datagram<'_>],
        passages: &[Option<Passage>],
    ) -> ArrayVec<Outcome, MAX_BATCH> {
        let mut round = Round::new();
        for (place, (datagram, passage)) in datagrams.iter_mut().zip(passages).enumerate() {
            let Some(Passage { stage: Stage::Sealing(id, _, ticket, len), .. }) = passage else {
                continue;
            };
            let crypto = self.egresses.at(id.0).and_then(|egress| egress.crypto.as_ref());
            if let Some(crypto) = crypto {
                round.push(place, crypto.job(ticket, datagram.slot, *len));
            }
        }
        round.run(&self.engine)
    }

    //= tests/spec/relay.md#accounting
    //# Every datagram received MUST be either forwarded or dropped for one named reason.
    /// Writes the verdict and counts the datagram, once.
    fn conclude(&mut self, datagram: &mut Datagram<'_>, passage: Option<&Passage>, now: Instant) {
        let ingress = passage.and_then(|passage| self.ingresses.at_mut(passage.ingress.0));
        let stage = passage.map(|passage| &passage.stage);
        if matches!(stage, Some(Stage::Kept)) {
            datagram.verdict = Verdict::Kept;
            return;
        }
        let Some(&Stage::Leaving(id, way, len)) = stage else {
            let reason = match stage {
                None => DropReason::NoFlow,
                Some(Stage::Dropped(reason)) => *reason,
                Some(Stage::Kept | Stage::Opening(_)) => DropReason::NoIngressKey,
                Some(Stage::Accepted(_) | Stage::Leaving(..)) => DropReason::NoOutput,
                Some(Stage::Sealing(..)) => DropReason::NoEgressKey,
            };
            self.stats.dropped.count(reason);
            if let Some(ingress) = ingress {
                ingress.stats.count_drop(reason, &mut self.spare.drops);
            }
            if let Some(passage) = passage {
                self.raise_alarm(passage, datagram, reason, now);
            }
            datagram.verdict = Verdict::Drop(reason);
            return;
        };
        self.stats.forwarded.add(len);
        if let Some(ingress) = ingress {
            ingress.stats.forwarded.add(datagram.len);
        }
        let component = passage.map_or(Component::Rtp, |passage| passage.component);
        let mut traffic_class = None;
        if let Some(egress) = self.egresses.at_mut(id.0) {
            traffic_class = egress.spec.traffic_class(datagram.traffic_class);
            egress.stats.sent.add(len);
            if component == Component::Rtcp {
                egress.stats.sent_rtcp.add(len);
            }
        }
        datagram.verdict = match way {
            Way::Leg(Route { via, to }) => {
                Verdict::Forward { via, to, traffic_class, len, egress: id }
            }
            Way::Members => {
                Verdict::FanOut(FanOut::new(id, component, len, datagram.traffic_class))
            }
        };
    }
}
