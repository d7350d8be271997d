//! Identities of the control model and how they are written.

use std::fmt;

/// A context: one call's association of terminations, 1 to 2^32 - 3 (H.248.1 §6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContextId(pub u32);

/// A termination: one side of a call, numbered from 1 within its context (H.248.1 §6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TerminationId(pub u32);

/// A stream: one `m=` line of a call, the same number at every termination, 1 to 65,535
/// (H.248.1 §7.1.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u16);

/// A group of a context, as the controller numbers it: 1 to 65,535.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u16);

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ContextId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for TerminationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The controller that owns a context: a certificate's identity or a local user.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Controller(pub String);

impl Controller {
    /// The operator at this machine: over loopback or the unix socket.
    #[must_use]
    pub fn local() -> Self {
        Self("local".to_owned())
    }

    /// Whether contexts of `owner` are this controller's to see and change: its own, and all of
    /// them for the operator at this machine.
    #[must_use]
    pub fn may_touch(&self, owner: &Self) -> bool {
        self == owner || *self == Self::local()
    }
}
