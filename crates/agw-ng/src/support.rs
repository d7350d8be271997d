//! What of ng is understood: one table for the parser, for `NG.md` and for whoever asks.

/// What becomes of a command, key or flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It is carried out.
    Done,
    /// It says what agw does in any case.
    Always,
    /// It is understood and changes nothing here.
    NoEffect,
    /// The request is refused, with the note as the reason.
    Refused,
}

impl Support {
    /// The word for it in `NG.md`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Done => "yes",
            Self::Always => "always so",
            Self::NoEffect => "no effect",
            Self::Refused => "refused",
        }
    }
}

/// A command, key or flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// Its name; `*` at the end stands for whatever follows.
    pub name: &'static str,
    /// What becomes of it.
    pub support: Support,
    /// What it does, or why it does nothing.
    pub note: &'static str,
}

const fn item(name: &'static str, support: Support, note: &'static str) -> Item {
    Item { name, support, note }
}

use Support::{Always, Done, NoEffect, Refused};

/// The commands.
pub const COMMANDS: &[Item] = &[
    item("ping", Done, "answered with `pong`"),
    item("offer", Done, "reserves ports on both sides and rewrites the offer"),
    item("answer", Done, "installs keys and addresses and rewrites the answer"),
    item("delete", Done, "releases the call or the branch and tells its statistics"),
    item("query", Done, "tells a call's streams and counters"),
    item("list", Done, "tells call identifiers"),
    item("statistics", Done, "tells the counters of the gateway"),
    item("play media", Refused, NO_MEDIA),
    item("stop media", Refused, NO_MEDIA),
    item("play DTMF", Refused, NO_MEDIA),
    item("start recording", Refused, NO_RECORDING),
    item("stop recording", Refused, NO_RECORDING),
    item("pause recording", Refused, NO_RECORDING),
    item("start forwarding", Refused, NO_TAP),
    item("stop forwarding", Refused, NO_TAP),
    item("subscribe request", Refused, NO_TAP),
    item("subscribe answer", Refused, NO_TAP),
    item("unsubscribe", Refused, NO_TAP),
    item("publish", Refused, NO_TAP),
    item("block media", Refused, NO_GATES),
    item("unblock media", Refused, NO_GATES),
    item("silence media", Refused, NO_GATES),
    item("unsilence media", Refused, NO_GATES),
    item("block DTMF", Refused, NO_MEDIA),
    item("unblock DTMF", Refused, NO_MEDIA),
    item("connect", Refused, NO_TAP),
];

const NO_MEDIA: &str = "agw does not generate or read media";
const NO_RECORDING: &str = "agw does not record";
const NO_TAP: &str = "agw does not copy media to third parties";
const NO_GATES: &str = "gates are changed over Iq, by the context of the reply";
const NO_CODECS: &str = "agw relays every codec and changes none";
const NO_FAX: &str = "agw does not convert T.38";
const NO_ICE: &str = "agw does not do ICE";
const NO_DTLS: &str = "agw keys SRTP by SDES only, not by DTLS";
const NO_TAGS: &str = "SRTP without tags is unsafe with late binding (RFC 4568 §6.4.1)";
const UNENCRYPTED: &str =
    "the receiver is offered it, if `policy.allow_unencrypted` lets it; else the offer is refused";
const NO_EDITS: &str = "agw does not edit attributes by instruction";

/// The keys of a dictionary. Those with values that are listed under [`FLAGS`] are read as flags.
pub const KEYS: &[Item] = &[
    item("command", Done, "which of the commands"),
    item("call-id", Done, "the call, at most 512 octets"),
    item("from-tag", Done, "who sends the request, at most 256 octets"),
    item("to-tag", Done, "the other tag"),
    item("via-branch", Done, "tells the branches of a fork apart"),
    item("sdp", Done, "the session description"),
    item("flags", Done, "a list of flags, or one as a string"),
    item("rtpp-flags", Done, "flags as one string, in the spelling of scripts"),
    item("supports", Done, "`load limit`: overload is told as `result: load limit`"),
    item("direction", Done, "two realms by name: the sender's, the receiver's"),
    item("from-interface", Done, "the sender's realm"),
    item("to-interface", Done, "the receiver's realm"),
    item(
        "address-family",
        Done,
        "`IP4` or `IP6`: the family towards the receiver; unless said the one that it has, at first that of the offer",
    ),
    item("media-address", Done, "the address in descriptions towards the receiver"),
    item("received-from", Done, "used with `SIP-source-address`"),
    item("TOS", Done, "the traffic class of what leaves; its upper six bits are the DSCP"),
    item("label", Done, "told by `query` with the sender's tag"),
    item(
        "delete-delay",
        Done,
        "seconds until a deleted call is released, at most 3,600; 0 unless said",
    ),
    item("limit", Done, "how many calls `list` tells at most; 32 unless said"),
    item("sip-message-type", NoEffect, "the direction follows from the tags"),
    item(
        "sip-code",
        Done,
        "the status of the response of an `answer`: with 2xx its dialogue is the call's",
    ),
    item("sip-response-code", Done, "as `sip-code`"),
    item("body", NoEffect, "for recordings"),
    item("metadata", NoEffect, "for recordings"),
    item("xmlrpc-callback", NoEffect, "events are told over Iq"),
    item("set-label", Refused, "labels are set with `label`"),
    item("template", Refused, "agw has no templates"),
    item("codec", Refused, NO_CODECS),
    item("sdp-attr", Refused, NO_EDITS),
    item("ptime", Refused, NO_CODECS),
    item("ptime-reverse", Refused, NO_CODECS),
    item("audio-player", Refused, NO_MEDIA),
    item("DTMF-security", Refused, NO_MEDIA),
    item("DTMF-security-trigger", Refused, NO_MEDIA),
    item("DTMF-log-dest", Refused, NO_MEDIA),
    item("delay-buffer", Refused, NO_MEDIA),
    item("volume", NoEffect, "for media that agw does not play"),
    item("frequency", NoEffect, "for tones that agw does not make"),
];

/// The flags, as they stand in `flags` and `rtpp-flags`; `prefix: [item]` is `prefix-item` and
/// `key: value` is `key=value`.
pub const FLAGS: &[Item] = &[
    item(
        "transport-protocol=RTP/AVP",
        Done,
        "the receiver is offered RTP; the sender's SRTP is opened",
    ),
    item("transport-protocol=RTP/AVPF", Done, "the same, with feedback"),
    item("transport-protocol=RTP/SAVP", Done, "the receiver is offered SRTP with keys of its own"),
    item("transport-protocol=RTP/SAVPF", Done, "the same, with feedback"),
    item("transport-protocol=UDP/TLS/*", Refused, NO_DTLS),
    item("transport-protocol=accept", Always, "an answer keeps the transport of its offer"),
    item("RTP/AVP", Done, "as `transport-protocol=RTP/AVP`"),
    item("RTP/AVPF", Done, "as `transport-protocol=RTP/AVPF`"),
    item("RTP/SAVP", Done, "as `transport-protocol=RTP/SAVP`"),
    item("RTP/SAVPF", Done, "as `transport-protocol=RTP/SAVPF`"),
    item("UDP/TLS/*", Refused, NO_DTLS),
    item("RTP", Done, "the old spelling, with `AVP` or `AVPF` beside it"),
    item("SRTP", Done, "the old spelling, with `AVP` or `AVPF` beside it"),
    item("AVP", Done, "the old spelling, with `RTP` or `SRTP` beside it"),
    item("AVPF", Done, "the old spelling, with `RTP` or `SRTP` beside it"),
    item(
        "replace-origin",
        Always,
        "`o=` shows the gateway's address, unless `alg` is configured otherwise",
    ),
    item("replace-session-connection", Always, "`c=` shows the gateway's address"),
    item("replace-SDP-version", Done, "agw numbers versions itself: one more with every change"),
    item("replace-force-increment-sdp-ver", Done, "one more version with every description"),
    item("replace-username", Done, "the first user name stays for the call"),
    item("replace-session-name", Done, "the first session name stays for the call"),
    item("replace-zero-address", Done, "`0.0.0.0` and `::` become the gateway's address"),
    item("ICE=remove", Always, "candidates end at the gateway"),
    item("ICE=default", Always, "candidates end at the gateway"),
    item("ICE=force", Refused, NO_ICE),
    item("ICE=force-relay", Refused, NO_ICE),
    item("ICE=optional", Refused, NO_ICE),
    item("ICE-lite=*", Refused, NO_ICE),
    item("DTLS=off", Always, "agw keys SRTP by SDES"),
    item("DTLS=no", Always, "agw keys SRTP by SDES"),
    item("DTLS=disable", Always, "agw keys SRTP by SDES"),
    item("DTLS=passive", NoEffect, "the role is for an offer that agw does not make"),
    item("DTLS=active", NoEffect, "the role is for an offer that agw does not make"),
    item("DTLS-reverse=*", NoEffect, "the role is for an offer that agw does not make"),
    item("DTLS-fingerprint=*", NoEffect, "for an offer that agw does not make"),
    item("rtcp-mux-offer", Done, "the receiver is offered multiplexed RTCP in any case"),
    item("rtcp-mux-require", Done, "the same, and an answer without it is refused"),
    item("rtcp-mux-demux", Done, "the receiver is not offered it; the sender's is accepted"),
    item("rtcp-mux-accept", Done, "the sender's is accepted"),
    item("rtcp-mux-reject", Done, "the sender's is refused"),
    item(
        "SDES-off",
        Done,
        "with RTP: nothing; with SRTP the request is refused, for nothing is left",
    ),
    item("SDES-no", Done, "as `SDES-off`"),
    item("SDES-disable", Done, "as `SDES-off`"),
    item("SDES-nonew", Done, "the receiver is offered suites of the sender's offer only"),
    item("SDES-no-*", Done, "the receiver is not offered this suite"),
    item("SDES-only-*", Done, "the receiver is offered this suite, and others so named, only"),
    item("SDES-order:*", Done, "suites in the order of the offer to the receiver, by `;`"),
    item(
        "SDES-offerer_pref:*",
        NoEffect,
        "agw takes the sender's first usable line (RFC 4568 §5.1.2)",
    ),
    item("SDES-pad", Always, "keys are padded as RFC 4648 asks"),
    item("SDES-lifetime", NoEffect, "keys last as long as RFC 3711 lets them; agw counts"),
    item("SDES-static", Always, "keys stay unless an address moves"),
    item("SDES-encrypted_srtp", Always, ""),
    item("SDES-encrypted_srtcp", Always, ""),
    item("SDES-authenticated_srtp", Always, ""),
    item("SDES-unencrypted_srtp", Done, UNENCRYPTED),
    item("SDES-unencrypted_srtcp", Done, UNENCRYPTED),
    item("SDES-unauthenticated_srtp", Refused, NO_TAGS),
    item("OSRTP-accept", Always, "keys under RTP are taken (RFC 8643)"),
    item("OSRTP-accept-rfc", Always, "keys under RTP are taken (RFC 8643)"),
    item("OSRTP-accept-legacy", NoEffect, "two lines for one stream are two streams"),
    item("OSRTP-offer", Done, "the receiver is offered keys under RTP (RFC 8643)"),
    item("OSRTP-offer-rfc", Done, "the receiver is offered keys under RTP (RFC 8643)"),
    item("OSRTP-offer-legacy", Refused, "agw offers one line for a stream (RFC 8643)"),
    item("symmetric", Always, "agw follows the address that media comes from"),
    item(
        "asymmetric",
        Done,
        "media may come from any port of the signalled address; nothing is learnt",
    ),
    item("strict-source", Always, "other sources are refused once an address is learnt"),
    item("media-handover", Always, "secured legs follow authentic packets; plain ones never move"),
    item("port-latching", Always, "local ports stay for as long as the stream"),
    item("no-port-latching", NoEffect, "local ports stay for as long as the stream"),
    item("endpoint-learning-off", Done, "as `asymmetric`, from the signalled port only"),
    item("endpoint-learning-no-learning", Done, "as `endpoint-learning-off`"),
    item("endpoint-learning-immediate", Always, "the first packet decides"),
    item("endpoint-learning-delayed", NoEffect, "the first packet decides"),
    item("endpoint-learning-heuristic", NoEffect, "the first packet decides"),
    item("NAT-wait", NoEffect, "media goes to the signalled address until another is learnt"),
    item("recrypt", Always, "both sides have keys of their own"),
    item("reset", NoEffect, "an address that moves is told by signalling or proves itself"),
    item("no-rtcp-attribute", Done, "`a=rtcp` is left out"),
    item("full-rtcp-attribute", Done, "`a=rtcp` has port and address"),
    item("generate-mid", Done, "`a=mid` where there is none"),
    item("original-sendrecv", Always, "directions stay as they are"),
    item("loop-protect", Done, "a description that passed here already is left as it is"),
    item("unidirectional", NoEffect, "either direction works alone"),
    item("debug", NoEffect, "the log filter is changed with `[log]` or the admin server"),
    item("fatal", Done, "to delete an unknown call is an error"),
    item("fast", NoEffect, "nothing is waited for"),
    item("to-tag", NoEffect, "for the controller itself"),
    item("via-branch=*", NoEffect, "for the controller itself, where it is no key"),
    item("provisional", Always, "an answer may be followed by another one"),
    item("new-branch", Always, "another `via-branch` is a new branch"),
    item("trust-address", Always, "addresses of descriptions are used unless another is asked for"),
    item("SIP-source-address", Done, "the sender receives at the address of `received-from`"),
    item("drop-traffic=start", Done, "the gates of the whole call close until `stop`"),
    item("drop-traffic=stop", Done, "the gates are as signalling has them; goes before `start`"),
    item("drop-traffic", Done, "as `drop-traffic=start`"),
    item("protected-signalling=both", Done, "both sides' SIP is protected, and may carry keys"),
    item("protected-signalling=sender", Done, "only the SIP of who sends the offer is protected"),
    item("protected-signalling=receiver", Done, "only the SIP of who is sent it is protected"),
    item("protected-signalling=none", Done, "no side's SIP is protected"),
    item(
        "e2ae=applied",
        Done,
        "the UE (with `RTP/SAVP` the receiver) is told so; its SRTP ends here",
    ),
    item("e2ae=strip", Done, "no UE is told anything; SRTP ends here"),
    item("e2ae=pass", Done, "SRTP passes end to end"),
    item("record-call=no", Always, NO_RECORDING),
    item("record-call=off", Always, NO_RECORDING),
    item("record-call*", Refused, NO_RECORDING),
    item("start-recording", Refused, NO_RECORDING),
    item("SIPREC", Refused, NO_RECORDING),
    item("T.38-*", Refused, NO_FAX),
    item("T38-*", Refused, NO_FAX),
    item("T.38=*", Refused, NO_FAX),
    item("codec-*", Refused, NO_CODECS),
    item("transcode-*", Refused, NO_CODECS),
    item("always-transcode", Refused, NO_CODECS),
    item("allow-transcoding", Refused, NO_CODECS),
    item("asymmetric-codecs", Refused, NO_CODECS),
    item("single-codec", Refused, NO_CODECS),
    item("reuse-codecs", Refused, NO_CODECS),
    item("inject-DTMF", Refused, NO_MEDIA),
    item("detect-DTMF", Refused, NO_MEDIA),
    item("media-echo*", Refused, NO_MEDIA),
    item("generate-RTCP", Refused, NO_MEDIA),
    item("pierce-NAT", Refused, NO_MEDIA),
    item("allow-no-codec-media", Always, NO_CODECS),
    item("sdp-attr-*", Refused, NO_EDITS),
    item("moh*", Refused, NO_MEDIA),
];

/// Keys whose lists are written as flags with this prefix.
pub(crate) const FAMILIES: [&str; 7] =
    ["replace", "rtcp-mux", "SDES", "OSRTP", "endpoint-learning", "T.38", "T38"];

/// Finds a name as controllers spell it: letters in either case, spaces and underscores as hyphens,
/// and the other way round.
#[must_use]
pub fn find<'a>(table: &'a [Item], name: &str) -> Option<&'a Item> {
    let exact = table.iter().find(|item| is_same(item.name, name));
    let wild = || {
        table.iter().find(|item| {
            let prefix = item.name.strip_suffix('*');
            prefix.is_some_and(|prefix| rest_of(name, prefix).is_some())
        })
    };
    exact.or_else(wild)
}

//= tests/spec/ng.md#wire
//# A name MUST be read alike with spaces, hyphens and underscores, and in letters of either case.
/// Whether two spellings are one name.
pub(crate) fn is_same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).all(|(a, b)| plain(a) == plain(b))
}

/// What follows a prefix in any of its spellings.
pub(crate) fn rest_of<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    let head = name.get(..prefix.len())?;
    is_same(head, prefix).then(|| name.get(prefix.len()..)).flatten()
}

const fn plain(octet: u8) -> u8 {
    if octet == b' ' || octet == b'_' { b'-' } else { octet.to_ascii_lowercase() }
}

/// The tables as they stand in `NG.md`.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::new();
    for (title, table) in [("Commands", COMMANDS), ("Keys", KEYS), ("Flags", FLAGS)] {
        text.push_str(&format!("\n### {title}\n\n| {} | agw | |\n|---|---|---|\n", "name"));
        for Item { name, support, note } in table {
            text.push_str(&format!("| `{name}` | {} | {note} |\n", support.label()));
        }
    }
    text
}
