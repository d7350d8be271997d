//! Why octets are no session description that this library can work with.

/// A session description that cannot be used, with the line at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {rule}")]
pub struct SdpError {
    /// The line, from 1; 0 is the description as a whole.
    pub line: usize,
    /// The rule it breaks.
    pub rule: SdpRule,
}

/// A rule that a session description can break, with its clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SdpRule {
    /// More octets than any real one.
    #[error("a description has at most {limit} octets (limit of this library)")]
    TooLong {
        /// The limit in octets.
        limit: usize,
    },
    /// More `m=` lines than a call of the gateway has streams.
    #[error("a description has at most {limit} media lines (limit of this library)")]
    TooManyMedia {
        /// The limit in lines.
        limit: usize,
    },
    /// More lines than any real one.
    #[error("a description has at most {limit} lines (limit of this library)")]
    TooManyLines {
        /// The limit in lines.
        limit: usize,
    },
    /// A carriage return or zero octet within a line: who reads it might see other lines.
    #[error("a line has no carriage return and no zero octet within (RFC 8866 §9)")]
    Octet,
    /// It does not begin with `v=0`.
    #[error("a description begins with `v=0` (RFC 8866 §5.1)")]
    Version,
    /// An `m=` line that cannot be read.
    #[error("a media line has media, port, transport and formats (RFC 8866 §5.14)")]
    Media,
    /// A `c=` line that cannot be read.
    #[error(
        "a connection is `IN IP4` or `IN IP6` with a unicast address or a name (RFC 8866 §5.7)"
    )]
    Connection,
    /// A live `m=` line without a `c=` line of its own or of the session.
    #[error("a media line that is used has a connection (RFC 8866 §5.7)")]
    NoConnection,
    /// An `a=rtcp` line that cannot be read.
    #[error("`a=rtcp` has a port, and an address or none (RFC 3605 §2.1)")]
    Rtcp,
}
