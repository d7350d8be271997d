//! Contexts with their terminations and streams.

mod calls;
mod tables;

use agw_iq::pb;
use serde::Serialize;

use super::group::{GroupView, RemovedGroupView};
use super::key::KeyView;
use super::statistics::StatisticsView;
use super::{address, number, text, word};
use crate::output::{dash, facts, moment, table};

/// Some contexts.
#[derive(Debug, Serialize)]
pub(crate) struct ContextsView {
    pub(crate) contexts: Vec<ContextView>,
}

/// A context.
#[derive(Debug, Serialize)]
pub(crate) struct ContextView {
    pub(crate) context_id: u32,
    correlation_id: Option<String>,
    controller: String,
    created: Option<String>,
    orphaned: Option<String>,
    priority: Option<String>,
    pub(crate) generation: u64,
    topology: Option<[u32; 2]>,
    associations: Vec<AssociationView>,
    pub(crate) terminations: Vec<TerminationView>,
    groups: Vec<GroupView>,
}

/// How two terminations hear each other.
#[derive(Debug, Serialize)]
struct AssociationView {
    from_termination_id: u32,
    to_termination_id: u32,
    relation: Option<String>,
    stream_id: Option<u32>,
}

/// A termination.
#[derive(Debug, Serialize)]
pub(crate) struct TerminationView {
    pub(crate) termination_id: u32,
    pub(crate) realm: String,
    heartbeat_ms: Option<u64>,
    pub(crate) streams: Vec<StreamView>,
}

/// What waits for the key of a leg.
#[derive(Debug, Serialize)]
struct PreKeyView {
    packets: u32,
    time_ms: u32,
}

/// A stream.
#[derive(Debug, Serialize)]
pub(crate) struct StreamView {
    pub(crate) stream_id: u32,
    media: Option<String>,
    transport: Option<String>,
    mode: Option<String>,
    rtcp: Option<String>,
    source: Option<SourceView>,
    source_filter: Option<FilterView>,
    dscp: Option<DscpView>,
    ecn: Option<String>,
    latch_once: bool,
    inactivity: Option<InactivityView>,
    rtcp_gate: Option<String>,
    bandwidth_bps: Option<u64>,
    rtcp_bandwidth_bps: Option<u64>,
    ingress_limit: Option<LimitView>,
    ingress_rtcp_limit: Option<LimitView>,
    egress_limit: Option<LimitView>,
    egress_rtcp_limit: Option<LimitView>,
    rewrite_ssrc: Option<String>,
    pre_key: Option<PreKeyView>,
    local: PairView,
    remote: PairView,
    ingress_key: Option<KeyView>,
    egress_key: Option<KeyView>,
    group_id: Option<u32>,
    pub(crate) statistics: Option<StatisticsView>,
}

#[derive(Debug, Serialize)]
struct SourceView {
    rule: Option<String>,
    within_ms: Option<u32>,
}

/// Which code point leaves.
#[derive(Debug, Serialize)]
struct DscpView {
    rule: Option<String>,
    code_point: Option<u32>,
}

/// How much may pass.
#[derive(Debug, Serialize)]
struct LimitView {
    sustained_octets_per_s: u64,
    burst_octets: u64,
    peak_octets_per_s: u64,
    peak_tolerance_us: u32,
}

#[derive(Debug, Serialize)]
struct InactivityView {
    time_ms: u32,
    direction: Option<String>,
    media_only: bool,
}

#[derive(Debug, Serialize)]
struct FilterView {
    network: Option<String>,
    lowest_port: Option<u32>,
    highest_port: Option<u32>,
}

/// Addresses of both components.
#[derive(Debug, Default, Serialize)]
struct PairView {
    rtp: Option<String>,
    rtcp: Option<String>,
}

/// A call that was added.
#[derive(Debug, Serialize)]
pub(crate) struct AddedView {
    context_id: u32,
    access: AddedLegView,
    core: AddedLegView,
}

#[derive(Debug, Serialize)]
struct AddedLegView {
    termination_id: u32,
    stream_id: u32,
    rtp: Option<String>,
    rtcp: Option<String>,
}

/// A context that was released.
#[derive(Debug, Serialize)]
pub(crate) struct RemovedView {
    context_id: u32,
    streams: Vec<RemovedStreamView>,
    groups: Vec<RemovedGroupView>,
}

#[derive(Debug, Serialize)]
struct RemovedStreamView {
    termination_id: u32,
    stream_id: u32,
    statistics: StatisticsView,
}

impl From<pb::ContextInfo> for ContextView {
    fn from(context: pb::ContextInfo) -> Self {
        let priority = word(context.priority().as_str_name(), "PRIORITY_");
        let pb::ContextInfo {
            context_id,
            correlation_id,
            controller,
            created,
            topology,
            terminations,
            associations,
            groups,
            orphaned,
            priority: _,
            generation,
        } = context;
        Self {
            context_id,
            correlation_id: text(&correlation_id),
            controller,
            created: created.map(|created| created.to_string()),
            orphaned: orphaned.map(|orphaned| orphaned.to_string()),
            priority,
            generation,
            topology: topology.map(|both| [both.from_termination_id, both.to_termination_id]),
            associations: associations.into_iter().map(AssociationView::from).collect(),
            terminations: terminations.into_iter().map(TerminationView::from).collect(),
            groups: groups.into_iter().map(GroupView::from).collect(),
        }
    }
}

impl From<pb::Association> for AssociationView {
    fn from(association: pb::Association) -> Self {
        let relation = word(association.relation().as_str_name(), "RELATION_");
        let pb::Association { from_termination_id, to_termination_id, relation: _, stream_id } =
            association;
        let stream_id = Some(stream_id).filter(|&stream| stream != 0);
        Self { from_termination_id, to_termination_id, relation, stream_id }
    }
}

impl AssociationView {
    fn words(&self) -> String {
        let Self { from_termination_id: from, to_termination_id: to, relation, stream_id } = self;
        let of_stream = stream_id.map(|id| format!(" on stream {id}")).unwrap_or_default();
        match relation.as_deref() {
            Some("both_way") => format!("{from} and {to} hear each other{of_stream}"),
            Some("one_way") => format!("{to} hears {from}{of_stream}"),
            Some(_) | None => format!("{from} and {to} are isolated{of_stream}"),
        }
    }
}

impl From<pb::TerminationInfo> for TerminationView {
    fn from(termination: pb::TerminationInfo) -> Self {
        let pb::TerminationInfo { termination_id, realm, streams, heartbeat_ms } = termination;
        Self {
            termination_id,
            realm,
            heartbeat_ms: Some(heartbeat_ms).filter(|&period| period != 0),
            streams: streams.into_iter().map(StreamView::from).collect(),
        }
    }
}

impl From<pb::StreamInfo> for StreamView {
    fn from(stream: pb::StreamInfo) -> Self {
        let local = stream.local.as_ref();
        let remote = stream.remote.as_ref();
        let ecn = word(stream.ecn().as_str_name(), "ECN_RULE_");
        Self {
            stream_id: stream.stream_id,
            media: word(stream.media().as_str_name(), "MEDIA_"),
            transport: word(stream.transport().as_str_name(), "TRANSPORT_"),
            mode: word(stream.mode().as_str_name(), "STREAM_MODE_"),
            rtcp: word(stream.rtcp().as_str_name(), "RTCP_MODE_"),
            source: stream.source.map(|source| SourceView {
                rule: word(source.rule().as_str_name(), "SOURCE_RULE_"),
                within_ms: source.within_ms,
            }),
            pre_key: stream
                .pre_key
                .map(|pb::PreKeyBuffer { packets, time_ms }| PreKeyView { packets, time_ms }),
            rewrite_ssrc: stream.rewrite_sources.map(|it| format!("{:#010x}", it.ssrc)),
            source_filter: stream.source_filter.as_ref().map(|filter| FilterView {
                network: text(&filter.network),
                lowest_port: Some(filter.lowest_port).filter(|&port| port != 0),
                highest_port: Some(filter.highest_port).filter(|&port| port != 0),
            }),
            dscp: stream.dscp.map(|dscp| DscpView {
                rule: word(dscp.rule().as_str_name(), "DSCP_RULE_"),
                code_point: dscp.code_point,
            }),
            ecn,
            latch_once: stream.latch_once,
            inactivity: stream.inactivity.as_ref().map(|watch| InactivityView {
                time_ms: watch.time_ms,
                direction: word(watch.direction().as_str_name(), "INACTIVE_DIRECTION_"),
                media_only: watch.media_only,
            }),
            rtcp_gate: word(stream.rtcp_gate().as_str_name(), "RTCP_GATE_"),
            bandwidth_bps: Some(stream.bandwidth_bps).filter(|&bps| bps != 0),
            rtcp_bandwidth_bps: Some(stream.rtcp_bandwidth_bps).filter(|&bps| bps != 0),
            ingress_limit: stream.ingress_limit.map(LimitView::from),
            ingress_rtcp_limit: stream.ingress_rtcp_limit.map(LimitView::from),
            egress_limit: stream.egress_limit.map(LimitView::from),
            egress_rtcp_limit: stream.egress_rtcp_limit.map(LimitView::from),
            local: PairView {
                rtp: address(local.and_then(|local| local.rtp.as_ref())),
                rtcp: address(local.and_then(|local| local.rtcp.as_ref())),
            },
            remote: PairView {
                rtp: address(remote.and_then(|remote| remote.rtp.as_ref())),
                rtcp: address(remote.and_then(|remote| remote.rtcp.as_ref())),
            },
            group_id: number(stream.group_id),
            ingress_key: stream.ingress_key.as_ref().map(KeyView::from),
            egress_key: stream.egress_key.as_ref().map(KeyView::from),
            statistics: stream.statistics.map(StatisticsView::from),
        }
    }
}

impl StreamView {
    fn limits(&self) -> String {
        let limits = [
            ("in", &self.ingress_limit),
            ("RTCP in", &self.ingress_rtcp_limit),
            ("out", &self.egress_limit),
            ("RTCP out", &self.egress_rtcp_limit),
        ];
        let words = limits.into_iter().filter_map(|(name, limit)| {
            limit.as_ref().map(|limit| format!("{name} {}", limit.words()))
        });
        dash(Some(words.collect::<Vec<_>>().join("; ")).filter(|words| !words.is_empty()))
    }
}

impl From<pb::TrafficLimit> for LimitView {
    fn from(limit: pb::TrafficLimit) -> Self {
        let pb::TrafficLimit {
            sustained_octets_per_s,
            burst_octets,
            peak_octets_per_s,
            peak_tolerance_us,
        } = limit;
        Self { sustained_octets_per_s, burst_octets, peak_octets_per_s, peak_tolerance_us }
    }
}

impl LimitView {
    fn words(&self) -> String {
        let sustained = (self.sustained_octets_per_s != 0).then(|| {
            format!("{} octets/s, {} at once", self.sustained_octets_per_s, self.burst_octets)
        });
        let peak = (self.peak_octets_per_s != 0).then(|| {
            format!("peak {} octets/s within {} us", self.peak_octets_per_s, self.peak_tolerance_us)
        });
        sustained.into_iter().chain(peak).collect::<Vec<_>>().join(", ")
    }
}

impl FilterView {
    fn words(&self) -> String {
        let network = self.network.as_deref().unwrap_or("any address");
        match (self.lowest_port, self.highest_port) {
            (Some(lowest), Some(highest)) if lowest == highest => {
                format!("from {network}, port {lowest}")
            }
            (Some(lowest), Some(highest)) => {
                format!("from {network}, ports {lowest} to {highest}")
            }
            (None, _) | (_, None) => format!("from {network}"),
        }
    }
}
