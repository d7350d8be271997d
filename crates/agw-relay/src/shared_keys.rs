//! One lifetime for the keys that a group's members send under (RFC 3711 §9.2): over all of them, and
//! over what the gateway seals where it has the same key.

use agw_srtp::{Engine, KeyEvent, KeyPool, Protector};

use crate::egress::{Egress, EgressState};
use crate::group::Group;
use crate::ingress::Ingress;
use crate::member_keys::MemberKeys;
use crate::relay::Relay;
use crate::report::Report;
use crate::spec::{EgressId, IngressId};

impl Group {
    /// Counts the keys that members share, from now on or as before.
    fn share_keys<K>(&mut self, protector: Option<&Protector<K>>) {
        if self.member_keys.is_some() {
            self.key_pool.get_or_insert_default();
        }
        // Of keys that members had once and have no more what was used stays used.
        if let Some(pool) = &mut self.key_pool {
            pool.declare(self.member_keys.iter().flat_map(MemberKeys::all), protector);
        }
    }
}

impl EgressState {
    /// What counts the keys that a group's members share.
    #[inline]
    pub(crate) fn key_pool(&mut self) -> Option<&mut KeyPool> {
        self.group.as_mut()?.key_pool.as_deref_mut()
    }
}

impl<K> Egress<K> {
    /// Of a group, counts the keys that its members share; after every change of keys.
    pub(crate) fn share_keys(&mut self) {
        if let Some(group) = self.extras.as_mut().and_then(|state| state.group.as_mut()) {
            group.share_keys(self.crypto.as_deref());
        }
    }

    /// Of a group, what counts the keys that its members share.
    pub(crate) fn key_pool_mut(&mut self) -> Option<&mut KeyPool> {
        self.extras.as_mut()?.key_pool()
    }

    /// Of a group, what counts the keys that its members share.
    pub(crate) fn key_pool(&self) -> Option<&KeyPool> {
        self.group()?.key_pool.as_deref()
    }

    /// The next event about the key that seals.
    pub(crate) fn poll_key_event(&mut self) -> Option<KeyEvent> {
        let own = self.crypto.as_mut().and_then(|crypto| crypto.poll_event());
        own.or_else(|| self.key_pool_mut()?.poll_event())
    }
}

impl<E: Engine> Relay<E> {
    /// Of a group's member, what counts the keys that it shares.
    pub(crate) fn key_pool_of(&self, ingress: &Ingress<E::Keys>) -> Option<&KeyPool> {
        self.egresses.at(ingress.spec.group()?.0)?.key_pool()
    }

    //= tests/spec/group.md#key-lifetime
    //# The warning and the end of a key that several sessions share MUST be told once, as the
    //# group's.
    /// Tells what a member's packet has made of the keys that it shares.
    pub(crate) fn report_shared_keys(&mut self, group: EgressId) {
        let pool = self.egresses.at_mut(group.0).and_then(|egress| egress.key_pool_mut());
        if let Some(pool) = pool {
            while let Some(event) = pool.poll_event() {
                self.reports.push(Report::IngressKey(IngressId(group.0), event));
            }
        }
    }
}
