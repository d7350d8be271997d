//! What the gateway tells of itself.

mod gateway;

use std::time::{Duration, Instant, SystemTime};

use agw_context::{
    Association, Bandwidth, CommandError, ContextId, ContextView, Controller, DscpRule, EcnRule,
    GroupId, KeySource, KeyView, LocalStream, Media, Priority, PutOff, Refused, Relation, Remote,
    RewriteSources, RtcpGate, RtcpMode, SourcePolicy, StagedKeyView, StreamExtras, StreamId,
    StreamLimits, StreamMode, StreamView, TerminationId, TerminationView,
};
use agw_relay::{
    ActiveDirection, CryptoSnapshot, EgressId, Inactivity, IngressId, LatchSnapshot, Network,
    PreKeySpec, RelayStats, RewriteSnapshot, SourceFilter, SourceSnapshot, Traffic, TrafficLimit,
    TrafficLimits, Transport,
};
use agw_rtp::Ssrc;
use agw_srtp::{
    KeyCount, KeyStanding, KeyUse, Lifetime, Mki, RocOnRekey, SessionParameters, Suite,
};
use prost_types::Timestamp;
use tonic::Code;

use agw_iq::backend::{AuditPage, AuditQuery, AuditedContext, TransactError, WorkerTotals};
use agw_iq::pb;

use crate::fake::{ago, from, gateway, rig, snapshots, status};
use crate::sent::{address, associations};

fn expedited() -> pb::DiffServ {
    pb::DiffServ { rule: pb::DscpRule::Set.into(), code_point: Some(46) }
}

fn latch() -> pb::SourcePolicy {
    pb::SourcePolicy { rule: pb::SourceRule::Latch.into(), within_ms: Some(3_000) }
}

fn limit(burst_octets: u64) -> TrafficLimit {
    TrafficLimit {
        sustained_octets_per_s: 10,
        burst_octets,
        peak_octets_per_s: 30,
        peak_tolerance: Duration::from_micros(40),
    }
}

fn told_limit(burst_octets: u64) -> pb::TrafficLimit {
    pb::TrafficLimit {
        sustained_octets_per_s: 10,
        burst_octets,
        peak_octets_per_s: 30,
        peak_tolerance_us: 40,
    }
}

fn extras() -> StreamExtras {
    StreamExtras {
        source_filter: Some(SourceFilter {
            network: Network::new("192.0.2.1".parse().unwrap(), 24),
            lowest_port: 4_000,
            highest_port: 4_010,
        }),
        dscp: DscpRule::Set(46),
        ecn: EcnRule::Copy,
        rtcp_gate: RtcpGate::Closed,
        latch_once: true,
        inactivity: Some(Inactivity {
            direction: ActiveDirection::Egress,
            after: Duration::from_secs(30),
            media_only: true,
        }),
        bandwidth: Bandwidth { media_bps: 80_000, rtcp_bps: 4_000, ..Bandwidth::default() },
        limits: StreamLimits {
            ingress: TrafficLimits { rtp: Some(limit(1)), rtcp: Some(limit(2)) },
            egress: TrafficLimits { rtp: Some(limit(3)), rtcp: None },
        },
        group: Some(GroupId(3)),
        rewrite_sources: Some(RewriteSources { ssrc: Some(9) }),
        pre_key: Some(PreKeySpec { packets: 8, time: Duration::from_millis(1_500) }),
    }
}

fn key_view() -> KeyView {
    KeyView {
        source: KeySource::Sdes,
        suite: Suite::AesCm256HmacSha1_32,
        mkis: vec![vec![0, 9]],
        lifetimes: vec![Lifetime { srtp: 100, srtcp: 50 }],
        parameters: SessionParameters {
            unencrypted_srtp: true,
            unencrypted_srtcp: false,
            window: 256,
            max_sources: 3,
        },
        overlap: Some(Duration::from_millis(1_200)),
        staged: Some(StagedKeyView {
            mki: Some(vec![0, 10]),
            lifetime: Lifetime { srtp: 7, srtcp: 6 },
            activation: Some(PutOff {
                at: SystemTime::UNIX_EPOCH,
                roc: RocOnRekey::Set(4),
                overlap: Duration::from_millis(700),
            }),
        }),
    }
}

fn context(id: u32) -> AuditedContext {
    let stream = StreamView {
        id: StreamId(1),
        media: Media::Audio,
        transport: Transport::Secured,
        mode: StreamMode::SendOnly,
        rtcp: RtcpMode::Pair,
        source: SourcePolicy::Latch { within: Some(Duration::from_secs(3)) },
        local: LocalStream {
            id: StreamId(1),
            rtp: "192.0.2.9:20000".parse().unwrap(),
            rtcp: Some("192.0.2.9:20001".parse().unwrap()),
        },
        remote: Some(Remote { rtp: "192.0.2.1:4000".parse().unwrap(), rtcp: None }),
        extras: extras(),
        ingress_key: Some(key_view()),
        egress_key: None,
        ingress: IngressId(1),
        egress: EgressId(1),
    };
    let realm = "access".to_owned();
    let view = ContextView {
        id: ContextId(id),
        correlation: Some("call-1".into()),
        controller: Controller("alg-1".to_owned()),
        created: SystemTime::UNIX_EPOCH + Duration::from_millis(1_500),
        orphaned: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(9)),
        generation: 3,
        priority: Priority::Emergency,
        topology: Some((TerminationId(1), TerminationId(2))),
        associations: vec![
            association(Relation::BothWay, None),
            association(Relation::OneWay, Some(StreamId(2))),
            association(Relation::Isolate, Some(StreamId(3))),
        ],
        terminations: vec![TerminationView {
            id: TerminationId(1),
            realm,
            heartbeat: Some(Duration::from_secs(30)),
            streams: vec![stream],
        }],
        groups: Vec::new(),
    };
    AuditedContext { view, statistics: Vec::new(), groups: Vec::new() }
}

fn association(relation: Relation, stream: Option<StreamId>) -> Association {
    Association { from: TerminationId(1), to: TerminationId(2), relation, stream }
}

/// The stream of [`context`] as the API tells it.
fn stream_info() -> pb::StreamInfo {
    pb::StreamInfo {
        stream_id: 1,
        media: pb::Media::Audio.into(),
        transport: pb::Transport::Secured.into(),
        mode: pb::StreamMode::SendOnly.into(),
        rtcp: pb::RtcpMode::Pair.into(),
        source: Some(latch()),
        local: Some(pb::LocalStream {
            stream_id: 1,
            rtp: Some(address("192.0.2.9", 20_000)),
            rtcp: Some(address("192.0.2.9", 20_001)),
        }),
        remote: Some(pb::RemoteAddress { rtp: Some(address("192.0.2.1", 4_000)), rtcp: None }),
        ingress_key: Some(pb::KeyInfo {
            source: pb::KeySource::Sdes.into(),
            suite: pb::Suite::Aes256CmHmacSha132.into(),
            mkis: vec![vec![0, 9]],
            lifetimes: vec![pb::KeyLifetime { srtp: 100, srtcp: 50 }],
            parameters: Some(pb::SessionParameters {
                unencrypted_srtp: true,
                unencrypted_srtcp: false,
                window: 256,
                max_sources: 3,
            }),
            overlap_ms: Some(1_200),
            staged: Some(pb::StagedKeyInfo {
                mki: vec![0, 10],
                lifetime: Some(pb::KeyLifetime { srtp: 7, srtcp: 6 }),
                activates_at: Some(prost_types::Timestamp::default()),
                roc_on_rekey: pb::RocOnRekey::Value.into(),
                initial_roc: Some(4),
                overlap_ms: Some(700),
            }),
        }),
        egress_key: None,
        statistics: None,
        source_filter: Some(pb::SourceFilter {
            network: "192.0.2.0/24".to_owned(),
            lowest_port: 4_000,
            highest_port: 4_010,
        }),
        dscp: Some(expedited()),
        ecn: pb::EcnRule::Copy.into(),
        rtcp_gate: pb::RtcpGate::Closed.into(),
        bandwidth_bps: 80_000,
        rtcp_bandwidth_bps: 4_000,
        ingress_limit: Some(told_limit(1)),
        ingress_rtcp_limit: Some(told_limit(2)),
        egress_limit: Some(told_limit(3)),
        egress_rtcp_limit: None,
        latch_once: true,
        inactivity: Some(pb::Inactivity {
            time_ms: 30_000,
            direction: pb::InactiveDirection::Egress.into(),
            media_only: true,
        }),
        group_id: 3,
        rewrite_sources: Some(pb::RewriteSources { enable: true, ssrc: 9 }),
        pre_key: Some(pb::PreKeyBuffer { packets: 8, time_ms: 1_500 }),
    }
}

#[tokio::test]
async fn an_audit_passes_on_its_filter_and_tells_every_value() {
    let rig = rig().await;
    let page = AuditPage { contexts: vec![context(4)], more: false };
    rig.fake.state().pages.push_back(Ok(page));
    let request = pb::AuditValueRequest {
        context_id: 4,
        correlation_id: "call-1".to_owned(),
        include_statistics: true,
        page_size: 10,
        page_token: "3".to_owned(),
    };

    let request = from("alg-1", request);
    let answer = rig.client.service().audit_value(request).await.unwrap().into_inner();

    let query = AuditQuery {
        context: Some(ContextId(4)),
        correlation: Some("call-1".to_owned()),
        after: Some(ContextId(3)),
        limit: 10,
        statistics: true,
    };
    assert_eq!(rig.fake.state().queries, [(Controller("alg-1".to_owned()), query)]);
    assert_eq!((answer.gateway, answer.next_page_token.as_str()), (gateway(), ""));
    let info = &answer.contexts[0];
    assert_eq!((info.context_id, info.correlation_id.as_str()), (4, "call-1"));
    assert_eq!((info.controller.as_str(), info.priority()), ("alg-1", pb::Priority::Emergency));
    assert_eq!(info.created, Some(Timestamp { seconds: 1, nanos: 500_000_000 }));
    assert_eq!(info.generation, 3);
    let topology = pb::Topology { from_termination_id: 1, to_termination_id: 2 };
    assert_eq!(info.topology, Some(topology));
    assert_eq!(info.orphaned, Some(Timestamp { seconds: 9, nanos: 0 }));
    assert_eq!(info.terminations[0].heartbeat_ms, 30_000);
    let stream = &info.terminations[0].streams[0];
    assert_eq!(*stream, stream_info());
}

#[tokio::test]
async fn counters_stand_at_the_stream_they_are_of() {
    let rig = rig().await;
    let mut audited = context(4);
    let (mut ingress, mut egress) = snapshots();
    ingress.stats.received = Traffic { packets: 10, octets: 1_720 };
    ingress.last_accepted = Some(ago(Duration::from_secs(60)));
    ingress.learnt_rtp = Some("198.51.100.1:9".parse().unwrap());
    let source = SourceSnapshot {
        ssrc: Ssrc(0xdead_beef),
        roc: 3,
        highest_sequence: Some(65_535),
        srtcp_index: Some(12),
    };
    let suite = Suite::AeadAes128Gcm;
    let keys = vec![key_use(suite)];
    ingress.latch = LatchSnapshot::Open(Some(Instant::now() + Duration::from_secs(600)));
    let sources = vec![source];
    ingress.crypto = Some(CryptoSnapshot { suite, sources, keys, srtcp_index: Some(9) });
    egress.stats.refused = 2;
    let (ssrc, source) = (Ssrc(7), Some(Ssrc(8)));
    egress.rewrite = Some(RewriteSnapshot { ssrc, source, changes: 3 });
    audited.statistics = vec![(TerminationId(1), StreamId(1), ingress, egress)];
    rig.fake.state().pages.push_back(Ok(AuditPage { contexts: vec![audited], more: false }));

    let contexts = rig.client.contexts(true).await.unwrap();

    let statistics = contexts[0].terminations[0].streams[0].statistics.clone().unwrap();
    let ingress = statistics.ingress.unwrap();
    assert_eq!(ingress.received, Some(pb::Traffic { packets: 10, octets: 1_720 }));
    assert!(ingress.accepted_ago_ms.unwrap() >= 60_000);
    assert_eq!(ingress.learnt_rtp, Some(address("198.51.100.1", 9)));
    let crypto = ingress.crypto.clone().unwrap();
    assert_eq!(crypto.suite(), pb::Suite::AeadAes128Gcm);
    let source = pb::SourceState {
        ssrc: 0xdead_beef,
        roc: 3,
        highest_sequence: Some(65_535),
        srtcp_index: Some(12),
    };
    assert_eq!(crypto.sources, [source]);
    let opens_for_ms = crypto.keys[0].opens_for_ms;
    assert!((1..=600_000).contains(&opens_for_ms.unwrap()), "{opens_for_ms:?}");
    assert_eq!(crypto.keys, [pb::KeyUse { opens_for_ms, ..told_key_use() }]);
    assert_eq!(crypto.srtcp_index, Some(9));
    assert_eq!(ingress.latch_gate(), pb::LatchGate::Open);
    assert!((1..=600_000).contains(&ingress.latch_closes_in_ms.unwrap()));
    let egress = statistics.egress.unwrap();
    let rewrite = pb::RewriteState { ssrc: 7, source_ssrc: Some(8), source_changes: 3 };
    assert_eq!((egress.refused, egress.rewrite), (2, Some(rewrite)));
}

fn key_use(suite: Suite) -> KeyUse {
    let count = |packets| KeyCount { packets, until_warning: 40, until_stop: 50 };
    let mki = Some(Mki::new(b"12").unwrap());
    let until = Some(Instant::now() + Duration::from_secs(600));
    let standing = KeyStanding::Replaced;
    KeyUse { standing, mki, suite, srtp: count(7), srtcp: count(1), until }
}

fn told_key_use() -> pb::KeyUse {
    let count = |packets| Some(pb::KeyCount { packets, until_warning: 40, until_stop: 50 });
    pb::KeyUse {
        standing: pb::KeyStanding::Replaced.into(),
        mki: b"12".to_vec(),
        suite: pb::Suite::AeadAes128Gcm.into(),
        srtp: count(7),
        srtcp: count(1),
        opens_for_ms: None,
    }
}

#[tokio::test]
async fn an_audit_of_all_goes_from_page_to_page() {
    let rig = rig().await;
    let first = AuditPage { contexts: vec![context(1), context(5)], more: true };
    let last = AuditPage { contexts: vec![context(9)], more: false };
    rig.fake.state().pages.extend([Ok(first), Ok(last)]);

    let contexts = rig.client.contexts(false).await.unwrap();

    let ids: Vec<u32> = contexts.iter().map(|context| context.context_id).collect();
    assert_eq!(ids, [1, 5, 9]);
    let after: Vec<_> = rig.fake.state().queries.iter().map(|(_, query)| query.after).collect();
    assert_eq!(after, [None, Some(ContextId(5))]);
}

#[tokio::test]
async fn a_page_that_grows_too_large_ends_early_and_loses_nothing() {
    let rig = rig().await;
    let large = |id| {
        let mut large = context(id);
        let termination = large.view.terminations[0].clone();
        large.view.terminations = vec![termination; 16_000];
        large
    };
    let all = AuditPage { contexts: (1..=3).map(large).collect(), more: false };
    rig.fake.state().pages.push_back(Ok(all));

    let page = rig.client.audit(pb::AuditValueRequest::default()).await.unwrap();

    let ids: Vec<u32> = page.contexts.iter().map(|context| context.context_id).collect();
    assert_eq!((ids, page.next_page_token.as_str()), (vec![1], "1"));
}

#[tokio::test]
async fn an_audit_of_an_unknown_context_is_refused_by_name() {
    let rig = rig().await;
    let error = CommandError::UnknownContext(ContextId(77));
    let refused = TransactError::Refused(Refused { command: 0, error });
    rig.fake.state().pages.push_back(Err(refused));

    let request = pb::AuditValueRequest { context_id: 77, ..Default::default() };
    let error = rig.client.audit(request).await.unwrap_err();

    assert_eq!((error.code, error.h248_code), (Code::NotFound, Some(411)));
    assert_eq!(error.reason.as_deref(), Some("UNKNOWN_CONTEXT"));
    assert_eq!((error.field.as_deref(), error.command), (Some("context_id"), None));
}
