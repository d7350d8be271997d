//! Events, one line each.

use agw_iq::pb;
use agw_iq::pb::event::Kind;
use serde::Serialize;

use super::gateway_event::GatewayDetails;
use super::{address, number, text, word};
use crate::output::{dash, moment};

/// One event.
#[derive(Debug, Serialize)]
pub(crate) struct EventView {
    pub(crate) sequence: u64,
    restart_epoch: u64,
    at: Option<String>,
    kind: &'static str,
    context_id: Option<u32>,
    correlation_id: Option<String>,
    termination_id: Option<u32>,
    stream_id: Option<u32>,
    #[serde(flatten)]
    details: Details,
}

/// What an event says beyond its kind.
#[derive(Debug, Default, Serialize)]
struct Details {
    direction: Option<String>,
    component: Option<String>,
    address: Option<String>,
    ssrc: Option<String>,
    other_termination_id: Option<u32>,
    dropped: Option<bool>,
    rewritten_ssrc: Option<String>,
    sources: Option<u32>,
    octets: Option<u32>,
    inactive_ms: Option<u64>,
    packets: Option<u32>,
    deaf_ms: Option<u64>,
    group_id: Option<u32>,
    joined: Option<u32>,
    left: Option<u32>,
    cause: Option<String>,
    controller: Option<String>,
    from_controller: Option<String>,
    #[serde(flatten)]
    gateway: GatewayDetails,
    realm: Option<String>,
    refused: Option<u32>,
}

impl From<pb::Event> for EventView {
    fn from(event: pb::Event) -> Self {
        let pb::Event { sequence, restart_epoch, at, subject, kind } = event;
        let subject = subject.unwrap_or_default();
        let (kind, details) = describe(kind.as_ref());
        Self {
            sequence,
            restart_epoch,
            at: at.map(|at| at.to_string()),
            kind,
            context_id: number(subject.context_id),
            correlation_id: text(&subject.correlation_id),
            termination_id: number(subject.termination_id),
            stream_id: number(subject.stream_id),
            details,
        }
    }
}

fn watched(direction: pb::InactiveDirection, inactive_ms: Option<u64>) -> Details {
    let direction = word(direction.as_str_name(), "INACTIVE_DIRECTION_");
    Details { direction, inactive_ms, ..Details::default() }
}

fn describe(kind: Option<&Kind>) -> (&'static str, Details) {
    let gateway = |gateway: GatewayDetails| Details { gateway, ..Details::default() };
    match kind {
        None => ("unknown", Details::default()),
        Some(Kind::ContextAdded(_)) => ("context_added", Details::default()),
        Some(Kind::ContextReleased(_)) => ("context_released", Details::default()),
        Some(Kind::Latched(at)) => ("latched", learnt(at.component(), at.address.as_ref())),
        Some(Kind::Relatched(at)) => ("relatched", learnt(at.component(), at.address.as_ref())),
        Some(Kind::KeyLifetimeWarning(key)) => {
            ("key_lifetime_warning", of_key(key.direction(), key.group_id))
        }
        Some(Kind::KeyLifetimeExpired(key)) => {
            ("key_lifetime_expired", of_key(key.direction(), key.group_id))
        }
        Some(Kind::KeyActivated(key)) => ("key_activated", of_key(key.direction(), key.group_id)),
        Some(Kind::KeyReuseBlocked(blocked)) => {
            let refused = Some(blocked.refused);
            ("key_reuse_blocked", Details { refused, ..direction(blocked.direction()) })
        }
        Some(Kind::TransmitIndexReused(_)) => ("transmit_index_reused", Details::default()),
        Some(Kind::SsrcCollision(collision)) => ("ssrc_collision", collided(collision)),
        Some(Kind::MtuExceeded(at)) => {
            ("mtu_exceeded", Details { octets: Some(at.octets), ..Details::default() })
        }
        Some(Kind::BearerReleased(released)) => {
            let cause = word(released.cause().as_str_name(), "SEND_REFUSAL_");
            ("bearer_released", Details { cause, ..Details::default() })
        }
        Some(Kind::MediaInactive(told)) => {
            ("media_inactive", watched(told.direction(), Some(told.inactive_ms)))
        }
        Some(Kind::MediaActive(told)) => ("media_active", watched(told.direction(), None)),
        Some(Kind::PolicingDrops(drops)) => (
            "policing_drops",
            Details { packets: Some(drops.packets), ..direction(drops.direction()) },
        ),
        Some(Kind::AuthenticationFailures(failures)) => {
            let deaf_ms = failures.deaf_ms;
            ("authentication_failures", Details { deaf_ms, ..packets(failures.packets) })
        }
        Some(Kind::Replays(replays)) => ("replays", packets(replays.packets)),
        Some(Kind::SourceLimitReached(at)) => ("source_limit_reached", crowded(at)),
        Some(Kind::GroupRekeyWanted(wanted)) => ("group_rekey_wanted", churned(wanted)),
        Some(Kind::RealmUp(at)) => ("realm_up", of_realm(&at.realm)),
        Some(Kind::RealmDown(at)) => ("realm_down", of_realm(&at.realm)),
        Some(Kind::TerminationHeartbeat(_)) => ("termination_heartbeat", Details::default()),
        Some(Kind::ReleasedByGateway(released)) => {
            let cause = word(released.cause().as_str_name(), "RELEASE_CAUSE_");
            ("released_by_gateway", Details { cause, ..Details::default() })
        }
        Some(Kind::ContextOrphaned(of)) => ("context_orphaned", controlled(&of.controller, "")),
        Some(Kind::ContextAdopted(adopted)) => {
            ("context_adopted", controlled(&adopted.to_controller, &adopted.from_controller))
        }
        Some(Kind::DrainStarted(drain)) => ("drain_started", gateway(drain.into())),
        Some(Kind::ServiceChanged(change)) => ("service_changed", gateway(change.into())),
        Some(Kind::OverloadChanged(change)) => ("overload_changed", gateway(change.into())),
        Some(Kind::ContextEnded(ended)) => ("context_ended", finished(ended)),
        Some(Kind::CapabilitiesChanged(change)) => ("capabilities_changed", gateway(change.into())),
        Some(Kind::CertificateExpires(one)) => ("certificate_expires", gateway(one.into())),
    }
}

fn of_key(of: pb::Direction, group_id: u32) -> Details {
    Details { group_id: number(group_id), ..direction(of) }
}

fn direction(direction: pb::Direction) -> Details {
    let direction = word(direction.as_str_name(), "DIRECTION_");
    Details { direction, ..Details::default() }
}

fn learnt(component: pb::Component, learnt: Option<&pb::SocketAddress>) -> Details {
    let component = word(component.as_str_name(), "COMPONENT_");
    Details { component, address: address(learnt), ..Details::default() }
}

fn packets(packets: u32) -> Details {
    Details { packets: Some(packets), ..Details::default() }
}

fn collided(collision: &pb::SsrcCollision) -> Details {
    let pb::SsrcCollision { ssrc, other_termination_id, dropped, rewritten_ssrc } = collision;
    Details {
        ssrc: Some(format!("{ssrc:#010x}")),
        other_termination_id: number(*other_termination_id),
        dropped: Some(*dropped),
        rewritten_ssrc: number(*rewritten_ssrc).map(|ssrc| format!("{ssrc:#010x}")),
        ..Details::default()
    }
}

fn crowded(at: &pb::SourceLimitReached) -> Details {
    Details {
        ssrc: Some(format!("{:#010x}", at.ssrc)),
        sources: Some(at.sources),
        ..of_key(at.direction(), at.group_id)
    }
}

fn churned(wanted: &pb::GroupRekeyWanted) -> Details {
    let pb::GroupRekeyWanted { group_id, joined, left } = *wanted;
    Details {
        group_id: Some(group_id),
        joined: Some(joined),
        left: Some(left),
        ..Details::default()
    }
}

fn controlled(by: &str, before: &str) -> Details {
    Details { controller: text(by), from_controller: text(before), ..Details::default() }
}

fn finished(ended: &pb::ContextEnded) -> Details {
    let cause = word(ended.cause().as_str_name(), "RELEASE_CAUSE_");
    Details { cause, gateway: ended.into(), ..Details::default() }
}

fn of_realm(realm: &str) -> Details {
    Details { realm: Some(realm.to_owned()), ..Details::default() }
}

impl EventView {
    /// As a line of text.
    pub(crate) fn line(&self) -> String {
        let details = &self.details;
        let at = dash(self.at.as_deref().map(moment));
        let mut line = format!("{:>6}  {at}  {:<21}", self.sequence, self.kind);
        let numbers = [
            ("context", self.context_id),
            ("termination", self.termination_id),
            ("stream", self.stream_id),
        ];
        for (name, number) in numbers {
            if let Some(number) = number {
                line.push_str(&format!(" {name} {number}"));
            }
        }
        let words = [
            &self.correlation_id,
            &details.direction,
            &details.component,
            &details.address,
            &details.ssrc,
            &details.cause,
            &details.from_controller,
            &details.controller,
            &details.realm,
        ];
        for word in words.into_iter().flatten() {
            line.push(' ');
            line.push_str(word);
        }
        if let Some(other) = details.other_termination_id {
            line.push_str(&format!(" of termination {other}"));
        }
        if let Some(sources) = details.sources {
            line.push_str(&format!(" refused, {sources} sources"));
        }
        if let Some(octets) = details.octets {
            line.push_str(&format!(" {octets} octets"));
        }
        let counts =
            [("group", details.group_id), ("joined", details.joined), ("left", details.left)];
        for (name, count) in counts {
            if let Some(count) = count {
                line.push_str(&format!(" {name} {count}"));
            }
        }
        if let Some(refused) = details.refused {
            line.push_str(&format!(" {refused} refused"));
        }
        if details.dropped == Some(true) {
            line.push_str(" dropped");
        }
        if let Some(fresh) = &details.rewritten_ssrc {
            line.push_str(&format!(" leaves as {fresh}"));
        }
        if let Some(packets) = details.packets {
            line.push_str(&format!(" {packets} packets"));
        }
        line + &details.gateway.words()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_with_all_it_says() {
        let latched = pb::Latched {
            component: pb::Component::Rtp.into(),
            address: Some(pb::SocketAddress { ip: "2001:db8::1".to_owned(), port: 4_000 }),
        };
        let subject = pb::Subject {
            context_id: 7,
            correlation_id: "call-1".to_owned(),
            termination_id: 1,
            stream_id: 2,
        };
        let event = pb::Event {
            sequence: 12,
            subject: Some(subject),
            kind: Some(Kind::Latched(latched)),
            ..pb::Event::default()
        };
        assert_eq!(
            EventView::from(event).line(),
            "    12  -  latched               context 7 termination 1 stream 2 call-1 rtp \
             [2001:db8::1]:4000"
        );
    }
}
