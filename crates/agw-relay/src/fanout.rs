//! One datagram to all members of a group: sealed once, the same octets to each
//! (TR 33.829 §5.3.1).

use std::net::SocketAddr;
use std::time::Instant;

use agw_rtp::{RtcpHeader, RtpHeader, Ssrc};
use agw_srtp::Engine;

use crate::drop::DropReason;
use crate::egress::{Egress, Route};
use crate::group::{Collision, Group, Refused, Sender};
use crate::relay::Relay;
use crate::report::{Report, Reports};
use crate::spec::{Component, EgressId, IngressId, PortId};
use crate::table::Table;
use crate::trouble::egress_policed;

/// A datagram for the members of a group; [`Relay::next_copy`] tells where each copy leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FanOut {
    group: EgressId,
    component: Component,
    /// Octets of payload in the slot, for every member the same.
    pub len: usize,
    /// That it arrived with.
    traffic_class: u8,
    next: usize,
}

/// One copy of a datagram on its way to a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Departure {
    /// The local port it leaves from.
    pub via: PortId,
    /// The destination.
    pub to: SocketAddr,
    /// The traffic class octet it leaves with; `None` is that of the local port.
    pub traffic_class: Option<u8>,
    /// Whom to charge if the kernel refuses it.
    pub egress: EgressId,
}

impl FanOut {
    pub(crate) const fn new(
        group: EgressId,
        component: Component,
        len: usize,
        traffic_class: u8,
    ) -> Self {
        Self { group, component, len, traffic_class, next: 0 }
    }
}

impl<E: Engine> Relay<E> {
    /// Where the next copy of a datagram leaves; `None` after the last one.
    ///
    /// Each copy is counted for its member, one that does not leave by its reason: a gate that is
    /// closed, an address that is not known, a limit that is reached. To be called until `None`
    /// before the next command.
    pub fn next_copy(&mut self, fan_out: &mut FanOut, now: Instant) -> Option<Departure> {
        //= tests/spec/group.md#fan-out
        //# What the focus sends MUST leave to every member as the same octets.
        //= tests/spec/group.md#fan-out
        //# RTCP to the members MUST use one SRTCP index for all of them.
        loop {
            let group = self.egresses.at(fan_out.group.0)?.group_spec()?;
            let member = *group.members.get(fan_out.next)?;
            fan_out.next += 1;
            let Some(egress) = self.egresses.at_mut(member.egress.0) else {
                continue;
            };
            //= tests/spec/group.md#members
            //# A member on hold MUST NOT be sent media.
            let route = egress.route(fan_out.component).and_then(|route| {
                let is_too_much = egress.is_policed(fan_out.component, fan_out.len, now);
                if is_too_much { Err(DropReason::EgressPoliced) } else { Ok(route) }
            });
            let route = match route {
                Ok(route) => route,
                //= tests/spec/group.md#fan-out
                //# Every copy that does not leave MUST be counted at its member, for one named
                //# reason.
                Err(reason) => {
                    if reason == DropReason::EgressPoliced {
                        let tell = (&mut self.reports, &mut self.untold);
                        egress_policed(member.egress, egress, tell, now);
                    }
                    egress.count_copy_dropped(reason);
                    self.stats.copies_dropped.count(reason);
                    continue;
                }
            };
            egress.stats.sent.add(fan_out.len);
            if fan_out.component == Component::Rtcp {
                egress.stats.sent_rtcp.add(fan_out.len);
            }
            self.stats.copies.add(fan_out.len);
            let Route { via, to } = route;
            let traffic_class = egress.spec.traffic_class(fan_out.traffic_class);
            return Some(Departure { via, to, traffic_class, egress: member.egress });
        }
    }

    /// Whether a packet that `from` brought may be sealed for a group: somebody takes it, and its
    /// SSRC is not a member's under the same key.
    pub(crate) fn check_fan_out(
        &mut self,
        id: EgressId,
        from: IngressId,
        component: Component,
        packet: &[u8],
        now: Instant,
    ) -> Result<(), DropReason> {
        let group = self.egresses.at(id.0).and_then(|egress| egress.group_spec());
        let group = group.ok_or(DropReason::NoOutput)?;
        let mut refusal = DropReason::NoOutput;
        let is_taken = group.members.iter().any(|member| {
            let Some(egress) = self.egresses.at(member.egress.0) else {
                return false;
            };
            egress.route(component).map_err(|reason| refusal = reason).is_ok()
        });
        if !is_taken {
            return Err(refusal);
        }
        if !group.seals_in_domain {
            return Ok(());
        }
        //= tests/spec/group.md#ssrc
        //# Where the gateway sends under the members' key, its own SSRCs MUST be guarded as theirs
        //# are.
        let ssrc = ssrc_of(component, packet).ok_or(DropReason::Malformed)?;
        let claim = Claim { group: id, sender: Sender::Gateway, ssrc, arrived: None };
        look_up(&mut self.egresses, &mut self.reports, claim, from, now)?;
        self.note(claim, from, now);
        Ok(())
    }

    /// Remembers whose an SSRC is; tells control of a second sender that was given another one.
    pub(crate) fn note(&mut self, claim: Claim, from: IngressId, now: Instant) {
        let id = claim.group;
        let Some(egress) = self.egresses.at_mut(id.0) else {
            return;
        };
        if let Some(collision) = egress.note_sender(claim, now) {
            tell(&mut self.reports, collision, claim.ssrc, from);
        }
        let is_crowded = egress.group().is_some_and(Group::is_crowded);
        if is_crowded && !self.crowded.contains(&id) {
            // With as many as a batch has datagrams waiting, the next sender asks again.
            let _ = self.crowded.try_push(id);
        }
    }

    /// Makes room for the senders of groups that a batch may bring.
    pub(crate) fn make_room_for_senders(&mut self) {
        for id in self.crowded.drain(..) {
            if let Some((_, group)) = self.egresses.at_mut(id.0).and_then(|one| one.group_mut()) {
                group.make_room();
            }
        }
    }
}

/// A sender in a group's key domain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim {
    pub(crate) group: EgressId,
    pub(crate) sender: Sender,
    pub(crate) ssrc: Ssrc,
    /// How a member's packet arrived.
    pub(crate) arrived: Option<Arrived>,
}

/// How a member's packet arrived.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrived {
    /// What tells the packet from others.
    pub(crate) mark: u64,
    /// Whether it comes from elsewhere than the member is known to be.
    pub(crate) moves: bool,
}

/// Whether an SSRC is another sender's; tells control if it is. `from` is the leg that the packet
/// came in by.
pub(crate) fn look_up<K>(
    egresses: &mut Table<Box<Egress<K>>>,
    reports: &mut Reports,
    claim: Claim,
    from: IngressId,
    now: Instant,
) -> Result<(), DropReason> {
    let group = egresses.at_mut(claim.group.0).and_then(|egress| egress.group_mut());
    let Some((spec, group)) = group else {
        return Ok(());
    };
    //= tests/spec/group.md#ssrc
    //# Two senders under one key MUST NOT use the same SSRC unless the controller has asked to be
    //# told only.
    let collision = match group.look(spec, claim, now) {
        Ok(()) => return Ok(()),
        Err(Refused::NoRoom(reason)) => return Err(reason),
        Err(Refused::Taken(collision)) => collision,
    };
    tell(reports, collision, claim.ssrc, from);
    collision.dropped.map_or(Ok(()), Err)
}

fn tell(reports: &mut Reports, collision: Collision, ssrc: Ssrc, ingress: IngressId) {
    let Collision { with, dropped, told, fresh } = collision;
    if told {
        let dropped = dropped.is_some();
        reports.push(Report::SsrcCollision { ingress, ssrc, with, dropped, fresh });
    }
}

/// The sender of a packet, which stays in the clear under SRTP and SRTCP.
pub(crate) fn ssrc_of(component: Component, packet: &[u8]) -> Option<Ssrc> {
    match component {
        Component::Rtp => RtpHeader::parse(packet).ok().map(|header| header.ssrc()),
        Component::Rtcp => RtcpHeader::parse(packet).ok().map(|header| header.ssrc()),
    }
}
