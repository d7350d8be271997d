//! Events are numbered and can be resumed.

use std::time::{Duration, SystemTime};

use agw_context::{
    ContextId, Controller, Direction, Ended, Event, EventKind, GroupId, OverloadLevel,
    ReleaseCause, Resource, ServiceCause, ServiceState, StreamId, Subject, TerminationId,
};
use agw_relay::Component;
use prost_types::Timestamp;
use tonic::Code;

use agw_iq::backend::EventsError;
use agw_iq::client::CallError;
use agw_iq::pb;
use agw_iq::pb::event::Kind;

use crate::fake::{EPOCH, Rig, from, gateway, rig};
use crate::sent::address;

fn event(sequence: u64, kind: EventKind) -> Event {
    let subject = Subject {
        context: ContextId(7),
        correlation: Some("call-1".into()),
        termination: Some(TerminationId(2)),
        stream: Some(StreamId(1)),
    };
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(sequence);
    Event { sequence, at, subject: Some(subject), kind }
}

async fn told(rig: &Rig, after: Option<u64>) -> Vec<Result<pb::Event, CallError>> {
    let mut events = rig.client.events(after, EPOCH).await.unwrap();
    let mut told = Vec::new();
    loop {
        match events.message().await {
            Ok(Some(answer)) => {
                assert_eq!(answer.gateway, gateway());
                told.push(Ok(answer.event.unwrap()));
            }
            Ok(None) => return told,
            Err(status) => {
                told.push(Err(CallError::from(status)));
                return told;
            }
        }
    }
}

#[tokio::test]
async fn what_happens_to_calls_is_told_with_its_facts() {
    let rig = rig().await;
    let (component, direction) = (Component::Rtcp, Direction::Egress);
    let learnt = "198.51.100.1:9".parse().unwrap();
    let kinds = [
        EventKind::ContextAdded,
        EventKind::ContextReleased,
        EventKind::Latched { component: Component::Rtp, address: learnt },
        EventKind::Relatched { component, address: learnt },
        EventKind::KeyLifetimeWarning { direction, group: None },
        EventKind::KeyLifetimeExpired { direction, group: Some(GroupId(7)) },
        EventKind::KeyActivated { direction: Direction::Ingress, group: Some(GroupId(9)) },
        EventKind::KeyReuseBlocked { direction, refused: 3 },
        EventKind::TransmitIndexReused,
        EventKind::SsrcCollision {
            ssrc: 77,
            other: Some(TerminationId(3)),
            dropped: false,
            fresh: Some(78),
        },
        EventKind::GroupRekeyWanted { group: GroupId(4), joined: 6, left: 1 },
        EventKind::Draining { reason: Some("works".into()) },
    ];
    let events = (1..).zip(kinds).map(|(sequence, kind)| Ok(event(sequence, kind))).collect();
    rig.fake.state().events = Some(Ok(events));

    let told: Vec<pb::Event> =
        self::told(&rig, Some(0)).await.into_iter().map(Result::unwrap).collect();

    let (egress, address) = (pb::Direction::Egress.into(), Some(address("198.51.100.1", 9)));
    let latched = pb::Latched { component: pb::Component::Rtp.into(), address: address.clone() };
    let relatched = pb::Relatched { component: pb::Component::Rtcp.into(), address };
    let ingress = pb::Direction::Ingress.into();
    let expected = [
        Kind::ContextAdded(pb::ContextAdded {}),
        Kind::ContextReleased(pb::ContextReleased {}),
        Kind::Latched(latched),
        Kind::Relatched(relatched),
        Kind::KeyLifetimeWarning(pb::KeyLifetimeWarning { direction: egress, group_id: 0 }),
        Kind::KeyLifetimeExpired(pb::KeyLifetimeExpired { direction: egress, group_id: 7 }),
        Kind::KeyActivated(pb::KeyActivated { direction: ingress, group_id: 9 }),
        Kind::KeyReuseBlocked(pb::KeyReuseBlocked { direction: egress, refused: 3 }),
        Kind::TransmitIndexReused(pb::TransmitIndexReused {}),
        Kind::SsrcCollision(pb::SsrcCollision {
            ssrc: 77,
            other_termination_id: 3,
            dropped: false,
            rewritten_ssrc: 78,
        }),
        Kind::GroupRekeyWanted(pb::GroupRekeyWanted { group_id: 4, joined: 6, left: 1 }),
        Kind::DrainStarted(pb::DrainStarted { reason: "works".to_owned() }),
    ];
    let kinds: Vec<Kind> = told.iter().map(|event| event.kind.clone().unwrap()).collect();
    assert_eq!(kinds, expected);
    assert_eq!((told[0].sequence, told[0].restart_epoch), (1, EPOCH));
    assert_eq!(told[8].at, Some(Timestamp { seconds: 9, nanos: 0 }));
    let subject = pb::Subject {
        context_id: 7,
        correlation_id: "call-1".to_owned(),
        termination_id: 2,
        stream_id: 1,
    };
    assert_eq!(told[0].subject, Some(subject));
}

#[tokio::test]
async fn a_source_that_is_refused_is_told_with_its_facts() {
    let rig = rig().await;
    let (direction, group) = (Direction::Egress, Some(GroupId(5)));
    let kind = EventKind::SourceLimitReached { direction, ssrc: 79, sources: 8, group };
    rig.fake.state().events = Some(Ok(vec![Ok(event(1, kind))]));

    let told: Vec<_> = told(&rig, Some(0)).await.into_iter().map(Result::unwrap).collect();

    let direction = pb::Direction::Egress.into();
    let refused = pb::SourceLimitReached { direction, ssrc: 79, sources: 8, group_id: 5 };
    assert_eq!(told[0].kind, Some(Kind::SourceLimitReached(refused)));
}

#[tokio::test]
async fn what_supervision_does_is_told_with_its_facts() {
    let rig = rig().await;
    let kinds = [
        EventKind::TerminationHeartbeat,
        EventKind::ReleasedByGateway { cause: ReleaseCause::OrphanedTooLong },
        EventKind::ContextOrphaned { controller: Controller("alg-1".to_owned()) },
        EventKind::ContextAdopted {
            from: Controller("alg-1".to_owned()),
            to: Controller("alg-2".to_owned()),
        },
    ];
    let events = (1..).zip(kinds).map(|(sequence, kind)| Ok(event(sequence, kind))).collect();
    rig.fake.state().events = Some(Ok(events));

    let told = self::told(&rig, Some(0)).await.into_iter().map(Result::unwrap);

    let expected = [
        Kind::TerminationHeartbeat(pb::TerminationHeartbeat {}),
        Kind::ReleasedByGateway(pb::ReleasedByGateway {
            cause: pb::ReleaseCause::OrphanedTooLong.into(),
        }),
        Kind::ContextOrphaned(pb::ContextOrphaned { controller: "alg-1".to_owned() }),
        Kind::ContextAdopted(pb::ContextAdopted {
            from_controller: "alg-1".to_owned(),
            to_controller: "alg-2".to_owned(),
        }),
    ];
    assert_eq!(told.map(|event| event.kind.unwrap()).collect::<Vec<Kind>>(), expected);
}

#[tokio::test]
async fn what_the_gateway_as_a_whole_goes_through_is_told() {
    let rig = rig().await;
    let kinds = [
        EventKind::ServiceChanged {
            state: ServiceState::InService,
            cause: ServiceCause::Started,
            reason: None,
        },
        EventKind::OverloadChanged {
            level: OverloadLevel::Shedding,
            percent: 93,
            limit: Resource::PacketRate,
        },
        EventKind::ContextEnded(Box::new(Ended {
            cause: ReleaseCause::Locked,
            streams: Vec::new(),
            groups: Vec::new(),
        })),
        EventKind::CapabilitiesChanged { keys: "limits.contexts,policy.allow_null".into() },
        EventKind::CertificateExpires { days: 7 },
    ];
    let events = (1..).zip(kinds).map(|(sequence, kind)| Ok(event(sequence, kind))).collect();
    rig.fake.state().events = Some(Ok(events));

    let told = self::told(&rig, Some(0)).await.into_iter().map(Result::unwrap);

    let expected = [
        Kind::ServiceChanged(pb::ServiceChanged {
            state: pb::ServiceState::InService.into(),
            h248_reason: 901,
            reason: String::new(),
        }),
        Kind::OverloadChanged(pb::OverloadChanged {
            level: pb::OverloadLevel::Shedding.into(),
            overload_percent: 93,
            limit: "packet_rate".to_owned(),
        }),
        Kind::ContextEnded(pb::ContextEnded {
            cause: pb::ReleaseCause::Locked.into(),
            streams: Vec::new(),
            groups: Vec::new(),
        }),
        Kind::CapabilitiesChanged(pb::CapabilitiesChanged {
            keys: vec!["limits.contexts".to_owned(), "policy.allow_null".to_owned()],
        }),
        Kind::CertificateExpires(pb::CertificateExpires { days: 7 }),
    ];
    assert_eq!(told.map(|event| event.kind.unwrap()).collect::<Vec<Kind>>(), expected);
}

#[tokio::test]
async fn a_subscription_starts_where_the_controller_says() {
    let rig = rig().await;
    for after in [None, Some(0), Some(41)] {
        told(&rig, after).await;
    }
    let request = pb::SubscribeEventsRequest::default();
    rig.client.service().subscribe_events(from("alg-1", request)).await.unwrap();
    let asked = [("local", None), ("local", Some(0)), ("local", Some(41)), ("alg-1", None)]
        .map(|(peer, after)| (Controller(peer.to_owned()), after));
    assert_eq!(rig.fake.state().subscriptions, asked);
}

//= tests/spec/iq.md#events
//= type=test
//# A subscriber whose number is no longer kept MUST be told so.
#[tokio::test]
async fn events_that_are_gone_are_said_to_be_with_the_oldest_that_is_not() {
    let rig = rig().await;
    rig.fake.state().events = Some(Err(EventsError::Gone { oldest: 900 }));
    let error = rig.client.events(Some(5), 0).await.unwrap_err();
    assert_eq!((error.code, error.oldest_sequence), (Code::OutOfRange, Some(900)));
    assert_eq!(error.reason.as_deref(), Some("EVENTS_GONE"));
}

#[tokio::test]
async fn numbers_of_another_life_are_not_resumed() {
    let rig = rig().await;
    let error = rig.client.events(Some(5), EPOCH + 1).await.unwrap_err();
    assert_eq!((error.code, error.oldest_sequence), (Code::OutOfRange, Some(1)));
    assert!(rig.fake.state().subscriptions.is_empty());
}

#[tokio::test]
async fn a_subscriber_that_falls_behind_is_told_and_cut_off() {
    let rig = rig().await;
    let behind = EventsError::Gone { oldest: 60 };
    rig.fake.state().events = Some(Ok(vec![Ok(event(3, EventKind::ContextAdded)), Err(behind)]));
    let told = told(&rig, Some(2)).await;
    let [Ok(first), Err(error)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(first.sequence, 3);
    assert_eq!((error.code, error.oldest_sequence), (Code::OutOfRange, Some(60)));
}
