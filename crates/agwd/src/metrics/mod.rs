//! Metrics: what the control side counts itself, and what is copied out of the workers.
//!
//! Names follow the Prometheus conventions; labels come from closed sets (reason, class, realm,
//! worker, listener, result), never from a call or a peer.

mod alg;
mod families;
mod ng;
mod process;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use agw_context::{CommandError, Resource};
use agw_iq::backend::TransactError;
use agw_net::XdpInterface;

use crate::logging::lines_dropped;
pub(crate) use alg::AlgMetrics;
pub(crate) use families::Snapshot;
pub(crate) use ng::{Ignored, NgMetrics};
pub(crate) use process::resident_octets;

/// The content type of [`Metrics::text`].
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// From a busy core's answer within 100 us to the 2 s at which a request is given up.
const TRANSACTION_SECONDS: [f64; 11] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 2.0];

/// What new calls are refused for at the gate; `service` is a gateway that drains or is locked.
const SHED: [&str; 7] =
    ["service", "contexts", "ports", "packet_rate", "cpu", "memory", "requests"];

/// The counters of the control side; clones count in the same place, and cost next to nothing.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Counters>);

struct Counters {
    registry: Registry,
    transactions: IntCounterVec,
    shed: IntCounterVec,
    transaction_seconds: Histogram,
    connections: IntGaugeVec,
    accepted: IntCounterVec,
    refused: IntCounterVec,
    reloads: IntCounterVec,
    certificate_expiry: IntGauge,
    xdp_queues: IntGaugeVec,
    alg: AlgMetrics,
    ng: NgMetrics,
}

/// Why a connection was not served; the variants are the values of the label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefusedConnection {
    /// No TLS 1.3 with a good client certificate.
    Tls,
    /// The client certificate does not name exactly one identity.
    Identity,
    /// Too slow.
    Timeout,
    /// Not HTTP/2 with prior knowledge.
    Protocol,
    /// A user who may not use the unix socket.
    User,
    /// As many connections as there may be.
    Connections,
    /// Pushed out by newer ones before it had said anything.
    Handshakes,
    /// The operating system could not accept it.
    System,
}

impl RefusedConnection {
    /// The label's value.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::Identity => "identity",
            Self::Timeout => "timeout",
            Self::Protocol => "protocol",
            Self::User => "user",
            Self::Connections => "connections",
            Self::Handshakes => "handshakes",
            Self::System => "system",
        }
    }
}

impl Metrics {
    /// Counters at zero.
    ///
    /// # Errors
    /// None that anything but a fault of this program can cause.
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let seconds = HistogramOpts::new(
            "agw_transaction_duration_seconds",
            "From taking a transaction to its being in force on the packet path.",
        );
        let counters = Counters {
            transactions: counters(
                "agw_transactions_total",
                "Transactions of controllers by their result.",
                &["result"],
            )?,
            shed: counters(
                "agw_calls_shed_total",
                "New calls refused before anything was done for them, by what had run out.",
                &["limit"],
            )?,
            transaction_seconds: Histogram::with_opts(
                seconds.buckets(TRANSACTION_SECONDS.to_vec()),
            )?,
            connections: IntGaugeVec::new(
                Opts::new("agwd_connections", "Control connections that are being served."),
                &["listener"],
            )?,
            accepted: counters(
                "agwd_connections_accepted_total",
                "Control connections accepted, before they were authenticated.",
                &["listener"],
            )?,
            refused: counters(
                "agwd_connections_refused_total",
                "Control connections that were not served, by reason.",
                &["listener", "reason"],
            )?,
            reloads: counters(
                "agwd_reloads_total",
                "Reloads of certificates and log filter by their result.",
                &["result"],
            )?,
            certificate_expiry: IntGauge::new(
                "agwd_certificate_expiry_timestamp_seconds",
                "When the server certificate expires; 0 without TLS.",
            )?,
            xdp_queues: IntGaugeVec::new(
                Opts::new("agw_xdp_queues", "Receive queues of the devices of xdp realms."),
                &["device", "mode", "zero_copy"],
            )?,
            alg: AlgMetrics::new()?,
            ng: NgMetrics::new()?,
            registry,
        };
        counters.register()?;
        counters.begin();
        Ok(Self(Arc::new(counters)))
    }

    /// A new call was refused before anything was done for it.
    pub(crate) fn shed(&self, error: &CommandError) {
        let limit = error.limit().map_or("service", Resource::name);
        self.0.shed.with_label_values(&[limit]).inc();
    }

    /// Where the IMS-ALG counts.
    pub(crate) fn alg(&self) -> &AlgMetrics {
        &self.0.alg
    }

    /// Where ng counts.
    pub(crate) fn ng(&self) -> &NgMetrics {
        &self.0.ng
    }

    /// A transaction ended.
    pub(crate) fn transaction<T>(&self, result: &Result<T, TransactError>, took: Duration) {
        let label = match result {
            Ok(_) => "ok",
            Err(TransactError::Refused(_)) => "refused",
            Err(TransactError::Failed { .. }) => "failed",
            Err(TransactError::Unavailable(_)) => "unavailable",
        };
        self.0.transactions.with_label_values(&[label]).inc();
        self.0.transaction_seconds.observe(took.as_secs_f64());
    }

    /// A connection was accepted.
    pub(crate) fn accepted(&self, listener: &str) {
        self.0.accepted.with_label_values(&[listener]).inc();
    }

    /// A connection was not served.
    pub(crate) fn refused(&self, listener: &str, reason: RefusedConnection) {
        self.0.refused.with_label_values(&[listener, reason.name()]).inc();
    }

    /// The connections that are being served on a listener.
    pub(crate) fn connections(&self, listener: &str) -> IntGauge {
        self.0.connections.with_label_values(&[listener])
    }

    /// Certificates and log filter were re-read, or could not be.
    pub(crate) fn reloaded(&self, is_good: bool) {
        self.0.reloads.with_label_values(&[if is_good { "ok" } else { "failed" }]).inc();
    }

    /// Another server certificate is in use.
    pub(crate) fn certificate_expires(&self, timestamp: i64) {
        self.0.certificate_expiry.set(timestamp);
    }

    /// The devices of realms with `backend = "xdp"`, and how they are used.
    pub(crate) fn xdp(&self, interfaces: &[XdpInterface]) {
        for interface in interfaces {
            let zero_copy = if interface.zero_copy { "true" } else { "false" };
            let labels = [interface.name.as_str(), interface.attached.name(), zero_copy];
            self.0.xdp_queues.with_label_values(&labels).set(interface.queues.into());
        }
    }

    /// Everything in the text format of Prometheus.
    ///
    /// # Errors
    /// None that anything but a fault of this program can cause.
    pub(crate) fn text(&self, snapshot: &Snapshot) -> Result<Vec<u8>, prometheus::Error> {
        let mut families = self.0.registry.gather();
        families.extend(snapshot.families());
        families.extend(process::families());
        families.push(families::counters(
            "agw_log_lines_dropped_total",
            "Log lines dropped because nobody reads standard error.",
            vec![families::counter(&[], lines_dropped())],
        ));
        families.sort_by(|a, b| a.name().cmp(b.name()));
        let mut text = Vec::new();
        TextEncoder::new().encode(&families, &mut text)?;
        Ok(text)
    }
}

impl Counters {
    fn register(&self) -> Result<(), prometheus::Error> {
        self.alg.register(&self.registry)?;
        self.ng.register(&self.registry)?;
        for counters in
            [&self.transactions, &self.shed, &self.accepted, &self.refused, &self.reloads]
        {
            self.registry.register(Box::new(counters.clone()))?;
        }
        self.registry.register(Box::new(self.transaction_seconds.clone()))?;
        self.registry.register(Box::new(self.connections.clone()))?;
        self.registry.register(Box::new(self.xdp_queues.clone()))?;
        self.registry.register(Box::new(self.certificate_expiry.clone()))
    }

    /// Every series of a closed set is there from the start, so that a first event is a change.
    fn begin(&self) {
        for result in ["ok", "refused", "unavailable"] {
            let _ = self.transactions.with_label_values(&[result]);
        }
        for limit in SHED {
            let _ = self.shed.with_label_values(&[limit]);
        }
        for result in ["ok", "failed"] {
            let _ = self.reloads.with_label_values(&[result]);
        }
    }
}

fn counters(name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
    IntCounterVec::new(Opts::new(name, help), labels)
}
