//! In service and out of it, and what control tells that did not happen in the model.

use std::time::{Instant, SystemTime};

use tracing::{info, warn};

use agw_context::{Controller, EventKind, Policy, ServiceCause, ServiceState, Subject};

use super::Control;
use super::load::LoadLimits;

/// A change of service.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) state: ServiceState,
    /// The operator's words.
    pub(crate) reason: Option<String>,
    /// Whether the process ends afterwards, so that there is no way back.
    pub(crate) ending: bool,
}

/// The process is about to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ending;

/// An event that did not happen in the model, and whose it is.
#[derive(Debug)]
pub(crate) struct Told {
    /// What it is about, with who owns that.
    pub(crate) about: Option<(Subject, Controller)>,
    pub(crate) kind: EventKind,
}

impl Control {
    /// The first event of a life: whoever was connected knows that nothing of the last one is left.
    pub(super) fn announce_start(&mut self) {
        let (state, cause) = (ServiceState::InService, ServiceCause::Started);
        let kind = EventKind::ServiceChanged { state, cause, reason: None };
        self.tell(Told { about: None, kind });
    }

    pub(super) fn change_service(&mut self, change: Change) -> Result<(), Ending> {
        let Change { state, reason, ending } = change;
        let before = self.gateway.service_state();
        if self.ending && state == ServiceState::InService {
            return Err(Ending);
        }
        self.ending |= ending;
        // A lock is more than a drain.
        if (before, state) == (ServiceState::Locked, ServiceState::Draining) {
            return Ok(());
        }
        let cause = match (before, state) {
            (ServiceState::Draining, ServiceState::InService) => ServiceCause::Cancelled,
            (ServiceState::Locked | ServiceState::InService, ServiceState::InService) => {
                ServiceCause::Restored
            }
            (_, ServiceState::Draining | ServiceState::Locked) => ServiceCause::Operator,
        };
        if before != state {
            let (contexts, why) =
                (self.gateway.context_count(), reason.as_deref().unwrap_or("none"));
            match state {
                ServiceState::InService => info!(contexts, reason = why, "in service again"),
                ServiceState::Draining => {
                    info!(contexts, reason = why, "draining: no new contexts");
                }
                ServiceState::Locked => {
                    warn!(contexts, reason = why, "locked: every context is released");
                }
            }
        }
        self.gateway.set_service(state, cause, reason.as_deref(), SystemTime::now());
        self.owners.note(&self.gateway, None);
        Ok(())
    }

    /// Puts other limits and permissions in force.
    pub(super) fn reconfigure(&mut self, policy: Policy, limits: LoadLimits, keys: &str) {
        self.gateway.set_policy(policy, Instant::now());
        self.limits = limits;
        let kind = EventKind::CapabilitiesChanged { keys: keys.into() };
        self.tell(Told { about: None, kind });
    }

    pub(super) fn tell(&mut self, told: Told) {
        let Told { about, kind } = told;
        let (subject, owner) = about.unzip();
        self.gateway.tell_event(SystemTime::now(), subject, kind);
        self.owners.note_of(&self.gateway, owner.as_ref());
    }
}
