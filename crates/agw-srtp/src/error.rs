//! Why a packet is not opened or sealed: closed lists without text, one per operation.

/// Why a packet was not opened. Except for [`UnprotectError::Replay`], [`UnprotectError::TooOld`]
/// and [`UnprotectError::KeyExpired`], which [`Unprotector::commit`](crate::Unprotector::commit)
/// finds too, and [`UnprotectError::Authentication`], all are found before any MAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnprotectError {
    /// The header does not parse, or the packet is too short for header and trailer.
    #[error("the packet is malformed")]
    Malformed,
    /// A packet with this index was accepted before (RFC 3711 §3.3.2).
    #[error("a packet with this index was accepted before")]
    Replay,
    /// The index is behind the replay window (RFC 3711 §3.3.2).
    #[error("the index is behind the replay window")]
    TooOld,
    /// The packet carries none of the identifiers in force (RFC 3711 §3.1).
    #[error("no key in force has the packet's master key identifier")]
    UnknownMki,
    /// The E bit is not what was agreed on (RFC 4568 §6.3.2).
    #[error("the E bit is not what was agreed on")]
    Unencrypted,
    /// The SSRC is new and the session has as many as it may have.
    #[error("the session has as many sources as it may have")]
    SourceLimit,
    /// The key is used up (RFC 3711 §9.2) or was replaced since the check.
    #[error("the key is used up")]
    KeyExpired,
    /// The tag is not that of the packet under the key.
    #[error("the tag does not verify")]
    Authentication,
    /// The tag is short and the index far ahead: the next packet must confirm it (RFC 3711 §7.5).
    #[error("an index so far ahead under a short tag is not confirmed yet")]
    Unconfirmed,
}

/// Why a packet was not sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtectError {
    /// The header does not parse.
    #[error("the packet is malformed")]
    Malformed,
    /// A packet with this SSRC and index was sealed before: sealing another would reuse the
    /// keystream (RFC 3711 §9.1, RFC 7714 §8.4).
    #[error("a packet with this index was sealed before")]
    IndexReused,
    /// The index is behind the transmit guard's window, so nobody knows whether it was used.
    #[error("the index is behind the transmit window")]
    TooOld,
    /// The SSRC is new and the session has as many as it may have.
    #[error("the session has as many sources as it may have")]
    SourceLimit,
    /// The key is used up (RFC 3711 §9.2) or was replaced since the index was reserved.
    #[error("the key is used up")]
    KeyExpired,
    /// The buffer has no room for the trailer of up to [`MAX_TRAILER`](crate::MAX_TRAILER) octets.
    #[error("the buffer has no room for the trailer")]
    NoRoom,
}

/// Why an engine did not do a job; the packet is as it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CryptoFailure {
    /// The tag is not that of the packet under the key.
    #[error("the tag does not verify")]
    Authentication,
    /// The buffer has no room for the trailer.
    #[error("the buffer has no room for the trailer")]
    NoRoom,
    /// The packet is shorter than its header and trailer.
    #[error("the packet is too short")]
    TooShort,
    /// The key that the ticket names has been replaced.
    #[error("the key has been replaced")]
    Stale,
    /// No engine has run the job.
    #[error("the job was not run")]
    NotRun,
}

impl From<CryptoFailure> for UnprotectError {
    fn from(failure: CryptoFailure) -> Self {
        match failure {
            CryptoFailure::Authentication | CryptoFailure::NotRun => Self::Authentication,
            CryptoFailure::NoRoom | CryptoFailure::TooShort => Self::Malformed,
            CryptoFailure::Stale => Self::KeyExpired,
        }
    }
}

impl From<CryptoFailure> for ProtectError {
    fn from(failure: CryptoFailure) -> Self {
        match failure {
            CryptoFailure::NoRoom => Self::NoRoom,
            CryptoFailure::TooShort | CryptoFailure::Authentication => Self::Malformed,
            CryptoFailure::Stale | CryptoFailure::NotRun => Self::KeyExpired,
        }
    }
}
