//! What UEs and the edge have told each other at registration, by controller.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use agw_context::Controller;
use agw_iq::alg::{AlgFailure, Registered, Registration};
use agw_sdp::mediasec::{Access, Agreed, CapabilityStore, MediaMechanism, Registering};
use agw_sdp::{AlgPolicy, SideOptions};

/// One registration under way to so many that are completed.
const UNFINISHED_SHARE: usize = 10;

/// The name of a UE, and whose it is.
type Name = (String, Controller);

/// Every UE; clones are the same UEs.
#[derive(Clone)]
pub(crate) struct Registrations(Arc<Mutex<CapabilityStore<Name>>>);

impl Registrations {
    /// At most `limit` UEs, besides those whose registration is under way.
    pub(crate) fn new(limit: usize) -> Self {
        Self(Arc::new(Mutex::new(CapabilityStore::new(limit, unfinished(limit)))))
    }

    /// Puts another limit in force; UEs beyond it stay until their registrations run out.
    pub(super) fn set_limit(&self, limit: usize) {
        self.lock().set_limits(limit, unfinished(limit));
    }

    /// With how many UEs something is agreed.
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Takes a REGISTER request.
    pub(super) fn register(
        &self,
        controller: &Controller,
        registration: &Registration,
        policy: &AlgPolicy,
    ) -> Result<Registering, AlgFailure> {
        let Registration { ue, headers, protected_signalling, mechanisms } = registration;
        //= tests/spec/sdp.md#signalling
        //# Keys MUST NOT be exchanged over unprotected signalling unless it is configured.
        let carries_keys = *protected_signalling || policy.allow_unprotected_signalling;
        let is_possible = |mechanism: &MediaMechanism| match mechanism {
            MediaMechanism::SdesSrtp => carries_keys,
            MediaMechanism::DtlsSrtp | MediaMechanism::MsrpTls => true,
        };
        let mechanisms: Vec<MediaMechanism> =
            mechanisms.iter().copied().filter(is_possible).collect();
        let access =
            Access { mechanisms: &mechanisms, protected_signalling: *protected_signalling };
        let name = (ue.clone(), controller.clone());
        Ok(self.lock().on_register(&name, headers, &access, Instant::now())?)
    }

    /// Takes the final response to a REGISTER request; tells what holds now.
    pub(super) fn registered(
        &self,
        controller: &Controller,
        ue: &str,
        registered: Registered,
    ) -> Option<Agreed> {
        let (now, name) = (Instant::now(), (ue.to_owned(), controller.clone()));
        let mut store = self.lock();
        match registered {
            Registered::For(time) => store.on_registered(&name, now + time, now),
            Registered::NotAnyMore => store.on_deregistered(&name),
            Registered::AsBefore => {}
        }
        store.agreed(&name, now).cloned()
    }

    /// What was agreed with a UE and holds. Who sees everything sees the UEs of others as well, if
    /// it has none of that name itself.
    pub(super) fn find(&self, controller: &Controller, ue: &str) -> Option<Agreed> {
        let (now, name) = (Instant::now(), (ue.to_owned(), controller.clone()));
        let store = self.lock();
        let own = store.agreed(&name, now);
        let others = || {
            let first = (ue.to_owned(), Controller(String::new()));
            let (name, agreed) = store.agreed_from(&first, now)?;
            (*controller == Controller::local() && name.0 == ue).then_some(agreed)
        };
        own.or_else(others).cloned()
    }

    //= tests/spec/sdp.md#adoption
    //# What was agreed with the UEs of a controller that is lost MUST be that of who adopts its
    //# orphans by its name.
    /// Moves all UEs of a controller to another one; what that one has agreed with a UE itself stays
    /// as it is.
    pub(super) fn adopt(&self, from: &Controller, to: &Controller) {
        let renamed = |(ue, owner): &Name| (owner == from).then(|| (ue.clone(), to.clone()));
        self.lock().rename(renamed);
    }

    /// The side of a UE in a call.
    pub(super) fn side(
        &self,
        controller: &Controller,
        ue: &str,
        realm: Option<String>,
        policy: &AlgPolicy,
    ) -> SideOptions {
        //= tests/spec/sdp.md#registration
        //# A UE that has not registered for it MUST NOT be offered protection to the edge, unless
        //# the offer says so.
        let name = (ue.to_owned(), controller.clone());
        self.lock().side(&name, realm, policy, Instant::now())
    }

    fn lock(&self) -> MutexGuard<'_, CapabilityStore<Name>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unfinished(limit: usize) -> usize {
    limit.div_ceil(UNFINISHED_SHARE)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use agw_sdp::Protection;
    use agw_sdp::mediasec::Header;

    use super::*;

    const SDES: &str = "sdes-srtp;mediasec";

    fn registration(ue: &str, protected_signalling: bool, fields: &[&str]) -> Registration {
        Registration {
            ue: ue.to_owned(),
            headers: fields.iter().map(|field| Header::new(field, SDES)).collect(),
            protected_signalling,
            mechanisms: vec![MediaMechanism::SdesSrtp],
        }
    }

    fn register(registrations: &Registrations, controller: &Controller, is_protected: bool) {
        let policy = AlgPolicy::default();
        for fields in [&["Security-Client"][..], &["Security-Client", "Security-Verify"]] {
            let registration = registration("ue", is_protected, fields);
            registrations.register(controller, &registration, &policy).expect("fields");
        }
        registrations.registered(controller, "ue", Registered::For(Duration::from_secs(600)));
    }

    //= tests/spec/sdp.md#registration
    //= type=test
    //# A UE that has not registered for it MUST NOT be offered protection to the edge, unless the
    //# offer says so.
    #[test]
    fn the_ue_of_one_controller_is_not_that_of_another() {
        let registrations = Registrations::new(10);
        let [one, other] = ["one", "other"].map(|name| Controller(name.to_owned()));
        register(&registrations, &one, true);
        let protection = |controller| {
            registrations.side(controller, "ue", None, &AlgPolicy::default()).protection
        };
        assert_eq!(protection(&one), Protection::Secured);
        assert_eq!(protection(&other), Protection::Plain);
        assert_eq!(registrations.len(), 1);
        registrations.registered(&other, "ue", Registered::NotAnyMore);
        assert!(registrations.find(&one, "ue").is_some());
        assert!(registrations.find(&other, "ue").is_none());
        assert!(registrations.find(&Controller::local(), "ue").is_some(), "it sees everything");
        assert!(registrations.find(&Controller::local(), "u").is_none());
        registrations.registered(&one, "ue", Registered::NotAnyMore);
        assert_eq!(protection(&one), Protection::Plain);
    }

    //= tests/spec/sdp.md#adoption
    //= type=test
    //# What was agreed with the UEs of a controller that is lost MUST be that of who adopts its
    //# orphans by its name.
    #[test]
    fn ues_go_to_another_controller_that_keeps_what_it_has_agreed_itself() {
        let registrations = Registrations::new(10);
        let [one, other, third] = ["one", "other", "third"].map(|name| Controller(name.to_owned()));
        register(&registrations, &one, true);
        let policy = AlgPolicy::default();
        let begun = registration("begun", true, &["Security-Client", "Security-Verify"]);
        registrations.register(&one, &begun, &policy).expect("fields");
        registrations.adopt(&one, &other);
        assert!(registrations.find(&one, "ue").is_none());
        let agreed = registrations.find(&other, "ue");
        assert!(agreed.is_some());
        let hour = Registered::For(Duration::from_secs(3_600));
        assert!(registrations.registered(&other, "begun", hour).is_some(), "it was under way");

        register(&registrations, &third, true);
        registrations.adopt(&third, &other);
        assert_eq!(registrations.find(&other, "ue"), agreed, "its own");
        assert_eq!((registrations.find(&third, "ue"), registrations.len()), (None, 2));
    }

    //= tests/spec/sdp.md#signalling
    //= type=test
    //# Keys MUST NOT be exchanged over unprotected signalling unless it is configured.
    #[test]
    fn a_ue_in_the_clear_is_not_told_of_keys_in_descriptions_unless_that_is_configured() {
        let registrations = Registrations::new(10);
        let controller = Controller::local();
        let mut policy = AlgPolicy::default();
        let asks = registration("ue", false, &["Security-Client"]);
        let told = |policy: &AlgPolicy| {
            let Ok(Registering::GoesOn { security_server }) =
                registrations.register(&controller, &asks, policy)
            else {
                panic!("it goes on");
            };
            security_server
        };
        assert!(told(&policy).is_empty());
        policy.allow_unprotected_signalling = true;
        assert_eq!(told(&policy), [SDES]);
        register(&registrations, &controller, false);
        assert!(registrations.find(&controller, "ue").is_none());
    }
}
