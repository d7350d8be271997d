//! A transaction under way: all of it becomes true, or none.
//!
//! Contexts are changed in copies. Ports, numbers and keys that are taken on the way are written
//! down, so that a refusal gives them back; keys themselves move into the commands for the packet
//! path and are wiped with them.

mod before;
mod difference;
mod registry;
mod step;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use agw_relay::{Command as Step, PortId};

use crate::admission::Priority;
use crate::error::CommandError;
use crate::event::{EventKind, Subject};
use crate::few::Few;
use crate::fingerprint::KeyChanges;
use crate::gateway::Gateway;
use crate::id::{ContextId, Controller};
use crate::leg::Place;
use crate::model::Context;
use crate::ports::Ports;
use crate::service::ServiceState;
use crate::topology::Topology;

/// What surrounds a transaction: who asks, and what the sans-IO line keeps out.
pub struct Circumstances<'a> {
    /// Who asks.
    pub controller: &'a Controller,
    /// Where ports come from.
    pub ports: &'a mut dyn Ports,
    /// A uniformly random number below its argument.
    pub random: &'a mut dyn FnMut(u32) -> u32,
    /// The monotonic time.
    pub now: Instant,
    /// The wall clock, for audit and events.
    pub at: SystemTime,
}

/// Everything that a transaction has changed so far.
pub(crate) struct Transaction<'a, 'c> {
    pub(crate) gateway: &'a mut Gateway,
    pub(crate) around: &'a mut Circumstances<'c>,
    /// The context that this transaction created last.
    pub(crate) latest: Option<ContextId>,
    changed: BTreeMap<ContextId, Option<Box<Context>>>,
    opened: Vec<PortId>,
    taken: Vec<Taken>,
    /// Own ports that are signalled as peers'.
    own_peers: Vec<(ContextId, SocketAddr)>,
    legs: Vec<u32>,
    keys: KeyChanges,
    crypto: Vec<(ContextId, Step)>,
}

struct Taken {
    realm: usize,
    address: usize,
    pair: u16,
}

/// What the packet path must do for a context, all between two batches.
#[derive(Debug)]
pub struct Work {
    /// The context; everything of one context belongs to the same worker.
    pub context: ContextId,
    /// Whether the transaction created it.
    pub is_new: bool,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// Ports to close after the steps.
    pub closed: Vec<PortId>,
}

impl<'a, 'c> Transaction<'a, 'c> {
    pub(crate) fn new(gateway: &'a mut Gateway, around: &'a mut Circumstances<'c>) -> Self {
        Self {
            gateway,
            around,
            latest: None,
            changed: BTreeMap::new(),
            opened: Vec::new(),
            taken: Vec::new(),
            own_peers: Vec::new(),
            legs: Vec::new(),
            keys: KeyChanges::default(),
            crypto: Vec::new(),
        }
    }

    /// A context as it is within this transaction, if the controller may touch it.
    pub(crate) fn context(&mut self, id: ContextId) -> Result<&mut Context, CommandError> {
        let unknown = CommandError::UnknownContext(id);
        if let std::collections::btree_map::Entry::Vacant(entry) = self.changed.entry(id) {
            let Some(context) = self.gateway.contexts.get(&id) else {
                return Err(unknown);
            };
            if !self.around.controller.may_touch(&context.controller) {
                return Err(unknown);
            }
            entry.insert(Some(context.clone()));
        }
        self.changed.get_mut(&id).and_then(Option::as_deref_mut).ok_or(unknown)
    }

    /// Adds an empty context.
    pub(crate) fn add_context(
        &mut self,
        correlation: Option<String>,
        priority: Priority,
    ) -> Result<ContextId, CommandError> {
        match self.gateway.service {
            ServiceState::InService => self.admit_context(priority)?,
            ServiceState::Draining => return Err(CommandError::Draining),
            ServiceState::Locked => return Err(CommandError::Locked),
        }
        let id = self.gateway.next_context_id();
        let context = Context {
            correlation: correlation.map(Arc::from),
            controller: self.gateway.owner(self.around.controller),
            created: self.around.at,
            generation: 0,
            next_termination: 1,
            priority,
            ingress_keys: 0,
            topology: Topology::default(),
            terminations: Few::default(),
            groups: None,
        };
        self.changed.insert(id, Some(Box::new(context)));
        self.latest = Some(id);
        Ok(id)
    }

    /// Contexts that this transaction has made so far.
    pub(crate) fn pending_contexts(&self) -> usize {
        let is_new = |(id, context): &(&ContextId, &Option<_>)| {
            context.is_some() && !self.gateway.contexts.contains_key(id)
        };
        self.changed.iter().filter(is_new).count()
    }

    /// Port pairs that this transaction has taken so far, in the realm of a place.
    pub(crate) fn pending_pairs(&self, place: &Place) -> usize {
        self.taken.iter().filter(|taken| taken.realm == place.realm).count()
    }

    /// A context as this transaction has changed it so far.
    pub(crate) fn changed_context(&self, id: ContextId) -> Option<&Context> {
        self.changed.get(&id)?.as_deref()
    }

    /// Ends a context.
    pub(crate) fn end_context(&mut self, id: ContextId) {
        self.changed.insert(id, None);
    }

    /// Gives a change of keys to the packet path.
    pub(crate) fn push_crypto(&mut self, context: ContextId, step: Step) {
        self.crypto.push((context, step));
    }

    pub(crate) fn note_leg(&mut self, leg: u32) {
        self.legs.push(leg);
    }

    /// Gives back a leg's number at once, if this transaction took it.
    pub(crate) fn undo_leg(&mut self, leg: u32) {
        if self.legs.contains(&leg) {
            self.legs.retain(|&taken| taken != leg);
            self.gateway.forget_leg(leg, self.around.now);
        }
    }

    pub(crate) fn note_opened(&mut self, port: PortId) {
        self.opened.push(port);
    }

    /// Closes a port again that this transaction opened.
    pub(crate) fn close_port(&mut self, port: PortId) {
        self.opened.retain(|&opened| opened != port);
        self.around.ports.close(port);
    }

    /// Lets a pair rest that another program uses part of.
    pub(crate) fn set_aside_pair(&mut self, place: &Place, pair: u16) {
        self.taken.retain(|taken| {
            (taken.realm, taken.address, taken.pair) != (place.realm, place.address, pair)
        });
        if let Some(realm) = self.gateway.realms.get_mut(place.realm) {
            realm.release(place.address, pair, self.around.now);
        }
    }

    pub(crate) fn note_taken(&mut self, realm: usize, address: usize, pair: u16) {
        self.taken.push(Taken { realm, address, pair });
    }

    /// Whether this transaction has taken the pair that a port belongs to.
    pub(crate) fn has_taken(&self, port: SocketAddr) -> bool {
        self.taken.iter().any(|taken| {
            let bound = self.gateway.addresses(taken.realm, taken.address);
            taken.pair == port.port() & !1 && bound.is_ok_and(|(bind, _)| bind == port.ip())
        })
    }

    pub(crate) fn note_own_peer(&mut self, context: ContextId, peer: SocketAddr) {
        self.own_peers.push((context, peer));
    }

    /// The gateway's own ports that this transaction has signalled as peers' in a context.
    pub(crate) fn own_peers(&self, context: ContextId) -> impl Iterator<Item = SocketAddr> {
        self.own_peers.iter().filter(move |(at, _)| *at == context).map(|&(_, peer)| peer)
    }

    /// Makes everything true and tells what the packet path must do.
    pub(crate) fn commit(mut self) -> Vec<Work> {
        self.gateway.keys.apply(&self.keys, self.around.now);
        let mut crypto: BTreeMap<ContextId, Vec<Step>> = BTreeMap::new();
        for (context, step) in self.crypto.drain(..) {
            crypto.entry(context).or_default().push(step);
        }
        let changed = std::mem::take(&mut self.changed);
        let mut work = Vec::with_capacity(changed.len());
        for (id, after) in changed {
            let before = self.gateway.contexts.remove(&id);
            let is_new = before.is_none();
            let keys = crypto.remove(&id).unwrap_or_default();
            let (steps, closed) = self.difference(before.as_deref(), after.as_deref(), keys);
            self.announce(id, before.as_deref(), after.as_deref());
            let (old, new) = (before.as_deref(), after.as_deref());
            self.gateway.churn.note(id, old, new, self.around.now);
            self.gateway.supervisor.note(id, old, new, self.around.now);
            self.gateway.listen_to(id, new, self.around.now);
            self.gateway.usage.change(old, new);
            self.gateway.activations.change(old, new);
            if let Some(mut after) = after {
                //= tests/spec/iq.md#generations
                //# The generation of a context MUST grow with each accepted change and be told with it.
                after.generation += 1;
                self.gateway.own_groups(id, &after);
                self.gateway.contexts.insert(id, after);
            }
            if !steps.is_empty() || !closed.is_empty() {
                work.push(Work { context: id, is_new, steps, closed });
            }
        }
        work
    }

    //= tests/spec/iq.md#transactions
    //# The commands of a transaction MUST be carried out all or none.
    //= tests/spec/iq.md#acknowledgement
    //# A refused command MUST change nothing.
    /// Gives everything back.
    pub(crate) fn refuse(self) {
        for port in self.opened {
            self.around.ports.close(port);
        }
        for Taken { realm, address, pair } in self.taken {
            let pool = self.gateway.realms.get_mut(realm).and_then(|realm| realm.pool(address));
            if let Some(pool) = pool {
                pool.undo(pair);
            }
        }
        for leg in self.legs {
            self.gateway.forget_leg(leg, self.around.now);
        }
    }

    fn announce(&mut self, id: ContextId, before: Option<&Context>, after: Option<&Context>) {
        let (context, kind) = match (before, after) {
            (None, Some(context)) => (context, EventKind::ContextAdded),
            (Some(context), None) => (context, EventKind::ContextReleased),
            (Some(_), Some(_)) | (None, None) => return,
        };
        let correlation = context.correlation.clone();
        let subject = Subject { context: id, correlation, termination: None, stream: None };
        self.gateway.events.push(self.around.at, Some(subject), kind);
    }
}
