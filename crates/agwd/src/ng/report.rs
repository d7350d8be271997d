//! From what the gateway counts to what `query` and `delete` tell.

use std::time::{Duration, UNIX_EPOCH};

use agw_context::Media;
use agw_iq::alg::{CallView, CountedStream};
use agw_ng::Book;
use agw_ng::reply::{CallReport, PartyReport, QualityReport, Sealing, StreamReport, Traffic};
use agw_relay::{DropReason, QualitySnapshot, Transport};
use agw_sdp::Side;

/// The report of some calls with one identifier, which ng tells as one.
pub(super) fn report(call_id: &str, views: &[CallView], book: &Book) -> CallReport {
    let mut report = CallReport::default();
    for view in views {
        let created = view.created.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        report.created = report.created.max(created.map_or(0, |since| since.as_secs()));
        report.contexts.extend(view.context.map(|context| u64::from(context.0)));
        let parties = parties(&view.dialogues, &view.streams);
        report.parties.extend(parties.into_iter().map(|party| {
            let label = book.label(call_id, &party.tag).map(str::to_owned);
            PartyReport { label, ..party }
        }));
    }
    report
}

/// The caller, and who it talks to. Behind a fork the callee is the one whose tag came last.
pub(super) fn parties(
    dialogues: &[(String, Option<String>)],
    streams: &[CountedStream],
) -> Vec<PartyReport> {
    let Some((caller, _)) = dialogues.first() else { return Vec::new() };
    let callee = dialogues.iter().rev().find_map(|(_, callee)| callee.clone());
    let of = |side: Side| {
        let own = streams.iter().filter(|one| one.stream.side == side);
        own.map(|one| stream(one, streams)).collect::<Vec<_>>()
    };
    let caller = PartyReport {
        tag: caller.clone(),
        other: callee.clone(),
        label: None,
        streams: of(Side::Caller),
    };
    let other = Some(caller.tag.clone());
    let callee = PartyReport {
        tag: callee.unwrap_or_default(),
        other,
        label: None,
        streams: of(Side::Callee),
    };
    vec![caller, callee]
}

fn stream(counted: &CountedStream, all: &[CountedStream]) -> StreamReport {
    let CountedStream { stream, counters } = counted;
    let opposite = all
        .iter()
        .find(|one| one.stream.side != stream.side && one.stream.line == stream.line)
        .and_then(|one| one.counters.as_ref());
    let mut report = StreamReport {
        line: stream.line,
        //= tests/spec/ng.md#reports
        //# A query MUST tell what each media line carries: audio, video or other.
        media: match stream.media {
            Media::Audio => "audio",
            Media::Video => "video",
            Media::Other => "other",
        },
        secured: stream.transport == Transport::Secured,
        local: (stream.local.rtp, stream.local.rtcp),
        remote: None,
        ssrc: None,
        rtp: Traffic::default(),
        rtcp: Traffic::default(),
        srtp: Sealing::default(),
        quality: None,
        termination: u64::from(stream.termination.0),
    };
    let Some((ingress, egress)) = counters else { return report };
    let (all, rtcp) = (ingress.stats.received, ingress.stats.received_rtcp);
    let dropped = &ingress.stats.dropped;
    //= tests/spec/ng.md#reports
    //# A query MUST tell what was received from each party, and the sum of it.
    report.rtp = Traffic {
        packets: all.packets.saturating_sub(rtcp.packets),
        bytes: all.octets.saturating_sub(rtcp.octets),
        errors: dropped.total(),
    };
    report.rtcp = Traffic { packets: rtcp.packets, bytes: rtcp.octets, errors: 0 };
    if report.secured {
        report.srtp = Sealing {
            opened: ingress.stats.forwarded.packets,
            sealed: egress.stats.sent.packets,
            authentication_failures: dropped.of(DropReason::Authentication),
            replays: dropped.of(DropReason::Replay) + dropped.of(DropReason::TooOld),
        };
    }
    report.remote = ingress.learnt_rtp.or(egress.destination_rtp);
    // A plain leg does not look at sources: what is sealed of it on the other side does.
    let own = ingress.crypto.as_ref();
    let sealed = opposite.and_then(|(_, egress)| egress.crypto.as_ref());
    let sources = own.into_iter().chain(sealed).filter_map(|crypto| crypto.sources.last());
    report.ssrc = sources.map(|source| source.ssrc.0).next();
    // How this party's media is heard is what the other party reports.
    report.quality = opposite.and_then(|(_, egress)| egress.quality.as_ref()).map(quality);
    report
}

/// A mean opinion score of narrowband speech, by the E-model with the delays and losses that are
/// known (ITU-T G.107, simplified as elsewhere in this field).
fn quality(told: &QualitySnapshot) -> QualityReport {
    let hertz = f64::from(told.clock.unwrap_or(8_000).max(1));
    let jitter = f64::from(told.jitter) / hertz * 1_000.0;
    let round_trip = told.round_trip.unwrap_or(Duration::ZERO);
    let loss = f64::from(told.fraction_lost) / 256.0 * 100.0;
    let latency = round_trip.as_secs_f64() * 500.0 + jitter * 2.0 + 10.0;
    let delayed = if latency < 160.0 { latency / 40.0 } else { (latency - 120.0) / 10.0 };
    let r = (93.2 - delayed - loss * 2.5).clamp(0.0, 100.0);
    let mos = 1.0 + 0.035 * r + 0.000_007 * r * (r - 60.0) * (100.0 - r);
    QualityReport {
        mos: whole(mos * 10.0),
        packet_loss: whole(loss),
        jitter: whole(jitter),
        round_trip: u32::try_from(round_trip.as_micros()).unwrap_or(u32::MAX),
        samples: told.reports,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and what 32 bits hold, and rounded"
)]
fn whole(number: f64) -> u32 {
    number.round().clamp(0.0, f64::from(u32::MAX)) as u32
}
