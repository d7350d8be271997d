//! Refusals as a controller sees them.

use std::fmt;

use agw_context::Resource;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::status::{ALG_DOMAIN, DOMAIN};

/// A call that was refused or got no answer; nothing changed at the gateway, except perhaps where
/// [`CallError::is_of_connection`] holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    /// The gRPC status code.
    pub code: Code,
    /// What is wrong, for people.
    pub message: String,
    /// The machine-readable reason, as listed in `iq_service.proto` and `alg_service.proto`; `None` if not the gateway
    /// but the connection failed.
    pub reason: Option<String>,
    /// The nearest error code of H.248.8.
    pub h248_code: Option<u16>,
    /// The position of the command at fault, from 0.
    pub command: Option<usize>,
    /// The path of the field at fault.
    pub field: Option<String>,
    /// The gateway's load, 0 to 100.
    pub overload_percent: Option<u8>,
    /// With reason `EXHAUSTED`: what ran out, if this client knows it.
    pub limit: Option<Resource>,
    /// From the IMS-ALG: the status of the SIP response that the caller should be sent.
    pub sip_status: Option<u16>,
    /// With reason `EVENTS_GONE`: the first event that is still kept.
    pub oldest_sequence: Option<u64>,
}

impl CallError {
    /// Whether the connection failed, so that nobody knows what became of the request.
    ///
    /// The gateway gives a reason with whatever it refuses; a broken connection gives none, and
    /// comes as unavailable, cancelled or unknown, by the moment at which it broke.
    pub fn is_of_connection(&self) -> bool {
        let codes = [Code::Unavailable, Code::Cancelled, Code::Unknown];
        self.reason.is_none() && codes.contains(&self.code)
    }

    /// The answer lacks what it must have.
    pub(super) fn incomplete() -> Self {
        Self::from(Status::internal("the gateway's answer is incomplete"))
    }
}

impl From<Status> for CallError {
    fn from(status: Status) -> Self {
        let ours = [DOMAIN, ALG_DOMAIN];
        let info = status.get_details_error_info();
        let info = info.filter(|info| ours.contains(&info.domain.as_str()));
        let fact = |key: &str| info.as_ref().and_then(|info| info.metadata.get(key));
        Self {
            code: status.code(),
            message: status.message().to_owned(),
            h248_code: fact("h248_code").and_then(|code| code.parse().ok()),
            command: fact("command").and_then(|position| position.parse().ok()),
            field: fact("field").cloned(),
            overload_percent: fact("overload_percent").and_then(|load| load.parse().ok()),
            limit: fact("limit")
                .and_then(|name| Resource::ALL.into_iter().find(|limit| limit.name() == name)),
            sip_status: fact("sip_status").and_then(|status| status.parse().ok()),
            oldest_sequence: fact("oldest_sequence").and_then(|number| number.parse().ok()),
            reason: info.map(|info| info.reason),
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, message, reason, h248_code, .. } = self;
        match reason {
            None => write!(f, "{message} ({code})")?,
            Some(reason) => write!(f, "{message} ({reason})")?,
        }
        match h248_code {
            None => Ok(()),
            Some(code) => write!(f, " [H.248 {code}]"),
        }
    }
}

impl std::error::Error for CallError {}
