//! Ingress keys that return within a call: what was opened under them holds on every leg of it.

use std::collections::BTreeMap;

use agw_srtp::{Engine, FormerKeys, KeyPool, Unprotector};

use crate::relay::Relay;
use crate::spec::{CallId, IngressId};

/// What was opened under ingress keys of sessions that have ended, by call. Kept where the packets
/// are, so that there is no moment between the last packet of a session and what is known of it.
#[derive(Debug, Default)]
pub(crate) struct Former(BTreeMap<CallId, Box<FormerKeys>>);

impl Former {
    /// Takes note of a session that ends. Keys that a group's members share live on in the others:
    /// whose an SSRC was is for the group to know, and no key of a group returns.
    fn note<K>(&mut self, call: CallId, ended: &Unprotector<K>, shared: Option<&KeyPool>) {
        let former = self.0.entry(call).or_default();
        ended.note_former(former, shared);
        if former.is_empty() {
            self.0.remove(&call);
        }
    }

    /// Forgets a call that has ended.
    pub(crate) fn forget(&mut self, call: CallId) {
        self.0.remove(&call);
    }
}

impl<E: Engine> Relay<E> {
    /// Takes note of the session of an ingress, if it has one: it ends.
    pub(crate) fn note_former(&mut self, call: CallId, id: IngressId) {
        let Some(ingress) = self.ingresses.at(id.0) else { return };
        let group = ingress.spec.group().and_then(|group| self.egresses.at(group.0));
        if let Some(crypto) = &ingress.crypto {
            self.former.note(call, crypto, group.and_then(|egress| egress.key_pool()));
        }
    }

    //= tests/spec/relay.md#keys-that-return
    //# An ingress key that returns within a call MUST go on where it was, on whichever leg.
    /// Gives the keys of an ingress what other sessions of the call have opened under them.
    pub(crate) fn resume_keys(&mut self, call: CallId, id: IngressId) {
        let crypto = self.ingresses.at_mut(id.0).and_then(|ingress| ingress.crypto.as_mut());
        if let (Some(crypto), Some(former)) = (crypto, self.former.0.get(&call)) {
            crypto.resume(former);
        }
    }
}
