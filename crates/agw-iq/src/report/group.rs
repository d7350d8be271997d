//! Groups of conferences.

use std::time::Instant;

use agw_context::{
    GroupId, GroupView, ReleasedGroup, ReleasedStream, TerminationId, TerminationView,
};
use agw_relay::{CollisionRule, EgressSnapshot, GroupSnapshot, IngressId, RenamedSource};

use super::audit::transport;
use super::key_info::key_info;
use super::statistics::{crypto_state, traffic};
use super::{count, milliseconds, small_count};
use crate::pb;

/// The groups of a context, with their counters if there are any.
pub(crate) fn groups_info(
    groups: Vec<GroupView>,
    counters: &[(GroupId, EgressSnapshot)],
    terminations: &[TerminationView],
    now: Instant,
) -> Vec<pb::GroupInfo> {
    let with_counters = |group: GroupView| {
        let (id, focus) = (group.id, group.focus);
        let counters = counters.iter().find(|(of, _)| *of == id);
        let owner = |leg: IngressId| {
            let has = |one: &&TerminationView| one.streams.iter().any(|s| s.ingress == leg);
            terminations.iter().find(has).map(|termination| termination.id)
        };
        let statistics =
            counters.map(|(_, snapshot)| group_statistics(snapshot, focus, &owner, now));
        pb::GroupInfo { statistics, ..group_info(group) }
    };
    groups.into_iter().map(with_counters).collect()
}

fn group_info(group: GroupView) -> pb::GroupInfo {
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

/// A group that ended, with its last statistics if they are known; `streams` ended with it.
pub(crate) fn released_group(
    group: &ReleasedGroup,
    last: Option<&EgressSnapshot>,
    streams: &[ReleasedStream],
    now: Instant,
) -> pb::ReleasedGroup {
    let ReleasedGroup { group, stream, focus, egress: _ } = *group;
    let owner = |leg: IngressId| {
        streams.iter().find(|stream| stream.ingress == leg).map(|stream| stream.termination)
    };
    pb::ReleasedGroup {
        group_id: group.0.into(),
        stream_id: stream.0.into(),
        focus_termination_id: focus.0,
        statistics: last.map(|last| group_statistics(last, focus, &owner, now)),
    }
}

fn group_statistics(
    snapshot: &EgressSnapshot,
    focus: TerminationId,
    owner: &dyn Fn(IngressId) -> Option<TerminationId>,
    now: Instant,
) -> pb::GroupStatistics {
    let EgressSnapshot { stats, crypto, group, .. } = snapshot;
    let GroupSnapshot { ssrcs, collisions, renamed } = group.clone().unwrap_or_default();
    let rewritten = |source: &RenamedSource| {
        let RenamedSource { member, ssrc, fresh } = *source;
        // A member that has left meanwhile has no termination any more.
        let whose = member.map_or(Some(focus), owner)?;
        Some(pb::RewrittenSource { termination_id: whose.0, ssrc: ssrc.0, rewritten_ssrc: fresh.0 })
    };
    let mut rewritten_sources: Vec<_> = renamed.iter().filter_map(rewritten).collect();
    rewritten_sources.sort_by_key(|source| (source.termination_id, source.ssrc));
    pb::GroupStatistics {
        sent: Some(traffic(&stats.sent)),
        sent_rtcp: Some(traffic(&stats.sent_rtcp)),
        crypto: crypto.as_ref().map(|crypto| crypto_state(crypto, now)),
        ssrcs: count(ssrcs),
        ssrc_collisions: collisions,
        rewritten_sources,
    }
}

fn ssrc_rule(rule: CollisionRule) -> pb::SsrcRule {
    match rule {
        CollisionRule::Drop => pb::SsrcRule::Drop,
        CollisionRule::Alarm => pb::SsrcRule::Alarm,
        CollisionRule::Rewrite => pb::SsrcRule::Rewrite,
    }
}
