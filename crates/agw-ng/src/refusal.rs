//! Why a request is refused, in the words that controllers look for.

use std::borrow::Cow;

/// Why a request is refused. Its `Display` is the reply's `error-reason`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It names no command.
    #[error("Dictionary contains no key \"command\"")]
    NoCommand,
    /// Its command is not one of ng, or none that agw has.
    #[error("Unrecognized command: {command}")]
    UnknownCommand {
        /// The command.
        command: String,
    },
    /// A key that the command needs is missing.
    #[error("No {key} in message")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// A key has a value that it cannot have.
    #[error("{key}: {rule}")]
    Invalid {
        /// The key.
        key: &'static str,
        /// What a value must be.
        rule: &'static str,
    },
    /// It asks for what agw does not do, and a call without it would not be what was asked for.
    #[error("{what} is not supported: {why}")]
    Unsupported {
        /// The command, key or flag.
        what: String,
        /// Why not.
        why: &'static str,
    },
    /// The gateway has run out of something.
    #[error("{0}")]
    Overload(Overload),
    /// The call is not known, and the request insists.
    #[error("Unknown call-id")]
    UnknownCall,
    /// Anything that offer and answer or the gateway refuse.
    #[error("{0}")]
    Other(String),
}

/// What has run out. Kamailio and OpenSIPS go to another gateway on exactly these words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Overload {
    /// There are as many calls as allowed, or none are taken any more.
    #[error("Parallel session limit reached")]
    Sessions,
    /// No port is free.
    #[error("Ran out of ports")]
    Ports,
    /// The processor is busy.
    #[error("CPU usage limit exceeded")]
    Cpu,
    /// Anything else that is full.
    #[error("Load limit exceeded")]
    Load,
    /// More would not pass.
    #[error("Bandwidth limit exceeded")]
    Bandwidth,
}

impl Refusal {
    /// What a log may have of it: nothing that its sender wrote, which may be a key.
    #[must_use]
    pub fn logged(&self) -> Cow<'static, str> {
        match self {
            Self::UnknownCommand { command: _ } => "Unrecognized command".into(),
            Self::Unsupported { what: _, why } => (*why).into(),
            Self::Other(_) => "refused".into(),
            Self::NoCommand
            | Self::Missing { .. }
            | Self::Invalid { .. }
            | Self::Overload(_)
            | Self::UnknownCall => self.to_string().into(),
        }
    }

    /// The word for it in metrics.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::NoCommand | Self::UnknownCommand { .. } => "command",
            Self::Missing { .. } | Self::Invalid { .. } => "invalid",
            Self::Unsupported { .. } => "unsupported",
            Self::Overload(_) => "overload",
            Self::UnknownCall => "unknown_call",
            Self::Other(_) => "refused",
        }
    }
}
