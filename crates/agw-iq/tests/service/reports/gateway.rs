//! What the gateway tells of itself as a whole.

use super::*;

//= tests/spec/iq.md#audit
//= type=test
//# An audit of capabilities MUST list suites, realms and limits.
#[tokio::test]
async fn capabilities_are_told_in_full() {
    let rig = rig().await;
    let capabilities = rig.client.capabilities().await.unwrap();

    let numbers: Vec<i32> = (1..=11).collect();
    assert_eq!(capabilities.suites, numbers);
    assert_eq!((capabilities.max_mki_octets, capabilities.max_contexts), (128, 10_000));
    assert_eq!((capabilities.contexts, capabilities.max_streams), (3, 64));
    assert_eq!((capabilities.max_terminations, capabilities.max_commands), (8, 64));
    assert_eq!(capabilities.default_overlap_ms, 2_500);
    assert!(capabilities.unencrypted_allowed);
    let supervision = pb::Supervision {
        heartbeat_answer_ms: 10_000,
        heartbeat_misses: 3,
        hanging: pb::HangingPolicy::ReleaseIfSilent.into(),
        hanging_silence_ms: 60_000,
        controller_lost_ms: 60_000,
        orphan_silence_ms: 60_000,
        orphan_limit_ms: 21_600_000,
        ng_silence_ms: 3_600_000,
    };
    assert_eq!(capabilities.supervision, Some(supervision));
    assert_eq!((capabilities.reserve_percent, capabilities.share_percent), (10, 80));
    assert_eq!((capabilities.version.as_str(), capabilities.commit.as_str()), ("0.1.0", "c0ffee"));
    let realm = pb::RealmInfo {
        name: "access".to_owned(),
        addresses: vec!["2001:db8::1".to_owned()],
        lowest_port: 20_000,
        highest_port: 29_999,
        ports_used: 4,
        ports_resting: 2,
        max_ports: 20_000,
        available: false,
        unavailable_addresses: vec!["2001:db8::1".to_owned()],
        is_default: true,
        max_streams: Some(9),
        plain_refused: true,
        transparent_refused: false,
    };
    assert_eq!(capabilities.realms, [realm]);
}

//= tests/spec/iq.md#audit
//= type=test
//# An audit of capabilities MUST list suites, realms and limits.
#[tokio::test]
async fn capabilities_tell_every_bound_that_a_request_is_refused_for() {
    let rig = rig().await;
    let told = rig.client.capabilities().await.unwrap();

    assert_eq!((told.max_overlap_ms, told.max_activation_delay_ms), (61_000, 62_000));
    assert_eq!((told.max_sources, told.max_keys), (63, 16));
    assert_eq!((told.min_window, told.max_window), (64, 4_096));
    assert_eq!((told.default_latch_gate_ms, told.max_latch_gate_ms), (4_000, 600_000));
    assert_eq!((told.policing_factor, told.policing_burst_ms), (5, 6_000));
    assert_eq!((told.min_burst_octets, told.max_peak_tolerance_us), (1_500, 60_000_000));
    assert_eq!((told.max_pre_key_packets, told.max_pre_key_time_ms), (32, 10_000));
    assert_eq!((told.min_inactivity_ms, told.max_inactivity_ms), (100, 86_400_000));
    assert_eq!((told.min_heartbeat_ms, told.max_heartbeat_ms), (1_000, 86_400_000));
    assert_eq!((told.default_rekey_interval_ms, told.max_rekey_interval_ms), (7_000, 600_000));
    assert_eq!((told.max_associations, told.max_request_octets), (64, 65_536));
    assert!(told.ingress_key_return_allowed);
}

#[tokio::test]
async fn the_status_has_totals_and_workers() {
    let rig = rig().await;
    let relay = RelayStats {
        received: Traffic { packets: 9, octets: 900 },
        unprotected: 5,
        protected: 4,
        ..RelayStats::default()
    };
    let totals = WorkerTotals { relay, send_errors: vec![("unreachable", 3)], kernel_drops: 8 };
    rig.fake.state().status = Some(status(totals));

    let answer = rig.client.status().await.unwrap();

    assert_eq!((answer.version.as_str(), answer.uptime_ms, answer.contexts), ("0.1.0", 61_500, 3));
    assert_eq!((answer.engine.as_str(), answer.orphans), ("avx512", 1));
    assert_eq!(answer.commit, "c0ffee");
    assert_eq!(answer.started, Some(Timestamp { seconds: 1_700_000_000, nanos: 0 }));
    assert_eq!(answer.gateway, gateway());
    let totals = answer.totals.unwrap();
    assert_eq!(totals.received, Some(pb::Traffic { packets: 9, octets: 900 }));
    assert_eq!((totals.unprotected, totals.protected, totals.kernel_drops), (5, 4, 8));
    assert_eq!(totals.send_errors[0].error_class, "unreachable");
    let workers: Vec<u32> = answer.workers.iter().map(|worker| worker.worker).collect();
    assert_eq!(workers, [0, 1]);
    assert_eq!(answer.workers[1].totals, Some(totals));
}

#[tokio::test]
async fn a_gateway_that_drains_says_so_in_every_reply() {
    let rig = rig().await;
    assert!(rig.client.drain().await.unwrap().draining);
    assert!(rig.client.drain().await.unwrap().draining);
    let request = crate::sent::reserve_request("");
    let answer = rig.client.service().reserve_connection_point(request).await.unwrap();
    let state = answer.into_inner().gateway.unwrap();
    assert!(state.draining);
    assert_eq!(state.service_state(), pb::ServiceState::Draining);
}

#[tokio::test]
async fn an_audit_tells_every_association() {
    let rig = rig().await;
    let page = AuditPage { contexts: vec![context(4)], more: false };
    rig.fake.state().pages.push_back(Ok(page));

    let request = from("alg-1", pb::AuditValueRequest::default());
    let answer = rig.client.service().audit_value(request).await.unwrap().into_inner();

    let expected = associations(&[
        (1, 2, pb::Relation::BothWay, 0),
        (1, 2, pb::Relation::OneWay, 2),
        (1, 2, pb::Relation::Isolate, 3),
    ]);
    assert_eq!(answer.contexts[0].associations, expected.associations);
}
