//! From wire messages to the commands of `agw-context`.
//!
//! Every message is taken apart without `..`, by reference: whoever owns the request wipes it.
//! Errors name the field by its path in the request.

mod address;
mod bandwidth;
mod command;
mod crypto;
mod group;
mod inactivity;
mod key;
mod marking;
mod pre_key;
mod sdes;
mod stream;
mod supervision;

pub(crate) use address::{MAX_LATCH_GATE_MS, family, source_policy};
pub(crate) use bandwidth::MAX_TOLERANCE_US;
pub(crate) use command::{
    change_through_connection, command, configure, priority, release, reserve, set_topology,
};
pub(crate) use crypto::{required_suite, suite_to_wire};
pub(crate) use group::{remove_group, set_group};
pub(crate) use inactivity::{INACTIVITY_MS, inactivity};
pub(crate) use key::{activate_key, cancel_key, stage_key};
pub(crate) use marking::dscp_rule;
pub(crate) use pre_key::{MAX_PRE_KEY_MS, pre_key};
pub(crate) use supervision::{adoption, confirmations};

use crate::invalid::InvalidRequest;

/// The most commands of a transaction.
pub(crate) const MAX_COMMANDS: usize = 64;
/// The most streams of a command.
const MAX_STREAMS: usize = 64;
/// The longest identifier of a controller's own, in octets.
const MAX_ID_OCTETS: usize = 128;

/// Reads a transaction id; `None` if there is none.
pub(crate) fn transaction_id(id: &str) -> Result<Option<String>, InvalidRequest> {
    if id.is_empty() {
        return Ok(None);
    }
    let fits = |octet: u8| octet.is_ascii_alphanumeric() || b"._:-".contains(&octet);
    if id.len() > MAX_ID_OCTETS || !id.bytes().all(fits) {
        let rule = "has at most 128 octets of A-Z a-z 0-9 . _ : -";
        return Err(InvalidRequest::value("transaction_id", rule));
    }
    Ok(Some(id.to_owned()))
}

/// Reads the operator's words; `None` if there are none.
pub(crate) fn reason(reason: &str) -> Result<Option<String>, InvalidRequest> {
    if reason.is_empty() {
        return Ok(None);
    }
    if reason.len() > MAX_ID_OCTETS || !reason.bytes().all(|octet| (b' '..=b'~').contains(&octet)) {
        return Err(InvalidRequest::value("reason", "has at most 128 printable ASCII characters"));
    }
    Ok(Some(reason.to_owned()))
}

/// Reads a controller's name for a call; `None` if there is none.
pub(crate) fn correlation_id(id: &str) -> Result<Option<String>, InvalidRequest> {
    if id.is_empty() {
        return Ok(None);
    }
    if id.len() > MAX_ID_OCTETS || !id.bytes().all(|octet| octet.is_ascii_graphic()) {
        let rule = "has at most 128 visible ASCII characters";
        return Err(InvalidRequest::value("correlation_id", rule));
    }
    Ok(Some(id.to_owned()))
}
