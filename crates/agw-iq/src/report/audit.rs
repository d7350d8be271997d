//! Contexts, capabilities and the gateway as a whole.

mod rules;

use std::time::{Duration, Instant};

use agw_context::{
    Association, ContextView, Controller, DscpRule, EcnRule, Media, Priority, Relation, Remote,
    RtcpMode, SourcePolicy, StreamExtras, StreamMode, StreamView, TerminationView,
};
use agw_relay::{PreKeySpec, SourceFilter, TrafficLimit, Transport};

use super::group::groups_info;
use super::key_info::key_info;
use super::statistics::{stream_statistics, totals};
use super::{count, milliseconds, small_count, timestamp};
use crate::backend::{AuditedContext, Build, Condition, GatewayStatus};
use crate::pb;
use crate::reply::{gateway_state, local_stream, socket_address};
use rules::{rtcp_gate, told_inactivity};

pub(crate) fn context_info(context: AuditedContext, now: Instant) -> pb::ContextInfo {
    let AuditedContext { view, statistics, groups: counters } = context;
    let ContextView {
        id,
        correlation,
        controller,
        created,
        generation,
        orphaned,
        priority,
        topology,
        associations,
        terminations,
        groups,
    } = view;
    let Controller(controller) = controller;
    let groups = groups_info(groups, &counters, &terminations, now);
    let mut info = pb::ContextInfo {
        context_id: id.0,
        correlation_id: correlation.as_deref().unwrap_or_default().to_owned(),
        controller,
        created: Some(timestamp(created)),
        topology: topology.map(|(from, to)| pb::Topology {
            from_termination_id: from.0,
            to_termination_id: to.0,
        }),
        terminations: terminations.into_iter().map(termination_info).collect(),
        associations: associations.into_iter().map(association).collect(),
        groups,
        orphaned: orphaned.map(timestamp),
        priority: priority_to_wire(priority).into(),
        generation,
    };
    for (termination, stream, ingress, egress) in &statistics {
        let found = info
            .terminations
            .iter_mut()
            .filter(|info| info.termination_id == termination.0)
            .flat_map(|info| &mut info.streams)
            .find(|info| info.stream_id == u32::from(stream.0));
        if let Some(info) = found {
            info.statistics = Some(stream_statistics(ingress, egress, now));
        }
    }
    info
}

fn association(association: Association) -> pb::Association {
    let Association { from, to, relation, stream } = association;
    let relation = match relation {
        Relation::BothWay => pb::Relation::BothWay,
        Relation::OneWay => pb::Relation::OneWay,
        Relation::Isolate => pb::Relation::Isolate,
    };
    pb::Association {
        from_termination_id: from.0,
        to_termination_id: to.0,
        relation: relation.into(),
        stream_id: stream.map_or(0, |stream| stream.0.into()),
    }
}

fn termination_info(termination: TerminationView) -> pb::TerminationInfo {
    let TerminationView { id, realm, heartbeat, streams } = termination;
    pb::TerminationInfo {
        termination_id: id.0,
        realm,
        streams: streams.into_iter().map(stream_info).collect(),
        heartbeat_ms: heartbeat.map(milliseconds).unwrap_or_default(),
    }
}

fn stream_info(stream: StreamView) -> pb::StreamInfo {
    let StreamView {
        id,
        media: carries,
        transport: travels,
        mode,
        rtcp,
        source,
        local,
        remote,
        extras,
        ingress_key,
        egress_key,
        ingress: _,
        egress: _,
    } = stream;
    let StreamExtras {
        source_filter: filter,
        dscp,
        ecn,
        rtcp_gate: gate,
        latch_once,
        inactivity,
        bandwidth,
        limits,
        group,
        rewrite_sources,
        pre_key,
    } = extras;
    pb::StreamInfo {
        stream_id: id.0.into(),
        media: media(carries).into(),
        transport: transport(travels).into(),
        mode: stream_mode(mode).into(),
        rtcp: rtcp_mode(rtcp).into(),
        source: Some(source_policy(source)),
        local: Some(local_stream(local)),
        remote: remote.map(remote_address),
        ingress_key: ingress_key.map(key_info),
        egress_key: egress_key.map(key_info),
        statistics: None,
        dscp: Some(diff_serv(dscp)),
        ecn: ecn_rule(ecn).into(),
        source_filter: filter.map(source_filter),
        rtcp_gate: rtcp_gate(gate).into(),
        bandwidth_bps: bandwidth.media_bps,
        rtcp_bandwidth_bps: bandwidth.rtcp_bps,
        ingress_limit: limits.ingress.rtp.map(traffic_limit),
        ingress_rtcp_limit: limits.ingress.rtcp.map(traffic_limit),
        egress_limit: limits.egress.rtp.map(traffic_limit),
        egress_rtcp_limit: limits.egress.rtcp.map(traffic_limit),
        latch_once,
        inactivity: inactivity.map(told_inactivity),
        group_id: group.map_or(0, |group| group.0.into()),
        rewrite_sources: rewrite_sources.map(|rewrite| pb::RewriteSources {
            enable: true,
            ssrc: rewrite.ssrc.unwrap_or_default(),
        }),
        pre_key: pre_key.map(pre_key_buffer),
    }
}

fn pre_key_buffer(pre_key: PreKeySpec) -> pb::PreKeyBuffer {
    let PreKeySpec { packets, time } = pre_key;
    let time_ms = u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
    pb::PreKeyBuffer { packets: packets.into(), time_ms }
}

fn remote_address(remote: Remote) -> pb::RemoteAddress {
    let Remote { rtp, rtcp } = remote;
    pb::RemoteAddress { rtp: Some(socket_address(rtp)), rtcp: rtcp.map(socket_address) }
}

const fn priority_to_wire(priority: Priority) -> pb::Priority {
    match priority {
        Priority::Normal => pb::Priority::Normal,
        Priority::Priority => pb::Priority::Priority,
        Priority::Emergency => pb::Priority::Emergency,
    }
}

fn source_policy(source: SourcePolicy) -> pb::SourcePolicy {
    let milliseconds = |gate: Duration| u32::try_from(gate.as_millis()).unwrap_or(u32::MAX);
    match source {
        SourcePolicy::Signalled => {
            pb::SourcePolicy { rule: pb::SourceRule::Signalled.into(), within_ms: None }
        }
        SourcePolicy::Latch { within } => pb::SourcePolicy {
            rule: pb::SourceRule::Latch.into(),
            within_ms: within.map(milliseconds),
        },
    }
}

fn source_filter(filter: SourceFilter) -> pb::SourceFilter {
    let SourceFilter { network, lowest_port, highest_port } = filter;
    let (lowest, highest) = match (lowest_port, highest_port) {
        (0, _) => (0, 0),
        range => range,
    };
    pb::SourceFilter {
        network: network.map(|network| network.to_string()).unwrap_or_default(),
        lowest_port: lowest.into(),
        highest_port: highest.into(),
    }
}

fn diff_serv(rule: DscpRule) -> pb::DiffServ {
    let (rule, code_point) = match rule {
        DscpRule::Realm => (pb::DscpRule::Realm, None),
        DscpRule::Set(code_point) => (pb::DscpRule::Set, Some(code_point.into())),
        DscpRule::Copy => (pb::DscpRule::Copy, None),
    };
    pb::DiffServ { rule: rule.into(), code_point }
}

fn ecn_rule(rule: EcnRule) -> pb::EcnRule {
    match rule {
        EcnRule::NotEct => pb::EcnRule::NotEct,
        EcnRule::Copy => pb::EcnRule::Copy,
    }
}

fn traffic_limit(limit: TrafficLimit) -> pb::TrafficLimit {
    let TrafficLimit { sustained_octets_per_s, burst_octets, peak_octets_per_s, peak_tolerance } =
        limit;
    pb::TrafficLimit {
        sustained_octets_per_s,
        burst_octets,
        peak_octets_per_s,
        peak_tolerance_us: u32::try_from(peak_tolerance.as_micros()).unwrap_or(u32::MAX),
    }
}

fn media(media: Media) -> pb::Media {
    match media {
        Media::Audio => pb::Media::Audio,
        Media::Video => pb::Media::Video,
        Media::Other => pb::Media::Other,
    }
}

pub(crate) fn transport(transport: Transport) -> pb::Transport {
    match transport {
        Transport::Plain => pb::Transport::Plain,
        Transport::Secured => pb::Transport::Secured,
        Transport::Transparent => pb::Transport::Transparent,
    }
}

fn stream_mode(mode: StreamMode) -> pb::StreamMode {
    match mode {
        StreamMode::Inactive => pb::StreamMode::Inactive,
        StreamMode::SendOnly => pb::StreamMode::SendOnly,
        StreamMode::ReceiveOnly => pb::StreamMode::ReceiveOnly,
        StreamMode::SendReceive => pb::StreamMode::SendReceive,
    }
}

fn rtcp_mode(mode: RtcpMode) -> pb::RtcpMode {
    match mode {
        RtcpMode::Pair => pb::RtcpMode::Pair,
        RtcpMode::Mux => pb::RtcpMode::Mux,
        RtcpMode::Off => pb::RtcpMode::Off,
    }
}

pub(crate) fn gateway_status(
    status: &GatewayStatus,
    condition: Condition,
    build: Build,
) -> pb::GetStatusResponse {
    let GatewayStatus { version, engine, started, uptime, contexts, orphans, totals: all, workers } =
        status;
    let worker_status =
        |(worker, of)| pb::WorkerStatus { worker: small_count(worker), totals: Some(totals(of)) };
    pb::GetStatusResponse {
        gateway: Some(gateway_state(condition)),
        version: version.clone(),
        started: Some(timestamp(*started)),
        uptime_ms: milliseconds(*uptime),
        contexts: count(*contexts),
        totals: Some(totals(all)),
        workers: workers.iter().enumerate().map(worker_status).collect(),
        engine: engine.clone(),
        orphans: count(*orphans),
        commit: build.commit.to_owned(),
    }
}
