//! Calls that nobody may want any more: heartbeats of terminations, controllers that are gone,
//! contexts without a controller.
//!
//! ```text
//! termination   Resting ──period──▶ Asked ──known──▶ Resting
//!                                   Asked ──unanswered N times──▶ Suspected
//!               any       ──not known──▶ released
//! controller    Connected ──last connection ends──▶ Absent ──too long──▶ its contexts are orphans
//! context       Owned ──controller lost──▶ Orphan ──it comes back, or adoption──▶ Owned
//!               Owned by whom nobody can ask ──silent──▶ released
//! ```
//!
//! What is suspected ends only after [`Gateway::judge`], which is told when
//! its media was heard last. Deadlines stand in one ordered queue; nothing is scanned.
//!
//! [`Gateway::judge`]: crate::Gateway::judge

mod adopt;
mod heartbeat;
mod judge;
mod policy;
mod presence;
mod queue;
mod silence;

use std::time::Instant;

use agw_relay::IngressId;

use crate::event::Subject;
use crate::id::{ContextId, Controller, TerminationId};
use crate::reply::{ReleasedGroup, ReleasedStream};
use crate::transaction::Work;

pub use adopt::AdoptContexts;
pub(crate) use heartbeat::check_period;
pub use heartbeat::{Confirmation, HEARTBEAT_PERIODS};
pub use policy::{Hanging, SupervisionPolicy};
pub(crate) use queue::Supervisor;

/// Why the gateway itself releases something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReleaseCause {
    /// Its controller does not answer for it (H.248.36).
    Hanging,
    /// Its controller does not know it (H.248.36).
    Rejected,
    /// Its controller is lost and nothing authentic has arrived for long.
    Orphaned,
    /// Its controller has been lost for as long as a context may be without one.
    OrphanedTooLong,
    /// Its controller cannot be asked about it, and nothing was heard for long.
    Silent,
    /// The packet path could not carry out what was asked.
    Failed,
    /// The operator locked the gateway.
    Locked,
    /// The process ends, and has waited for as long as it may.
    Drained,
}

impl ReleaseCause {
    /// Every cause.
    pub const ALL: [Self; 8] = [
        Self::Hanging,
        Self::Rejected,
        Self::Orphaned,
        Self::OrphanedTooLong,
        Self::Silent,
        Self::Failed,
        Self::Locked,
        Self::Drained,
    ];

    /// The cause in the words of metrics and log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hanging => "hanging",
            Self::Rejected => "rejected",
            Self::Orphaned => "orphaned",
            Self::OrphanedTooLong => "orphaned_too_long",
            Self::Silent => "silent",
            Self::Failed => "failed",
            Self::Locked => "locked",
            Self::Drained => "drained",
        }
    }
}

/// What the gateway itself released, for whom its final statistics are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forsaken {
    /// The context or termination.
    pub subject: Subject,
    /// Whose it was.
    pub controller: Controller,
    /// Why.
    pub cause: ReleaseCause,
    /// Its streams.
    pub streams: Vec<ReleasedStream>,
    /// Its groups, of a context.
    pub groups: Vec<ReleasedGroup>,
}

/// What a release on the gateway's own account takes.
#[derive(Debug, Default)]
pub struct Unasked {
    /// What workers are to do.
    pub work: Vec<Work>,
    /// What is released by it.
    pub forsaken: Vec<Forsaken>,
}

/// Something that may be released, once it is known when its media was heard last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspect {
    /// The context.
    pub context: ContextId,
    /// The termination; `None` is the context with all of them.
    pub termination: Option<TerminationId>,
    /// Why.
    pub cause: ReleaseCause,
    /// Where to look for the last accepted packet; none if it does not matter.
    pub ingresses: Vec<IngressId>,
    /// Silence counts from here at the earliest.
    pub since: Instant,
}
