//! Peers that are the gateway itself: the other half of a call, at a port of a realm that hairpins.
//!
//! What enters a context from a port of the gateway and leaves it to one again can come back for
//! ever. It enters only where exactly that port is signalled (`agw-relay`), and leaves at another
//! termination than it came by: so where at most one termination of a context has a signalled
//! address of the gateway, no packet goes round, over however many contexts.

use std::net::SocketAddr;

use agw_relay::OwnPorts;

use crate::checks::invalid;
use crate::command::Remote;
use crate::error::{CommandError, Reason};
use crate::gateway::Gateway;
use crate::id::{ContextId, TerminationId};
use crate::leg::Place;
use crate::model::Context;
use crate::realm::Realm;
use crate::transaction::Transaction;

impl Gateway {
    /// The media ports of all realms: what comes from one of them, this gateway has sent. Addresses
    /// to advertise are others' as well, behind the same NAT, and the gateway sends to none of them.
    #[must_use]
    pub fn own_ports(&self) -> Vec<OwnPorts> {
        let of_realm = |realm: &Realm| {
            let own = realm
                .config
                .addresses
                .iter()
                .map(|one| OwnPorts { address: one.bind, ports: realm.config.ports.clone() });
            own.collect::<Vec<_>>()
        };
        self.realms.iter().flat_map(of_realm).collect()
    }

    fn hairpins(&self, peer: SocketAddr) -> bool {
        self.realms.iter().any(|realm| realm.hairpins(peer))
    }
}

impl Transaction<'_, '_> {
    /// Refuses signalled addresses that are the gateway's own where they could close a circle, and
    /// takes note of others, whose ports this context is not to be given.
    pub(crate) fn check_hairpins(
        &mut self,
        at @ (context, _): (ContextId, TerminationId),
        remote: &Remote,
        field: &str,
    ) -> Result<(), CommandError> {
        for (name, address) in remote.addresses() {
            if !self.gateway.hairpins(address) {
                continue;
            }
            let refuse =
                |rule| Err(invalid(format!("{field}.{name}"), rule, Reason::AddressRefused));
            if self.has_port(context, address) {
                return refuse("the address must not be a port of the same context");
            }
            if self.hairpins_beside(at) {
                return refuse(
                    "the address must not be one of the gateway's own twice in a context",
                );
            }
            self.note_own_peer(context, address);
        }
        Ok(())
    }

    //= tests/spec/iq.md#reservation
    //# Of the terminations of a context at most one MUST send to the gateway itself, RTCP included.
    /// Whether another termination of the context sends to the gateway itself.
    fn hairpins_beside(&self, (context, termination): (ContextId, TerminationId)) -> bool {
        let Some(context) = self.context_now(context) else { return false };
        let others = context.terminations.iter().filter(|(id, _)| *id != termination);
        let mut streams = others.flat_map(|(_, other)| other.streams.values());
        streams.any(|stream| {
            stream.remote.is_some_and(|remote| {
                remote.addresses().any(|(_, address)| self.gateway.hairpins(address))
            })
        })
    }

    //= tests/spec/iq.md#reservation
    //# A port of a context MUST NOT be taken for a peer's of the same context.
    /// Whether an address is a port of the context, RTP's or RTCP's.
    fn has_port(&self, context: ContextId, address: SocketAddr) -> bool {
        let is_there = |context: &Context| {
            context.terminations.values().any(|at| {
                let bound = self.gateway.addresses(at.realm(), at.address());
                bound.is_ok_and(|(bind, _)| bind == address.ip())
                    && at.streams.values().any(|stream| stream.pair == address.port() & !1)
            })
        };
        self.context_now(context).is_some_and(is_there) || self.has_taken(address)
    }

    /// Whether a pair of ports is a peer's in the same context, so that it is not for this one.
    pub(crate) fn is_peers_pair(&self, place: &Place, pair: SocketAddr) -> bool {
        let is_it =
            |peer: SocketAddr| (peer.ip(), peer.port() & !1) == (pair.ip(), pair.port() & !1);
        let signalled = |context: &Context| {
            let mut remotes = context.streams().filter_map(|(.., stream)| stream.remote);
            remotes.any(|remote| remote.addresses().any(|(_, address)| is_it(address)))
        };
        self.own_peers(place.context).any(is_it)
            || self.context_now(place.context).is_some_and(signalled)
    }

    /// A context as it is within this transaction.
    pub(crate) fn context_now(&self, id: ContextId) -> Option<&Context> {
        self.changed_context(id).or_else(|| self.gateway.contexts.get(&id).map(AsRef::as_ref))
    }
}
