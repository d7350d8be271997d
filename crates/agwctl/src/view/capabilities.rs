//! What the gateway can do.

use agw_iq::pb;
use serde::Serialize;

use super::{suite, word};
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
        let realm = |realm: pb::RealmInfo| {
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
            RealmView {
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
        };
        Self {
            suites,
            max_mki_octets: can.max_mki_octets,
            realms: can.realms.into_iter().map(realm).collect(),
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
        } = supervision;
        Self {
            heartbeat_answer_ms,
            heartbeat_misses,
            hanging,
            hanging_silence_ms,
            controller_lost_ms,
            orphan_silence_ms,
            orphan_limit_ms,
        }
    }
}

impl CapabilitiesView {
    /// As tables.
    pub(crate) fn tables(&self) -> String {
        let unencrypted = if self.unencrypted_allowed { "allowed" } else { "refused" };
        let facts = facts([
            ("suites", self.suites.join("\n")),
            ("MKI", format!("up to {} octets", self.max_mki_octets)),
            ("contexts", format!("{} of {}", self.contexts, self.max_contexts)),
            ("kept back", format!("{} % for priority and emergency calls", self.reserve_percent)),
            ("terminations", format!("up to {} of a context", self.max_terminations)),
            ("group members", format!("up to {} of a group", self.max_group_members)),
            ("streams", format!("up to {} of a termination", self.max_streams)),
            ("commands", format!("up to {} of a transaction", self.max_commands)),
            ("key overlap", format!("{} ms unless told otherwise", self.default_overlap_ms)),
            ("before a key", format!("up to {} packets wait", self.max_pre_key_packets)),
            ("unencrypted", unencrypted.to_owned()),
            ("orphans", self.supervision.orphans()),
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

impl SupervisionView {
    /// When calls without a controller end, in words.
    fn orphans(&self) -> String {
        let Self { controller_lost_ms, orphan_silence_ms, orphan_limit_ms, .. } = self;
        format!(
            "{controller_lost_ms} ms after the last connection; released when silent for \
             {orphan_silence_ms} ms, or after {orphan_limit_ms} ms"
        )
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
