//! From configuration to what the other crates take.

use std::net::SocketAddr;
use std::time::Duration;

use agw_context::{Admission, Family, Policy, Protection, RealmAddress, RealmConfig};
use agw_net::{PortOptions, XdpPort};
use agw_sdp::AlgPolicy;

use super::check::Host;
use super::{Config, Oversize, Realm, RealmProtection};
use crate::alg::AlgLimits;
use crate::control::LoadLimits;

impl Config {
    /// The limits and permissions of the gateway; no peer may be one of `listeners`.
    pub(crate) fn gateway_policy(&self, listeners: Vec<SocketAddr>) -> Policy {
        let (limits, policy) = (&self.limits, &self.policy);
        Policy {
            max_contexts: limits.contexts,
            admission: self.admission(),
            max_terminations: limits.terminations,
            max_group_members: limits.group_members,
            group_rekey_interval: Duration::from_millis(policy.group_rekey_interval_ms),
            max_streams: limits.streams,
            allow_null: policy.allow_null,
            allow_f8: policy.allow_f8,
            allow_unencrypted: policy.allow_unencrypted,
            max_sources: limits.sources,
            default_overlap: Duration::from_millis(policy.default_overlap_ms),
            max_overlap: Duration::from_millis(policy.max_overlap_ms),
            max_activation_delay: Duration::from_secs(policy.max_activation_delay_s),
            allow_ingress_key_return: policy.allow_ingress_key_return,
            latch_gate: Duration::from_millis(policy.latch_gate_ms),
            policing_factor: policy.policing_factor,
            policing_burst: Duration::from_millis(policy.policing_burst_ms),
            max_pre_key_packets: policy.pre_key_packets,
            port_rest: Duration::from_millis(policy.port_rest_ms),
            listeners,
            event_capacity: limits.events,
            supervision: self.supervision.policy(),
        }
    }

    /// How many calls and UEs the IMS-ALG knows.
    pub(crate) const fn alg_limits(&self) -> AlgLimits {
        AlgLimits { calls: self.limits.contexts, registrations: self.alg.max_registrations }
    }

    /// What holds for every call of the IMS-ALG.
    pub(crate) fn alg_policy(&self) -> AlgPolicy {
        self.alg.policy(&self.policy)
    }

    fn admission(&self) -> Admission {
        let most = |realm: &Realm| Some((realm.name.clone(), realm.max_ports?));
        Admission {
            reserve_percent: self.limits.reserve_percent,
            share_percent: self.limits.controller_share_percent,
            shares: self.limits.controller_shares.clone(),
            realm_ports: self.realm.iter().filter_map(most).collect(),
        }
    }

    /// The limits of what is measured.
    pub(crate) fn load_limits(&self) -> LoadLimits {
        LoadLimits {
            packet_rate: self.limits.packet_rate,
            cpu_percent: self.limits.cpu_percent,
            memory_percent: self.limits.memory_percent,
        }
    }

    /// The worker threads to start.
    pub(crate) fn worker_count(&self, host: &Host) -> usize {
        if self.media.workers == 0 { host.cores } else { self.media.workers }
    }

    /// Takes the IPv6 loopback out of the built-in realms where the host has none, so that the
    /// defaults work everywhere; tells whether it did.
    pub(crate) fn fit_default_realms(&mut self, host: &Host) -> bool {
        let mut changed = false;
        if self.realm == Self::default().realm {
            for realm in &mut self.realm {
                let before = realm.addresses.len();
                realm.addresses.retain(|&address| host.has(address));
                changed |= realm.addresses.len() != before;
            }
        }
        changed
    }
}

impl Realm {
    /// The realm as the control model knows it.
    pub(crate) fn model(&self) -> RealmConfig {
        let addresses = self.addresses.iter().map(|&bind| {
            let family = Family::of(bind);
            let advertise = self.advertise.iter().copied().find(|&a| Family::of(a) == family);
            RealmAddress { bind, advertise }
        });
        RealmConfig {
            name: self.name.clone(),
            addresses: addresses.collect(),
            ports: self.ports.all(),
            dscp: self.dscp,
            max_streams: self.max_streams,
            is_default: self.default,
            protection: match self.protection {
                RealmProtection::Optional => Protection::Optional,
                RealmProtection::Required => Protection::Required,
                RealmProtection::Terminated => Protection::Terminated,
            },
            hairpin: self.hairpin,
        }
    }

    /// The socket options of the realm's ports.
    pub(crate) fn port_options(&self) -> PortOptions {
        PortOptions {
            dscp: self.dscp,
            hop_limit: self.hop_limit,
            oversize: self.oversize.into(),
            receive_buffer_octets: self.receive_buffer_octets,
            bind_device: self.device.clone(),
            ..PortOptions::default()
        }
    }

    /// A port of the realm by the `xdp` backend.
    pub(crate) fn xdp_port(&self, address: SocketAddr) -> XdpPort {
        XdpPort {
            dscp: self.dscp.unwrap_or_default(),
            hop_limit: self.hop_limit.unwrap_or(XdpPort::HOP_LIMIT),
            oversize: self.oversize.into(),
            ..XdpPort::new(address)
        }
    }

    /// Whether a local port is one of the realm's.
    pub(crate) fn has(&self, port: SocketAddr) -> bool {
        self.addresses.contains(&port.ip()) && self.ports.all().contains(&port.port())
    }
}

impl From<Oversize> for agw_net::Oversize {
    fn from(oversize: Oversize) -> Self {
        match oversize {
            Oversize::Fragment => Self::Fragment,
            Oversize::Refuse => Self::Refuse,
        }
    }
}
