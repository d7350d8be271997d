//! Contexts of controllers who cannot be asked about them: they end when they are silent.

use std::time::{Duration, Instant};

use super::heartbeat::LOOK_AGAIN;
use super::queue::{Supervisor, Watched};
use super::{ReleaseCause, Suspect};
use crate::gateway::Gateway;
use crate::id::ContextId;
use crate::model::Context;

/// A context that may not be silent for ever.
#[derive(Debug, Clone, Copy)]
pub(super) struct Vigil {
    /// The last word of its controller.
    since: Instant,
    due: Instant,
}

impl Supervisor {
    /// Its controller has said something of a context; `limit` is how long it may be silent then.
    pub(crate) fn note_silence(&mut self, id: ContextId, limit: Option<Duration>, now: Instant) {
        if let Some(vigil) = self.vigils.remove(&id) {
            self.queue.remove(&(vigil.due, Watched::Silence(id)));
        }
        if let Some(limit) = limit {
            self.watch(id, Vigil { since: now, due: now + limit });
        }
    }

    fn watch(&mut self, id: ContextId, vigil: Vigil) {
        self.queue.insert((vigil.due, Watched::Silence(id)));
        self.vigils.insert(id, vigil);
    }

    /// When to listen to a context again.
    fn set_vigil(&mut self, id: ContextId, due: Instant) {
        if let Some(Vigil { since, due: before }) = self.vigils.get(&id).copied() {
            self.queue.remove(&(before, Watched::Silence(id)));
            self.watch(id, Vigil { since, due });
        }
    }
}

impl Gateway {
    /// Has the times that are in force now hold for the contexts that there are, from now on.
    pub(crate) fn listen_anew(&mut self, now: Instant) {
        for (&id, context) in &self.contexts {
            let limit = self.policy.supervision.silence.get(context.controller.as_ref());
            self.supervisor.note_silence(id, limit.copied(), now);
        }
    }

    /// Listens to a context from now on as policy has it; no more to one that has ended.
    pub(crate) fn listen_to(&mut self, id: ContextId, context: Option<&Context>, now: Instant) {
        let silence = &self.policy.supervision.silence;
        let limit = context.and_then(|context| silence.get(context.controller.as_ref()));
        self.supervisor.note_silence(id, limit.copied(), now);
    }

    /// It is time to listen to a context.
    pub(super) fn silence_due(&mut self, context: ContextId, now: Instant) -> Option<Suspect> {
        let since = self.supervisor.vigils.get(&context)?.since;
        self.supervisor.set_vigil(context, now + LOOK_AGAIN);
        let streams = self.contexts.get(&context)?.streams();
        let ingresses = streams.map(|(_, _, stream)| stream.ingress_id()).collect();
        let cause = ReleaseCause::Silent;
        Some(Suspect { context, termination: None, cause, ingresses, since })
    }

    //= tests/spec/iq.md#supervision
    //# A context whose controller cannot be asked about it MUST be released when neither its
    //# controller nor anything authentic has been heard for the configured time, and not before.
    /// Whether a context has been silent for too long; says when to listen again if not.
    pub(super) fn is_silent(
        &mut self,
        suspect: &Suspect,
        silent_from: Instant,
        now: Instant,
    ) -> bool {
        let id = suspect.context;
        let vigil = self.supervisor.vigils.get(&id).copied();
        // Its controller has said something of it since.
        if vigil.is_none_or(|vigil| vigil.since != suspect.since) {
            return false;
        }
        let owner = self.contexts.get(&id).map(|context| &context.controller);
        let limit = owner.and_then(|owner| self.policy.supervision.silence.get(owner.as_ref()));
        match limit {
            Some(&limit) if silent_from + limit > now => {
                self.supervisor.set_vigil(id, silent_from + limit);
                false
            }
            Some(_) => true,
            None => {
                self.supervisor.note_silence(id, None, now);
                false
            }
        }
    }
}
