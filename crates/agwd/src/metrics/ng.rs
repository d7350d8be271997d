//! What the ng face counts.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Registry};

use super::counters;

/// The commands, as the label names them; `other` could not be read as far as that.
const COMMANDS: [&str; 8] =
    ["ping", "offer", "answer", "delete", "query", "list", "statistics", "other"];
/// How a request ends: `ok`, or why not.
const RESULTS: [&str; 7] =
    ["ok", "command", "invalid", "unsupported", "overload", "unknown_call", "refused"];
/// From a ping to the 1 s after which controllers ask again.
const SECONDS: [f64; 11] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.25, 1.0];

/// Messages, requests and replies of ng.
#[derive(Clone)]
pub(crate) struct NgMetrics {
    requests: IntCounterVec,
    ignored: IntCounterVec,
    repeated: IntCounter,
    shared_cookies: IntCounter,
    unknown_flags: IntCounter,
    seconds: Histogram,
    connections: IntGauge,
    cookies: IntGauge,
}

/// Why a message is ignored; the variants are the values of the label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ignored {
    /// Its sender may not speak.
    Address,
    /// Its sender speaks too fast.
    Rate,
    /// It is no message.
    Malformed,
    /// There are as many connections as there may be.
    Connections,
}

impl Ignored {
    const ALL: [Self; 4] = [Self::Address, Self::Rate, Self::Malformed, Self::Connections];

    const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Rate => "rate",
            Self::Malformed => "malformed",
            Self::Connections => "connections",
        }
    }
}

impl NgMetrics {
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        let requests = counters(
            "agw_ng_requests_total",
            "Requests of ng by command and result.",
            &["command", "result"],
        )?;
        let ignored = counters(
            "agw_ng_ignored_total",
            "Messages and connections of ng that got no reply, by reason.",
            &["reason"],
        )?;
        for command in COMMANDS {
            for result in RESULTS {
                let _ = requests.with_label_values(&[command, result]);
            }
        }
        for reason in Ignored::ALL {
            let _ = ignored.with_label_values(&[reason.name()]);
        }
        let seconds = HistogramOpts::new(
            "agw_ng_request_duration_seconds",
            "From reading a request of ng to its reply.",
        );
        Ok(Self {
            requests,
            ignored,
            repeated: IntCounter::new(
                "agw_ng_repeated_total",
                "Requests of ng that came again and were not carried out again.",
            )?,
            shared_cookies: IntCounter::new(
                "agw_ng_shared_cookies_total",
                "Requests of ng under a cookie that another request from the same address had.",
            )?,
            unknown_flags: IntCounter::new(
                "agw_ng_unknown_flags_total",
                "Keys and flags of ng that were ignored because nobody knows them.",
            )?,
            seconds: Histogram::with_opts(seconds.buckets(SECONDS.to_vec()))?,
            connections: IntGauge::new("agw_ng_connections", "TCP connections of ng.")?,
            cookies: IntGauge::new("agw_ng_cookies", "Requests of ng that are remembered.")?,
        })
    }

    pub(super) fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        registry.register(Box::new(self.requests.clone()))?;
        registry.register(Box::new(self.ignored.clone()))?;
        registry.register(Box::new(self.repeated.clone()))?;
        registry.register(Box::new(self.shared_cookies.clone()))?;
        registry.register(Box::new(self.unknown_flags.clone()))?;
        registry.register(Box::new(self.seconds.clone()))?;
        registry.register(Box::new(self.connections.clone()))?;
        registry.register(Box::new(self.cookies.clone()))
    }

    /// A request was answered.
    pub(crate) fn answered(&self, command: &str, result: &str, took: Duration) {
        self.requests.with_label_values(&[command, result]).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// A message got no reply.
    pub(crate) fn ignored(&self, reason: Ignored) {
        self.ignored.with_label_values(&[reason.name()]).inc();
    }

    /// A request came again.
    pub(crate) fn repeated(&self) {
        self.repeated.inc();
    }

    /// A request is another one than was asked before under its cookie.
    pub(crate) fn cookie_shared(&self) {
        self.shared_cookies.inc();
    }

    /// So many flags were not known.
    pub(crate) fn unknown_flags(&self, count: u32) {
        self.unknown_flags.inc_by(count.into());
    }

    /// Requests that are remembered now.
    pub(crate) fn cookies(&self, count: usize) {
        self.cookies.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// TCP connections now.
    pub(crate) const fn connections(&self) -> &IntGauge {
        &self.connections
    }

    /// Requests by command, whatever their result; and those that were refused.
    pub(crate) fn requests(&self) -> ([(&'static str, u64); 6], u64) {
        let of = |command: &str, results: &[&str]| -> u64 {
            let counts = results.iter().map(|one| self.requests.with_label_values(&[command, one]));
            counts.map(|counter| counter.get()).sum()
        };
        let commands = ["offer", "answer", "delete", "query", "list", "ping"];
        let refused = RESULTS.split_first().map_or(&[][..], |(_ok, refused)| refused);
        let refused = COMMANDS.iter().map(|command| of(command, refused)).sum();
        (commands.map(|command| (command, of(command, &RESULTS))), refused)
    }
}
