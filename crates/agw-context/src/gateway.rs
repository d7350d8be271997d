//! The gateway: realms, contexts and what controllers may do to them.

mod capabilities;
mod legs;
mod reports;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Bound;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use agw_relay::{Half, IngressId, Report};
use agw_srtp::KeyEvent;
use zeroize::Zeroizing;

use crate::activation::Activations;
use crate::admission::RealmRoom;
use crate::audit::{ContextName, ContextView};
use crate::blocked::Blocked;
use crate::command::{Command, Direction, Expecting};
use crate::error::{CommandError, Refused};
use crate::event::{Event, EventKind};
use crate::fingerprint::{Fingerprinter, KeyRegistry};
use crate::group::Churn;
use crate::id::{ContextId, Controller, GroupId, StreamId, TerminationId};
use crate::log::{EventLog, EventsGone};
use crate::model::Context;
use crate::numbers::Numbers;
use crate::policy::Policy;
use crate::realm::{Realm, RealmConfig};
use crate::reply::Reply;
use crate::service::ServiceState;
use crate::setup::{SetupError, check_realms};
use crate::supervision::Supervisor;
use crate::transaction::{Circumstances, Transaction, Work};
use crate::usage::Usage;

/// The control side of a media gateway: every context, and the only way to change one.
pub struct Gateway {
    pub(crate) policy: Policy,
    pub(crate) realms: Vec<Realm>,
    /// The addresses of this host, in realms or not.
    pub(crate) local: Vec<IpAddr>,
    /// Boxed: contexts come in order of their numbers, which leaves nodes half empty.
    pub(crate) contexts: BTreeMap<ContextId, Box<Context>>,
    /// Who owns contexts, each once.
    pub(crate) controllers: BTreeSet<Arc<Controller>>,
    pub(crate) keys: KeyRegistry,
    pub(crate) activations: Activations,
    pub(crate) blocked: Blocked,
    /// What the packet path calls the next staged key.
    next_staged: u32,
    pub(crate) fingerprinter: Fingerprinter,
    pub(crate) legs: Numbers,
    /// By number of the leg, which are dense.
    leg_owners: Vec<Option<(ContextId, TerminationId, StreamId)>>,
    pub(crate) events: EventLog,
    pub(crate) churn: Churn,
    pub(crate) supervisor: Supervisor,
    pub(crate) service: ServiceState,
    pub(crate) usage: Usage,
    restart_epoch: u64,
    next_context: u32,
}

/// What a transaction did.
#[derive(Debug)]
pub struct Outcome {
    /// One reply for each command.
    pub replies: Vec<Reply>,
    /// For each reply the generation that its context is at now; 0 if the context has ended.
    pub generations: Vec<u64>,
    /// What the packet path must do before the replies are true.
    pub work: Vec<Work>,
}

impl Gateway {
    /// A gateway without contexts; the first realm is the default one.
    ///
    /// `secret` keys the fingerprints by which keys are known again; `restart_epoch` must be new
    /// at every start; `first_context` is the number from which contexts are counted.
    ///
    /// # Errors
    /// [`SetupError`] if the realms do not fit together.
    pub fn new(
        policy: Policy,
        realms: Vec<RealmConfig>,
        secret: Zeroizing<[u8; 64]>,
        restart_epoch: u64,
        first_context: u32,
    ) -> Result<Self, SetupError> {
        check_realms(&realms)?;
        let rest = policy.port_rest;
        Ok(Self {
            realms: realms.into_iter().map(|realm| Realm::new(realm, rest)).collect(),
            local: Vec::new(),
            contexts: BTreeMap::new(),
            controllers: BTreeSet::new(),
            keys: KeyRegistry::default(),
            activations: Activations::default(),
            blocked: Blocked::default(),
            next_staged: 0,
            fingerprinter: Fingerprinter::new(secret),
            legs: Numbers::new(rest),
            leg_owners: Vec::new(),
            events: EventLog::new(policy.event_capacity),
            churn: Churn::default(),
            supervisor: Supervisor::default(),
            service: ServiceState::InService,
            usage: Usage::default(),
            restart_epoch,
            next_context: first_context,
            policy,
        })
    }

    /// Carries out a transaction: every command, or none.
    ///
    /// When it returns, control's picture has changed; it is true for media once the work has
    /// been done, and only then may the controller be told.
    ///
    /// # Errors
    /// [`Refused`] names the command, the field and the rule; nothing has changed then, and keys
    /// that came with the commands are wiped.
    pub fn transact(
        &mut self,
        commands: Vec<Command>,
        around: &mut Circumstances<'_>,
    ) -> Result<Outcome, Refused> {
        let mut transaction = Transaction::new(self, around);
        let mut replies = Vec::with_capacity(commands.len());
        for (position, command) in commands.into_iter().enumerate() {
            let context = command.named_context();
            match transaction.carry_out(command) {
                Ok(reply) => replies.push(reply),
                Err(error) => {
                    transaction.refuse();
                    self.note_refusal(context, &error, around.now, around.at);
                    return Err(Refused { command: position, error });
                }
            }
        }
        let work = transaction.commit();
        let generation = |reply: &Reply| {
            self.contexts.get(&reply.context()).map_or(0, |context| context.generation)
        };
        let generations = replies.iter().map(generation).collect();
        Ok(Outcome { replies, generations, work })
    }

    /// The events after number `after`, at most `limit`, oldest first.
    ///
    /// # Errors
    /// [`EventsGone`] if some of them have left the log: the controller must audit.
    pub fn events_after(&self, after: u64, limit: usize) -> Result<Vec<Event>, EventsGone> {
        self.events.after(after, limit)
    }

    /// The number of the newest event, 0 before the first.
    #[must_use]
    pub const fn newest_event(&self) -> u64 {
        self.events.newest()
    }

    /// One context, if it exists and the controller may see it.
    #[must_use]
    pub fn context(&self, controller: &Controller, id: ContextId) -> Option<ContextView> {
        let context = self.contexts.get(&id)?;
        let visible = controller.may_touch(&context.controller);
        visible.then(|| self.view(id, context))
    }

    /// The contexts after one that the controller may see, by number, at most `limit`.
    #[must_use]
    pub fn contexts(
        &self,
        controller: &Controller,
        after: Option<ContextId>,
        limit: usize,
    ) -> Vec<ContextView> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.contexts
            .range((from, Bound::Unbounded))
            .filter(|(_, context)| controller.may_touch(&context.controller))
            .take(limit)
            .map(|(&id, context)| self.view(id, context))
            .collect()
    }

    fn view(&self, id: ContextId, context: &Context) -> ContextView {
        let orphaned = self.supervisor.orphan(id).map(|orphan| orphan.at);
        context.view(id, orphaned, |realm| self.realm_name(realm))
    }

    /// Contexts now.
    #[must_use]
    pub fn context_count(&self) -> usize {
        self.contexts.len()
    }

    /// Takes note of which addresses can be used now: for each realm in order, for each of its
    /// addresses in order. Calls that there are stay as they are.
    //= tests/spec/iq.md#realms
    //# A realm that becomes available or unavailable MUST be told as an event.
    pub fn handle_availability(&mut self, up: &[Vec<bool>], at: SystemTime) {
        let mut keys = Vec::new();
        for (realm, up) in self.realms.iter_mut().zip(up) {
            if !realm.observe(up) {
                continue;
            }
            let name = realm.config.name.clone();
            keys.push(format!("realm.{name}"));
            let kind = if realm.is_available() {
                EventKind::RealmUp { realm: name }
            } else {
                EventKind::RealmDown { realm: name }
            };
            self.events.push(at, None, kind);
        }
        if !keys.is_empty() {
            let keys = keys.join(",").into();
            self.events.push(at, None, EventKind::CapabilitiesChanged { keys });
        }
    }

    /// Takes note of all addresses of this host: off the loopback none of them is a peer's. Calls
    /// that there are stay as they are.
    pub fn handle_local_addresses(&mut self, local: Vec<IpAddr>) {
        self.local = local;
    }

    /// The position of the realm of reservations that name none.
    pub(crate) fn default_realm(&self) -> usize {
        self.realms.iter().position(|realm| realm.config.is_default).unwrap_or_default()
    }

    /// How full the gateway is, 0 to 100: contexts of the most there may be.
    #[must_use]
    pub fn overload(&self) -> u8 {
        let percent = self.contexts.len() * 100 / self.policy.max_contexts.max(1);
        u8::try_from(percent.min(100)).unwrap_or(100)
    }

    /// Whether the gateway takes no new contexts.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.service != ServiceState::InService
    }

    /// The limits and permissions in force.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Puts other limits and permissions in force, for whatever is asked from now on; what exists
    /// stays. Listeners, the room for events and the rest of ports stay as they were.
    pub fn set_policy(&mut self, policy: Policy, now: Instant) {
        let Policy { listeners, event_capacity, port_rest, .. } = self.policy.clone();
        self.policy = Policy { listeners, event_capacity, port_rest, ..policy };
        self.listen_anew(now);
    }

    /// Whether each realm has ports for new normal calls, and for any, by those in use, in the
    /// order of configuration.
    pub fn realm_rooms(&self) -> impl Iterator<Item = RealmRoom> {
        let admission = &self.policy.admission;
        self.realms.iter().map(|realm| {
            let most = admission.pairs(&realm.config.name, realm.pairs());
            let used = realm.pairs_used();
            RealmRoom { for_normal: used < admission.open_to_normal(most), for_any: used < most }
        })
    }

    /// The names of the contexts after one that the controller may see, by number, at most `limit`,
    /// with when they were created.
    #[must_use]
    pub fn names(
        &self,
        controller: &Controller,
        after: Option<ContextId>,
        limit: usize,
    ) -> Vec<ContextName> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.contexts
            .range((from, Bound::Unbounded))
            .filter(|(_, context)| controller.may_touch(&context.controller))
            .take(limit)
            .map(|(&id, context)| ContextName {
                id,
                correlation: context.correlation.clone(),
                created: context.created,
            })
            .collect()
    }

    /// A controller as contexts name their owner; owners without contexts are forgotten.
    pub(crate) fn owner(&mut self, controller: &Controller) -> Arc<Controller> {
        if let Some(owner) = self.controllers.get(controller) {
            return Arc::clone(owner);
        }
        self.controllers.retain(|owner| Arc::strong_count(owner) > 1);
        let owner = Arc::new(controller.clone());
        self.controllers.insert(Arc::clone(&owner));
        owner
    }

    pub(crate) fn realm_name(&self, realm: usize) -> String {
        self.realms.get(realm).map(|realm| realm.config.name.clone()).unwrap_or_default()
    }

    /// The next context number that is free: 0 and the two highest mean null, any and all.
    pub(crate) fn next_context_id(&mut self) -> ContextId {
        loop {
            let id = ContextId(self.next_context);
            self.next_context = self.next_context.wrapping_add(1);
            if (1..=u32::MAX - 2).contains(&id.0) && !self.contexts.contains_key(&id) {
                return id;
            }
        }
    }

    /// What a realm's address is bound to, and what peers are told.
    pub(crate) fn addresses(
        &self,
        realm: usize,
        address: usize,
    ) -> Result<(IpAddr, IpAddr), CommandError> {
        let configured = self.realms.get(realm).and_then(|r| r.config.addresses.get(address));
        let unknown = || CommandError::UnknownRealm(self.realm_name(realm));
        configured.map(|address| (address.bind, address.outside())).ok_or_else(unknown)
    }

    /// What the packet path calls a key that is staged next.
    pub(crate) fn next_staged(&mut self) -> u32 {
        self.next_staged = self.next_staged.wrapping_add(1) & (u32::MAX >> 1);
        self.next_staged
    }

    pub(crate) fn owner_of_leg(&self, leg: u32) -> Option<(ContextId, TerminationId, StreamId)> {
        *self.leg_owners.get(leg as usize)?
    }
}

impl Transaction<'_, '_> {
    fn carry_out(&mut self, command: Command) -> Result<Reply, CommandError> {
        match command {
            Command::Reserve(reserve) => self.reserve(reserve),
            Command::Configure(configure) => self.configure(configure),
            Command::ChangeThroughConnection(change) => self.change_through_connection(change),
            Command::SetTopology(topology) => self.set_topology(topology),
            Command::Release(release) => self.release(release),
            Command::StageKey(stage) => self.stage_key(stage),
            Command::ActivateKey(activate) => self.activate_key(activate),
            Command::CancelKey(cancel) => self.cancel_key(cancel),
            Command::GroupKey(command) => self.group_key(command),
            Command::SetGroup(set) => self.set_group(*set),
            Command::RemoveGroup(remove) => self.remove_group(remove),
            Command::Expecting(expecting) => {
                let Expecting { generation, command } = *expecting;
                self.check_generation(command.named_context(), generation)?;
                self.carry_out(command)
            }
        }
    }
}
