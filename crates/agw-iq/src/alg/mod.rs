//! The IMS-ALG behind a signalling face: session descriptions in, session descriptions out.
//!
//! Faces (the service `agw.alg.v1`, the `ng` protocol) bring requests in these words; whoever owns
//! the calls answers them.

use std::future::Future;
use std::time::SystemTime;

use agw_context::{CommandError, ContextId, Controller, Priority, Reason, Refused};
use agw_relay::{EgressSnapshot, IngressSnapshot};
use agw_sdp::{AlgError, SideOptions, Signalled, SignalledStream};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::backend::{TransactError, Unavailable};

/// The calls of all faces.
///
/// Every call of a method is carried through, whoever stops waiting for it. Requests of one call
/// take effect in the order in which they were asked for.
pub trait Alg: Send + Sync + 'static {
    /// Reserves what an offer needs; yields the offer to send on.
    fn offer(&self, offer: Offer) -> impl Future<Output = Result<Signalled, AlgFailure>> + Send;

    /// Installs what offer and answer agreed on; yields the answer to send on.
    fn answer(&self, answer: Answer) -> impl Future<Output = Result<Signalled, AlgFailure>> + Send;

    /// Ends an offer that was rejected: an earlier session goes on under its old keys, a dialogue
    /// that had none ends.
    fn reject(&self, name: CallName) -> impl Future<Output = Result<Signalled, AlgFailure>> + Send;

    /// Ends a dialogue, or a whole call, and tells the last statistics.
    fn delete(
        &self,
        controller: Controller,
        which: Which,
    ) -> impl Future<Output = Result<Deleted, AlgFailure>> + Send;

    /// Tells calls with their streams and counters.
    fn query(
        &self,
        controller: Controller,
        which: Which,
    ) -> impl Future<Output = Result<Vec<CallView>, AlgFailure>> + Send;

    /// Tells the identifiers of a controller's calls after one, in order, at most `limit`; fewer
    /// only if there are no more.
    fn list(&self, controller: &Controller, after: Option<&str>, limit: usize) -> Vec<String>;
}

/// Whose request is about which dialogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallName {
    /// Whose call: nobody else finds it, and its context is theirs.
    pub controller: Controller,
    /// The call's identifier.
    pub call_id: String,
    /// The tag of who sends the request, or of who sent the request that is answered.
    pub from_tag: String,
    /// The other tag, as far as it is known.
    pub to_tag: Option<String>,
    /// What tells the branches of a fork apart before they have tags.
    pub via_branch: Option<String>,
}

/// Calls of a controller, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Which {
    /// The calls' identifier.
    pub call_id: String,
    /// A tag of the call; `None` is every call with the identifier.
    pub from_tag: Option<String>,
    /// With a tag: the other one of the dialogue; `None` is all of its dialogues.
    pub to_tag: Option<String>,
    /// With a tag: the branch of a fork.
    pub via_branch: Option<String>,
}

/// An offer on its way, **with its keys**.
pub struct Offer {
    /// The dialogue; its `from_tag` is the offerer's.
    pub name: CallName,
    /// The session description.
    pub sdp: Zeroizing<Vec<u8>>,
    /// The offerer's side.
    pub near: SideOptions,
    /// The answerer's side.
    pub far: SideOptions,
    /// Whether the answerer is offered fresh keys, though it has some (RFC 4568 §7.1.4, §7.3).
    pub rekey: bool,
    /// The precedence of the call (TS 23.334 §8.2); `None` is normal for a new call and leaves one
    /// that exists as it is.
    pub priority: Option<Priority>,
}

/// An answer on its way, **with its keys**.
pub struct Answer {
    /// The dialogue; tags may stand either way round.
    pub name: CallName,
    /// The session description.
    pub sdp: Zeroizing<Vec<u8>>,
}

/// A stream of a call with what it has counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountedStream {
    /// The stream.
    pub stream: SignalledStream,
    /// Its counters; `None` if the packet path could not tell.
    pub counters: Option<(IngressSnapshot, EgressSnapshot)>,
}

/// What a delete ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deleted {
    /// The contexts that it ended, or took terminations from.
    pub contexts: Vec<ContextId>,
    /// The streams that ended, with their last counters.
    pub streams: Vec<CountedStream>,
}

/// A call as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallView {
    /// Its identifier.
    pub call_id: String,
    /// The tags of its dialogues: the caller's and, once it is known, the callee's.
    pub dialogues: Vec<(String, Option<String>)>,
    /// The gateway's context, by which the call is found over Iq; `None` if media goes past the
    /// gateway.
    pub context: Option<ContextId>,
    /// When its context was created, by the wall clock.
    pub created: Option<SystemTime>,
    /// Its streams.
    pub streams: Vec<CountedStream>,
}

/// Why a request was not carried out; the call is as it was, unless it has ended otherwise.
#[derive(Debug, Error)]
pub enum AlgFailure {
    /// The description or the request does not fit.
    #[error(transparent)]
    Signalling(#[from] AlgError),
    /// The gateway refused what the request needs, or could not do it.
    #[error(transparent)]
    Gateway(#[from] TransactError),
    /// More requests are under way than are taken at a time.
    #[error("too many requests are under way")]
    Busy,
}

impl AlgFailure {
    /// Whether the same request would have the same answer later: what was decided, and not what
    /// could not be decided now.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::Signalling(AlgError::TooManyCalls { .. } | AlgError::KeyGeneration) => false,
            Self::Signalling(_) => true,
            Self::Gateway(TransactError::Refused(Refused { command: _, error })) => {
                sip_status(error) != 503
            }
            Self::Gateway(TransactError::Failed { .. }) => true,
            Self::Gateway(TransactError::Unavailable(Unavailable)) | Self::Busy => false,
        }
    }

    /// The status of the SIP response that says it best: what the caller should be sent.
    #[must_use]
    pub fn sip_status(&self) -> u16 {
        match self {
            Self::Signalling(error) => error.sip_status(),
            Self::Gateway(TransactError::Refused(Refused { command: _, error })) => {
                sip_status(error)
            }
            Self::Gateway(TransactError::Failed { .. }) => 500,
            Self::Gateway(TransactError::Unavailable(Unavailable)) | Self::Busy => 503,
        }
    }

    /// The machine-readable reason.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Signalling(error) => error.reason(),
            Self::Gateway(TransactError::Refused(Refused { command: _, error })) => {
                error.reason().name()
            }
            Self::Gateway(TransactError::Failed { .. }) => Reason::System.name(),
            Self::Gateway(TransactError::Unavailable(Unavailable)) | Self::Busy => "UNAVAILABLE",
        }
    }
}

impl From<Unavailable> for AlgFailure {
    fn from(unavailable: Unavailable) -> Self {
        Self::Gateway(unavailable.into())
    }
}

impl From<CommandError> for AlgFailure {
    fn from(error: CommandError) -> Self {
        Self::Gateway(Refused { command: 0, error }.into())
    }
}

/// What a caller is told of the gateway's refusals.
fn sip_status(error: &CommandError) -> u16 {
    match error.reason() {
        Reason::UnknownContext | Reason::UnknownTermination => 481,
        Reason::Exhausted | Reason::Draining | Reason::Locked | Reason::RealmUnavailable => 503,
        // What a peer's description asks for and policy refuses.
        Reason::KeyLength
        | Reason::SaltLength
        | Reason::MkiMismatch
        | Reason::LifetimeRange
        | Reason::KeyReuse
        | Reason::KeyWeak
        | Reason::KeyRequired
        | Reason::SuiteRefused
        | Reason::PlainRefused
        | Reason::SessionParameterRefused
        | Reason::AddressRefused => 488,
        // What the controller asks for, or this program.
        Reason::UnknownStream
        | Reason::UnknownGroup
        | Reason::UnknownRealm
        | Reason::FieldMissing
        | Reason::FieldValue
        | Reason::CryptoOnPlainTransport
        | Reason::TopologyRefused
        | Reason::PlainMember
        | Reason::GroupNotEmpty
        | Reason::NotOrphaned
        | Reason::AdoptionRefused
        | Reason::NothingStaged
        | Reason::StreamExists
        | Reason::System => 500,
    }
}
