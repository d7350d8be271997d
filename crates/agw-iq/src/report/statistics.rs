//! Counters.

use std::time::{Duration, Instant};

use agw_relay::{
    CryptoSnapshot, DropReason, Drops, EgressSnapshot, EgressStats, IngressSnapshot, IngressStats,
    LatchSnapshot, Refusal, Refusals, RelayStats, RewriteSnapshot, SourceSnapshot, Traffic,
};

use super::key_use::key_use;
use super::milliseconds;
use crate::backend::WorkerTotals;
use crate::convert::suite_to_wire;
use crate::pb;
use crate::reply::socket_address;

pub(crate) fn stream_statistics(
    ingress: &IngressSnapshot,
    egress: &EgressSnapshot,
    now: Instant,
) -> pb::StreamStatistics {
    pb::StreamStatistics {
        ingress: Some(ingress_statistics(ingress, now)),
        egress: Some(egress_statistics(egress, now)),
    }
}

fn ingress_statistics(snapshot: &IngressSnapshot, now: Instant) -> pb::IngressStatistics {
    let IngressSnapshot { stats, crypto, learnt_rtp, learnt_rtcp, last_accepted, waiting, latch } =
        snapshot;
    let IngressStats { received, received_rtcp, forwarded, dropped } = stats;
    let (latch_gate, latch_closes) = latch_gate(*latch, now);
    pb::IngressStatistics {
        received: Some(traffic(received)),
        received_rtcp: Some(traffic(received_rtcp)),
        forwarded: Some(traffic(forwarded)),
        dropped: drops(dropped),
        crypto: crypto.as_ref().map(|crypto| crypto_state(crypto, now)),
        learnt_rtp: learnt_rtp.map(socket_address),
        learnt_rtcp: learnt_rtcp.map(socket_address),
        accepted_ago_ms: last_accepted.map(|at| milliseconds(now.saturating_duration_since(at))),
        waiting: u32::try_from(*waiting).unwrap_or(u32::MAX),
        latch_gate: latch_gate.into(),
        latch_closes_in_ms: latch_closes.map(milliseconds),
    }
}

/// How far latching has come, and how long an open time gate lasts.
fn latch_gate(latch: LatchSnapshot, now: Instant) -> (pb::LatchGate, Option<Duration>) {
    match latch {
        LatchSnapshot::Off => (pb::LatchGate::Unspecified, None),
        LatchSnapshot::Following => (pb::LatchGate::Following, None),
        LatchSnapshot::Waiting => (pb::LatchGate::Waiting, None),
        LatchSnapshot::Locked => (pb::LatchGate::Latched, None),
        LatchSnapshot::Open(None) => (pb::LatchGate::Open, None),
        LatchSnapshot::Open(Some(until)) if until <= now => (pb::LatchGate::Closed, None),
        LatchSnapshot::Open(Some(until)) => {
            (pb::LatchGate::Open, Some(until.saturating_duration_since(now)))
        }
    }
}

fn egress_statistics(snapshot: &EgressSnapshot, now: Instant) -> pb::EgressStatistics {
    let EgressSnapshot {
        stats,
        refusals,
        copies_dropped,
        crypto,
        destination_rtp,
        destination_rtcp,
        rewrite,
        group: _,
        quality,
    } = snapshot;
    let EgressStats { sent, sent_rtcp, refused } = stats;
    pb::EgressStatistics {
        sent: Some(traffic(sent)),
        sent_rtcp: Some(traffic(sent_rtcp)),
        refused: *refused,
        crypto: crypto.as_ref().map(|crypto| crypto_state(crypto, now)),
        destination_rtp: destination_rtp.map(socket_address),
        destination_rtcp: destination_rtcp.map(socket_address),
        rewrite: rewrite.as_ref().map(rewrite_state),
        quality: quality.as_ref().map(|quality| super::quality::quality(quality, now)),
        refusals: refused_by(refusals),
        copies_dropped: drops(copies_dropped),
    }
}

fn rewrite_state(snapshot: &RewriteSnapshot) -> pb::RewriteState {
    let RewriteSnapshot { ssrc, source, changes } = snapshot;
    let source_ssrc = source.map(|source| source.0);
    pb::RewriteState { ssrc: ssrc.0, source_ssrc, source_changes: *changes }
}

pub(crate) fn crypto_state(snapshot: &CryptoSnapshot, now: Instant) -> pb::CryptoState {
    let CryptoSnapshot { suite, sources, keys, srtcp_index } = snapshot;
    let source_state = |source: &SourceSnapshot| {
        let SourceSnapshot { ssrc, roc, highest_sequence, srtcp_index } = source;
        pb::SourceState {
            ssrc: ssrc.0,
            roc: *roc,
            highest_sequence: highest_sequence.map(u32::from),
            srtcp_index: *srtcp_index,
        }
    };
    pb::CryptoState {
        suite: suite_to_wire(*suite).into(),
        sources: sources.iter().map(source_state).collect(),
        keys: keys.iter().map(|key| key_use(key, now)).collect(),
        srtcp_index: *srtcp_index,
    }
}

pub(crate) fn totals(totals: &WorkerTotals) -> pb::Totals {
    let WorkerTotals { relay, send_errors, kernel_drops } = totals;
    let RelayStats {
        received,
        forwarded,
        dropped,
        copies,
        copies_dropped,
        refused: _,
        unprotected,
        protected,
        pre_key_refused: _,
    } = relay;
    let send_error = |(class, packets): &(&'static str, u64)| pb::SendErrorCount {
        error_class: (*class).to_owned(),
        packets: *packets,
    };
    pb::Totals {
        received: Some(traffic(received)),
        forwarded: Some(traffic(forwarded)),
        dropped: drops(dropped),
        send_errors: send_errors.iter().map(send_error).collect(),
        kernel_drops: *kernel_drops,
        unprotected: *unprotected,
        protected: *protected,
        copies: Some(traffic(copies)),
        copies_dropped: drops(copies_dropped),
    }
}

pub(crate) fn traffic(traffic: &Traffic) -> pb::Traffic {
    let Traffic { packets, octets } = traffic;
    pb::Traffic { packets: *packets, octets: *octets }
}

/// The reasons that occurred.
fn drops(drops: &Drops) -> Vec<pb::DropCount> {
    let occurred = drops.iter().filter(|(_, packets)| *packets != 0);
    let count = |(reason, packets)| pb::DropCount { reason: drop_reason(reason).into(), packets };
    occurred.map(count).collect()
}

/// The reasons that occurred.
fn refused_by(refusals: &Refusals) -> Vec<pb::RefusalCount> {
    let occurred = refusals.iter().filter(|(_, packets)| *packets != 0);
    let count = |(reason, packets)| pb::RefusalCount { reason: refusal(reason).into(), packets };
    occurred.map(count).collect()
}

pub(crate) const fn refusal(reason: Refusal) -> pb::SendRefusal {
    match reason {
        Refusal::TooBig => pb::SendRefusal::TooBig,
        Refusal::PortUnreachable => pb::SendRefusal::PortUnreachable,
        Refusal::HostUnreachable => pb::SendRefusal::HostUnreachable,
        Refusal::NetworkUnreachable => pb::SendRefusal::NetworkUnreachable,
        Refusal::InterfaceDown => pb::SendRefusal::InterfaceDown,
        Refusal::Forbidden => pb::SendRefusal::Forbidden,
        Refusal::Congested => pb::SendRefusal::Congested,
        Refusal::Other => pb::SendRefusal::Other,
    }
}

pub(crate) const fn drop_reason(reason: DropReason) -> pb::DropReason {
    match reason {
        DropReason::NoFlow => pb::DropReason::NoFlow,
        DropReason::TooLong => pb::DropReason::TooLong,
        DropReason::NotMedia => pb::DropReason::NotMedia,
        DropReason::Malformed => pb::DropReason::Malformed,
        DropReason::WrongComponent => pb::DropReason::WrongComponent,
        DropReason::IngressGate => pb::DropReason::IngressGate,
        DropReason::EgressGate => pb::DropReason::EgressGate,
        DropReason::WrongSource => pb::DropReason::WrongSource,
        DropReason::NoIngressKey => pb::DropReason::NoIngressKey,
        DropReason::UnknownMki => pb::DropReason::UnknownMki,
        DropReason::Replay => pb::DropReason::Replay,
        DropReason::TooOld => pb::DropReason::TooOld,
        DropReason::Implausible => pb::DropReason::Implausible,
        DropReason::Authentication => pb::DropReason::Authentication,
        DropReason::Unencrypted => pb::DropReason::Unencrypted,
        DropReason::SourceLimit => pb::DropReason::SourceLimit,
        DropReason::IngressKeyExpired => pb::DropReason::IngressKeyExpired,
        DropReason::NoOutput => pb::DropReason::NoOutput,
        DropReason::NoDestination => pb::DropReason::NoDestination,
        DropReason::RtcpOff => pb::DropReason::RtcpOff,
        DropReason::NoEgressKey => pb::DropReason::NoEgressKey,
        DropReason::IndexReused => pb::DropReason::IndexReused,
        DropReason::EgressTooOld => pb::DropReason::EgressTooOld,
        DropReason::EgressSourceLimit => pb::DropReason::EgressSourceLimit,
        DropReason::EgressKeyExpired => pb::DropReason::EgressKeyExpired,
        DropReason::NoRoom => pb::DropReason::NoRoom,
        DropReason::SsrcCollision => pb::DropReason::SsrcCollision,
        DropReason::Policed => pb::DropReason::Policed,
        DropReason::RtcpPoliced => pb::DropReason::RtcpPoliced,
        DropReason::EgressPoliced => pb::DropReason::EgressPoliced,
        DropReason::AuthenticationLimited => pb::DropReason::AuthenticationLimited,
        DropReason::OtherSource => pb::DropReason::OtherSource,
        DropReason::SequenceJump => pb::DropReason::SequenceJump,
        DropReason::PreKeyExpired => pb::DropReason::PreKeyExpired,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drop_reasons_have_the_same_words_in_the_api_and_in_metrics() {
        for reason in DropReason::ALL {
            let expected = format!("DROP_REASON_{}", reason.name().to_uppercase());
            assert_eq!(drop_reason(reason).as_str_name(), expected);
        }
    }

    #[test]
    fn refusals_have_the_same_words_in_the_api_and_in_the_tool() {
        for reason in Refusal::ALL {
            let expected = format!("SEND_REFUSAL_{}", reason.name().to_uppercase());
            assert_eq!(refusal(reason).as_str_name(), expected);
        }
    }

    #[test]
    fn suites_have_the_names_of_their_registrations() {
        for suite in agw_srtp::Suite::ALL {
            assert_eq!(suite_to_wire(suite).as_str_name(), format!("SUITE_{}", suite.name()));
        }
    }
}
