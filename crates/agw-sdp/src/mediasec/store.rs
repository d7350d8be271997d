//! What UEs and the edge have told each other, for as long as a UE is registered.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::mediasec::dated::Dated;
use crate::mediasec::headers::{Header, mechanisms};
use crate::mediasec::mechanism::{MechanismError, MediaMechanism, Room, SecurityMechanism};
use crate::options::{AlgPolicy, OfferedSrtp, Protection, SideOptions};

/// How long a registration may take from one REGISTER request to the next, and to its 200: what a
/// registrar waits for a UE's answer to its challenge (TS 24.229, timer `reg-await-auth`).
const UNFINISHED: Duration = Duration::from_secs(4 * 60);

/// The access over which a UE registers: its policy may differ by access (TS 33.328 §7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access<'a> {
    /// What the edge supports there.
    pub mechanisms: &'a [MediaMechanism],
    /// Whether IPsec, TLS or the place protect signalling there, once the UE has registered.
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

/// What was agreed with a UE that is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    /// What both sides have told each other.
    pub mechanisms: BTreeSet<MediaMechanism>,
    /// Whether its signalling is protected.
    pub protected_signalling: bool,
    /// When its registration runs out.
    pub until: Instant,
}

/// A registration under way.
#[derive(Debug, Clone, Default)]
struct UnderWay {
    /// What the UE asked for and the edge supports.
    asked: BTreeSet<MediaMechanism>,
    /// Whether the UE has told what it was told.
    verified: bool,
    protected_signalling: bool,
}

#[derive(Debug)]
struct Registered {
    agreed: Agreed,
    /// It registers anew: what a stranger's flood takes from strangers is not taken from it.
    anew: Option<UnderWay>,
}

/// What UEs and the edge have told each other, by a name that the caller chooses: the address of
/// record with the contact or instance, and what else tells senders apart.
///
/// It is bounded, whoever sends: registrations that are not completed take the room of the oldest
/// of them and last four minutes; those that are completed last as the registrar said.
#[derive(Debug)]
pub struct CapabilityStore<N> {
    registered: Dated<N, Registered>,
    under_way: Dated<N, UnderWay>,
    limit: usize,
    unfinished: usize,
}

impl<N: Ord + Clone> CapabilityStore<N> {
    /// An empty store for at most `limit` UEs, besides at most `unfinished` of which nobody knows
    /// yet whether they may register; others are served as if they had not asked.
    #[must_use]
    pub const fn new(limit: usize, unfinished: usize) -> Self {
        Self { registered: Dated::new(), under_way: Dated::new(), limit, unfinished }
    }

    /// Puts other limits in force; those beyond them stay until they run out.
    pub fn set_limits(&mut self, limit: usize, unfinished: usize) {
        (self.limit, self.unfinished) = (limit, unfinished);
    }

    /// With how many UEs something was agreed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.registered.len()
    }

    /// Whether nothing was agreed with any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.registered.len() == 0
    }

    /// How many registrations are under way of UEs with which nothing was agreed before.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.under_way.len()
    }

    /// Takes a REGISTER request. It replaces what is under way for the same UE.
    ///
    /// # Errors
    /// [`MechanismError`] if its fields cannot be read: answer it with 400.
    pub fn on_register(
        &mut self,
        ue: &N,
        headers: &[Header],
        access: &Access<'_>,
        now: Instant,
    ) -> Result<Registering, MechanismError> {
        self.expire(now);
        let mut room = Room::of_message();
        let mut media = |name| -> Result<Vec<SecurityMechanism>, MechanismError> {
            let all = mechanisms(headers, name, &mut room)?.into_iter();
            Ok(all.filter(SecurityMechanism::is_media).collect())
        };
        let (client, verify) = (media("Security-Client")?, media("Security-Verify")?);
        let is_known = self.registered.find(ue).is_some();
        if client.is_empty() && verify.is_empty() {
            // It does not take part (any more): what was agreed ends with this registration.
            self.goes_on(ue, UnderWay::default(), now);
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
        if !is_known && self.registered.len() >= self.limit {
            return Ok(Registering::GoesOn { security_server: Vec::new() });
        }
        let asked = if client.is_empty() {
            // After 494 a UE verifies and does not list again (draft-dawes §6.1).
            self.asked_before(ue)
        } else {
            client.iter().filter_map(SecurityMechanism::as_media).collect()
        };
        let both = asked.into_iter().filter(|one| access.mechanisms.contains(one));
        let under_way = UnderWay {
            asked: both.collect(),
            verified: !verify.is_empty(),
            protected_signalling: access.protected_signalling,
        };
        self.goes_on(ue, under_way, now);
        Ok(Registering::GoesOn { security_server })
    }

    /// The registration was accepted, until then. Told twice it counts once.
    pub fn on_registered(&mut self, ue: &N, until: Instant, now: Instant) {
        self.expire(now);
        let before = self.registered.remove(ue);
        let under_way = match before {
            Some(Registered { agreed, anew: None }) => {
                let registered = Registered { agreed: Agreed { until, ..agreed }, anew: None };
                return self.registered.insert(ue.clone(), registered, until);
            }
            Some(Registered { agreed: _, anew: Some(anew) }) => Some(anew),
            None => self.under_way.remove(ue).filter(|_| self.registered.len() < self.limit),
        };
        //= tests/spec/sdp.md#registration
        //# Only what both sides have told each other MUST be used.
        let Some(UnderWay { asked: mechanisms, verified: true, protected_signalling }) = under_way
        else {
            return;
        };
        if !mechanisms.is_empty() {
            let agreed = Agreed { mechanisms, protected_signalling, until };
            self.registered.insert(ue.clone(), Registered { agreed, anew: None }, until);
        }
    }

    /// The UE is not registered any more.
    pub fn on_deregistered(&mut self, ue: &N) {
        self.registered.remove(ue);
        self.under_way.remove(ue);
    }

    /// Gives other names to UEs, those whose registration is under way included, as when somebody
    /// else serves them from now on. A UE that has the name already keeps what is agreed with it,
    /// and the other one is forgotten.
    pub fn rename(&mut self, renamed: impl Fn(&N) -> Option<N>) {
        self.registered.rename(&renamed);
        self.under_way.rename(&renamed);
    }

    /// Forgets registrations that have run out, and those that nobody has completed in time.
    /// Requests do so by themselves.
    pub fn expire(&mut self, now: Instant) {
        self.registered.expire(now);
        self.under_way.expire(now);
    }

    /// What was agreed with a UE and holds.
    #[must_use]
    pub fn agreed(&self, ue: &N, now: Instant) -> Option<&Agreed> {
        let registered = self.registered.find(ue)?;
        Some(&registered.agreed).filter(|agreed| agreed.until > now)
    }

    /// The first UE from a name on with which something was agreed that holds: for who knows only
    /// how a name begins.
    #[must_use]
    pub fn agreed_from(&self, name: &N, now: Instant) -> Option<(&N, &Agreed)> {
        let mut registered = self.registered.from(name).map(|(name, one)| (name, &one.agreed));
        registered.find(|(_, agreed)| agreed.until > now)
    }

    /// Whether a mechanism was agreed with a UE and holds.
    #[must_use]
    pub fn allows(&self, ue: &N, mechanism: MediaMechanism, now: Instant) -> bool {
        self.agreed(ue, now).is_some_and(|agreed| agreed.mechanisms.contains(&mechanism))
    }

    /// The side of a UE in a call: protected to the edge if that was agreed and signalling may
    /// carry keys, else plain, with SRTP passing end to end.
    #[must_use]
    pub fn side(
        &self,
        ue: &N,
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

    /// What a UE asked for with its last list.
    fn asked_before(&self, ue: &N) -> BTreeSet<MediaMechanism> {
        match (self.registered.find(ue), self.under_way.find(ue)) {
            (Some(Registered { anew: Some(under_way), .. }), _) | (None, Some(under_way)) => {
                under_way.asked.clone()
            }
            (Some(Registered { agreed, anew: None }), _) => agreed.mechanisms.clone(),
            (None, None) => BTreeSet::new(),
        }
    }

    fn goes_on(&mut self, ue: &N, under_way: UnderWay, now: Instant) {
        if let Some(registered) = self.registered.find_mut(ue) {
            registered.anew = Some(under_way);
            return;
        }
        self.under_way.remove(ue);
        //= tests/spec/sdp.md#registration
        //# Registrations that are not completed MUST NOT take unbounded memory.
        if under_way.asked.is_empty() || self.unfinished == 0 {
            return;
        }
        while self.under_way.len() >= self.unfinished {
            self.under_way.pop_first();
        }
        self.under_way.insert(ue.clone(), under_way, now + UNFINISHED);
    }
}
