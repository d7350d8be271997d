//! Asking memory for sessions that packets further on in a batch will need.
//!
//! Thousands of sessions do not fit in the caches: without asking, each packet of a batch would
//! wait for its own. In two steps, because where a session's keys stand is written in its record.

use agw_srtp::Engine;

use crate::relay::Relay;
use crate::spec::{IngressId, PortId};

/// How many packets ahead sessions are asked for.
const NEAR: usize = 12;
/// How many packets ahead the records are asked for that the sessions stand in.
const FAR: usize = 24;

impl<E: Engine> Relay<E> {
    /// Before the packet at `place` is admitted: asks for what those behind it will read. `port`
    /// tells where each arrived.
    pub(crate) fn prefetch_ingress(&self, place: usize, port: impl Fn(usize) -> Option<PortId>) {
        let ingress = |place| {
            let port = port(place)?;
            self.ports.at(port.0).map(|binding| binding.ingress.0)
        };
        if let Some(record) = ingress(place + FAR).and_then(|id| self.ingresses.at(id)) {
            record.prefetch(&self.engine);
        }
        let record = ingress(place + NEAR).and_then(|id| self.ingresses.at(id));
        if let Some(session) = record.and_then(|ingress| ingress.crypto.as_ref()) {
            session.prefetch(&self.engine);
        }
    }

    /// Before the packet at `place` is routed: asks for what those behind it will read. `ingress`
    /// tells which leg each came in by.
    pub(crate) fn prefetch_egress(
        &self,
        place: usize,
        ingress: impl Fn(usize) -> Option<IngressId>,
    ) {
        let egress = |place| {
            let ingress = self.ingresses.at(ingress(place)?.0)?;
            ingress.spec.output.map(|egress| egress.0)
        };
        if let Some(record) = egress(place + FAR).and_then(|id| self.egresses.at(id)) {
            record.prefetch(&self.engine);
        }
        let record = egress(place + NEAR).and_then(|id| self.egresses.at(id));
        if let Some(session) = record.and_then(|egress| egress.crypto.as_ref()) {
            session.prefetch(&self.engine);
        }
    }
}
