//! Keys that are held ready (TS 33.328 §6.2): staged, put in force, taken back.

use std::time::{Duration, SystemTime};

use agw_srtp::{EgressKey, IngressKey, RocOnRekey};

use crate::id::{ContextId, StreamId, TerminationId};

/// Which direction's key a command is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySlot {
    /// The context.
    pub context: ContextId,
    /// The termination.
    pub termination: TerminationId,
    /// The stream.
    pub stream: StreamId,
}

/// Brings a key to wait.
#[derive(Debug)]
pub struct StageKey {
    /// Whose key.
    pub slot: KeySlot,
    /// The key, by direction.
    pub key: DirectedKey,
}

/// A key of either direction.
#[derive(Debug)]
pub enum DirectedKey {
    /// Opens what arrives.
    Ingress(IngressKey),
    /// Seals what leaves.
    Egress(EgressKey),
}

/// A direction on a leg, seen from the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Arriving at the gateway.
    Ingress,
    /// Leaving the gateway.
    Egress,
}

/// Puts a staged key in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActivateKey {
    /// Whose key.
    pub slot: KeySlot,
    /// Which direction.
    pub direction: Direction,
    /// What becomes of the rollover counter.
    pub roc: RocOnRekey,
    /// How long a replaced ingress key still opens packets; `None` takes the default.
    pub overlap: Option<Duration>,
    /// When, by the wall clock; `None` is at once.
    pub at: Option<SystemTime>,
}

/// Discards a staged key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CancelKey {
    /// Whose key.
    pub slot: KeySlot,
    /// Which direction.
    pub direction: Direction,
}
