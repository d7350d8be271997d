//! Times and rules of supervision, as configured.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::id::Controller;

/// When calls are asked about and released unasked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupervisionPolicy {
    /// How long a controller may take to answer a heartbeat.
    pub heartbeat_answer: Duration,
    /// Heartbeats in a row that stay unanswered before a termination hangs, at least 1.
    pub heartbeat_misses: u32,
    /// What becomes of a termination that hangs.
    pub hanging: Hanging,
    /// How long a controller may be without a connection before its contexts are orphans.
    pub controller_lost: Duration,
    /// How long an orphan must be without authentic media before it is released.
    pub orphan_silence: Duration,
    /// How long a context may be an orphan at all.
    pub orphan_limit: Duration,
    /// Controllers who cannot be asked about their contexts, and how long these may be without
    /// authentic media and without a word of them before they are released.
    pub silence: BTreeMap<Controller, Duration>,
    /// Trust domains, as prefixes of identities: within one, controllers may take over each
    /// other's orphans.
    pub adoption: Vec<String>,
}

/// What becomes of a termination that hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hanging {
    /// It is released at once.
    Release,
    /// It is released when nothing authentic has arrived at it for so long.
    ReleaseIfSilent(Duration),
    /// It stays; the log and the controller's own audit tell of it.
    Keep,
}

impl Default for SupervisionPolicy {
    fn default() -> Self {
        Self {
            heartbeat_answer: Duration::from_secs(10),
            heartbeat_misses: 3,
            hanging: Hanging::ReleaseIfSilent(Duration::from_secs(60)),
            controller_lost: Duration::from_secs(60),
            orphan_silence: Duration::from_secs(60),
            orphan_limit: Duration::from_secs(6 * 3_600),
            silence: BTreeMap::new(),
            adoption: Vec::new(),
        }
    }
}

impl SupervisionPolicy {
    //= tests/spec/iq.md#supervision
    //# A context MUST be adopted only within a trust domain that is configured, or by the operator.
    /// Whether a controller may take over contexts of another one.
    pub(crate) fn may_adopt(&self, controller: &Controller, from: &Controller) -> bool {
        let within = |domain: &String| [controller, from].iter().all(|one| is_within(one, domain));
        controller.may_touch(from) || self.adoption.iter().any(within)
    }
}

/// `spiffe://a.example` has `spiffe://a.example/x`, and not `spiffe://a.example.org/x`.
fn is_within(controller: &Controller, domain: &str) -> bool {
    let domain = domain.trim_end_matches('/');
    let rest = controller.0.strip_prefix(domain);
    !domain.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    //= tests/spec/iq.md#supervision
    //= type=test
    //# A context MUST be adopted only within a trust domain that is configured, or by the operator.
    #[test]
    fn a_trust_domain_ends_where_its_name_ends() {
        let adoption = vec!["spiffe://a.example".to_owned(), "spiffe://b.example/".to_owned()];
        let policy = SupervisionPolicy { adoption, ..SupervisionPolicy::default() };
        let may = |by: &str, from: &str| {
            policy.may_adopt(&Controller(by.to_owned()), &Controller(from.to_owned()))
        };
        assert!(may("spiffe://a.example/alg-2", "spiffe://a.example/alg-1"));
        assert!(may("spiffe://b.example/alg-2", "spiffe://b.example/alg-1"));
        assert!(may("alg-1", "alg-1"));
        assert!(may("local", "alg-1"));
        assert!(!may("spiffe://a.example/alg-2", "spiffe://b.example/alg-1"));
        assert!(!may("spiffe://a.example.org/alg-2", "spiffe://a.example/alg-1"));
        assert!(!may("alg-2", "alg-1"));
        assert!(!may("alg-1", "local"));
    }
}
