//! A request that is wrong by itself: the field, the rule, the reason.

use std::borrow::Cow;
use std::fmt;

use agw_context::Reason;
use thiserror::Error;
use tonic::Code;

/// A request that breaks a rule of the proto; the text never has key material.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field}: {rule}")]
pub(crate) struct InvalidRequest {
    /// The path of the field, from where the conversion stands.
    pub(crate) field: String,
    /// What is wrong.
    pub(crate) rule: Cow<'static, str>,
    /// The machine-readable reason.
    pub(crate) reason: Word,
}

impl InvalidRequest {
    pub(crate) fn new(field: &str, rule: impl Into<Cow<'static, str>>, reason: Reason) -> Self {
        Self { field: field.to_owned(), rule: rule.into(), reason: Word::Gateway(reason) }
    }

    /// A required field is absent.
    pub(crate) fn missing(field: &str) -> Self {
        Self::new(field, "is required", Reason::FieldMissing)
    }

    /// A field has a value outside its rule.
    pub(crate) fn value(field: &str, rule: impl Into<Cow<'static, str>>) -> Self {
        Self::new(field, rule, Reason::FieldValue)
    }

    //= tests/spec/iq.md#acknowledgement
    //# A request with an unknown enumeration value MUST be refused.
    /// An enum has a number that this version does not know.
    pub(crate) fn unknown(field: &str, number: i32) -> Self {
        Self::value(field, format!("has no value {number}"))
    }

    /// The same error, seen from the message that has the field in `parent`.
    pub(crate) fn under(self, parent: impl fmt::Display) -> Self {
        let Self { field, rule, reason } = self;
        Self { field: format!("{parent}.{field}"), rule, reason }
    }
}

/// Converts items of a repeated field; an error names the position.
pub(crate) fn each<T, U>(
    field: &str,
    items: &[T],
    convert: impl Fn(&T) -> Result<U, InvalidRequest>,
) -> Result<Vec<U>, InvalidRequest> {
    let mut converted = Vec::with_capacity(items.len());
    for (position, item) in items.iter().enumerate() {
        converted.push(convert(item).map_err(|e| e.under(format_args!("{field}[{position}]")))?);
    }
    Ok(converted)
}

/// Converts an optional message field; an error names the field.
pub(crate) fn optional<T, U>(
    field: &str,
    item: Option<&T>,
    convert: impl FnOnce(&T) -> Result<U, InvalidRequest>,
) -> Result<Option<U>, InvalidRequest> {
    item.map(convert).transpose().map_err(|error| error.under(field))
}

/// Converts a required message field; an error names the field.
pub(crate) fn required<T, U>(
    field: &str,
    item: Option<&T>,
    convert: impl FnOnce(&T) -> Result<U, InvalidRequest>,
) -> Result<U, InvalidRequest> {
    convert(item.ok_or_else(|| InvalidRequest::missing(field))?).map_err(|error| error.under(field))
}

/// The machine-readable reasons of the API: those of the gateway, and those of this layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// One of the gateway's.
    Gateway(Reason),
    /// An `a=crypto` line cannot be read.
    SdesLine,
    /// A transaction id was used before with other content.
    TransactionIdReused,
    /// Events asked for are not kept any more.
    EventsGone,
    /// The peer's role does not include the procedure.
    NotPermitted,
    /// A higher epoch of the controller was seen.
    StaleController,
    /// One of the IMS-ALG's, with its status.
    Signalling(&'static str, Code),
    /// The gateway cannot answer now.
    Unavailable,
    /// The gateway's answer does not fit the request.
    Internal,
}

impl Word {
    /// The reason as written in the API.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Gateway(reason) => reason.name(),
            Self::SdesLine => "SDES_LINE",
            Self::TransactionIdReused => "TRANSACTION_ID_REUSED",
            Self::EventsGone => "EVENTS_GONE",
            Self::NotPermitted => "NOT_PERMITTED",
            Self::StaleController => "STALE_CONTROLLER",
            Self::Signalling(reason, _) => reason,
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal => "INTERNAL",
        }
    }
}
