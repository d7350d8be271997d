//! Where a datagram stands on its way through a batch.

use agw_srtp::{OpenTicket, SealTicket};

use crate::drop::DropReason;
use crate::egress::Route;
use crate::spec::{Component, EgressId, IngressId};

/// Where a datagram of the batch stands.
pub(crate) struct Passage {
    pub(crate) component: Component,
    pub(crate) ingress: IngressId,
    pub(crate) stage: Stage,
}

/// What is next for a datagram.
pub(crate) enum Stage {
    /// Out, for a reason.
    Dropped(DropReason),
    /// Kept until its key is there.
    Kept,
    /// The tag must verify.
    Opening(OpenTicket),
    /// In; so many octets of plain or transparent packet.
    Accepted(usize),
    /// To be sealed.
    Sealing(EgressId, Way, SealTicket, usize),
    /// Done.
    Leaving(EgressId, Way, usize),
}

/// Where a datagram leaves.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    /// At one leg.
    Leg(Route),
    /// At those of a group's members.
    Members,
}

impl Stage {
    /// Where the packet leaves and how long it is, once that is known.
    pub(crate) const fn leaving(&self) -> Option<(EgressId, usize)> {
        match self {
            Self::Sealing(egress, _, _, len) | Self::Leaving(egress, _, len) => {
                Some((*egress, *len))
            }
            Self::Dropped(_) | Self::Kept | Self::Opening(_) | Self::Accepted(_) => None,
        }
    }
}
