//! Counters: of a stream, and as rows that grow from one time to the next.

use std::collections::BTreeMap;
use std::time::Duration;

use agw_iq::pb;
use comfy_table::Cell;
use serde::Serialize;

use super::context::ContextView;
use super::crypto::CryptoView;
use super::quality::QualityView;
use super::status::TotalsView;
use super::{TrafficView, address, drops, refusals, word};
use crate::output::{alarm, dash, table};

/// Counters of one stream at one termination.
#[derive(Debug, Serialize)]
pub(crate) struct StatisticsView {
    pub(crate) ingress: IngressView,
    pub(crate) egress: EgressView,
}

/// What arrived.
#[derive(Debug, Serialize)]
pub(crate) struct IngressView {
    pub(crate) received: TrafficView,
    received_rtcp: TrafficView,
    pub(crate) forwarded: TrafficView,
    pub(crate) dropped: BTreeMap<String, u64>,
    crypto: Option<CryptoView>,
    learnt_rtp: Option<String>,
    learnt_rtcp: Option<String>,
    accepted_ago_ms: Option<u64>,
    waiting: u32,
    latch_gate: Option<String>,
    latch_closes_in_ms: Option<u64>,
}

/// What left.
#[derive(Debug, Serialize)]
pub(crate) struct EgressView {
    pub(crate) sent: TrafficView,
    sent_rtcp: TrafficView,
    refused: u64,
    refusals: BTreeMap<String, u64>,
    copies_dropped: BTreeMap<String, u64>,
    crypto: Option<CryptoView>,
    destination_rtp: Option<String>,
    destination_rtcp: Option<String>,
    rewrite: Option<RewriteView>,
    quality: Option<QualityView>,
}

/// Whose a rewritten stream is.
#[derive(Debug, Serialize)]
struct RewriteView {
    ssrc: String,
    source_ssrc: Option<String>,
    source_changes: u64,
}

/// Counters of several counters' owners at one moment.
#[derive(Debug, Serialize)]
pub(crate) struct StatsView {
    /// The context, or the whole gateway.
    pub(crate) context_id: Option<u32>,
    /// The time since the counters before; none the first time.
    pub(crate) interval_ms: Option<u64>,
    pub(crate) rows: Vec<StatsRow>,
}

/// Counters of a worker or of a leg.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct StatsRow {
    pub(crate) name: String,
    pub(crate) received: TrafficView,
    pub(crate) forwarded: TrafficView,
    pub(crate) dropped: BTreeMap<String, u64>,
    pub(crate) sent: u64,
    pub(crate) refused: u64,
    /// Only of workers.
    pub(crate) kernel_drops: Option<u64>,
    pub(crate) rates: Option<Rates>,
}

/// What the counters gained in a second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Rates {
    pub(crate) received_packets: f64,
    pub(crate) received_bits: f64,
    pub(crate) forwarded_packets: f64,
    pub(crate) dropped_packets: f64,
}

impl From<pb::StreamStatistics> for StatisticsView {
    fn from(statistics: pb::StreamStatistics) -> Self {
        let pb::StreamStatistics { ingress, egress } = statistics;
        let (ingress, egress) = (ingress.unwrap_or_default(), egress.unwrap_or_default());
        Self {
            ingress: IngressView {
                received: ingress.received.into(),
                received_rtcp: ingress.received_rtcp.into(),
                forwarded: ingress.forwarded.into(),
                dropped: drops(&ingress.dropped),
                crypto: ingress.crypto.as_ref().map(CryptoView::from),
                learnt_rtp: address(ingress.learnt_rtp.as_ref()),
                learnt_rtcp: address(ingress.learnt_rtcp.as_ref()),
                accepted_ago_ms: ingress.accepted_ago_ms,
                waiting: ingress.waiting,
                latch_gate: word(ingress.latch_gate().as_str_name(), "LATCH_GATE_"),
                latch_closes_in_ms: ingress.latch_closes_in_ms,
            },
            egress: EgressView {
                sent: egress.sent.into(),
                sent_rtcp: egress.sent_rtcp.into(),
                refused: egress.refused,
                refusals: refusals(&egress.refusals),
                copies_dropped: drops(&egress.copies_dropped),
                crypto: egress.crypto.as_ref().map(CryptoView::from),
                destination_rtp: address(egress.destination_rtp.as_ref()),
                destination_rtcp: address(egress.destination_rtcp.as_ref()),
                rewrite: egress.rewrite.map(RewriteView::from),
                quality: egress.quality.as_ref().map(QualityView::from),
            },
        }
    }
}

impl From<pb::RewriteState> for RewriteView {
    fn from(state: pb::RewriteState) -> Self {
        let pb::RewriteState { ssrc, source_ssrc, source_changes } = state;
        let hexadecimal = |ssrc: u32| format!("{ssrc:#010x}");
        let source_ssrc = source_ssrc.map(hexadecimal);
        Self { ssrc: hexadecimal(ssrc), source_ssrc, source_changes }
    }
}

impl StatisticsView {
    /// As a table: what arrived, what left.
    pub(crate) fn table(&self) -> String {
        let Self { ingress, egress } = self;
        let headings = ["", "packets", "octets", "RTCP", "forwarded", "dropped", "peer", "ROC"];
        let mut table = table(&headings, 1);
        table.add_row([
            Cell::new("arrived"),
            Cell::new(ingress.received.packets),
            Cell::new(ingress.received.octets),
            Cell::new(ingress.received_rtcp.packets),
            Cell::new(ingress.forwarded.packets),
            dropped_cell(&ingress.dropped),
            Cell::new(dash(ingress.learnt_rtp.clone())),
            Cell::new(rocs(ingress.crypto.as_ref())),
        ]);
        table.add_row([
            Cell::new("left"),
            Cell::new(egress.sent.packets),
            Cell::new(egress.sent.octets),
            Cell::new(egress.sent_rtcp.packets),
            Cell::new("-"),
            alarm(egress.refused),
            Cell::new(dash(egress.destination_rtp.clone())),
            Cell::new(rocs(egress.crypto.as_ref())),
        ]);
        let mut lines = vec![table.to_string()];
        for (direction, crypto) in [("ingress", &ingress.crypto), ("egress", &egress.crypto)] {
            let keys = crypto.iter().flat_map(CryptoView::keys);
            lines.extend(keys.map(|key| format!("{direction} key {key}")));
        }
        lines.extend(egress.quality.as_ref().map(ToString::to_string));
        lines.join("\n")
    }
}

impl StatsRow {
    /// Of a worker, or of all.
    pub(crate) fn of_totals(name: String, totals: pb::Totals) -> Self {
        let TotalsView { received, forwarded, dropped, send_errors, kernel_drops, .. } =
            totals.into();
        let refused = send_errors.values().sum();
        Self {
            name,
            received,
            forwarded,
            dropped,
            sent: forwarded.packets.saturating_sub(refused),
            refused,
            kernel_drops: Some(kernel_drops),
            rates: None,
        }
    }

    /// Of every leg of a context.
    pub(crate) fn of_legs(context: &ContextView) -> Vec<Self> {
        let streams = context.terminations.iter().flat_map(|termination| {
            termination.streams.iter().map(move |stream| (stream.name(termination), stream))
        });
        let row = |(name, statistics): (String, &StatisticsView)| Self {
            name,
            received: statistics.ingress.received,
            forwarded: statistics.ingress.forwarded,
            dropped: statistics.ingress.dropped.clone(),
            sent: statistics.egress.sent.packets,
            refused: statistics.egress.refused,
            kernel_drops: None,
            rates: None,
        };
        streams
            .filter_map(|(name, stream)| Some(row((name, stream.statistics.as_ref()?))))
            .collect()
    }

    fn dropped_packets(&self) -> u64 {
        self.dropped.values().sum()
    }

    /// What was gained since the counters of the same owner before.
    fn rates_since(&self, before: &Self, interval: Duration) -> Rates {
        let seconds = interval.as_secs_f64().max(f64::EPSILON);
        // Counters of a gateway that started anew are smaller than before.
        let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
        Rates {
            received_packets: rate(self.received.packets, before.received.packets),
            received_bits: rate(self.received.octets, before.received.octets) * 8.0,
            forwarded_packets: rate(self.forwarded.packets, before.forwarded.packets),
            dropped_packets: rate(self.dropped_packets(), before.dropped_packets()),
        }
    }
}

impl StatsView {
    /// Adds rates against the counters before.
    pub(crate) fn compare(&mut self, before: &Self, interval: Duration) {
        self.interval_ms = u64::try_from(interval.as_millis()).ok();
        for row in &mut self.rows {
            let same = before.rows.iter().find(|other| other.name == row.name);
            row.rates = same.map(|same| row.rates_since(same, interval));
        }
    }

    /// As a table.
    pub(crate) fn tables(&self) -> String {
        let whose = if self.context_id.is_some() { "leg" } else { "worker" };
        let mut headings = vec![whose, "received", "forwarded", "dropped", "sent", "refused"];
        if self.interval_ms.is_some() {
            headings.extend(["in pkt/s", "in kbit/s", "on pkt/s", "drops/s"]);
        }
        let mut table = table(&headings, 1);
        for row in &self.rows {
            table.add_row(row.cells(self.interval_ms.is_some()));
        }
        table.to_string()
    }
}

impl StatsRow {
    fn cells(&self, with_rates: bool) -> Vec<Cell> {
        let kernel = self.kernel_drops.filter(|drops| *drops > 0);
        let mut dropped = self.dropped.clone();
        dropped.extend(kernel.map(|drops| ("kernel".to_owned(), drops)));
        let mut cells = vec![
            Cell::new(&self.name),
            Cell::new(self.received.packets),
            Cell::new(self.forwarded.packets),
            dropped_cell(&dropped),
            Cell::new(self.sent),
            alarm(self.refused),
        ];
        if with_rates {
            let rates = self.rates;
            let rates = [
                rates.map(|rates| rates.received_packets),
                rates.map(|rates| rates.received_bits / 1_000.0),
                rates.map(|rates| rates.forwarded_packets),
                rates.map(|rates| rates.dropped_packets),
            ];
            cells.extend(rates.map(|rate| Cell::new(dash(rate.map(|rate| format!("{rate:.1}"))))));
        }
        cells
    }
}

/// The sum of all drops, and each reason under it.
fn dropped_cell(dropped: &BTreeMap<String, u64>) -> Cell {
    if dropped.is_empty() {
        return alarm(0);
    }
    let reasons = dropped.iter().map(|(reason, packets)| format!("{reason} {packets}"));
    Cell::new(reasons.collect::<Vec<_>>().join("\n")).fg(comfy_table::Color::Red)
}

fn rocs(crypto: Option<&CryptoView>) -> String {
    let rocs = crypto.map(CryptoView::rocs).unwrap_or_default();
    if rocs.is_empty() { "-".to_owned() } else { rocs.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(packets: u64, authentication: u64) -> StatsView {
        let dropped = pb::DropCount {
            reason: pb::DropReason::Authentication.into(),
            packets: authentication,
        };
        let totals = pb::Totals {
            received: Some(pb::Traffic { packets, octets: packets * 100 }),
            forwarded: Some(pb::Traffic { packets: packets - authentication, octets: 0 }),
            dropped: vec![dropped],
            ..pb::Totals::default()
        };
        let rows = vec![StatsRow::of_totals("all".to_owned(), totals)];
        StatsView { context_id: None, interval_ms: None, rows }
    }

    #[test]
    fn rates_are_what_the_counters_gained_in_a_second() {
        let mut now = view(150, 20);
        now.compare(&view(50, 10), Duration::from_secs(2));
        let expected = Rates {
            received_packets: 50.0,
            received_bits: 40_000.0,
            forwarded_packets: 45.0,
            dropped_packets: 5.0,
        };
        assert_eq!(now.rows[0].rates, Some(expected));
        assert_eq!(now.interval_ms, Some(2_000));
    }

    #[test]
    fn counters_that_started_anew_have_no_rate_below_zero() {
        let mut now = view(10, 0);
        now.compare(&view(50, 10), Duration::from_secs(1));
        assert_eq!(now.rows[0].rates.unwrap().received_packets, 0.0);
    }

    #[test]
    fn the_table_names_the_reasons_of_drops() {
        let mut now = view(150, 20);
        assert!(now.tables().contains("authentication 20"));
        assert!(!now.tables().contains("pkt/s"));
        now.compare(&view(50, 10), Duration::from_secs(2));
        assert!(now.tables().contains("in pkt/s"));
    }
}
