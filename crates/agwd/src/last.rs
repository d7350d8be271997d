//! The last statistics of what was released, as workers handed them back.

use std::collections::BTreeMap;

use agw_context::{Ended, EventKind, Forsaken, ReleasedStream};
use agw_relay::{EgressId, EgressSnapshot, IngressId, IngressSnapshot};

use crate::control::Told;
use crate::worker::Applied;

/// A stream that was released, with what it was at the end.
pub(crate) type LastOfStream = (ReleasedStream, IngressSnapshot, EgressSnapshot);

/// What workers have removed.
#[derive(Default)]
pub(crate) struct Last {
    ingresses: BTreeMap<IngressId, IngressSnapshot>,
    egresses: BTreeMap<EgressId, EgressSnapshot>,
}

impl Last {
    /// Adds what a worker has done.
    pub(crate) fn add(&mut self, applied: Applied) {
        self.ingresses.extend(applied.ingresses);
        self.egresses.extend(applied.egresses);
    }

    /// The last of some streams; one whose worker has failed is missing.
    pub(crate) fn take(&mut self, streams: &[ReleasedStream]) -> Vec<LastOfStream> {
        let last = streams.iter().filter_map(|stream| {
            let ingress = self.ingresses.remove(&stream.ingress)?;
            Some((*stream, ingress, self.egresses.remove(&stream.egress)?))
        });
        last.collect()
    }

    /// The event for who had what the gateway itself released.
    pub(crate) fn told(&mut self, forsaken: Forsaken) -> Told {
        let Forsaken { subject, controller, cause, streams } = forsaken;
        let ended = Ended { cause, streams: self.take(&streams) };
        Told { about: Some((subject, controller)), kind: EventKind::ContextEnded(Box::new(ended)) }
    }
}
