//! Calls by their session descriptions, and registrations.

use std::fmt::Write as _;

use agw_iq::alg::pb;
use agw_iq::pb as iq;
use serde::Serialize;

use super::statistics::StatisticsView;
use super::{address, number, text, word};
use crate::output::{dash, facts, moment, table};

/// What an offer, an answer or a rejection came to.
#[derive(Debug, Serialize)]
pub(crate) struct SignalledView {
    context_id: Option<u32>,
    rekey_advised: Option<bool>,
    sdp: Option<String>,
    streams: Vec<CallStreamView>,
}

/// Calls.
#[derive(Debug, Serialize)]
pub(crate) struct CallsView {
    calls: Vec<CallView>,
}

#[derive(Debug, Serialize)]
struct CallView {
    call_id: String,
    dialogues: Vec<DialogueView>,
    context_id: Option<u32>,
    created: Option<String>,
    streams: Vec<CallStreamView>,
}

#[derive(Debug, Serialize)]
struct DialogueView {
    caller_tag: String,
    callee_tag: Option<String>,
}

#[derive(Debug, Serialize)]
struct CallStreamView {
    side: Option<String>,
    media_line: u32,
    termination_id: u32,
    stream_id: u32,
    rtp: Option<String>,
    rtcp: Option<String>,
    transport: Option<String>,
    statistics: Option<StatisticsView>,
}

/// What ended.
#[derive(Debug, Serialize)]
pub(crate) struct DeletedView {
    context_ids: Vec<u32>,
    streams: Vec<CallStreamView>,
}

/// The names of calls.
#[derive(Debug, Serialize)]
pub(crate) struct CallNamesView {
    calls: Vec<CallNameView>,
}

#[derive(Debug, Serialize)]
struct CallNameView {
    controller: String,
    call_id: String,
}

/// What was agreed with a UE.
#[derive(Debug, Serialize)]
pub(crate) struct RegistrationView {
    mechanisms: Vec<String>,
    protected_signalling: bool,
    expires_s: u32,
}

impl SignalledView {
    /// What comes back with a description, which is shown without its keys.
    pub(crate) fn new(
        sdp: &[u8],
        context_id: u32,
        streams: Vec<pb::CallStream>,
        rekey_advised: Option<bool>,
    ) -> Self {
        let sdp = (!sdp.is_empty()).then(|| masked(&String::from_utf8_lossy(sdp)));
        let streams = streams.into_iter().map(CallStreamView::from).collect();
        Self { context_id: number(context_id), rekey_advised, sdp, streams }
    }

    /// The description and the streams.
    pub(crate) fn tables(&self) -> String {
        let context = format!("context {}", dash(self.context_id));
        let rekey = self.rekey_advised == Some(true);
        let rekey = if rekey { ": a new offer with --rekey is advised" } else { "" };
        let sdp = self.sdp.as_deref().unwrap_or_default().replace('\r', "");
        format!("{sdp}{context}{rekey}\n{}", streams(&self.streams))
    }
}

/// A description without its keys.
fn masked(sdp: &str) -> String {
    let mut shown = String::with_capacity(sdp.len());
    for line in sdp.split_inclusive('\n') {
        let (line, end) = match line.strip_suffix("\r\n") {
            Some(line) => (line, "\r\n"),
            None => line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n")),
        };
        let secret = ["a=crypto:", "a=key-mgmt:", "k="];
        let secret = secret.iter().find(|secret| starts_with(line, secret));
        // Wherever a key may stand, as among capabilities (RFC 5939).
        let (kept, mask) = match (secret, line.to_ascii_lowercase().find("inline:")) {
            (_, Some(inline)) => (line.get(..inline + "inline:".len()).unwrap_or_default(), "..."),
            (Some(secret), None) => (*secret, "..."),
            (None, None) => (line, ""),
        };
        let _ = write!(shown, "{kept}{mask}{end}");
    }
    shown
}

fn starts_with(line: &str, prefix: &str) -> bool {
    line.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

impl From<pb::CallStream> for CallStreamView {
    fn from(stream: pb::CallStream) -> Self {
        let side = word(stream.side().as_str_name(), "CALL_SIDE_");
        let transport = word(stream.transport().as_str_name(), "TRANSPORT_");
        let pb::CallStream { media_line, termination_id, local, statistics, .. } = stream;
        let iq::LocalStream { stream_id, rtp, rtcp } = local.unwrap_or_default();
        Self {
            side,
            media_line,
            termination_id,
            stream_id,
            rtp: address(rtp.as_ref()),
            rtcp: address(rtcp.as_ref()),
            transport,
            statistics: statistics.map(StatisticsView::from),
        }
    }
}

impl From<Vec<pb::Call>> for CallsView {
    fn from(calls: Vec<pb::Call>) -> Self {
        let dialogue = |pb::DialogueTags { caller_tag, callee_tag }| DialogueView {
            caller_tag,
            callee_tag: text(&callee_tag),
        };
        let call = |pb::Call { call_id, dialogues, context_id, created, streams }| CallView {
            call_id,
            dialogues: dialogues.into_iter().map(dialogue).collect(),
            context_id: number(context_id),
            created: created.map(|created| created.to_string()),
            streams: streams.into_iter().map(CallStreamView::from).collect(),
        };
        Self { calls: calls.into_iter().map(call).collect() }
    }
}

impl CallsView {
    /// A call after the other.
    pub(crate) fn tables(&self) -> String {
        let shown = self.calls.iter().map(|call| {
            let dialogues = call.dialogues.iter().map(|DialogueView { caller_tag, callee_tag }| {
                format!("{caller_tag} to {}", dash(callee_tag.clone()))
            });
            let facts = facts([
                ("call", call.call_id.clone()),
                ("dialogues", dialogues.collect::<Vec<_>>().join("\n")),
                ("context", dash(call.context_id)),
                ("created", dash(call.created.as_deref().map(moment))),
            ]);
            format!("{facts}\n{}", streams(&call.streams))
        });
        shown.collect::<Vec<_>>().join("\n")
    }
}

impl From<pb::DeleteResponse> for DeletedView {
    fn from(deleted: pb::DeleteResponse) -> Self {
        let pb::DeleteResponse { gateway: _, context_ids, streams } = deleted;
        Self { context_ids, streams: streams.into_iter().map(CallStreamView::from).collect() }
    }
}

impl DeletedView {
    /// The last counters.
    pub(crate) fn tables(&self) -> String {
        let contexts: Vec<String> = self.context_ids.iter().map(u32::to_string).collect();
        format!("ended in context {}\n{}", contexts.join(", "), streams(&self.streams))
    }
}

impl From<Vec<pb::CallName>> for CallNamesView {
    fn from(calls: Vec<pb::CallName>) -> Self {
        let name = |pb::CallName { controller, call_id }| CallNameView { controller, call_id };
        Self { calls: calls.into_iter().map(name).collect() }
    }
}

impl CallNamesView {
    /// One a line.
    pub(crate) fn tables(&self) -> String {
        let mut names = table(&["controller", "call"], 2);
        for CallNameView { controller, call_id } in &self.calls {
            names.add_row([controller, call_id]);
        }
        names.to_string()
    }
}

impl From<pb::Registration> for RegistrationView {
    fn from(registration: pb::Registration) -> Self {
        let word = |mechanism: pb::MediaMechanism| {
            super::word_or_unknown(mechanism.as_str_name(), "MEDIA_MECHANISM_")
        };
        let mechanisms = registration.mechanisms().map(word).collect();
        let pb::Registration { mechanisms: _, protected_signalling, expires_s } = registration;
        Self { mechanisms, protected_signalling, expires_s }
    }
}

impl RegistrationView {
    /// As facts.
    pub(crate) fn tables(&self) -> String {
        let signalling = if self.protected_signalling { "protected" } else { "not protected" };
        let facts = facts([
            ("media", self.mechanisms.join(", ")),
            ("signalling", signalling.to_owned()),
            ("runs out in", format!("{} s", self.expires_s)),
        ]);
        facts.to_string()
    }
}

fn streams(streams: &[CallStreamView]) -> String {
    let headings =
        ["side", "line", "termination", "transport", "send RTP to", "received", "dropped", "sent"];
    let mut shown = table(&headings, 5);
    for stream in streams {
        let counted = stream.statistics.as_ref();
        let count = |of: fn(&StatisticsView) -> u64| dash(counted.map(of));
        shown.add_row([
            dash(stream.side.clone()),
            stream.media_line.to_string(),
            stream.termination_id.to_string(),
            dash(stream.transport.clone()),
            dash(stream.rtp.clone()),
            count(|counted| counted.ingress.received.packets),
            count(|counted| counted.ingress.dropped.values().sum()),
            count(|counted| counted.egress.sent.packets),
        ]);
    }
    shown.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_shown_without_its_keys() {
        let sdp = "v=0\r\nk=clear:secret\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0|2^20 \
                   WSH=64\r\na=CRYPTO:2 x INLINE:c2VjcmV0\na=crypto:secret\na=key-mgmt:mikey c2VjcmV0\r\n\
                   a=acap:1 crypto:1 x inline:c2VjcmV0\r\n a=crypto:1 x inline:c2VjcmV0";
        let expected = "v=0\r\nk=...\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:...\r\n\
                        a=CRYPTO:2 x INLINE:...\na=crypto:...\na=key-mgmt:...\r\n\
                        a=acap:1 crypto:1 x inline:...\r\n a=crypto:1 x inline:...";
        assert_eq!(masked(sdp), expected);
    }
}
