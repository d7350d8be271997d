//! What the gateway can do (TS 23.334 §6.1).

use std::time::Instant;

use agw_srtp::{Mki, SessionParameters, Suite};

use super::Gateway;
use crate::audit::{Capabilities, RealmView};
use crate::leg::MAX_LATCH_GATE;
use crate::realm::Realm;

impl Gateway {
    /// What this gateway can do, and how much of it is in use.
    #[must_use]
    pub fn capabilities(&self, now: Instant) -> Capabilities {
        let suites = Suite::ALL.into_iter().filter(|&suite| self.policy.allows(suite));
        Capabilities {
            suites: suites.collect(),
            max_mki_octets: u16::try_from(Mki::MAX_LEN).unwrap_or(u16::MAX),
            realms: self.realm_views(now),
            max_contexts: self.policy.max_contexts,
            contexts: self.contexts.len(),
            reserve_percent: self.policy.admission.reserve_percent,
            max_streams: self.policy.max_streams,
            max_terminations: self.policy.max_terminations,
            max_group_members: self.policy.max_group_members,
            max_pre_key_packets: self.policy.max_pre_key_packets,
            default_overlap: self.policy.default_overlap,
            max_overlap: self.policy.max_overlap,
            max_activation_delay: self.policy.max_activation_delay,
            ingress_key_return_allowed: self.policy.allow_ingress_key_return,
            max_sources: self.policy.max_sources.min(SessionParameters::MAX_SOURCES),
            default_latch_gate: self.policy.latch_gate.min(MAX_LATCH_GATE),
            policing_factor: self.policy.policing_factor,
            policing_burst: self.policy.policing_burst,
            group_rekey_interval: self.policy.group_rekey_interval,
            share_percent: self.policy.admission.share_percent,
            unencrypted_allowed: self.policy.allow_unencrypted,
            supervision: self.policy.supervision.clone(),
            restart_epoch: self.restart_epoch,
            draining: self.is_draining(),
        }
    }

    fn realm_views(&self, now: Instant) -> Vec<RealmView> {
        let admission = &self.policy.admission;
        let default = self.default_realm();
        let view = |(position, realm): (usize, &Realm)| {
            let most = admission.pairs(&realm.config.name, realm.pairs());
            realm.view(most, now, position == default)
        };
        self.realms.iter().enumerate().map(view).collect()
    }
}
