//! Memory for what packets make a leg remember, made ahead of them.

use agw_srtp::SpareRooms;
use arrayvec::ArrayVec;

use crate::batch::MAX_BATCH;
use crate::egress::EgressState;
use crate::refusal::Trouble;
use crate::stats::DropRoom;

/// What the datagrams of a batch take at most of each kind: one on the way in, one on the way out.
const MOST: usize = 2 * MAX_BATCH;

/// What the packets of a batch may need. There is as much as one batch can take and no more: packets
/// do not set how much memory is made, and what they took is made anew between two batches.
#[derive(Default)]
pub(crate) struct Spare {
    /// For sources beyond the first.
    pub(crate) sources: SpareRooms,
    /// For reasons of drops.
    pub(crate) drops: Boxes<DropRoom>,
    /// For legs to which the kernel refuses to send.
    pub(crate) states: Boxes<EgressState>,
    /// As above.
    pub(crate) troubles: Boxes<Trouble>,
}

/// Boxes that wait for content.
pub(crate) struct Boxes<T>(ArrayVec<Box<T>, MOST>);

impl<T> Default for Boxes<T> {
    fn default() -> Self {
        Self(ArrayVec::new())
    }
}

impl<T: Default> Boxes<T> {
    /// One of them; made now only by who does not fill them in time.
    pub(crate) fn take(&mut self) -> Box<T> {
        self.0.pop().unwrap_or_default()
    }

    fn fill(&mut self) {
        while !self.0.is_full() {
            self.0.push(Box::default());
        }
    }
}

impl Spare {
    /// As much as a batch can take.
    pub(crate) fn full() -> Self {
        let mut spare = Self::default();
        spare.fill();
        spare
    }

    /// Makes what is missing.
    pub(crate) fn fill(&mut self) {
        let Self { sources, drops, states, troubles } = self;
        sources.fill(MOST);
        drops.fill();
        states.fill();
        troubles.fill();
    }
}
