//! What control is told: that a peer moved, that a leg gets too much, or what it should not.

use std::time::Instant;

use agw_srtp::Engine;

use crate::datagram::Datagram;
use crate::drop::DropReason;
use crate::egress::Egress;
use crate::fanout::ssrc_of;
use crate::group::Group;
use crate::passage::Passage;
use crate::relay::Relay;
use crate::report::{Half, Report, Reports};
use crate::source::Move;
use crate::spec::{Component, EgressId, IngressId};
use crate::suspects::Failing;
use crate::untold::{Over, Untold};

impl<E: Engine> Relay<E> {
    /// Tells the leg's other half, and control, that the peer's address moved.
    pub(crate) fn follow(
        &mut self,
        id: IngressId,
        component: Component,
        moved: Option<Move>,
        now: Instant,
    ) {
        let (Some(moved), Some(ingress)) = (moved, self.ingresses.at_mut(id.0)) else {
            return;
        };
        let (reverse, component) = (ingress.spec.reverse, ingress.spec.learning(component));
        let Move { to: address, again } = moved;
        if let Some(egress) = self.egresses.at_mut(reverse.0) {
            egress.follow(component, address);
        }
        // Of the first address always.
        if !again || self.told.tells_move(id, now) {
            self.reports.push(Report::Learnt { ingress: id, reverse, component, address, again });
        }
    }

    /// Gives back what a packet was charged that is not the peer's, or was not new.
    #[cold]
    pub(crate) fn give_back(
        &mut self,
        datagram: &Datagram<'_>,
        ingress: IngressId,
        component: Component,
        reason: DropReason,
    ) {
        let is_peers_own = reason == DropReason::IngressGate;
        if let (false, Some(ingress)) = (is_peers_own, self.ingresses.at_mut(ingress.0)) {
            ingress.give_back(component, datagram.source, datagram.len);
        }
    }

    /// Counts a drop that may be one of many, and tells control when it is.
    #[cold]
    pub(crate) fn raise_alarm(
        &mut self,
        passage: &Passage,
        datagram: &Datagram<'_>,
        reason: DropReason,
        now: Instant,
    ) {
        let ingress = passage.ingress;
        let report = match reason {
            DropReason::Authentication => {
                let accepted = self.last_accepted(ingress);
                let told = self.suspects.failed(ingress, accepted, now);
                told.map(|Failing { packets, deaf }| Report::AuthenticationFailures {
                    ingress,
                    packets,
                    deaf,
                })
            }
            DropReason::Replay => {
                let packets = self.suspects.replayed(ingress, now);
                packets.map(|packets| Report::Replays { ingress, packets })
            }
            DropReason::Policed | DropReason::RtcpPoliced => self.policed(ingress, now),
            DropReason::SourceLimit => {
                let group = self.ingresses.at(ingress.0).and_then(|at| at.spec.group());
                // Of a group it is told under the group's own number.
                let full = group.filter(|&id| self.is_full(id)).map(|group| IngressId(group.0));
                let half = Half::Ingress(full.unwrap_or(ingress));
                self.refused_source(half, passage, datagram, now)
            }
            DropReason::EgressSourceLimit => {
                let output = self.ingresses.at(ingress.0).and_then(|at| at.spec.output);
                output.and_then(|id| self.refused_source(Half::Egress(id), passage, datagram, now))
            }
            DropReason::NoFlow
            | DropReason::TooLong
            | DropReason::NotMedia
            | DropReason::Malformed
            | DropReason::WrongComponent
            | DropReason::IngressGate
            | DropReason::EgressGate
            | DropReason::WrongSource
            | DropReason::NoIngressKey
            | DropReason::UnknownMki
            | DropReason::TooOld
            | DropReason::Implausible
            | DropReason::Unencrypted
            | DropReason::IngressKeyExpired
            | DropReason::NoOutput
            | DropReason::NoDestination
            | DropReason::RtcpOff
            | DropReason::NoEgressKey
            | DropReason::IndexReused
            | DropReason::EgressTooOld
            | DropReason::EgressKeyExpired
            | DropReason::NoRoom
            | DropReason::SsrcCollision
            | DropReason::EgressPoliced
            | DropReason::AuthenticationLimited
            | DropReason::OtherSource
            | DropReason::SequenceJump
            | DropReason::PreKeyExpired => None,
        };
        if let Some(report) = report {
            self.reports.push(report);
        }
    }

    /// Whether a group has no room for the SSRCs of further senders.
    fn is_full(&self, group: EgressId) -> bool {
        self.egresses.at(group.0).and_then(|egress| egress.group()).is_some_and(Group::is_full)
    }

    /// What is to be told of a packet that was too much.
    fn policed(&mut self, ingress: IngressId, now: Instant) -> Option<Report> {
        let alarm = self.ingresses.at_mut(ingress.0).and_then(|at| at.policed())?;
        let packets = alarm.count(1, now);
        self.untold.note(Over::Ingress(ingress), alarm);
        packets.map(|packets| Report::Policed { ingress, packets })
    }

    //= tests/spec/relay.md#memory
    //# A source that a leg refuses because it has as many as it may have MUST be told, at most once a
    //# second for each direction.
    /// What is to be told of a source that half of a leg has no room for.
    fn refused_source(
        &mut self,
        half: Half,
        passage: &Passage,
        datagram: &Datagram<'_>,
        now: Instant,
    ) -> Option<Report> {
        if !self.told.tells_sources(half, now) {
            return None;
        }
        let packet = datagram.slot.get(..datagram.len).unwrap_or_default();
        let ssrc = ssrc_of(passage.component, packet)?;
        let sources = match half {
            Half::Ingress(id) if self.is_full(EgressId(id.0)) => {
                self.egresses.at(id.0)?.group()?.snapshot().ssrcs
            }
            Half::Ingress(id) => self.ingresses.at(id.0)?.crypto.as_ref()?.sources().count(),
            Half::Egress(id) => self.egresses.at(id.0)?.crypto.as_ref()?.sources().count(),
        };
        Some(Report::SourceLimit { half, ssrc, sources })
    }
}

/// Tells control of what was too much to leave, at most once a second.
#[cold]
pub(crate) fn egress_policed<K>(
    id: EgressId,
    egress: &mut Egress<K>,
    (reports, untold): (&mut Reports, &mut Untold),
    now: Instant,
) {
    let Some(alarm) = egress.policed() else {
        return;
    };
    if let Some(packets) = alarm.count(1, now) {
        reports.push(Report::EgressPoliced { egress: id, packets });
    }
    untold.note(Over::Egress(id), alarm);
}
