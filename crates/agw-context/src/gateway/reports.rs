//! What the packet path tells, as events.

use super::*;

impl Gateway {
    /// Takes note of what the packet path reports.
    pub fn handle_report(&mut self, report: Report, at: SystemTime) {
        let (leg, kind) = match report {
            Report::Learnt { ingress, component, address, again: false, .. } => {
                (ingress.0, EventKind::Latched { component, address })
            }
            Report::Learnt { ingress, component, address, again: true, .. } => {
                (ingress.0, EventKind::Relatched { component, address })
            }
            Report::IngressKey(id, event) => {
                match self.key_event(id.0, event, Direction::Ingress) {
                    Some(kind) => (id.0, kind),
                    None => return,
                }
            }
            Report::StagedKeyDiscarded(id, number) => return self.key_discarded(id, number),
            Report::EgressKey(id, event) => match self.key_event(id.0, event, Direction::Egress) {
                Some(kind) => (id.0, kind),
                None => return,
            },
            Report::IndexReused(id) => (id.0, EventKind::TransmitIndexReused),
            Report::TooBig { egress, octets } => (egress.0, EventKind::MtuExceeded { octets }),
            Report::Policed { ingress, packets } => {
                let direction = Direction::Ingress;
                (ingress.0, EventKind::PolicingDrops { direction, packets })
            }
            Report::EgressPoliced { egress, packets } => {
                let direction = Direction::Egress;
                (egress.0, EventKind::PolicingDrops { direction, packets })
            }
            Report::Released { egress, refusal } => {
                (egress.0, EventKind::BearerReleased { cause: refusal })
            }
            Report::MediaInactive { ingress, direction, since } => {
                (ingress.0, EventKind::MediaInactive { direction, since })
            }
            Report::MediaActive { ingress, direction } => {
                (ingress.0, EventKind::MediaActive { direction })
            }
            Report::AuthenticationFailures { ingress, packets, deaf } => {
                (ingress.0, EventKind::AuthenticationFailures { packets, deaf })
            }
            Report::Replays { ingress, packets } => (ingress.0, EventKind::Replays { packets }),
            Report::SourceLimit { half, ssrc, sources } => {
                let (leg, direction) = match half {
                    Half::Ingress(id) => (id.0, Direction::Ingress),
                    Half::Egress(id) => (id.0, Direction::Egress),
                };
                let (ssrc, group) = (ssrc.0, self.group_of_leg(leg));
                (leg, EventKind::SourceLimitReached { direction, ssrc, sources, group })
            }
            Report::SsrcCollision { ingress, ssrc, with, dropped, fresh } => {
                let owner = |id: IngressId| self.owner_of_leg(id.0);
                let other = with.and_then(owner).map(|(_, termination, _)| termination);
                let (ssrc, fresh) = (ssrc.0, fresh.map(|ssrc| ssrc.0));
                (ingress.0, EventKind::SsrcCollision { ssrc, other, dropped, fresh })
            }
        };
        let Some(&Some((context, termination, stream))) = self.leg_owners.get(leg as usize) else {
            return;
        };
        self.tell_of_stream((context, termination, stream), kind, at);
    }

    /// The packet path discarded a staged key, a stream's or a group's.
    fn key_discarded(&mut self, leg: IngressId, number: u32) {
        if let Some(owner @ (context, ..)) = self.owner_of_leg(leg.0) {
            self.staged_key_was_discarded(owner, number);
            self.group_key_was_discarded(context, leg, number);
        }
    }

    /// The group that has a leg's number.
    fn group_of_leg(&self, leg: u32) -> Option<GroupId> {
        let (context, ..) = self.owner_of_leg(leg)?;
        self.contexts.get(&context)?.group_of_leg(leg)
    }

    /// What controllers are told of an event about keys, if anything.
    fn key_event(&mut self, leg: u32, event: KeyEvent, direction: Direction) -> Option<EventKind> {
        let group = self.group_of_leg(leg);
        match event {
            KeyEvent::LifetimeWarning => Some(EventKind::KeyLifetimeWarning { direction, group }),
            KeyEvent::LifetimeExpired => Some(EventKind::KeyLifetimeExpired { direction, group }),
            KeyEvent::Activated { number } => {
                let owner = self.owner_of_leg(leg)?;
                let is_news = self.staged_key_came_in_force(owner, number);
                if is_news {
                    // With a member's, the group's goes on waiting: what is audited stays as it is.
                    self.outdate(owner.0);
                }
                let group = self.group_whose_key_began(owner, number);
                (is_news || group.is_some()).then_some(EventKind::KeyActivated { direction, group })
            }
        }
    }
}
