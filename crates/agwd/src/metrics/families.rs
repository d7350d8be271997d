//! What is copied out of workers and control when metrics are asked for.

use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

use agw_context::{Capabilities, OverloadLevel, RealmView};
use agw_relay::Drops;

use crate::control::Overview;
use crate::worker::Totals;

/// The gateway at one moment.
pub(crate) struct Snapshot {
    /// Counters of each worker, from worker 0.
    pub(crate) workers: Vec<Totals>,
    /// Limits and realms.
    pub(crate) capabilities: Capabilities,
    /// Contexts, load and ports.
    pub(crate) overview: Overview,
    /// The name of what opens and seals packets.
    pub(crate) engine: &'static str,
}

impl Snapshot {
    /// One family for each metric.
    pub(super) fn families(&self) -> Vec<MetricFamily> {
        let mut families = self.worker_counters();
        families.push(self.drops(
            "agw_packets_dropped_total",
            "Datagrams that went no further, by reason.",
            |totals| &totals.relay.dropped,
        ));
        families.push(self.drops(
            "agw_copies_dropped_total",
            "Copies for members of groups that did not leave, by reason.",
            |totals| &totals.relay.copies_dropped,
        ));
        families.push(self.errors(
            "agw_send_errors_total",
            "Datagrams that the kernel refused to send, by class of error.",
            |totals| &totals.io.send_errors,
        ));
        families.push(self.errors(
            "agw_receive_errors_total",
            "Errors of media sockets that a receive brought up, by class of error.",
            |totals| &totals.io.receive_errors,
        ));
        families.extend(self.realms());
        families.extend(self.gateway());
        families
    }

    /// Counters with no label but the worker.
    fn worker_counters(&self) -> Vec<MetricFamily> {
        let family = |WorkerCounter { name, help, of }| {
            let samples = self
                .each_worker()
                .map(|(worker, totals)| counter(&[("worker", worker.as_str())], of(totals)));
            counters(name, help, samples.collect())
        };
        WORKER_COUNTERS.into_iter().map(family).collect()
    }

    /// Drops by reason.
    fn drops(&self, name: &str, help: &str, of: fn(&Totals) -> &Drops) -> MetricFamily {
        let samples = self.each_worker().flat_map(|(worker, totals)| {
            of(totals).iter().map(move |(reason, count)| {
                counter(&[("reason", reason.name()), ("worker", worker.as_str())], count)
            })
        });
        counters(name, help, samples.collect())
    }

    fn errors(
        &self,
        name: &str,
        help: &str,
        of: fn(&Totals) -> &agw_net::ErrnoCounters,
    ) -> MetricFamily {
        let samples = self.each_worker().flat_map(|(worker, totals)| {
            of(totals).iter().map(move |(class, count)| {
                counter(&[("class", class.name()), ("worker", worker.as_str())], count)
            })
        });
        counters(name, help, samples.collect())
    }

    fn realms(&self) -> Vec<MetricFamily> {
        let family = |name, help, of: fn(&RealmView) -> usize| {
            let realms = self.capabilities.realms.iter();
            let samples =
                realms.map(|realm| gauge(&[("realm", realm.name.as_str())], of(realm) as f64));
            gauges(name, help, samples.collect())
        };
        vec![
            family("agw_realm_ports", "Media ports of the realm.", |realm| {
                (usize::from(realm.ports.1 - realm.ports.0) + 1) * realm.addresses.len()
            }),
            family("agw_realm_available", "1 if the realm can be used.", |realm| {
                realm.available.into()
            }),
            family("agw_realm_ports_used", "Media ports in use.", |realm| realm.ports_used),
            family("agw_realm_ports_resting", "Media ports at rest after release.", |realm| {
                realm.ports_resting
            }),
        ]
    }

    fn gateway(&self) -> Vec<MetricFamily> {
        let overview = &self.overview;
        let is = |condition: bool| if condition { 1.0 } else { 0.0 };
        let plain = |name, help, value| gauges(name, help, vec![gauge(&[], value)]);
        let build = [("version", env!("CARGO_PKG_VERSION")), ("engine", self.engine)];
        let build = gauge(&build, 1.0);
        let load = f64::from(overview.condition.overload_percent) / 100.0;
        let events = vec![counter(&[], overview.newest_event)];
        let released = overview.released.iter();
        let released = released.map(|(cause, count)| counter(&[("cause", cause.name())], count));
        vec![
            plain("agw_orphans", "Contexts without a controller.", overview.orphans as f64),
            counters(
                "agw_released_by_gateway_total",
                "Contexts and terminations released on the gateway's own account, by cause.",
                released.collect(),
            ),
            plain("agw_contexts", "Contexts now.", overview.contexts as f64),
            plain(
                "agw_contexts_limit",
                "The most contexts at a time.",
                self.capabilities.max_contexts as f64,
            ),
            plain("agw_ports_open", "Media ports that have a socket.", overview.ports_open as f64),
            plain(
                "agw_overload_level",
                "Level of load: 0 normal, 1 elevated, 2 high, 3 shedding, 4 critical.",
                level(overview.condition.overload_level),
            ),
            plain("agw_overload_ratio", "Load: 0 is idle, 1 is no more calls.", load),
            plain(
                "agwd_draining",
                "Whether the gateway takes no new contexts.",
                is(overview.condition.is_draining()),
            ),
            counters("agw_events_total", "Events told to controllers.", events),
            gauges(
                "agwd_build_info",
                "The version that runs, and the engine that opens and seals packets.",
                vec![build],
            ),
        ]
    }

    fn each_worker(&self) -> impl Iterator<Item = (String, &Totals)> {
        self.workers.iter().enumerate().map(|(index, totals)| (index.to_string(), totals))
    }
}

/// A level of load as a number.
const fn level(level: OverloadLevel) -> f64 {
    match level {
        OverloadLevel::Normal => 0.0,
        OverloadLevel::Elevated => 1.0,
        OverloadLevel::High => 2.0,
        OverloadLevel::Shedding => 3.0,
        OverloadLevel::Critical => 4.0,
    }
}

/// A counter with no label but the worker.
struct WorkerCounter {
    name: &'static str,
    help: &'static str,
    of: fn(&Totals) -> u64,
}

const fn of(name: &'static str, help: &'static str, of: fn(&Totals) -> u64) -> WorkerCounter {
    WorkerCounter { name, help, of }
}

const WORKER_COUNTERS: [WorkerCounter; 22] = [
    of("agw_packets_received_total", "Datagrams that reached the relay.", |t| {
        t.relay.received.packets
    }),
    of("agw_received_bytes_total", "UDP payload of received datagrams.", |t| {
        t.relay.received.octets
    }),
    of("agw_packets_forwarded_total", "Datagrams handed on for sending.", |t| {
        t.relay.forwarded.packets
    }),
    of("agw_forwarded_bytes_total", "UDP payload of forwarded datagrams.", |t| {
        t.relay.forwarded.octets
    }),
    of("agw_packets_copied_total", "Copies of these that left to members of groups.", |t| {
        t.relay.copies.packets
    }),
    of("agw_packets_refused_total", "Forwarded datagrams that did not go out.", |t| {
        t.relay.refused
    }),
    of("agw_packets_unprotected_total", "SRTP and SRTCP packets whose tag verified.", |t| {
        t.relay.unprotected
    }),
    of("agw_packets_protected_total", "SRTP and SRTCP packets sealed.", |t| t.relay.protected),
    of("agw_pre_key_refused_total", "Legs whose pre-key buffer found no memory.", |t| {
        t.relay.pre_key_refused
    }),
    of("agw_socket_packets_received_total", "Datagrams read from media sockets.", |t| {
        t.io.received
    }),
    of("agw_socket_packets_sent_total", "Datagrams that media sockets took.", |t| t.io.sent),
    of("agw_socket_sends_retried_total", "Sends that succeeded at the second try.", |t| {
        t.io.retried_sends
    }),
    of("agw_kernel_drops_total", "Datagrams dropped because a receive queue was full.", |t| {
        t.io.kernel_dropped
    }),
    of(
        "agw_packets_discarded_total",
        "Datagrams still queued in a media port that was closed.",
        |t| t.io.discarded_at_removal,
    ),
    of("agw_xdp_packets_stray_total", "Datagrams to media ports that nobody has open.", |t| {
        t.io.stray
    }),
    of("agw_xdp_frames_malformed_total", "Frames that hold no whole datagram.", |t| t.io.malformed),
    of("agw_xdp_packets_handed_over_total", "Datagrams given to the worker of their call.", |t| {
        t.io.handed_over
    }),
    of(
        "agw_xdp_packets_not_handed_over_total",
        "Datagrams lost because too many were on their way to the worker of their call.",
        |t| t.io.handover_full,
    ),
    of(
        "agw_sends_to_closed_ports_total",
        "Datagrams whose port was closed before they left.",
        |t| t.io.unknown_port,
    ),
    of("agw_reports_lost_total", "Reports of the packet path that control never got.", |t| {
        t.reports_lost
    }),
    of("agw_worker_rounds_total", "Rounds of a worker.", |t| t.io.rounds),
    of("agw_worker_wakes_total", "Rounds that an order of control began.", |t| t.io.wakes),
];

/// A family of counters.
pub(super) fn counters(name: &str, help: &str, samples: Vec<Metric>) -> MetricFamily {
    family(name, help, MetricType::COUNTER, samples)
}

/// A family of gauges.
pub(super) fn gauges(name: &str, help: &str, samples: Vec<Metric>) -> MetricFamily {
    family(name, help, MetricType::GAUGE, samples)
}

/// One sample of a counter.
pub(super) fn counter(labels: &[(&str, &str)], value: u64) -> Metric {
    let mut counter = Counter::default();
    counter.set_value(value as f64);
    let mut metric = Metric::from_label(labels.iter().map(label).collect());
    metric.set_counter(counter);
    metric
}

/// One sample of a gauge.
pub(super) fn gauge(labels: &[(&str, &str)], value: f64) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    let mut metric = Metric::from_label(labels.iter().map(label).collect());
    metric.set_gauge(gauge);
    metric
}

fn label(&(name, value): &(&str, &str)) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}

fn family(name: &str, help: &str, kind: MetricType, samples: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(samples);
    family
}
