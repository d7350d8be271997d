//! Why, for machines.

/// Machine-readable reasons, the same words in the API, the log and the documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// No such context.
    UnknownContext,
    /// No such termination.
    UnknownTermination,
    /// No such stream.
    UnknownStream,
    /// No such group.
    UnknownGroup,
    /// No such realm.
    UnknownRealm,
    /// A field is missing.
    FieldMissing,
    /// A field has a value outside its rule.
    FieldValue,
    /// A key is not as long as its suite says.
    KeyLength,
    /// A salt is not as long as its suite says.
    SaltLength,
    /// Keys and MKIs do not fit together.
    MkiMismatch,
    /// A lifetime is zero or above the suite's maximum.
    LifetimeRange,
    /// A key is used twice.
    KeyReuse,
    /// A key of zeros only.
    KeyWeak,
    /// A new key is needed because the peer's address changed.
    KeyRequired,
    /// The suite is not allowed.
    SuiteRefused,
    /// A session parameter is not allowed.
    SessionParameterRefused,
    /// Keys were given for a leg that is not secured.
    CryptoOnPlainTransport,
    /// The realm demands protection that the stream does not have.
    PlainRefused,
    /// The address cannot be a peer's: of no host, multicast, one of this host or of the other family.
    AddressRefused,
    /// A relay that neither mixes nor copies cannot do it.
    TopologyRefused,
    /// The stream exists already at the termination.
    StreamExists,
    /// A member of a secured group is not secured.
    PlainMember,
    /// The group has members.
    GroupNotEmpty,
    /// Nothing is staged.
    NothingStaged,
    /// The context is not at the generation that was expected.
    GenerationMismatch,
    /// Out of contexts, terminations, ports or descriptors.
    Exhausted,
    /// The gateway is draining.
    Draining,
    /// The context has its controller.
    NotOrphaned,
    /// Policy does not allow the adoption.
    AdoptionRefused,
    /// The gateway is locked.
    Locked,
    /// The realm has no address or its interface is down.
    RealmUnavailable,
    /// The operating system refused.
    System,
}

impl Reason {
    /// The reason as written in the API: upper case, words joined by `_`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownContext => "UNKNOWN_CONTEXT",
            Self::UnknownTermination => "UNKNOWN_TERMINATION",
            Self::UnknownStream => "UNKNOWN_STREAM",
            Self::UnknownGroup => "UNKNOWN_GROUP",
            Self::UnknownRealm => "UNKNOWN_REALM",
            Self::FieldMissing => "FIELD_MISSING",
            Self::FieldValue => "FIELD_VALUE",
            Self::KeyLength => "KEY_LENGTH",
            Self::SaltLength => "SALT_LENGTH",
            Self::MkiMismatch => "MKI_MISMATCH",
            Self::LifetimeRange => "LIFETIME_RANGE",
            Self::KeyReuse => "KEY_REUSE",
            Self::KeyWeak => "KEY_WEAK",
            Self::KeyRequired => "KEY_REQUIRED",
            Self::SuiteRefused => "SUITE_REFUSED",
            Self::SessionParameterRefused => "SESSION_PARAM_REFUSED",
            Self::CryptoOnPlainTransport => "CRYPTO_ON_PLAIN_TRANSPORT",
            Self::PlainRefused => "PLAIN_REFUSED",
            Self::AddressRefused => "ADDRESS_REFUSED",
            Self::TopologyRefused => "TOPOLOGY_REFUSED",
            Self::StreamExists => "STREAM_EXISTS",
            Self::PlainMember => "PLAIN_MEMBER",
            Self::GroupNotEmpty => "GROUP_NOT_EMPTY",
            Self::NothingStaged => "NOTHING_STAGED",
            Self::GenerationMismatch => "GENERATION_MISMATCH",
            Self::Exhausted => "EXHAUSTED",
            Self::Draining => "DRAINING",
            Self::NotOrphaned => "NOT_ORPHANED",
            Self::AdoptionRefused => "ADOPTION_REFUSED",
            Self::Locked => "LOCKED",
            Self::RealmUnavailable => "REALM_UNAVAILABLE",
            Self::System => "SYSTEM",
        }
    }
}
