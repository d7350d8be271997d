//! What a controller can ask of a group.

use std::time::{Duration, SystemTime};

use agw_relay::{CollisionRule, Transport};
use agw_srtp::{EgressKey, IngressKey, RocOnRekey};

use crate::command::{ContextChoice, CryptoContext, DirectedKey, Direction};
use crate::id::{ContextId, GroupId, StreamId, TerminationId};

/// Makes a group, or changes one: with new keys it is re-keyed.
#[derive(Debug)]
pub struct SetGroup {
    /// The context; never a new one.
    pub context: ContextChoice,
    /// The group.
    pub group: GroupId,
    /// Its stream; needed for a new group, and the same ever after.
    pub stream: Option<StreamId>,
    /// The termination of the focus; needed for a new group.
    pub focus: Option<TerminationId>,
    /// What travels on members' legs; needed for a new group, and the same ever after.
    pub transport: Option<Transport>,
    /// What becomes of a second sender with one SSRC under one key; `None` drops it in a new group
    /// and changes nothing in one that exists.
    pub collisions: Option<CollisionRule>,
    /// How long changes of membership gather before they are told; `None` takes the gateway's
    /// default in a new group and changes nothing in one that exists.
    pub rekey_interval: Option<RekeyInterval>,
    /// The most members; `None` is as many as policy allows, or no change.
    pub max_members: Option<usize>,
    /// Keys that open what members send, for all of them; without, members bring their own.
    pub ingress: Option<CryptoContext<IngressKey>>,
    /// Keys that seal what leaves to members.
    pub egress: Option<CryptoContext<EgressKey>>,
}

/// Whether and when changes of membership are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RekeyInterval {
    /// Never.
    Never,
    /// Those of so long together, at the end.
    Within(Duration),
}

/// Ends a group that has no members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoveGroup {
    /// The context.
    pub context: ContextId,
    /// The group.
    pub group: GroupId,
}

/// Changes the key that waits for a whole group.
#[derive(Debug)]
pub struct GroupKey {
    /// The context.
    pub context: ContextId,
    /// The group.
    pub group: GroupId,
    /// What becomes of it.
    pub change: GroupKeyChange,
}

/// What becomes of a key that waits for a whole group: ingress is what members send, egress what
/// leaves to them.
#[derive(Debug)]
pub enum GroupKeyChange {
    /// It is brought.
    Stage(DirectedKey),
    /// It comes in force.
    Activate {
        /// Which direction.
        direction: Direction,
        /// What becomes of the rollover counter.
        roc: RocOnRekey,
        /// How long the replaced members' key still opens packets; `None` takes the default.
        overlap: Option<Duration>,
        /// When, by the wall clock; `None` is at once.
        at: Option<SystemTime>,
    },
    /// It is discarded.
    Cancel(Direction),
}
