//! Replies, in the words and the shape that controllers read.

mod query;

pub use query::{CallReport, PartyReport, QualityReport, Sealing, StreamReport, Traffic, query};

use crate::message::{self, Form};
use crate::refusal::{Overload, Refusal};
use crate::value::{Octets, Value};

/// Writes a reply in the form of its request, under its cookie.
#[must_use]
pub fn write(cookie: &[u8], form: Form, reply: &Value) -> Octets {
    message::write(cookie, form, reply)
}

/// Somebody is there.
#[must_use]
pub fn pong() -> Value {
    Value::known([("result", Value::text("pong"))])
}

/// It is done.
#[must_use]
pub fn ok() -> Value {
    Value::known([("result", Value::text("ok"))])
}

/// An offer or an answer to pass on, and the context by which the call is found over Iq.
#[must_use]
pub fn signalled(sdp: Octets, context: Option<u64>) -> Value {
    let context = context.map(|context| ("context", Value::count(context)));
    let known = [("result", Value::text("ok")), ("sdp", Value::Octets(sdp))];
    Value::known(context.into_iter().chain(known))
}

/// Done, for there was nothing to do.
#[must_use]
pub fn unknown_call() -> Value {
    Value::known([
        ("result", Value::text("ok")),
        ("warning", Value::text("Call-ID not found or tags didn't match")),
    ])
}

/// Refused.
#[must_use]
pub fn error(refusal: &Refusal) -> Value {
    Value::known([
        ("result", Value::text("error")),
        ("error-reason", Value::text(refusal.to_string())),
    ])
}

//= tests/spec/ng.md#overload
//# A controller that supports it MUST be told `load limit`, any other one an error.
/// Refused for want of something: in the words that this controller knows.
#[must_use]
pub fn overload(overload: Overload, knows_load_limit: bool) -> Value {
    if !knows_load_limit {
        return error(&Refusal::Overload(overload));
    }
    Value::known([
        ("result", Value::text("load limit")),
        ("message", Value::text(overload.to_string())),
    ])
}

/// Call identifiers.
#[must_use]
pub fn list(calls: &[String]) -> Value {
    let calls = calls.iter().map(Value::text).collect();
    Value::known([("result", Value::text("ok")), ("calls", Value::List(calls))])
}

/// How the gateway is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Calls of this face now.
    pub own_sessions: u64,
    /// Contexts of the gateway now, of every face.
    pub contexts: u64,
    /// Seconds since the start.
    pub uptime: u64,
    /// What workers received and passed on, from the start.
    pub relayed: Traffic,
    /// What SRTP refused, from the start.
    pub srtp: Sealing,
    /// Requests by command, from the start: offer, answer, delete, query, list, ping.
    pub requests: [(&'static str, u64); 6],
    /// Requests refused.
    pub refused: u64,
}

/// How the gateway is.
#[must_use]
pub fn statistics(told: &Statistics) -> Value {
    let Statistics { own_sessions, contexts, uptime, relayed, srtp, requests, refused } = *told;
    let current = Value::known([
        ("sessionsown", Value::count(own_sessions)),
        ("sessionstotal", Value::count(contexts)),
    ]);
    let totals = Value::known([
        ("uptime", Value::text(uptime.to_string())),
        ("relayedpackets", Value::count(relayed.packets)),
        ("relayedbytes", Value::count(relayed.bytes)),
        ("relayedpacketerrors", Value::count(relayed.errors)),
    ]);
    let control = requests.map(|(name, count)| (name, Value::count(count)));
    let control = control.into_iter().chain([("refused", Value::count(refused))]);
    let statistics = Value::known([
        ("currentstatistics", current),
        ("totalstatistics", totals),
        ("controlstatistics", Value::known(control)),
        ("srtp", query::sealing(&srtp)),
    ]);
    Value::known([("result", Value::text("ok")), ("statistics", statistics)])
}
