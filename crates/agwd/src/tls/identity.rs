//! Who a client certificate says its holder is.

use thiserror::Error;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use agw_context::Controller;

/// The longest identity, in octets.
const LONGEST: usize = 255;

/// Why a certificate that verified is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum IdentityError {
    /// There was none.
    #[error("no client certificate")]
    NoCertificate,
    /// It cannot be read.
    #[error("the client certificate cannot be read")]
    Unreadable,
    /// It must name exactly one URI or, without any, exactly one DNS name.
    #[error(
        "the client certificate names {uris} URIs and {dns} DNS names; it must name one URI, \
             or no URI and one DNS name"
    )]
    NotOne {
        /// URI names.
        uris: usize,
        /// DNS names.
        dns: usize,
    },
    /// No role is for this name.
    #[error("no role in iq.roles is for the name in the client certificate")]
    NoRole,
    /// The name is empty, too long or not printable, or it is the operator's.
    #[error("the name in the client certificate cannot be a controller's")]
    Refused,
}

/// The controller that a certificate stands for: its one URI name, as SPIFFE does, or, without
/// any, its one DNS name.
pub(crate) fn identity(certificate: &[u8]) -> Result<Controller, IdentityError> {
    let (_, certificate) =
        parse_x509_certificate(certificate).map_err(|_| IdentityError::Unreadable)?;
    let names = certificate.subject_alternative_name().map_err(|_| IdentityError::Unreadable)?;
    let names = names.map(|names| names.value.general_names.as_slice()).unwrap_or_default();
    let (mut uris, mut dns) = (Vec::new(), Vec::new());
    for name in names {
        if let GeneralName::URI(uri) = name {
            uris.push(*uri);
        } else if let GeneralName::DNSName(name) = name {
            dns.push(*name);
        }
    }
    let name = match (uris.as_slice(), dns.as_slice()) {
        ([uri], _) => uri,
        ([], [name]) => name,
        ([] | [_, _, ..], _) => {
            return Err(IdentityError::NotOne { uris: uris.len(), dns: dns.len() });
        }
    };
    let controller = Controller((*name).to_owned());
    let is_good = (1..=LONGEST).contains(&name.len())
        && name.bytes().all(|octet| octet.is_ascii_graphic())
        && controller != Controller::local();
    if is_good { Ok(controller) } else { Err(IdentityError::Refused) }
}
