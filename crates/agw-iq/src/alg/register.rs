//! Registrations of UEs: requests taken apart, answers put together.

use std::time::{Duration, Instant};

use agw_sdp::mediasec::{Agreed, Header, MediaMechanism, Registering, strip_mediasec};

use super::convert::name;
use super::{Registered, Registration, pb};
use crate::invalid::{InvalidRequest, each};

/// The most header fields of a request.
const MAX_FIELDS: usize = 64;
/// The longest name of a header field, in octets.
const MAX_FIELD_NAME_OCTETS: usize = 64;
/// The longest value of a header field, in octets.
const MAX_FIELD_VALUE_OCTETS: usize = 8_192;

pub(super) fn register(request: &pb::RegisterRequest) -> Result<Registration, InvalidRequest> {
    let pb::RegisterRequest { ue, headers, protected_signalling, mechanisms } = request;
    if headers.len() > MAX_FIELDS {
        return Err(InvalidRequest::value("headers", "are at most 64"));
    }
    Ok(Registration {
        ue: name("ue", ue)?,
        headers: each("headers", headers, header)?,
        protected_signalling: *protected_signalling,
        mechanisms: supported(mechanisms)?,
    })
}

pub(super) fn answer(
    request: &pb::RegisterAnswerRequest,
) -> Result<(String, Registered), InvalidRequest> {
    let pb::RegisterAnswerRequest { ue, status, expires_s } = request;
    let registered = match status {
        200..=299 if *expires_s == 0 => Registered::NotAnyMore,
        200..=299 => Registered::For(Duration::from_secs((*expires_s).into())),
        300..=699 => Registered::AsBefore,
        _ => return Err(InvalidRequest::value("status", "is 200 to 699")),
    };
    Ok((name("ue", ue)?, registered))
}

pub(super) fn query(request: &pb::QueryRegistrationRequest) -> Result<String, InvalidRequest> {
    let pb::QueryRegistrationRequest { ue } = request;
    name("ue", ue)
}

/// What becomes of a request with these fields.
pub(super) fn registering(
    registering: Registering,
    mut headers: Vec<Header>,
) -> pb::RegisterResponse {
    let (verdict, security_server) = match registering {
        Registering::GoesOn { security_server } => (pb::RegisterVerdict::GoOn, security_server),
        Registering::Disagrees { security_server } => {
            headers.clear();
            (pb::RegisterVerdict::SecurityAgreementRequired, security_server)
        }
    };
    strip_mediasec(&mut headers);
    let field = |Header { name, value }| pb::HeaderField { name, value };
    pb::RegisterResponse {
        gateway: None,
        verdict: verdict.into(),
        security_server,
        headers: headers.into_iter().map(field).collect(),
    }
}

pub(super) fn registration(agreed: &Agreed, now: Instant) -> pb::Registration {
    let Agreed { mechanisms, protected_signalling, until } = agreed;
    let left = until.saturating_duration_since(now).as_secs();
    let told = |mechanism: &MediaMechanism| match mechanism {
        MediaMechanism::SdesSrtp => pb::MediaMechanism::SdesSrtp,
        MediaMechanism::DtlsSrtp => pb::MediaMechanism::DtlsSrtp,
        MediaMechanism::MsrpTls => pb::MediaMechanism::MsrpTls,
    };
    pb::Registration {
        mechanisms: mechanisms.iter().map(|mechanism| told(mechanism).into()).collect(),
        protected_signalling: *protected_signalling,
        expires_s: u32::try_from(left).unwrap_or(u32::MAX),
    }
}

fn header(field: &pb::HeaderField) -> Result<Header, InvalidRequest> {
    let pb::HeaderField { name, value } = field;
    let is_name = (1..=MAX_FIELD_NAME_OCTETS).contains(&name.len());
    if !is_name || !name.bytes().all(|octet| octet.is_ascii_graphic()) {
        return Err(InvalidRequest::value("name", "has 1 to 64 visible ASCII characters"));
    }
    // What comes back is written into a message: it cannot begin another field there.
    if value.len() > MAX_FIELD_VALUE_OCTETS || value.contains(['\r', '\n', '\0']) {
        return Err(InvalidRequest::value("value", "is one line of at most 8192 octets"));
    }
    Ok(Header::new(name, value))
}

fn supported(mechanisms: &[i32]) -> Result<Vec<MediaMechanism>, InvalidRequest> {
    let mut supported = Vec::new();
    for (position, mechanism) in mechanisms.iter().enumerate() {
        let field = format!("mechanisms[{position}]");
        let mechanism = match pb::MediaMechanism::try_from(*mechanism) {
            Ok(pb::MediaMechanism::Unspecified) => return Err(InvalidRequest::missing(&field)),
            Ok(pb::MediaMechanism::SdesSrtp) => MediaMechanism::SdesSrtp,
            Ok(pb::MediaMechanism::DtlsSrtp) => MediaMechanism::DtlsSrtp,
            Ok(pb::MediaMechanism::MsrpTls) => MediaMechanism::MsrpTls,
            Err(_) => return Err(InvalidRequest::unknown(&field, *mechanism)),
        };
        if supported.contains(&mechanism) {
            return Err(InvalidRequest::value("mechanisms", "stand there once each"));
        }
        supported.push(mechanism);
    }
    if supported.is_empty() {
        supported.push(MediaMechanism::SdesSrtp);
    }
    Ok(supported)
}
