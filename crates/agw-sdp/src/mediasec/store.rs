//! What UEs and the edge have told each other, for as long as a UE is registered.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::mediasec::headers::{Header, mechanisms};
use crate::mediasec::mechanism::{MechanismError, MediaMechanism, SecurityMechanism};
use crate::options::{AlgPolicy, OfferedSrtp, Protection, SideOptions};

/// The access over which a UE registers: its policy may differ by access (TS 33.328 §7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access<'a> {
    /// What the edge supports there.
    pub mechanisms: &'a [MediaMechanism],
    /// Whether IPsec, TLS or the place protect signalling there.
    pub protected_signalling: bool,
}

/// What becomes of a REGISTER request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registering {
    /// It goes on, without what [`super::strip_mediasec`] takes away. Its 401 response gets these
    /// as `Security-Server`, one field each; none for a UE that did not ask.
    GoesOn {
        /// The values.
        security_server: Vec<String>,
    },
    /// It is answered with 494 and these as `Security-Server`: what the UE says it was told is
    /// not what it was told, so that somebody between changed it (RFC 3329 §2.3.1).
    Disagrees {
        /// The values.
        security_server: Vec<String>,
    },
}

/// One UE.
#[derive(Debug, Clone, Default)]
struct Entry {
    /// Of the registration under way.
    asked: BTreeSet<MediaMechanism>,
    /// Whether the UE has told what it was told.
    verified: bool,
    /// What holds, and until when.
    agreed: Option<Agreed>,
}

#[derive(Debug, Clone)]
struct Agreed {
    mechanisms: BTreeSet<MediaMechanism>,
    protected_signalling: bool,
    until: Instant,
}

/// What UEs and the edge have told each other, by a name that the caller chooses: the address of
/// record with the contact or instance.
#[derive(Debug)]
pub struct CapabilityStore {
    entries: BTreeMap<String, Entry>,
    limit: usize,
}

impl CapabilityStore {
    /// An empty store for at most `limit` UEs; others are served as if they had not asked.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { entries: BTreeMap::new(), limit }
    }

    /// How many UEs it knows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it knows none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes a REGISTER request.
    ///
    /// # Errors
    /// [`MechanismError`] if its fields cannot be read: answer it with 400.
    pub fn on_register(
        &mut self,
        ue: &str,
        headers: &[Header],
        access: &Access<'_>,
    ) -> Result<Registering, MechanismError> {
        let media = |name| -> Result<Vec<SecurityMechanism>, MechanismError> {
            Ok(mechanisms(headers, name)?.into_iter().filter(SecurityMechanism::is_media).collect())
        };
        let (client, verify) = (media("Security-Client")?, media("Security-Verify")?);
        if client.is_empty() && verify.is_empty() {
            // It does not take part (any more): what was agreed ends with this registration.
            if let Some(entry) = self.entries.get_mut(ue) {
                (entry.asked, entry.verified) = (BTreeSet::new(), false);
            }
            return Ok(Registering::GoesOn { security_server: Vec::new() });
        }
        let told = access.mechanisms.iter().copied().map(SecurityMechanism::media);
        let told: Vec<SecurityMechanism> = told.collect();
        let security_server: Vec<String> = told.iter().map(ToString::to_string).collect();
        //= tests/spec/sdp.md#registration
        //# A Security-Verify that is not what the edge told MUST be answered with 494.
        let same = verify.len() == told.len() && told.iter().all(|one| verify.contains(one));
        if !verify.is_empty() && !same {
            return Ok(Registering::Disagrees { security_server });
        }
        if self.entries.contains_key(ue) || self.entries.len() < self.limit {
            let entry = self.entries.entry(ue.to_owned()).or_default();
            // After 494 a UE verifies and does not list again (draft-dawes §6.1).
            if !client.is_empty() {
                entry.asked = client.iter().filter_map(SecurityMechanism::as_media).collect();
            }
            entry.verified = !verify.is_empty();
        }
        Ok(Registering::GoesOn { security_server })
    }

    /// The registration was accepted, until then.
    pub fn on_registered(&mut self, ue: &str, access: &Access<'_>, until: Instant) {
        let Some(entry) = self.entries.get_mut(ue) else { return };
        //= tests/spec/sdp.md#registration
        //# Only what both sides have told each other MUST be used.
        let both = entry.asked.iter().copied().filter(|one| access.mechanisms.contains(one));
        let mechanisms: BTreeSet<MediaMechanism> = both.filter(|_| entry.verified).collect();
        if mechanisms.is_empty() {
            self.entries.remove(ue);
            return;
        }
        let protected_signalling = access.protected_signalling;
        entry.agreed = Some(Agreed { mechanisms, protected_signalling, until });
    }

    /// The UE is registered no more.
    pub fn on_deregistered(&mut self, ue: &str) {
        self.entries.remove(ue);
    }

    /// Forgets whose registration has run out; call it now and then.
    pub fn expire(&mut self, now: Instant) {
        self.entries.retain(|_, entry| entry.agreed.as_ref().is_none_or(|one| one.until > now));
    }

    /// Whether a mechanism was agreed with a UE and holds.
    #[must_use]
    pub fn allows(&self, ue: &str, mechanism: MediaMechanism, now: Instant) -> bool {
        self.agreed(ue, now).is_some_and(|agreed| agreed.mechanisms.contains(&mechanism))
    }

    /// The side of a UE in a call: protected to the edge if that was agreed and signalling may
    /// carry keys, else plain, with SRTP passing end to end.
    #[must_use]
    pub fn side(
        &self,
        ue: &str,
        realm: Option<String>,
        policy: &AlgPolicy,
        now: Instant,
    ) -> SideOptions {
        let agreed = self.agreed(ue, now);
        let protected = agreed.is_some_and(|agreed| agreed.protected_signalling);
        let mut side = SideOptions::access(realm);
        side.protected_signalling = protected;
        let carries_keys = protected || policy.allow_unprotected_signalling;
        //= tests/spec/sdp.md#signalling
        //# Keys MUST NOT be exchanged over unprotected signalling unless it is configured.
        if !(carries_keys && self.allows(ue, MediaMechanism::SdesSrtp, now)) {
            side.offered_srtp = OfferedSrtp::PassOn;
            side.protection = Protection::Plain;
            side.indicates_e2ae = false;
        }
        side
    }

    fn agreed(&self, ue: &str, now: Instant) -> Option<&Agreed> {
        self.entries.get(ue)?.agreed.as_ref().filter(|agreed| agreed.until > now)
    }
}
