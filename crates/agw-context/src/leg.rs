//! What reservations and configurations share: addresses and ports of one leg.

use std::net::SocketAddr;
use std::time::Duration;

use agw_relay::PortId;

use crate::audit::LocalPort;
use crate::checks;
use crate::command::{Family, Remote, RtcpMode, SourcePolicy};
use crate::error::{CommandError, Resource};
use crate::id::{ContextId, TerminationId};
use crate::model::Latching;
use crate::ports::PortError;
use crate::realm::Realm;
use crate::topology::{Topology, connect};
use crate::transaction::Transaction;

/// Pairs that are tried before a realm counts as out of them.
const PAIR_ATTEMPTS: usize = 32;

/// No time gate is longer, whatever is asked for.
pub(crate) const MAX_LATCH_GATE: Duration = Duration::from_secs(600);

/// Where a termination stands.
pub(crate) struct Place {
    pub(crate) context: ContextId,
    pub(crate) termination: TerminationId,
    pub(crate) realm: usize,
    pub(crate) address: usize,
    pub(crate) family: Family,
}

/// The ports of a new stream.
pub(crate) struct StreamPorts {
    pub(crate) pair: u16,
    pub(crate) rtp: PortId,
    pub(crate) rtcp: Option<PortId>,
}

impl Transaction<'_, '_> {
    /// Takes a pair from the pool and opens what the RTCP mode needs of it.
    pub(crate) fn open_ports(
        &mut self,
        place: &Place,
        rtcp: RtcpMode,
    ) -> Result<StreamPorts, CommandError> {
        let (bind, _) = self.gateway.addresses(place.realm, place.address)?;
        self.admit_pair(place)?;
        if self.gateway.realms.get(place.realm).is_some_and(Realm::is_full) {
            let realm = Some(self.gateway.realm_name(place.realm));
            return Err(CommandError::Exhausted { what: Resource::Streams, realm });
        }
        for _ in 0..PAIR_ATTEMPTS {
            let Some(pair) = self.take_pair(place) else {
                break;
            };
            if self.is_peers_pair(place, SocketAddr::new(bind, pair)) {
                self.set_aside_pair(place, pair);
                continue;
            }
            let Some(rtp) = self.open_port(place, SocketAddr::new(bind, pair))? else {
                continue;
            };
            let rtcp = match rtcp {
                RtcpMode::Mux | RtcpMode::Off => None,
                RtcpMode::Pair => match self.open_port(place, SocketAddr::new(bind, pair + 1))? {
                    Some(port) => Some(port),
                    None => {
                        self.close_port(rtp);
                        continue;
                    }
                },
            };
            return Ok(StreamPorts { pair, rtp, rtcp });
        }
        let realm = self.gateway.realm_name(place.realm);
        Err(CommandError::Exhausted { what: Resource::Ports, realm: Some(realm) })
    }

    fn take_pair(&mut self, place: &Place) -> Option<u16> {
        let pool = self.gateway.realms.get_mut(place.realm)?.pool(place.address)?;
        let pair = pool.take(self.around.now, self.around.random)?;
        self.note_taken(place.realm, place.address, pair);
        Some(pair)
    }

    /// Opens one port; `None` if another program has it.
    fn open_port(
        &mut self,
        place: &Place,
        address: SocketAddr,
    ) -> Result<Option<PortId>, CommandError> {
        let dscp = self.gateway.realms.get(place.realm).and_then(|realm| realm.config.dscp);
        let local = LocalPort { address, dscp };
        match self.around.ports.open(place.context, local) {
            Ok(id) => {
                self.note_opened(id);
                Ok(Some(id))
            }
            Err(PortError::InUse) => {
                self.set_aside_pair(place, address.port() & !1);
                Ok(None)
            }
            Err(PortError::Descriptors) => {
                Err(CommandError::Exhausted { what: Resource::Descriptors, realm: None })
            }
            Err(PortError::Refused(cause)) => {
                let realm = self.gateway.realm_name(place.realm);
                Err(CommandError::PortRefused { realm, cause })
            }
        }
    }

    /// Checks where a stream of a termination is to send to.
    pub(crate) fn check_remote(
        &mut self,
        at: (ContextId, TerminationId),
        remote: &Remote,
        field: &str,
        (realm, family): (usize, Family),
    ) -> Result<(), CommandError> {
        let Some(realm) = self.gateway.realms.get(realm) else {
            return Ok(());
        };
        checks::remote(remote, field, family, realm, self.gateway)?;
        self.check_hairpins(at, remote, field)
    }

    /// What a leg goes by that is to latch from now on.
    pub(crate) fn latching(&self, source: SourcePolicy) -> Option<Latching> {
        match source {
            SourcePolicy::Signalled => None,
            SourcePolicy::Latch { within } => {
                let within = within.unwrap_or(self.gateway.policy.latch_gate).min(MAX_LATCH_GATE);
                let within_ms = within.as_millis().try_into().unwrap_or(u32::MAX);
                Some(Latching { since: self.around.now, within_ms })
            }
        }
    }

    /// As [`Self::connect_when_two`] after a release: what does not fit together stays apart.
    pub(crate) fn reconnect(&mut self, context: ContextId) -> Result<(), CommandError> {
        match self.connect_when_two(context) {
            Err(CommandError::Invalid { .. }) => Ok(()),
            outcome => outcome,
        }
    }

    /// Connects the terminations of a context that has exactly two and no topology in force.
    pub(crate) fn connect_when_two(&mut self, context: ContextId) -> Result<(), CommandError> {
        let context = self.context(context)?;
        if context.topology != Topology::Isolated {
            return Ok(());
        }
        let ids: Vec<TerminationId> = context.terminations.keys().collect();
        if let [a, b] = *ids {
            connect(context, a, b, "streams")?;
        }
        Ok(())
    }
}
