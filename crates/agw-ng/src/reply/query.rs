//! What `query` and `delete` tell of a call.

use std::net::SocketAddr;

use crate::value::Value;

/// Packets of one component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Those that were received and passed on.
    pub packets: u64,
    /// Their octets.
    pub bytes: u64,
    /// Those that were not passed on.
    pub errors: u64,
}

/// What SRTP did on a stream, or on all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sealing {
    /// Packets opened.
    pub opened: u64,
    /// Packets sealed.
    pub sealed: u64,
    /// Packets whose tags were wrong.
    pub authentication_failures: u64,
    /// Packets that came before, or too late to tell.
    pub replays: u64,
}

/// What a peer reports of what it hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QualityReport {
    /// Its mean opinion score in tenths, 10 to 50.
    pub mos: u32,
    /// Packets lost, in percent.
    pub packet_loss: u32,
    /// Interarrival jitter in milliseconds.
    pub jitter: u32,
    /// Round-trip time in microseconds.
    pub round_trip: u32,
    /// How many reports there were.
    pub samples: u64,
}

/// A media line of a party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamReport {
    /// The media line, from 0.
    pub line: usize,
    /// What it carries: `audio`, `video`, `other`.
    pub media: &'static str,
    /// Whether SRTP is spoken there.
    pub secured: bool,
    /// The gateway's addresses, of RTP and of RTCP, as the party knows them.
    pub local: (SocketAddr, Option<SocketAddr>),
    /// Where the party is.
    pub remote: Option<SocketAddr>,
    /// The party's source.
    pub ssrc: Option<u32>,
    /// RTP that came from the party.
    pub rtp: Traffic,
    /// RTCP that came from the party.
    pub rtcp: Traffic,
    /// What SRTP did.
    pub srtp: Sealing,
    /// What the party reports of what it hears.
    pub quality: Option<QualityReport>,
    /// The gateway's termination.
    pub termination: u64,
}

/// A party of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartyReport {
    /// Its tag.
    pub tag: String,
    /// The tag of who it talks to.
    pub other: Option<String>,
    /// Its name, if it was given one.
    pub label: Option<String>,
    /// Its media lines.
    pub streams: Vec<StreamReport>,
}

/// A call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallReport {
    /// When it began, in seconds since 1970.
    pub created: u64,
    /// The gateway's contexts, by which it is found over Iq.
    pub contexts: Vec<u64>,
    /// The parties.
    pub parties: Vec<PartyReport>,
}

/// What is known of a call.
#[must_use]
pub fn query(call: &CallReport) -> Value {
    let CallReport { created, contexts, parties } = call;
    let streams = || parties.iter().flat_map(|party| &party.streams);
    let total = |of: fn(&StreamReport) -> Traffic| {
        let sum = streams().map(of).fold(Traffic::default(), |sum, one| Traffic {
            packets: sum.packets.saturating_add(one.packets),
            bytes: sum.bytes.saturating_add(one.bytes),
            errors: sum.errors.saturating_add(one.errors),
        });
        traffic(&sum)
    };
    let totals = Value::known([("RTCP", total(|one| one.rtcp)), ("RTP", total(|one| one.rtp))]);
    let tags =
        Value::dictionary(parties.iter().map(|one| (one.tag.as_bytes(), party(one, *created))));
    let heard = streams().filter_map(|one| Some((one.ssrc?.to_string(), one.quality?)));
    let ssrcs = Value::dictionary(heard.map(|(ssrc, report)| (ssrc, quality(&report, *created))));
    let srtp = streams().fold(Sealing::default(), |sum, one| Sealing {
        opened: sum.opened.saturating_add(one.srtp.opened),
        sealed: sum.sealed.saturating_add(one.srtp.sealed),
        authentication_failures: sum
            .authentication_failures
            .saturating_add(one.srtp.authentication_failures),
        replays: sum.replays.saturating_add(one.srtp.replays),
    });
    let contexts = contexts.iter().map(|context| Value::count(*context)).collect();
    Value::known([
        ("SSRC", ssrcs),
        ("contexts", Value::List(contexts)),
        ("created", Value::count(*created)),
        ("result", Value::text("ok")),
        ("srtp", sealing(&srtp)),
        ("tags", tags),
        ("totals", totals),
    ])
}

fn party(party: &PartyReport, created: u64) -> Value {
    let PartyReport { tag, other, label, streams } = party;
    let mut known = Vec::with_capacity(5);
    known.push(("created", Value::count(created)));
    known.extend(other.iter().map(|other| ("in dialogue with", Value::text(other))));
    known.extend(label.iter().map(|label| ("label", Value::text(label))));
    known.push(("medias", Value::List(streams.iter().map(media).collect())));
    known.push(("tag", Value::text(tag)));
    Value::known(known)
}

fn media(report: &StreamReport) -> Value {
    let StreamReport { line, media, secured, local, remote, ssrc, rtp, rtcp, srtp, .. } = report;
    let stream = |at: SocketAddr, counted: &Traffic, kind: &'static str| {
        let mut known = Vec::with_capacity(7);
        known.extend(ssrc.iter().map(|ssrc| ("SSRC", Value::count(u64::from(*ssrc)))));
        known.extend(remote.iter().map(|remote| ("endpoint", endpoint(*remote))));
        known.extend([
            ("family", Value::text(if at.is_ipv4() { "IPv4" } else { "IPv6" })),
            ("flags", Value::List(vec![Value::text(kind)])),
            ("local address", Value::text(at.ip().to_string())),
            ("local port", Value::count(u64::from(at.port()))),
            ("stats", traffic(counted)),
        ]);
        Value::known(known)
    };
    let mut streams = vec![stream(local.0, rtp, "RTP")];
    streams.push(stream(local.1.unwrap_or(local.0), rtcp, "RTCP"));
    Value::known([
        ("index", Value::count(*line as u64 + 1)),
        ("protocol", Value::text(if *secured { "RTP/SAVP" } else { "RTP/AVP" })),
        ("srtp", sealing(srtp)),
        ("streams", Value::List(streams)),
        ("termination", Value::count(report.termination)),
        ("type", Value::text(media)),
    ])
}

fn endpoint(at: SocketAddr) -> Value {
    Value::known([
        ("address", Value::text(at.ip().to_string())),
        ("family", Value::text(if at.is_ipv4() { "IPv4" } else { "IPv6" })),
        ("port", Value::count(u64::from(at.port()))),
    ])
}

fn traffic(counted: &Traffic) -> Value {
    Value::known([
        ("bytes", Value::count(counted.bytes)),
        ("errors", Value::count(counted.errors)),
        ("packets", Value::count(counted.packets)),
    ])
}

pub(super) fn sealing(srtp: &Sealing) -> Value {
    Value::known([
        ("authentication failures", Value::count(srtp.authentication_failures)),
        ("opened", Value::count(srtp.opened)),
        ("replays", Value::count(srtp.replays)),
        ("sealed", Value::count(srtp.sealed)),
    ])
}

/// The gateway keeps a peer's last report: it is the average, the lowest and the highest.
fn quality(report: &QualityReport, created: u64) -> Value {
    let QualityReport { mos, packet_loss, jitter, round_trip, samples } = *report;
    let block = || {
        Value::dictionary([
            ("MOS", Value::count(u64::from(mos))),
            ("packet loss", Value::count(u64::from(packet_loss))),
            ("jitter", Value::count(u64::from(jitter))),
            ("round-trip time", Value::count(u64::from(round_trip))),
            ("samples", Value::count(samples)),
            ("reported at", Value::count(created)),
        ])
    };
    Value::dictionary([("average MOS", block()), ("lowest MOS", block()), ("highest MOS", block())])
}
