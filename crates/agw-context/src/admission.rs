//! Who may still come in: limits, what is kept for priority calls, shares of controllers.
//!
//! All of it is about new contexts, and about streams that terminations are given later. What exists
//! may else change, grow by terminations and end whatever the load is, and is bound only by what is
//! there.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::error::{CommandError, Resource};
use crate::gateway::Gateway;
use crate::id::Controller;
use crate::leg::Place;
use crate::realm::Realm;
use crate::transaction::Transaction;

/// The precedence of a call (TS 23.334 §8.2, Emergency Call Indicator and Priority information).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Priority {
    /// None: refused first when the gateway is loaded.
    #[default]
    Normal,
    /// A call of a priority service: admitted up to the hard limits.
    Priority,
    /// An emergency call: admitted up to the hard limits.
    Emergency,
}

impl Priority {
    /// Whether the call may use what is kept back from normal ones.
    #[must_use]
    pub const fn is_preferred(self) -> bool {
        match self {
            Self::Normal => false,
            Self::Priority | Self::Emergency => true,
        }
    }
}

/// Whether a realm has ports for new calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RealmRoom {
    /// For normal ones.
    pub for_normal: bool,
    /// For those of priority and emergency.
    pub for_any: bool,
}

/// What the operator grants new contexts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// What of contexts and of each realm's ports only priority and emergency calls get, in
    /// percent, 0 to 50.
    pub reserve_percent: u8,
    /// What one controller may hold of contexts and of each realm's ports, in percent, 1 to 100.
    pub share_percent: u8,
    /// The same for controllers by their names, in place of `share_percent`.
    pub shares: BTreeMap<String, u8>,
    /// The most media ports of a realm, by its name; without an entry, all it has.
    pub realm_ports: BTreeMap<String, usize>,
}

impl Default for Admission {
    /// A tenth is kept; one controller may have everything.
    fn default() -> Self {
        Self {
            reserve_percent: 10,
            share_percent: 100,
            shares: BTreeMap::new(),
            realm_ports: BTreeMap::new(),
        }
    }
}

impl Admission {
    /// How many of `all` normal calls may use.
    #[must_use]
    pub fn open_to_normal(&self, all: usize) -> usize {
        all - percent(all, self.reserve_percent)
    }

    /// How many of `all` one controller may hold.
    #[must_use]
    pub fn share(&self, controller: &Controller, all: usize) -> usize {
        let share = self.shares.get(&controller.0).copied().unwrap_or(self.share_percent);
        if share >= 100 { all } else { percent(all, share).max(1) }
    }

    /// The most port pairs of a realm that has so many.
    pub(crate) fn pairs(&self, realm: &str, pairs: usize) -> usize {
        self.realm_ports.get(realm).map_or(pairs, |&ports| pairs.min(ports / 2))
    }
}

fn percent(all: usize, percent: u8) -> usize {
    all.saturating_mul(usize::from(percent.min(100))) / 100
}

impl Gateway {
    /// Ports in use or at rest, of all there are, at the fullest address or in the fullest realm,
    /// 0 to 100.
    #[must_use]
    pub fn port_load(&self, now: Instant) -> u8 {
        let admission = &self.policy.admission;
        let most = |realm: &Realm| admission.pairs(&realm.config.name, realm.pairs());
        let loads = self.realms.iter().map(|realm| realm.load(most(realm), now));
        u8::try_from(loads.max().unwrap_or_default().min(100)).unwrap_or(100)
    }
}

impl Transaction<'_, '_> {
    //= tests/spec/iq.md#admission
    //# A normal call MUST be refused where only the reserve for priority calls is left.
    //= tests/spec/iq.md#admission
    //# A priority or emergency call MUST be admitted up to the hard limit.
    /// Whether there is room for one more context.
    pub(crate) fn admit_context(&self, priority: Priority) -> Result<(), CommandError> {
        let policy = &self.gateway.policy;
        let (most, pending) = (policy.max_contexts, self.pending_contexts());
        let contexts = self.gateway.contexts.len() + pending;
        let refuse = |what| Err(CommandError::Exhausted { what, realm: None });
        if contexts >= most {
            return refuse(Resource::Contexts);
        }
        if !priority.is_preferred() && contexts >= policy.admission.open_to_normal(most) {
            return refuse(Resource::Contexts);
        }
        let controller = self.around.controller;
        let own = self.gateway.usage.contexts(controller) + pending;
        if !priority.is_preferred() && own >= policy.admission.share(controller, most) {
            return refuse(Resource::ControllerContexts);
        }
        Ok(())
    }

    //= tests/spec/iq.md#admission
    //# A stream that is added to a termination MUST be held to the limits for new calls.
    /// Whether a new context, or a termination that is given another stream, may have another pair
    /// of ports; for a termination that joins a context there is one if there is any.
    pub(crate) fn admit_pair(&self, place: &Place) -> Result<(), CommandError> {
        let Some((priority, controller)) = self.who_is_held(place) else {
            return Ok(());
        };
        let Some(realm) = self.gateway.realms.get(place.realm) else {
            return Ok(());
        };
        let admission = &self.gateway.policy.admission;
        let name = &realm.config.name;
        let refuse = |what| Err(CommandError::Exhausted { what, realm: Some(name.clone()) });
        let most = admission.pairs(name, realm.pairs());
        let most = if priority.is_preferred() { most } else { admission.open_to_normal(most) };
        if realm.pairs_used() >= most {
            return refuse(Resource::Ports);
        }
        let pool = realm.pool_pairs(place.address);
        let kept = pool - admission.open_to_normal(pool);
        let available = realm.pairs_available(place.address, self.around.now);
        if !priority.is_preferred() && available <= kept {
            return refuse(Resource::Ports);
        }
        let own = self.gateway.usage.pairs(controller, place.realm) + self.pending_pairs(place);
        let share = admission.share(controller, admission.pairs(name, realm.pairs()));
        if !priority.is_preferred() && own >= share {
            return refuse(Resource::ControllerPorts);
        }
        Ok(())
    }

    /// The priority of the call that a pair is for and whose it is; `None` if it is not held to
    /// limits.
    fn who_is_held(&self, place: &Place) -> Option<(Priority, &Controller)> {
        let context = self.context_now(place.context)?;
        let is_new = !self.gateway.contexts.contains_key(&place.context);
        // One that joins is there when all its streams are.
        let grows = context.terminations.contains_key(place.termination);
        (is_new || grows).then(|| (context.priority, context.controller.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_is_rounded_down_and_a_share_is_never_nothing() {
        let mut admission = Admission { share_percent: 30, ..Admission::default() };
        admission.shares.insert("uri:sip:pcscf-1.example".to_owned(), 50);
        assert_eq!([2, 9, 10, 10_000].map(|all| admission.open_to_normal(all)), [2, 9, 9, 9_000]);
        let named = Controller("uri:sip:pcscf-1.example".to_owned());
        let other = Controller("uri:sip:pcscf-2.example".to_owned());
        assert_eq!([1, 100].map(|all| admission.share(&named, all)), [1, 50]);
        assert_eq!([1, 100].map(|all| admission.share(&other, all)), [1, 30]);
    }
}
