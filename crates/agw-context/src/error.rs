//! Why a command was refused; a refused transaction changed nothing.

mod reason;

use agw_srtp::{KeyError, Suite};
use thiserror::Error;

use crate::command::Direction;
use crate::id::{ContextId, Controller, GroupId, StreamId, TerminationId};

pub use reason::Reason;

/// A transaction that was refused, with the command at fault.
#[derive(Debug, Error)]
#[error("command {command}: {error}")]
pub struct Refused {
    /// The position of the command in the transaction, from 0.
    pub command: usize,
    /// Why.
    pub error: CommandError,
}

/// Why a command was refused. The variants say who must act.
#[derive(Debug, Error)]
pub enum CommandError {
    /// The controller named a context that does not exist, or that another controller owns.
    #[error("context {0} is not known")]
    UnknownContext(ContextId),
    /// The controller named a termination that does not exist.
    #[error("termination {1} is not in context {0}")]
    UnknownTermination(ContextId, TerminationId),
    /// The controller named a stream that the termination does not have.
    #[error("{field}: stream {stream} is not at termination {termination}")]
    UnknownStream {
        /// The field's path below the command, as in the proto.
        field: String,
        /// The termination.
        termination: TerminationId,
        /// The stream.
        stream: StreamId,
    },
    /// The controller named a group that the context does not have.
    #[error("group {0} is not in the context")]
    UnknownGroup(GroupId),
    /// The controller named a realm that is not configured.
    #[error("realm {0:?} is not configured")]
    UnknownRealm(String),
    /// No address of the realm can be used now, or none of the family asked for.
    #[error("realm {0:?} is not available")]
    RealmUnavailable(String),
    /// The request is wrong by itself.
    #[error("{field}: {rule}")]
    Invalid {
        /// The field's path below the command, as in the proto.
        field: String,
        /// The rule it breaks.
        rule: &'static str,
        /// The machine-readable reason.
        reason: Reason,
    },
    /// A key does not fit its suite or its companions.
    #[error("{field}: {error}")]
    Key {
        /// The field's path below the command, as in the proto.
        field: String,
        /// What is wrong with it.
        error: KeyError,
    },
    /// Policy does not allow the suite.
    #[error("{field}: suite {} is refused by policy", suite.name())]
    SuiteRefused {
        /// The field's path below the command, as in the proto.
        field: String,
        /// The suite.
        suite: Suite,
    },
    /// The key is in use in the other direction, on another stream, or elsewhere in the request;
    /// or it was in force before, on this stream, or on an ended one and is now to seal.
    #[error("{field}: the key is or was in use already (RFC 3711 §9.1, RFC 4568 §7.1.2)")]
    KeyReuse {
        /// The field's path below the command, as in the proto.
        field: String,
        /// What it was to be used for.
        direction: Direction,
    },
    /// The key opened packets of a call that has ended, and is to open those of another one.
    #[error(
        "{field}: the key opened packets of an ended call, whose replay windows are gone; \
         policy.allow_ingress_key_return would allow it (RFC 4568 §7.1.2)"
    )]
    KeyReturns {
        /// The field's path below the command, as in the proto.
        field: String,
    },
    /// There is no staged key to activate or cancel.
    #[error("stream {stream} has no staged {direction:?} key")]
    NothingStaged {
        /// The stream.
        stream: StreamId,
        /// The direction.
        direction: Direction,
    },
    /// The context is not at the generation that the command expects.
    #[error("the context is at generation {is}, not {expected}: somebody has changed it meanwhile")]
    OtherGeneration {
        /// The generation that the command expects.
        expected: u64,
        /// The generation that the context is at.
        is: u64,
    },
    /// The gateway cannot take more of these now: try another gateway.
    #[error("no {what} left{}", realm.as_ref().map(|realm| format!(" in realm {realm:?}")).unwrap_or_default())]
    Exhausted {
        /// What ran out.
        what: Resource,
        /// The realm, if it is about one.
        realm: Option<String>,
    },
    /// The context has a controller: there is nothing to adopt.
    #[error("context {0} has its controller")]
    NotOrphaned(ContextId),
    /// Policy does not let this controller take over from that one.
    #[error("contexts of {:?} may not be taken over", .0.0)]
    AdoptionRefused(Controller),
    /// The gateway is draining and takes no new contexts: try another gateway.
    #[error("the gateway is draining and takes no new contexts")]
    Draining,
    /// The gateway is locked and has no contexts: try another gateway.
    #[error("the gateway is locked and takes no new contexts")]
    Locked,
    /// The operating system refused a port for another reason than its being in use.
    #[error("a port of realm {realm:?} cannot be opened: {cause}")]
    PortRefused {
        /// The realm.
        realm: String,
        /// What the operating system said.
        cause: String,
    },
}

/// A resource that can run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Contexts.
    Contexts,
    /// Terminations of a context.
    Terminations,
    /// Members of a group.
    Members,
    /// Ports of a realm.
    Ports,
    /// Streams of a realm.
    Streams,
    /// File descriptors.
    Descriptors,
    /// Contexts that one controller may hold.
    ControllerContexts,
    /// Ports of a realm that one controller may hold.
    ControllerPorts,
    /// Packets in a second.
    PacketRate,
    /// Time of the busiest worker on its core.
    Cpu,
    /// Memory.
    Memory,
    /// Places in the line to the control task.
    Requests,
    /// Subscriptions to events that one controller may hold.
    Subscriptions,
}

impl Resource {
    /// Every resource.
    pub const ALL: [Self; 13] = [
        Self::Contexts,
        Self::Terminations,
        Self::Members,
        Self::Ports,
        Self::Streams,
        Self::Descriptors,
        Self::ControllerContexts,
        Self::ControllerPorts,
        Self::PacketRate,
        Self::Cpu,
        Self::Memory,
        Self::Requests,
        Self::Subscriptions,
    ];

    /// Whether one call or group has as much of it as any may have, at each gateway.
    #[must_use]
    pub const fn is_of_one_call(self) -> bool {
        matches!(self, Self::Terminations | Self::Members)
    }

    /// The resource as written in the API and the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Contexts => "contexts",
            Self::Terminations => "terminations",
            Self::Members => "members",
            Self::Ports => "ports",
            Self::Streams => "streams",
            Self::Descriptors => "descriptors",
            Self::ControllerContexts => "controller_contexts",
            Self::ControllerPorts => "controller_ports",
            Self::PacketRate => "packet_rate",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Requests => "requests",
            Self::Subscriptions => "subscriptions",
        }
    }
}

impl std::fmt::Display for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Contexts => "contexts",
            Self::Terminations => "terminations",
            Self::Members => "members of the group",
            Self::Ports => "ports",
            Self::Streams => "streams",
            Self::Descriptors => "descriptors",
            Self::ControllerContexts => "contexts for this controller",
            Self::ControllerPorts => "ports for this controller",
            Self::PacketRate => "packet rate",
            Self::Cpu => "processor time",
            Self::Memory => "memory",
            Self::Requests => "room for requests",
            Self::Subscriptions => "subscriptions for this controller",
        })
    }
}

impl CommandError {
    /// The machine-readable reason.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::UnknownContext(_) => Reason::UnknownContext,
            Self::UnknownTermination(..) => Reason::UnknownTermination,
            Self::UnknownStream { .. } => Reason::UnknownStream,
            Self::UnknownGroup(_) => Reason::UnknownGroup,
            Self::UnknownRealm(_) => Reason::UnknownRealm,
            Self::RealmUnavailable(_) => Reason::RealmUnavailable,
            Self::Invalid { reason, .. } => *reason,
            Self::Key { error, .. } => key_reason(error),
            Self::SuiteRefused { .. } => Reason::SuiteRefused,
            Self::KeyReuse { .. } | Self::KeyReturns { .. } => Reason::KeyReuse,
            Self::NothingStaged { .. } => Reason::NothingStaged,
            Self::OtherGeneration { .. } => Reason::GenerationMismatch,
            Self::Exhausted { .. } => Reason::Exhausted,
            Self::Draining => Reason::Draining,
            Self::NotOrphaned(_) => Reason::NotOrphaned,
            Self::AdoptionRefused(_) => Reason::AdoptionRefused,
            Self::Locked => Reason::Locked,
            Self::PortRefused { .. } => Reason::System,
        }
    }

    /// A stream that a command names in its field `stream_id`.
    pub(crate) fn unknown_stream(termination: TerminationId, stream: StreamId) -> Self {
        Self::UnknownStream { field: "stream_id".to_owned(), termination, stream }
    }

    /// The field at fault, as a path below the command, if the error is about one.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Invalid { field, .. }
            | Self::Key { field, .. }
            | Self::SuiteRefused { field, .. }
            | Self::KeyReuse { field, .. }
            | Self::KeyReturns { field }
            | Self::UnknownStream { field, .. } => Some(field),
            Self::UnknownContext(_) => Some("context_id"),
            Self::NotOrphaned(_) => Some("context_ids"),
            Self::AdoptionRefused(_) => Some("orphans_of"),
            Self::UnknownTermination(..) => Some("termination_id"),
            Self::UnknownGroup(_) => Some("group_id"),
            Self::UnknownRealm(_) | Self::RealmUnavailable(_) => Some("realm"),
            Self::NothingStaged { .. } => Some("direction"),
            Self::OtherGeneration { .. } => Some("expected_generation"),
            Self::Exhausted { .. } | Self::Draining | Self::Locked | Self::PortRefused { .. } => {
                None
            }
        }
    }

    /// What ran out, if something did.
    #[must_use]
    pub const fn limit(&self) -> Option<Resource> {
        if let Self::Exhausted { what, .. } = self { Some(*what) } else { None }
    }

    /// The error code of H.248.8 that comes nearest.
    #[must_use]
    pub fn h248_code(&self) -> u16 {
        match self {
            Self::UnknownContext(_) => 411,
            Self::UnknownTermination(..) => 430,
            Self::UnknownStream { .. } | Self::UnknownGroup(_) => 444,
            Self::UnknownRealm(_) | Self::SuiteRefused { .. } => 449,
            Self::KeyReuse { .. } | Self::KeyReturns { .. } => 449,
            Self::Invalid { reason: Reason::FieldMissing | Reason::KeyRequired, .. } => 441,
            Self::Invalid { .. } | Self::Key { .. } => 449,
            Self::NothingStaged { .. } => 581,
            Self::OtherGeneration { .. } => 473,
            Self::Exhausted { what: Resource::Contexts | Resource::ControllerContexts, .. } => 412,
            Self::Exhausted { what: Resource::Terminations | Resource::Members, .. } => 434,
            Self::Exhausted { .. } | Self::RealmUnavailable(_) => 510,
            Self::Draining | Self::Locked => 503,
            Self::NotOrphaned(_) => 500,
            Self::AdoptionRefused(_) => 504,
            Self::PortRefused { .. } => 500,
        }
    }
}

fn key_reason(error: &KeyError) -> Reason {
    match error {
        KeyError::KeyLength { .. } => Reason::KeyLength,
        KeyError::SaltLength { .. } => Reason::SaltLength,
        KeyError::MkiLength(_) | KeyError::MkiMismatch | KeyError::TooManyKeys(_) => {
            Reason::MkiMismatch
        }
        KeyError::NoKey => Reason::FieldMissing,
        KeyError::SuiteMismatch => Reason::SuiteRefused,
        KeyError::Lifetime => Reason::LifetimeRange,
        KeyError::Window(_) | KeyError::MaxSources(_) => Reason::SessionParameterRefused,
        KeyError::KeyReused => Reason::KeyReuse,
        KeyError::NothingStaged => Reason::NothingStaged,
    }
}
