//! Groups of conferences.

use agw_context::GroupView;
use agw_relay::{CollisionRule, EgressSnapshot, GroupSnapshot};

use super::audit::{key_info, transport};
use super::statistics::{crypto_state, traffic};
use super::{count, milliseconds, small_count};
use crate::pb;

pub(crate) fn group_info(group: GroupView) -> pb::GroupInfo {
    let GroupView {
        id,
        stream,
        focus,
        transport: travels,
        collisions,
        rekey_interval,
        max_members,
        members,
        ingress_key,
        egress_key,
        egress: _,
    } = group;
    let interval = rekey_interval.map(milliseconds);
    pb::GroupInfo {
        group_id: id.0.into(),
        stream_id: stream.0.into(),
        focus_termination_id: focus.0,
        transport: transport(travels).into(),
        ssrc_rule: ssrc_rule(collisions).into(),
        rekey_interval_ms: interval.map(|ms| u32::try_from(ms).unwrap_or(u32::MAX)),
        max_members: small_count(max_members),
        member_termination_ids: members.into_iter().map(|termination| termination.0).collect(),
        egress_key: egress_key.map(key_info),
        ingress_key: ingress_key.map(key_info),
        statistics: None,
    }
}

pub(crate) fn group_statistics(snapshot: &EgressSnapshot) -> pb::GroupStatistics {
    let EgressSnapshot { stats, crypto, group, .. } = snapshot;
    let known = group.unwrap_or(GroupSnapshot { ssrcs: 0, collisions: 0 });
    pb::GroupStatistics {
        sent: Some(traffic(&stats.sent)),
        sent_rtcp: Some(traffic(&stats.sent_rtcp)),
        crypto: crypto.as_ref().map(crypto_state),
        ssrcs: count(known.ssrcs),
        ssrc_collisions: known.collisions,
    }
}

fn ssrc_rule(rule: CollisionRule) -> pb::SsrcRule {
    match rule {
        CollisionRule::Drop => pb::SsrcRule::Drop,
        CollisionRule::Alarm => pb::SsrcRule::Alarm,
    }
}
