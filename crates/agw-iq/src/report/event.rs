//! Events.

use std::net::SocketAddr;
use std::time::Instant;

use agw_context::{Ended, Event, EventKind, GroupId, ReleaseCause, ReleasedStream, Subject};
use agw_relay::Component;

use super::group::released_group;
use super::statistics::refusal;
use super::{direction, inactive_direction, milliseconds, small_count, timestamp};
use crate::pb;
use crate::reply::{level_to_wire, released_stream, service_to_wire, socket_address};

pub(crate) fn event(event: Event, restart_epoch: u64) -> pb::Event {
    let Event { sequence, at, subject: about, kind: what } = event;
    pb::Event {
        sequence,
        restart_epoch,
        at: Some(timestamp(at)),
        subject: about.map(subject),
        kind: Some(kind(&what)),
    }
}

fn subject(subject: Subject) -> pb::Subject {
    let Subject { context, correlation, termination, stream } = subject;
    pb::Subject {
        context_id: context.0,
        correlation_id: correlation.as_deref().unwrap_or_default().to_owned(),
        termination_id: termination.map_or(0, |termination| termination.0),
        stream_id: stream.map_or(0, |stream| stream.0.into()),
    }
}

#[expect(clippy::too_many_lines, reason = "an arm for each kind of event")]
fn kind(kind: &EventKind) -> pb::event::Kind {
    use pb::event::Kind;
    match kind {
        EventKind::ContextAdded => Kind::ContextAdded(pb::ContextAdded {}),
        EventKind::ContextReleased => Kind::ContextReleased(pb::ContextReleased {}),
        EventKind::Latched { component: of, address } => {
            Kind::Latched(pb::Latched { component: component(*of), address: learnt(*address) })
        }
        EventKind::Relatched { component: of, address } => {
            Kind::Relatched(pb::Relatched { component: component(*of), address: learnt(*address) })
        }
        EventKind::KeyLifetimeWarning { direction: of, group } => {
            let (direction, group_id) = (direction(*of), group_id(*group));
            Kind::KeyLifetimeWarning(pb::KeyLifetimeWarning { direction, group_id })
        }
        EventKind::KeyLifetimeExpired { direction: of, group } => {
            let (direction, group_id) = (direction(*of), group_id(*group));
            Kind::KeyLifetimeExpired(pb::KeyLifetimeExpired { direction, group_id })
        }
        EventKind::KeyActivated { direction: of, group } => {
            let (direction, group_id) = (direction(*of), group_id(*group));
            Kind::KeyActivated(pb::KeyActivated { direction, group_id })
        }
        EventKind::KeyReuseBlocked { direction: of, refused } => {
            let (direction, refused) = (direction(*of), *refused);
            Kind::KeyReuseBlocked(pb::KeyReuseBlocked { direction, refused })
        }
        EventKind::TransmitIndexReused => Kind::TransmitIndexReused(pb::TransmitIndexReused {}),
        EventKind::SsrcCollision { ssrc, other, dropped, fresh } => {
            Kind::SsrcCollision(pb::SsrcCollision {
                ssrc: *ssrc,
                other_termination_id: other.map_or(0, |termination| termination.0),
                dropped: *dropped,
                rewritten_ssrc: fresh.unwrap_or_default(),
            })
        }
        EventKind::MtuExceeded { octets } => {
            Kind::MtuExceeded(pb::MtuExceeded { octets: small_count(*octets) })
        }
        EventKind::BearerReleased { cause } => {
            Kind::BearerReleased(pb::BearerReleased { cause: refusal(*cause).into() })
        }
        EventKind::MediaInactive { direction, since } => Kind::MediaInactive(pb::MediaInactive {
            direction: inactive_direction(*direction),
            inactive_ms: milliseconds(*since),
        }),
        EventKind::MediaActive { direction } => {
            Kind::MediaActive(pb::MediaActive { direction: inactive_direction(*direction) })
        }
        EventKind::PolicingDrops { direction: of, packets } => {
            let direction = direction(*of);
            Kind::PolicingDrops(pb::PolicingDrops { direction, packets: *packets })
        }
        EventKind::AuthenticationFailures { packets, deaf } => {
            let deaf_ms = deaf.map(|deaf| deaf.as_millis().try_into().unwrap_or(u64::MAX));
            Kind::AuthenticationFailures(pb::AuthenticationFailures { packets: *packets, deaf_ms })
        }
        EventKind::SourceLimitReached { direction: of, ssrc, sources, group } => {
            Kind::SourceLimitReached(pb::SourceLimitReached {
                direction: direction(*of),
                ssrc: *ssrc,
                sources: small_count(*sources),
                group_id: group_id(*group),
            })
        }
        EventKind::Replays { packets } => Kind::Replays(pb::Replays { packets: *packets }),
        EventKind::GroupRekeyWanted { group, joined, left } => {
            Kind::GroupRekeyWanted(pb::GroupRekeyWanted {
                group_id: group.0.into(),
                joined: *joined,
                left: *left,
            })
        }
        EventKind::RealmUp { realm } => Kind::RealmUp(pb::RealmUp { realm: realm.clone() }),
        EventKind::RealmDown { realm } => Kind::RealmDown(pb::RealmDown { realm: realm.clone() }),
        EventKind::TerminationHeartbeat => Kind::TerminationHeartbeat(pb::TerminationHeartbeat {}),
        EventKind::ReleasedByGateway { cause } => {
            Kind::ReleasedByGateway(pb::ReleasedByGateway { cause: release_cause(*cause) })
        }
        EventKind::ContextOrphaned { controller } => {
            Kind::ContextOrphaned(pb::ContextOrphaned { controller: controller.0.clone() })
        }
        EventKind::ContextAdopted { from, to } => Kind::ContextAdopted(pb::ContextAdopted {
            from_controller: from.0.clone(),
            to_controller: to.0.clone(),
        }),
        EventKind::Draining { reason } => {
            Kind::DrainStarted(pb::DrainStarted { reason: words(reason.as_deref()) })
        }
        EventKind::ServiceChanged { state, cause, reason } => {
            Kind::ServiceChanged(pb::ServiceChanged {
                state: service_to_wire(*state).into(),
                h248_reason: cause.h248_reason().into(),
                reason: words(reason.as_deref()),
            })
        }
        EventKind::OverloadChanged { level, percent, limit } => {
            Kind::OverloadChanged(pb::OverloadChanged {
                level: level_to_wire(*level).into(),
                overload_percent: (*percent).min(100).into(),
                limit: limit.name().to_owned(),
            })
        }
        EventKind::ContextEnded(ended) => Kind::ContextEnded(context_ended(ended)),
        EventKind::CapabilitiesChanged { keys } => {
            let keys = keys.split(',').map(str::to_owned).collect();
            Kind::CapabilitiesChanged(pb::CapabilitiesChanged { keys })
        }
        EventKind::CertificateExpires { days } => {
            Kind::CertificateExpires(pb::CertificateExpires { days: (*days).into() })
        }
    }
}

fn release_cause(cause: ReleaseCause) -> i32 {
    match cause {
        ReleaseCause::Hanging => pb::ReleaseCause::Hanging.into(),
        ReleaseCause::Rejected => pb::ReleaseCause::Rejected.into(),
        ReleaseCause::Orphaned => pb::ReleaseCause::Orphaned.into(),
        ReleaseCause::OrphanedTooLong => pb::ReleaseCause::OrphanedTooLong.into(),
        ReleaseCause::Silent => pb::ReleaseCause::Silent.into(),
        ReleaseCause::Failed => pb::ReleaseCause::Failed.into(),
        ReleaseCause::Locked => pb::ReleaseCause::Locked.into(),
        ReleaseCause::Drained => pb::ReleaseCause::Drained.into(),
    }
}

fn context_ended(ended: &Ended) -> pb::ContextEnded {
    let Ended { cause, streams, groups } = ended;
    let legs: Vec<ReleasedStream> = streams.iter().map(|(stream, ..)| *stream).collect();
    let now = Instant::now();
    let groups = groups.iter().map(|(group, last)| released_group(group, Some(last), &legs, now));
    let streams = streams
        .iter()
        .map(|(stream, ingress, egress)| released_stream(stream, Some((ingress, egress)), now));
    let (streams, groups) = (streams.collect(), groups.collect());
    pb::ContextEnded { cause: release_cause(*cause), streams, groups }
}

fn group_id(group: Option<GroupId>) -> u32 {
    group.map_or(0, |group| group.0.into())
}

fn words(reason: Option<&str>) -> String {
    reason.unwrap_or_default().to_owned()
}

fn component(component: Component) -> i32 {
    match component {
        Component::Rtp => pb::Component::Rtp.into(),
        Component::Rtcp => pb::Component::Rtcp.into(),
    }
}

fn learnt(address: SocketAddr) -> Option<pb::SocketAddress> {
    Some(socket_address(address))
}
