//! What the gateway can do.

use std::time::Duration;

use agw_context::{
    Capabilities, HEARTBEAT_PERIODS, Hanging, LEAST_BURST, MAX_ASSOCIATIONS, MAX_REKEY_INTERVAL,
    Protection, RealmView, SupervisionPolicy,
};
use agw_srtp::{MAX_KEYS, SessionParameters};

use super::{count, milliseconds, small_count};
use crate::alg::NG_CONTROLLER;
use crate::backend::Build;
use crate::convert::{
    INACTIVITY_MS, MAX_COMMANDS, MAX_LATCH_GATE_MS, MAX_PRE_KEY_MS, MAX_TOLERANCE_US, suite_to_wire,
};
use crate::pb;
use crate::server::MAX_REQUEST_OCTETS;

/// The bounds of requests: those of the policy, and those that are built in.
pub(crate) fn capabilities(capabilities: Capabilities, build: Build) -> pb::Capabilities {
    let Capabilities {
        suites,
        max_mki_octets,
        realms,
        max_contexts,
        contexts,
        reserve_percent,
        max_streams,
        max_terminations,
        max_group_members,
        max_pre_key_packets,
        default_overlap,
        max_overlap,
        max_activation_delay,
        ingress_key_return_allowed,
        max_sources,
        default_latch_gate,
        policing_factor,
        policing_burst,
        group_rekey_interval,
        share_percent,
        unencrypted_allowed,
        supervision: policy,
        restart_epoch: _,
        draining: _,
    } = capabilities;
    pb::Capabilities {
        suites: suites.into_iter().map(|suite| suite_to_wire(suite).into()).collect(),
        max_mki_octets: max_mki_octets.into(),
        realms: realms.into_iter().map(realm_info).collect(),
        max_contexts: count(max_contexts),
        contexts: count(contexts),
        max_streams: small_count(max_streams),
        max_terminations: small_count(max_terminations),
        default_overlap_ms: milliseconds(default_overlap),
        unencrypted_allowed,
        max_group_members: small_count(max_group_members),
        max_pre_key_packets: max_pre_key_packets.into(),
        reserve_percent: reserve_percent.into(),
        supervision: Some(supervision(&policy)),
        max_sources: max_sources.into(),
        max_overlap_ms: milliseconds(max_overlap),
        max_activation_delay_ms: milliseconds(max_activation_delay),
        ingress_key_return_allowed,
        default_latch_gate_ms: milliseconds(default_latch_gate),
        policing_factor,
        policing_burst_ms: milliseconds(policing_burst),
        default_rekey_interval_ms: milliseconds(group_rekey_interval),
        share_percent: share_percent.into(),
        ..built_in(build)
    }
}

/// What no configuration changes.
fn built_in(build: Build) -> pb::Capabilities {
    let Build { version, commit } = build;
    pb::Capabilities {
        version: version.to_owned(),
        commit: commit.to_owned(),
        max_request_octets: small_count(MAX_REQUEST_OCTETS),
        max_commands: small_count(MAX_COMMANDS),
        max_keys: small_count(MAX_KEYS),
        min_window: SessionParameters::MIN_WINDOW.into(),
        max_window: SessionParameters::MAX_WINDOW.into(),
        max_latch_gate_ms: MAX_LATCH_GATE_MS.into(),
        min_burst_octets: LEAST_BURST,
        max_peak_tolerance_us: MAX_TOLERANCE_US,
        max_pre_key_time_ms: MAX_PRE_KEY_MS,
        min_inactivity_ms: *INACTIVITY_MS.start(),
        max_inactivity_ms: *INACTIVITY_MS.end(),
        min_heartbeat_ms: milliseconds(*HEARTBEAT_PERIODS.start()),
        max_heartbeat_ms: milliseconds(*HEARTBEAT_PERIODS.end()),
        max_associations: small_count(MAX_ASSOCIATIONS),
        max_rekey_interval_ms: milliseconds(MAX_REKEY_INTERVAL),
        ..pb::Capabilities::default()
    }
}

fn supervision(policy: &SupervisionPolicy) -> pb::Supervision {
    let SupervisionPolicy {
        heartbeat_answer,
        heartbeat_misses,
        hanging,
        controller_lost,
        orphan_silence,
        orphan_limit,
        silence: of_unasked,
        adoption: _,
    } = policy;
    let of_ng = of_unasked.iter().find(|(controller, _)| controller.0 == NG_CONTROLLER);
    let (hanging, silence) = match hanging {
        Hanging::Release => (pb::HangingPolicy::Release, Duration::ZERO),
        Hanging::ReleaseIfSilent(silence) => (pb::HangingPolicy::ReleaseIfSilent, *silence),
        Hanging::Keep => (pb::HangingPolicy::Keep, Duration::ZERO),
    };
    pb::Supervision {
        heartbeat_answer_ms: milliseconds(*heartbeat_answer),
        heartbeat_misses: *heartbeat_misses,
        hanging: hanging.into(),
        hanging_silence_ms: milliseconds(silence),
        controller_lost_ms: milliseconds(*controller_lost),
        orphan_silence_ms: milliseconds(*orphan_silence),
        orphan_limit_ms: milliseconds(*orphan_limit),
        ng_silence_ms: of_ng.map_or(0, |(_, silence)| milliseconds(*silence)),
    }
}

fn realm_info(realm: RealmView) -> pb::RealmInfo {
    let RealmView {
        name,
        addresses,
        ports: (lowest, highest),
        ports_used,
        ports_resting,
        max_ports,
        available,
        unavailable,
        is_default,
        max_streams,
        protection,
    } = realm;
    pb::RealmInfo {
        name,
        addresses: addresses.into_iter().map(|address| address.to_string()).collect(),
        lowest_port: lowest.into(),
        highest_port: highest.into(),
        ports_used: count(ports_used),
        ports_resting: count(ports_resting),
        max_ports: count(max_ports),
        available,
        unavailable_addresses: unavailable.iter().map(ToString::to_string).collect(),
        is_default,
        max_streams: max_streams.map(count),
        plain_refused: protection != Protection::Optional,
        transparent_refused: protection == Protection::Terminated,
    }
}
