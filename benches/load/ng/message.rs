//! Requests and replies of the ng protocol, as the dictionaries they are.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// What is asked of rtpengine; the variant is the value of `command`.
#[derive(Serialize)]
#[serde(tag = "command", rename_all = "lowercase")]
pub(crate) enum Request<'a> {
    /// Is anyone there?
    Ping,
    /// The offer of a call, on its way from the caller to the callee.
    Offer(Signal<'a>),
    /// The answer, on its way back.
    Answer(Signal<'a>),
    /// The end of a call, at once.
    Delete(Deletion<'a>),
    /// Counters of everything.
    Statistics,
}

/// An offer or an answer.
#[derive(Serialize)]
pub(crate) struct Signal<'a> {
    /// The call, unique among all.
    #[serde(rename = "call-id")]
    pub(crate) call_id: &'a str,
    /// The offerer's tag, in the answer too.
    #[serde(rename = "from-tag")]
    pub(crate) from_tag: &'a str,
    /// The answerer's tag.
    #[serde(rename = "to-tag", skip_serializing_if = "Option::is_none")]
    pub(crate) to_tag: Option<&'a str>,
    /// What its author wrote, keys included.
    pub(crate) sdp: &'a str,
    /// What the other side shall be told: `RTP/AVP` or `RTP/SAVP`.
    #[serde(rename = "transport-protocol")]
    pub(crate) transport_protocol: &'a str,
    /// From which interface to which.
    pub(crate) direction: [&'a str; 2],
    /// What of the SDP is rewritten.
    pub(crate) replace: &'a [&'a str],
    /// `remove`: no candidates, no connectivity checks.
    #[serde(rename = "ICE")]
    pub(crate) ice: &'a str,
    /// `off`: no fingerprint, no handshake.
    #[serde(rename = "DTLS")]
    pub(crate) dtls: &'a str,
    /// What is done about multiplexed RTCP.
    #[serde(rename = "rtcp-mux")]
    pub(crate) rtcp_mux: &'a [&'a str],
    /// Everything else.
    pub(crate) flags: &'a [&'a str],
}

/// A call to end.
#[derive(Serialize)]
pub(crate) struct Deletion<'a> {
    /// The call.
    #[serde(rename = "call-id")]
    pub(crate) call_id: &'a str,
    /// Seconds that the call's ports are kept after.
    #[serde(rename = "delete delay")]
    pub(crate) delay_s: u32,
}

/// What came back; which fields there are depends on the command.
#[derive(Deserialize)]
pub(crate) struct Reply {
    /// `ok`, `pong`, `error` or `load limit`.
    pub(crate) result: String,
    /// Why not.
    #[serde(rename = "error-reason")]
    pub(crate) error_reason: Option<String>,
    /// What was odd about it.
    pub(crate) warning: Option<String>,
    /// The rewritten description, with rtpengine's own key.
    #[serde(default, deserialize_with = "wiped")]
    pub(crate) sdp: Option<Zeroizing<String>>,
    /// Counters of everything.
    pub(crate) statistics: Option<Statistics>,
}

/// Counters of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Statistics {
    /// What has been since the start; a call that lasts counts here too.
    #[serde(rename = "totalstatistics")]
    pub(crate) total: TotalStatistics,
}

/// What has been.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct TotalStatistics {
    /// Datagrams relayed in user space.
    #[serde(rename = "relayedpackets_user")]
    pub(crate) relayed: u64,
    /// Datagrams that were not relayed.
    #[serde(rename = "relayedpacketerrors_user")]
    pub(crate) errors: u64,
}

/// Takes the text over without leaving a second copy that nobody wipes.
fn wiped<'de, D>(deserializer: D) -> Result<Option<Zeroizing<String>>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    Ok(Option::<String>::deserialize(deserializer)?.map(Zeroizing::new))
}
