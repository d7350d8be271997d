//! Refusals: one place that maps them to gRPC codes, reasons, H.248 codes and field paths.

use std::collections::HashMap;
use std::fmt::Write as _;

use agw_context::{CommandError, ContextId, Reason, Refused, Resource};
use agw_sdp::AlgError;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::alg::AlgFailure;
use crate::backend::{Condition, EventsError, TransactError, Unavailable, numbers};
use crate::invalid::{InvalidRequest, Word};
use crate::{Role, pb};

/// Octets that the text of a refusal usually takes at most.
const USUAL_MESSAGE: usize = 64;
/// The domain of the `ErrorInfo` detail.
pub(crate) const DOMAIN: &str = "agw.iq.v1";
/// The same of the service of the IMS-ALG.
pub(crate) const ALG_DOMAIN: &str = "agw.alg.v1";

/// Why a call has no answer; never with key material.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    message: String,
    reason: Word,
    h248_code: Option<u16>,
    command: Option<usize>,
    field: Option<String>,
    /// What ran out.
    limit: Option<Resource>,
    /// What a reason has to say beyond the common facts.
    extra: Vec<(&'static str, String)>,
}

/// Where the commands of a transaction stand in its request, for paths.
#[derive(Debug, Clone)]
pub(crate) enum Places {
    /// The one command of a call of its own, by its field.
    Single(&'static str),
    /// The repeated field `commands`, by the field of each.
    Several(Vec<&'static str>),
}

impl Places {
    /// The path of a command, and its position where there can be several.
    fn of(&self, command: usize) -> (String, Option<usize>) {
        match self {
            Self::Single(name) => ((*name).to_owned(), None),
            Self::Several(names) => {
                let name = names.get(command).copied().unwrap_or_default();
                (format!("commands[{command}].{name}"), Some(command))
            }
        }
    }
}

impl Failure {
    fn new(reason: Word, message: String) -> Self {
        let h248_code = h248_code(reason);
        Self {
            message,
            reason,
            h248_code,
            command: None,
            field: None,
            limit: None,
            extra: Vec::new(),
        }
    }

    //= tests/spec/iq.md#acknowledgement
    //# A refusal MUST carry an H.248 error code, a machine-readable reason and the path of the
    //# field.
    /// The gateway refused a command.
    pub(crate) fn refused(refused: &Refused, places: &Places) -> Self {
        let Refused { command, error } = refused;
        let (place, command) = places.of(*command);
        Self {
            message: format!("{place}: {error}"),
            reason: Word::Gateway(error.reason()),
            h248_code: Some(error.h248_code()),
            command,
            field: error.field().map(|field| format!("{place}.{field}")),
            limit: error.limit(),
            extra: extra(error),
        }
    }

    /// A transaction has no answer.
    pub(crate) fn transact(error: &TransactError, places: &Places) -> Self {
        match error {
            TransactError::Refused(refused) => Self::refused(refused, places),
            TransactError::Failed { released } => Self::failed(error, released),
            TransactError::Unavailable(Unavailable) => Self::unavailable(),
        }
    }

    /// The gateway accepted a transaction and could not carry it out.
    fn failed(error: &TransactError, released: &[ContextId]) -> Self {
        let mut failure = Self::new(Word::Gateway(Reason::System), error.to_string());
        failure.h248_code = Some(500);
        failure.extra = vec![("released_contexts", numbers(released))];
        failure
    }

    /// A higher epoch of the controller was seen.
    pub(crate) fn stale_controller(highest: u64) -> Self {
        let message = format!("another instance of this controller is at epoch {highest}");
        let mut failure = Self::new(Word::StaleController, message);
        failure.extra = vec![("highest_epoch", highest.to_string())];
        failure
    }

    /// An audit or an adoption has no answer; its request is flat.
    pub(crate) fn audit(error: &TransactError) -> Self {
        match error {
            TransactError::Refused(Refused { command: _, error }) => Self::gateway(error),
            TransactError::Failed { released } => Self::failed(error, released),
            TransactError::Unavailable(Unavailable) => Self::unavailable(),
        }
    }

    //= tests/spec/iq.md#admission
    //# A refusal for want of resources MUST say what ran out.
    /// The gateway refused a request as a whole.
    pub(crate) fn gateway(error: &CommandError) -> Self {
        // Written at once: this is what a refused call costs.
        let mut message = String::with_capacity(USUAL_MESSAGE);
        let _ = write!(message, "{error}");
        Self {
            message,
            reason: Word::Gateway(error.reason()),
            h248_code: Some(error.h248_code()),
            command: None,
            field: error.field().map(str::to_owned),
            limit: error.limit(),
            extra: extra(error),
        }
    }

    /// Events cannot be told.
    pub(crate) fn events(error: EventsError, restart_epoch: u64) -> Self {
        match error {
            EventsError::Gone { oldest } => {
                let mut failure = Self::new(Word::EventsGone, error.to_string());
                failure.extra = vec![
                    ("oldest_sequence", oldest.to_string()),
                    ("restart_epoch", restart_epoch.to_string()),
                ];
                failure
            }
            EventsError::Exhausted { what } => {
                Self::gateway(&CommandError::Exhausted { what, realm: None })
            }
            EventsError::Unavailable(Unavailable) => Self::unavailable(),
        }
    }

    /// The transaction id was used before with other content.
    pub(crate) fn transaction_id_reused() -> Self {
        let rule = "was used within the last 10 minutes with other content";
        let mut failure = Self::new(Word::TransactionIdReused, format!("transaction_id: {rule}"));
        failure.field = Some("transaction_id".to_owned());
        failure
    }

    /// The role of the peer does not include the procedure.
    pub(crate) fn not_permitted(role: Role) -> Self {
        Self::new(Word::NotPermitted, format!("the role {role} does not include this procedure"))
    }

    /// The gateway cannot answer now.
    pub(crate) fn unavailable() -> Self {
        Self::new(Word::Unavailable, Unavailable.to_string())
    }

    /// The gateway's answer does not fit the request.
    pub(crate) fn internal(what: &str) -> Self {
        Self::new(Word::Internal, what.to_owned())
    }

    /// Whether the same request gets the same answer later: what the gateway decided, and not
    /// what it could not decide.
    pub(crate) fn is_final(&self) -> bool {
        match self.reason {
            Word::Unavailable | Word::Internal => false,
            Word::Signalling(_, code) => !matches!(code, Code::Aborted | Code::ResourceExhausted),
            // Room may come back at any time, and whoever asks again shall have it.
            Word::Gateway(Reason::Exhausted | Reason::Draining | Reason::Locked) => false,
            Word::Gateway(_)
            | Word::SdesLine
            | Word::TransactionIdReused
            | Word::EventsGone
            | Word::NotPermitted
            | Word::StaleController => true,
        }
    }

    /// The octets that it takes to keep.
    pub(crate) fn octets(&self) -> usize {
        size_of::<Self>() + self.message.len() + self.field.as_ref().map_or(0, String::len)
    }

    /// The IMS-ALG refused a request, or the gateway refused what it needs.
    pub(crate) fn alg(failure: &AlgFailure) -> Self {
        let mut of = match failure {
            AlgFailure::Signalling(error) => {
                Self::new(Word::Signalling(error.reason(), alg_code(error)), error.to_string())
            }
            AlgFailure::Gateway(error) => Self::audit(error),
            AlgFailure::Busy => Self::new(Word::Unavailable, failure.to_string()),
            AlgFailure::Fields(_) => Self::new(
                Word::Signalling(failure.reason(), Code::InvalidArgument),
                failure.to_string(),
            ),
        };
        // What was refused is a command of a plan, whose fields are none of the request's.
        of.field = None;
        of.extra.push(("sip_status", failure.sip_status().to_string()));
        of
    }

    /// The failure as a gRPC status with details.
    pub(crate) fn into_status(self, condition: Condition) -> Status {
        self.into_status_of(DOMAIN, condition)
    }

    /// The failure as a status of the IMS-ALG.
    pub(crate) fn into_alg_status(self, condition: Condition) -> Status {
        self.into_status_of(ALG_DOMAIN, condition)
    }

    fn into_status_of(self, domain: &str, condition: Condition) -> Status {
        let Self { message, reason, h248_code, command, field, limit, extra } = self;
        let overload = condition.overload_percent.to_string();
        let mut metadata = HashMap::from([("overload_percent".to_owned(), overload)]);
        let facts = [
            ("h248_code", h248_code.map(|code| code.to_string())),
            ("command", command.map(|position| position.to_string())),
            ("field", field.clone()),
            ("limit", limit.map(|limit| limit.name().to_owned())),
        ];
        for (key, value) in facts {
            metadata.extend(value.map(|value| (key.to_owned(), value)));
        }
        metadata.extend(extra.into_iter().map(|(key, value)| (key.to_owned(), value)));
        let mut details = ErrorDetails::with_error_info(reason.name(), domain, metadata);
        if let Some(field) = field {
            details.add_bad_request_violation(field, message.clone());
        }
        Status::with_error_details(code(reason), message, details)
    }

    /// The failure as an answer on a stream of transactions.
    pub(crate) fn into_refusal(self) -> pb::Refusal {
        let Self { message, reason, h248_code, command, field, limit, extra: _ } = self;
        pb::Refusal {
            code: i32::from(code(reason)).unsigned_abs(),
            message,
            reason: reason.name().to_owned(),
            h248_code: h248_code.map_or(0, u32::from),
            command: command.and_then(|position| u32::try_from(position).ok()),
            field: field.unwrap_or_default(),
            limit: limit.map(Resource::name).unwrap_or_default().to_owned(),
        }
    }
}

impl From<InvalidRequest> for Failure {
    fn from(invalid: InvalidRequest) -> Self {
        let message = invalid.to_string();
        let InvalidRequest { field, rule: _, reason } = invalid;
        let mut failure = Self::new(reason, message);
        failure.command = position_in(&field);
        failure.field = Some(field);
        failure
    }
}

/// The position in a path that starts with `commands[position]`.
fn position_in(field: &str) -> Option<usize> {
    let (position, _) = field.strip_prefix("commands[")?.split_once(']')?;
    position.parse().ok()
}

/// The gRPC code of what the IMS-ALG refuses, as listed at the top of `alg_service.proto`.
const fn alg_code(error: &AlgError) -> Code {
    match error {
        AlgError::Description(_) => Code::InvalidArgument,
        AlgError::NothingLeft(_)
        | AlgError::Line { .. }
        | AlgError::MediaCount { .. }
        | AlgError::MediaRemoved
        | AlgError::UnprotectedSignalling
        | AlgError::NoSuite
        | AlgError::Unencrypted
        | AlgError::NoOffer => Code::FailedPrecondition,
        AlgError::OfferPending => Code::Aborted,
        AlgError::UnknownDialogue | AlgError::UnknownCall => Code::NotFound,
        AlgError::TooManyBranches { .. } | AlgError::TooManyCalls { .. } => Code::ResourceExhausted,
        AlgError::Stale | AlgError::Replies | AlgError::KeyGeneration => Code::Internal,
    }
}

/// The gRPC code of a reason, as listed at the top of `iq_service.proto`.
const fn code(reason: Word) -> Code {
    match reason {
        Word::Gateway(reason) => gateway_code(reason),
        Word::SdesLine => Code::InvalidArgument,
        Word::TransactionIdReused | Word::StaleController => Code::FailedPrecondition,
        Word::EventsGone => Code::OutOfRange,
        Word::NotPermitted => Code::PermissionDenied,
        Word::Signalling(_, code) => code,
        Word::Unavailable => Code::Unavailable,
        Word::Internal => Code::Internal,
    }
}

const fn gateway_code(reason: Reason) -> Code {
    match reason {
        Reason::UnknownContext
        | Reason::UnknownTermination
        | Reason::UnknownStream
        | Reason::UnknownGroup => Code::NotFound,
        Reason::UnknownRealm
        | Reason::FieldMissing
        | Reason::FieldValue
        | Reason::KeyLength
        | Reason::SaltLength
        | Reason::MkiMismatch
        | Reason::LifetimeRange
        | Reason::KeyReuse
        | Reason::KeyWeak
        | Reason::CryptoOnPlainTransport
        | Reason::AddressRefused
        | Reason::TopologyRefused => Code::InvalidArgument,
        Reason::KeyRequired
        | Reason::SuiteRefused
        | Reason::PlainRefused
        | Reason::SessionParameterRefused
        | Reason::PlainMember
        | Reason::GroupNotEmpty
        | Reason::NotOrphaned
        | Reason::NothingStaged => Code::FailedPrecondition,
        Reason::GenerationMismatch => Code::Aborted,
        Reason::AdoptionRefused => Code::PermissionDenied,
        Reason::StreamExists => Code::AlreadyExists,
        Reason::Exhausted => Code::ResourceExhausted,
        Reason::Draining | Reason::Locked | Reason::RealmUnavailable => Code::Unavailable,
        Reason::System => Code::Internal,
    }
}

/// What a controller needs to try anew.
fn extra(error: &CommandError) -> Vec<(&'static str, String)> {
    if let CommandError::OtherGeneration { expected: _, is } = error {
        return vec![("generation", is.to_string())];
    }
    Vec::new()
}

/// The nearest error code of H.248.8 for what this layer refuses by itself.
const fn h248_code(reason: Word) -> Option<u16> {
    match reason {
        Word::Gateway(Reason::FieldMissing) => Some(441),
        Word::Gateway(_) | Word::SdesLine => Some(449),
        Word::NotPermitted => Some(402),
        Word::Unavailable => Some(503),
        Word::Internal => Some(500),
        Word::StaleController => Some(504),
        Word::TransactionIdReused | Word::EventsGone | Word::Signalling(..) => None,
    }
}
