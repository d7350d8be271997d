//! Groups of conferences, from the wire to the gateway and back.

use std::time::{Duration, SystemTime};

use agw_context::{
    Command, ContextChoice, ContextId, ContextView, Controller, DirectedKey, Direction, GroupId,
    GroupKeyChange, GroupView, RekeyInterval, RemoveGroup, StreamId, TerminationId,
};
use agw_relay::{CollisionRule, EgressId, GroupSnapshot, IngressId, RenamedSource, Transport};
use agw_rtp::Ssrc;
use agw_srtp::RocOnRekey;
use tonic::Code;

use agw_iq::backend::{AuditPage, AuditedContext};
use agw_iq::pb;

use crate::fake::{rig, snapshots};
use crate::sent;

fn set_group() -> pb::SetGroup {
    pb::SetGroup { context_id: 7, group_id: 65_535, ..pb::SetGroup::default() }
}

#[tokio::test]
async fn a_group_reaches_the_gateway_with_every_field() {
    let rig = rig().await;
    let set = pb::SetGroup {
        stream_id: 2,
        focus_termination_id: 3,
        transport: pb::Transport::Secured.into(),
        egress_crypto: Some(sent::crypto()),
        ingress_crypto: Some(sent::sdes(sent::LINE)),
        ssrc_rule: pb::SsrcRule::Rewrite.into(),
        rekey_interval_ms: Some(2_500),
        max_members: 40,
        ..set_group()
    };
    rig.client.set_group(set).await.unwrap();
    let Command::SetGroup(set) = rig.fake.command() else { panic!("not a group") };
    assert_eq!((set.context, set.group), (ContextChoice::Existing(ContextId(7)), GroupId(65_535)));
    assert_eq!((set.stream, set.focus), (Some(StreamId(2)), Some(TerminationId(3))));
    assert_eq!((set.transport, set.max_members), (Some(Transport::Secured), Some(40)));
    assert_eq!(set.collisions, Some(CollisionRule::Rewrite));
    let interval = RekeyInterval::Within(Duration::from_millis(2_500));
    assert_eq!(set.rekey_interval, Some(interval));
    assert!(set.ingress.is_some_and(|crypto| crypto.keys.len() == 1) && set.egress.is_some());

    rig.client.set_group(pb::SetGroup { no_rekey_events: true, ..set_group() }).await.unwrap();
    let Command::SetGroup(set) = rig.fake.command() else { panic!("not a group") };
    assert_eq!(set.rekey_interval, Some(RekeyInterval::Never));
    assert_eq!((set.stream, set.focus, set.transport), (None, None, None));
    assert_eq!((set.collisions, set.max_members), (None, None));

    let remove = pb::RemoveGroup { context_id: 7, group_id: 1, ..Default::default() };
    let ended = rig.client.remove_group(remove).await.unwrap();
    assert_eq!((ended.group_id, ended.stream_id, ended.focus_termination_id), (1, 1, 2));
    let sent = pb::Traffic { packets: 70, octets: 9_000 };
    assert_eq!(ended.statistics.unwrap().sent, Some(sent));
    let Command::RemoveGroup(remove) = rig.fake.command() else { panic!("not a removal") };
    assert_eq!(remove, RemoveGroup { context: ContextId(7), group: GroupId(1) });
}

#[tokio::test]
async fn a_group_that_breaks_a_rule_is_refused_with_its_path() {
    let rig = rig().await;
    let cases: [(&str, &str, fn(&mut pb::SetGroup)); 10] = [
        ("FIELD_MISSING", "context_id", |group| group.context_id = 0),
        ("FIELD_VALUE", "latest_context", |group| group.latest_context = true),
        ("FIELD_MISSING", "group_id", |group| group.group_id = 0),
        ("FIELD_VALUE", "group_id", |group| group.group_id = 65_536),
        ("FIELD_VALUE", "stream_id", |group| group.stream_id = 65_536),
        ("FIELD_VALUE", "transport", |group| group.transport = 9),
        ("FIELD_VALUE", "ssrc_rule", |group| group.ssrc_rule = 9),
        ("FIELD_VALUE", "no_rekey_events", |group| {
            (group.no_rekey_events, group.rekey_interval_ms) = (true, Some(0));
        }),
        ("FIELD_VALUE", "egress_crypto.overlap_ms", |group| {
            group.egress_crypto = Some(pb::CryptoContext { overlap_ms: Some(1), ..sent::crypto() });
        }),
        ("FIELD_MISSING", "ingress_crypto.suite", |group| {
            group.ingress_crypto = Some(pb::CryptoContext { suite: 0, ..sent::crypto() });
        }),
    ];
    for (reason, field, change) in cases {
        let mut set = set_group();
        change(&mut set);
        let error = rig.client.set_group(set).await.unwrap_err();
        assert_eq!(error.code, Code::InvalidArgument, "{error}");
        assert_eq!(error.reason.as_deref(), Some(reason), "{error}");
        assert_eq!(error.field, Some(format!("set_group.{field}")), "{error}");
    }
    assert_eq!(rig.fake.transactions(), 0);
}

fn keys_of_a_group() -> (pb::StageKey, pb::ActivateKey, pb::CancelKey) {
    let direction = pb::Direction::Ingress.into();
    let (termination_id, stream_id, group_id) = (0, 0, 3);
    let stage = pb::StageKey { termination_id, stream_id, group_id, ..sent::stage_key() };
    let activate = pb::ActivateKey {
        context_id: 7,
        direction,
        overlap_ms: Some(2_500),
        group_id,
        ..pb::ActivateKey::default()
    };
    let cancel = pb::CancelKey { context_id: 7, direction, group_id, ..pb::CancelKey::default() };
    (stage, activate, cancel)
}

#[tokio::test]
async fn the_keys_that_wait_for_a_group_reach_the_gateway() {
    let rig = rig().await;
    let (stage, activate, cancel) = keys_of_a_group();
    let change = || {
        let Command::GroupKey(command) = rig.fake.command() else { panic!("not a group's key") };
        assert_eq!((command.context, command.group), (ContextId(7), GroupId(3)));
        command.change
    };
    rig.client.stage_key(stage).await.unwrap();
    assert!(matches!(change(), GroupKeyChange::Stage(DirectedKey::Ingress(_))));
    rig.client.activate_key(activate).await.unwrap();
    let GroupKeyChange::Activate { direction, roc, overlap, at } = change() else {
        panic!("not an activation")
    };
    assert_eq!((direction, roc, at), (Direction::Ingress, RocOnRekey::Keep, None));
    assert_eq!(overlap, Some(Duration::from_millis(2_500)));
    rig.client.cancel_key(cancel).await.unwrap();
    assert!(matches!(change(), GroupKeyChange::Cancel(Direction::Ingress)));
}

#[tokio::test]
async fn a_key_is_a_groups_or_a_streams_and_not_both() {
    let rig = rig().await;
    let (stage, activate, cancel) = keys_of_a_group();
    let table = [
        (2, 0, 3, "FIELD_VALUE", "group_id"),
        (0, 1, 3, "FIELD_VALUE", "group_id"),
        (0, 0, 65_536, "FIELD_VALUE", "group_id"),
        (0, 0, 0, "FIELD_MISSING", "termination_id"),
    ];
    for (termination_id, stream_id, group_id, reason, field) in table {
        let stage = pb::StageKey { termination_id, stream_id, group_id, ..stage.clone() };
        let activate = pb::ActivateKey { termination_id, stream_id, group_id, ..activate };
        let cancel = pb::CancelKey { termination_id, stream_id, group_id, ..cancel };
        let refused = [
            ("stage_key", rig.client.stage_key(stage).await.unwrap_err()),
            ("activate_key", rig.client.activate_key(activate).await.unwrap_err()),
            ("cancel_key", rig.client.cancel_key(cancel).await.unwrap_err()),
        ];
        for (procedure, error) in refused {
            assert_eq!(error.reason.as_deref(), Some(reason), "{error}");
            assert_eq!(error.field, Some(format!("{procedure}.{field}")), "{error}");
        }
    }
    assert_eq!(rig.fake.transactions(), 0);
}

#[tokio::test]
async fn an_audit_tells_groups_with_their_members_and_counters() {
    let rig = rig().await;
    let group = GroupView {
        id: GroupId(9),
        stream: StreamId(1),
        focus: TerminationId(1),
        transport: Transport::Secured,
        collisions: CollisionRule::Drop,
        rekey_interval: None,
        max_members: 64,
        members: vec![TerminationId(2), TerminationId(5)],
        ingress_key: None,
        egress_key: None,
        egress: EgressId(4),
    };
    let view = ContextView {
        generation: 1,
        priority: agw_context::Priority::Normal,
        id: ContextId(4),
        correlation: None,
        controller: Controller("alg-1".to_owned()),
        created: SystemTime::UNIX_EPOCH,
        orphaned: None,
        topology: None,
        associations: Vec::new(),
        terminations: Vec::new(),
        groups: vec![group],
    };
    let (_, mut snapshot) = snapshots();
    let of_focus = RenamedSource { member: None, ssrc: Ssrc(5), fresh: Ssrc(6) };
    let gone = RenamedSource { member: Some(IngressId(99)), ..of_focus };
    let renamed = vec![gone, of_focus];
    snapshot.group = Some(GroupSnapshot { ssrcs: 3, collisions: 8, renamed });
    let groups = vec![(GroupId(9), snapshot)];
    let context = AuditedContext { view, statistics: Vec::new(), groups };
    rig.fake.state().pages.push_back(Ok(AuditPage { contexts: vec![context], more: false }));

    let contexts = rig.client.contexts(true).await.unwrap();

    let info = &contexts[0].groups[0];
    assert_eq!((info.group_id, info.stream_id, info.focus_termination_id), (9, 1, 1));
    assert_eq!((info.transport(), info.ssrc_rule()), (pb::Transport::Secured, pb::SsrcRule::Drop));
    assert_eq!((info.rekey_interval_ms, info.max_members), (None, 64));
    assert_eq!(info.member_termination_ids, [2, 5]);
    let statistics = info.statistics.as_ref().unwrap();
    assert_eq!((statistics.ssrcs, statistics.ssrc_collisions), (3, 8));
    let focus = pb::RewrittenSource { termination_id: 1, ssrc: 5, rewritten_ssrc: 6 };
    assert_eq!(statistics.rewritten_sources, [focus]);
    assert!(statistics.sent.is_some());
}
