//! The last statistics of what was released, as workers handed them back.

use std::collections::BTreeMap;

use agw_context::{Ended, EventKind, Forsaken, ReleasedGroup, ReleasedStream};
use agw_relay::{EgressId, EgressSnapshot, IngressId, IngressSnapshot};

use crate::control::Told;
use crate::worker::Applied;

/// A stream that was released, with what it was at the end.
pub(crate) type LastOfStream = (ReleasedStream, IngressSnapshot, EgressSnapshot);

/// A group that ended, with what it was at the end.
pub(crate) type LastOfGroup = (ReleasedGroup, EgressSnapshot);

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

    /// The last of some groups; one whose worker has failed is missing.
    pub(crate) fn take_groups(&mut self, groups: &[ReleasedGroup]) -> Vec<LastOfGroup> {
        let last = groups.iter().map(|group| Some((*group, self.egresses.remove(&group.egress)?)));
        last.flatten().collect()
    }

    /// The event for who had what the gateway itself released.
    pub(crate) fn told(&mut self, forsaken: Forsaken) -> Told {
        let Forsaken { subject, controller, cause, streams, groups } = forsaken;
        let (streams, groups) = (self.take(&streams), self.take_groups(&groups));
        let ended = Ended { cause, streams, groups };
        Told { about: Some((subject, controller)), kind: EventKind::ContextEnded(Box::new(ended)) }
    }
}
