//! What the gateway can do.

use agw_iq::pb;
use serde::Serialize;

use super::{suite, text, word};
use crate::output::{facts, table};

/// What the gateway can do.
#[derive(Debug, Serialize)]
pub(crate) struct CapabilitiesView {
    suites: Vec<String>,
    max_mki_octets: u32,
    realms: Vec<RealmView>,
    max_contexts: u64,
    contexts: u64,
    max_streams: u32,
    max_terminations: u32,
    default_overlap_ms: u64,
    unencrypted_allowed: bool,
    max_commands: u32,
    max_group_members: u32,
    max_pre_key_packets: u32,
    reserve_percent: u32,
    supervision: SupervisionView,
    version: String,
    commit: Option<String>,
    max_request_octets: u32,
    max_keys: u32,
    min_window: u32,
    max_window: u32,
    max_sources: u32,
    max_overlap_ms: u64,
    max_activation_delay_ms: u64,
    ingress_key_return_allowed: bool,
    default_latch_gate_ms: u64,
    max_latch_gate_ms: u64,
    policing_factor: u32,
    policing_burst_ms: u64,
    min_burst_octets: u64,
    max_peak_tolerance_us: u32,
    max_pre_key_time_ms: u32,
    min_inactivity_ms: u32,
    max_inactivity_ms: u32,
    min_heartbeat_ms: u64,
    max_heartbeat_ms: u64,
    max_associations: u32,
    default_rekey_interval_ms: u64,
    max_rekey_interval_ms: u64,
    share_percent: u32,
}

/// When the gateway asks about calls, and when it releases them unasked.
#[derive(Debug, Serialize)]
struct SupervisionView {
    heartbeat_answer_ms: u64,
    heartbeat_misses: u32,
    hanging: Option<String>,
    hanging_silence_ms: u64,
    controller_lost_ms: u64,
    orphan_silence_ms: u64,
    orphan_limit_ms: u64,
    ng_silence_ms: u64,
}

#[derive(Debug, Serialize)]
struct RealmView {
    name: String,
    addresses: Vec<String>,
    lowest_port: u32,
    highest_port: u32,
    ports_used: u64,
    ports_resting: u64,
    max_ports: u64,
    available: bool,
    unavailable_addresses: Vec<String>,
    is_default: bool,
    max_streams: Option<u64>,
    plain_refused: bool,
    transparent_refused: bool,
}

impl From<pb::Capabilities> for CapabilitiesView {
    fn from(can: pb::Capabilities) -> Self {
        let suites = can.suites().filter_map(suite).collect();
        Self {
            suites,
            max_mki_octets: can.max_mki_octets,
            realms: can.realms.into_iter().map(RealmView::from).collect(),
            max_contexts: can.max_contexts,
            contexts: can.contexts,
            max_streams: can.max_streams,
            max_terminations: can.max_terminations,
            default_overlap_ms: can.default_overlap_ms,
            unencrypted_allowed: can.unencrypted_allowed,
            max_commands: can.max_commands,
            max_group_members: can.max_group_members,
            max_pre_key_packets: can.max_pre_key_packets,
            reserve_percent: can.reserve_percent,
            supervision: can.supervision.unwrap_or_default().into(),
            version: can.version,
            commit: text(&can.commit),
            max_request_octets: can.max_request_octets,
            max_keys: can.max_keys,
            min_window: can.min_window,
            max_window: can.max_window,
            max_sources: can.max_sources,
            max_overlap_ms: can.max_overlap_ms,
            max_activation_delay_ms: can.max_activation_delay_ms,
            ingress_key_return_allowed: can.ingress_key_return_allowed,
            default_latch_gate_ms: can.default_latch_gate_ms,
            max_latch_gate_ms: can.max_latch_gate_ms,
            policing_factor: can.policing_factor,
            policing_burst_ms: can.policing_burst_ms,
            min_burst_octets: can.min_burst_octets,
            max_peak_tolerance_us: can.max_peak_tolerance_us,
            max_pre_key_time_ms: can.max_pre_key_time_ms,
            min_inactivity_ms: can.min_inactivity_ms,
            max_inactivity_ms: can.max_inactivity_ms,
            min_heartbeat_ms: can.min_heartbeat_ms,
            max_heartbeat_ms: can.max_heartbeat_ms,
            max_associations: can.max_associations,
            default_rekey_interval_ms: can.default_rekey_interval_ms,
            max_rekey_interval_ms: can.max_rekey_interval_ms,
            share_percent: can.share_percent,
        }
    }
}

impl From<pb::RealmInfo> for RealmView {
    fn from(realm: pb::RealmInfo) -> Self {
        let pb::RealmInfo {
            name,
            addresses,
            lowest_port,
            highest_port,
            ports_used,
            ports_resting,
            max_ports,
            available,
            unavailable_addresses,
            is_default,
            max_streams,
            plain_refused,
            transparent_refused,
        } = realm;
        Self {
            name,
            addresses,
            lowest_port,
            highest_port,
            ports_used,
            ports_resting,
            max_ports,
            available,
            unavailable_addresses,
            is_default,
            max_streams,
            plain_refused,
            transparent_refused,
        }
    }
}

impl From<pb::Supervision> for SupervisionView {
    fn from(supervision: pb::Supervision) -> Self {
        let hanging = word(supervision.hanging().as_str_name(), "HANGING_POLICY_");
        let pb::Supervision {
            heartbeat_answer_ms,
            heartbeat_misses,
            hanging: _,
            hanging_silence_ms,
            controller_lost_ms,
            orphan_silence_ms,
            orphan_limit_ms,
            ng_silence_ms,
        } = supervision;
        Self {
            heartbeat_answer_ms,
            heartbeat_misses,
            hanging,
            hanging_silence_ms,
            controller_lost_ms,
            orphan_silence_ms,
            orphan_limit_ms,
            ng_silence_ms,
        }
    }
}

impl CapabilitiesView {
    /// As tables.
    pub(crate) fn tables(&self) -> String {
        let unencrypted = if self.unencrypted_allowed { "allowed" } else { "refused" };
        let window = format!("{} to {} packets", self.min_window, self.max_window);
        let gate = format!(
            "{} ms unless told otherwise, at most {}",
            self.default_latch_gate_ms, self.max_latch_gate_ms
        );
        let facts = facts([
            ("version", self.build()),
            ("suites", self.suites.join("\n")),
            ("MKI", format!("up to {} octets", self.max_mki_octets)),
            ("contexts", format!("{} of {}", self.contexts, self.max_contexts)),
            ("kept back", format!("{} % for priority and emergency calls", self.reserve_percent)),
            ("terminations", format!("up to {} of a context", self.max_terminations)),
            ("group members", format!("up to {} of a group", self.max_group_members)),
            ("streams", format!("up to {} of a termination", self.max_streams)),
            ("commands", format!("up to {} of a transaction", self.max_commands)),
            ("key overlap", self.overlaps()),
            ("replay window", window),
            ("SSRCs", format!("up to {} of a direction", self.max_sources)),
            ("time gate", gate),
            ("bandwidth", format!("up to {} times what was signalled", self.policing_factor)),
            ("before a key", format!("up to {} packets wait", self.max_pre_key_packets)),
            ("unencrypted", unencrypted.to_owned()),
            ("orphans", self.supervision.orphans()),
            ("calls over ng", self.supervision.calls_over_ng()),
        ]);
        let headings = ["realm", "state", "addresses", "ports", "used", "resting", "at most"];
        let mut realms = table(&headings, 3);
        for realm in &self.realms {
            realms.add_row([
                realm.heading(),
                realm.state(),
                realm.addresses.join("\n"),
                format!("{}-{}", realm.lowest_port, realm.highest_port),
                realm.ports_used.to_string(),
                realm.ports_resting.to_string(),
                realm.max_ports.to_string(),
            ]);
        }
        format!("{facts}\n{realms}")
    }
}

impl CapabilitiesView {
    /// What runs, in words.
    fn build(&self) -> String {
        match &self.commit {
            Some(commit) => format!("{}, commit {commit}", self.version),
            None => self.version.clone(),
        }
    }

    /// How long replaced keys open packets, in words.
    fn overlaps(&self) -> String {
        let Self { default_overlap_ms, max_overlap_ms, .. } = self;
        format!("{default_overlap_ms} ms unless told otherwise, at most {max_overlap_ms}")
    }
}

impl SupervisionView {
    /// When calls without a controller end, in words.
    fn orphans(&self) -> String {
        let Self { controller_lost_ms, orphan_silence_ms, orphan_limit_ms, .. } = self;
        format!(
            "{controller_lost_ms} ms after the last connection; released when silent for \
             {orphan_silence_ms} ms, or after {orphan_limit_ms} ms"
        )
    }

    /// When calls end whose proxy cannot be asked, in words.
    fn calls_over_ng(&self) -> String {
        match self.ng_silence_ms {
            0 => "never released unasked".to_owned(),
            silence => format!("released when silent for {silence} ms"),
        }
    }
}

impl RealmView {
    fn heading(&self) -> String {
        if self.is_default { format!("{} (default)", self.name) } else { self.name.clone() }
    }

    fn state(&self) -> String {
        match (self.available, self.unavailable_addresses.as_slice()) {
            (true, []) => "up".to_owned(),
            (true, down) => format!("up without {}", down.join(", ")),
            (false, _) => "DOWN".to_owned(),
        }
    }
}
