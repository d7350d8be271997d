//! What the IMS-ALG counts, whichever face its requests come by.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Registry};

use agw_iq::alg::AlgFailure;

use super::counters;

/// The procedures, as the label names them.
pub(crate) const PROCEDURES: [&str; 7] =
    ["offer", "answer", "reject", "delete", "query", "register", "register_answer"];
/// How a request ends.
const RESULTS: [&str; 3] = ["ok", "refused", "unavailable"];

/// Requests and calls of the IMS-ALG.
#[derive(Clone)]
pub(crate) struct AlgMetrics {
    requests: IntCounterVec,
    calls: IntGauge,
    forgotten: IntCounter,
    registrations: IntGauge,
}

impl AlgMetrics {
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        let requests = counters(
            "agw_alg_requests_total",
            "Requests to the IMS-ALG by procedure and result.",
            &["procedure", "result"],
        )?;
        let calls = IntGauge::new("agw_alg_calls", "Calls that the IMS-ALG knows.")?;
        let forgotten = IntCounter::new(
            "agw_alg_calls_forgotten_total",
            "Calls that were forgotten when their contexts were adopted.",
        )?;
        let registrations = IntGauge::new(
            "agw_alg_registrations",
            "UEs with which the protection of media was agreed.",
        )?;
        for procedure in PROCEDURES {
            for result in RESULTS {
                let _ = requests.with_label_values(&[procedure, result]);
            }
        }
        Ok(Self { requests, calls, forgotten, registrations })
    }

    pub(super) fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        registry.register(Box::new(self.requests.clone()))?;
        registry.register(Box::new(self.calls.clone()))?;
        registry.register(Box::new(self.forgotten.clone()))?;
        registry.register(Box::new(self.registrations.clone()))
    }

    /// A request ended.
    pub(crate) fn request<T>(&self, procedure: &str, result: &Result<T, AlgFailure>) {
        let result = match result {
            Ok(_) => "ok",
            Err(failure) if failure.is_final() => "refused",
            Err(_) => "unavailable",
        };
        self.requests.with_label_values(&[procedure, result]).inc();
    }

    /// So many calls are known now.
    pub(crate) fn calls(&self, count: usize) {
        self.calls.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// So many calls could not go along with contexts that were adopted.
    pub(crate) fn forgotten(&self, count: usize) {
        self.forgotten.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// With so many UEs something is agreed now.
    pub(crate) fn registrations(&self, count: usize) {
        self.registrations.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}
