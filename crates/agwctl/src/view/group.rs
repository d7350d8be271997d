//! Groups of conferences.

use agw_iq::pb;
use serde::Serialize;

use super::crypto::CryptoView;
use super::key::KeyView;
use super::{TrafficView, word};
use crate::output::{dash, facts};

/// A group.
#[derive(Debug, Serialize)]
pub(crate) struct GroupView {
    group_id: u32,
    stream_id: u32,
    focus_termination_id: u32,
    transport: Option<String>,
    ssrc_rule: Option<String>,
    rekey_interval_ms: Option<u32>,
    max_members: u32,
    member_termination_ids: Vec<u32>,
    egress_key: Option<KeyView>,
    ingress_key: Option<KeyView>,
    statistics: Option<GroupStatisticsView>,
}

#[derive(Debug, Serialize)]
struct GroupStatisticsView {
    sent: TrafficView,
    sent_rtcp: TrafficView,
    crypto: Option<CryptoView>,
    ssrcs: u64,
    ssrc_collisions: u64,
    rewritten_sources: Vec<RewrittenSourceView>,
}

/// A source that leaves under another SSRC than its own.
#[derive(Debug, Serialize)]
struct RewrittenSourceView {
    termination_id: u32,
    ssrc: String,
    rewritten_ssrc: String,
}

/// A group that ended.
#[derive(Debug, Serialize)]
pub(crate) struct RemovedGroupView {
    group_id: u32,
    stream_id: u32,
    focus_termination_id: u32,
    statistics: Option<GroupStatisticsView>,
}

impl From<pb::ReleasedGroup> for RemovedGroupView {
    fn from(group: pb::ReleasedGroup) -> Self {
        Self {
            group_id: group.group_id,
            stream_id: group.stream_id,
            focus_termination_id: group.focus_termination_id,
            statistics: group.statistics.map(GroupStatisticsView::from),
        }
    }
}

impl RemovedGroupView {
    /// As a line of text.
    pub(crate) fn line(&self) -> String {
        let sent = self.statistics.as_ref().map(GroupStatisticsView::words);
        format!("group {} of stream {}: {}", self.group_id, self.stream_id, dash(sent))
    }
}

impl From<pb::GroupStatistics> for GroupStatisticsView {
    fn from(statistics: pb::GroupStatistics) -> Self {
        Self {
            sent: statistics.sent.into(),
            sent_rtcp: statistics.sent_rtcp.into(),
            crypto: statistics.crypto.as_ref().map(CryptoView::from),
            ssrcs: statistics.ssrcs,
            ssrc_collisions: statistics.ssrc_collisions,
            rewritten_sources: statistics.rewritten_sources.iter().map(Into::into).collect(),
        }
    }
}

impl GroupStatisticsView {
    fn words(&self) -> String {
        let Self { sent, ssrc_collisions, .. } = self;
        format!("{} packets, {ssrc_collisions} SSRC collisions", sent.packets)
    }
}

impl From<pb::GroupInfo> for GroupView {
    fn from(group: pb::GroupInfo) -> Self {
        Self {
            group_id: group.group_id,
            stream_id: group.stream_id,
            focus_termination_id: group.focus_termination_id,
            transport: word(group.transport().as_str_name(), "TRANSPORT_"),
            ssrc_rule: word(group.ssrc_rule().as_str_name(), "SSRC_RULE_"),
            rekey_interval_ms: group.rekey_interval_ms,
            max_members: group.max_members,
            egress_key: group.egress_key.as_ref().map(KeyView::from),
            ingress_key: group.ingress_key.as_ref().map(KeyView::from),
            statistics: group.statistics.map(GroupStatisticsView::from),
            member_termination_ids: group.member_termination_ids,
        }
    }
}

impl From<&pb::RewrittenSource> for RewrittenSourceView {
    fn from(source: &pb::RewrittenSource) -> Self {
        let pb::RewrittenSource { termination_id, ssrc, rewritten_ssrc } = *source;
        let [ssrc, rewritten_ssrc] = [ssrc, rewritten_ssrc].map(|ssrc| format!("{ssrc:#010x}"));
        Self { termination_id, ssrc, rewritten_ssrc }
    }
}

impl RewrittenSourceView {
    fn words(&self) -> String {
        let Self { termination_id, ssrc, rewritten_ssrc } = self;
        format!("{ssrc} of termination {termination_id} as {rewritten_ssrc}")
    }
}

impl GroupView {
    /// As a table.
    pub(crate) fn table(&self) -> String {
        let key = |key: &Option<KeyView>| dash(key.as_ref().map(KeyView::words));
        let members: Vec<String> = self.member_termination_ids.iter().map(u32::to_string).collect();
        let told = match self.rekey_interval_ms {
            None => "never".to_owned(),
            Some(interval) => format!("those of {interval} ms together"),
        };
        let sent = self.statistics.as_ref().map(GroupStatisticsView::words);
        let rewritten = self.statistics.as_ref().map(|statistics| {
            let words = statistics.rewritten_sources.iter().map(RewrittenSourceView::words);
            words.collect::<Vec<_>>().join(", ")
        });
        let facts = facts([
            ("group", format!("{} of stream {}", self.group_id, self.stream_id)),
            ("focus", format!("termination {}", self.focus_termination_id)),
            ("members", format!("{} of {}", members.len(), self.max_members)),
            ("terminations", dash(Some(members.join(", ")).filter(|text| !text.is_empty()))),
            ("transport", dash(self.transport.clone())),
            ("SSRC twice", dash(self.ssrc_rule.clone())),
            ("changes told", told),
            ("members' key", key(&self.ingress_key)),
            ("egress key", key(&self.egress_key)),
            ("sent", dash(sent)),
            ("rewritten", dash(rewritten.filter(|words| !words.is_empty()))),
        ]);
        facts.to_string()
    }
}
