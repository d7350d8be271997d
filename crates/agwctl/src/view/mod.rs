//! Answers as they are shown: one serialisable form for JSON, from which the tables are made too.
//!
//! The JSON is a promise, described in `json.md`: what does not apply is null, lists are in order,
//! enumerations are lower-case words, suites have their names of the SDP registry.

mod adopted;
mod alg;
mod capabilities;
mod context;
mod crypto;
mod event;
mod gateway_event;
mod group;
mod key;
mod quality;
mod service;
mod statistics;
mod status;
mod why;

use std::collections::BTreeMap;

use agw_iq::pb;
use serde::Serialize;

pub(crate) use adopted::AdoptedView;
pub(crate) use alg::{CallNamesView, CallsView, DeletedView, RegistrationView, SignalledView};
pub(crate) use capabilities::CapabilitiesView;
pub(crate) use context::{AddedView, ContextView, ContextsView, RemovedView, TerminationView};
pub(crate) use event::EventView;
pub(crate) use service::{DiffView, ServiceView};
pub(crate) use statistics::{StatsRow, StatsView};
pub(crate) use status::{GatewayView, StatusView};
pub(crate) use why::WhyView;

/// Datagrams and their octets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct TrafficView {
    pub(crate) packets: u64,
    pub(crate) octets: u64,
}

impl From<Option<pb::Traffic>> for TrafficView {
    fn from(traffic: Option<pb::Traffic>) -> Self {
        let pb::Traffic { packets, octets } = traffic.unwrap_or_default();
        Self { packets, octets }
    }
}

/// Drops by the reason's word in metrics.
fn drops(dropped: &[pb::DropCount]) -> BTreeMap<String, u64> {
    dropped
        .iter()
        .map(|drop| (word_or_unknown(drop.reason().as_str_name(), "DROP_REASON_"), drop.packets))
        .collect()
}

/// Refusals by their reason's word.
fn refusals(refused: &[pb::RefusalCount]) -> BTreeMap<String, u64> {
    let word = |reason: pb::SendRefusal| word_or_unknown(reason.as_str_name(), "SEND_REFUSAL_");
    refused.iter().map(|count| (word(count.reason()), count.packets)).collect()
}

/// `ip:port`, with brackets around IPv6.
fn address(address: Option<&pb::SocketAddress>) -> Option<String> {
    let pb::SocketAddress { ip, port } = address?;
    Some(if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") })
}

/// The value of an enumeration as a word; none if it is unspecified.
fn word(name: &str, prefix: &str) -> Option<String> {
    let word = name.strip_prefix(prefix).unwrap_or(name);
    (word != "UNSPECIFIED").then(|| word.to_lowercase())
}

/// As [`word`]; a value that a newer gateway may have is "unknown".
fn word_or_unknown(name: &str, prefix: &str) -> String {
    word(name, prefix).unwrap_or_else(|| "unknown".to_owned())
}

/// A suite by its name in the registry.
fn suite(suite: pb::Suite) -> Option<String> {
    word(suite.as_str_name(), "SUITE_").map(|name| name.to_uppercase())
}

/// A text, unless it is empty.
fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// A number, unless it is zero.
const fn number(number: u32) -> Option<u32> {
    if number == 0 { None } else { Some(number) }
}
